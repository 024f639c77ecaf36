"""Recompression: the same tar inside, the same bytes every time, in bounded memory, and no thread left."""

from __future__ import annotations

import gzip
import mmap
import random
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyskopeo.errors import InvalidContent, InvalidInput, Unsupported
from pyskopeo.model import mediatype
from pyskopeo.model.change import FORMATS, Change, Outcome
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.streams import compress, ordered_pool
from pyskopeo.streams.cancellation import Cancellation, Cancelled
from pyskopeo.streams.compress import RecompressingSink, check_level
from pyskopeo.streams.pump import MemorySink, NullSink
from tests.support.require import require_peer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

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


def our_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("pyskopeo")]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    end = time.monotonic() + 5
    while our_threads() and time.monotonic() < end:
        time.sleep(0.005)
    assert our_threads() == []
    assert compress._pool._users == compress._pool._working == 0


@pytest.mark.parametrize("format", ["gzip", "zstd", ""])
@pytest.mark.parametrize("source", ["plain", "gzip", "zstd", "two members", "zstd:chunked"])
@pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["empty", "one", "large"])
def test_round_trip(data: bytes, source: str, format: str) -> None:
    half = len(data) // 2
    came = {
        "plain": data,
        "gzip": gzip.compress(data, 1),
        "zstd": zstd.compress(data),
        "two members": gzip.compress(data[:half], 1) + gzip.compress(data[half:], 1),
        "zstd:chunked": zstd.compress(data[:half]) + zstd.compress(data[half:]) + b"\x50\x2a\x4d\x18\x03\0\0\0toc",
    }[source]
    content, outcome = changed(came, Change(format))
    assert plain(content, format) == data
    assert outcome.diff_id == Digest.of(data)
    assert outcome.descriptor.digest == Digest.of(content)
    assert outcome.descriptor.media_type == {
        "gzip": mediatype.OCI_LAYER_GZIP, "zstd": mediatype.OCI_LAYER_ZSTD, "": mediatype.OCI_LAYER,
    }[format]  # fmt: skip


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("format", ["gzip", "zstd", "", None])
def test_a_layer_that_begins_anew(format: str | None, damaged: bool) -> None:
    """What was wrong before leaves no trace: neither in the bytes, nor in what is said of them."""
    came, change = gzip.compress(LARGE, 1), Change(format)
    target = MemorySink()
    sink = RecompressingSink(target, change, LAYER, "the layer")
    sink.write(memoryview(gzip.compress(LARGE[::-1], 1)[: 2 * MIB]))
    if damaged:
        with pytest.raises(InvalidContent):
            sink.write(memoryview(b"damaged" * 1000))
    sink.restart()
    for start in range(0, len(came), MIB):
        sink.write(memoryview(came)[start : start + MIB])
    sink.finish()
    assert (bytes(target.content), sink.outcome) == changed(came, change)


@pytest.mark.parametrize("format", ["gzip", "zstd"])
@pytest.mark.parametrize("length", [0, 1, 512 * 1024 - 1, 512 * 1024, 512 * 1024 + 1, MIB - 1, MIB, MIB + 1, 2 * MIB])
def test_around_the_edges_of_blocks(length: int, format: str) -> None:
    data = LARGE[:length]
    assert plain(changed(data, Change(format))[0], format) == data


