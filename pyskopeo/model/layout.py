"""The files ``oci-layout`` and ``index.json`` of an image layout (OCI image specification, "Image Layout").

Reading accepts what build tools write; what is written is byte for byte what skopeo writes. No I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import Any

from ..errors import InvalidContent, InvalidName, NotFound, PathNotFound
from ..fast_dataclass import dataclass, replace
from ..gocompat.field_names import FieldNames
from . import mediatype
from .descriptor import Descriptor
from .digest import Digest
from .manifest import Manifest
from .strict_json import parse_object

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
LAYOUT_CONTENT = b'{"imageLayoutVersion":"1.0.0"}'
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
SOURCE_PREFIX = "containerd.io/distribution.source."  # see `recorded_sources`
INDEX_LIMIT = 64 * 1024 * 1024
_LAYOUT_NAMES = FieldNames.of("imageLayoutVersion")
_INDEX_NAMES = FieldNames.of("schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations")

_COMPONENT = r"[A-Za-z0-9]+(?:(?:--|[-._:@+])[A-Za-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_NTH = re.compile(r"@([0-9]{1,9})", re.ASCII)


def check_name(name: str) -> str:
    """Return ``name`` if it is a valid ``org.opencontainers.image.ref.name``; raises `InvalidName`."""
    if not is_name(name):
        raise InvalidName(f"Invalid image {name!r}: it contains characters a reference name may not have")
    return name


def is_name(name: str) -> bool:
    """Return whether ``name`` is a valid ``org.opencontainers.image.ref.name``."""
    return _NAME.fullmatch(name) is not None


def check_layout_file(raw: bytes, where: str) -> None:
    """Check the content of an ``oci-layout`` file, whose version must be 1.0.0; raises `InvalidContent`."""
    document = parse_object(raw, where, 1024 * 1024)
    _LAYOUT_NAMES.check(document, where)
    version = document.get("imageLayoutVersion")
    if version != "1.0.0":
        raise InvalidContent(f"{where}: imageLayoutVersion is {ascii(version)[:40]}, want 1.0.0")


def reference_name(descriptor: Descriptor) -> str:
    """Return the name of an entry of ``index.json``: its reference name, else containerd's, "" if it has none."""
    annotations = descriptor.annotations
    return annotations.get(REF_NAME) or annotations.get(CONTAINERD_NAME) or ""


def entry_name(descriptor: Descriptor, position: int) -> str:
    """Return the name of an entry, or ``@N``, its position from 0, for one without a name."""
    return reference_name(descriptor) or f"@{position}"


def read_entries(raw: bytes, where: str) -> tuple[list[tuple[int, Descriptor]], list[InvalidContent]]:
    """Return the valid entries of an ``index.json`` with their positions, and an error for each thing that is wrong.

    For reports: `LayoutIndex.parse` accepts no index with an error.
    """
    found: list[tuple[int, Descriptor]] = []
    errors: list[InvalidContent] = []
    try:
        document = parse_object(raw, where, INDEX_LIMIT)
    except InvalidContent as error:
        return [], [error]
    try:
        _INDEX_NAMES.check(document, where)
    except InvalidContent as error:
        errors.append(error)
    version, stated, entries = (document.get(name) for name in ("schemaVersion", "mediaType", "manifests"))
    if version != 2 or type(version) is not int:
        errors.append(InvalidContent(f"{where}: schemaVersion is {ascii(version)[:20]}, want 2"))
    if stated not in (None, "", mediatype.OCI_INDEX):
        errors.append(InvalidContent(f"{where}: mediaType is {ascii(stated)[:100]}, want {mediatype.OCI_INDEX}"))
    if not isinstance(entries, list | None):
        errors.append(InvalidContent(f"{where}: manifests is not a list"))
        entries = None
    for position, entry in enumerate(entries or ()):
        try:
            found.append((position, Descriptor.from_json(entry, f"{where}: manifests[{position}]")))
        except InvalidContent as error:
            place = f"{where}: manifests[{position}]"
            errors.append(InvalidContent(str(error) if str(error).startswith(place) else f"{place}: {error}"))
    return found, errors


