"""Part files: kept for the next run, locked against others, and never trusted."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import ConnectionFailed, ContentMismatch, StorageFailed
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import Placement
from pyskopeo.storage import part_files
from pyskopeo.storage.existing_blobs import ExistingBlobs
from pyskopeo.storage.locks import try_lock
from pyskopeo.storage.part_files import MIN_KEPT, PartFile, open_part
from pyskopeo.storage.partial_files import completed_names, is_kept, kept_name, partial_name, remove_leftovers
from pyskopeo.storage.place_blob import place_blob
from pyskopeo.streams.byte_streams import BlobReader
from pyskopeo.streams.progress import uncounted
from pyskopeo.streams.pump import Blob, MemoryReader

pytestmark = pytest.mark.anyio
CONTENT = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(8 * MIN_KEPT // 32))
SIZE = len(CONTENT)
DIGEST = Digest.of(CONTENT)
BLOB = Descriptor("", DIGEST, SIZE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / DIGEST.hex


@pytest.fixture
def part(path: Path) -> Path:
    return path.with_name(kept_name(DIGEST.hex, DIGEST.hex))


class Origin:
    """A source of the blob that fails after ``fails_after`` bytes of it, and notes where it was opened."""

    def __init__(self, fails_after: int = SIZE, content: bytes = CONTENT) -> None:
        self.fails_after, self.content = fails_after, content
        self.opened: list[int] = []
        self.wait: anyio.Event | None = None

    def blob(self) -> Blob:
        return Blob(BLOB, self.open)

    @asynccontextmanager
    async def open(self, offset: int) -> AsyncIterator[BlobReader]:
        self.opened.append(offset)
        if self.wait is not None:
            await self.wait.wait()
        yield Failing(self.content[: self.fails_after], offset, fails=self.fails_after < SIZE)


class Failing(MemoryReader):
    def __init__(self, content: bytes, offset: int, *, fails: bool) -> None:
        super().__init__(content, offset)
        self.fails = fails

    def readinto(self, buffer: memoryview) -> int:
        count = super().readinto(buffer[:10_000])
        if not count and self.fails:
            raise ConnectionFailed("cut")
        return count


async def cut(path: Path, after: int, *, resume: bool = True) -> None:
    """A run that ends after so many bytes."""
    with pytest.raises(ConnectionFailed):
        await place_blob(Origin(after).blob(), path, uncounted, ExistingBlobs(), resume=resume)


async def place(path: Path, origin: Origin | None = None, *, resume: bool = True) -> list[int]:
    """Have the blob at ``path``, and return where its source was opened."""
    origin = origin or Origin()
    assert await place_blob(origin.blob(), path, uncounted, ExistingBlobs(), resume=resume) is Placement.WRITTEN
    assert path.read_bytes() == CONTENT
    assert not path.is_symlink()
    return origin.opened


class TestResumed:
    async def test_the_next_run_fetches_the_rest(self, path: Path, part: Path) -> None:
        await cut(path, 300_000)
        assert os.listdir(path.parent) == [part.name]
        assert part.read_bytes() == CONTENT[:300_000]
        assert await place(path) == [300_000]
        assert os.listdir(path.parent) == [path.name]

    async def test_and_the_run_after_that(self, path: Path) -> None:
        await cut(path, 100_000)
        await cut(path, 200_000)
        assert await place(path) == [200_000]

    async def test_after_a_cancellation_too(self, path: Path, part: Path) -> None:
        with anyio.CancelScope() as scope:
            async with open_part(path, BLOB, resume=True) as file:
                file.write(memoryview(CONTENT[:100_000]))
                scope.cancel()
                await anyio.sleep(1)
        assert part.read_bytes() == CONTENT[:100_000]

    async def test_a_few_bytes_are_not_worth_it(self, path: Path) -> None:
        await cut(path, MIN_KEPT - 1)
        assert os.listdir(path.parent) == []
        await cut(path, MIN_KEPT)
        assert len(os.listdir(path.parent)) == 1

    async def test_wrong_bytes_are_not_kept(self, path: Path) -> None:
        with pytest.raises(ContentMismatch):
            await place_blob(Origin(content=bytes(SIZE)).blob(), path, uncounted, ExistingBlobs())
        assert os.listdir(path.parent) == []

    async def test_an_answer_that_cannot_be_the_blob_does_no_harm(self, path: Path, part: Path) -> None:
        """The page of a captive portal, for example, before any byte of it is taken for one of the blob."""

        @asynccontextmanager
        async def portal(offset: int) -> AsyncIterator[BlobReader]:
            raise ContentMismatch("the registry has 99 bytes", expected="1", actual="99")
            yield

        await cut(path, 300_000)
        with pytest.raises(ContentMismatch):
            await place_blob(Blob(BLOB, portal), path, uncounted, ExistingBlobs())
        assert part.read_bytes() == CONTENT[:300_000]
        assert await place(path) == [300_000]

    async def test_a_full_disk_keeps_what_it_took(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real, written = os.write, list[int]()

        def full(fd: int, data: bytes) -> int:
            if len(data) == 10_000 and len(written) == 10:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if len(data) == 10_000:
                written.append(len(data))
            return real(fd, data)

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StorageFailed, match="no space left"):
            await place_blob(Origin().blob(), path, uncounted, ExistingBlobs())
        monkeypatch.undo()
        assert await place(path) == [100_000]

    async def test_complete_but_not_renamed(self, path: Path, part: Path) -> None:
        part.write_bytes(CONTENT)
        assert await place(path) == []

    @pytest.mark.parametrize("mode", [True, False], ids=["kept", "found"])
    async def test_without_resume_nothing_is_kept_and_nothing_is_used(self, mode: bool, path: Path) -> None:
        await cut(path, 300_000, resume=mode)
        assert os.listdir(path.parent) != [] if mode else os.listdir(path.parent) == []
        assert await place(path, resume=False) == [0]
        assert os.listdir(path.parent) == [path.name]

    async def test_wrong_bytes_in_it_are_fetched_again(self, path: Path, part: Path) -> None:
        for wrong in (bytes(300_000), CONTENT[:299_999] + b"?", bytes(SIZE)):
            part.write_bytes(wrong)
            assert (await place(path))[-1] == 0
            path.unlink()

    @pytest.mark.parametrize("more", [b"?", bytes(100), b"pyskopeo parts 1", b"pyskopeo parts 1" + bytes(range(256))])
    async def test_longer_than_the_blob(self, more: bytes, path: Path, part: Path) -> None:
        part.write_bytes(CONTENT + more)
        assert await place(path) == [0]

    async def test_the_mode_is_what_the_umask_says_now(self, path: Path) -> None:
        for before, now in ((0o000, 0o077), (0o077, 0o022), (0o022, 0o022)):
            old = os.umask(before)
            try:
                await cut(path, 300_000)
                os.umask(now)
                # If others could have written to it, or the mode were another one than today's, it is not used.
                assert await place(path) == ([300_000] if before == now else [0])
            finally:
                os.umask(old)
            assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~now
            path.unlink()


class TestHostile:
    """What others have put where the part file belongs."""

    async def check(self, path: Path, part: Path, *, stays: bool = True) -> None:
        with anyio.fail_after(5):
            assert await place(path) == [0]
        assert os.path.lexists(part) == stays

    async def test_a_symbolic_link_is_not_followed(self, path: Path, part: Path, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(CONTENT[:300_000])
        for target in (victim, tmp_path / "nowhere", Path("/dev/null")):
            part.symlink_to(target)
            await self.check(path, part)
            part.unlink()
            path.unlink()
        assert victim.read_bytes() == CONTENT[:300_000]
        assert not (tmp_path / "nowhere").exists()

    async def test_a_hard_link_is_left_alone(self, path: Path, part: Path, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_bytes(CONTENT[:300_000])
        os.link(victim, part)
        await self.check(path, part)
        assert victim.read_bytes() == CONTENT[:300_000]

    @pytest.mark.parametrize("kind", ["pipe", "directory"])
    async def test_no_file(self, kind: str, path: Path, part: Path) -> None:
        (os.mkfifo if kind == "pipe" else os.mkdir)(part)
        await self.check(path, part)

    async def test_what_is_of_another_user_is_left_alone(self, path: Path, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        part.write_bytes(CONTENT[:300_000])
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        await self.check(path, part)
        assert part.read_bytes() == CONTENT[:300_000]

    async def test_what_others_may_write_to_is_not_used(self, path: Path, part: Path) -> None:
        part.write_bytes(CONTENT[:300_000])
        part.chmod(0o666)
        old = os.umask(0o022)
        try:
            await self.check(path, part, stays=False)
        finally:
            os.umask(old)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644

    async def test_no_permission(self, path: Path, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        part.write_bytes(CONTENT[:300_000])
        real = os.open

        def refuse(name: object, flags: int, mode: int = 0o777) -> int:
            if name == part and not flags & os.O_EXCL:
                raise PermissionError(errno.EACCES, "Permission denied")
            return real(name, flags, mode)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "open", refuse)
        await self.check(path, part)


class TestLocked:
    async def test_of_two_at_once_one_fetches(self, path: Path) -> None:
        origin, placed = Origin(), list[Placement]()
        origin.wait = anyio.Event()

        async def one() -> None:
            placed.append(await place_blob(origin.blob(), path, uncounted, ExistingBlobs()))

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(one)
            await anyio.sleep(0.05)
            origin.wait.set()
        assert origin.opened == [0]
        assert sorted(placed, key=str) == sorted([Placement.WRITTEN, *[Placement.PRESENT] * 3], key=str)
        assert os.listdir(path.parent) == [path.name]

    async def test_if_the_one_fails_another_goes_on_where_it_was(self, path: Path) -> None:
        first, second = Origin(300_000), Origin()
        first.wait = anyio.Event()

        async def failing() -> None:
            with pytest.raises(ConnectionFailed):
                await place_blob(first.blob(), path, uncounted, ExistingBlobs())

        async def waiting() -> None:
            assert await place(path, second) == [300_000]

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(failing)
            while not first.opened:
                await anyio.sleep(0.01)
            tasks.start_soon(waiting)
            await anyio.sleep(0.05)
            assert second.opened == []
            first.wait.set()

    async def test_waiting_can_be_cancelled(self, path: Path, part: Path) -> None:
        async with open_part(path, BLOB, resume=True):
            with anyio.move_on_after(0.05) as scope:
                await place(path)
            assert scope.cancelled_caught
            assert part.exists()

    async def test_one_that_does_nothing_is_not_waited_for(
        self, path: Path, part: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(part_files, "_PATIENCE", 0.1)
        async with open_part(path, BLOB, resume=True) as stuck:
            assert await place(path) == [0]
            assert part.exists()
            stuck.write(memoryview(CONTENT))
            stuck.finish()
        assert path.read_bytes() == CONTENT
        assert os.listdir(path.parent) == [path.name]

    async def test_one_that_writes_is_waited_for(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(part_files, "_PATIENCE", 0.3)
        origin = Origin()

        async def slow() -> None:
            async with open_part(path, BLOB, resume=True) as file:
                for start in range(0, SIZE, SIZE // 8):
                    file.write(memoryview(CONTENT[start : start + SIZE // 8]))
                    await anyio.sleep(0.1)
                file.finish()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slow)
            await anyio.sleep(0.05)
            assert await place_blob(origin.blob(), path, uncounted, ExistingBlobs()) is Placement.PRESENT
        assert origin.opened == []

    @pytest.mark.parametrize("found", [True, False])
    async def test_without_locks_nothing_is_kept(
        self, found: bool, path: Path, part: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_locks(fd: int, how: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(fcntl, "flock", no_locks)
        if found:
            part.write_bytes(CONTENT[:300_000])
        await cut(path, 300_000)
        assert part.exists() == found
        assert await place(path) == [0]

    async def test_one_that_was_removed_before_it_was_locked_is_made_again(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, calls = try_lock, list[int]()

        def meanwhile(fd: int, *, shared: bool = False) -> bool:
            calls.append(fd)
            if len(calls) == 1:
                for name in os.listdir(path.parent):
                    (path.parent / name).unlink()
            return real(fd, shared=shared)

        monkeypatch.setattr(part_files, "try_lock", meanwhile)
        assert await place(path) == [0]
        assert len(calls) == 2
        assert os.listdir(path.parent) == [path.name]

    async def test_a_blob_that_came_while_the_lock_was_taken(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another process may have renamed its part file since we looked for the blob."""
        real = try_lock

        def meanwhile(fd: int, *, shared: bool = False) -> bool:
            path.write_bytes(CONTENT)
            return real(fd, shared=shared)

        monkeypatch.setattr(part_files, "try_lock", meanwhile)
        origin = Origin()
        assert await place_blob(origin.blob(), path, uncounted, ExistingBlobs()) is Placement.PRESENT
        assert origin.opened == []
        assert os.listdir(path.parent) == [path.name]

    async def test_a_part_file_that_became_the_blob_is_never_written_to(self, path: Path, part: Path) -> None:
        """Whoever waits has the file open that the holder of the lock renames."""
        async with anyio.create_task_group() as tasks:
            async with open_part(path, BLOB, resume=True) as file:
                file.write(memoryview(CONTENT))
                tasks.start_soon(self.write_something, path)
                await anyio.sleep(0.05)
                file.finish()
        assert path.read_bytes() == CONTENT

    async def write_something(self, path: Path) -> None:
        async with open_part(path, BLOB, resume=True) as file:
            file.write(memoryview(b"?" * 100))