@pytest.mark.parametrize(("format", "level"), [("gzip", n) for n in range(1, 10)] + [("zstd", n) for n in range(1, 23)])
def test_every_level(format: str, level: int) -> None:
    data = LARGE[: MIB // 2 + 77]
    content, _ = changed(data, Change(format, level))
    assert plain(content, format) == data


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_levels_are_the_librarys_own(format: str) -> None:
    sizes = [len(changed(LARGE, Change(format, level))[0]) for level in (1, None, 9)]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3
    assert changed(LARGE, Change(format))[0] == changed(LARGE, Change(format, {"gzip": 6, "zstd": 3}[format]))[0]


def test_blocks_cost_next_to_nothing() -> None:
    assert len(changed(LARGE, Change("gzip"))[0]) < len(zlib.compress(LARGE, 6)) * 1.002
    assert len(changed(LARGE, Change("zstd"))[0]) < len(zstd.compress(LARGE, 3)) * 1.03


def test_a_gzip_layer_is_one_member_without_name_or_time() -> None:
    content, _ = changed(LARGE, Change("gzip"))
    assert content[:10] == b"\x1f\x8b\x08\x00\0\0\0\0\x00\xff"
    inflater = zlib.decompressobj(wbits=31)
    assert inflater.decompress(content) == LARGE
    assert inflater.eof
    assert inflater.unused_data == b""
    assert struct.unpack("<II", content[-8:]) == (zlib.crc32(LARGE), len(LARGE))


def test_gzip_blocks_look_back_into_the_one_before() -> None:
    noise = random.Random(2).randbytes(30_000)
    data = bytes(512 * 1024 - 30_000) + noise + noise
    assert len(changed(data, Change("gzip"))[0]) < 40_000


def test_zstd_frames_say_their_size_and_have_a_checksum() -> None:
    content, _ = changed(LARGE, Change("zstd"))
    found = b""
    frames = 0
    while content:
        info = zstd.get_frame_info(content)
        assert content[4] & 4, "no checksum"
        decompressor = zstd.ZstdDecompressor()
        piece = decompressor.decompress(content)
        assert info.decompressed_size == len(piece)
        found += piece
        frames += 1
        content = decompressor.unused_data
    assert found == LARGE
    assert frames == -(-len(LARGE) // MIB)


@pytest.mark.peer("gzip")
@pytest.mark.parametrize("format", ["gzip", "zstd"])
@pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["empty", "one", "large"])
def test_the_programs_read_it(format: str, data: bytes, tmp_path: Path) -> None:
    program = require_peer(format)
    content, _ = changed(data, Change(format))
    path = tmp_path / ("layer.gz" if format == "gzip" else "layer.zst")
    path.write_bytes(content)
    subprocess.run([program, "-t", str(path)], check=True, capture_output=True)
    assert subprocess.run([program, "-dc", str(path)], check=True, capture_output=True).stdout == data
    path.write_bytes(content[:-3])
    assert subprocess.run([program, "-t", str(path)], check=False, capture_output=True).returncode != 0


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_the_bytes_depend_on_nothing_but_content_and_level(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = changed(LARGE, Change(format))
    for count in (1, 2, 5):
        monkeypatch.setattr(ordered_pool, "processors", lambda count=count: count)
        assert changed(LARGE, Change(format)) == expected
    assert changed(gzip.compress(LARGE, 1), Change(format), 4099) == expected
    assert changed(zstd.compress(LARGE, 1), Change(format), 70_001) == expected


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_many_layers_at_once(format: str) -> None:
    expected = changed(LARGE, Change(format))
    found: list[tuple[bytes, Outcome]] = []
    workers = [
        threading.Thread(target=lambda n=n: found.append(changed(LARGE, Change(format), 60_000 + n))) for n in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert found == [expected] * 8


@settings(max_examples=40, deadline=None)
@given(
    pieces=st.lists(st.binary(max_size=300), max_size=6),
    cuts=st.lists(st.integers(1, 200), min_size=1, max_size=20),
    format=st.sampled_from(["gzip", "zstd", ""]),
    pack=st.sampled_from([gzip.compress, zstd.compress, bytes]),
)
def test_any_cuts(pieces: list[bytes], cuts: list[int], format: str, pack: Callable[[bytes], bytes]) -> None:
    data = b"\0" + b"".join(pieces)
    packed, target = pack(data), MemorySink()
    # Blocks of a few bytes: every edge is met.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compress._Gzip, "size", 64)
        patch.setattr(compress, "_FRAMES", ((22, 64, 4),))
        sink = RecompressingSink(target, Change(format), LAYER, "x")
        start = 0
        while start < len(packed):
            cut = cuts[start % len(cuts)]
            sink.write(memoryview(packed)[start : start + cut])
            start += cut
        sink.finish()
        assert bytes(target.content) == changed(data, Change(format))[0]
    assert plain(bytes(target.content), format) == data


@pytest.mark.parametrize("format", ["gzip", "zstd", ""])
def test_one_byte_at_a_time(format: str) -> None:
    data = gzip.compress(LARGE[:3000])
    assert changed(data, Change(format), 1) == changed(data, Change(format))


@pytest.mark.parametrize(
    "media_type", [LAYER.media_type, "application/vnd.acme.layer", mediatype.OCI_LAYER + "+encrypted"]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_no_change_finds_the_diff_id(pack: Callable[[bytes], bytes], media_type: str) -> None:
    data = pack(LARGE)
    layer = replace(
        LAYER,
        media_type=media_type,
        digest=Digest.of(data, "sha512"),
        urls=("http://a",),
        annotations={"io.containers.zstd-chunked.x": "y"},
    )
    content, outcome = changed(data, Change(None), layer=layer)
    assert content == data
    assert outcome == Outcome(replace(layer, size=len(data)), Digest.of(LARGE))


def test_what_is_said_of_the_layer() -> None:
    layer = replace(
        LAYER,
        media_type=mediatype.DOCKER_LAYER_GZIP,
        urls=("https://elsewhere/layer",),
        data=b"as it came",
        annotations={
            "org.opencontainers.image.title": "kept",
            "io.github.containers.zstd-chunked.manifest-checksum": "x",
            "io.containers.zstd-chunked.manifest-position": "x",
            "containerd.io/snapshot/stargz/toc.digest": "x",
        },
    )
    _, outcome = changed(b"hello", Change("zstd"), layer=layer)
    assert outcome.descriptor.media_type == mediatype.DOCKER_LAYER_ZSTD
    assert outcome.descriptor.annotations == {"org.opencontainers.image.title": "kept"}
    assert outcome.descriptor.urls == ()
    assert outcome.descriptor.data is None


@pytest.mark.parametrize(
    ("change", "media_type", "message"),
    [
        (Change("gzip"), "application/vnd.acme", "the layer: a layer of type 'application/vnd.acme' cannot be compressed with gzip"),
        (Change(""), "application/vnd.acme", "the layer: a layer of type 'application/vnd.acme' cannot be decompressed"),
        (Change("zstd"), mediatype.DOCKER_FOREIGN, "cannot be compressed with zstd"),
        (Change("gzip"), mediatype.OCI_LAYER_GZIP + "+encrypted", "cannot be compressed with gzip"),
    ],
)  # fmt: skip
def test_layers_that_cannot_have_the_form(change: Change, media_type: str, message: str) -> None:
    with pytest.raises(Unsupported, match=message.replace("+", r"\+")):
        changed(b"x", change, layer=replace(LAYER, media_type=media_type))


@pytest.mark.parametrize(("format", "lowest", "highest"), [("gzip", 1, 9), ("zstd", 1, 22)])
def test_levels(format: str, lowest: int, highest: int) -> None:
    for level in (None, lowest, highest):
        check_level(format, level)
    for level in (lowest - 1, highest + 1, -1):
        with pytest.raises(
            InvalidInput, match=f"^{format} has no compression level {level}: want {lowest} to {highest}$"
        ):
            check_level(format, level)
        with pytest.raises(InvalidInput):
            RecompressingSink(MemorySink(), Change(format, level), LAYER, "x")


def test_formats() -> None:
    assert set(FORMATS) == set(compress._LEVELS)
    check_level("", 77)
    check_level(None, None)
    with pytest.raises(InvalidInput, match=r"^unknown compression format 'xz': want gzip or zstd$"):
        check_level("xz", None)


@pytest.mark.parametrize(
    ("media_type", "gz", "zst", "none"),
    [
        (mediatype.OCI_LAYER, "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.v1.tar"),
        (mediatype.OCI_NONDISTRIBUTABLE, mediatype.OCI_NONDISTRIBUTABLE + "+gzip", mediatype.OCI_NONDISTRIBUTABLE + "+zstd", mediatype.OCI_NONDISTRIBUTABLE),
        (mediatype.DOCKER_LAYER, mediatype.DOCKER_LAYER_GZIP, mediatype.DOCKER_LAYER_ZSTD, mediatype.DOCKER_LAYER),
        (mediatype.DOCKER_FOREIGN, mediatype.DOCKER_FOREIGN_GZIP, None, mediatype.DOCKER_FOREIGN),
    ],
)  # fmt: skip
def test_media_types(media_type: str, gz: str, zst: str | None, none: str) -> None:
    for now in filter(None, (gz, zst, none)):
        assert mediatype.with_compression(now, "gzip") == gz
        assert mediatype.with_compression(now, "zstd") == zst
        assert mediatype.with_compression(now, "") == none == media_type
        assert mediatype.with_compression(now, "xz") is None
    assert mediatype.with_compression(gz + "+encrypted", "gzip") is None
    assert mediatype.with_compression(mediatype.OCI_CONFIG, "gzip") is None


def checked(data: bytes) -> bytes:
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


@pytest.mark.parametrize("change", [Change("gzip"), Change("zstd"), Change(""), Change(None)], ids=repr)
@pytest.mark.parametrize("pack", [gzip.compress, checked])
def test_damaged_input(pack: Callable[[bytes], bytes], change: Change) -> None:
    packed = pack(LARGE)
    spoilt = bytearray(packed)
    spoilt[len(packed) // 2] ^= 0x55
    for bad in (packed[:-1], bytes(spoilt), packed + b"and some more that is neither"):
        with pytest.raises(InvalidContent, match=r"^the layer: "):
            changed(bad, change, 100_000)


@pytest.mark.parametrize("format", ["gzip", "zstd", ""])
def test_a_bomb_and_a_large_layer_stay_small_in_memory(format: str) -> None:
    size = 96 * MIB
    bomb = zstd.compress(bytes(size))

    class Nowhere(NullSink):
        def write(self, buffer: memoryview) -> None:
            assert len(buffer) <= 2 * MIB

    tracemalloc.start()
    try:
        sink = RecompressingSink(Nowhere(), Change(format, 1 if format else None), LAYER, "bomb")
        sink.write(memoryview(bomb))
        sink.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sink.outcome.diff_id == Digest.of(bytes(size))
    assert peak < 4 * MIB  # blocks lie outside of what is traced; `test_few_blocks_are_held` counts them


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_results_do_not_pile_up(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing gets smaller, and the other side is slower than the compression."""
    monkeypatch.setattr(ordered_pool, "processors", lambda: 2)
    noise = memoryview(random.Random(3).randbytes(MIB))

    class Slow(NullSink):
        def write(self, buffer: memoryview) -> None:
            time.sleep(0.01)

    tracemalloc.start()
    try:
        sink = RecompressingSink(Slow(), Change(format, 1), LAYER, "x")
        for _ in range(24):
            sink.write(noise)
        sink.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * MIB


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_few_blocks_are_held(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the compression is, and however many layers there are."""
    monkeypatch.setattr(ordered_pool, "processors", lambda: 2)
    size = 512 * 1024 if format == "gzip" else MIB
    lock, held, most, go = threading.Lock(), 0, 0, threading.Event()

    class Counted:
        def __init__(self) -> None:
            nonlocal held, most
            with lock:
                held += 1
                most = max(most, held)

        def __del__(self) -> None:
            nonlocal held
            with lock:
                held -= 1

    original = mmap.mmap

    class Map(original):  # type: ignore[misc,valid-type]
        def __init__(self, *_: object) -> None:
            self.counted = Counted()

    codec = compress._Gzip if format == "gzip" else compress._Zstd
    job = codec.job

    def slow(self: object, block: memoryview) -> ordered_pool.Job:
        made = job(self, block)  # type: ignore[arg-type]

        def run() -> bytes:
            go.wait(10)
            return made()

        return run

    monkeypatch.setattr(codec, "job", slow)
    monkeypatch.setattr(mmap, "mmap", Map)
    found: list[bytes] = []
    data = bytes(size * 8)
    workers = [threading.Thread(target=lambda: found.append(changed(data, Change(format, 1))[0])) for _ in range(6)]
    for worker in workers:
        worker.start()
    time.sleep(0.2)
    go.set()
    for worker in workers:
        worker.join(30)
    assert [plain(content, format) for content in found] == [data] * 6
    # Each layer fills one; one for each thread and one more are being compressed.
    assert 6 <= most <= 6 + 3
    assert held == 0


@pytest.mark.parametrize("format", ["gzip", "zstd", ""])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_error_below_comes_through_and_ends_all(after: int, format: str) -> None:
    class Failing(NullSink):
        left = after

        def write(self, buffer: memoryview) -> None:
            self.left -= 1
            if self.left < 0:
                raise OSError("the other side is gone")

    sink = RecompressingSink(Failing(), Change(format), LAYER, "x")

    def write() -> None:
        for start in range(0, len(LARGE), 100_000):
            sink.write(memoryview(LARGE[start : start + 100_000]))
        sink.finish()

    with pytest.raises(OSError, match="the other side is gone"):
        write()


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_an_error_while_compressing_comes_through(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(block: memoryview) -> bytes:
        raise MemoryError("no more")

    codec = compress._Gzip if format == "gzip" else compress._Zstd
    monkeypatch.setattr(codec, "job", lambda self, block: lambda: failing(block))
    with pytest.raises(MemoryError, match="no more"):
        changed(LARGE, Change(format))


@pytest.mark.parametrize("format", ["gzip", "zstd", "", None])
def test_cancelled_between_writes(format: str | None) -> None:
    cancellation = Cancellation()
    sink = RecompressingSink(MemorySink(), Change(format), LAYER, "x")

    def write() -> None:
        sink.write(memoryview(LARGE))
        cancellation.cancel()
        sink.write(memoryview(LARGE))

    if format:
        with pytest.raises(Cancelled):
            cancellation.run(write)
    else:
        cancellation.run(write)  # nothing here blocks
    sink.close()
    sink.close()
    if format:
        with pytest.raises(Cancelled):
            sink.write(memoryview(LARGE))


def test_cancelling_frees_a_thread_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered_pool, "processors", lambda: 1)
    go, began = threading.Event(), []
    deflate = compress._deflate

    def slow(*args: object) -> bytes:
        began.append(args)
        go.wait(10)
        return deflate(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(compress, "_deflate", slow)
    written, errors = MemorySink(), []
    sink = RecompressingSink(written, Change("gzip"), LAYER, "x")

    cancellation = Cancellation()

    def pump() -> None:
        try:
            cancellation.run(lambda: sink.write(memoryview(LARGE)))
        except Exception as error:  # noqa: BLE001 - shown to the test
            errors.append(error)

    worker = threading.Thread(target=pump)
    worker.start()
    while not began:
        time.sleep(0.001)
    time.sleep(0.05)
    assert worker.is_alive(), "nothing waited"
    cancellation.cancel()
    go.set()
    worker.join(5)
    assert not worker.is_alive()
    assert [type(error) for error in errors] == [Cancelled]
    assert len(began) == 1, "what was not begun was done all the same"


def test_one_that_gives_up_does_not_disturb_the_others() -> None:
    target = MemorySink()
    staying = RecompressingSink(target, Change("gzip"), LAYER, "x")
    leaving = RecompressingSink(MemorySink(), Change("gzip"), LAYER, "y")
    for start in range(0, len(LARGE), MIB):
        leaving.write(memoryview(LARGE[start : start + MIB]))
        staying.write(memoryview(LARGE[start : start + MIB]))
        if start >= 2 * MIB:
            leaving.close()
            break
    staying.write(memoryview(LARGE[start + MIB :]))
    staying.finish()
    assert bytes(target.content) == changed(LARGE, Change("gzip"))[0]


def test_a_layer_given_up_before_its_first_block_needs_no_thread() -> None:
    sink = RecompressingSink(MemorySink(), Change("gzip"), LAYER, "x")
    sink.write(memoryview(b"hello"))
    assert our_threads() == []
    sink.close()


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_only_the_callers_thread_writes(format: str) -> None:
    seen: set[int] = set()

    class Watched(MemorySink):
        def write(self, buffer: memoryview) -> None:
            seen.add(threading.get_ident())

    sink = RecompressingSink(Watched(), Change(format), LAYER, "x")
    for _ in range(3):
        sink.write(memoryview(LARGE))
    sink.finish()
    assert seen == {threading.get_ident()}


def test_zstd_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setitem(sys.modules, "backports", None)
    with pytest.raises(Unsupported, match=r"need the package backports\.zstd"):
        RecompressingSink(MemorySink(), Change("zstd"), LAYER, "x")
