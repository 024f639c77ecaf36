"""The first line of a file is a passphrase, byte for byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyskopeo.config.passphrase_file import read_passphrase
from pyskopeo.errors import StorageFailed, TooLarge


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [
        (b"", b""),
        (b"\n", b""),
        (b"\nsecond", b""),
        (b"secret", b"secret"),
        (b"secret\n", b"secret"),
        (b"secret\nsecond\n", b"secret"),
        (b" secret \r\nsecond", b" secret \r"),
        (b"\xff\x00\xfe\n", b"\xff\x00\xfe"),
    ],
)
def test_first_lines(content: bytes, passphrase: bytes, tmp_path: Path) -> None:
    (tmp_path / "pass").write_bytes(content)
    assert read_passphrase(tmp_path / "pass") == passphrase


def test_from_a_descriptor() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"secret\n")
    os.close(writer)
    try:
        assert read_passphrase(Path(f"/dev/fd/{reader}")) == b"secret"
    finally:
        os.close(reader)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match=r"^open .*/none: no such file or directory$"):
        read_passphrase(tmp_path / "none")
    with pytest.raises(StorageFailed, match="is a directory"):
        read_passphrase(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageFailed, match="named pipe"):
        read_passphrase(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 65537)
    with pytest.raises(TooLarge, match="its first line is over 65536 bytes, which is no passphrase"):
        read_passphrase(tmp_path / "large")
