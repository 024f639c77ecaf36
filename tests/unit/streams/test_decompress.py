"""Decompression: recognised by the bytes, whole or refused, bounded in memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
import sys
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import nullcontext

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyskopeo.errors import InvalidContent, TooLarge, Unsupported
from pyskopeo.model import mediatype
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.streams import decompress
from pyskopeo.streams.cancellation import Cancellation, Cancelled, run_in_thread
from pyskopeo.streams.decompress import Decompressor, InflatingReader, InflatingSink, estimate_uncompressed_size
from pyskopeo.streams.inflaters import inflater_constructor, is_gzip_or_zstd
from pyskopeo.streams.progress import uncounted
from pyskopeo.streams.pump import Blob, MemoryReader, MemorySink, NullSink
from tests.support.blocked import Blocked
from tests.support.compressed import CONTENT, SKIPPED, in_steps, named, zstd_frame
from tests.support.zstd import zstd

DATA = random.Random(1).randbytes(3000) + bytes(200_000)


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def skippable(content: bytes = b"a table of contents") -> bytes:
    return struct.pack("<II", 0x184D2A50, len(content)) + content


def through_sink(data: bytes, step: int) -> bytes:
    target = MemorySink()
    sink = InflatingSink(target, "the layer")
    for start in range(0, len(data), step):
        sink.write(memoryview(bytearray(data[start : start + step])))
    sink.finish()
    assert sink.size == len(target.content)
    assert sink.digest == Digest.of(bytes(target.content))
    return bytes(target.content)


def through_reader(data: bytes, step: int) -> bytes:
    reader = InflatingReader(MemoryReader(data), "the layer")
    buffer, found = memoryview(bytearray(step)), bytearray()
    while count := reader.readinto(buffer):
        found += buffer[:count]
    assert reader.readinto(buffer) == 0
    return bytes(found)


@pytest.fixture(params=["fast", "zlib"], autouse=True)
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything holds with the accelerator and without."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
        new, errors = inflater_constructor("gzip")
        assert errors == (zlib.error,)
        assert "zlib" in type(new()).__module__
    return str(request.param)


@pytest.fixture(params=[through_sink, through_reader], ids=["sink", "reader"])
def inflate(request: pytest.FixtureRequest) -> Callable[[bytes, int], bytes]:
    found: Callable[[bytes, int], bytes] = request.param
    return found


Inflate = Callable[[bytes, int], bytes]


@pytest.mark.parametrize("step", [1, 7, 4096, 1_000_000])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (DATA, DATA),
        (b"", b""),
        (b"a", b"a"),
        (b"\x1f", b"\x1f"),
        (b"\x1f\x8b", b"\x1f\x8b"),
        (b"\x28\xb5\x2f", b"\x28\xb5\x2f"),
        (gz(b""), b""),
        (gz(b"x"), b"x"),
        (zstd.compress(b""), b""),
        (zstd.compress(b"x"), b"x"),
        # Parallel compressors write many members, tapes and block devices pad the end.
        (gz(b"one") + gz(b"") + gz(b"two"), b"onetwo"),
        (gz(b"one") + bytes(10_000), b"one"),
        (zstd.compress(b"one") + zstd.compress(b"two"), b"onetwo"),
        # zstd:chunked ends with frames that hold its index.
        (zstd.compress(b"one") + skippable(), b"one"),
        (zstd.compress(b"one") + skippable() + zstd.compress(b"two") + skippable(b""), b"onetwo"),
    ],
)
def test_small(data: bytes, expected: bytes, step: int, inflate: Inflate) -> None:
    if step == 1 and len(data) > 20_000:
        step = 501
    assert inflate(data, step) == expected


@pytest.mark.parametrize("step", [997, 65536, 1_000_000])
@pytest.mark.parametrize("pack", [gz, zstd.compress])
def test_large(pack: Callable[[bytes], bytes], step: int, inflate: Inflate) -> None:
    packed = pack(DATA * 12)
    assert inflate(packed + packed, step) == DATA * 24


@pytest.mark.parametrize("step", [1, 100_000])
@pytest.mark.parametrize(
    "data",
    [
        gz(b"hello" * 100)[:-1],
        gz(b"hello" * 100)[:-8],
        gz(b"hello" * 100)[:12],
        gz(b"hello")[:5],
        gz(b"one") + gz(b"two")[:-3],
        gz(b"one") + b"garbage, and more of it, so that it cannot be a header",
        gz(b"one") + bytes(600) + b"x" * 30,
        b"\x1f\x8b\x08\x00" + b"\xff" * 50,
        gz(b"hello" * 100)[:-8] + bytes(8),
        zstd.compress(b"hello" * 100)[:-1],
        zstd.compress(b"hello")[:6],
        zstd.compress(b"one") + b"garbage and more",
        zstd.compress(b"one") + skippable()[:-1],
        b"\x28\xb5\x2f\xfd" + b"\xff" * 50,
    ],
)
def test_what_is_cut_short_or_damaged(data: bytes, step: int, inflate: Inflate) -> None:
    with pytest.raises(InvalidContent, match=r"the layer: (the (gzip|zstd) data is cut short|damaged (gzip|zstd))"):
        inflate(data, step)


def test_a_wrong_checksum(inflate: Inflate) -> None:
    spoilt = bytearray(gz(b"hello" * 100))
    spoilt[-6] ^= 1
    with pytest.raises(InvalidContent, match="damaged gzip data"):
        inflate(bytes(spoilt), 4096)


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=400), min_size=1, max_size=4),
    pack=st.sampled_from([gz, zstd.compress, bytes]),
    step=st.integers(1, 500),
)
def test_any_content_any_steps(pieces: list[bytes], pack: Callable[[bytes], bytes], step: int) -> None:
    data = b"".join(map(pack, pieces))
    if pack is bytes and is_gzip_or_zstd(data):
        return
    assert through_sink(data, step) == through_reader(data, step) == b"".join(pieces)


@pytest.mark.parametrize("pack", [gz, zstd.compress])
def test_a_bomb_stays_small_in_memory(pack: Callable[[bytes], bytes], inflater: str) -> None:
    size = 128 * 1024 * 1024
    bomb = pack(bytes(size))
    assert len(bomb) < size // 900

    class Nowhere(NullSink):
        def write(self, buffer: memoryview) -> None:
            assert len(buffer) <= 2 * 1024 * 1024

    tracemalloc.start()
    try:
        sink = InflatingSink(Nowhere(), "bomb")
        sink.write(memoryview(bomb))
        sink.finish()
        reader, buffer = InflatingReader(MemoryReader(bomb), "bomb"), memoryview(bytearray(1024 * 1024))
        read = 0
        while count := reader.readinto(buffer):
            read += count
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sink.size == read == size
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize("wrong", [gz(DATA[::-1]), gz(DATA)[:1000], b"plain", b""])
def test_a_sink_that_begins_anew(wrong: bytes) -> None:
    target = MemorySink()
    sink = InflatingSink(target, "the layer")
    sink.write(memoryview(wrong))
    sink.restart()
    sink.write(memoryview(gz(DATA)))
    sink.finish()
    assert target.content == DATA
    assert (sink.size, sink.digest) == (len(DATA), Digest.of(DATA))


def test_a_sinks_own_error_is_not_taken_for_damage() -> None:
    class Broken(NullSink):
        def write(self, buffer: memoryview) -> None:
            raise zlib.error("mine")

    with pytest.raises(zlib.error, match="mine"):
        InflatingSink(Broken(), "x").write(memoryview(gz(b"hello")))


def test_zstd_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setitem(sys.modules, "backports", None)
    with pytest.raises(Unsupported, match=r"need the package backports\.zstd"):
        inflater_constructor("zstd")


def test_what_is_recognised() -> None:
    assert is_gzip_or_zstd(gz(b"")[:4])
    assert is_gzip_or_zstd(zstd.compress(b"")[:4])
    assert not is_gzip_or_zstd(b"BZh9")
    assert not is_gzip_or_zstd(b"\x28\xb5\x2f")
    assert not is_gzip_or_zstd(b"")


@pytest.mark.anyio
async def test_a_cancellation_reaches_the_reader_below() -> None:
    below, buffer = Blocked(gz(DATA)[:100]), memoryview(bytearray(1000))

    def read() -> None:
        reader = InflatingReader(below, "x")
        while reader.readinto(buffer):
            pass

    with anyio.move_on_after(0.1) as scope:
        await run_in_thread(read)
    assert scope.cancelled_caught
    assert below.woken.is_set()


@pytest.mark.parametrize("pack", [gz, zstd.compress])
@pytest.mark.parametrize("inflate", [through_sink, through_reader])
def test_a_bomb_is_refused(
    pack: Callable[[bytes], bytes], inflate: Inflate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decompress, "_RATIO_CHECKED_FROM", 5_000_000)
    assert len(inflate(pack(bytes(5_000_000)), 4096)) == 5_000_000
    with pytest.raises(TooLarge, match="the layer: .* more than 200 times as many: refused"):
        inflate(pack(bytes(9_000_000)), 4096)
    dense = random.Random(2).randbytes(1_000_000) + bytes(8_000_000)
    assert inflate(pack(dense), 4096) == dense  # as large, but not from nothing


def guess(packed: bytes) -> int | None:
    return estimate_uncompressed_size(packed[-4:], len(packed))


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("blocks", [1, 2, 300])
def test_the_end_of_gzip_says_how_much_there_was(blocks: int, level: int) -> None:
    for data in (bytes(512 * blocks), random.Random(1).randbytes(512 * blocks)):
        packed = gzip.compress(data, level, mtime=0)
        assert guess(packed) == (len(data) if len(data) <= 200 * len(packed) else None)


def test_an_end_that_says_nothing_of_the_size() -> None:
    tar = random.Random(1).randbytes(512 * 20)
    assert guess(gz(tar + b"?")) is None  # not a whole number of blocks, so no tar
    assert guess(gz(tar) + gz(b"")) is None  # as lazily pulled images end
    assert guess(gz(tar) + gz(tar[:512])) is None  # the last of several members
    assert guess(gz(tar) + bytes(512)) is None  # padded
    assert guess(zstd.compress(tar)) is None
    assert guess(b"") is guess(b"\0") is None
    assert estimate_uncompressed_size(bytes(4), 0) == 0


WHOLE = {
    "zstd-skippable-first": (SKIPPED + zstd_frame(CONTENT), CONTENT),
    "zstd-skippable-between": (zstd_frame(CONTENT) + SKIPPED + zstd_frame(CONTENT), CONTENT * 2),
    "zstd-skippable-last": (zstd_frame(CONTENT) + SKIPPED * 2, CONTENT),
    "zstd-skippable-only": (SKIPPED, b""),
    "zstd-empty": (zstd_frame(b""), b""),
    "gzip-members": (gzip.compress(CONTENT) * 3, CONTENT * 3),
    "gzip-empty-members": (gzip.compress(b"") * 3 + gzip.compress(CONTENT) + gzip.compress(b""), CONTENT),
    "gzip-padded": (gzip.compress(CONTENT) + bytes(700), CONTENT),
    "gzip-named": (named(CONTENT) * 2, CONTENT * 2),
    "nothing": (b"", b""),
    "less-than-a-magic-number": (b"\x1f\x8b\x08", b"\x1f\x8b\x08"),
}


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", WHOLE)
def test_all_of_what_is_there_is_expanded(name: str, step: int) -> None:
    packed, expected = WHOLE[name]
    found = MemorySink()
    sink = InflatingSink(found, "it")
    for piece in in_steps(packed, step):
        sink.write(piece)
    sink.finish()
    assert found.content == expected
    assert sink.digest == Digest.of(expected)


# The smallest members of each format: nothing in them, or one byte.
TINY = {
    "gzip-empty": gz(b""),
    "gzip-byte": gz(b"x"),
    "zstd-empty": bytes.fromhex("28b52ffd2000010000"),
    "zstd-byte": zstd.compress(b"x"),
    "zstd-skippable": struct.pack("<II", 0x184D2A5F, 0),
    "zstd-mixed": zstd.compress(b"") + struct.pack("<II", 0x184D2A50, 0),
}


@pytest.mark.parametrize("step", [4096, 1 << 20])
@pytest.mark.parametrize("name", TINY)
def test_tiny_members_without_end_are_refused(name: str, step: int, inflate: Inflate) -> None:
    data = TINY[name]
    assert len(inflate(data * 2000, step)) <= 2000
    with pytest.raises(InvalidContent, match=r"the layer: \d+ (gzip members|zstd frames) in \d+ bytes with \d+ bytes of"):
        inflate(data * (1_000_000 // len(data)), step)


@pytest.mark.parametrize("name", TINY)
def test_the_work_for_tiny_members_is_bounded(name: str) -> None:
    """Of a megabyte, 20 000 frames or members are begun at most, and what follows them is not copied for each."""
    started = 0
    decompressor = Decompressor("it", archive=True)
    real = decompressor._start_member

    def counted() -> None:
        nonlocal started
        started += 1
        real()

    decompressor._start_member = counted  # type: ignore[method-assign]
    with pytest.raises(InvalidContent, match="too long"):
        list(decompressor.feed(memoryview(TINY[name] * (1_000_000 // len(TINY[name])))))
    assert started < 20_000


class Counting:
    """The objects that decompress, and how many bytes they were given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given = self.made = 0
        outer = self

        def counted(kind: str) -> object:
            new, errors = inflater_constructor(kind)

            class One:
                def __init__(self) -> None:
                    outer.made += 1
                    self.inner = new()

                def __getattr__(self, name: str) -> object:
                    return getattr(self.inner, name)

                def decompress(self, data: bytes, max_length: int = -1) -> bytes:
                    outer.given += len(data)
                    return self.inner.decompress(data, max_length)

            return One, errors

        monkeypatch.setattr(decompress, "inflater_constructor", counted)


