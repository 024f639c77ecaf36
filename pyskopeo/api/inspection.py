"""What an image is: the facts that ``inspect`` shows, read from its manifest and configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..engine.graph import find_image, read_children
from ..errors import InvalidContent, Unsupported
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.platform import Platform
from ..model.strict_json import CONFIG_LIMIT, parse_object

if TYPE_CHECKING:
    from ..interfaces import ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Inspection:
    """An image's facts. ``digest`` is the root's, all else describes the chosen instance.

    ``labels`` and ``env`` are None where the configuration has none, as opposed to empty ones.
    """

    digest: Digest
    manifest: Manifest
    config: Mapping[str, Any]

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        return self.manifest.layers

    @property
    def created(self) -> str | None:
        return _text(self.config, "created") or None

    @property
    def docker_version(self) -> str:
        return _text(self.config, "docker_version")

    @property
    def architecture(self) -> str:
        return _text(self.config, "architecture")

    @property
    def os(self) -> str:
        return _text(self.config, "os")

    @property
    def labels(self) -> Mapping[str, str] | None:
        found = self._inner("Labels", dict)
        return None if found is None else {name: "" if value is None else value for name, value in found.items()}

    @property
    def env(self) -> tuple[str, ...] | None:
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
    """One of the manifests an index names, or an image that stands alone."""

    manifest: Manifest
    platform: Platform | None
    annotations: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes of its configuration and layers as they lie in the source, each counted once."""
        return sum({blob.digest: blob.size for blob in self.manifest.blobs}.values())


async def read_instances(source: ImageSource, root: Manifest) -> tuple[Instance, ...]:
    """All that ``root`` names, in its order, those of the indexes in it too; raises the source's errors."""
    if not root.is_index:
        return (Instance(root, await _configured_platform(source, root), {}),)
    children = await read_children(source, root)
    found: list[Instance] = []
    seen: set[Digest] = set()

    def walk(index: Manifest) -> None:
        for entry in index.manifests:
            child = children[entry.digest]
            if child.is_index:
                if entry.digest not in seen:  # indexes that name each other come to an end
                    seen.add(entry.digest)
                    walk(child)
            else:
                found.append(Instance(child, entry.platform, entry.annotations))

    walk(root)
    return tuple(found)


async def _configured_platform(source: ImageSource, manifest: Manifest) -> Platform | None:
    if not (manifest.is_image or manifest.is_schema1):
        return None
    config = parse_object(await read_config(source, manifest), "image configuration", CONFIG_LIMIT)
    return Platform(_text(config, "os"), _text(config, "architecture"), _text(config, "variant"))


async def read_config(source: ImageSource, manifest: Manifest) -> bytes:
    """The configuration's bytes, verified, or what a manifest of schema 1 tells of it.

    Raises `Unsupported` for an artifact.
    """
    if manifest.is_schema1:
        from ..model.schema1 import config_without_diff_ids

        return config_without_diff_ids(manifest)
    if manifest.config is None or not manifest.is_image:
        kind = manifest.config.media_type if manifest.config else manifest.media_type
        raise Unsupported(f'unsupported image-specific operation on artifact with type "{kind}"; see --raw')
    return await source.blob(manifest.config).read(CONFIG_LIMIT)


async def inspect_image(source: ImageSource, platform: Platform) -> Inspection:
    """Read what there is to say about an image, or about the instance of an index for ``platform``."""
    root = await source.manifest()
    return await read_facts(source, root, await find_image(source, root, platform))


async def read_facts(source: ImageSource, root: Manifest, manifest: Manifest) -> Inspection:
    """`inspect_image` for those who have the root and the chosen manifest already."""
    config = parse_object(await read_config(source, manifest), "image configuration", CONFIG_LIMIT)
    return Inspection(root.digest, manifest, config)


def zero_time(inspection: Inspection) -> str | None:
    """What stands for a creation time that is absent: nothing in OCI, the year 1 in Docker's type."""
    return "0001-01-01T00:00:00Z" if inspection.manifest.media_type == mediatype.DOCKER_MANIFEST else None


def _text(config: Mapping[str, Any], name: str) -> str:
    found = config.get(name) or ""
    if not isinstance(found, str):
        raise InvalidContent(f"image configuration: {name} is not a string")
    return found
