"""Temporary directories that a later run goes on with: locked, private to this user, and removed when they are done."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.storage.kept_directories import KeptDirectory, remove_others
from pyskopeo.storage.part_files import MIN_KEPT
from pyskopeo.storage.partial_files import is_kept, is_partial

KEY = Digest.of(b"some path").hex


def directory(parent: Path, *, resume: bool = True, mode: int = 0o700) -> KeptDirectory:
    return KeptDirectory(parent, "image.tar", KEY, mode=mode, resume=resume)


def interrupted(parent: Path, size: int = MIN_KEPT) -> Path:
    """What a run leaves that fails after so many bytes."""
    made = directory(parent)
    made.create()
    (made.path / "below").mkdir()
    (made.path / "below" / "file").write_bytes(bytes(size))
    made.close(failed=True)
    return made.path


def test_nothing_is_done_before_it_is_needed(tmp_path: Path) -> None:
    made = directory(tmp_path)
    assert not made.created
    made.close(failed=True)
    assert os.listdir(tmp_path) == []


def test_after_success_it_is_gone(tmp_path: Path) -> None:
    made = directory(tmp_path)
    made.create()
    assert made.created
    assert not made.adopted
    assert is_kept(made.path.name)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o700
    (made.path / "file").write_bytes(bytes(MIN_KEPT))
    made.close(failed=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("size", "stays"), [(0, False), (MIN_KEPT - 1, False), (MIN_KEPT, True)])
def test_after_a_failure_it_stays_if_it_is_worth_it(size: int, stays: bool, tmp_path: Path) -> None:
    assert interrupted(tmp_path, size).exists() == stays


def test_the_next_run_finds_what_is_in_it(tmp_path: Path) -> None:
    left = interrupted(tmp_path)
    made = directory(tmp_path)
    made.create()
    assert (made.path, made.adopted) == (left, True)
    assert (made.path / "below" / "file").exists()
    made.close(failed=False)
    assert os.listdir(tmp_path) == []


def test_without_resume_it_is_emptied_and_not_kept(tmp_path: Path) -> None:
    interrupted(tmp_path)
    made = directory(tmp_path, resume=False)
    made.create()
    assert not made.adopted
    assert os.listdir(made.path) == []
    (made.path / "file").write_bytes(bytes(MIN_KEPT))
    made.close(failed=True)
    assert os.listdir(tmp_path) == []


def test_one_that_others_could_have_written_to_is_emptied(tmp_path: Path) -> None:
    left = interrupted(tmp_path)
    left.chmod(0o777)
    made = directory(tmp_path)
    made.create()
    assert (made.path, made.adopted) == (left, False)
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    assert os.listdir(left) == []
    made.close(failed=False)


@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_the_mode_is_what_the_umask_says(umask: int, tmp_path: Path) -> None:
    old = os.umask(umask)
    try:
        made = directory(tmp_path, mode=0o777)
        made.create()
    finally:
        os.umask(old)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o777 & ~umask
    made.close(failed=False)


class TestAnotherName:
    """Where the name is not free, the directory gets a random one, and is not kept."""

    def check(self, tmp_path: Path) -> None:
        stable, before = directory(tmp_path).path, os.listdir(tmp_path)
        made = directory(tmp_path)
        made.create()
        assert made.path != stable
        assert is_partial(made.path.name)
        assert not is_kept(made.path.name)
        assert not made.adopted
        assert os.listdir(made.path) == []
        (made.path / "file").write_bytes(bytes(MIN_KEPT))
        made.close(failed=True)
        assert os.listdir(tmp_path) == before

    def test_in_use(self, tmp_path: Path) -> None:
        first = directory(tmp_path)
        first.create()
        self.check(tmp_path)
        assert first.path.exists()
        first.close(failed=False)

    @pytest.mark.parametrize("kind", ["link", "file", "pipe"])
    def test_no_directory(self, kind: str, tmp_path: Path) -> None:
        elsewhere, parent = tmp_path / "elsewhere", tmp_path / "parent"
        for made in (elsewhere, parent):
            made.mkdir()
        path = directory(parent).path
        if kind == "link":
            path.symlink_to(elsewhere)
        elif kind == "file":
            path.write_bytes(b"x")
        else:
            os.mkfifo(path)
        self.check(parent)
        assert os.listdir(elsewhere) == []

    def test_of_another_user(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        left = interrupted(tmp_path)
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        self.check(tmp_path)
        assert (left / "below" / "file").exists()

    @pytest.mark.parametrize("found", [True, False])
    def test_without_locks(self, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if found:
            interrupted(tmp_path)

        def no_locks(fd: int, how: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(fcntl, "flock", no_locks)
        self.check(tmp_path)


def test_others_are_removed_whatever_they_are(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for made in (outside, inside, inside / "directory", inside / "wanted directory"):
        made.mkdir()
    (outside / "file").write_bytes(b"x")
    (inside / "directory" / "file").write_bytes(b"x")
    (inside / "wanted").write_bytes(b"x")
    (inside / "unwanted").write_bytes(b"x")
    (inside / "wanted link").symlink_to(outside / "file")
    (inside / "wanted link to a directory").symlink_to(outside)
    os.mkfifo(inside / "wanted pipe")
    remove_others(inside, lambda name: name.startswith("wanted"))
    assert os.listdir(inside) == ["wanted"]
    assert os.listdir(outside) == ["file"]


def test_what_a_run_leaves_that_was_killed_meanwhile(tmp_path: Path) -> None:
    """This one had to write elsewhere; what it has made is complete, so nobody needs the other's."""
    first, second = directory(tmp_path), directory(tmp_path)
    first.create()
    (first.path / "file").write_bytes(bytes(MIN_KEPT))
    second.create()
    assert second.path != first.path
    second.close(failed=True)
    assert os.listdir(tmp_path) == [first.path.name]
    third = directory(tmp_path)
    third.create()
    third.close(failed=False)
    assert os.listdir(tmp_path) == [first.path.name]  # it is in use
    fourth = directory(tmp_path)
    fourth.create()
    assert first._lock is not None
    os.close(first._lock)  # as the system does
    fourth.close(failed=False)
    assert os.listdir(tmp_path) == []


def test_an_error_after_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(tmp_path)
    before = os.listdir("/dev/fd")

    def fail(self: KeptDirectory) -> int:
        raise OSError(errno.EIO, "error")

    monkeypatch.setattr(KeptDirectory, "_new_mode", fail)
    with pytest.raises(OSError, match="error"):
        directory(tmp_path).create()
    assert len(os.listdir("/dev/fd")) == len(before)