@dataclass(frozen=True, slots=True)
class LayoutIndex:
    """A parsed ``index.json``: ``entries`` as they were decoded, and their ``descriptors``, in order."""

    raw: bytes
    document: Mapping[str, Any]
    entries: tuple[Mapping[str, Any], ...]
    descriptors: tuple[Descriptor, ...]
    # The positions of the entries by an annotation that is a name; built when they are first needed.
    _positions: dict[str, dict[str, list[int]]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, raw: bytes, where: str = INDEX_FILE) -> LayoutIndex:
        """Parse ``index.json``; entries may have any media type. Raises `InvalidContent` and `TooLarge`."""
        document = parse_object(raw, where, INDEX_LIMIT)
        _INDEX_NAMES.check(document, where)
        entries, version = document.get("manifests"), document.get("schemaVersion")
        if entries is None:
            entries = []
        if version != 2 or type(version) is not int or not isinstance(entries, list):
            raise InvalidContent(f"{where} is not an image index")
        descriptors = tuple(Descriptor.from_json(e, f"{where}: manifests[{n}]") for n, e in enumerate(entries))
        return cls(raw, document, tuple(entries), descriptors)

    @classmethod
    def empty(cls) -> LayoutIndex:
        """Return the index of a new layout, which has no file yet."""
        return cls(b"", {}, (), ())

    def with_images(
        self, images: Mapping[str, Manifest], unnamed: Iterable[Manifest] = (),
        annotations: Mapping[tuple[str, Digest], Mapping[str, str]] = MappingProxyType({}),
    ) -> LayoutIndex:  # fmt: skip
        """Return the index in which each name in ``images`` refers to its manifest, and which lists ``unnamed`` ones.

        ``annotations`` are those of their entries, besides their names, by name and digest. An entry of the same name
        is replaced, where skopeo keeps it without its name. Of an unnamed image, an unnamed entry of the same digest is
        replaced. All other entries are kept. Returns the index itself if nothing changes.
        """
        new: list[tuple[dict[str, Any], Descriptor]] = []
        for name, root in (*images.items(), *(("", root) for root in unnamed)):
            notes = dict(annotations.get((name, root.digest), ())) | ({REF_NAME: name} if name else {})
            entry = replace(root.descriptor, annotations=notes).to_json()
            found = self._replaced_by(name, root)
            if len(found) == 1 and entry == self.entries[found[0]]:
                continue  # already as it should be; keep its position
            new.append((entry, Descriptor.from_json(entry, INDEX_FILE)))
        if not new:
            return self
        names = {descriptor.annotations[REF_NAME] for _, descriptor in new if REF_NAME in descriptor.annotations}
        digests = {descriptor.digest for _, descriptor in new if REF_NAME not in descriptor.annotations}

        def is_kept(descriptor: Descriptor) -> bool:
            name = descriptor.annotations.get(REF_NAME, "")
            return name not in names if name else descriptor.digest not in digests

        kept = [pair for pair in zip(self.entries, self.descriptors, strict=True) if is_kept(pair[1])]
        return self._with([*kept, *new])

    @property
    def images(self) -> Sequence[tuple[str, Digest]]:
        """The name and the digest of each entry, "" for one without a name."""
        return [(entry.annotations.get(REF_NAME, ""), entry.digest) for entry in self.descriptors]

    def with_sorted(self, images: Collection[tuple[str, Digest]]) -> LayoutIndex:
        """Return the index in which the entries of ``images``, pairs of name and digest, are sorted by these pairs.

        Those without a name are last. They are sorted among the positions that they have; all other entries stay where
        they are.
        """
        found = self.images
        positions = [position for position, image in enumerate(found) if image in images]
        ordered = sorted(positions, key=lambda position: (not found[position][0], found[position]))
        if ordered == positions:
            return self
        pairs = list(zip(self.entries, self.descriptors, strict=True))
        moved = dict(zip(positions, ordered, strict=True))
        return self._with([pairs[moved.get(position, position)] for position in range(len(pairs))])

    def without(self, positions: Iterable[int]) -> LayoutIndex:
        """Return the index without the entries at ``positions``."""
        removed = set(positions)
        pairs = enumerate(zip(self.entries, self.descriptors, strict=True))
        return self._with([pair for position, pair in pairs if position not in removed])

    def replaced_by(self, entries: Sequence[Mapping[str, Any]]) -> LayoutIndex:
        """Return the index with exactly these entries, given as decoded; itself if it has them already.

        Raises `InvalidContent`.
        """
        if tuple(entries) == self.entries:
            return self
        return self._with([(entry, Descriptor.from_json(entry, INDEX_FILE)) for entry in entries])

    def positions(self, name: str) -> Sequence[int]:
        """Return the positions of the entries with exactly this ``org.opencontainers.image.ref.name``."""
        return self._by_name(REF_NAME).get(name, ())

    def _replaced_by(self, name: str, root: Manifest) -> Sequence[int]:
        """Return the positions of the entries that an image replaces."""
        found = self.positions(name)
        return found if name else [at for at in found if self.descriptors[at].digest == root.digest]

    def _by_name(self, annotation: str) -> Mapping[str, Sequence[int]]:
        """Return the positions of the entries by an annotation."""
        if annotation not in self._positions:
            found: dict[str, list[int]] = {}
            for position, descriptor in enumerate(self.descriptors):
                found.setdefault(descriptor.annotations.get(annotation, ""), []).append(position)
            self._positions[annotation] = found
        return self._positions[annotation]

    def _with(self, pairs: Sequence[tuple[Mapping[str, Any], Descriptor]]) -> LayoutIndex:
        document: dict[str, Any] = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX}
        document |= {key: value for key, value in self.document.items() if key not in ("manifests", "mediaType")}
        entries = tuple(entry for entry, _ in pairs)
        document["manifests"] = list(entries)
        return LayoutIndex(_encode(document), document, entries, tuple(descriptor for _, descriptor in pairs))

    def find(self, name: str, where: str) -> Descriptor | Manifest:
        """Find an image by name, by position (``@N``, from 0), or by "" if it is the only one.

        Entries with the names of the tag schema, and of cosign's tags, say what refers to an image, and are none.
        Returns its descriptor, or the index itself if the layout is flat: the entries of index.json
        are the platforms of one image. ``where`` names the layout in errors. Raises `NotFound`, and
        `PathNotFound` for a position beyond the end, or if there is more than one image to choose from.
        """
        found = [self.descriptors[position] for position in self.find_positions(name, where)]
        if len(found) == 1 or len({descriptor.digest for descriptor in found}) == 1:
            return found[0]
        return self._flat(found)

    def find_positions(self, name: str, where: str) -> Sequence[int]:
        """Return the positions of the entries that `find` returns; raises what it raises."""
        if nth := _NTH.fullmatch(name):
            position = int(nth[1])
            if position >= len(self.descriptors):
                count = len(self.descriptors)
                raise PathNotFound(f"{where}: index {position} is too large, only {count} entries available")
            return [position]
        found = self._named(name) if name else self._images()
        if not found:
            if name:
                raise NotFound(f"{where}: no descriptor found for reference {json.dumps(name)}{self._available()}")
            raise NotFound(f"{where}: no images in this layout")
        descriptors = [self.descriptors[position] for position in found]
        if len({descriptor.digest for descriptor in descriptors}) > 1 and not _is_flat(descriptors):
            raise PathNotFound(f"{where}: more than one image in oci, choose an image: {self._choices(found)}")
        return found

    def _images(self) -> Sequence[int]:
        """Return the entries that can be images; of several, not those that belong to an image by their names."""
        found = [position for position, _ in enumerate(self.descriptors) if self._is_usable(position)]
        if len(found) < 2:
            return found
        from .referrer import belongs_to_image

        images = [
            position for position in found
            if not belongs_to_image(reference_name(self.descriptors[position]).rpartition(":")[2])
        ]  # fmt: skip
        return images or found

    def _is_usable(self, position: int) -> bool:
        media_type = self.descriptors[position].media_type
        return media_type in mediatype.MANIFESTS or not media_type

    def _named(self, name: str) -> Sequence[int]:
        """Return the entries of that exact name, else those whose name ends in ``:name``, else by containerd's name."""
        for annotation in (REF_NAME, CONTAINERD_NAME):
            by_name = self._by_name(annotation)
            endings = (position for whole, at in by_name.items() if whole.endswith(f":{name}") for position in at)
            for positions in (by_name.get(name, ()), endings):
                if found := sorted(filter(self._is_usable, positions)):
                    return found
        return ()

    def _available(self) -> str:
        """Return the end of an error message: the names of the images, at most ten."""
        usable = [position for position in range(len(self.descriptors)) if self._is_usable(position)]
        return f"; there are: {self._choices(usable)}" if usable else "; the layout has no images"

    def _choices(self, positions: Sequence[int]) -> str:
        """Return the first names for a message, cut and escaped, since the layout may come from anybody."""
        names = [self.descriptors[n].annotations.get(REF_NAME) or f"@{n}" for n in positions[:10]]
        shown = [name if _NAME.fullmatch(name) or name.startswith("@") else ascii(name) for name in names]
        return ", ".join(name[:100] for name in shown) + (", ..." if len(positions) > 10 else "")

    def _flat(self, found: Sequence[Descriptor]) -> Manifest:
        stated = self.document.get("mediaType") or mediatype.OCI_INDEX
        if len(found) == len(self.descriptors) and stated == mediatype.OCI_INDEX:
            return Manifest(self.raw, mediatype.OCI_INDEX, Digest.of(self.raw), self.descriptors)
        kept = set(map(id, found))
        entries = [e for e, d in zip(self.entries, self.descriptors, strict=True) if id(d) in kept]
        document = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": entries}
        return Manifest.parse(_encode(document))


def _encode(document: Mapping[str, Any]) -> bytes:
    # A lone surrogate, which an escape in the file can stand for, is written as an escape again.
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")


def _is_flat(found: Sequence[Descriptor]) -> bool:
    """Return whether these entries are the platforms of one image: all have a platform, no two the same."""
    platforms = [d.platform for d in found if not (d.platform and d.platform.is_attestation)]
    names = {d.annotations.get(REF_NAME, "") for d in found}
    return None not in platforms and len(set(platforms)) == len(platforms) and len(names) == 1
