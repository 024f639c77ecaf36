"""Compressed content: in one piece, in several, and as programs write it."""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Iterator

from pyskopeo.model import mediatype
from pyskopeo.model.change import Change, Outcome
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.streams.compress import RecompressingSink
from pyskopeo.streams.inflaters import load_zstd
from pyskopeo.streams.pump import MemorySink

from .zstd import zstd

CONTENT = bytes(range(256)) * 3000
SKIPPED = struct.pack("<II", 0x184D2A50, 10) + b"x" * 10


def zstd_frame(data: bytes) -> bytes:
    return bytes(load_zstd().compress(data))


def named(data: bytes) -> bytes:
    """With the name of a file, as the program gzip writes it (RFC 1952, section 2.3)."""
    return b"\x1f\x8b\x08\x08" + bytes(4) + b"\x00\xff" + b"layer.tar\x00" + gzip.compress(data)[10:]


def in_steps(data: bytes, step: int) -> Iterator[memoryview]:
    return (memoryview(data)[at : at + step] for at in range(0, len(data), step))


MIB = 1024 * 1024
# Words as in a language, the frequent ones short, then what nothing can compress, then what anything can.
_RANDOM = random.Random(1)
_WORDS = [bytes(_RANDOM.choices(b"etaoinshrdlu /_.", k=2 + n // 100)) for n in range(1000)]
LARGE = (
    b"".join(_RANDOM.choices(_WORDS, [1 / (n + 3) for n in range(1000)], k=900_000))
    + _RANDOM.randbytes(300_000)
    + bytes(200_000)
)
LAYER = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"as it came"), 10)
assert 3 * MIB < len(LARGE) < 5 * MIB


def changed(data: bytes, change: Change, step: int = MIB, layer: Descriptor = LAYER) -> tuple[bytes, Outcome]:
    target = MemorySink()
    sink = RecompressingSink(target, change, layer, "the layer")
    buffer = bytearray(step)
    for start in range(0, len(data), step):
        count = len(data[start : start + step])
        buffer[:count] = data[start : start + step]
        sink.write(memoryview(buffer)[:count])
        buffer[:] = b"\xaa" * step  # the pump's buffer is reused
    sink.finish()
    content = bytes(target.content)
    assert sink.outcome.descriptor.size == len(content)
    return content, sink.outcome


def plain(content: bytes, format: str) -> bytes:
    if format == "gzip":
        return gzip.decompress(content)
    return zstd.decompress(content) if format == "zstd" else content
