"""Pulls whose bodies are cut short, framed in every way, and continued by Range."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pyskopeo.errors import ConnectionFailed, ContentMismatch
from pyskopeo.http.retry import Retry
from tests.scenario.pull.images import LARGE, LENGTH, SMALL
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.pulling import Pull, fails_then_works, ranges, times_asked
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
MANIFEST = "latest"


async def test_without_a_fault(pull: Pull, registry: Simulator) -> None:
    await pull.run()
    assert pull.events
    assert pull.retries == []
    assert ranges(registry, LARGE) == [None]


# --- bodies cut short ---


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("where", ["head", "first", "middle", "last"])
async def test_a_cut_body_is_continued(where: str, reset: bool, pull: Pull, registry: Simulator) -> None:
    length = LENGTH[LARGE]
    at = {"head": 0, "first": 1, "middle": length // 2, "last": length - 1}[where]
    registry.on_blob(LARGE, f.Cut(at, reset), times=1)
    await pull.run()
    first, second = ranges(registry, LARGE)
    assert first is None
    if not reset:  # a RST may overtake what was sent before it
        assert second == (f"bytes={at}-" if at else None)
        assert len(pull.retries) == 1
        assert LARGE[7:19] in pull.retries[0].what


@pytest.mark.parametrize("at", [0, 1, 300, "last"])
async def test_a_small_cut_body_is_read_again(at: int | str, pull: Pull, registry: Simulator) -> None:
    registry.on_blob(SMALL, f.Cut(LENGTH[SMALL] - 1 if at == "last" else int(at)), times=1)
    await pull.run()
    assert times_asked(registry, SMALL) == 2
    assert "cut short" in pull.retries[0].reason


async def test_cut_many_times_with_progress(pull: Pull, registry: Simulator) -> None:
    """Each answer brings more than the fresh start's 64 KiB, so there may be more cuts than repetitions."""
    pull.access = access_for(pull.root, retry=Retry(times=1, delay=0.01))
    registry.on_blob(LARGE, f.Cut(70_000), times=4)
    await pull.run()
    assert ranges(registry, LARGE) == [None, *(f"bytes={70_000 * n}-" for n in (1, 2, 3, 4))]


async def test_cut_many_times_without_progress(pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, f.Cut(10))
    await fails_then_works(pull, ConnectionFailed, "closed with [0-9]+ bytes to go")
    # Five answers of ten bytes, then the pull without the fault.
    assert ranges(registry, LARGE) == [None, "bytes=10-", "bytes=20-", "bytes=30-", "bytes=40-", None]
    assert len(pull.retries) == 4


async def test_a_dead_server_in_the_middle_is_asked_no_more_than_the_policy_says(
    pull: Pull, registry: Simulator
) -> None:
    """The repetitions of opening and those of reading do not multiply."""
    registry.on_blob(LARGE, f.Cut(1000), times=1)
    registry.on_blob(LARGE, f.Drop(), skip=1)
    await fails_then_works(pull, ConnectionFailed)
    assert len(pull.retries) == 1 + 4
    # The last is the pull without the fault; a kept connection that turns out to be closed costs one more.
    assert times_asked(registry, LARGE) <= 1 + 5 + 1 + 4


# --- what a registry may answer to Range ---


@pytest.mark.parametrize(
    "mode",
    [
        "ignored",
        "refused-400",
        "refused-403",
        "refused-416",
        "without-content-range",
        "wrong-start",
        "wrong-total",
        "from-zero",
        "multipart",
    ],
)
async def test_every_answer_to_range(mode: f.RangeMode, pull: Pull, registry: Simulator) -> None:
    """containerd #12291, bottlerocket #764: parts without a range, or of another one."""
    registry.on_blob(LARGE, f.Cut(100_000), times=1)
    registry.on_blob(LARGE, f.Ranges(mode))
    await pull.run()
    asked = ranges(registry, LARGE)
    assert asked[:2] == [None, "bytes=100000-"]
    # A useless answer to Range is followed by one request without; 200 with everything is used as it is.
    assert asked[2:] == ([] if mode == "ignored" else [None])


async def test_a_part_of_the_range_is_taken_for_what_it_is(pull: Pull, registry: Simulator) -> None:
    """RFC 9110 section 14.2 lets a server send less than was asked for."""
    registry.on_blob(LARGE, f.Cut(LENGTH[LARGE] - 4), times=1)
    registry.on_blob(LARGE, f.Ranges("one-byte"))
    await pull.run()
    assert ranges(registry, LARGE) == [None, *(f"bytes={LENGTH[LARGE] - left}-" for left in (4, 3, 2, 1))]


