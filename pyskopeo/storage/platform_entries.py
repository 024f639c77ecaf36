"""The platforms that the entries of a layout's ``index.json`` state, and names for each platform of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, StorageFailed
from ..fast_dataclass import replace
from ..model.configured_platform import configured_platform
from ..model.strict_json import CONFIG_LIMIT
from .files import read_bounded

if TYPE_CHECKING:
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.platform import Platform


def with_platform(image: Manifest, path_of: Callable[[Digest], Path]) -> Manifest:
    """Return an image with the platform that its configuration states, unless an index has stated one.

    ``path_of`` returns the path of a blob. An image whose configuration cannot be read, or states none, has none.
    """
    if image.platform is not None or image.config is None or not image.is_image:
        return image
    try:
        raw = read_bounded(path_of(image.config.digest), CONFIG_LIMIT)
    except (NotFound, StorageFailed, InvalidContent):
        return image
    return replace(image, platform=configured_platform(raw))


def tagged_platforms(
    root: Manifest, name: str, style: str, manifests: Mapping[Digest, Manifest], path_of: Callable[[Digest], Path]
) -> dict[str, Manifest]:
    """Return the images of a list by the names that they get besides: that of the list, and that of the platform.

    ``manifests`` are those that were written, ``style`` one of `platform_names.STYLES`. Attestations and images without
    a platform get no name.
    """
    from ..model.platform_names import platform_names  # not needed for a plain copy

    found: dict[Digest, tuple[Platform, Manifest]] = {}

    def walk(index: Manifest, seen: frozenset[Digest]) -> None:
        for entry in index.manifests:
            child = manifests.get(entry.digest)
            if child is None or entry.digest in seen:
                continue
            if child.is_index:
                walk(child, seen | {entry.digest})
                continue
            image = with_platform(replace(child, platform=entry.platform), path_of)
            if image.is_image and image.platform is not None and not image.platform.is_attestation:
                found.setdefault(image.digest, (image.platform, image))

    walk(root, frozenset())
    images = [(platform, image.digest) for platform, image in found.values()]
    names = platform_names(images, style)
    return {
        f"{name}-{platform}" if name else platform: image
        for platform, (_, image) in zip(names, found.values(), strict=True)
    }
