"""Files that appear when they are complete, and what killed runs leave of them."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.storage import partial_files
from pyskopeo.storage.locks import try_lock
from pyskopeo.storage.partial_files import (
    PARTIAL,
    create_partial_directory,
    final_name,
    is_partial,
    open_partial,
    partial_name,
    partial_names,
    remove_leftovers,
    shown_name,
    staged,
    write_atomically,
)


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

    @pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
    def test_the_mode_is_what_the_umask_says(self, umask: int, mode: int, tmp_path: Path) -> None:
        old = os.umask(umask)
        try:
            write_atomically(tmp_path / "file", b"x")
            with staged(tmp_path / "private", 0o600):
                pass
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
        assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600

    def test_it_is_locked_until_it_has_its_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.replace

        def replace(source: Path, target: Path) -> None:
            remove_leftovers(tmp_path)
            real(source, target)

        monkeypatch.setattr(os, "replace", replace)
        with staged(tmp_path / "file") as (fd, _):
            os.write(fd, b"x")
            remove_leftovers(tmp_path)
        assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["app:v1", "n" * 255, "-.hidden", "é"])
def test_names(name: str) -> None:
    partial = partial_name(name)
    assert is_partial(partial)
    assert final_name(partial) == shown_name(name)
    assert len(os.fsencode(partial)) <= 255
    assert not is_partial(name)
    assert not is_partial(f".{name}.partial")


class TestLeftovers:
    @pytest.fixture
    def left(self, tmp_path: Path) -> list[str]:
        """What killed runs left for two files, and names that only look like it."""
        names = [partial_name("one"), partial_name("two"), ".one.partial", "one.0123456789ab.partial"]
        for name in names:
            (tmp_path / name).write_bytes(b"x")
        return names

    def test_of_one_file(self, left: list[str], tmp_path: Path) -> None:
        remove_leftovers(tmp_path, "one")
        assert sorted(os.listdir(tmp_path)) == sorted(left[1:])
        assert partial_names(tmp_path) == {"two"}

    def test_of_all(self, left: list[str], tmp_path: Path) -> None:
        remove_leftovers(tmp_path)
        assert sorted(os.listdir(tmp_path)) == sorted(left[2:])

    def test_what_is_in_use_stays(self, tmp_path: Path) -> None:
        fd, path = open_partial(tmp_path / "one")
        directory = tmp_path / partial_name("two")
        lock = create_partial_directory(directory)
        remove_leftovers(tmp_path)
        assert path.exists()
        assert directory.exists()
        os.close(fd)
        os.close(lock)
        remove_leftovers(tmp_path)
        assert os.listdir(tmp_path) == []

    def test_directories_with_all_that_is_in_them(self, tmp_path: Path) -> None:
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept" / "file").write_bytes(b"x")
        directory = tmp_path / partial_name("image")
        (directory / "blobs").mkdir(parents=True)
        (directory / "link").symlink_to(tmp_path / "kept")
        remove_leftovers(tmp_path)
        assert os.listdir(tmp_path) == ["kept"]
        assert os.listdir(tmp_path / "kept") == ["file"]

    def test_what_was_moved_out_of_the_way_is_moved_back(self, tmp_path: Path) -> None:
        old, new = tmp_path / f"{partial_name('image')}.old", tmp_path / partial_name("image")
        for directory in (old, new):
            directory.mkdir()
            (directory / directory.name[-4:]).write_bytes(b"x")
        remove_leftovers(tmp_path, "image", restore=tmp_path / "image")
        assert os.listdir(tmp_path) == ["image"]
        assert os.listdir(tmp_path / "image") == [".old"]

    @pytest.mark.parametrize("kind", ["link", "pipe"])
    def test_what_is_neither_file_nor_directory_stays(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / partial_name("image")
        if kind == "link":
            path.symlink_to("elsewhere")
        else:
            os.mkfifo(path)
        remove_leftovers(tmp_path)
        assert os.listdir(tmp_path) == [path.name]

    def test_those_of_other_users_stay(self, left: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        remove_leftovers(tmp_path)
        assert sorted(os.listdir(tmp_path)) == sorted(left)

    def test_without_locks_nothing_is_taken_for_a_leftover(
        self, left: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fcntl, "flock", fails_with(errno.ENOLCK))
        write_atomically(tmp_path / "file", b"x")
        remove_leftovers(tmp_path)
        assert sorted(os.listdir(tmp_path)) == sorted([*left, "file"])

    def test_a_directory_that_cannot_be_read(self, tmp_path: Path) -> None:
        remove_leftovers(tmp_path / "none")
        assert partial_names(tmp_path / "none") == frozenset()

    def test_one_that_was_removed_before_it_was_locked_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another process may find a file in the moment between its creation and its lock."""
        real, calls = try_lock, list[int]()

        def meanwhile(fd: int, *, shared: bool = False) -> bool:
            calls.append(fd)
            if len(calls) == 1:
                for name in os.listdir(tmp_path):
                    (tmp_path / name).unlink()
            return real(fd, shared=shared)

        monkeypatch.setattr(partial_files, "try_lock", meanwhile)
        fd, path = open_partial(tmp_path / "file")
        os.close(fd)
        assert len(calls) == 2
        assert os.listdir(tmp_path) == [path.name]
        assert path.name.endswith(PARTIAL)


@pytest.mark.parametrize("call", ["fstat", "dup"])
def test_an_error_after_a_file_was_made_leaves_nothing_behind(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor and no file, as on a disk that fails."""
    before = set(os.listdir("/dev/fd"))
    monkeypatch.setattr(os, call, fails_with(errno.EIO))
    with pytest.raises(StorageFailed), staged(tmp_path / "file"):
        raise AssertionError
    monkeypatch.undo()
    assert set(os.listdir("/dev/fd")) == before
    assert os.listdir(tmp_path) == []


def test_an_error_after_a_directory_was_made_leaves_no_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(os.listdir("/dev/fd"))
    monkeypatch.setattr(os, "fstat", fails_with(errno.EIO))
    with pytest.raises(OSError, match="[Ii]nput"):
        create_partial_directory(tmp_path / partial_name("x"))
    monkeypatch.undo()
    assert set(os.listdir("/dev/fd")) == before
