"""Recompression: the same tar inside, the same bytes every time, in bounded memory, and no thread left."""

from __future__ import annotations

import gzip
import random
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyskopeo.errors import InvalidContent, InvalidInput, Unsupported
from pyskopeo.model import mediatype
from pyskopeo.model.change import FORMATS, Change, Outcome
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.streams import compress, ordered_pool
from pyskopeo.streams.compress import RecompressingSink, check_level
from pyskopeo.streams.inflaters import is_gzip_or_zstd
from pyskopeo.streams.pump import MemorySink, NullSink
from tests.support.compressed import CONTENT, LARGE, LAYER, MIB, SKIPPED, changed, in_steps, named, plain, zstd_frame
from tests.support.zstd import zstd


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


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_the_bytes_depend_on_nothing_but_content_and_level(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = changed(LARGE, Change(format))
    for count in (1, 2, 5):
        monkeypatch.setattr(ordered_pool, "processors", lambda count=count: count)
        assert changed(LARGE, Change(format)) == expected
    assert changed(gzip.compress(LARGE, 1), Change(format), 4099) == expected
    assert changed(zstd.compress(LARGE, 1), Change(format), 70_001) == expected


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


def test_zstd_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setitem(sys.modules, "backports", None)
    with pytest.raises(Unsupported, match=r"need the package backports\.zstd"):
        RecompressingSink(MemorySink(), Change("zstd"), LAYER, "x")


ZSTD_LAYER = Descriptor(mediatype.OCI_LAYER_ZSTD, Digest.of(b"x"), 1)

BROKEN = {
    "zstd-skippable-cut": zstd_frame(CONTENT) + SKIPPED[:-3],
    "zstd-cut": zstd_frame(CONTENT)[:-3],
    "zstd-second-cut": zstd_frame(CONTENT) + zstd_frame(CONTENT)[:-1],
    "zstd-then-others": zstd_frame(CONTENT) + b"others",
    "gzip-cut": gzip.compress(CONTENT)[:-3],
    "gzip-cut-in-its-name": named(CONTENT)[:14],
    "gzip-second-cut": gzip.compress(CONTENT) + gzip.compress(CONTENT)[:12],
    "gzip-then-others": gzip.compress(CONTENT) + b"others, and more of them",
    "gzip-wrong-sum": gzip.compress(CONTENT)[:-8] + b"\x01\x02\x03\x04" + gzip.compress(CONTENT)[-4:],
}


@pytest.fixture(params=["isal", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "zlib":
        monkeypatch.setitem(__import__("sys").modules, "isal", None)


# --- compressed in several pieces ---


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("format", ["gzip", "zstd", "", None])
def test_what_is_broken_is_made_into_nothing(format: str | None, name: str, step: int) -> None:
    sink = RecompressingSink(MemorySink(), Change(format), ZSTD_LAYER, "it")

    def run() -> None:
        for piece in in_steps(BROKEN[name], step):
            sink.write(piece)
        sink.finish()

    with pytest.raises(InvalidContent, match="^it: ") as caught:
        run()
    assert "\n" not in str(caught.value)
    with pytest.raises(AssertionError):
        _ = sink.outcome


def test_a_frame_to_be_skipped_is_no_tar() -> None:
    assert is_gzip_or_zstd(SKIPPED)
    assert is_gzip_or_zstd(b"\x5f\x2a\x4d\x18")
    assert not is_gzip_or_zstd(b"\x60\x2a\x4d\x18")
    assert not is_gzip_or_zstd(b"P.txt\0")
    sink = RecompressingSink(into := MemorySink(), Change("gzip"), ZSTD_LAYER, "it")
    sink.write(memoryview(SKIPPED + zstd_frame(CONTENT)))
    sink.finish()
    assert gzip.decompress(bytes(into.content)) == CONTENT
    assert sink.outcome.diff_id == Digest.of(CONTENT)
