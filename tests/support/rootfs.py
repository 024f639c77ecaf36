"""Layers: small, valid, always the same root file systems, with one executable that needs nothing."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from dataclasses import dataclass
from random import Random
from typing import Literal

from .zstd import zstd

Compression = Literal["gzip", "zstd", "none"]

GREETING = b"hello from a test image\n"
PROGRAM = "/bin/hello"
_LONG_NAME = "opt/" + "a-rather-long-directory-name/" * 5 + "file-with-\u00fcmlaut.txt"


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer. The same spec gives the same bytes, so naming a spec twice repeats the layer.

    ``size`` is that of its one data file, in bytes, and about that of the layer: the data does not
    compress unless ``compressible``. ``base`` puts a root file system with `PROGRAM` below it, ``files`` are further
    paths and contents.
    """

    name: str = "data"
    size: int = 1500
    compression: Compression = "gzip"
    base: bool = False
    compressible: bool = False
    whiteout: str = ""
    files: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's bytes as they are shipped, and the tar inside."""

    data: bytes
    tar: bytes


def build_layer(spec: LayerSpec, architecture: str = "amd64") -> Layer:
    """The layer ``spec`` describes; ``architecture`` decides which program a base layer holds."""
    tar = _tar(spec, architecture)
    return Layer(compress(tar, spec.compression), tar)


def compress(data: bytes, how: Compression) -> bytes:
    """``data`` compressed, without a time stamp."""
    if how == "none":
        return data
    if how == "gzip":
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        return packer.compress(data) + packer.flush()
    return bytes(zstd.compress(data))


def seeded(name: str, size: int) -> bytes:
    """``size`` bytes that do not compress; the same for the same ``name``."""
    return Random(name).randbytes(size)


def _tar(spec: LayerSpec, architecture: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        if spec.base:
            _add_base(tar, architecture)
        _add(tar, "data", mode=0o755, kind=tarfile.DIRTYPE)
        content = spec.name.encode() * (spec.size // len(spec.name.encode()) + 1) if spec.compressible else b""
        _add(tar, f"data/{spec.name}", (content or seeded(spec.name, spec.size))[: spec.size])
        for path, data in spec.files:
            _add(tar, path, data)
        if spec.whiteout:
            directory, _, name = spec.whiteout.rpartition("/")
            _add(tar, f"{directory}/.wh.{name}" if directory else f".wh.{name}")
    return out.getvalue()


def _add_base(tar: tarfile.TarFile, architecture: str) -> None:
    for directory, mode in (("bin", 0o755), ("dev", 0o755), ("etc", 0o755), ("proc", 0o555), ("tmp", 0o1777)):
        _add(tar, directory, mode=mode, kind=tarfile.DIRTYPE)
    _add(tar, PROGRAM[1:], static_program(architecture), mode=0o755)
    _add(tar, "bin/greet", link="hello", kind=tarfile.SYMTYPE, mode=0o777)
    _add(tar, "bin/hello-again", link=PROGRAM[1:], kind=tarfile.LNKTYPE, mode=0o755)
    _add(tar, "etc/passwd", b"root:x:0:0:root:/:/bin/hello\n")
    _add(tar, _LONG_NAME, b"its name needs an extended header\n")


def _add(
    tar: tarfile.TarFile,
    name: str,
    data: bytes = b"",
    *,
    mode: int = 0o644,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.type, member.linkname = len(data), mode, kind, link
    member.mtime = 1_700_000_000
    tar.addfile(member, io.BytesIO(data))


def static_program(architecture: str) -> bytes:
    """A Linux executable that prints `GREETING` and exits with 0, linked against nothing.

    Written by hand, so that ``docker run`` can be tested where there is neither a compiler nor a
    static shell. For an architecture we have no instructions for: a text that cannot run.
    """
    length = len(GREETING)
    if architecture == "amd64":
        code = (
            b"\xb8" + struct.pack("<I", 1)  # mov eax, 1 (write)
            + b"\xbf" + struct.pack("<I", 1)  # mov edi, 1 (stdout)
            + b"\x48\x8d\x35" + struct.pack("<i", 16)  # lea rsi, [rip + 16]: just after the code
            + b"\xba" + struct.pack("<I", length)  # mov edx, length
            + b"\x0f\x05"  # syscall
            + b"\xb8" + struct.pack("<I", 60)  # mov eax, 60 (exit)
            + b"\x31\xff"  # xor edi, edi
            + b"\x0f\x05"  # syscall
        )  # fmt: skip
        return _elf(62, code + GREETING)
    if architecture == "arm64":
        words = (
            0xD2800020,  # mov x0, #1 (stdout)
            0x100000E1,  # adr x1, #28: just after the code
            0xD2800002 | length << 5,  # mov x2, #length
            0xD2800808,  # mov x8, #64 (write)
            0xD4000001,  # svc #0
            0xD2800000,  # mov x0, #0
            0xD2800BA8,  # mov x8, #93 (exit)
            0xD4000001,  # svc #0
        )
        return _elf(183, struct.pack("<8I", *words) + GREETING)
    return b"no program for " + architecture.encode() + b"\n"


def _elf(machine: int, content: bytes) -> bytes:
    base, headers = 0x400000, 64 + 56
    size = headers + len(content)
    ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    head = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + headers, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return ident + head + segment + content
