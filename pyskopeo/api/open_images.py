"""Images that are open for reading: found by name and platform, accepted by the policy, with their layers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.graph import find_image, with_layer_sizes
from ..engine.layer_changes import stated_diff_ids
from ..engine.plan import Graph
from ..engine.policy_check import ImageCheck
from ..errors import PolicyRejected, prefix_errors
from ..fast_dataclass import dataclass
from ..model.choice import Choice
from ..model.configured_platform import configured_platform
from ..model.events import Warned
from ..model.platform import Platform
from ..model.strict_json import CONFIG_LIMIT
from ..transports import parse_image_name

if TYPE_CHECKING:
    from ..filesystem.image_layers import Layer
    from ..filesystem.layer_reader import LayerIndexes
    from ..interfaces import ImageSource
    from ..model.manifest import Manifest
    from ..model.receipt import Receipt


@dataclass(frozen=True, slots=True)
class OpenImage:
    """An image that is open for reading, chosen from ``root``, and those of its layers that are wanted.

    ``where`` is the repository of an image in a registry, the image name of any other. ``config`` is the configuration
    as it is stored, b"" if there is none.
    """

    source: ImageSource
    where: str
    root: Manifest
    manifest: Manifest
    layers: tuple[Layer, ...]
    config: bytes

    @property
    def platform(self) -> Platform | None:
        """The platform that the index states for the image, else the one of its configuration."""
        return self.manifest.platform or configured_platform(self.config)

    def receipt(self, requested: str, layers: Sequence[int]) -> Receipt:
        """Return what was read: the configuration, and the layers of these numbers."""
        from ..model.events import Placement
        from ..model.receipt import Receipt, ReceivedBlob

        manifests = dict.fromkeys((self.root.descriptor, self.manifest.descriptor))
        config = () if self.manifest.config is None or not self.manifest.is_image else (self.manifest.config,)
        read = (layer.descriptor for layer in self.layers if layer.number in layers)
        blobs = {blob.digest: ReceivedBlob(blob, Placement.WRITTEN, self.where) for blob in (*config, *read)}
        return Receipt(requested, self.root.digest, tuple(manifests), tuple(blobs.values()))


@asynccontextmanager
async def opened_image(
    name: str, platform: Platform | Choice | None, wanted: Sequence[str], access: Access | None
) -> AsyncIterator[OpenImage]:
    """Open an image, if the policy accepts it, and find its layers; no layer is read."""
    from ..filesystem.image_layers import chosen_layers, image_layers

    reference, access = parse_image_name(name), access or Access.from_environ()
    access.policy()  # raises for an invalid policy file before anything is read
    async with AsyncExitStack() as stack:
        with prefix_errors(f"reading {reference.image_name}", unless=PolicyRejected):
            source = await stack.enter_async_context(reference.open_source(access))
            root = await source.manifest()
            manifest = await find_image(
                source, root, platform or Platform.host(),
                lambda message: access.report(Warned(f"{reference.image_name}: {message}")),
            )  # fmt: skip
            await ImageCheck(reference, source, access)(manifest, None if manifest is root else manifest.descriptor)
            graph = await with_layer_sizes(source, Graph(manifest))
            config = manifest.config
            configs = {}
            if config is not None and manifest.is_image:
                configs[config.digest] = await source.blob(config).read(CONFIG_LIMIT)
            diff_ids = stated_diff_ids(Graph(manifest, configs=configs))
        layers = image_layers(graph.root.layers, diff_ids, access.storage.max_inflated)
        where = reference.image_name if reference.reference is None else reference.reference.name
        raw = b"" if config is None else configs.get(config.digest, b"")
        yield OpenImage(source, where, root, manifest, chosen_layers(layers, wanted), raw)


def stored_indexes(access: Access, *, kept: bool = False) -> LayerIndexes | None:
    """Return the indexes of layers in the store of ``access``; without a store None, unless they are ``kept`` here."""
    from ..filesystem.layer_reader import LayerIndexes
    from ..storage.layer_index_files import LayerIndexFiles

    store = access.storage.store
    if store is None and not kept:
        return None
    files = None if store is None else LayerIndexFiles(store)
    return LayerIndexes(files, lambda message: access.report(Warned(message)), kept=kept)
