"""Get and put single blobs and manifests of a registry (distribution specification 1.1, "Pull", "Push")."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.policy_check import ImageCheck, check_policy, needs_signatures
from ..errors import ContentMismatch, InvalidName, NotFound, Offline, PathNotFound, PyskopeoError
from ..fast_dataclass import replace
from ..model.descriptor import UNKNOWN_SIZE, Descriptor
from ..model.digest import Digest, new_hasher
from ..model.manifest import Manifest
from ..model.reference import Reference
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import each, ticking
from ..streams.progress import uncounted
from ..streams.pump import thread_buffer
from ..transports.docker import DockerReference, open_repository

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ..engine.verification import Advance
    from ..interfaces import ImageDestination
    from ..storage.existing_blobs import ExistingBlobs
    from ..storage.shared_files import RunFiles
    from ..streams.byte_streams import BlobSink
    from ..streams.progress import Progress
    from ..streams.pump import Blob
    from ..transports.docker import DockerSource

_TYPE = "application/octet-stream"
_BLOBS_AT_ONCE = 6
_TICK = 0.2  # seconds


def parse_blob_name(text: str) -> Reference:
    """Parse ``[docker://]REPOSITORY@DIGEST``; raises `InvalidName`."""
    reference = parse_name(text)
    if reference.digest is None:
        raise InvalidName(f"invalid blob name {ascii(text)[1:-1][:400]}: want REPOSITORY@DIGEST")
    return replace(reference, tag="")


def parse_name(text: str) -> Reference:
    """Parse ``[docker://]REPOSITORY[:TAG][@DIGEST]``, without a default tag; raises `InvalidName`."""
    return Reference.parse(text.removeprefix("docker://"), default_tag="")


class _Counts:
    """How many bytes of the blobs that are written have arrived; ``report`` is called with these, and their sizes."""

    def __init__(self, report: Advance) -> None:
        self._report = report
        self._sizes, self._done = dict[Path, int](), dict[Path, int]()

    def progress(self, path: Path, size: int) -> Progress:
        """Return the progress of a blob of this size."""
        # The keys are set here: a worker thread would change the size of a dictionary that is being summed up.
        self._sizes[path], self._done[path] = size, 0

        def note(moved: int) -> None:
            self._done[path] = moved

        return note

    def tick(self) -> None:
        """Report what is known."""
        if self._sizes:
            self._report(sum(self._done.values()), sum(self._sizes.values()))


async def get_blobs(
    outputs: Mapping[str, Path], *, sources: Sequence[Reference] = (), access: Access | None = None,
    advance: Advance | None = None,
) -> None:  # fmt: skip
    """Write blobs, by their names ``REPOSITORY@DIGEST``, to files; a file that is the blob already is not requested.

    ``sources`` are other repositories with the same content, which are asked first, in their order, each after its own
    mirrors. A file has its name when its content is complete and verified; what is interrupted is continued by the
    next call. A path that is a pipe, a device or ``-``, standard output, gets the bytes as they arrive: after an error
    they must not be used. The signature policy must accept the repositories. ``advance`` is called with the number of
    bytes that have arrived, and the size of the blobs that are under way or complete. Raises `InvalidName`, `NotFound`,
    `ContentMismatch`, `PolicyRejected`, `Offline`, `NetworkError` and `StorageFailed`.
    """
    from ..registry.sessions import SharedConnections
    from ..storage.shared_files import RunFiles

    access = access or Access.from_environ()
    wanted = [(parse_blob_name(name), path) for name, path in outputs.items()]
    for reference, _ in wanted:
        check_policy(_named(reference), access)
    files = RunFiles.of(access)
    async with SharedConnections() as connections:
        shared = replace(
            access, network=replace(access.network, connections=access.network.connections or connections),
            storage=replace(access.storage, shared_files=files),
        )  # fmt: skip

        counts = None if advance is None else _Counts(advance)

        async def get(one: tuple[Reference, Path]) -> None:
            await _get_blob(one[0], one[1], sources, shared, files, counts=counts)

        try:
            async with nullcontext() if counts is None else ticking(counts.tick, _TICK):
                await each(wanted, get, at_once=_BLOBS_AT_ONCE)
        finally:
            files.save()


async def get_blob(
    name: str, output: Path, *, sources: Sequence[Reference] = (), access: Access | None = None
) -> None:
    """Write the blob ``REPOSITORY@DIGEST`` to a file, as `get_blobs` does; raises what that raises."""
    await get_blobs({name: output}, sources=sources, access=access)


async def _get_blob(
    reference: Reference, path: Path, sources: Sequence[Reference], access: Access, files: RunFiles, *,
    counts: _Counts | None,
) -> None:  # fmt: skip
    from ..storage.archive_output import check_output, is_written_directly
    from ..storage.files import file_size, real_path

    check_output(path, replace=True)
    existing = files.existing_blobs(access)
    assert reference.digest is not None
    descriptor = Descriptor(_TYPE, reference.digest, UNKNOWN_SIZE)
    target, directly = real_path(path), is_written_directly(path)

    async def write(blob: Blob) -> None:
        progress = uncounted if counts is None else counts.progress(path, blob.descriptor.size)
        await write_blob(blob, path, access, existing, progress)

    if not directly and await existing.holds(target, replace(descriptor, size=file_size(target))):
        return
    named = [replace(source, digest=reference.digest) for source in sources]
    async with open_repository(reference, access, named) as source:
        await _read_blob(source, descriptor, access, write, again=not directly)


async def write_blob(
    blob: Blob, path: Path, access: Access, existing: ExistingBlobs, progress: Progress = uncounted
) -> None:
    """Write a blob to a file, which is replaced, or to a pipe, a device or ``-``, standard output.

    A file has its name when its content is complete and verified. Raises `StorageFailed` and what reading it raises.
    """
    from ..storage.archive_output import is_written_directly, open_output, sink_for
    from ..storage.files import real_path
    from ..storage.partial_files import remove_leftovers
    from ..storage.place_blob import place_blob

    if is_written_directly(path):
        with ExitStack() as stack:
            fd, shown = await run_in_thread(lambda: stack.enter_context(open_output(path, replace=True)))
            await blob.copy_to(sink_for(fd, shown), progress)
        return
    target, storage = real_path(path), access.storage  # the file behind a symbolic link is replaced
    await place_blob(blob, target, progress, existing, resume=storage.resume)
    remove_leftovers(target.parent, target.name, age=storage.partial_age)


async def _read_blob(
    source: DockerSource, descriptor: Descriptor, access: Access, write: Callable[[Blob], Awaitable[None]], *,
    again: bool,
) -> None:  # fmt: skip
    """Find out the size of a blob, and call ``write`` with it.

    If that turns out to be wrong, and another endpoint states another size, ``write`` is called ``again``.
    """
    stored = None if source.through is None else await source.through.blob_size(descriptor)
    if access.network.offline and stored is None:
        where = f"in the store {access.storage.store}" if access.storage.store else "here"
        raise Offline(
            f"blob {descriptor.digest} is not {where}, and --offline allows no request",
            missing=(str(descriptor.digest),),
        )
    size = await source.blob_size(descriptor) if stored is None else stored
    try:
        await write(source.blob(replace(descriptor, size=size)))
    except ContentMismatch as error:
        if not again or ":" in error.expected or stored is not None:
            raise  # the digest is wrong, wherever it was read
        for repository in source.endpoints.repositories:
            try:
                other = await repository.blob_size(descriptor.digest)
            except PyskopeoError:
                continue
            if other != size:
                await write(source.blob(replace(descriptor, size=other)))
                return
        raise


def access_for_file(access: Access, file: Path) -> Access:
    """Return the access for a destination that gets ``file``: of a pipe the digest is found out before it is sent."""
    from ..storage.archive_output import is_written_directly

    if not is_written_directly(file):
        return access
    return replace(access, writing=replace(access.writing, precompute_digests=True))  # it cannot be read twice


async def store_file(destination: ImageDestination, file: Path, expected: Digest | None = None) -> Descriptor:
    """Store the content of ``file``, or of standard input for ``-``, as a blob; return its descriptor.

    The access of the destination is that of `access_for_file`. Raises `ContentMismatch` unless the content has the
    digest ``expected``, `StorageFailed`, and the destination's errors.
    """
    from ..storage.archive_output import is_written_directly
    from ..storage.content_sources import hash_file
    from ..storage.oci_layout import located_blob
    from ..streams.locations import LocalFile

    if is_written_directly(file):
        return await _put_stream(destination, file, expected)
    try:
        found, size = await run_in_thread(lambda: hash_file(file, expected.algorithm if expected else "sha256"))
    except NotFound as error:
        raise PathNotFound(str(error)) from None  # the code of `NotFound` says that an image is missing
    _check_digest(found, expected, file)
    descriptor = Descriptor(_TYPE, found, size)
    await destination.put_blob(located_blob(descriptor, LocalFile(file)), uncounted)
    return descriptor


async def _put_stream(destination: ImageDestination, file: Path, expected: Digest | None) -> Descriptor:
    from ..storage.scratch import open_stream

    async def fill(sink: BlobSink) -> Descriptor:
        def work() -> Descriptor:
            algorithm = expected.algorithm if expected else "sha256"
            hasher, buffer, size = new_hasher(algorithm), thread_buffer(), 0
            with open_stream(file) as reader:
                while count := reader.readinto(buffer):
                    hasher.update(buffer[:count])
                    sink.write(buffer[:count])
                    size += count
            found = Digest(algorithm, hasher.hexdigest())
            _check_digest(found, expected, file)
            return Descriptor(_TYPE, found, size)

        return await run_in_thread(work)

    descriptor, _ = await destination.receive(fill)
    return descriptor


def _check_digest(found: Digest, expected: Digest | None, file: Path) -> None:
    if expected is not None and found != expected:
        raise ContentMismatch(
            f"{file}: digest mismatch: want {expected}, got {found}", expected=str(expected), actual=str(found)
        )


async def get_manifest(
    name: str, *, sources: Sequence[Reference] = (), access: Access | None = None
) -> Manifest:
    """Return the manifest or index ``REPOSITORY:TAG`` or ``REPOSITORY@DIGEST`` of a registry, or of its mirrors.

    ``sources`` are as for `get_blobs`. The signature policy must accept the image. Raises `InvalidName`, `NotFound`,
    `InvalidContent`, `PolicyRejected`, `Offline` and `NetworkError`.
    """
    reference, access = parse_name(name), access or Access.from_environ()
    if not reference.manifest_name:
        raise InvalidName(f"{name}: want REPOSITORY:TAG or REPOSITORY@DIGEST")
    image = _named(reference)
    needs_signatures(image, access)  # raises for an image that is refused before anything is requested
    named = [replace(source, tag=reference.tag, digest=reference.digest) for source in sources]
    async with open_repository(reference, access, named) as source:
        manifest = await source.manifest()
        await ImageCheck(image, source, access, alone=True)(manifest, None)
        return manifest


async def put_manifest(name: str, raw: bytes, *, media_type: str = "", access: Access | None = None) -> Digest:
    """Write a manifest or an index, byte for byte, to ``REPOSITORY[:TAG][@DIGEST]`` of a registry; return its digest.

    Without a tag it is written by its digest. What it refers to must be there. ``media_type`` counts if the document
    does not state its own. Raises `InvalidName`, `InvalidContent` if it is no manifest, or not that of the digest,
    `Unsupported`, `ManifestRefused` and `NetworkError`.
    """
    reference, access = parse_name(name), access or Access.from_environ()
    manifest = Manifest.parse(raw, content_type=media_type, expected=reference.digest)
    async with _named(reference).open_destination(access) as destination:
        await destination.begin(manifest)
        return await destination.commit(manifest)


def _named(reference: Reference) -> DockerReference:
    return DockerReference(f"//{reference}", reference)
