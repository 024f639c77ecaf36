"""What was found at the source of a sync, so that what is gone there is told from what was not asked for; no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from ..model.reference import Reference

if TYPE_CHECKING:
    from ..access import Access


@dataclass(slots=True)
class SourceContents:
    """All tags of the repositories, and all images of the places, that were listed to their end.

    ``_tags`` are those of each repository, ``host/name``, with the access to ask its registry with; ``_catalogs`` the
    repositories of each registry, or of a path in one, ``host[/path]``; ``_places`` the images of each local place, as
    `source_identity` names them.
    """

    _tags: dict[str, tuple[frozenset[str], Access]] = field(default_factory=dict)
    _catalogs: dict[str, tuple[frozenset[str], Access]] = field(default_factory=dict)
    _places: dict[str, frozenset[str]] = field(default_factory=dict)

    def add_tags(self, repository: Reference, tags: Iterable[str], access: Access) -> None:
        """Add all tags of a repository, also those that are not selected."""
        self._tags[repository.name] = frozenset(tags), access

    def add_catalog(self, host: str, path: str, names: Iterable[str], access: Access) -> None:
        """Add all repositories of a registry that are below ``path``, "" for the whole registry."""
        self._catalogs[f"{host}/{path}".rstrip("/")] = frozenset(f"{host}/{name}" for name in names), access

    def add_place(self, place: str, images: Iterable[str]) -> None:
        """Add all images of a local place; both are named as by `source_identity`."""
        self._places[place] = frozenset(images)

    def has_lost(self, source: str) -> bool:
        """Return whether the image ``source``, named as by `source_identity`, would have been found, and was not.

        An image that is named by its digest is never lost: nothing lists those.
        """
        if not source.startswith("docker:"):
            return any(_is_within(source, place) and source not in images for place, images in self._places.items())
        reference = parse_source(source)
        if reference is None:
            return False
        if (known := self._tags.get(reference.name)) is not None:
            return reference.tag not in known[0]
        return any(reference.name not in names for names, _ in self._catalogs_of(reference.name))

    def access_of(self, reference: Reference) -> Access | None:
        """Return the access to ask the registry of a lost image with, None if it was not listed."""
        if (known := self._tags.get(reference.name)) is not None:
            return known[1]
        return next((access for _, access in self._catalogs_of(reference.name)), None)

    def _catalogs_of(self, name: str) -> list[tuple[frozenset[str], Access]]:
        return [found for place, found in self._catalogs.items() if name == place or name.startswith(f"{place}/")]


def parse_source(source: str) -> Reference | None:
    """Return the reference of an image of a registry that is named by its tag alone, None for any other source."""
    if not source.startswith("docker://"):
        return None
    try:
        reference = Reference.parse(source.removeprefix("docker://"), default_tag="")
    except InvalidName:
        return None
    return reference if reference.tag and reference.digest is None else None


def _is_within(source: str, place: str) -> bool:
    """Return whether an image is in a directory or a layout, or is that directory."""
    return source == place or source.startswith((f"{place.rstrip('/')}/", f"{place}:"))
