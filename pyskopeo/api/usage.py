"""Where the bytes of an image are, by image name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..access import Access
from ..errors import prefix_errors
from ..model.choice import Choice
from ..model.image_config import parse_config
from ..model.image_history import read_history, steps_of_layers
from ..model.image_usage import ImageUsage
from ..model.platform import Platform
from ..streams.cancellation import run_in_thread
from .open_images import OpenImage, opened_image, stored_indexes

if TYPE_CHECKING:
    from ..filesystem.layer_reader import Advance, LayerIndexes

_DEEPEST = 1000
_TICK = 0.2  # seconds


async def measure_image(
    name: str,
    path: str = "",
    *,
    depth: int | None = None,
    layers: Sequence[str] = (),
    platform: Platform | Choice | None = None,
    access: Access | None = None,
    advance: Advance | None = None,
) -> ImageUsage:
    """Return where the bytes of an image (``transport:details``) are: by path, by layer, and what is wasted.

    ``path`` is the directory whose content is measured by path, "" for the root; ``depth`` the number of names below
    it, None for all. ``layers`` are numbers, from 1 for the base layer or negative from the top, digests or diff IDs;
    none selects all. ``platform`` chooses an image from an index; None: this machine's architecture, on Linux.
    ``advance`` is called a few times per second with the number of bytes read so far and that of all layers.

    Layers are read as streams, and verified; nothing of them is stored. With a content store, what is in each layer is
    noted there, and layers of which that is known are not read. Raises `NotFound` for a path that is not there,
    `InvalidContent`, `Unsupported` for layers that are no tar archives, and the source's errors.
    """
    access = access or Access.from_environ()
    indexes = stored_indexes(access, kept=True)
    assert indexes is not None
    async with opened_image(name, platform, layers, access) as image:
        with prefix_errors(name):
            await read_image_layers([image], indexes, advance)
            return await run_in_thread(partial(_measured, name, image, indexes, path, depth))


async def read_image_layers(
    images: Sequence[OpenImage], indexes: LayerIndexes, advance: Advance | None
) -> None:
    """Read the layers of open images into the indexes, each content once; raises what reading an image's files does."""
    from ..filesystem.image_layers import check_readable
    from ..filesystem.layer_reader import LayerReader, read_layers
    from ..filesystem.layer_sink import EntryTotal
    from ..streams.concurrency import ticking

    jobs, done = [], []
    for image in images:
        check_readable(image.layers)
        reader = LayerReader(image.source, EntryTotal(), indexes=indexes)
        jobs += [(reader, layer) for layer in image.layers]
        done.append(reader.done)
    if advance is None:
        await read_layers(jobs)
        return
    size = sum({layer.content: max(0, layer.descriptor.size) for _, layer in jobs}.values())
    async with ticking(lambda: advance(sum(sum(one.values()) for one in done), size), _TICK):
        await read_layers(jobs)


def _steps(image: OpenImage) -> list[str]:
    """Return the build step of each layer that is open, "" where it is not known."""
    config = parse_config(image.config) if image.config else {}
    steps = steps_of_layers(read_history(config), len(image.manifest.layers))
    found = (steps[layer.number - 1] for layer in image.layers)
    return ["" if step is None else step.instruction for step in found]


def _measured(name: str, image: OpenImage, indexes: LayerIndexes, path: str, depth: int | None) -> ImageUsage:
    from ..filesystem.usage import MeasuredView

    found = [indexes.known(layer) for layer in image.layers]
    measured = MeasuredView([index.numbered(layer.number) for index, layer in zip(found, image.layers, strict=True)])
    steps = _steps(image)
    return ImageUsage(
        name, image.manifest.digest, image.platform,
        measured.measure_paths(path, _DEEPEST if depth is None else depth),
        measured.measure_layers(image.layers, [index.diff_id for index in found], steps),
        measured.wasted,
    )  # fmt: skip
