"""The methods of a client about the files of images."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from ..filesystem.contents import Attributes
from ..model.choice import Choice
from ..model.extracted_files import Extracted, ImageFile
from ..model.image_comparison import ImageComparison
from ..model.image_usage import ImageUsage
from ..model.platform import Platform
from .base import ClientBase, as_platform

_NO_ATTRIBUTES = Attributes()


class FileMethods(ClientBase):
    """List, open, extract, measure and compare the files of images."""

    async def files(
        self,
        name: str,
        path: str = "",
        *,
        layers: Sequence[str] = (),
        platform: Platform | Choice | str | None = None,
    ) -> tuple[ImageFile, ...]:
        """Return the files of an image as a container would see them: all, or those at and below ``path``.

        Layers are applied with their whiteouts (OCI image specification, layer.md); `ImageFile.layer` says which one a
        file is from. With ``layers``, numbers from 1 for the base layer or digests, only these are applied. Raises what
        the function `pyskopeo.list_files` raises.
        """
        from ..api.files import list_files

        async with self._call(name) as accesses:
            return await list_files(
                name, path, layers=layers, platform=as_platform(platform), access=accesses.reading
            )

    @asynccontextmanager
    async def open_file(
        self,
        name: str,
        path: str,
        *,
        layers: Sequence[str] = (),
        platform: Platform | Choice | str | None = None,
    ) -> AsyncIterator[BinaryIO]:
        """Open one file of an image for reading, as a context manager; its content is verified before.

        Symbolic links are followed in the image. Raises what the function `pyskopeo.open_file` raises.
        """
        from ..api.files import open_file

        async with (
            self._call(name) as accesses,
            open_file(name, path, layers=layers, platform=as_platform(platform), access=accesses.reading) as file,
        ):
            yield file

    async def extract(
        self,
        name: str,
        destination: Path,
        *,
        paths: Sequence[str] = (),
        layers: Sequence[str] = (),
        platform: Platform | Choice | str | None = None,
        attributes: Attributes = _NO_ATTRIBUTES,
        overwrite: bool = False,
    ) -> Extracted:
        """Extract the files of an image to a directory, which must be new or empty unless ``overwrite`` is given.

        Takes the arguments of the function `pyskopeo.extract_files`, and raises the same errors.
        """
        from ..api.files import extract_files

        async with self._call(name) as accesses:
            return await extract_files(
                name, destination, paths=paths, layers=layers, platform=as_platform(platform), attributes=attributes,
                overwrite=overwrite, access=accesses.reading,
            )  # fmt: skip

    async def du(
        self,
        name: str,
        path: str = "",
        *,
        depth: int | None = None,
        layers: Sequence[str] = (),
        platform: Platform | Choice | str | None = None,
    ) -> ImageUsage:
        """Return where the bytes of an image are: by path, by layer, and what is wasted.

        Takes the arguments of the function `pyskopeo.measure_image`, and raises the same errors.
        """
        from ..api.usage import measure_image

        async with self._call(name) as accesses:
            return await measure_image(
                name, path, depth=depth, layers=layers, platform=as_platform(platform), access=accesses.reading
            )

    async def diff(
        self,
        first: str,
        second: str,
        *,
        platform: Platform | Choice | str | None = None,
        every_platform: bool = True,
        files: bool = True,
        times: bool = False,
    ) -> ImageComparison:
        """Return how two images differ: in platforms, configuration, layers and files.

        Takes the arguments of the function `pyskopeo.compare_images`, and raises the same errors.
        """
        from ..api.comparison import compare_images

        async with self._call(first, second) as accesses:
            return await compare_images(
                first, second, platform=as_platform(platform), every_platform=every_platform, files=files, times=times,
                access=accesses.reading,
            )  # fmt: skip
