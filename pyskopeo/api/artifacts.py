"""Attach files to an image as referrers, and get them again (OCI image specification 1.1, "Image Manifest")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.graph import find_image
from ..engine.policy_check import ImageCheck
from ..errors import DestinationRefused, InvalidInput, NotFound, Unsupported, prefix_errors
from ..fast_dataclass import dataclass, replace
from ..model.artifact import (
    EMPTY,
    EMPTY_CONTENT,
    artifact_manifest,
    check_media_type,
    file_name,
    files_of,
    titled,
)
from ..model.events import Warned
from ..streams.concurrency import each
from ..streams.memory_blob import in_memory
from ..streams.progress import uncounted
from ..transports import parse_image_name
from .blobs import access_for_file, store_file, write_blob
from .referrers import read_referrers

if TYPE_CHECKING:
    from ..interfaces import ImageReference, ImageSource
    from ..model.choice import Choice
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.platform import Platform

_FILES_AT_ONCE = 6
_NO_ANNOTATIONS: Mapping[str, str] = MappingProxyType({})


async def attach(
    name: str,
    files: Sequence[Path],
    *,
    artifact_type: str,
    media_type: str = "",
    annotations: Mapping[str, str] = _NO_ANNOTATIONS,
    platform: Platform | Choice | None = None,
    access: Access | None = None,
) -> Manifest:
    """Attach ``files``, one of which may be ``-`` for standard input, to an image; return the manifest written for it.

    The manifest is that of an artifact of type ``artifact_type``, with the image as its subject and a layer for each
    file, which has the file's name as its title and the type ``media_type`` ("": that of the artifact). ``annotations``
    are those of the manifest. The same files give the same manifest. The subject is what ``docker://HOST/NAME`` or
    ``oci:PATH`` names, an index if it is one, or with ``platform`` an image in it.

    A registry without the referrers API gets an entry in the index of the tag schema; so does a layout. Raises
    `InvalidInput` for what is no media type, `InvalidName`, `Unsupported` for other transports and for an image of
    Docker's schema 1, `NotFound`, `StorageFailed` and `NetworkError`.
    """
    check_media_type(artifact_type)
    check_media_type(media_type or artifact_type)
    reference, access = parse_image_name(name), access or Access.from_environ()
    target = _without_name(reference, "files are attached to")
    if not files:
        raise InvalidInput("want a file to attach")
    for file in files:
        access = access_for_file(access, file)
    access.network.check_online(f"attaching files to {reference.image_name}")
    reading, writing = reference.share(target, access, access)
    async with reference.open_source(reading) as source, target.open_destination(writing) as destination:
        with prefix_errors(f"reading {reference.image_name}"):
            subject = await _find_subject(source, reference, platform, access)
        await destination.begin(subject)
        layers = []
        for file in files:
            stored = await store_file(destination, file)
            layers.append(replace(stored, media_type=media_type or artifact_type, annotations=_title_of(file)))
        await destination.put_blob(in_memory(EMPTY, EMPTY_CONTENT), uncounted)
        manifest = artifact_manifest(subject, artifact_type, layers, annotations)
        await destination.put_referrers(subject.digest, [manifest])
        await destination.confirm_referrers()
    return manifest


def _without_name(reference: ImageReference, what: str) -> ImageReference:
    """Return the repository or layout of an image as a destination, where nothing gets a name."""
    if reference.transport == "docker":
        from ..transports.docker import DockerReference

        assert reference.reference is not None
        named = replace(reference.reference, tag="", digest=None)
        return DockerReference(f"//{named}", named)
    if reference.transport == "oci":
        from ..transports.oci import OciReference

        assert isinstance(reference, OciReference)
        return OciReference(str(reference.path), reference.path, "")
    raise Unsupported(f"{reference}: {what} images in registries and layouts: docker:, oci:")


async def _find_subject(
    source: ImageSource, reference: ImageReference, platform: Platform | Choice | None, access: Access
) -> Manifest:
    """Return the manifest that files are attached to, as the registry itself has it."""
    own = source.for_referrers()
    root = await own.manifest()
    if platform is not None:
        root = await find_image(
            own, root, platform, lambda message: access.report(Warned(f"{reference.image_name}: {message}"))
        )
    if root.is_schema1:
        raise Unsupported("an image of Docker's schema 1: nothing can refer to it; copy it with --format oci first")
    if reference.transport == "oci" and root.is_index and not _is_blob(reference, root, access):
        raise Unsupported("this list of images is the layout's index.json, which changes: choose one of its images")
    return root


def _is_blob(reference: ImageReference, manifest: Manifest, access: Access) -> bool:
    """Return whether a manifest of a layout is in a file of its own."""
    from ..storage.files import is_there
    from ..storage.oci_layout import DirectoryFiles
    from ..transports.oci import OciReference

    assert isinstance(reference, OciReference)
    return is_there(DirectoryFiles(reference.path, access.storage.shared_blobs).path_of(manifest.digest))


def _title_of(file: Path) -> Mapping[str, str]:
    """Return the annotations of a layer; a pipe has no name of its own."""
    from ..storage.archive_output import is_written_directly

    if is_written_directly(file):
        return _NO_ANNOTATIONS
    return titled(file.name)


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file that was attached to an image.

    ``path`` is where its content is, ``descriptor`` that of the content, ``referrer`` the digest of the manifest that
    lists it, of type ``artifact_type``, and ``subject`` the digest of the image that it refers to.
    """

    path: Path
    descriptor: Descriptor
    artifact_type: str
    referrer: Digest
    subject: Digest


