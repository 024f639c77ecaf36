"""An image of a lock file (`model.lock_file`), as it is written and read. No I/O."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidContent, InvalidName, PyskopeoError
from ..fast_dataclass import dataclass
from .descriptor import Descriptor
from .digest import Digest
from .layout import check_name
from .platform import Platform
from .reference import Reference

_NAME_LIMIT = 400


@dataclass(frozen=True, slots=True)
class LockedImage:
    """One image of a lock file.

    ``reference`` has the digest of its root manifest, and its tag if it was named by one. ``platforms`` are those that
    were asked for, () for all. ``entries`` are the entries of its index that are locked; without an index, the image.
    ``sources`` are the places to read it from, ``HOST/REPOSITORY``, in the order to try. ``referrers`` are what refers
    to it (distribution specification, "Listing Referrers"), None if that was not asked for.
    """

    name: str
    reference: Reference
    sources: tuple[str, ...]
    platforms: tuple[Platform, ...] = ()
    entries: tuple[Descriptor, ...] = ()
    referrers: tuple[Descriptor, ...] | None = None

    @classmethod
    def from_json(cls, name: str, value: dict[str, Any], where: str) -> LockedImage:
        """Read the fields that its manifests do not have; ``where`` names the table in errors. Raises `InvalidContent`.

        Names are those of images in a layout, see `check_image_name`.
        """
        where = f"{where}: {ascii(name)[1:-1][:100]}"
        try:
            check_image_name(name)
            reference = _reference(value.get("reference"))
            referrers = value.get("referrers")
            if not _list(value, "sources"):
                raise InvalidContent("sources is empty")
            return cls(
                name,
                reference,
                sources=tuple(parse_source(source).name for source in _list(value, "sources")),
                platforms=tuple(Platform.parse(str(text)) for text in _list(value, "platforms")),
                entries=_descriptors(value, "manifests"),
                referrers=None if referrers is None else _descriptors(value, "referrers"),
            )
        except PyskopeoError as error:
            raise InvalidContent(f"{where}: {error}") from None

    @property
    def digest(self) -> Digest:
        """The digest of the root manifest."""
        assert self.reference.digest is not None
        return self.reference.digest


def check_image_name(name: str) -> str:
    """Return the name of an image in a lock file if it is valid as the name of one in a layout; raises `InvalidName`.

    Its grammar has no ``..`` and no absolute paths.
    """
    if len(name) > _NAME_LIMIT:
        raise InvalidName(f"the name {ascii(name)[:60]}... has more than {_NAME_LIMIT} characters")
    return check_name(name)


def parse_source(text: object) -> Reference:
    """Return the repository that a source, ``HOST/REPOSITORY``, names; raises `InvalidName`."""
    found = Reference.parse(text, default_tag="") if isinstance(text, str) else None
    if found is None or found.name != text:
        raise InvalidName(f"{ascii(text)[:200]} is not a source: want HOST/REPOSITORY")
    return found


def _reference(value: object) -> Reference:
    found = Reference.parse(value, default_tag="") if isinstance(value, str) else None
    if found is None or found.digest is None or str(found) != value:
        raise InvalidContent("reference is not HOST/REPOSITORY[:TAG]@DIGEST")
    return found


def _descriptors(value: dict[str, Any], key: str) -> tuple[Descriptor, ...]:
    return tuple(Descriptor.from_json(one, f"{key}[{position}]") for position, one in enumerate(_list(value, key)))


def _list(value: dict[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    if not isinstance(found, list):
        raise InvalidContent(f"{key} is not a list")
    return found
