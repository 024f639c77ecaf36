"""Compare two images, by image name."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from ..access import Access
from ..errors import prefix_errors
from ..fast_dataclass import replace
from ..model.choice import Choice
from ..model.image_comparison import ComparedImage, ComparedLayer, ImageComparison, ValueDifference
from ..model.image_config import parse_config
from ..model.platform import Platform
from ..model.value_differences import config_differences, value_differences
from ..streams.cancellation import run_in_thread
from .open_images import OpenImage, opened_image, stored_indexes
from .usage import read_image_layers

if TYPE_CHECKING:
    from ..filesystem.layer_reader import Advance, LayerIndexes
    from ..filesystem.overlay import LayerEntries
    from ..model.manifest import Manifest


async def compare_images(
    first: str,
    second: str,
    *,
    platform: Platform | Choice | None = None,
    every_platform: bool = True,
    files: bool = True,
    times: bool = False,
    access: Access | None = None,
    advance: Advance | None = None,
) -> ImageComparison:
    """Return how two images (``transport:details``) differ.

    ``platform`` chooses an image from each index; None: this machine's architecture, on Linux. ``every_platform``
    compares the platforms of two indexes, and the digests of their images, besides. ``files`` compares the files of the
    chosen images, for which layers are read, unless both images have the same: each layer once, as a stream, which is
    verified; layers with the same diff ID are taken for the same. Those of a base that both have are not read if the
    other layers have the same files, with other contents. ``times`` includes files that differ in the time of
    their last change only. ``access`` is that to both images. ``advance`` is called a few times per second with the
    number of bytes read so far and that of all layers.

    With a content store, what is in each layer is noted there, and layers of which that is known are not read. Raises
    `NotFound`, `InvalidContent`, `Unsupported` for layers that are no tar archives, and the sources' errors.
    """
    access = access or Access.from_environ()
    indexes = stored_indexes(access, kept=True)
    assert indexes is not None
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(opened_image(first, platform, (), access))
        other = await stack.enter_async_context(opened_image(second, platform, (), access))
        layers, same = _compared_layers(one, other)
        result = ImageComparison(
            _side(first, one), _side(second, other),
            _platforms(one.root, other.root) if every_platform else (),
            value_differences(one.manifest.annotations, other.manifest.annotations),
            config_differences(_config(first, one), _config(second, other)),
            layers, same_layers=same, files=() if files else None,
        )  # fmt: skip
        if not files or same:
            return result
        with prefix_errors(f"comparing {first} with {second}"):
            base = await _read_layers(one, other, indexes, advance)
            return await run_in_thread(partial(_with_files, result, one, other, indexes, base, times=times))


def _side(name: str, image: OpenImage) -> ComparedImage:
    manifest = image.manifest
    size = sum({layer.descriptor.digest: max(0, layer.descriptor.size) for layer in image.layers}.values())
    return ComparedImage(name, image.root.digest, manifest.digest, manifest.media_type, image.platform, size)


def _platforms(first: Manifest, second: Manifest) -> tuple[ValueDifference, ...]:
    """Return the platforms of two indexes whose images differ; of anything else, none."""
    if not (first.is_index and second.is_index) or first.digest == second.digest:
        return ()
    return value_differences(_images(first), _images(second))


def _images(index: Manifest) -> dict[str, list[str]]:
    """Return the digests of the images of an index by their platforms."""
    found: dict[str, list[str]] = {}
    for entry in index.manifests:
        found.setdefault(str(entry.platform or "no platform"), []).append(str(entry.digest))
    return found


def _config(name: str, image: OpenImage) -> dict[str, Any]:
    """Return the decoded configuration; of an artifact, its digest."""
    if not image.config:
        config = image.manifest.config
        return {} if config is None else {"digest": str(config.digest)}
    with prefix_errors(name):
        return dict(parse_config(image.config))


def _compared_layers(one: OpenImage, other: OpenImage) -> tuple[tuple[ComparedLayer, ...], bool]:
    """Return the layers of both, and whether they are the same in the same order."""
    contents = [[layer.content for layer in image.layers] for image in (one, other)]
    numbers: dict[Any, list[int]] = {}
    for layer in reversed(one.layers):
        numbers.setdefault(layer.content, []).append(layer.number)
    found: list[ComparedLayer] = []
    for layer in other.layers:
        known = numbers.get(layer.content)
        found.append(ComparedLayer(layer.content, layer.descriptor, known.pop() if known else 0, layer.number))
    left = {number for rest in numbers.values() for number in rest}
    found += [
        ComparedLayer(layer.content, layer.descriptor, layer.number, 0) for layer in one.layers if layer.number in left
    ]
    found.sort(key=lambda layer: (min(filter(None, (layer.first, layer.second))), layer.second))
    return tuple(found), contents[0] == contents[1]


async def _read_layers(
    one: OpenImage, other: OpenImage, indexes: LayerIndexes, advance: Advance | None
) -> int:
    """Read the layers that are needed for a comparison; return how many, from the base layer on, are not."""
    from ..filesystem.shared_base import is_base_needless, shared_base

    base = shared_base(one.layers, other.layers)
    if 0 < base < min(len(one.layers), len(other.layers)):
        own = [replace(image, layers=image.layers[base:]) for image in (one, other)]
        await read_image_layers(own, indexes, advance)
        if await run_in_thread(lambda: is_base_needless(*(_entries(image, indexes, 0) for image in own))):
            return base
    await read_image_layers((one, other), indexes, advance)
    return 0


def _with_files(
    result: ImageComparison, one: OpenImage, other: OpenImage, indexes: LayerIndexes, base: int, *, times: bool
) -> ImageComparison:
    from ..filesystem.overlay import View
    from ..filesystem.view_comparison import ViewComparison

    first, second = (View.of(_entries(image, indexes, base)) for image in (one, other))
    compared = ViewComparison(first, second, times=times)
    return replace(result, files=tuple(compared.files), touched=compared.touched)


def _entries(image: OpenImage, indexes: LayerIndexes, base: int) -> list[LayerEntries]:
    """Return the entries of the layers above the first ``base`` ones."""
    return [indexes.known(layer).numbered(layer.number) for layer in image.layers[base:]]
