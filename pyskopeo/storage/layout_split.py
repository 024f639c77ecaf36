"""Split a list of images in a layout into one layout for each platform; their blobs are hard links where possible."""

from __future__ import annotations

import json
import os
from contextlib import AsyncExitStack, suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.run import carry_out, make_plan
from ..engine.selection import Selection, check_depth, has_only_blobs
from ..errors import DestinationRefused, InvalidContent, NotFound, StorageFailed, Unsupported
from ..fast_dataclass import dataclass, replace
from ..model.layout import INDEX_FILE, LAYOUT_FILE, LayoutIndex, reference_name
from ..model.layout_split import ARTIFACTS, ATTESTS, LIST_FILE, LayoutSplit, SplitImage
from ..model.platform import Platform
from ..model.platform_names import platform_names
from .files import digest_name, storage_errors
from .layout_files import BLOBS, check_layout_directory
from .layout_garbage import collect_garbage
from .layout_writer import LayoutWriter
from .locks import locked
from .oci_layout import DirectoryFiles, LayoutSource, located_blob
from .partial_files import is_partial, write_atomically
from .platform_entries import with_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..streams.pump import Blob
    from .shared_files import RunFiles

_EVERYTHING = Selection(Platform("", ""), "all")
_OF_SPLITS = frozenset({BLOBS, INDEX_FILE, LAYOUT_FILE})


@dataclass(slots=True)
class _Contents:
    """What a list leads to: images, other manifests with their entries as they were decoded, and what is not there."""

    images: list[Manifest] = field(default_factory=list)
    artifacts: list[tuple[Mapping[str, Any], Manifest]] = field(default_factory=list)
    absent: list[Descriptor] = field(default_factory=list)


class _StoredImage(LayoutSource):
    """One image of a layout, by its manifest. Its blobs may be hard-linked: they are verified before."""

    def __init__(self, files: DirectoryFiles, where: str, image: Manifest) -> None:
        super().__init__(files, "", where)
        self._image = image

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        return self._image if descriptor is None else await super().manifest(descriptor)

    def blob(self, descriptor: Descriptor) -> Blob:
        location = self._files.locate(f"{BLOBS}/{digest_name(descriptor.digest)}")
        return located_blob(descriptor, replace(location, linkable=True))


async def split_layout(
    root: Path, name: str, target: Path, *, style: str, access: Access, files: RunFiles
) -> LayoutSplit:  # fmt: skip
    """Write each image of the list ``name`` in the layout ``root`` into a layout of its own below ``target``.

    The directories are named by their platforms in ``style``, one of `platform_names.STYLES`. Each layout has exactly
    one entry, with its platform, and no other blobs: what an earlier split has left there is removed. Manifests that
    are no images, such as attestations, are in one more layout, `ARTIFACTS`, with the entries that the list has for
    them. `LIST_FILE` says what lies where. Blobs are verified, and hard links where the file system allows that.
    Images of Docker's type are converted, as by any copy to a layout.

    Raises `PathNotFound` or `NotFound` without such an image, `DestinationRefused` if something else is in the way,
    `Unsupported` if there is no image, `InvalidContent`, and `StorageFailed`.
    """
    check_layout_directory(root)
    shared = access.storage.shared_blobs
    async with AsyncExitStack() as stack:
        with suppress(StorageFailed):  # no such directory, or a file system without locks
            await stack.enter_async_context(locked(root / BLOBS if shared is None else shared, shared=True))
        splitter = _Splitter(root, target, access, files)
        return await splitter.run(name, style)


