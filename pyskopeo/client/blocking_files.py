"""The methods of the blocking client about the files of images.

Written by scripts/sync_client from the async methods: change those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ..filesystem.contents import Attributes
from ..model.choice import Choice
from ..model.extracted_files import Extracted, ImageFile
from ..model.image_comparison import ImageComparison
from ..model.image_usage import ImageUsage
from ..model.platform import Platform
from .blocking import BlockingBase

_NO_ATTRIBUTES = Attributes()


class BlockingFileMethods(BlockingBase):
    """List, open, extract, measure and compare the files of images."""

    def files(
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
        return self._run(partial(self._client.files, name, path, layers=layers, platform=platform))

    @contextmanager
    def open_file(
        self,
        name: str,
        path: str,
        *,
        layers: Sequence[str] = (),
        platform: Platform | Choice | str | None = None,
    ) -> Iterator[BinaryIO]:
        """Open one file of an image for reading, as a context manager; its content is verified before.

        Symbolic links are followed in the image. Raises what the function `pyskopeo.open_file` raises.
        """
        with self._entered(self._client.open_file(name, path, layers=layers, platform=platform)) as opened:
            yield opened

    def extract(
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
        return self._run(partial(
            self._client.extract, name, destination, paths=paths, layers=layers, platform=platform,
            attributes=attributes, overwrite=overwrite,
        ))  # fmt: skip

    def du(
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
        return self._run(partial(self._client.du, name, path, depth=depth, layers=layers, platform=platform))

    def diff(
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
        return self._run(partial(
            self._client.diff, first, second, platform=platform, every_platform=every_platform, files=files,
            times=times,
        ))  # fmt: skip
