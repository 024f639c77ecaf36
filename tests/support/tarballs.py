"""Tar files as layers of ``tarball:``."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

MOMENT = 1577934245_678901200  # nanoseconds: 2020-01-02T03:04:05.6789012Z


def gz(data: bytes) -> bytes:
    """The same bytes whenever it is made: some are part of a test's name."""
    return gzip.compress(data, mtime=0)


def tar(name: str = "file", content: bytes = b"hello", format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def put(path: Path, content: bytes, modified: int = MOMENT) -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(modified, modified))
    return path
