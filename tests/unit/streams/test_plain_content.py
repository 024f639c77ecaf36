"""The decompressed content of layers: its diff IDs, and its size in total."""

from __future__ import annotations

import gzip

import pytest

from pyskopeo.errors import ContentMismatch, TooLarge
from pyskopeo.model import mediatype
from pyskopeo.model.change import Change
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.streams.compress import RecompressingSink
from pyskopeo.streams.decompress import InflatingSink
from pyskopeo.streams.plain_content import (
    InflatedTotal,
    PlainContent,
    PlainVerifier,
    default_inflated_limit,
)
from pyskopeo.streams.pump import MemorySink

TAR = b"not quite a tar" * 1000
PACKED = gzip.compress(TAR, mtime=0)
LAYER = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(PACKED), len(PACKED))


def inflating(expected: PlainContent) -> InflatingSink:
    return InflatingSink(MemorySink(), "blob x", expected)


def recompressing(expected: PlainContent) -> RecompressingSink:
    return RecompressingSink(MemorySink(), Change(""), LAYER, "blob x", expected)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("make", [inflating, recompressing])
def test_diff_ids(make: type[InflatingSink] | type[RecompressingSink], algorithm: str) -> None:
    right, other = Digest.of(TAR, algorithm), Digest.of(b"other", algorithm)
    sink = make(PlainContent((right,)))  # type: ignore[call-arg, arg-type] # functions, for these classes
    sink.write(memoryview(PACKED))
    sink.finish()
    for diff_ids in ((other,), (right, other), (Digest.of(TAR), other)):
        sink = make(PlainContent(diff_ids))  # type: ignore[call-arg, arg-type]
        sink.write(memoryview(PACKED))
        with pytest.raises(ContentMismatch, match=f"layer decompresses to {right}, the image configuration says {other}"):
            sink.finish()


def test_a_layer_that_starts_again_is_counted_once() -> None:
    total = InflatedTotal(len(TAR) + 10)
    for _ in range(3):
        sink = inflating(PlainContent((Digest.of(TAR),), total))
        for _ in range(2):
            sink.write(memoryview(PACKED))
            sink.restart()
        sink.write(memoryview(PACKED))
        sink.finish()
    with pytest.raises(TooLarge, match="blob y: the layers decompress to more than 15010 bytes in total: .*--max-inflated"):
        InflatingSink(MemorySink(), "blob y", PlainContent(total=total)).write(memoryview(PACKED))


def test_layers_are_counted_together() -> None:
    total = InflatedTotal(100)
    PlainVerifier(PlainContent(total=total), "first").feed(memoryview(bytes(60)))
    second = PlainVerifier(PlainContent(total=total), "second")
    second.feed(memoryview(bytes(40)))
    with pytest.raises(TooLarge) as caught:
        second.feed(memoryview(bytes(1)))
    assert caught.value.limit == 100


def test_the_default_limit() -> None:
    """Small images may be mostly zeros; of large ones the ratio counts, which gzip could make 1032."""
    assert default_inflated_limit(0) == default_inflated_limit(1024**2) == 16 * 1024**3
    assert default_inflated_limit(1024**3) == 200 * 1024**3