@pytest.mark.parametrize("pack", [gz, zstd.compress])
def test_a_member_per_file_is_read_and_its_rest_not_copied_for_each(
    pack: Callable[[bytes], bytes], inflate: Inflate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As eStargz and zstd:chunked have them: the content of a small file, then padding and the next header."""
    counting = Counting(monkeypatch)
    header = tarfile.TarInfo("some/directory/file").tobuf()
    pieces = [piece for number in range(5000) for piece in (b"%d" % number, bytes(500) + header)]
    data = b"".join(map(pack, pieces))
    assert inflate(data, 1 << 20) == b"".join(pieces)
    assert counting.made == len(pieces)
    # Were each member given all that is left of the buffer, it would be hundreds of times the data.
    assert counting.given < 40 * len(data)


@pytest.mark.parametrize("pack", [gz, zstd.compress])
def test_a_large_member_after_small_ones_gets_large_pieces_again(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(monkeypatch)
    large = random.Random(3).randbytes(5_000_000)
    assert through_sink(pack(b"small") * 50 + pack(large), 1 << 20) == b"small" * 50 + large
    assert counting.made == 51
    assert counting.given < 1.2 * len(large)


def deflated(blocks: int) -> bytes:
    """A gzip member of empty deflate blocks, stored and with Huffman codes of their own, then one byte."""
    stored = bytes((0, 0, 0, 0xFF, 0xFF))
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    last = pack.compress(b"x") + pack.flush()
    ending = struct.pack("<II", zlib.crc32(b"x"), 1)
    return gz(b"")[:10] + stored * blocks + last + ending


def test_empty_blocks_in_a_member_are_no_members(inflate: Inflate) -> None:
    assert inflate(deflated(300_000), 1 << 20) == b"x"


@pytest.mark.parametrize("name", ["gzip", "zstd", "deflate-blocks", "bomb", "xz", "bzip2"])
def test_a_cancellation_is_seen_inside_a_buffer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After at most 256 KiB of input, one member, or 256 KiB of output."""
    monkeypatch.setattr(decompress, "_MEMBERS_CHECKED_FROM", 10**9)
    data = {
        "gzip": gz(b"") * 10_000, "zstd": zstd.compress(b"") * 10_000, "deflate-blocks": deflated(300_000),
        "bomb": gz(bytes(50_000_000)), "xz": lzma.compress(b"") * 5000, "bzip2": bz2.compress(b"") * 5000,
    }[name]  # fmt: skip
    cancellation = Cancellation()
    checks = 0

    class Checked(Cancellation):
        def check(self) -> None:
            nonlocal checks
            checks += 1
            if checks == 4:
                cancellation.cancel()
            super().check()

    cancellation = Checked()
    with pytest.raises(Cancelled):
        cancellation.run(lambda: list(Decompressor("it", archive=True).feed(memoryview(data))))
    assert checks == 4


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_whole_archives_may_be_in_other_formats(pack: Callable[[bytes], bytes]) -> None:
    data = pack(DATA) + pack(b"more") + bytes(8)
    for archive, expected in ((True, DATA + b"more"), (False, data)):
        decompressor = Decompressor("it", archive=archive)
        found = b"".join(bytes(piece) for step in in_steps(data, 777) for piece in decompressor.feed(step))
        assert found + b"".join(map(bytes, decompressor.finish())) == expected


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_other_formats_cut_short_damaged_or_tiny(pack: Callable[[bytes], bytes]) -> None:
    def unpack(data: bytes) -> None:
        decompressor = Decompressor("it", archive=True)
        list(decompressor.feed(memoryview(data)))
        list(decompressor.finish())

    with pytest.raises(InvalidContent, match="it: the (xz|bzip2) data is cut short"):
        unpack(pack(DATA)[:-5])
    with pytest.raises(InvalidContent, match="it: damaged (xz|bzip2) data"):
        unpack(pack(DATA) + b"something else")
    with pytest.raises(InvalidContent, match="it: [0-9]+ (xz|bzip2) streams in"):
        unpack(pack(b"") * 20_000)


def test_memory_that_xz_may_demand() -> None:
    """CVE-2014-9357: what unpacks xz is attacked. A dictionary of 1 GiB; the highest level of the program xz has one of 64 MiB."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 26}]
    good = lzma.compress(b"x", format=lzma.FORMAT_XZ, filters=filters)
    assert b"".join(map(bytes, Decompressor("it", archive=True).feed(memoryview(good)))) == b"x"
    # The size of the dictionary is one byte of the block's header (xz file format, section 5.3.1): 36 is 1 GiB.
    header = bytearray(good[12 : 12 + (good[12] + 1) * 4])
    header[header.index(28)] = 36
    header[-4:] = struct.pack("<I", zlib.crc32(bytes(header[:-4])))
    bad = good[:12] + bytes(header) + good[12 + len(header) :]
    with pytest.raises(InvalidContent, match="it: damaged xz data: Memory usage limit exceeded"):
        list(Decompressor("it", archive=True).feed(memoryview(bad)))


def test_memory_that_zstd_may_demand() -> None:
    """A window of 2 GiB, the most that zstd has, for a frame of some bytes (RFC 8878, section 3.1.1.1.2)."""
    frame = bytearray(zstd.compress(b"x" * 100, options={zstd.CompressionParameter.content_size_flag: 0}))
    assert frame[4] == 0x00  # no size of the content: a window descriptor follows
    for exponent, allowed in ((17, True), (18, False), (21, False), (31, False)):
        frame[5] = exponent << 3  # 2 to the power of 10 + exponent
        decompressor = Decompressor("it")
        if allowed:
            assert b"".join(map(bytes, decompressor.feed(memoryview(frame)))) == b"x" * 100
        else:
            with pytest.raises(InvalidContent, match="it: damaged zstd data"):
                list(decompressor.feed(memoryview(frame)))


@pytest.mark.anyio
@pytest.mark.parametrize("damaged", [gz(b"x" * 100)[:20] + b"\xff" * 50, b"\x28\xb5\x2f\xfd" + b"\xff" * 60])
async def test_a_reader_is_not_waited_for_after_damaged_data(damaged: bytes) -> None:
    """CVE-2021-20291: the side that unpacked a layer gave up, and the one that sent it waited for ever."""
    below = Blocked(damaged)
    layer = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(damaged), 10**9)
    with anyio.fail_after(20), pytest.raises(InvalidContent, match="it: damaged (gzip|zstd) data"):
        await Blob(layer, lambda _: nullcontext(below)).copy_to(InflatingSink(NullSink(), "it"), uncounted)
    assert not below.waiting.is_set()
