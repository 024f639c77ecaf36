"""Writing a ``docker save`` archive, byte for byte as skopeo does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import ContentMismatch, InvalidContent, StorageFailed, Unsupported
from ...gocompat.go_json import dumps, sorted_map
from ...interfaces import Accepts, Blob, Fill, ImageDestination
from ...model import mediatype
from ...model.descriptor import Descriptor
from ...model.digest import Digest
from ...model.events import Placement
from ...model.image_config import ImageConfig
from ...model.manifest import Manifest
from ...model.reference import Reference
from ...model.strict_json import CONFIG_LIMIT
from ...streams.cancellation import run_in_thread
from ...streams.pump import Progress
from ..archive_output import goes_along, open_output
from ..tar import TarWriter
from .layers import READ_ONLY, Layers, Plain
from .legacy import legacy_layers

_VERSION = b"1.0"


class DockerArchiveDestination(ImageDestination):
    """One or more images in one archive. Layers are decompressed to ``scratch``, appended in order.

    A context manager: the file has its name only after that was left without an error. For a second
    image, give its tags to `name_next` before its `commit`. ``opened`` gives another archive than
    the file at ``path``, when there is something to put into it.
    """

    accepts = Accepts(mediatype.IMAGES, ordered=True, artifacts=False)

    def __init__(
        self, path: Path, scratch: Path, tags: tuple[Reference, ...],
        opened: Callable[[], AbstractContextManager[TarWriter]] | None = None,
    ) -> None:  # fmt: skip
        self._path, self._tags = path, tags
        self._opened = opened or (lambda: _archive_file(path))
        self._layers = Layers(scratch, self._open, ahead=opened is None and not goes_along(path))
        self._written: set[str] = set()
        self._items: list[tuple[str, list[str], list[str]]] = []
        self._repositories: dict[str, dict[str, str]] = {}
        self._output = ExitStack()
        self._archive: TarWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the archive, if any image was committed and nothing went wrong."""
        if error is not None:
            self._output.__exit__(kind, error, trace)
            return
        with self._output:
            if self._layers.spoilt:
                raise StorageFailed(f"{self._path}: given up, since one of its images could be written only in part")
            if self._items:
                await run_in_thread(self._finish)
            elif self._archive is not None:
                raise StorageFailed(f"{self._path}: given up, since no image was committed")

    def name_next(self, *tags: Reference) -> None:
        """The tags of the image that is committed next."""
        self._tags = tags

    async def begin(self, root: Manifest) -> None:
        self._expect(root)
        await self._layers.advance()

    def _expect(self, root: Manifest) -> None:
        self._layers.expect(root.layers, self._archive.position if self._archive else 0)

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        if blob.descriptor.digest in self._layers:
            return Placement.PRESENT
        await self._layers.add(blob, progress)
        return Placement.WRITTEN

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        raise Unsupported("a Docker archive holds its layers decompressed, so none is compressed on its way into one")

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self._layers

    async def put_manifest(self, manifest: Manifest) -> None:
        raise InvalidContent(f"{manifest.media_type}: a Docker archive holds single images only")

    async def commit(self, root: Manifest) -> Digest:
        """Append the image; the digest is that of the Docker manifest which describes what was written."""
        # Until it is whole: a caller may go on after an error, but not with this archive.
        self._layers.spoilt = True
        config, layers = self._checked(root)
        # Those that were not announced, or not in this order.
        self._expect(root)
        await self._layers.advance()
        await run_in_thread(lambda: self._describe(root, config, layers))
        self._layers.spoilt = False
        assert root.config is not None
        described = {
            "schemaVersion": 2,
            "mediaType": mediatype.DOCKER_MANIFEST,
            "config": _described(mediatype.DOCKER_CONFIG, len(config), root.config.digest),
            "layers": [_described(mediatype.DOCKER_LAYER, layer.size, layer.digest) for layer in layers],
        }
        return Digest.of(dumps(described).encode())

    def _checked(self, root: Manifest) -> tuple[bytes, list[Plain]]:
        """The configuration and the layers, which must be those its diff IDs name."""
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
            if layer.digest != diff_id:
                raise ContentMismatch(
                    f"layer decompresses to {layer.digest}, the image configuration says {diff_id}",
                    expected=str(diff_id),
                    actual=str(layer.digest),
                )
        return config, layers

    def _open(self) -> TarWriter:
        """The archive, made when the first thing is to be put into it."""
        if self._archive is None:
            self._archive = self._output.enter_context(self._opened())
        return self._archive

    def _describe(self, root: Manifest, config: bytes, layers: list[Plain]) -> None:
        """Everything that comes after an image's layers."""
        assert root.config is not None
        archive = self._open()
        config_name = f"{root.config.digest.hex}.json"
        if config_name not in self._written:
            archive.add_bytes(config_name, config, READ_ONLY)
            self._written.add(config_name)
        last = ""
        for layer, legacy in zip(layers, legacy_layers(config, [one.digest for one in layers]), strict=True):
            last = legacy.id
            if legacy.id in self._written:
                continue
            self._written.add(legacy.id)
            archive.add_symlink(f"{legacy.id}/layer.tar", f"../{layer.digest.hex}.tar")
            archive.add_bytes(f"{legacy.id}/VERSION", _VERSION, READ_ONLY)
            archive.add_bytes(f"{legacy.id}/json", legacy.json, READ_ONLY)
        self._record(config_name, [f"{layer.digest.hex}.tar" for layer in layers], last)

    def _record(self, config_name: str, layers: list[str], last: str) -> None:
        tags = [f"{tag.name}:{tag.tag}" for tag in self._tags]
        for written, known, _ in self._items:
            if written == config_name:
                known += [tag for tag in tags if tag not in known]
                break
        else:
            self._items.append((config_name, tags, layers))
        # An image without layers has no directory to name there.
        for tag in self._tags if last else ():
            self._repositories.setdefault(tag.name, {})[tag.tag] = last
        self._tags = ()

    def _finish(self) -> None:
        archive = self._open()
        manifest = [{"Config": config, "RepoTags": tags, "Layers": layers} for config, tags, layers in self._items]
        archive.add_bytes("manifest.json", dumps(manifest).encode(), READ_ONLY)
        repositories = sorted_map({name: sorted_map(tags) for name, tags in self._repositories.items()})
        archive.add_bytes("repositories", dumps(repositories).encode(), READ_ONLY)
        archive.finish()


@contextmanager
def _archive_file(path: Path) -> Iterator[TarWriter]:
    with open_output(path, replace=False) as (fd, real):
        yield TarWriter.to(fd, real, ahead=not goes_along(path))


def _described(media_type: str, size: int, digest: Digest) -> dict[str, object]:
    """A descriptor with the fields in the order of Docker's Go type."""
    return {"mediaType": media_type, "size": size, "digest": str(digest)}
