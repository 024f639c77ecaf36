"""Split a list in a layout into one layout for each platform, and name its files for people, by image name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..access import Access
from ..errors import InvalidInput
from ..model.platform_names import STYLES
from ..streams.cancellation import run_in_thread
from .layouts import layout_reference

if TYPE_CHECKING:
    from ..model.digest import Digest
    from ..model.layout_split import LayoutSplit
    from ..storage.shared_files import RunFiles


async def split_layout(
    name: str, destination: str, *, names: str = "os-arch", access: Access | None = None
) -> LayoutSplit:  # fmt: skip
    """Write each image of the list ``oci:PATH[:NAME]`` into a layout of its own below the directory of ``destination``.

    ``destination`` is ``oci:DIRECTORY``, which may be that of the list. ``names`` is how the directories are named:
    ``os-arch`` (``linux-arm-v7``) or ``bashbrew`` (``arm32v7``). Blobs are hard links where that is possible. What is
    no image, such as attestations and SBOMs, is in a further layout, ``artifacts``. What lies where is returned, and
    written to ``platforms.json`` in the directory.

    Raises `InvalidInput`, `PathNotFound` or `NotFound` without such an image, `DestinationRefused` if something else is
    in the way, `Unsupported` if there is no image, and other kinds of `PyskopeoError`.
    """
    from ..storage.layout_split import split_layout as split
    from ..storage.shared_files import RunFiles

    if names not in STYLES:
        raise InvalidInput(f"unknown names of platforms {names!r}: want {' or '.join(STYLES)}")
    layout, target = layout_reference(name), layout_reference(destination, whole=True)
    access = access or Access.from_environ()
    shared = access.storage.shared_files
    files = shared if isinstance(shared, RunFiles) else linking_files(access)
    try:
        return await split(layout.path, layout.name, target.path, style=names, access=access, files=files)
    finally:
        files.remove_empty_directories()
        files.save()


def linking_files(access: Access) -> RunFiles:
    """Return what is known of local files for a run in which they get hard links."""
    from ..storage.shared_files import RunFiles

    return RunFiles(access.storage.cache, partial_age=access.storage.partial_age, linked=True)


async def link_names(
    name: str, *, names: str = "os-arch", time: int | None = None, access: Access | None = None
) -> dict[str, Digest]:
    """Make symbolic links with names for people in the layout ``oci:PATH``; return their paths and digests.

    They are ``image-manifest.json``, ``image-config.json``, and ``rootfs.tar.gz`` or ``layer-1.tar.gz`` and so on; of a
    list also ``image-index.json``, and a directory for each platform, named as for `split_layout`. ``time`` is their
    time of modification in seconds since the epoch, None: now.

    Raises `InvalidInput`, `PathNotFound`, `DestinationRefused` if something else has such a name, and other kinds of
    `PyskopeoError`.
    """
    from ..storage.layout_names import link_names as link

    if names not in STYLES:
        raise InvalidInput(f"unknown names of platforms {names!r}: want {' or '.join(STYLES)}")
    shared = None if access is None else access.storage.shared_blobs
    path = layout_reference(name, whole=True).path
    return await run_in_thread(partial(link, path, shared=shared, style=names, time=time))
