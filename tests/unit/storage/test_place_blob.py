"""A blob onto a path: staged, verified, renamed; nothing half-written whatever goes wrong."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import ContentMismatch, NotFound, StorageFailed
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import Placement
from pyskopeo.storage import files
from pyskopeo.storage.existing_blobs import ExistingBlobs
from pyskopeo.storage.partial_files import PARTIAL
from pyskopeo.storage.place_blob import place_blob, receive_blob
from pyskopeo.streams.byte_streams import BlobReader, BlobSink
from pyskopeo.streams.locations import LocalFile
from pyskopeo.streams.progress import uncounted
from pyskopeo.streams.pump import Blob, FileSink, MemoryReader
from tests.support.nobody import folder_of_nobody

pytestmark = pytest.mark.anyio
CONTENT = b"some content " * 1000


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    with folder_of_nobody() as folder:
        yield folder


def blob_of(content: bytes, *locations: LocalFile, expected: bytes | None = None) -> Blob:
    """A blob that gives ``content`` whatever its descriptor (that of ``expected``) says."""
    expected = content if expected is None else expected

    @asynccontextmanager
    async def opened(offset: int) -> AsyncIterator[BlobReader]:
        yield MemoryReader(content, offset)

    return Blob(Descriptor("", Digest.of(expected), len(expected)), opened, locations)


@pytest.mark.parametrize("before", [b"", b"what was there"])
def test_a_file_sink_forgets_what_it_has_written(before: bytes, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        os.write(fd, before)
        sink = FileSink(fd, tmp_path / "file")
        sink.write(memoryview(b"wrong" * 100_000))
        sink.write(memoryview(b"wrong"))
        for content in (b"longer" * 10, b"right"):
            sink.restart()
            sink.write(memoryview(content))
            assert (tmp_path / "file").read_bytes() == before + content
        assert os.lseek(fd, 0, os.SEEK_CUR) == len(before) + 5
    finally:
        os.close(fd)


def test_a_file_sink_that_cannot_forget(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    sink = FileSink(writing, tmp_path / "pipe")
    sink.write(memoryview(b"wrong"))
    with pytest.raises(StorageFailed, match=r"writing .*/pipe: illegal seek"):
        sink.restart()
    os.close(reading)
    os.close(writing)


def unopened(content: bytes, *locations: LocalFile) -> Blob:
    def refuse(offset: int) -> object:
        raise AssertionError("this blob was not to be opened")

    return Blob(Descriptor("", Digest.of(content), len(content)), refuse, locations)  # type: ignore[arg-type]


def fails_with(number: int) -> Callable[..., object]:
    def fail(*arguments: object, **more: object) -> object:
        raise OSError(number, os.strerror(number))

    return fail


class TestPlace:
    @pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644)])
    async def test_written_with_the_mode_that_the_umask_says(self, umask: int, mode: int, tmp_path: Path) -> None:
        path, counts = tmp_path / "blob", list[int]()
        old = os.umask(umask)
        try:
            assert await place_blob(blob_of(CONTENT), path, counts.append, ExistingBlobs()) is Placement.WRITTEN
        finally:
            os.umask(old)
        assert path.read_bytes() == CONTENT
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert sum(counts) == len(CONTENT)
        assert os.listdir(tmp_path) == ["blob"]

    async def test_present_is_not_read(self, tmp_path: Path) -> None:
        path = tmp_path / "blob"
        path.write_bytes(CONTENT)
        assert await place_blob(unopened(CONTENT), path, uncounted, ExistingBlobs()) is Placement.PRESENT

    @pytest.mark.parametrize("there", [CONTENT[:-1], CONTENT + b"x", b""])
    async def test_another_size_is_replaced(self, there: bytes, tmp_path: Path) -> None:
        path = tmp_path / "blob"
        path.write_bytes(there)
        assert await place_blob(blob_of(CONTENT), path, uncounted, ExistingBlobs()) is Placement.WRITTEN
        assert path.read_bytes() == CONTENT

    async def test_other_content_of_the_same_size_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "blob"
        path.write_bytes(bytes(len(CONTENT)))
        assert await place_blob(blob_of(CONTENT), path, uncounted, ExistingBlobs()) is Placement.WRITTEN
        assert path.read_bytes() == CONTENT
        assert await place_blob(unopened(CONTENT), path, uncounted, ExistingBlobs()) is Placement.PRESENT

    async def test_what_was_written_is_not_read_again(self, tmp_path: Path) -> None:
        path, existing = tmp_path / "blob", ExistingBlobs()
        assert await place_blob(blob_of(CONTENT), path, uncounted, existing) is Placement.WRITTEN
        assert existing.verified.vouches(path.stat(), Digest.of(CONTENT))

    @pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", b"X" + CONTENT[1:], b""])
    async def test_other_bytes_leave_nothing(self, content: bytes, tmp_path: Path) -> None:
        with pytest.raises(ContentMismatch):
            await place_blob(blob_of(content, expected=CONTENT), tmp_path / "blob", uncounted, ExistingBlobs())
        assert os.listdir(tmp_path) == []

    async def test_other_bytes_do_not_harm_what_is_there(self, tmp_path: Path) -> None:
        path = tmp_path / "blob"
        path.write_bytes(b"old")
        with pytest.raises(ContentMismatch):
            await place_blob(blob_of(b"x" * len(CONTENT), expected=CONTENT), path, uncounted, ExistingBlobs())
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["blob"]

    async def test_a_symbolic_link_to_the_content_is_present(self, tmp_path: Path) -> None:
        (tmp_path / "real").write_bytes(CONTENT)
        (tmp_path / "blob").symlink_to("real")
        assert await place_blob(unopened(CONTENT), tmp_path / "blob", uncounted, ExistingBlobs()) is Placement.PRESENT

    @pytest.mark.parametrize("target", ["nowhere", "/dev/null", "."])
    async def test_a_link_elsewhere_is_replaced_and_not_followed(self, target: str, tmp_path: Path) -> None:
        path = tmp_path / "blob"
        path.symlink_to(target)
        assert await place_blob(blob_of(CONTENT), path, uncounted, ExistingBlobs()) is Placement.WRITTEN
        assert not path.is_symlink()
        assert path.read_bytes() == CONTENT
        assert not (tmp_path / "nowhere").exists()

    async def test_a_pipe_in_its_place_is_replaced_without_waiting_for_a_writer(self, tmp_path: Path) -> None:
        path = tmp_path / "blob"
        os.mkfifo(path)
        with anyio.fail_after(5):
            assert await place_blob(blob_of(CONTENT), path, uncounted, ExistingBlobs()) is Placement.WRITTEN
        assert path.read_bytes() == CONTENT

    async def test_a_directory_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "blob").mkdir()
        with pytest.raises(StorageFailed, match=r"writing .*/blob: is a directory"):
            await place_blob(blob_of(CONTENT), tmp_path / "blob", uncounted, ExistingBlobs())
        assert os.listdir(tmp_path) == ["blob"]

    async def test_no_directory_to_put_it_in(self, tmp_path: Path) -> None:
        with pytest.raises(StorageFailed, match=r"creating .*/none/blob: no such file") as caught:
            await place_blob(blob_of(CONTENT), tmp_path / "none" / "blob", uncounted, ExistingBlobs())
        assert caught.value.errno == errno.ENOENT

    async def test_a_read_only_directory(self, as_nobody: Path) -> None:
        as_nobody.chmod(0o500)
        with pytest.raises(StorageFailed, match=r"creating .*/blob: permission denied"):
            await place_blob(blob_of(CONTENT), as_nobody / "blob", uncounted, ExistingBlobs())
        assert os.listdir(as_nobody) == []

    async def test_a_name_as_long_as_names_may_be(self, tmp_path: Path) -> None:
        path = tmp_path / ("n" * 255)
        assert await place_blob(blob_of(CONTENT), path, uncounted, ExistingBlobs()) is Placement.WRITTEN
        assert os.listdir(tmp_path) == [path.name]


class TestLink:
    async def test_what_is_ours_gets_a_second_name(self, tmp_path: Path) -> None:
        old, new = tmp_path / "old", tmp_path / "new"
        old.write_bytes(CONTENT)
        assert await place_blob(unopened(CONTENT), new, uncounted, ExistingBlobs(), link_from=old) is Placement.LINKED
        assert new.samefile(old)

    async def test_what_a_link_leads_to_is_linked_not_the_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").write_bytes(CONTENT)
        (tmp_path / "old").symlink_to("real")
        placed = await place_blob(
            unopened(CONTENT), tmp_path / "new", uncounted, ExistingBlobs(), link_from=tmp_path / "old"
        )
        assert placed is Placement.LINKED
        assert not (tmp_path / "new").is_symlink()
        assert (tmp_path / "new").read_bytes() == CONTENT

    @pytest.mark.parametrize("there", [CONTENT[:-1], None])
    async def test_what_is_not_the_blob_is_not_linked(self, there: bytes | None, tmp_path: Path) -> None:
        old = tmp_path / "old"
        if there is not None:
            old.write_bytes(there)
        assert (
            await place_blob(blob_of(CONTENT), tmp_path / "new", uncounted, ExistingBlobs(), link_from=old)
            is Placement.WRITTEN
        )
        assert (tmp_path / "new").read_bytes() == CONTENT

    async def test_corrupted_content_is_not_linked_when_it_is_verified(self, tmp_path: Path) -> None:
        old = tmp_path / "old"
        old.write_bytes(bytes(len(CONTENT)))
        placed = await place_blob(
            blob_of(CONTENT), tmp_path / "new", uncounted, ExistingBlobs(always=True), link_from=old
        )
        assert placed is Placement.WRITTEN

    @pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
    async def test_where_links_cannot_be_it_is_written(
        self, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "old").write_bytes(CONTENT)
        monkeypatch.setattr(os, "link", fails_with(number))
        placed = await place_blob(
            blob_of(CONTENT), tmp_path / "new", uncounted, ExistingBlobs(), link_from=tmp_path / "old"
        )
        assert placed is Placement.WRITTEN
        assert not (tmp_path / "new").samefile(tmp_path / "old")


class TestKernelCopy:
    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        path = tmp_path / "source"
        path.write_bytes(b"before" + CONTENT + b"after")
        return path

    async def test_from_a_file_and_from_the_middle_of_one(self, source: Path, tmp_path: Path) -> None:
        counts: list[int] = []
        whole = unopened(source.read_bytes(), LocalFile(source))
        assert await place_blob(whole, tmp_path / "whole", counts.append, ExistingBlobs()) is Placement.WRITTEN
        assert sum(counts) == source.stat().st_size
        part = unopened(CONTENT, LocalFile(source, 6, len(CONTENT)))
        assert await place_blob(part, tmp_path / "part", uncounted, ExistingBlobs()) is Placement.WRITTEN
        assert (tmp_path / "part").read_bytes() == CONTENT

    async def test_nothing_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "empty").write_bytes(b"")
        await place_blob(unopened(b"", LocalFile(tmp_path / "empty")), tmp_path / "new", uncounted, ExistingBlobs())
        assert (tmp_path / "new").read_bytes() == b""

    @pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", b"X" + CONTENT[1:], b""])
    async def test_what_lies_there_is_verified(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "source").write_bytes(content)
        with pytest.raises(ContentMismatch):
            await place_blob(
                unopened(CONTENT, LocalFile(tmp_path / "source")), tmp_path / "new", uncounted, ExistingBlobs()
            )
        assert os.listdir(tmp_path) == ["source"]

    async def test_the_tail_of_a_longer_file_is_not_copied(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with (tmp_path / "source").open("wb") as file:
            file.truncate(2**26)  # sparse: nothing is there
        asked: list[int] = []
        real = os.copy_file_range

        def watched(source: int, target: int, count: int, offset: int) -> int:
            asked.append(count)
            return real(source, target, count, offset)

        monkeypatch.setattr(os, "copy_file_range", watched)
        with pytest.raises(ContentMismatch, match="longer than"):
            await place_blob(
                unopened(CONTENT, LocalFile(tmp_path / "source")), tmp_path / "new", uncounted, ExistingBlobs()
            )
        assert sum(asked) == len(CONTENT) + 1

    @pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
    async def test_where_the_kernel_cannot_it_is_pumped(
        self, number: int, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "copy_file_range", fails_with(number))
        blob = blob_of(CONTENT, LocalFile(source, 6, len(CONTENT)))
        assert await place_blob(blob, tmp_path / "new", uncounted, ExistingBlobs()) is Placement.WRITTEN
        assert (tmp_path / "new").read_bytes() == CONTENT

    async def test_where_the_kernel_says_nothing_is_there_it_is_pumped(
        self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
        await place_blob(
            blob_of(CONTENT, LocalFile(source, 6, len(CONTENT))), tmp_path / "new", uncounted, ExistingBlobs()
        )
        assert (tmp_path / "new").read_bytes() == CONTENT

    async def test_systems_without_it(self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "copy_file_range")
        await place_blob(
            blob_of(CONTENT, LocalFile(source, 6, len(CONTENT))), tmp_path / "new", uncounted, ExistingBlobs()
        )
        assert (tmp_path / "new").read_bytes() == CONTENT

    async def test_short_copies_go_on(self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.copy_file_range
        monkeypatch.setattr(os, "copy_file_range", lambda s, t, count, offset: real(s, t, min(count, 999), offset))
        await place_blob(
            unopened(CONTENT, LocalFile(source, 6, len(CONTENT))), tmp_path / "new", uncounted, ExistingBlobs()
        )
        assert (tmp_path / "new").read_bytes() == CONTENT

    async def test_the_second_of_several_copies_fails(
        self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, done = os.copy_file_range, list[int]()

        def full(s: int, t: int, count: int, offset: int) -> int:
            if done:
                raise OSError(errno.ENOSPC, "No space left on device")
            done.append(1)
            return real(s, t, 100, offset)

        monkeypatch.setattr(os, "copy_file_range", full)
        with pytest.raises(StorageFailed, match=r"copying .*/source to .*/new: no space left") as caught:
            await place_blob(
                unopened(CONTENT, LocalFile(source, 6, len(CONTENT))), tmp_path / "new", uncounted, ExistingBlobs()
            )
        assert caught.value.errno == errno.ENOSPC
        assert os.listdir(tmp_path) == ["source"]

    async def test_a_location_that_has_gone(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match=r"open .*/none: no such file"):
            await place_blob(
                unopened(CONTENT, LocalFile(tmp_path / "none")), tmp_path / "new", uncounted, ExistingBlobs()
            )
        assert os.listdir(tmp_path) == []

    async def test_cancelling_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "source").write_bytes(CONTENT)
        real = os.copy_file_range

        def slow(s: int, t: int, count: int, offset: int) -> int:
            time.sleep(0.02)
            return real(s, t, 10, offset)

        monkeypatch.setattr(os, "copy_file_range", slow)
        with anyio.move_on_after(0.1) as scope:
            await place_blob(
                unopened(CONTENT, LocalFile(tmp_path / "source")), tmp_path / "new", uncounted, ExistingBlobs()
            )
        assert scope.cancelled_caught
        assert os.listdir(tmp_path) == ["source"]


class TestStorageFails:
    """Whichever call the operating system refuses: the path is named, and nothing is left."""

    @pytest.mark.parametrize("call", ["open", "write", "close", "replace"])
    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
    async def test_at_every_step(
        self, call: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "blob"
        path.write_bytes(b"old")
        real, real_close = getattr(os, call), os.close
        inside: list[int] = []

        def fail(*arguments: object, **more: object) -> object:
            named = call in ("open", "replace") and PARTIAL in str(arguments[0])
            own = arguments[0] in inside
            if not named and not own:
                return real(*arguments, **more)
            if call == "close":
                real_close(arguments[0])  # type: ignore[arg-type]
                inside.clear()
            raise OSError(number, os.strerror(number))

        def watched_open(name: object, flags: int, mode: int = 0o777) -> int:
            fd = os_open(name, flags, mode)  # type: ignore[arg-type]
            if PARTIAL in str(name):
                inside.append(fd)
            return fd

        os_open = os.open
        if call != "open":
            monkeypatch.setattr(os, "open", watched_open)
        monkeypatch.setattr(os, call, fail)
        with pytest.raises(StorageFailed) as caught:
            await place_blob(blob_of(CONTENT), path, uncounted, ExistingBlobs())
        monkeypatch.undo()
        assert str(path) in str(caught.value)
        assert os.strerror(number).lower() in str(caught.value).lower()
        assert caught.value.errno == number
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["blob"]

    async def test_a_disk_that_takes_a_little_and_is_full(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, written = os.write, list[int]()

        def full(fd: int, data: memoryview) -> int:
            if len(data) < 20 or sum(written) > 5000:  # the event loop wakes itself up with a byte
                if len(data) < 20:
                    return real(fd, data)
                raise OSError(errno.ENOSPC, "No space left on device")
            written.append(real(fd, data[:1000]))
            return written[-1]

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StorageFailed, match=r"writing .*/blob: no space left on device"):
            await place_blob(blob_of(CONTENT), tmp_path / "blob", uncounted, ExistingBlobs())
        assert sum(written) > 5000
        assert os.listdir(tmp_path) == []

    async def test_short_writes_go_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:777]))
        await place_blob(blob_of(CONTENT), tmp_path / "blob", uncounted, ExistingBlobs())
        assert (tmp_path / "blob").read_bytes() == CONTENT

    @pytest.mark.parametrize("call", ["write", "pwrite"])
    async def test_never_much_is_written_at_once(
        self, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Memory for it would come from where a virtual machine has none ready."""
        real, sizes, content = getattr(os, call), list[int](), os.urandom(1024 * 1024 + 7)

        def watched(fd: int, data: memoryview, *offset: int) -> int:
            sizes.append(len(data))
            return int(real(fd, data, *offset))

        monkeypatch.setattr(os, call, watched)
        with (tmp_path / "file").open("wb") as file:
            if call == "write":
                FileSink(file.fileno(), Path("file")).write(memoryview(content))
            else:
                files.write_at(file.fileno(), memoryview(content), 0, Path("file"))
        assert (tmp_path / "file").read_bytes() == content
        assert sizes == [256 * 1024] * 4 + [7]

    async def test_really_full(self, tmp_path: Path) -> None:
        if not os.path.exists("/dev/full"):
            pytest.skip("no /dev/full")
        sink = FileSink(os.open("/dev/full", os.O_WRONLY), Path("/dev/full"))
        try:
            with pytest.raises(StorageFailed, match="writing /dev/full: no space left on device"):
                sink.write(memoryview(b"x"))
        finally:
            os.close(sink.fd)


class TestReceive:
    """A blob whose digest is known when it is written."""

    async def received(self, directory: Path, there: bytes | None) -> Placement:
        path = directory / "blob"
        if there is not None:
            path.write_bytes(there)

        async def fill(sink: BlobSink) -> Descriptor:
            sink.write(memoryview(CONTENT))
            return blob_of(CONTENT).descriptor

        descriptor, placement = await receive_blob(directory, fill, lambda _: path, ExistingBlobs())
        assert descriptor.digest == Digest.of(CONTENT)
        assert path.read_bytes() == CONTENT
        assert os.listdir(directory) == ["blob"]
        return placement

    async def test_new(self, tmp_path: Path) -> None:
        assert await self.received(tmp_path, None) is Placement.WRITTEN

    async def test_there_already(self, tmp_path: Path) -> None:
        assert await self.received(tmp_path, CONTENT) is Placement.PRESENT

    async def test_other_content_of_the_same_size_is_replaced(self, tmp_path: Path) -> None:
        assert await self.received(tmp_path, bytes(len(CONTENT))) is Placement.WRITTEN
