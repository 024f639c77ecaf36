"""The files of images, by image name: extract them, write them as an archive, list them, open one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..access import Access
from ..errors import InvalidInput, prefix_errors
from ..filesystem.contents import Attributes
from ..filesystem.listed_file import kind_of, listed_file
from ..filesystem.path_selection import PathSelection
from ..model.choice import Choice
from ..model.extracted_files import Extracted, ImageFile
from ..model.platform import Platform
from ..streams.cancellation import run_in_thread
from .open_images import opened_image, stored_indexes

if TYPE_CHECKING:
    from ..filesystem.layer_reader import Advance

_NO_ATTRIBUTES = Attributes()


async def extract_files(
    name: str,
    destination: Path,
    *,
    paths: Sequence[str] = (),
    layers: Sequence[str] = (),
    platform: Platform | Choice | None = None,
    attributes: Attributes = _NO_ATTRIBUTES,
    overwrite: bool = False,
    hashed: bool = False,
    access: Access | None = None,
    advance: Advance | None = None,
) -> Extracted:
    """Extract the files of an image (``transport:details``) to a directory, which must be new or empty.

    ``paths`` are patterns (see `filesystem.path_selection`); none selects all files. ``layers`` are numbers, from 1 for
    the base layer or negative from the top, digests or diff IDs; none selects all. ``platform`` chooses an image from
    an index; None: this machine's architecture, on Linux. ``attributes`` are those that the files get. ``overwrite``
    allows a directory with content. ``hashed`` computes the sha256 of each file. ``advance`` is called a few times per
    second with the number of bytes read so far and that of all layers.

    Layers are applied with their whiteouts (OCI image specification, layer.md) and verified, by digest and diff ID. For
    paths without wildcards only the upper layers that decide about them are read. Symbolic links in the image are
    written as they are and never followed here. Raises `NotFound` for a path that is not there, `InvalidContent`,
    `Unsupported` for layers that are no tar archives, `DestinationRefused`, `StorageFailed`, and the source's errors.
    """
    from ..filesystem.extraction import Extraction
    from ..filesystem.image_files import ImageFiles

    selection = PathSelection(tuple(paths))
    with Extraction(destination, attributes, overwrite=overwrite, hashed=hashed) as extraction:
        async with opened_image(name, platform, layers, access) as image:
            files = ImageFiles(image.source, image.layers, extraction.contents, advance=advance)
            with prefix_errors(name):
                await files.read(selection)
        nodes = files.nodes()
        left_out = await run_in_thread(partial(extraction.write, nodes, files.view.root))
        digests = extraction.contents.digests
    return Extracted(
        image.receipt(name, files.layers_read),
        tuple(
            (path, node.entry.size, digests.get(node.entry.key, ""))
            for path, node in nodes if node.entry is not None and kind_of(node) == "file"
        ),
        tuple(left_out),
    )  # fmt: skip


async def export_files(
    name: str,
    path: Path,
    *,
    paths: Sequence[str] = (),
    layers: Sequence[str] = (),
    platform: Platform | Choice | None = None,
    access: Access | None = None,
    advance: Advance | None = None,
) -> None:
    """Write the files of an image as one tar archive to a file, or with ``-`` to standard output.

    The archive has what a container would see, sorted by name, with owners, times and extended attributes; the same
    image gives the same bytes. Takes the arguments of `extract_files` and raises the same errors.
    """
    from ..filesystem.contents import ContentDirectory
    from ..filesystem.image_files import ImageFiles
    from ..filesystem.tar_output import write_archive
    from ..storage.archive_output import check_output, is_written_directly, open_output
    from ..storage.scratch import create_directory, temporary_directory
    from ..storage.tar import TarWriter

    access = access or Access.from_environ()
    selection = PathSelection(tuple(paths))
    check_output(path, replace=True)
    scratch = access.storage.scratch
    if scratch is None and not is_written_directly(path):
        scratch = path.parent
    with temporary_directory(scratch) as directory:
        create_directory(directory)
        contents = ContentDirectory(directory)
        try:
            async with opened_image(name, platform, layers, access) as image:
                files = ImageFiles(image.source, image.layers, contents, advance=advance)
                with prefix_errors(name):
                    await files.read(selection)
            nodes = files.nodes()

            def write() -> None:
                with open_output(path, replace=True) as (fd, shown):
                    write_archive(TarWriter.to(fd, shown), nodes, contents)

            await run_in_thread(write)
        finally:
            contents.close()


async def list_files(
    name: str,
    path: str = "",
    *,
    layers: Sequence[str] = (),
    platform: Platform | Choice | None = None,
    access: Access | None = None,
    advance: Advance | None = None,
) -> tuple[ImageFile, ...]:
    """Return the files of an image, sorted by name: all, or those at and below ``path``.

    Takes the arguments of `extract_files`, and raises the same errors. With a content store, what is in each layer is
    noted there, and layers of which that is known are not read.
    """
    from ..filesystem.image_files import ImageFiles
    from ..filesystem.path_selection import escaped

    access = access or Access.from_environ()
    selection = PathSelection((escaped(path),) if path else ())
    async with opened_image(name, platform, layers, access) as image:
        files = ImageFiles(image.source, image.layers, advance=advance, indexes=stored_indexes(access))
        with prefix_errors(name):
            await files.read(selection)
    chosen = files.chosen
    return tuple(listed_file(found, node) for found, node in files.nodes() if chosen is None or found in chosen)


@asynccontextmanager
async def open_file(
    name: str,
    path: str,
    *,
    layers: Sequence[str] = (),
    platform: Platform | Choice | None = None,
    access: Access | None = None,
    advance: Advance | None = None,
) -> AsyncIterator[BinaryIO]:
    """Open one file of an image for reading, as an async context manager; symbolic links are followed in the image.

    Its content is verified before it can be read. Takes the arguments of `extract_files`, and raises the same errors;
    `InvalidInput` if ``path`` is not a regular file.
    """
    from ..filesystem.contents import ContentDirectory
    from ..filesystem.image_files import ImageFiles
    from ..filesystem.path_selection import escaped
    from ..storage.files import open_regular
    from ..storage.scratch import create_directory, temporary_directory

    access = access or Access.from_environ()
    selection = PathSelection((escaped(path),))
    if selection.everything:
        raise InvalidInput(f"{name}: {path} is the root directory, want a file")
    with temporary_directory(access.storage.scratch) as directory:
        create_directory(directory)
        contents = ContentDirectory(directory)
        try:
            async with opened_image(name, platform, layers, access) as image:
                files = ImageFiles(image.source, image.layers, contents, advance=advance)
                with prefix_errors(name):
                    await files.read(selection, follow=True)
            _, node = files.view.follow(path)
            if node.entry is None or kind_of(node) != "file":
                raise InvalidInput(f"{name}: {path} is a {kind_of(node)}, want a regular file")
            with os.fdopen(open_regular(directory / contents.name(node.entry.key)), "rb") as file:
                yield file
        finally:
            contents.close()