class TestJournal:
    """Parts that are written out of order."""

    async def interrupted(self, path: Path, *steps: tuple[str, int, int]) -> None:
        """A run that writes in order (``write``), or a part of its own (``part``, ``begun``), and is cut."""
        async with self.cut(path) as file:
            for what, start, end in steps:
                content = memoryview(CONTENT)[start:end]
                if what == "write":
                    file.write(content)
                else:
                    file.write_at(content, start)
                if what == "part":
                    file.part_written(start, end)

    @asynccontextmanager
    async def cut(self, path: Path, error: Exception | None = None) -> AsyncIterator[PartFile]:
        """The part file in a run that fails at the end of the context."""
        error = error or ConnectionFailed("cut")
        try:
            async with open_part(path, BLOB, resume=True) as file:
                yield file
                raise error
        except type(error):
            pass

    @pytest.mark.parametrize(
        ("steps", "kept", "parts"),
        [
            ([("write", 0, 100_000), ("part", 200_000, 300_000)], 100_000, ((200_000, 300_000),)),
            ([("part", 200_000, 300_000), ("write", 0, 100_000)], 100_000, ((200_000, 300_000),)),
            ([("begun", 200_000, 300_000), ("write", 0, 100_000)], 100_000, ()),
            ([("part", 300_000, 400_000), ("part", 200_000, 300_000)], 0, ((200_000, 400_000),)),
            ([("write", 0, 100_000), ("part", 100_000, 200_000)], 200_000, ()),
            ([("part", 400_000, SIZE), ("write", 0, 400_000)], SIZE, ()),
        ],
    )
    async def test_what_the_next_run_finds(
        self, steps: list[tuple[str, int, int]], kept: int, parts: tuple[tuple[int, int], ...], path: Path
    ) -> None:
        await self.interrupted(path, *steps)
        async with self.cut(path) as file:
            assert (file.kept, file.parts) == (kept, parts)
            buffer = memoryview(bytearray(SIZE + 1))
            for start, end in ((0, kept), *parts):
                assert file.read_at(buffer[: end - start], start) == end - start
                assert bytes(buffer[: end - start]) == CONTENT[start:end]
            assert file.read_at(buffer, SIZE) == 0
        origin = Origin()
        assert await place(path, origin) == [a for a, b in self.gaps(kept, parts)]

    def gaps(self, kept: int, parts: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
        ends = [kept, *(end for _, end in parts)]
        starts = [*(start for start, _ in parts), SIZE]
        return [(end, start) for end, start in zip(ends, starts, strict=True) if end < start]

    async def test_progress_after_a_kill(self, path: Path, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is written in order is noted from time to time, not only at the end."""
        monkeypatch.setattr(part_files, "_STEP", 50_000)
        async with open_part(path, BLOB, resume=True) as file:
            file.write_at(memoryview(CONTENT[300_000:400_000]), 300_000)
            file.part_written(300_000, 400_000)
            for start in range(0, 120_000, 10_000):
                file.write(memoryview(CONTENT[start : start + 10_000]))
            left = part.read_bytes()
        part.write_bytes(left)
        async with self.cut(path) as file:
            assert (file.kept, file.parts) == (100_000, ((300_000, 400_000),))

    async def test_the_journal_goes_on_in_the_next_run(self, path: Path) -> None:
        await self.interrupted(path, ("write", 0, 100_000), ("part", 200_000, 300_000))
        await self.interrupted(path, ("write", 100_000, 150_000), ("part", 400_000, SIZE))
        assert await place(path) == [150_000, 300_000]
        assert path.stat().st_size == SIZE

    async def test_records_that_make_no_sense(self, path: Path, part: Path) -> None:
        await self.interrupted(path, ("write", 0, 100_000), ("part", 200_000, 300_000))
        with part.open("ab") as file:
            for start, end in ((5, 5), (9, 3), (0, SIZE + 1), (2**64 - 1, 2**64 - 1), (SIZE, SIZE)):
                file.write(start.to_bytes(8, "little") + end.to_bytes(8, "little"))
            file.write(b"half")
        await self.interrupted(path, ("part", 400_000, SIZE))
        assert await place(path) == [100_000, 300_000]

    async def test_a_journal_that_lies(self, path: Path, part: Path) -> None:
        await self.interrupted(path, ("write", 0, 100_000), ("begun", 200_000, 210_000))
        with part.open("ab") as file:
            file.write((0).to_bytes(8, "little") + SIZE.to_bytes(8, "little"))
        assert await place(path) == [0]

    async def test_an_answer_that_cannot_be_the_blob_does_no_harm(self, path: Path) -> None:
        await self.interrupted(path, ("write", 0, 100_000), ("part", 200_000, 300_000))
        async with self.cut(path, ContentMismatch("the registry has 99 bytes", expected="1", actual="99")):
            pass
        assert await place(path) == [100_000, 300_000]

    async def test_wrong_bytes_are_not_kept(self, path: Path) -> None:
        await self.interrupted(path, ("write", 0, 100_000), ("part", 200_000, 300_000))
        async with self.cut(path, ContentMismatch("wrong", expected="1", actual="99")) as file:
            file.write_at(memoryview(b"?"), 400_000)
        assert os.listdir(path.parent) == []

    async def test_a_restart_forgets_it(self, path: Path) -> None:
        async with open_part(path, BLOB, resume=True) as file:
            file.write_at(memoryview(CONTENT[300_000:]), 300_000)
            file.part_written(300_000, SIZE)
            file.restart()
            file.write(memoryview(CONTENT))
            file.finish()
        assert path.read_bytes() == CONTENT


class TestAge:
    def left(self, directory: Path, age: float) -> Path:
        part = directory / kept_name(DIGEST.hex, DIGEST.hex)
        part.write_bytes(b"x")
        now = part.stat().st_mtime
        os.utime(part, (now - age, now - age))
        return part

    @pytest.mark.parametrize(("age", "stays"), [(0, True), (3000, True), (4000, False), (-3000, True), (-4000, False)])
    def test_what_is_older_goes(self, age: float, stays: bool, tmp_path: Path) -> None:
        """So does what was written in a distant future, before the clock was set."""
        part = self.left(tmp_path, age)
        remove_leftovers(tmp_path, age=3600)
        assert part.exists() == stays

    def test_of_any_name(self, tmp_path: Path) -> None:
        part = self.left(tmp_path, 4000)
        remove_leftovers(tmp_path, "other", age=3600)
        assert not part.exists()

    def test_it_stays_where_nothing_is_said_of_its_age(self, tmp_path: Path) -> None:
        """Another file in the directory is written, for example the record of a sync."""
        part = self.left(tmp_path, 10_000_000)
        remove_leftovers(tmp_path, "other")
        assert part.exists()

    def test_which_are_complete(self, tmp_path: Path) -> None:
        part = self.left(tmp_path, 0)
        assert list(completed_names(tmp_path)) == []
        (tmp_path / DIGEST.hex).touch()
        (tmp_path / partial_name(DIGEST.hex)).touch()
        assert list(completed_names(tmp_path)) == [part.name]
        assert list(completed_names(tmp_path / "none")) == []

    def test_what_is_done_goes_at_once(self, tmp_path: Path) -> None:
        part = self.left(tmp_path, 0)
        remove_leftovers(tmp_path, age=3600, done={part.name})
        assert not part.exists()

    async def test_what_is_in_use_stays(self, path: Path, part: Path) -> None:
        async with open_part(path, BLOB, resume=True):
            os.utime(part, (0, 0))
            remove_leftovers(path.parent, age=3600)
            assert part.exists()
            remove_leftovers(path.parent, age=0.0, done={part.name})
            assert part.exists()

    def test_names(self) -> None:
        assert is_kept(kept_name("app:v1", DIGEST.hex))
        assert not is_kept("app:v1")
        assert len(os.fsencode(kept_name("é" * 255, DIGEST.hex))) <= 255
