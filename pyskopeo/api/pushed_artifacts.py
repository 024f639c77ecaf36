"""Push files as an artifact with a name of its own, and pull them again (OCI image specification 1.1, manifest.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.policy_check import ImageCheck
from ..errors import InvalidInput, PolicyRejected, Unsupported, prefix_errors
from ..fast_dataclass import dataclass, replace
from ..model.artifact import EMPTY, EMPTY_CONTENT, artifact_manifest, check_media_type, file_name, files_of, titled
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import each
from ..streams.memory_blob import in_memory
from ..streams.progress import uncounted
from ..transports import parse_image_name
from .artifacts import write_files

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.manifest import Manifest
    from ..streams.pump import Blob

_FILES_AT_ONCE = 6
_NO_ANNOTATIONS: Mapping[str, str] = MappingProxyType({})
_TRANSPORTS = ("docker", "oci", "oci-archive")


async def push_artifact(
    name: str,
    files: Sequence[Path] | Mapping[Path, str],
    *,
    artifact_type: str,
    annotations: Mapping[str, str] = _NO_ANNOTATIONS,
    access: Access | None = None,
) -> Manifest:
    """Push ``files`` as an artifact to ``docker://HOST/NAME[:TAG]``, ``oci:PATH[:NAME]`` or ``oci-archive:PATH``.

    Each file is a layer with the file's name as its title; a mapping gives the media type of each, otherwise it is
    ``artifact_type``. Without files the artifact has its ``annotations`` only. The same files give the same manifest,
    which is returned. Files must not change meanwhile. Files that refer to an image are attached by `attach`.

    Raises `InvalidInput` for what is no media type and for two files of one name, `NotFound` for a missing file,
    `InvalidName`, `Unsupported` for other transports, `ManifestRefused`, `StorageFailed` and `NetworkError`.
    """
    reference, access = parse_image_name(name), access or Access.from_environ()
    types = files if isinstance(files, Mapping) else dict.fromkeys(files, artifact_type)
    for media_type in (artifact_type, *types.values()):
        check_media_type(media_type)
    if reference.transport not in _TRANSPORTS:
        wanted = ", ".join(f"{one}:" for one in _TRANSPORTS)
        raise Unsupported(f"{reference}: artifacts are pushed to registries, layouts and their archives: {wanted}")
    if len({path.name for path in types}) < len(types):
        raise InvalidInput("two of the files have the same name")
    blobs = await run_in_thread(partial(_describe, types))
    manifest = artifact_manifest(None, artifact_type, [blob.descriptor for blob in blobs], annotations)
    async with reference.open_destination(access) as destination:
        await destination.begin(manifest)

        async def put(blob: Blob) -> None:
            await destination.put_blob(blob, uncounted)

        by_digest = {blob.descriptor.digest: blob for blob in (*blobs, in_memory(EMPTY, EMPTY_CONTENT))}
        await each(by_digest.values(), put, at_once=_FILES_AT_ONCE)
        await destination.commit(manifest)
    return manifest


def _describe(types: Mapping[Path, str]) -> list[Blob]:
    """Return the files as blobs, hashed; for a worker thread."""
    from ..model.descriptor import Descriptor
    from ..storage.content_sources import hash_file
    from ..storage.oci_layout import located_blob
    from ..streams.locations import LocalFile

    blobs = []
    for path, media_type in types.items():
        digest, size = hash_file(path)
        descriptor = Descriptor(media_type, digest, size, annotations=titled(path.name))
        blobs.append(located_blob(descriptor, LocalFile(path)))
    return blobs


@dataclass(frozen=True, slots=True)
class PulledFile:
    """A file of an artifact: ``path`` is where its content is, ``descriptor`` that of the content."""

    path: Path
    descriptor: Descriptor


async def pull_artifact(name: str, output: Path, *, access: Access | None = None) -> tuple[PulledFile, ...]:
    """Write the files of the artifact ``name`` to the directory ``output``, which is made if it is missing.

    They have the names with which they were pushed, as far as these are safe, or digests; of several with one name,
    each is preceded by a part of its digest. No file is overwritten that has other content. The signature policy must
    accept the artifact, and every file is verified before it has its name.

    Raises `Unsupported` for an image or an index, `DestinationRefused`, `NotFound`, `InvalidName`, `PolicyRejected`,
    `InvalidContent`, `StorageFailed` and `NetworkError`.
    """
    reference, access = parse_image_name(name), access or Access.from_environ()
    access.policy()  # raises for an invalid policy file before anything is read
    async with reference.open_source(access) as source:
        with prefix_errors(f"reading {reference.image_name}", unless=PolicyRejected):
            manifest = await source.manifest()
            await ImageCheck(reference, source, access)(manifest, None)
        if manifest.is_index or manifest.is_image or manifest.is_schema1:
            kind = "a list of images" if manifest.is_index else "an image"
            raise Unsupported(f"{reference.image_name} is {kind} and no artifact: copy it, or extract its files")
        found = _placed(files_of(manifest), output)
        await write_files(source, {one.path: one.descriptor for one in found}, access, directory=True)
    return tuple(found)


def _placed(layers: Sequence[Descriptor], directory: Path) -> list[PulledFile]:
    """Return the files with paths in a directory; those with the same content may have one path."""
    content: dict[str, set[str]] = {}
    for layer in layers:
        content.setdefault(file_name(layer).casefold(), set()).add(str(layer.digest))
    found = [PulledFile(directory / file_name(layer), layer) for layer in layers]
    return [
        one if len(content[one.path.name.casefold()]) == 1
        else replace(one, path=directory / f"{one.descriptor.digest.hex[:12]}-{one.path.name}")
        for one in found
    ]  # fmt: skip