async def download(
    name: str,
    output: Path,
    *,
    types: Sequence[str] = (),
    digests: Sequence[Digest] = (),
    directory: bool = True,
    platform: Platform | Choice | None = None,
    access: Access | None = None,
) -> tuple[AttachedFile, ...]:
    """Write the files that are attached to an image, or to the images in its index; return what was written.

    ``types`` are the artifact types that are wanted, ``digests`` the referrers that are; with neither all are.
    ``platform`` limits it to one image of an index. ``output`` is a ``directory``, where the files have the names with
    which they were attached, as far as these are safe, or digests; if there are several of a name, it is preceded by a
    part of the referrer's digest. No file is overwritten. Without ``directory`` it is the file for the only one, which
    is overwritten, or ``-``, standard output.

    The signature policy must accept the image. Every file is verified before it has its name. Raises `NotFound` if
    there is none, `InvalidInput` for several without a directory, `DestinationRefused`, `InvalidName`, `Unsupported`
    for other transports, `PolicyRejected`, `StorageFailed` and `NetworkError`.
    """
    reference, access = parse_image_name(name), access or Access.from_environ()
    access.policy()  # raises for an invalid policy file before anything is read
    async with reference.open_source(access) as source:
        wanted, check = frozenset(digests), ImageCheck(reference, source, access, alone=True)
        report = await read_referrers(
            reference.image_name, source, () if wanted else types, platform, check=check, deep=False
        )  # fmt: skip
        own = source.for_referrers()
        found = []
        for image in report.images:
            for one in image.referrers:
                if one.repeated or (wanted and one.descriptor.digest not in wanted):
                    continue
                manifest = await own.manifest(one.descriptor)
                found += [
                    AttachedFile(output, layer, one.artifact_type, manifest.digest, image.descriptor.digest)
                    for layer in files_of(manifest)
                ]
        if not found:
            raise NotFound(f"nothing {_described(types, digests)} is attached to {reference.image_name}")
        if directory:
            found = _named(found, output)
        elif len(found) > 1:
            raise InvalidInput(f"{len(found)} files for one: name a directory, whose path ends with /")
        await write_files(own, {one.path: one.descriptor for one in found}, access, directory=directory)
    return tuple(found)


def _described(types: Sequence[str], digests: Sequence[Digest]) -> str:
    if digests:
        return f"with the digest {' or '.join(map(str, digests))}"
    return f"of type {' or '.join(types)}" if types else "with files"


def _named(found: Sequence[AttachedFile], directory: Path) -> list[AttachedFile]:
    """Return the files with paths in a directory; those with the same content may have one path."""
    content: dict[str, set[Digest]] = {}
    for one in found:
        content.setdefault(file_name(one.descriptor).casefold(), set()).add(one.descriptor.digest)
    named = []
    for one in found:
        name = file_name(one.descriptor)
        if len(content[name.casefold()]) > 1:
            name = f"{one.referrer.hex[:12]}-{one.descriptor.digest.hex[:12]}-{name}"
        named.append(replace(one, path=directory / name))
    return named


async def write_files(
    source: ImageSource, by_path: Mapping[Path, Descriptor], access: Access, *, directory: bool
) -> None:
    """Write blobs to files, several at once, each verified before it has its name.

    In a ``directory``, which is made where it is missing, no file is overwritten that has other content. Otherwise
    a file is replaced, and ``-`` is standard output. Raises `DestinationRefused`, `StorageFailed`, and reading errors.
    """
    from ..storage.archive_output import check_output
    from ..storage.files import is_link, is_there, storage_errors
    from ..storage.shared_files import RunFiles

    files = RunFiles.of(access)
    existing = files.existing_blobs(access)
    for path, descriptor in by_path.items():
        if not directory:
            check_output(path, replace=True)
        elif (is_there(path) or is_link(path)) and not await existing.holds(path, descriptor):
            raise DestinationRefused(f"{path} is there with other content: remove it, or choose another directory")
    if directory:
        for parent in {path.parent for path in by_path}:
            with storage_errors(f"creating {parent}"):
                parent.mkdir(parents=True, exist_ok=True)

    async def write(item: tuple[Path, Descriptor]) -> None:
        await write_blob(source.blob(item[1]), item[0], access, existing)

    try:
        await each(by_path.items(), write, at_once=_FILES_AT_ONCE)
    finally:
        files.save()
