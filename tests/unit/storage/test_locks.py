"""The lock of a directory, exclusive or shared."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.storage import locks
from pyskopeo.storage.locks import lock_directory, locked, locked_if_possible

pytestmark = pytest.mark.anyio


def fails_with(number: int) -> Callable[..., object]:
    def fail(*arguments: object, **more: object) -> object:
        raise OSError(number, os.strerror(number))

    return fail


class TestLocked:
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

    async def test_a_named_pipe_is_no_directory(self, tmp_path: Path) -> None:
        """Opening one would block for ever."""
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(StorageFailed, match="not a directory"):
            await lock_directory(tmp_path / "pipe", shared=True)

    async def test_waiting_can_be_cancelled(self, tmp_path: Path) -> None:
        async with locked(tmp_path):
            with anyio.move_on_after(0.05) as scope:
                async with locked(tmp_path):
                    raise AssertionError
            assert scope.cancelled_caught
        async with locked(tmp_path):
            pass

    async def test_who_waits_for_long_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(locks, "_PATIENCE", 0.02)
        told: list[int] = []
        async with locked(tmp_path, on_wait=lambda: told.append(1)):
            assert told == []
            with anyio.move_on_after(0.3):
                await lock_directory(tmp_path, on_wait=lambda: told.append(2))
        assert told == [2]

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

    async def test_shared_ones_go_together_and_keep_out_an_exclusive_one(self, tmp_path: Path) -> None:
        first = await lock_directory(tmp_path, shared=True)
        try:
            async with locked(tmp_path, shared=True):
                pass
            with anyio.move_on_after(0.05) as scope:
                async with locked(tmp_path):
                    raise AssertionError
            assert scope.cancelled_caught
        finally:
            os.close(first)
        with anyio.fail_after(2):
            async with locked(tmp_path):
                pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
async def test_where_the_file_system_has_no_locks(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some things are done nevertheless; nothing is done where others could lose something."""
    monkeypatch.setattr(fcntl, "flock", fails_with(number))
    async with locked_if_possible(tmp_path):
        pass
    with pytest.raises(StorageFailed, match="locking"):
        async with locked(tmp_path):
            raise AssertionError


async def test_another_error_is_one_in_any_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", fails_with(errno.EIO))
    with pytest.raises(StorageFailed, match="locking"):
        async with locked_if_possible(tmp_path):
            raise AssertionError
