"""The files that contents are kept in, and the attributes that they get."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.filesystem.contents import Attributes, ContentDirectory
from pyskopeo.filesystem.entry import Entry, Kind

ENTRY = Entry("a/b", Kind.FILE, 0o6751, 0, 0, 1_600_000_000_123_456_789, 3, "", (0, 0), (), 2, 5)


def keep(contents: ContentDirectory, content: bytes = b"abc") -> Path:
    opened = contents.keep(ENTRY)
    opened.write(memoryview(content))
    opened.finish()
    return contents.path / contents.name(ENTRY.key)


def test_without_attributes_a_file_is_private(tmp_path: Path) -> None:
    contents = ContentDirectory(tmp_path)
    path = keep(contents)
    contents.close()
    assert path.read_bytes() == b"abc"
    assert path.stat().st_mode & 0o7777 == 0o600
    assert contents.digests == {}


@pytest.mark.parametrize(("attributes", "mode"), [(Attributes(), 0o751), (Attributes(special_bits=True), 0o6751)])
def test_with_them_it_has_mode_and_time(attributes: Attributes, mode: int, tmp_path: Path) -> None:
    contents = ContentDirectory(tmp_path, attributes=attributes, hashed=True)
    found = keep(contents).stat()
    contents.close()
    assert found.st_mode & 0o7777 == mode
    assert found.st_mtime_ns == ENTRY.mtime
    assert contents.digests == {ENTRY.key: hashlib.sha256(b"abc").hexdigest()}


def test_a_content_that_is_written_again_replaces_the_first(tmp_path: Path) -> None:
    contents = ContentDirectory(tmp_path, attributes=Attributes())
    keep(contents, b"longer than the other")
    assert ENTRY.key in contents
    contents.forget(2)
    assert ENTRY.key not in contents
    assert keep(contents).read_bytes() == b"abc"
    contents.forget(3)
    assert ENTRY.key in contents
    contents.close()


def test_it_counts_only_when_it_is_complete(tmp_path: Path) -> None:
    contents = ContentDirectory(tmp_path)
    opened = contents.keep(ENTRY)
    opened.write(memoryview(b"abc"))
    opened.close()
    opened.close()
    contents.close()
    assert ENTRY.key not in contents


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("outside")
    (tmp_path / "contents").mkdir()
    contents = ContentDirectory(tmp_path / "contents")
    (tmp_path / "contents" / contents.name(ENTRY.key)).symlink_to("../outside")
    with pytest.raises(StorageFailed):
        contents.keep(ENTRY)
    contents.close()
    assert (tmp_path / "outside").read_text() == "outside"


def test_errors_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageFailed, match="opening .*: no such file"):
        ContentDirectory(tmp_path / "nothing")
    contents = ContentDirectory(tmp_path, attributes=Attributes())

    def fail(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", fail)
    with pytest.raises(StorageFailed, match="setting the attributes of a/b: operation not permitted"):
        keep(contents)
    contents.close()
    assert ENTRY.key not in contents
