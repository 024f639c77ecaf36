"""Read ``docker save`` archives in place (Docker image specification v1.2).

Such an archive has no image manifest: one is generated from ``manifest.json`` and the image configuration, as skopeo
does.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ...errors import InvalidContent, InvalidName, NotFound, PathNotFound, Unsupported
from ...fast_dataclass import dataclass, replace
from ...gocompat.field_names import FieldNames
from ...gocompat.go_json import dumps
from ...interfaces import ImageSource
from ...model import mediatype
from ...model.descriptor import Descriptor
from ...model.digest import Digest
from ...model.image_config import ImageConfig
from ...model.manifest import Manifest
from ...model.reference import Reference
from ...model.strict_json import CONFIG_LIMIT, parse_list
from ...streams.byte_streams import BlobReader, SkippingReader
from ...streams.cancellation import run_in_thread
from ...streams.decompress import InflatingReader
from ...streams.inflaters import MAGIC, is_gzip_or_zstd
from ...streams.plain_content import InflatedTotal, default_inflated_limit
from ...streams.pump import Blob, FileReader, thread_buffer
from ..files import open_reader, open_regular, read_range
from ..oci_layout import located_blob
from ..tar import Member, TarIndex

_MANIFEST = "manifest.json"
_MANIFEST_LIMIT = 1024 * 1024
_FIELDS = FieldNames.of("Config", "RepoTags", "Layers", "Parent", "LayerSources")


@dataclass(frozen=True, slots=True)
class ManifestItem:
    """An image in ``manifest.json``: the names of its configuration and layers in the archive, and its tags."""

    config: str
    tags: tuple[str, ...]
    layers: tuple[str, ...]


class DockerArchive:
    """An archive and the images in it, in the order of ``manifest.json``."""

    def __init__(self, index: TarIndex, items: Sequence[ManifestItem]) -> None:
        self.index, self.items = index, items
        # By configuration and layers, for each tag; built when it is first needed.
        self._tagged: dict[str, dict[tuple[str, tuple[str, ...]], ManifestItem]] = {}

    @classmethod
    def read(cls, index: TarIndex) -> DockerArchive:
        """Read ``manifest.json``.

        Raises `InvalidContent` if it is missing, malformed or in the archive with different content, and `TooLarge`
        over 1 MiB.
        """
        if _MANIFEST not in index:
            raise InvalidContent(f"{index.name} is not a docker-archive: no {_MANIFEST} in it")
        where = f"{index.name}: {_MANIFEST}"
        listed = parse_list(index.content(_MANIFEST, _MANIFEST_LIMIT), where, _MANIFEST_LIMIT)
        return cls(index, [_item(entry, where) for entry in listed])

    def names(self) -> list[str]:
        """Return the tags of all images as they are written, and ``@N``, its position from 0, for one without tags.

        Raises `InvalidContent` for an invalid tag.
        """
        found: list[str] = []
        for position, item in enumerate(self.items):
            for tag in item.tags:
                if not _is_valid_tag(tag):
                    raise InvalidContent(f"{self.index.name}: {_MANIFEST}: invalid tag {ascii(tag)[:200]}")
            found += item.tags or [f"@{position}"]
        return found

    def choose(self, name: Reference | None, position: int | None) -> ManifestItem:
        """Return the image at ``position``, or the one tagged ``name``, or the only one if both are None.

        Raises `PathNotFound` if there is no such image, and `InvalidContent` if there is not exactly one to choose;
        of two with the same tag some programs load the first, others the last.
        """
        if position is not None:
            if position >= len(self.items):
                raise PathNotFound(f"Invalid source index @{position}, only {len(self.items)} manifest items available")
            return self.items[position]
        if name is not None:
            wanted = f"{name.name}:{name.tag}"
            tagged = self._by_tag().get(wanted)
            if not tagged:
                raise PathNotFound(f'Tag "{wanted}" not found')
            if len(tagged) > 1:
                raise InvalidContent(
                    f"{self.index.name}: {_MANIFEST} gives {len(tagged)} images the tag {wanted}: choose one by its "
                    "position, :@N"
                )
            return next(iter(tagged.values()))
        if len(self.items) != 1:
            hint = ": name one, or its position, :@N; sync --src docker-archive copies all" if self.items else ""
            raise InvalidContent(f"Unexpected tar manifest.json: expected 1 item, got {len(self.items)}{hint}")
        return self.items[0]

    def _by_tag(self) -> Mapping[str, Mapping[tuple[str, tuple[str, ...]], ManifestItem]]:
        if not self._tagged:
            for item in self.items:
                for tag in item.tags:
                    self._tagged.setdefault(_full_name(tag), {})[item.config, item.layers] = item
        return self._tagged


def _full_name(tag: str) -> str:
    """Return a tag with its registry, as skopeo writes it (Docker writes short names), or "" if it is invalid."""
    try:
        found = Reference.parse(tag)
    except InvalidName:
        return ""
    return f"{found.name}:{found.tag}"


def _is_valid_tag(tag: str) -> bool:
    try:
        found = Reference.parse(tag, default_tag="")
    except InvalidName:
        return False
    return bool(found.tag) and found.digest is None


def _item(entry: Any, where: str) -> ManifestItem:
    if not isinstance(entry, dict):
        raise InvalidContent(f"{where}: an entry is not an object")
    _FIELDS.check(entry, where)
    config, tags, layers = entry.get("Config"), entry.get("RepoTags"), entry.get("Layers")
    tags, layers = [] if tags is None else tags, [] if layers is None else layers
    if not isinstance(config, str) or not _is_list_of_strings(tags) or not _is_list_of_strings(layers):
        raise InvalidContent(f"{where}: an entry lacks Config, RepoTags or Layers of the right type")
    return ManifestItem(config, tuple(tags), tuple(layers))


def _is_list_of_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


class DockerArchiveSource(ImageSource):
    """One image of an archive.

    The digests of its layers are their diff IDs; a layer that is stored compressed is decompressed while it is read.
    """

    def __init__(self, archive: DockerArchive, item: ManifestItem, max_inflated: int | None = None) -> None:
        """``max_inflated`` is the maximum size in bytes of the decompressed layers in total; None: see `Storage`."""
        self._archive, self._item = archive, item
        self._max_inflated = max_inflated
        self._members: dict[Digest, str] = {}
        self._compressed: set[Digest] = set()
        # Decompressed sizes of compressed members: an image may name one of them for any number of its layers.
        self._inflated_sizes: dict[Member, int] = {}

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        if descriptor is not None:
            raise Unsupported("a docker-archive has no manifest list")
        return await run_in_thread(self._manifest)

    def blob(self, descriptor: Descriptor) -> Blob:
        name = self._members.get(descriptor.digest)
        if name is None:
            raise NotFound(f"{self._archive.index.name}: no blob {descriptor.digest} in this image")
        location = self._archive.index.locate(name)
        if descriptor.media_type == mediatype.DOCKER_LAYER_GZIP:
            # The manifest says gzip, as skopeo's does, but the blob is an uncompressed tar.
            descriptor = replace(descriptor, media_type=mediatype.DOCKER_LAYER)
        if descriptor.digest not in self._compressed:
            return located_blob(descriptor, location)

        @asynccontextmanager
        async def inflated(offset: int) -> AsyncIterator[BlobReader]:
            async with open_reader(location, descriptor.size) as reader:
                inflating = InflatingReader(reader, name)
                yield SkippingReader(inflating, offset) if offset else inflating

        return Blob(descriptor, inflated)

    def member_of(self, descriptor: Descriptor) -> str:
        """Return the name of the member that a blob is read from, "" for the generated manifest."""
        return self._members.get(descriptor.digest, "")

    def _manifest(self) -> Manifest:
        """Return the manifest, byte for byte as skopeo generates it, so that its digest is the same."""
        index, item = self._archive.index, self._item
        config = index.content(item.config, CONFIG_LIMIT)
        config_digest = Digest.of(config)
        diff_ids = ImageConfig.parse(config).diff_ids
        if len(diff_ids) != len(item.layers):
            raise InvalidContent(
                f"{index.name}: {len(item.layers)} layers, but the image configuration names {len(diff_ids)}"
            )
        self._members[config_digest] = item.config
        layers = []
        total = self._inflated_total()
        for diff_id, name in zip(diff_ids, item.layers, strict=True):
            size = self._layer_size(diff_id, name, total)
            layers.append({"mediaType": mediatype.DOCKER_LAYER_GZIP, "size": size, "digest": str(diff_id)})
        document = {
            "schemaVersion": 2,
            "mediaType": mediatype.DOCKER_MANIFEST,
            "config": {"mediaType": mediatype.DOCKER_CONFIG, "size": len(config), "digest": str(config_digest)},
            "layers": layers,
        }
        return Manifest.parse(dumps(document).encode())

    def _inflated_total(self) -> InflatedTotal:
        index = self._archive.index
        stored = sum(member.size for member in {index.find(name) for name in self._item.layers})
        return InflatedTotal(default_inflated_limit(stored) if self._max_inflated is None else self._max_inflated)

    def _layer_size(self, diff_id: Digest, name: str, total: InflatedTotal) -> int:
        """Return the decompressed size of a layer in bytes, which takes decompressing it if it is compressed."""
        index = self._archive.index
        member = index.find(name)
        self._members[diff_id] = name
        if not is_gzip_or_zstd(read_range(index.path, member.offset, min(MAGIC, member.size))):
            return member.size
        self._compressed.add(diff_id)
        if member not in self._inflated_sizes:
            self._inflated_sizes[member] = _inflated_size(index.path, member, name, total)
        return self._inflated_sizes[member]


def _inflated_size(path: Path, member: Member, name: str, total: InflatedTotal) -> int:
    size = 0
    fd = open_regular(path)
    try:
        reader = InflatingReader(FileReader(fd, path, member.offset, member.size), name)
        while count := reader.readinto(thread_buffer()):
            size += count
            total.count(name, size)
    finally:
        os.close(fd)
    return size
