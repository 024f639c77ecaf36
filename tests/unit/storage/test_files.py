"""Files that appear when they are whole, and the lock of a directory."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import NotFound, StorageFailed, TooLarge
from pyskopeo.storage.files import PARTIAL, locked, open_regular, read_bounded, read_range, staged, write_atomically

pytestmark = pytest.mark.anyio


def fails_with(number: int) -> Callable[..., object]:
    def fail(*arguments: object, **more: object) -> object:
        raise OSError(number, os.strerror(number))

    return fail


class TestStaged:
    def test_nothing_is_visible_before_the_end(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        with staged(path, 0o600) as (fd, temporary):
            os.write(fd, b"x")
            assert not path.exists()
            assert temporary.name.startswith(".")
            assert temporary.name.endswith(PARTIAL)
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        assert path.read_bytes() == b"x"

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_any_error_takes_it_away(self, error: type[BaseException], tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"old")

        def interrupted() -> None:
            with staged(path) as (fd, _):
                os.write(fd, b"new")
                raise error

        with pytest.raises(error):
            interrupted()
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["file"]

    def test_write_atomically_replaces(self, tmp_path: Path) -> None:
        write_atomically(tmp_path / "f", b"one")
        inode = (tmp_path / "f").stat().st_ino
        with (tmp_path / "f").open("rb") as reading:
            write_atomically(tmp_path / "f", b"two")
            assert reading.read() == b"one"
        assert (tmp_path / "f").read_bytes() == b"two"
        assert (tmp_path / "f").stat().st_ino != inode


class TestLock:

    async def test_between_tasks(self, tmp_path: Path) -> None:
        inside: list[int] = []

        async def once(number: int) -> None:
            async with locked(tmp_path):
                assert not inside
                inside.append(number)
                await anyio.sleep(0.002)
                inside.pop()

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(once, number)

    async def test_waiting_can_be_cancelled(self, tmp_path: Path) -> None:
        async with locked(tmp_path):
            with anyio.move_on_after(0.05) as scope:
                async with locked(tmp_path):
                    raise AssertionError
            assert scope.cancelled_caught
        async with locked(tmp_path):
            pass

    async def test_it_is_let_go_after_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError):
            async with locked(tmp_path):
                raise ZeroDivisionError
        with anyio.fail_after(2):
            async with locked(tmp_path):
                pass

    async def test_a_file_system_without_locks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import fcntl

        monkeypatch.setattr(fcntl, "flock", fails_with(errno.ENOLCK))
        with pytest.raises(StorageFailed, match=r"locking .*: no locks available"):
            async with locked(tmp_path):
                raise AssertionError

    async def test_no_directory(self, tmp_path: Path) -> None:
        with pytest.raises(StorageFailed, match="opening .*none"):
            async with locked(tmp_path / "none"):
                raise AssertionError


class TestReading:
    def test_only_regular_files(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "loop").symlink_to("loop")
        for path, reason in ((tmp_path / "pipe", "not a regular file"), (tmp_path, "not a regular file"),
                             (Path("/dev/zero"), "not a regular file"), (tmp_path / "loop", "symbolic links")):
            with pytest.raises(StorageFailed, match=reason):
                open_regular(path)
        with pytest.raises(NotFound, match=r"open .*/none: no such file or directory"):
            open_regular(tmp_path / "none")

    def test_links_are_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real").write_bytes(b"x")
        (tmp_path / "link").symlink_to("real")
        assert read_bounded(tmp_path / "link", 5) == b"x"

    def test_no_descriptor_is_lost(self, tmp_path: Path) -> None:
        before = set(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(StorageFailed):
                open_regular(tmp_path)
            with pytest.raises(NotFound):
                read_range(tmp_path / "none", 0, 1)
        assert set(os.listdir("/proc/self/fd")) == before

    def test_the_limit_is_exact(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"12345")
        assert read_bounded(tmp_path / "f", 5) == b"12345"
        with pytest.raises(TooLarge, match="over the limit of 4 bytes"):
            read_bounded(tmp_path / "f", 4)

    def test_ranges(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_bytes(b"0123456789")
        assert read_range(tmp_path / "f", 3, 4) == b"3456"
        assert read_range(tmp_path / "f", 8, 4) == b"89"
