"""Write ``docker save`` archives (Docker image specification v1.2), byte for byte as skopeo does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import ContentMismatch, InvalidContent, StorageFailed, Unsupported
from ...gocompat.go_json import dumps, sorted_map
from ...interfaces import Accepts, Fill, ImageDestination
from ...model import mediatype
from ...model.descriptor import Descriptor
from ...model.digest import Digest
from ...model.events import Placement
from ...model.image_config import ImageConfig
from ...model.manifest import Manifest
from ...model.reference import Reference
from ...model.strict_json import CONFIG_LIMIT
from ...streams.cancellation import run_in_thread
from ...streams.progress import Progress
from ...streams.pump import Blob
from ..archive_output import is_written_directly, open_output
from ..files import storage_errors
from ..kept_directories import KeptDirectory, remove_others
from ..partial_files import is_kept
from ..tar import TarWriter
from .layer_journal import LayerJournal
from .layers import READ_ONLY, DecompressedBlob, LayerWriter
from .legacy import legacy_layers

_VERSION = b"1.0"
_JOURNAL = "journal"


class DockerArchiveDestination(ImageDestination):
    """Writes one or more images into one archive, with their layers decompressed and in order.

    An asynchronous context manager: the file gets its name only when the context is left without an error. ``scratch``
    is the path for a directory of temporary files. ``tags`` are those of the first image; call `set_tags` before the
    `commit` of another one. ``open_archive`` opens another archive than the file at ``path``; it is called when there
    is content to write.

    If ``scratch`` is a `KeptDirectory`, a run that is interrupted leaves a journal of complete layers in it, and the
    next one uses them; the caller closes it, with `is_resumable`.
    """

    accepts = Accepts(
        mediatype.IMAGES, ordered=True, artifacts=False,
        unsigned="Storing signatures for docker tar files is not supported",
    )  # fmt: skip

    def __init__(
        self, path: Path, scratch: Path | KeptDirectory, tags: tuple[Reference, ...],
        open_archive: Callable[[], AbstractContextManager[TarWriter]] | None = None,
    ) -> None:  # fmt: skip
        self._path, self._tags = path, tags
        self._open_archive = open_archive or self._open_archive_file
        out_of_order = open_archive is None and not is_written_directly(path)
        self._kept = scratch if isinstance(scratch, KeptDirectory) else None
        directory = scratch.path if isinstance(scratch, KeptDirectory) else scratch
        self._layers = LayerWriter(directory, self._open, out_of_order=out_of_order)
        self._written: set[str] = set()
        # For `manifest.json`, by the name of the configuration: tags and names of layers.
        self._items: dict[str, tuple[list[str], list[str]]] = {}
        self._repositories: dict[str, dict[str, str]] = {}
        self._output = ExitStack()
        self._archive: TarWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the archive after success, if an image was committed; raises `StorageFailed` if it is incomplete."""
        if self._layers.journal is not None:
            self._layers.journal.close()
        if error is not None:
            self._output.__exit__(kind, error, trace)
            return
        with self._output:
            if self._layers.archive_damaged:
                raise StorageFailed(f"{self._path}: given up, since one of its images could be written only in part")
            if self._items:
                await run_in_thread(self._finish)
            elif self._archive is not None:
                raise StorageFailed(f"{self._path}: given up, since no image was committed")

    def set_tags(self, *tags: Reference) -> None:
        """Set the tags of the image that is committed next."""
        self._tags = tags

    @property
    def is_resumable(self) -> bool:
        """Whether there are complete layers that a later run can use."""
        return self._layers.journal is not None and self._layers.journal.written

    async def begin(self, root: Manifest) -> None:
        self._prepare()
        self._announce(root)
        await self._layers.append_ready()

    def _announce(self, root: Manifest) -> None:
        self._layers.announce(root.layers, self._archive.position if self._archive else 0)

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        if blob.descriptor.digest in self._layers:
            return Placement.PRESENT
        self._prepare()
        await self._layers.add(blob, progress)
        return Placement.WRITTEN

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        raise Unsupported("a Docker archive holds its layers decompressed, so none is compressed on its way into one")

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self._layers

    async def put_manifest(self, manifest: Manifest) -> None:
        raise InvalidContent(f"{manifest.media_type}: a Docker archive holds single images only")

    async def commit(self, root: Manifest) -> Digest:
        """Append the image.

        Returns the digest of the Docker manifest (schema 2) that describes the image as it was written. Raises
        `InvalidContent`, `ContentMismatch` if a layer does not have the diff ID that the configuration names, and
        `StorageFailed`.
        """
        # Reset below, after success: callers may continue after an error, but not with this archive.
        self._layers.archive_damaged = True
        config, layers = self._checked(root)
        # Appends layers that `begin` did not announce, or not in this order.
        self._announce(root)
        await self._layers.append_ready()
        await run_in_thread(lambda: self._write_metadata(root, config, layers))
        self._layers.archive_damaged = False
        assert root.config is not None
        described = {
            "schemaVersion": 2,
            "mediaType": mediatype.DOCKER_MANIFEST,
            "config": _described(mediatype.DOCKER_CONFIG, len(config), root.config.digest),
            "layers": [_described(mediatype.DOCKER_LAYER, layer.size, layer.digest) for layer in layers],
        }
        return Digest.of(dumps(described).encode())

    def _checked(self, root: Manifest) -> tuple[bytes, list[DecompressedBlob]]:
        """Return the configuration and the layers; raises `InvalidContent` unless their digests are its diff IDs."""
        if root.config is None or not root.is_image:
            raise InvalidContent("a Docker archive holds images only, and this artifact's config is no image config")
        if root.config.size > CONFIG_LIMIT:
            raise InvalidContent(f"the image configuration is over the limit of {CONFIG_LIMIT} bytes")
        config = self._layers[root.config.digest].path.read_bytes()
        layers = [self._layers[layer.digest] for layer in root.layers]
        diff_ids = ImageConfig.parse(config).diff_ids
        if len(diff_ids) != len(layers):
            raise InvalidContent(f"the image has {len(layers)} layers, its configuration names {len(diff_ids)}")
        for layer, diff_id in zip(layers, diff_ids, strict=True):
            if diff_id not in layer.digests:
                raise ContentMismatch(
                    f"layer decompresses to {layer.digest}, the image configuration says {diff_id}",
                    expected=str(diff_id),
                    actual=str(layer.digest),
                )
        return config, layers

    def _prepare(self) -> None:
        """Create the directory for temporary files, if it may be kept, before anything is written to it."""
        if self._kept is None or self._kept.created:
            return
        with storage_errors(f"creating {self._kept.path}"):
            self._kept.create()
            journal = LayerJournal(self._kept.path / _JOURNAL) if self._kept.resumes else None
            if journal is not None and self._kept.adopted:
                journal.read()
                files = {digest.hex for digest, layer in journal.layers.items() if layer.start is None}
                remove_others(self._kept.path, lambda name: name in files or name == _JOURNAL or is_kept(name))
        self._layers.use(self._kept.path, journal)

    @contextmanager
    def _open_archive_file(self) -> Iterator[TarWriter]:
        keep = None if self._layers.journal is None else lambda: self.is_resumable
        with open_output(self._path, replace=False, keep=keep) as (fd, real):
            yield TarWriter.to(fd, real, out_of_order=not is_written_directly(self._path))

    def _open(self) -> TarWriter:
        """Return the archive, opened at the first call."""
        if self._archive is None:
            self._archive = self._output.enter_context(self._open_archive())
        return self._archive

    def _write_metadata(self, root: Manifest, config: bytes, layers: list[DecompressedBlob]) -> None:
        """Write the configuration of an image and its legacy directories, after its layers."""
        assert root.config is not None
        archive = self._open()
        config_name = f"{root.config.digest.hex}.json"
        if config_name not in self._written:
            archive.add_bytes(config_name, config, READ_ONLY)
            self._written.add(config_name)
        last = ""
        for layer, legacy in zip(layers, legacy_layers(config, [layer.digest for layer in layers]), strict=True):
            last = legacy.id
            if legacy.id in self._written:
                continue
            self._written.add(legacy.id)
            archive.add_symlink(f"{legacy.id}/layer.tar", f"../{layer.digest.hex}.tar")
            archive.add_bytes(f"{legacy.id}/VERSION", _VERSION, READ_ONLY)
            archive.add_bytes(f"{legacy.id}/json", legacy.json, READ_ONLY)
        self._record(config_name, [f"{layer.digest.hex}.tar" for layer in layers], last)

    def _record(self, config_name: str, layers: list[str], last: str) -> None:
        """Record an image for ``manifest.json`` and ``repositories``; ``last`` is the ID of its top legacy layer."""
        tags = [f"{tag.name}:{tag.tag}" for tag in self._tags]
        known, _ = self._items.setdefault(config_name, ([], layers))
        known += [tag for tag in tags if tag not in known]
        # `repositories` names legacy directories, and an image without layers has none.
        for tag in self._tags if last else ():
            self._repositories.setdefault(tag.name, {})[tag.tag] = last
        self._tags = ()

    def _finish(self) -> None:
        archive = self._open()
        manifest = [
            {"Config": config, "RepoTags": tags, "Layers": layers} for config, (tags, layers) in self._items.items()
        ]
        archive.add_bytes("manifest.json", dumps(manifest).encode(), READ_ONLY)
        repositories = sorted_map({name: sorted_map(tags) for name, tags in self._repositories.items()})
        archive.add_bytes("repositories", dumps(repositories).encode(), READ_ONLY)
        archive.finish()


def _described(media_type: str, size: int, digest: Digest) -> dict[str, object]:
    """Return the JSON fields of a descriptor in the order of Docker's Go type."""
    return {"mediaType": media_type, "size": size, "digest": str(digest)}
