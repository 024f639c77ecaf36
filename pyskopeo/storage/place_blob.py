"""A blob onto a path: found, linked, copied by the kernel or pumped; never half under its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, PyskopeoError, StorageFailed
from ..interfaces import Fill
from ..model.events import Placement
from ..model.verifier import Verifier
from ..streams.cancellation import check_cancelled, run_in_thread
from ..streams.locations import LocalFile
from ..streams.pump import Progress, thread_buffer, uncounted
from .files import FileReader, FileSink, open_reader, open_regular, partial_name, staged, storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..interfaces import Blob
    from ..model.descriptor import Descriptor

_COPY_STEP = 64 * 1024 * 1024


async def is_present(path: Path, descriptor: Descriptor, *, verify: bool) -> bool:
    """Whether ``path`` already holds the blob: by size, and by digest too if ``verify``."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size != descriptor.size:
        return False
    if not verify:
        return True
    try:
        await _hash_file(LocalFile(path), descriptor)
    except (PyskopeoError, OSError):
        return False
    return True


async def place(
    blob: Blob, path: Path, progress: Progress, *, verify_existing: bool = False, link_from: Path | None = None
) -> Placement:
    """Have the blob at ``path``, verified.

    Already there: nothing is read. ``link_from`` is a file of our own that may be hard-linked, as
    are linkable locations.
    Otherwise a local location is copied by the kernel (which shares blocks where the file system
    can) and then hashed, and anything else is pumped. Raises `ContentMismatch` and `StorageFailed`.
    """
    if await is_present(path, blob.descriptor, verify=verify_existing):
        return Placement.PRESENT
    files = [location for location in blob.locations if isinstance(location, LocalFile)]
    for candidate in (link_from, *(file.path for file in files if file.linkable)):
        if (
            candidate is not None
            and await is_present(candidate, blob.descriptor, verify=verify_existing)
            and _link(candidate, path)
        ):
            return Placement.LINKED
    with staged(path) as (fd, _):
        for location in files:
            if location.linkable and not await is_present(location.path, blob.descriptor, verify=False):
                continue
            if await _copy_in_kernel(location, fd, path, blob.descriptor, progress):
                return Placement.WRITTEN
        await blob.copy_to(FileSink(fd, path), progress)
    return Placement.WRITTEN


def _link(source: Path, path: Path) -> bool:
    try:
        # What a symbolic link leads to, not the link: it may point into the directory that goes.
        os.link(os.path.realpath(source), path)
    except OSError:
        return False  # another file system, or one without links: fetch it like any other
    return True


async def _copy_in_kernel(
    location: LocalFile, fd: int, path: Path, descriptor: Descriptor, progress: Progress
) -> bool:
    if not hasattr(os, "copy_file_range"):
        return False
    source = open_regular(location.path)
    available = os.fstat(source).st_size - location.offset if location.size is None else location.size

    def work() -> None:
        # All there is, up to one byte too many: a longer file is not the blob, even if it begins like it.
        copy_range(source, location, fd, min(available, descriptor.size + 1), path=path)
        _hash_into(Verifier(descriptor), FileReader(fd, path, 0, descriptor.size + 1), progress)

    try:
        await run_in_thread(work)
    except NotImplementedError:
        os.ftruncate(fd, 0)
        return False
    finally:
        os.close(source)
    return True


def copy_range(source: int, location: LocalFile, target: int, size: int, *, path: Path) -> None:
    """Copy ``size`` bytes of a location inside the kernel, to the current position of ``target``, which is ``path``.

    Raises `NotImplementedError` when these two file systems cannot, before anything is written,
    `ContentMismatch` when the source ends early, and `StorageFailed`.
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
            raise NotImplementedError  # some kernels say so for file systems they cannot copy from
        if count == 0:
            raise ContentMismatch(
                f"{location.path} ends after {location.offset + done} bytes, want {location.offset + size}",
                expected=str(size),
                actual=str(done),
            )
        done += count


async def _hash_file(location: LocalFile, descriptor: Descriptor) -> None:
    async with open_reader(location, descriptor.size) as reader:
        await run_in_thread(lambda: _hash_into(Verifier(descriptor), reader, uncounted))


def _hash_into(verifier: Verifier, reader: FileReader, progress: Progress) -> None:
    buffer = thread_buffer()
    while count := reader.readinto(buffer):
        verifier.feed(buffer[:count])
        progress(count)
        check_cancelled()
    verifier.finish()


async def receive(directory: Path, fill: Fill, named: Callable[[Descriptor], Path]) -> tuple[Descriptor, Placement]:
    """Have what ``fill`` writes at the path ``named`` gives for it, below or beside ``directory``, which is there."""
    temporary = directory / partial_name("blob")
    with storage_errors(f"creating a file in {directory}"):
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            descriptor = await fill(FileSink(fd, directory))
            with storage_errors(f"writing to {directory}"):
                os.fchmod(fd, 0o644)
        finally:
            with storage_errors(f"writing to {directory}"):
                os.close(fd)
        path = named(descriptor)
        if await is_present(path, descriptor, verify=False):
            return descriptor, Placement.PRESENT
        with storage_errors(f"writing {path}"):
            os.replace(temporary, path)
        return descriptor, Placement.WRITTEN
    finally:
        temporary.unlink(missing_ok=True)
