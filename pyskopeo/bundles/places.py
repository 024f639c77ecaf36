"""Where the images of a bundle go: a repository or several of a registry, an OCI layout, or the content store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInput, InvalidName
from ..fast_dataclass import dataclass
from ..interfaces import ImageReference
from ..model.layout import is_name
from ..model.reference import Reference
from ..storage.store_destination import StoreReference
from ..syncing.mapping import NO_RENAMING, Renaming
from ..transports import parse_image_name
from ..transports.oci import OciReference

if TYPE_CHECKING:
    from pathlib import Path


_WANTED = "want docker://HOST[/PATH] or oci:DIR, or --store DIR alone"


@dataclass(frozen=True, slots=True)
class BundleTarget:
    """Where the images of bundles go.

    ``registry`` is ``HOST[/PATH]``, ``layout`` the directory of a layout; without both it is the content store. In a
    registry an image keeps the path of its repository, below that path, and its tag; in a layout its full name.
    ``renaming`` says otherwise: the name that its rules make is the one below the path, or the one in the layout.
    """

    registry: str = ""
    layout: Path | None = None
    renaming: Renaming = NO_RENAMING

    @classmethod
    def parse(cls, name: str, renaming: Renaming = NO_RENAMING) -> BundleTarget:
        """Parse ``docker://HOST[/PATH]`` or ``oci:DIR``, "" for the content store; raises `InvalidInput`."""
        if not name:
            if renaming.rules:
                raise InvalidInput("images keep their names in the content store: --map goes with --to")
            return cls()
        if name.startswith("docker://") and (path := name.removeprefix("docker://").rstrip("/")):
            return cls(path, None, renaming)
        if name.startswith("oci:"):
            found = parse_image_name(name)
            if isinstance(found, OciReference) and not found.name:
                return cls("", found.path, renaming)
        raise InvalidInput(f"{name}: {_WANTED}")

    @property
    def name(self) -> str:
        """The target in messages."""
        if self.registry:
            return f"docker://{self.registry}"
        return "the content store" if self.layout is None else f"oci:{self.layout}"

    @property
    def is_store(self) -> bool:
        """Whether it is the content store."""
        return not self.registry and self.layout is None

    def place(self, name: str) -> ImageReference:
        """Return the place of the image ``name``; raises `InvalidInput` if that would not be a valid one."""
        if self.is_store:
            return StoreReference(name)
        reference, renamed = Reference.parse(name, default_tag=""), self.renaming.apply(name)
        if self.layout is not None:
            found = name if renamed is None else renamed
            if not is_name(found):
                raise InvalidInput(f"{name} would become {ascii(found)[1:-1][:200]}, which is no name in a layout")
            return OciReference(f"{self.layout}:{found}", self.layout, found)
        below = str(reference).removeprefix(f"{reference.registry}/") if renamed is None else renamed.strip("/")
        place = f"docker://{self.registry}/{below}"
        try:
            return parse_image_name(place)
        except InvalidName as error:
            raise InvalidInput(f"{name} would become {ascii(place)[1:-1][:300]}: {error}") from None

    def places(self, names: list[str]) -> dict[str, ImageReference]:
        """Return the place of each image; raises `InvalidInput` if two have the same, and what `place` raises."""
        found = {name: self.place(name) for name in names}
        by_place: dict[str, str] = {}
        for name, place in found.items():
            other = by_place.setdefault(str(place), name)
            if other != name:
                raise InvalidInput(f"{other} and {name} would both be {place}: rename one of them with --map")
        return found
