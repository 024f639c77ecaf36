"""Nix archives: the bytes that Nix hashes for a directory."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


def sri_of(path: Path, *, flat: bool) -> str:
    """The hash of a file's content, or of a file or directory as a Nix archive, as ``nix hash file`` and ``path`` print it."""
    content = path.read_bytes() if flat else nar(path)
    return "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode()


def nar(path: Path) -> bytes:
    """The Nix archive of a file or directory: names, contents, links and executable bits, and nothing else."""
    return b"".join((_string(b"nix-archive-1"), *_node(path)))


def _string(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + bytes(-len(text) % 8)


def _strings(*texts: bytes) -> bytes:
    return b"".join(map(_string, texts))


def _node(path: Path) -> Iterator[bytes]:
    yield _strings(b"(", b"type")
    if path.is_symlink():
        yield _strings(b"symlink", b"target", os.fsencode(os.readlink(path)))
    elif path.is_dir():
        yield _string(b"directory")
        for child in sorted(path.iterdir(), key=lambda child: os.fsencode(child.name)):
            yield _strings(b"entry", b"(", b"name", os.fsencode(child.name), b"node")
            yield from _node(child)
            yield _string(b")")
    else:
        yield _string(b"regular")
        if path.stat().st_mode & 0o100:
            yield _strings(b"executable", b"")
        yield _strings(b"contents", path.read_bytes())
    yield _string(b")")
