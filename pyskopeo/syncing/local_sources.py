"""Find the images of a local source: a YAML file, a directory tree, an OCI layout or an archive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.user_files import open_user_file
from ..errors import InvalidContent, InvalidInput, InvalidName, NotFound, PathNotFound, StorageFailed
from ..model import mediatype
from ..model.digest import Digest
from ..model.layout import INDEX_FILE, INDEX_LIMIT, REF_NAME, LayoutIndex, check_name
from ..model.reference import Reference
from ..model.referrer import belongs_to_image
from ..storage.files import storage_errors
from ..storage.oci_layout import DirectoryFiles
from ..storage.partial_files import is_partial
from .source_images import SourceImage, from_archive
from .sync_request import LogMessage
from .yaml_source import FILE_LIMIT, RegistrySource, parse_yaml_source

if TYPE_CHECKING:
    from ..access import Access
    from .sync_request import SyncSink

_MANIFEST = "manifest.json"


def read_yaml_source(name: str) -> tuple[RegistrySource, ...]:
    """Read and parse the YAML file ``name``; raises `StorageFailed`, `InvalidInput` and `TooLarge`."""
    with storage_errors(f"open {name}"), open_user_file(Path(name)) as file:
        raw = file.read(FILE_LIMIT + 1)
    return parse_yaml_source(raw, name)


def find_image_directories(root: str) -> list[str]:
    """Return the paths of the directories below ``root`` that contain an image, relative to it; "" is ``root`` itself.

    Raises `PathNotFound` and `StorageFailed`.
    """
    try:
        os.stat(root)
    except FileNotFoundError as error:
        raise PathNotFound(f"Invalid source directory specified: stat {root}: no such file or directory") from error
    except OSError as error:
        raise StorageFailed.of(error, f"Invalid source directory specified: stat {root}") from error
    return list(_walk(root))


def _walk(root: str) -> Iterator[str]:
    def failed(error: OSError) -> None:
        raise StorageFailed.of(error, f'Error walking the path "{root}": open {error.filename}') from error

    for directory, below, names in os.walk(root, onerror=failed):
        below[:] = sorted(name for name in below if not is_partial(name))
        if _MANIFEST in names:
            path = os.path.relpath(directory, root)
            yield "" if path == os.curdir else path


async def list_archive_images(source: str, access: Access, report: SyncSink) -> list[SourceImage]:
    """Return the images with names in an archive of ``docker save``; that others are passed over is reported.

    The archive is opened once for all images of a run. Raises `InvalidInput` for a path that no image name can have,
    `InvalidContent`, and what opening it raises.
    """
    from ..storage.shared_files import RunFiles

    if ":" in source:
        raise InvalidInput(f"docker-archive: the path of an archive cannot have a colon in it: {source}")
    found = (await RunFiles.of(access).open_docker_archive(Path(source), access)).names()
    if unnamed := [name.removeprefix("@") for name in found if name.startswith("@")]:
        text = "Images without a name are passed over: copy them by their positions, docker-archive:PATH:@N"
        report(LogMessage("warning", text, (("N", " ".join(unnamed)),)))
    names = dict.fromkeys(Reference.parse(name) for name in found if not name.startswith("@"))
    return [from_archive(source, name) for name in names]


def list_layout_images(root: Path) -> list[tuple[str, Digest, int | None]]:
    """Return the reference name and digest of each image of a layout, and the position of those without a name.

    A layout with a single image has no position for it, even if its ``index.json`` lists that image's platforms.
    Raises `PathNotFound` and `InvalidContent` (OCI image specification, "Image Layout").
    """
    where = f"{root}: {INDEX_FILE}"
    try:
        index = LayoutIndex.parse(DirectoryFiles(root).content(INDEX_FILE, INDEX_LIMIT), where)
    except NotFound as error:
        raise PathNotFound(f'Failed to retrieve list of images from oci "{root}": {error}') from None
    found: dict[str, tuple[str, Digest, int | None]] = {}
    unnamed: list[tuple[str, Digest, int | None]] = []
    for position, descriptor in enumerate(index.descriptors):
        if descriptor.media_type not in mediatype.MANIFESTS and descriptor.media_type:
            continue
        name = descriptor.annotations.get(REF_NAME, "")
        if not name:
            unnamed.append(("", descriptor.digest, position))
            continue
        try:
            check_name(name)  # the name becomes part of a path
        except InvalidName as error:
            raise InvalidContent(f"{where}: {error}") from None
        found.setdefault(name, (name, descriptor.digest, None))
    # What belongs to an image by its name does not make it one of several.
    if unnamed and all(belongs_to_image(name.rpartition(":")[2]) for name in found):
        single = _single(index, where)
        return [("", single, None), *found.values()] if single else [*found.values(), *unnamed]
    return [*found.values(), *unnamed]


def _single(index: LayoutIndex, where: str) -> Digest | None:
    """Return the digest of the only image of a layout without names, None if there are several."""
    try:
        return index.find("", where).digest
    except PathNotFound:
        return None
