"""The properties of an image that ``inspect`` prints, read from its manifest and configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..engine.children import read_children
from ..engine.graph import find_image
from ..errors import InvalidContent, Unsupported
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.image_config import parse_config
from ..model.platform import Platform
from ..model.strict_json import CONFIG_LIMIT

if TYPE_CHECKING:
    from ..interfaces import ImageSource
    from ..model.choice import Choice
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Inspection:
    """The properties of an image.

    ``digest`` is that of the named manifest, perhaps an index; everything else is about the selected
    image: its ``manifest`` and its decoded configuration, ``config``. The properties raise
    `InvalidContent` for values of the wrong type.
    """

    digest: Digest
    manifest: Manifest
    config: Mapping[str, Any]

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers, base layer first."""
        return self.manifest.layers

    @property
    def created(self) -> str | None:
        """The time of creation as in the configuration (RFC 3339), None without one."""
        return _text(self.config, "created") or None

    @property
    def docker_version(self) -> str:
        """The version of Docker that built the image, or ""."""
        return _text(self.config, "docker_version")

    @property
    def architecture(self) -> str:
        """The CPU architecture, as in Go's ``GOARCH``, or ""."""
        return _text(self.config, "architecture")

    @property
    def os(self) -> str:
        """The operating system, as in Go's ``GOOS``, or ""."""
        return _text(self.config, "os")

    @property
    def labels(self) -> Mapping[str, str] | None:
        """The labels, None if the configuration has no ``Labels``."""
        found = self._inner("Labels", dict)
        return None if found is None else {name: "" if value is None else value for name, value in found.items()}

    @property
    def env(self) -> tuple[str, ...] | None:
        """The environment as ``NAME=value``, None if the configuration has no ``Env``."""
        found = self._inner("Env", list)
        return None if found is None else tuple(found)

    def _inner(self, name: str, kind: type) -> Any:
        inner = self.config.get("config") or {}
        found = inner.get(name) if isinstance(inner, dict) else None
        if found is None:
            return None
        values = found.values() if isinstance(found, dict) else found
        if not isinstance(found, kind) or not all(isinstance(value, str | None) for value in values):
            raise InvalidContent(f"image configuration: config.{name} is of the wrong type")
        return found


@dataclass(frozen=True, slots=True)
class Instance:
    """An image or artifact of an index with its entry's platform and annotations, or an image without an index."""

    manifest: Manifest
    platform: Platform | None
    annotations: Mapping[str, str]

    @property
    def size(self) -> int:
        """The size of configuration and layers in bytes, as they are stored; repeated blobs count once."""
        return sum({blob.digest: blob.size for blob in self.manifest.blobs}.values())


async def read_instances(source: ImageSource, root: Manifest) -> tuple[Instance, ...]:
    """Return the instances in ``root`` and in its nested indexes, in order, without entries that are blobs.

    Raises the source's errors.
    """
    if not root.is_index:
        return (Instance(root, await _configured_platform(source, root), {}),)
    children = await read_children(source, root)
    found: list[Instance] = []
    seen: set[Digest] = set()

    def walk(index: Manifest) -> None:
        for entry in index.manifests:
            child = children.manifests.get(entry.digest)
            if child is None:
                continue  # a blob, as in a build cache
            if child.is_index:
                if entry.digest not in seen:  # visit each nested index once
                    seen.add(entry.digest)
                    walk(child)
            else:
                found.append(Instance(child, entry.platform, entry.annotations))

    walk(root)
    return tuple(found)


async def _configured_platform(source: ImageSource, manifest: Manifest) -> Platform | None:
    if not (manifest.is_image or manifest.is_schema1):
        return None
    config = parse_config(await read_config(source, manifest))
    return Platform(_text(config, "os"), _text(config, "architecture"), _text(config, "variant"))


async def read_config(source: ImageSource, manifest: Manifest) -> bytes:
    """Return the verified configuration, or the one made from the history of a schema 1 manifest.

    Raises `Unsupported` for an artifact, and the source's errors.
    """
    if manifest.is_schema1:
        from ..model.schema1 import config_without_diff_ids

        return config_without_diff_ids(manifest)
    if manifest.config is None or not manifest.is_image:
        kind = ascii(manifest.artifact_type or manifest.media_type)[1:-1][:100]
        raise Unsupported(f'unsupported image-specific operation on artifact with type "{kind}"; see --raw')
    return await source.blob(manifest.config).read(CONFIG_LIMIT)


async def inspect_image(source: ImageSource, platform: Platform | Choice) -> Inspection:
    """Read the properties of an image, or of the image for ``platform`` if it is an index.

    Raises `NoMatchingPlatform`, `Unsupported` for an artifact, `InvalidContent`, and the source's errors.
    """
    root = await source.manifest()
    return await read_inspection(source, root, await find_image(source, root, platform))


async def read_inspection(source: ImageSource, root: Manifest, manifest: Manifest) -> Inspection:
    """As `inspect_image`, for a ``root`` and a selected ``manifest`` that have been read already."""
    return Inspection(root.digest, manifest, parse_config(await read_config(source, manifest)))


def missing_creation_time(inspection: Inspection) -> str | None:
    """Return what skopeo prints without a creation time: None for OCI, the year 1 for Docker images."""
    return "0001-01-01T00:00:00Z" if inspection.manifest.media_type == mediatype.DOCKER_MANIFEST else None


def _text(config: Mapping[str, Any], name: str) -> str:
    found = config.get(name)
    if not isinstance(found, str | None):
        raise InvalidContent(f"image configuration: {name} is not a string")
    return found or ""
