"""Local files are read within bounds, and only if they are files."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pyskopeo.errors import NotFound, StorageFailed, TooLarge
from pyskopeo.storage.files import is_plain_tar, open_regular, read_bounded, read_range, suggest_archive


class TestReading:
    def test_only_regular_files(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "loop").symlink_to("loop")
        for path, reason in ((tmp_path / "pipe", "not a regular file"), (tmp_path, "is a directory"),
                             (Path("/dev/zero"), "not a regular file"), (tmp_path / "loop", "symbolic links")):
            with pytest.raises(StorageFailed, match=reason):
                open_regular(path)
        with pytest.raises(NotFound, match=r"open .*/none: no such file or directory"):
            open_regular(tmp_path / "none")

    @pytest.mark.parametrize(
        ("start", "plain"),
        [
            (bytes(257) + b"ustar\0", True), (bytes(1024), True), (bytes(511), False), (b"", False),
            (b"\x1f\x8b\x08" + bytes(1024), False), (b"\x28\xb5\x2f\xfd" + bytes(1024), False),
            (b"\x50\x2a\x4d\x18" + bytes(1024), False),
        ],
    )  # fmt: skip
    def test_plain_archives(self, tmp_path: Path, start: bytes, plain: bool) -> None:
        (tmp_path / "layer").write_bytes(start)
        assert is_plain_tar(tmp_path / "layer") is plain

    def test_what_cannot_be_read_is_no_plain_archive(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert not any(is_plain_tar(path) for path in (tmp_path / "pipe", tmp_path / "none", tmp_path))

    @pytest.mark.parametrize("start", [bytes(257) + b"ustar", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"])
    def test_an_archive_in_place_of_a_directory_is_named(self, tmp_path: Path, start: bytes) -> None:
        archive, plain = tmp_path / "image.tar", tmp_path / "plain"
        archive.write_bytes(start)
        plain.write_bytes(b"text")
        advice = f"; did you mean oci-archive:{archive} or docker-archive:{archive}?"
        assert suggest_archive(archive) == advice
        with pytest.raises(StorageFailed, match="a part of this path is a file" + re.escape(advice) + "$"):
            open_regular(archive / "index.json")
        with pytest.raises(StorageFailed, match="a part of this path is a file$"):
            open_regular(plain / "index.json")

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
