"""Pulls from registries that do not answer, refuse, or are slow."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from pyskopeo.errors import AccessDenied, RegistryError, Stalled
from pyskopeo.http.retry import Retry
from tests.scenario.pull.images import LARGE, LENGTH, SIZES, SMALL
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.pulling import Pull, fails_then_works, ranges, times_asked
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
MANIFEST = "latest"


# --- no answer, or a refusal ---


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("path", [f"*/manifests/{MANIFEST}", f"*/blobs/{LARGE}", f"*/blobs/{SMALL}"])
async def test_dropped_before_the_answer(path: str, reset: bool, pull: Pull, registry: Simulator) -> None:
    registry.on(path, f.Drop(reset), times=2)
    await pull.run()
    # On a kept connection a drop is not even worth a mention.
    assert len(pull.retries) <= 2
    assert times_asked(registry, path.rpartition("/")[2]) == 3


@pytest.mark.parametrize("path", [f"*/manifests/{MANIFEST}", f"*/blobs/{LARGE}"])
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_burst_of_refusals(status: int, path: str, pull: Pull, registry: Simulator) -> None:
    registry.on(path, f.Refuse(status), times=4)
    await pull.run()
    assert len(pull.retries) == 4
    assert str(status) in pull.retries[0].reason


@pytest.mark.parametrize("status", [400, 404, 405, 410, 451])
async def test_a_final_refusal_is_not_repeated(status: int, pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, f.Refuse(status))
    error = await fails_then_works(pull, RegistryError, "the simulator refuses")
    assert isinstance(error, RegistryError)
    assert error.status == status
    assert pull.retries == []


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_without_a_challenge(status: int, pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, f.Refuse(status))
    await fails_then_works(pull, AccessDenied, "tried without credentials")
    assert pull.retries == []


async def test_refusals_use_up_the_repetitions(pull: Pull, registry: Simulator, digest: str) -> None:
    registry.on_blob(digest, f.Refuse(503))
    error = await fails_then_works(pull, RegistryError, f"blob {digest}.*503")
    assert isinstance(error, RegistryError)
    assert error.temporary
    assert times_asked(registry, digest) == 5 + 1


async def test_retry_after_in_seconds(pull: Pull, registry: Simulator) -> None:
    registry.on_manifest(MANIFEST, f.Refuse(429, retry_after=1), times=1)
    await pull.run()
    first, second = (r.received for r in registry.requests if r.path.endswith(MANIFEST))
    assert pull.retries[0].delay == 1.0
    assert second - first >= 1.0


async def test_retry_after_as_a_date(pull: Pull, registry: Simulator) -> None:
    when = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    registry.on_blob(LARGE, f.Refuse(503, retry_after=when), times=1)
    await pull.run()
    assert 0.5 < pull.retries[0].delay <= 2.0


async def test_retry_after_that_means_nothing(pull: Pull, registry: Simulator) -> None:
    registry.on_manifest(MANIFEST, f.Refuse(503, retry_after="Mon, 20 Jan 99999999999 00:00:00 GMT"), times=1)
    await pull.run()
    assert pull.retries[0].delay < 0.1


async def test_an_error_page_is_told_in_one_clean_line(pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, f.Refuse(400, body=b"<h1>\x1b[31mno\r\nway</h1>", content_type="text/html"))
    error = await fails_then_works(pull, RegistryError, "<h1> .31mno way</h1>")
    assert "\x1b" not in str(error)


# --- slow servers ---


@pytest.mark.parametrize("at", [0, 1000, 200_000])
async def test_a_stall_counts_as_a_cut(at: int, pull: Pull, registry: Simulator) -> None:
    pull.access = access_for(pull.root, stall_timeout=0.3)
    registry.on_blob(LARGE, f.Stall(at), times=1)
    await pull.run()
    assert ranges(registry, LARGE) == [None, f"bytes={at}-" if at else None]
    assert "no progress for 0.3 s" in pull.retries[0].reason


@pytest.mark.parametrize("what", ["large", "small", "manifest", "head"])
async def test_stalls_use_up_the_repetitions(what: str, pull: Pull, registry: Simulator) -> None:
    pull.access = access_for(pull.root, stall_timeout=0.2, retry=Retry(times=2, delay=0.01))
    if what == "manifest":
        registry.on_manifest(MANIFEST, f.Stall(5))
    elif what == "head":
        registry.on_blob(LARGE, f.Delay(30))
    else:
        registry.on_blob(SIZES[what], f.Stall(10))
    started = time.monotonic()
    said = "no answer for 0.6 s .--response-timeout." if what == "head" else "no progress for 0.2 s .--stall-timeout."
    await fails_then_works(pull, Stalled, said)
    assert time.monotonic() - started < 20
    assert len(pull.retries) == 2


async def test_a_slow_drip_is_no_stall(pull: Pull, registry: Simulator) -> None:
    pull.access = access_for(pull.root, stall_timeout=0.3)
    # 0.05 s between the pieces, half a second in all: longer than the timeout, and always moving.
    registry.on_blob(LARGE, f.Drip(LENGTH[LARGE] // 10, 0.05))
    registry.on_blob(SMALL, f.Drip(100, 0.05))
    await pull.run()
    assert pull.retries == []


@pytest.mark.parametrize("framing", [f.Chunked(1000), f.UntilClose()])
async def test_a_slow_drip_without_a_length(framing: f.Fault, pull: Pull, registry: Simulator) -> None:
    pull.access = access_for(pull.root, stall_timeout=0.3)
    registry.on_blob(LARGE, framing, f.Drip(LENGTH[LARGE] // 10, 0.05))
    await pull.run()
    assert pull.retries == []
