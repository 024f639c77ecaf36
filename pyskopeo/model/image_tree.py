"""What an image consists of, from its index down to the layers, with what refers to each manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from .descriptor import Descriptor
    from .digest import Digest
    from .image_history import HistoryStep
    from .platform import Platform
    from .referrer import Referrer


@dataclass(frozen=True, slots=True)
class TreeLayer:
    """A layer, or a file of an artifact; ``step`` is the build step that made it, None if that is not known."""

    descriptor: Descriptor
    step: HistoryStep | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``tree --json`` prints."""
        value = self.descriptor.brief_json()
        if self.descriptor.annotations:
            value["annotations"] = dict(self.descriptor.annotations)
        return value if self.step is None else value | {"history": self.step.to_json()}


@dataclass(frozen=True, slots=True)
class TreeManifest:
    """An index, an image or an artifact.

    ``platform`` is the one that the index states, or without one the configuration. ``artifact_type`` is "" for indexes
    and images. ``history`` has all build steps, also those without a layer, ``created`` is a time as the configuration
    states it (RFC 3339), or "". Of an index, ``manifests`` and ``blobs`` are the entries, attestations excepted, which
    are ``referrers`` of the images that they are about. ``repeated`` marks what is described further up, ``missing``
    what is not there, such as a platform that was not copied into a layout: they have no content.
    """

    descriptor: Descriptor
    platform: Platform | None = None
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: tuple[TreeLayer, ...] = ()
    history: tuple[HistoryStep, ...] = ()
    created: str = ""
    manifests: tuple[TreeManifest, ...] = ()
    blobs: tuple[Descriptor, ...] = ()
    referrers: tuple[Referrer, ...] = ()
    is_index: bool = False
    repeated: bool = False
    missing: bool = False

    @property
    def content(self) -> dict[Digest, int]:
        """The sizes in bytes of configuration, layers and entries that are blobs, by digest, of all manifests below."""
        found = {blob.digest: blob.size for blob in self.blobs}
        found |= {layer.descriptor.digest: layer.descriptor.size for layer in self.layers}
        if self.config is not None:
            found[self.config.digest] = self.config.size
        for manifest in self.manifests:
            found |= manifest.content
        return found

    @property
    def size(self) -> int:
        """The number of bytes of configurations and layers as they are stored; each blob counts once."""
        return sum(self.content.values())

    def walk(self) -> Iterator[TreeManifest]:
        """Yield this manifest and all below it, in order."""
        yield self
        for manifest in self.manifests:
            yield from manifest.walk()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that ``tree --json`` prints."""
        from .descriptor import platform_json

        value: dict[str, Any] = self.descriptor.brief_json()
        if self.platform is not None:
            value["platform"] = platform_json(self.platform)
        stated = (("artifactType", self.artifact_type), ("created", self.created))
        value |= {name: text for name, text in stated if text}
        if self.descriptor.annotations:
            value["annotations"] = dict(self.descriptor.annotations)
        value |= {name: True for name in ("repeated", "missing") if getattr(self, name)}
        if self.repeated or self.missing:
            return value
        value["contentSize"] = self.size
        if self.is_index:
            value["manifests"] = [manifest.to_json() for manifest in self.manifests]
            value["blobs"] = [blob.brief_json() for blob in self.blobs]
        else:
            value["config"] = None if self.config is None else self.config.brief_json()
            value["layers"] = [layer.to_json() for layer in self.layers]
            value["history"] = [step.to_json() for step in self.history]
        return value | {"referrers": [one.to_json() for one in self.referrers]}


@dataclass(frozen=True, slots=True)
class ImageTree:
    """An image ``name`` with everything that it consists of.

    ``unread`` is the number of referrers that were not looked into, because there are too many or they are too deep.
    ``problems`` say, one line each, what could not be read; the rest is complete.
    """

    name: str
    root: TreeManifest
    unread: int = 0
    problems: tuple[str, ...] = field(default=())

    @property
    def images(self) -> tuple[TreeManifest, ...]:
        """The images and artifacts, without the indexes that list them, in order."""
        return tuple(manifest for manifest in self.root.walk() if not manifest.is_index)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document that ``tree --json`` prints."""
        return {
            "name": self.name, "root": self.root.to_json(), "unread": self.unread, "problems": list(self.problems),
        }  # fmt: skip