class _Splitter:
    """Splits one list; see `split_layout`."""

    def __init__(self, root: Path, target: Path, access: Access, run_files: RunFiles) -> None:
        self._root, self._target, self._access, self._run_files = root, target, access, run_files
        self._files = DirectoryFiles(root, access.storage.shared_blobs)
        self._names: dict[str, str] = {}

    async def run(self, name: str, style: str) -> LayoutSplit:
        source = LayoutSource(self._files, name, str(self._root))
        top = await source.manifest()
        if has_only_blobs(top):
            raise Unsupported(f"{self._root}: this list has blobs and no image, as a build cache does")
        contents = _Contents()
        await self._read(source, top, {}, contents, 1)
        if not contents.images:
            raise Unsupported(f"{self._root}: no image of this list is here, so there is nothing to split")
        label = self._label(name, top)
        images = [(image.platform or Platform("", ""), image.digest) for image in contents.images]
        paths = platform_names(images, style)
        for path in (*paths, *([ARTIFACTS] if contents.artifacts else ())):
            _check_target(self._target, path)
        if len(set(paths)) != len(paths) or {ARTIFACTS, BLOBS} & set(paths):
            raise InvalidContent(f"{self._root}: the platforms have no names of their own: {', '.join(paths)}")
        written = [
            SplitImage(path, image.platform, await self._write(path, label, image), image.digest)
            for path, image in zip(paths, contents.images, strict=True)
        ]
        artifacts = await self._write_artifacts(contents.artifacts)
        split = LayoutSplit(top.descriptor, label, tuple(written), artifacts, tuple(contents.absent))
        document = json.dumps(split.to_json(), indent=2, ensure_ascii=False) + "\n"
        write_atomically(self._target / LIST_FILE, document.encode("utf-8", "backslashreplace"))
        return split

    async def _read(
        self, source: LayoutSource, manifest: Manifest, entry: Mapping[str, Any], contents: _Contents, depth: int
    ) -> None:
        """Add what a manifest leads to; ``entry`` is that in the index which names it."""
        if not manifest.is_index:
            image = with_platform(manifest, self._files.path_of)
            is_attestation = bool(image.platform and image.platform.is_attestation) or ATTESTS in _annotations(entry)
            if image.is_image and not is_attestation:
                if image.digest not in {known.digest for known in contents.images}:
                    contents.images.append(image)
            else:
                contents.artifacts.append((entry or manifest.descriptor.to_json(), manifest))
            return
        check_depth(depth)
        for raw, child in zip(manifest.document.get("manifests") or (), manifest.manifests, strict=True):
            try:
                found = await source.manifest(child)
            except NotFound:
                contents.absent.append(child)
                continue
            await self._read(source, replace(found, platform=child.platform), raw, contents, depth + 1)

    def _label(self, name: str, top: Manifest) -> str:
        """Return the name of the image in each layout: that of its entry."""
        index = self._run_files.index(self._root).read()
        named = (reference_name(entry) for entry in index.descriptors if entry.digest == top.digest)
        is_position = name.startswith("@")
        return next((found for found in named if not name or is_position or found == name), "" if is_position else name)

    async def _write(self, path: str, label: str, image: Manifest) -> Descriptor:
        """Write an image as the only one of its layout."""
        digest = await self._copy(path, label, image)

        def only(index: LayoutIndex) -> LayoutIndex:
            others = [
                at for at, entry in enumerate(index.descriptors)
                if entry.digest != digest or reference_name(entry) != label
            ]  # fmt: skip
            return index.without(others) if others else index

        index = self._run_files.index(self._target / path)
        await index.update(only)
        await collect_garbage(self._target / path)
        return replace(index.read().descriptors[0], annotations={})

    async def _copy(self, path: str, label: str, image: Manifest) -> Digest:
        access, directory = self._access, self._target / path
        with storage_errors(f"creating {directory}"):
            directory.mkdir(parents=True, exist_ok=True)
        source = _StoredImage(self._files, str(self._root), image)
        existing = self._run_files.existing_blobs(access)
        writer = LayoutWriter(
            directory, label, self._run_files, existing, resume=access.storage.resume, writing=access.writing
        )
        try:
            plan = await make_plan(source, writer, _EVERYTHING)
            return await carry_out(plan, source, writer)
        finally:
            writer.close()

    async def _write_artifacts(
        self, artifacts: Sequence[tuple[Mapping[str, Any], Manifest]]
    ) -> tuple[Mapping[str, Any], ...]:
        """Write what is no image into one layout, with the entries that the list has."""
        if not artifacts:
            return ()
        for _, manifest in artifacts:
            await self._copy(ARTIFACTS, "", manifest)
        entries = tuple({str(entry["digest"]): entry for entry, _ in artifacts}.values())
        await self._run_files.index(self._target / ARTIFACTS).update(lambda index: index.replaced_by(entries))
        await collect_garbage(self._target / ARTIFACTS)
        return entries


def _annotations(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return entry.get("annotations") or {}


def _check_target(target: Path, path: str) -> None:
    """Raise `DestinationRefused` if a directory to write has something else than the layout of an earlier split."""
    directory = target / path
    try:
        names = {name for name in os.listdir(directory) if not is_partial(name)}
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageFailed.of(error, f"opening {directory}") from error
    if names and not names & _OF_SPLITS:
        raise DestinationRefused(f"{directory} is there, and is no layout: remove it, or choose another directory")
    try:
        count = len(LayoutIndex.parse((directory / INDEX_FILE).read_bytes(), str(directory / INDEX_FILE)).entries)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageFailed.of(error, f"opening {directory / INDEX_FILE}") from error
    if count > 1 and path != ARTIFACTS:
        raise DestinationRefused(
            f"{directory} is a layout of {count} images, and no split has written it: choose another directory"
        )
