"""Records of uploads: what is read back, by whom, for how long, and how they go away."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.storage.upload_records import UploadRecord, UploadRecords

DIGEST = Digest.of(b"a")
LOCATION = "https://registry.example/v2/a/b/blobs/uploads/1?_state=x"


@pytest.fixture
def records(tmp_path: Path) -> UploadRecords:
    return UploadRecords(tmp_path / "new" / "uploads")


def opened(records: UploadRecords, repository: str = "a/b", digest: Digest = DIGEST) -> UploadRecord:
    record = records.open("registry.example", repository, digest)
    assert record is not None
    return record


def kept(records: UploadRecords, repository: str = "a/b") -> Path:
    """The file of a record that is not open any more."""
    record = opened(records, repository)
    record.write(LOCATION, 10)
    record.close()
    return record._path


def test_what_was_written_is_there_in_the_next_run(records: UploadRecords, tmp_path: Path) -> None:
    record = opened(records)
    assert (record.location, record.sent) == ("", 0)
    for sent, location in ((5, LOCATION + "y" * 500), (7, LOCATION)):
        record.write(location, sent)
        assert (record.location, record.sent) == (location, sent)
    record.close()
    again = opened(UploadRecords(tmp_path / "new" / "uploads"))
    assert (again.location, again.sent) == (LOCATION, 7)
    again.close()


@pytest.mark.parametrize(("repository", "digest"), [("a/c", DIGEST), ("a/b", Digest.of(b"b"))])
def test_each_upload_has_its_own(repository: str, digest: Digest, records: UploadRecords) -> None:
    path = kept(records)
    other = opened(records, repository, digest)
    assert (other.location, other._path != path) == ("", True)
    other.close()


def test_only_its_owner_can_use_it(records: UploadRecords) -> None:
    path = kept(records)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_one_without_a_location_leaves_no_file(records: UploadRecords) -> None:
    record = opened(records)
    record.write(LOCATION, 1)
    record.write("", 0)
    record.close()
    assert not record._path.exists()


def test_one_at_a_time_has_it(records: UploadRecords) -> None:
    record = opened(records)
    assert records.open("registry.example", "a/b", DIGEST) is None
    assert UploadRecords(record._path.parent).open("registry.example", "a/b", DIGEST) is None
    record.close()
    opened(records).close()


def test_the_file_of_one_that_was_removed_meanwhile_is_not_used(
    records: UploadRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking it: the next one to open would have another file, and another lock."""
    path = kept(records)
    taken = iter([True])

    def lock(fd: int) -> bool:
        if next(taken, False):
            path.unlink()
        return True

    monkeypatch.setattr("pyskopeo.storage.private_files.try_lock", lock)
    record = opened(records)
    assert os.path.samestat(os.fstat(record._fd), path.stat())
    record.close()


@pytest.mark.parametrize("hours", [-25, 25])
def test_old_ones_are_removed_by_the_next_run(hours: int, records: UploadRecords) -> None:
    """Whichever upload is recorded then, and with a clock that was wrong."""
    old, new = kept(records, "old"), kept(records, "new")
    other = old.with_name("notes.txt")
    other.write_text("")
    when = time.time() + hours * 3600
    for path in (old, other):
        os.utime(path, (when, when))
    opened(UploadRecords(old.parent), "third").close()
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)


def test_an_old_one_in_use_stays(records: UploadRecords) -> None:
    record = opened(records, "in-use")
    record.write(LOCATION, 1)
    os.utime(record._path, (0, 0))
    opened(UploadRecords(record._path.parent), "other").close()
    assert record._path.exists()
    record.close()


def test_an_age_within_the_record_counts(records: UploadRecords) -> None:
    """Not the file's, which a backup may have restored."""
    path = kept(records)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"time": time.time() - 25 * 3600}) + "\n")
    record = opened(records)
    assert (record.location, record.sent) == ("", 0)
    record.close()
    assert not path.exists()


@pytest.mark.parametrize("kind", ["link", "directory", "second name"])
def test_what_is_no_file_of_ours(kind: str, records: UploadRecords, tmp_path: Path) -> None:
    path = kept(records)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine\n")
    if kind == "second name":
        os.link(path, elsewhere.with_name("other"))
    else:
        path.unlink()
        path.mkdir() if kind == "directory" else path.symlink_to(elsewhere)
    assert records.open("registry.example", "a/b", DIGEST) is None
    assert elsewhere.read_text() == "mine\n"


def test_a_full_disk_leaves_no_record(records: UploadRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, content: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    record = opened(records)
    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", full)
        record.write(LOCATION, 1)
    record.close()
    again = opened(records)
    assert again.location == ""
    again.close()