class Partial:
    """206 to a request without Range, with the first ``count`` bytes."""

    def __init__(self, count: int) -> None:
        self.count = count

    def apply(self, request: Request, response: Response) -> Response:
        if request.header("Range") is not None or response.whole is None:
            return response
        said = f"bytes 0-{self.count - 1}/{len(response.whole)}"
        return replace(response, status=206, body=response.whole[: self.count]).with_header("Content-Range", said)


@pytest.mark.parametrize("count", [1000, LENGTH[LARGE]])
async def test_a_part_that_was_not_asked_for(count: int, pull: Pull, registry: Simulator) -> None:
    """A cache that always answers 206; what is missing is asked for."""
    registry.on_blob(LARGE, Partial(count))
    await pull.run()
    assert ranges(registry, LARGE) == [None, *(["bytes=1000-"] if count == 1000 else [])]


async def test_a_range_of_other_bytes_never_passes(pull: Pull, registry: Simulator) -> None:
    """containerd #12126, #12291."""
    registry.on_blob(LARGE, f.Cut(100_000), times=1)
    registry.on_blob(LARGE, f.Flip(200_000), skip=1)
    await fails_then_works(pull, ContentMismatch, "digest mismatch")


async def test_everything_at_once_cut_again_and_again(pull: Pull, registry: Simulator) -> None:
    """A server without ranges, that is cut each time a bit later."""
    registry.on_blob(LARGE, f.Ranges("ignored"))
    for number, at in enumerate((70_000, 150_000, 220_000)):
        registry.on_blob(LARGE, f.Cut(at), times=1, skip=number)
    await pull.run()
    assert ranges(registry, LARGE) == [None, "bytes=70000-", "bytes=150000-", "bytes=220000-"]


# --- framing ---


@pytest.mark.parametrize("path", [f"*/manifests/{MANIFEST}", f"*/blobs/{LARGE}", f"*/blobs/{SMALL}"])
@pytest.mark.parametrize("framing", [f.Chunked(100), f.Chunked(40_000), f.UntilClose()])
async def test_bodies_without_a_length(framing: f.Fault, path: str, pull: Pull, registry: Simulator) -> None:
    registry.on(path, framing)
    await pull.run()
    assert pull.retries == []


@pytest.mark.parametrize("at", [1, 5_000, 200_000, "last"])
async def test_a_truncated_chunked_body_is_continued(at: int | str, pull: Pull, registry: Simulator) -> None:
    at = LENGTH[LARGE] - 1 if isinstance(at, str) else at
    registry.on_blob(LARGE, f.Chunked(4096), f.Cut(at), times=1)
    await pull.run()
    (first, second) = ranges(registry, LARGE)
    # From the byte reached, not from the start: what arrived before the cut is not thrown away.
    assert (first, second) == (None, f"bytes={at}-")


async def test_a_chunked_body_without_its_end(pull: Pull, registry: Simulator, tmp_path: Path) -> None:
    """All bytes are there and only the last, empty chunk is missing: there is nothing left to ask for."""
    registry.on_blob(LARGE, f.Chunked(4096), f.Stall(LENGTH[LARGE]), times=1)
    pull.access = access_for(tmp_path, stall_timeout=0.3)
    await pull.run()
    assert ranges(registry, LARGE) == [None]


async def test_cut_chunks_use_up_the_repetitions(pull: Pull, registry: Simulator, digest: str) -> None:
    registry.on_blob(digest, f.Ranges("ignored"), f.Chunked(64), f.Cut(100))
    await fails_then_works(pull, ConnectionFailed, "connection lost")
    assert len(pull.retries) == 4


async def test_a_body_until_close_that_ends_early(pull: Pull, registry: Simulator) -> None:
    """Nothing says that the body was cut but its length; it is fetched again from there."""
    registry.on_blob(LARGE, f.UntilClose(), f.Cut(100_000), times=1)
    await pull.run()
    assert ranges(registry, LARGE) == [None, "bytes=100000-"]


async def test_a_body_until_close_that_always_ends_early(pull: Pull, registry: Simulator, digest: str) -> None:
    registry.on_blob(digest, f.Ranges("ignored"), f.UntilClose(), f.Short(1))
    await fails_then_works(pull, ConnectionFailed, "closed with 1 bytes to go")
