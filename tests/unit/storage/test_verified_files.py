"""The record of verified files: it vouches for a file in the state in which it was verified, and for no other."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.storage import verified_files
from pyskopeo.storage.verified_files import RECORDED_SIZE, VerifiedFiles

CONTENT = b"x" * (RECORDED_SIZE + 1)
DIGEST = Digest.of(CONTENT)
HOUR = 3600


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "record"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour after everything was written."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + HOUR)


def test_a_file_that_was_not_verified(path: Path, record: Path) -> None:
    assert not VerifiedFiles(record).vouches(path.stat(), DIGEST)
    assert not VerifiedFiles().vouches(path.stat(), DIGEST)


@pytest.mark.usefixtures("later")
def test_the_next_process_knows_it(path: Path, record: Path) -> None:
    first = VerifiedFiles(record)
    first.add(path.stat(), DIGEST)
    assert first.vouches(path.stat(), DIGEST)
    first.save()
    second = VerifiedFiles(record)
    assert second.vouches(path.stat(), DIGEST)
    assert not second.vouches(path.stat(), Digest.of(b"other"))
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def overwritten(path: Path) -> None:
    path.write_bytes(b"y" * len(CONTENT))


def overwritten_with_its_time(path: Path) -> None:
    before = path.stat()
    overwritten(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"y" * len(CONTENT))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"y")


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("change", [overwritten, overwritten_with_its_time, replaced, longer])
def test_a_file_that_has_changed_since(change: Callable[[Path], None], path: Path, record: Path) -> None:
    first = VerifiedFiles(record)
    first.add(path.stat(), DIGEST)
    first.save()
    time.sleep(0.02)  # more than a tick of the clock
    change(path)
    assert not VerifiedFiles(record).vouches(path.stat(), DIGEST)


def test_a_state_that_may_still_change_unnoticed_is_not_recorded(
    path: Path, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = VerifiedFiles(record)
    verified.add(path.stat(), DIGEST)
    changed = path.stat().st_ctime
    monkeypatch.setattr(time, "time", lambda: changed + 0.001)
    verified.save()
    assert not record.exists()
    monkeypatch.setattr(time, "time", lambda: changed + 3)
    verified.save()
    assert VerifiedFiles(record).vouches(path.stat(), DIGEST)


def test_for_a_large_file_a_tick_is_waited_for(path: Path, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_files, "_LARGE", RECORDED_SIZE)
    now, waited = [path.stat().st_ctime + 0.001], list[float]()

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds + 0.0001

    monkeypatch.setattr(time, "time", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    verified = VerifiedFiles(record)
    verified.add(path.stat(), DIGEST)
    verified.save()
    assert len(waited) == 1
    assert waited[0] < 0.02
    assert VerifiedFiles(record).vouches(path.stat(), DIGEST)


@pytest.mark.usefixtures("later")
def test_small_files_are_not_recorded(tmp_path: Path, record: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"x")
    verified = VerifiedFiles(record)
    verified.add(small.stat(), Digest.of(b"x"))
    assert verified.vouches(small.stat(), Digest.of(b"x")), "within the run"
    verified.save()
    assert not record.exists()


@pytest.mark.usefixtures("later")
def test_two_processes_add_to_it(path: Path, tmp_path: Path, record: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(CONTENT)
    both = [VerifiedFiles(record), VerifiedFiles(record)]
    for verified, file in zip(both, (path, other), strict=True):
        verified.add(file.stat(), DIGEST)
    for verified in both:
        verified.save()
    assert all(VerifiedFiles(record).vouches(file.stat(), DIGEST) for file in (path, other))


@pytest.mark.usefixtures("later")
def test_it_stays_small(path: Path, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_files, "_LIMIT", 2000)
    for number in range(100):
        verified = VerifiedFiles(record)  # as another process would
        verified.add(path.stat(), Digest.of(str(number).encode()))
        verified.save()
        assert record.stat().st_size <= 2000
    again = VerifiedFiles(record)
    assert again.vouches(path.stat(), Digest.of(b"99"))
    assert not again.vouches(path.stat(), Digest.of(b"0"))
    assert os.listdir(record.parent) == ["record"]


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("place", ["file in the way", "directory in the way"])
def test_where_it_cannot_be_kept_nothing_is_lost(place: str, path: Path, tmp_path: Path) -> None:
    record = tmp_path / "blob" / "record" if place == "file in the way" else tmp_path
    verified = VerifiedFiles(record)
    assert not verified.vouches(path.stat(), DIGEST)
    verified.add(path.stat(), DIGEST)
    verified.save()
    assert verified.vouches(path.stat(), DIGEST)


@pytest.mark.usefixtures("later")
def test_a_damaged_record_vouches_for_nothing_else(path: Path, record: Path) -> None:
    record.parent.mkdir()
    record.write_bytes(b"\0\xff not a line\n\n" + b"9" * 5000)
    verified = VerifiedFiles(record)
    assert not verified.vouches(path.stat(), DIGEST)
    verified.add(path.stat(), DIGEST)
    verified.save()
    verified.add(path.stat(), Digest.of(b"next"))
    verified.save()
    assert VerifiedFiles(record).vouches(path.stat(), Digest.of(b"next"))


@pytest.mark.usefixtures("later")
class TestLinked:
    """Files with several names: removing one of them changes the inode, and nothing else."""

    def test_links_come_and_go(self, path: Path, record: Path) -> None:
        first = VerifiedFiles(record, linked=True)
        first.add(path.stat(), DIGEST)
        first.save()
        other = path.with_name("other")
        os.link(path, other)
        assert VerifiedFiles(record, linked=True).vouches(path.stat(), DIGEST)
        other.unlink()
        assert VerifiedFiles(record, linked=True).vouches(path.stat(), DIGEST)
        assert not VerifiedFiles(record).vouches(path.stat(), DIGEST)

    @pytest.mark.parametrize("change", [overwritten, replaced, longer], ids=lambda change: change.__name__)
    def test_other_changes_count(self, change: Callable[[Path], None], path: Path, record: Path) -> None:
        first = VerifiedFiles(record, linked=True)
        first.add(path.stat(), DIGEST)
        first.save()
        change(path)
        assert not VerifiedFiles(record, linked=True).vouches(path.stat(), DIGEST)

    @pytest.mark.parametrize("mode", [0o664, 0o646])
    def test_what_others_can_write_to_is_not_known_by_its_time(self, path: Path, record: Path, mode: int) -> None:
        path.chmod(mode)
        first = VerifiedFiles(record, linked=True)
        first.add(path.stat(), DIGEST)
        first.save()
        assert VerifiedFiles(record, linked=True).vouches(path.stat(), DIGEST)
        overwritten_with_its_time(path)
        assert not VerifiedFiles(record, linked=True).vouches(path.stat(), DIGEST)


def made_writable(record: Path) -> None:
    record.chmod(0o622)


def made_a_link(record: Path) -> None:
    record.rename(record.with_name("other"))
    record.symlink_to("other")


def made_a_pipe(record: Path) -> None:
    record.unlink()
    os.mkfifo(record, 0o600)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("change", [made_writable, made_a_link, made_a_pipe])
def test_a_record_that_others_could_have_written_is_neither_used_nor_written(
    change: Callable[[Path], None], path: Path, record: Path
) -> None:
    first = VerifiedFiles(record)
    first.add(path.stat(), DIGEST)
    first.save()
    change(record)
    before = [file.read_bytes() for file in record.parent.iterdir() if file.is_file()]
    second = VerifiedFiles(record)
    assert not second.vouches(path.stat(), DIGEST)
    second.add(path.stat(), DIGEST)
    second.save()
    assert [file.read_bytes() for file in record.parent.iterdir() if file.is_file()] == before


@pytest.mark.usefixtures("later")
def test_a_restart_of_the_system_takes_the_word_back(path: Path, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power failure a file may have lost its content, and its size and times may be as they were."""
    first = VerifiedFiles(record)
    first.add(path.stat(), DIGEST)
    first.save()
    monkeypatch.setattr(verified_files, "_boot", lambda: "another")
    second = VerifiedFiles(record)
    assert not second.vouches(path.stat(), DIGEST)
    second.add(path.stat(), DIGEST)
    second.save()
    assert VerifiedFiles(record).vouches(path.stat(), DIGEST)
    monkeypatch.undo()
    assert verified_files._boot() == verified_files._boot()
    assert len(verified_files._boot()) in (0, 36)
