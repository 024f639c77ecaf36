"""The files ``oci-layout`` and ``index.json`` of an image layout (OCI image specification, "Image Layout").

Reading accepts what build tools write; what is written is byte for byte what skopeo writes. No I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidContent, InvalidName, NotFound, PathNotFound
from ..fast_dataclass import dataclass
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
_CONTAINERD_NAME = "io.containerd.image.name"
INDEX_LIMIT = 64 * 1024 * 1024
_LAYOUT_NAMES = FieldNames.of("imageLayoutVersion")
_INDEX_NAMES = FieldNames.of("schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations")

_COMPONENT = r"[A-Za-z0-9]+(?:(?:--|[-._:@+])[A-Za-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_NTH = re.compile(r"@([0-9]{1,9})", re.ASCII)


def check_name(name: str) -> str:
    """Return ``name`` if it is a valid ``org.opencontainers.image.ref.name``; raises `InvalidName`."""
    if not _NAME.fullmatch(name):
        raise InvalidName(f"Invalid image {name!r}: it contains characters a reference name may not have")
    return name


def check_layout_file(raw: bytes, where: str) -> None:
    """Check the content of an ``oci-layout`` file, whose version must be 1.0.0; raises `InvalidContent`."""
    document = parse_object(raw, where, 1024 * 1024)
    _LAYOUT_NAMES.check(document, where)
    version = document.get("imageLayoutVersion")
    if version != "1.0.0":
        raise InvalidContent(f"{where}: imageLayoutVersion is {ascii(version)[:40]}, want 1.0.0")


@dataclass(frozen=True, slots=True)
class LayoutIndex:
    """A parsed ``index.json``: ``entries`` as they were decoded, and their ``descriptors``, in order."""

    raw: bytes
    document: Mapping[str, Any]
    entries: tuple[Mapping[str, Any], ...]
    descriptors: tuple[Descriptor, ...]

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

    def with_entry(self, root: Manifest, name: str) -> bytes:
        """Return the bytes of an ``index.json`` in which ``name`` refers to ``root``.

        An entry of the same name is replaced, where skopeo keeps it without its name. If ``name`` is "",
        an unnamed entry of the same digest is replaced. All other entries are kept.
        """

        def replaced(descriptor: Descriptor) -> bool:
            found = descriptor.annotations.get(REF_NAME, "")
            return found == name if name else (not found and descriptor.digest == root.digest)

        new: dict[str, Any] = root.descriptor.to_json()
        if name:
            new["annotations"] = {REF_NAME: name}
        if new in self.entries and sum(map(replaced, self.descriptors)) == 1:
            return self.raw  # already as it should be; keep its position
        kept = [e for e, d in zip(self.entries, self.descriptors, strict=True) if not replaced(d)]
        document = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX}
        document |= {key: value for key, value in self.document.items() if key not in ("manifests", "mediaType")}
        document["manifests"] = [*kept, new]
        return _encode(document)

    def find(self, name: str, where: str) -> Descriptor | Manifest:
        """Find an image by name, by position (``@N``, from 0), or by "" if it is the only one.

        Returns its descriptor, or the index itself if the layout is flat: the entries of index.json
        are the platforms of one image. ``where`` names the layout in errors. Raises `NotFound`, and
        `PathNotFound` if there is more than one image to choose from.
        """
        if nth := _NTH.fullmatch(name):
            position = int(nth[1])
            if position >= len(self.descriptors):
                raise NotFound(f"{where}: index {position} is out of range, there are {len(self.descriptors)} images")
            return self.descriptors[position]
        usable = tuple(d for d in self.descriptors if d.media_type in mediatype.MANIFESTS or not d.media_type)
        found = _named(usable, name) if name else usable
        if not found:
            if name:
                raise NotFound(f"{where}: no descriptor found for reference {json.dumps(name)}")
            raise NotFound(f"{where}: no images in this layout")
        if len(found) == 1 or len({descriptor.digest for descriptor in found}) == 1:
            return found[0]
        if _is_flat(found):
            return self._flat(found)
        raise PathNotFound(f"{where}: more than one image in oci, choose an image: {_choices(found)}")

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


def _named(descriptors: Sequence[Descriptor], name: str) -> tuple[Descriptor, ...]:
    """Return the entries of that exact name, else those whose name ends in ``:name``, else by containerd's name."""
    tests = (
        lambda found: found.annotations.get(REF_NAME) == name,
        lambda found: found.annotations.get(REF_NAME, "").endswith(":" + name),
        lambda found: found.annotations.get(_CONTAINERD_NAME) == name,
        lambda found: found.annotations.get(_CONTAINERD_NAME, "").endswith(":" + name),
    )
    for test in tests:
        if found := tuple(filter(test, descriptors)):
            return found
    return ()


def _is_flat(found: Sequence[Descriptor]) -> bool:
    """Return whether these entries are the platforms of one image: all have a platform, no two the same."""
    platforms = [d.platform for d in found if not (d.platform and d.platform.is_attestation)]
    names = {d.annotations.get(REF_NAME, "") for d in found}
    return None not in platforms and len(set(platforms)) == len(platforms) and len(names) == 1


def _choices(found: Sequence[Descriptor]) -> str:
    names = [descriptor.annotations.get(REF_NAME) or f"@{n}" for n, descriptor in enumerate(found)]
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
