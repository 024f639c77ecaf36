"""Pulls that get other bytes than they asked for."""

from __future__ import annotations

import time

import pytest

from pyskopeo.errors import ContentMismatch, InvalidContent
from tests.scenario.pull.images import LARGE, LENGTH, SMALL
from tests.support import faults as f
from tests.support.pulling import Pull, fails_then_works, times_asked
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
MANIFEST = "latest"


@pytest.mark.parametrize("fault", [f.Short(1), f.Long(1), f.Body(b""), f.Body(b"something else")])
async def test_a_wrong_size_is_refused_before_the_body(
    fault: f.Fault, pull: Pull, registry: Simulator, digest: str
) -> None:
    registry.on_blob(digest, fault)
    await fails_then_works(pull, ContentMismatch, "the registry has [0-9]+ bytes, the manifest says [0-9]+")
    assert pull.retries == []


@pytest.mark.parametrize("framing", [f.Chunked(1000), f.UntilClose()])
async def test_too_many_bytes_are_refused_as_they_come(
    framing: f.Fault, pull: Pull, registry: Simulator, digest: str
) -> None:
    registry.on_blob(digest, f.Long(1), framing)
    await fails_then_works(pull, ContentMismatch, "longer than")


async def test_a_blob_without_end_is_stopped(pull: Pull, registry: Simulator, digest: str) -> None:
    registry.on_blob(digest, f.Endless())
    started = time.monotonic()
    await fails_then_works(pull, ContentMismatch, "longer than")
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("at", [0, 1000, -1])
async def test_a_flipped_byte_never_passes(at: int, pull: Pull, registry: Simulator, digest: str) -> None:
    registry.on_blob(digest, f.Flip(min(at, 100) if digest == SMALL else at))
    error = await fails_then_works(pull, ContentMismatch, f"digest mismatch: want {digest}, got sha256:")
    assert isinstance(error, ContentMismatch)
    assert error.expected == digest
    assert error.actual != digest
    assert times_asked(registry, digest) == 2


async def test_bytes_after_the_body_do_no_harm(pull: Pull, registry: Simulator) -> None:
    """More is sent than Content-Length says: the rest is not read, the connection not used again."""
    registry.on_blob(SMALL, f.Long(5, agreeing=False))
    registry.on_manifest(MANIFEST, f.Long(5, agreeing=False))
    await pull.run()


async def test_another_blob_by_that_name(pull: Pull, registry: Simulator) -> None:
    other = bytes(LENGTH[LARGE])
    registry.on_blob(LARGE, f.Body(other))
    await fails_then_works(pull, ContentMismatch, "digest mismatch")


@pytest.mark.parametrize("digest", [LARGE, SMALL])
async def test_an_encoded_blob_is_refused(digest: str, pull: Pull, registry: Simulator) -> None:
    registry.on_blob(digest, f.Gzipped())
    """Nothing is decoded, so its size or its digest is another."""
    await fails_then_works(pull, InvalidContent, r"\(Content-Encoding gzip\)")


@pytest.mark.parametrize("encoding", ["aws-chunked", "gzip", "utf-8", "binary"])
async def test_an_encoding_of_bytes_that_are_as_they_are(encoding: str, pull: Pull, registry: Simulator) -> None:
    """Stores keep the header of what was uploaded; size and digest of the bytes decide."""
    registry.on("*", f.SetHeaders({"Content-Encoding": encoding}))
    registry.on_blob(LARGE, f.Cut(100_000), times=1)
    await pull.run()
    assert len(pull.retries) == 1


async def test_nothing_asks_for_an_encoding(pull: Pull, registry: Simulator) -> None:
    await pull.run()
    assert {request.header("Accept-Encoding") for request in registry.requests} == {"identity"}
