"""Names for people in an OCI layout: relative symbolic links to the manifest, the configuration and the layers."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DestinationRefused, NotFound, PathNotFound, Unsupported
from ..model import mediatype
from ..model.layout import INDEX_FILE, INDEX_LIMIT, LayoutIndex, is_name, reference_name
from ..model.manifest import Manifest
from ..model.platform import Platform
from ..model.platform_names import platform_names
from ..model.strict_json import MANIFEST_LIMIT
from .files import digest_name, storage_errors
from .layout_files import check_layout_directory
from .oci_layout import DirectoryFiles
from .partial_files import partial_name
from .platform_entries import with_platform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest

_NAMES = "names"
_OURS = re.compile(r"image-(?:index|manifest|config)\.json|(?:rootfs|layer-[0-9]+)(?:\.tar(?:\.gz|\.zst)?)?", re.ASCII)
_ENDINGS = {"": ".tar", "gzip": ".tar.gz", "zstd": ".tar.zst", None: ""}
_DEPTH = 8


def link_names(root: Path, *, shared: Path | None = None, style: str, time: int | None = None) -> dict[str, Digest]:
    """Make a symbolic link for each file of the images in the layout ``root``; return their paths and digests.

    The only image of a layout has ``image-manifest.json``, ``image-config.json`` and ``rootfs.tar.gz`` at the top, or
    ``layer-1.tar.gz`` and so on if it has several layers; a list has ``image-index.json`` and a directory for each
    platform, named in ``style``. Where there are several entries, each has a directory below ``names``, with its
    reference name, or ``@N``. Links that an earlier call has made and that lead to nothing in the layout's images now
    are removed. ``time`` is the time of modification of the links, in seconds since the epoch; None: now. ``shared``
    is the directory that has the blobs if several layouts share them.

    Raises `PathNotFound` without a layout, `DestinationRefused` if a file or directory of such a name is no link of
    this kind, `Unsupported`, `InvalidContent` and `StorageFailed`.
    """
    check_layout_directory(root)
    files = DirectoryFiles(root, shared)
    try:
        index = LayoutIndex.parse(files.content(INDEX_FILE, INDEX_LIMIT), str(root / INDEX_FILE))
    except NotFound as error:
        raise PathNotFound(str(error)) from None
    wanted: dict[str, Digest] = {}
    for position, entry in enumerate(index.descriptors):
        name = reference_name(entry)
        place = f"{_NAMES}/{name if is_name(name) else f'@{position}'}/" if len(index.descriptors) > 1 else ""
        wanted |= _links(files, entry, place, style)
    if not wanted:
        raise Unsupported(f"{root}: there is no image in this layout to name")
    for path, digest in wanted.items():
        _link(root, path, files.path_of(digest), time)
    _remove_others(root, wanted)
    return wanted


def _links(files: DirectoryFiles, entry: Descriptor, place: str, style: str) -> dict[str, Digest]:
    """Return the links for an entry, whose paths begin with ``place``."""
    manifest = _manifest(files, entry)
    if not manifest.is_index:
        return dict(_image_links(manifest, place))
    found = {f"{place}image-index.json": manifest.digest}
    images = list({image.digest: (platform, image) for platform, image in _images(files, manifest, _DEPTH)}.values())
    names = platform_names([(platform, image.digest) for platform, image in images], style)
    for name, (_, image) in zip(names, images, strict=True):
        found |= dict(_image_links(image, f"{place}{name}/"))
    return found


def _images(files: DirectoryFiles, index: Manifest, depth: int) -> Iterator[tuple[Platform, Manifest]]:
    """Yield the images of a list that are there, with their platforms."""
    for entry in index.manifests:
        try:
            manifest = _manifest(files, entry)
        except NotFound:
            continue
        if manifest.is_index:
            if depth:
                yield from _images(files, manifest, depth - 1)
            continue
        platform = entry.platform or with_platform(manifest, files.path_of).platform
        if manifest.is_image and platform is not None and not platform.is_attestation:
            yield platform, manifest


def _manifest(files: DirectoryFiles, entry: Descriptor) -> Manifest:
    raw = files.content(f"blobs/{digest_name(entry.digest)}", MANIFEST_LIMIT)
    return Manifest.parse(raw, content_type=entry.media_type, expected=entry.digest)


def _image_links(image: Manifest, place: str) -> Iterator[tuple[str, Digest]]:
    yield f"{place}image-manifest.json", image.digest
    if image.config is not None:
        yield f"{place}image-config.json", image.config.digest
    for number, layer in enumerate(image.layers, 1):
        name = "rootfs" if len(image.layers) == 1 else f"layer-{number}"
        yield f"{place}{name}{_ENDINGS[mediatype.compression(layer.media_type)]}", layer.digest


def _link(root: Path, path: str, blob: Path, time: int | None) -> None:
    """Make or replace one link; its directories are made, and must not be links."""
    link = root / path
    for parent in reversed(link.relative_to(root).parents):
        directory = root / parent
        if parent != Path() and (directory.is_symlink() or (directory.exists() and not directory.is_dir())):
            raise DestinationRefused(f"{directory} is there, and is no directory: remove it")
    with storage_errors(f"creating {link}"):
        link.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(link) and not link.is_symlink():
        raise DestinationRefused(f"{link} is there, and is no symbolic link: remove it, or give it another name")
    temporary = link.with_name(partial_name(link.name))
    with storage_errors(f"creating {link}"):
        os.symlink(os.path.relpath(blob, link.parent), temporary)
        try:
            if time is not None:
                os.utime(temporary, (time, time), follow_symlinks=False)
            os.replace(temporary, link)
        finally:
            temporary.unlink(missing_ok=True)


def _remove_others(root: Path, wanted: Mapping[str, Digest]) -> None:
    """Remove links of the same names, in the directories that were written, that are not wanted any more."""
    for directory in {(root / path).parent for path in wanted}:
        with storage_errors(f"reading {directory}"):
            for entry in os.scandir(directory):
                relative = Path(entry.path).relative_to(root).as_posix()
                if relative not in wanted and entry.is_symlink() and _OURS.fullmatch(entry.name):
                    os.unlink(entry.path)
