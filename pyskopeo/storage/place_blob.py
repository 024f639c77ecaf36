"""Put a verified blob at a path: find it there, hard-link it, copy it inside the kernel, or stream it.

The path is written only by renaming a complete, verified file.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidContent, StorageFailed
from ..interfaces import Fill, ImageDestination
from ..model.events import Placement
from ..model.verifier import Verifier
from ..streams.cancellation import check_cancelled, run_in_thread
from ..streams.locations import LocalFile
from ..streams.progress import Progress
from ..streams.pump import FileReader, FileSink, NullSink, pump
from .existing_blobs import ExistingBlobs, blob_status
from .files import open_regular, storage_errors
from .partial_files import open_partial

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..access import Reuse
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..streams.pump import Blob, Stored
    from .part_files import PartFile

_COPY_STEP = 64 * 1024 * 1024


class BlobFileDestination(ImageDestination):
    """A destination that stores each blob in a file of its own: an OCI layout, or ``dir:``."""

    def __init__(
        self, existing: ExistingBlobs | None = None, *, resume: bool = True, reuse: Reuse = "copy"
    ) -> None:  # fmt: skip
        """``resume`` is whether an interrupted blob is kept for a later run, and used from an earlier one.

        ``reuse`` is that of `Writing`.
        """
        self.existing = ExistingBlobs() if existing is None else existing
        self.resume, self.reuse = resume, reuse

    @abstractmethod
    def existing_path(self, digest: Digest) -> Path:
        """Return where a blob is if an earlier image brought it."""

    @abstractmethod
    def writable_path(self, digest: Digest) -> Path:
        """Return where to write a blob; its directory is created. Raises `StorageFailed`."""

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        path = self.writable_path(blob.descriptor.digest)
        existing = self.existing_path(blob.descriptor.digest)
        return await place_blob(
            blob, path, progress, self.existing,
            link_from=existing if existing != path else None, resume=self.resume, reuse=self.reuse,
        )  # fmt: skip

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return await self.existing.holds(self.existing_path(descriptor.digest), descriptor)


async def place_blob(
    blob: Blob, path: Path, progress: Progress, existing: ExistingBlobs, *,
    link_from: Path | None = None, resume: bool = True, mode: int = 0o666, reuse: Reuse = "copy",
) -> Placement:  # fmt: skip
    """Put the blob at ``path`` in the cheapest way, and return which way it was.

    If it is there already, as ``existing`` decides, nothing is written. Next, ``link_from`` and linkable locations are
    hard-linked: complete files that this program wrote. Then the blob is brought into the content store, if there is
    one, and linked from there. Otherwise a local location is copied inside the kernel, which shares blocks where the
    file system can, and then hashed; anything else is streamed. Where several tasks or processes want one blob, one
    writes it and the others wait. With ``resume`` what an interrupted run has streamed is completed, and what this one
    has is kept if it is interrupted; see `part_files`. ``mode`` is that of the file, limited by the umask. ``reuse`` is
    that of `Writing`. Raises `ContentMismatch`, `StorageFailed`, and what reading the blob raises.
    """
    if await existing.holds(path, blob.descriptor):
        return Placement.PRESENT
    files = [location for location in blob.locations if isinstance(location, LocalFile)]
    for candidate in (link_from, *(file.path for file in files if file.linkable)):
        if candidate is not None and await existing.holds(candidate, blob.descriptor):
            before = blob_status(candidate, blob.descriptor)
            if before is not None and _link(candidate, path):
                if existing.verified.vouches(before, blob.descriptor.digest):
                    existing.moved(before, path, blob.descriptor.digest)
                return Placement.LINKED
    if reuse != "copy" and files:
        from .reused_files import reuse_file  # not needed for an ordinary copy

        reused = await reuse_file(blob, path, existing, reuse)
        if isinstance(reused, Placement):
            return reused
        blob = reused
    if blob.stored is not None:
        return await _place_stored(blob.stored, path, progress, existing, resume=resume, mode=mode)
    return await _write_file(blob, path, progress, existing, resume=resume, mode=mode)


async def _place_stored(
    stored: Stored, path: Path, progress: Progress, existing: ExistingBlobs, *, resume: bool, mode: int
) -> Placement:
    """Bring a blob into the content store, and link or copy it from there; again, if the file there turns out wrong."""
    from .verified_links import link_verified

    for again in (True, False):
        blob, placement = await stored.bring(progress)
        for location in blob.locations:
            if isinstance(location, LocalFile) and location.verified and link_verified(location, path):
                existing.moved(location.verified, path, blob.descriptor.digest)
                return Placement.LINKED if placement is Placement.PRESENT else placement
        try:
            return await _write_file(blob, path, progress, existing, resume=resume, mode=mode)
        except InvalidContent:
            if not (again and await stored.discard()):
                raise
    raise AssertionError("the last attempt returns or raises")


async def _write_file(
    blob: Blob, path: Path, progress: Progress, existing: ExistingBlobs, *, resume: bool, mode: int
) -> Placement:
    """Write a blob to its part file, and rename that to ``path``."""
    from .part_files import open_part  # not needed for a copy that finds everything

    files = [location for location in blob.locations if isinstance(location, LocalFile)]
    async with open_part(
        path, blob.descriptor, resume=resume and not files, mode=mode, on_idle=existing.report_idle
    ) as part:
        # Another task or process may have written it since we looked, and while we waited.
        if blob_status(path, blob.descriptor) is not None and await existing.holds(path, blob.descriptor):
            return Placement.PRESENT
        await _write(blob, files, part, progress)
        written = part.finish()
    existing.moved(written, path, blob.descriptor.digest)
    return Placement.WRITTEN


async def _write(blob: Blob, files: list[LocalFile], part: PartFile, progress: Progress) -> None:
    """Write a blob to its part file: copied by the kernel from one of ``files``, else streamed."""
    for location in files:
        if location.linkable and blob_status(location.path, blob.descriptor) is None:
            continue
        if location.verified is not None:
            from .verified_links import clone_verified

            if clone_verified(location, part.fd):
                return
        if await _copy_in_kernel(location, part.fd, part.path, blob.descriptor, progress):
            return
    await blob.copy_to(part, progress)


def _link(source: Path, path: Path) -> bool:
    try:
        # Link the file behind a symbolic link: the link's target may be in a directory that is removed later.
        os.link(os.path.realpath(source), path)
    except OSError:
        return False  # another file system, or one without hard links: the blob is copied instead
    return True


async def _copy_in_kernel(
    location: LocalFile, fd: int, path: Path, descriptor: Descriptor, progress: Progress
) -> bool:
    if not hasattr(os, "copy_file_range"):
        return False
    source = open_regular(location.path)
    available = os.fstat(source).st_size - location.offset if location.size is None else location.size

    def work() -> None:
        # One byte more than the blob has, so that a longer file with the same beginning fails verification.
        copy_range(source, location, fd, min(available, descriptor.size + 1), path=path)
        pump(FileReader(fd, path, 0, descriptor.size + 1), NullSink(), Verifier(descriptor), progress)

    try:
        await run_in_thread(work)
    except NotImplementedError:
        os.ftruncate(fd, 0)
        return False
    finally:
        os.close(source)
    return True


def copy_range(source: int, location: LocalFile, target: int, size: int, *, path: Path) -> None:
    """Copy ``size`` bytes from the location's offset to the position of ``target``, with copy_file_range(2).

    ``source`` and ``target`` are file descriptors, ``path`` names the target in errors. Raises `NotImplementedError`,
    before anything is written, if the two file systems do not support it, `ContentMismatch` if the source ends early,
    `StorageFailed`, and `Cancelled`.
    """
    import errno

    cannot = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
    done = 0
    while done < size:
        check_cancelled()
        try:
            count = os.copy_file_range(source, target, min(size - done, _COPY_STEP), location.offset + done)
        except OSError as error:
            if done == 0 and error.errno in cannot:
                raise NotImplementedError from error
            raise StorageFailed.of(error, f"copying {location.path} to {path}") from error
        if count == 0 and done == 0:
            raise NotImplementedError  # how some kernels report file systems that they cannot copy from
        if count == 0:
            raise ContentMismatch(
                f"{location.path} ends after {location.offset + done} bytes, want {location.offset + size}",
                expected=str(size),
                actual=str(done),
            )
        done += count


async def receive_blob(
    directory: Path, fill: Fill, path_of: Callable[[Descriptor], Path], existing: ExistingBlobs
) -> tuple[Descriptor, Placement]:
    """Store a blob whose digest is known only after ``fill`` has written it, and return its descriptor.

    It is written to a temporary file in ``directory``, which must exist, and renamed to the path that ``path_of``
    returns, on the same file system. Raises what ``fill`` raises, and `StorageFailed`.
    """
    with storage_errors(f"creating a file in {directory}"):
        fd, temporary = open_partial(directory / "blob")
        try:
            held = os.dup(fd)  # keeps the lock until the file has its final name
        except OSError:
            os.close(fd)
            temporary.unlink(missing_ok=True)
            raise
    try:
        try:
            descriptor = await fill(FileSink(fd, directory))
            written = os.fstat(fd)
        finally:
            with storage_errors(f"writing to {directory}"):
                os.close(fd)
        path = path_of(descriptor)
        if await existing.holds(path, descriptor):
            return descriptor, Placement.PRESENT
        with storage_errors(f"writing {path}"):
            os.replace(temporary, path)
        existing.moved(written, path, descriptor.digest)
        return descriptor, Placement.WRITTEN
    finally:
        temporary.unlink(missing_ok=True)
        os.close(held)
