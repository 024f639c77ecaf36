"""Pulls by TLS, whose bodies are read in another way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import PyskopeoError
from pyskopeo.http.tls import Trust
from tests.scenario.pull.images import IMAGE, LARGE, LENGTH
from tests.support import faults as f
from tests.support.access import access_for, networked
from tests.support.pulling import Pull, check_layout, fails_then_works, ranges
from tests.support.simulator import Simulator
from tests.support.threads import blocked_threads, ends
from tests.support.tls import Authority, ServerCertificate, certificates

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> tuple[ServerCertificate, Trust]:
    """A server's certificate, and the trust of those who know its authority."""
    return authority.server("faults"), certificates(tmp_path_factory.mktemp("trust") / "certs", authority)


@pytest.fixture
def secure(tls: tuple[ServerCertificate, Trust], tmp_path: Path) -> Iterator[Pull]:
    with Simulator(IMAGE, tls=tls[0]) as running:
        yield Pull(running, IMAGE, tmp_path / "layout", access_for(tmp_path, trust=tls[1], stall_timeout=0.5))


@pytest.mark.parametrize("at", [1, 20_000, 150_000, -1])
@pytest.mark.parametrize("fault", [f.Cut, f.Stall])
async def test_by_tls_a_body_is_continued(fault: type[f.Cut | f.Stall], at: int, secure: Pull) -> None:
    at %= LENGTH[LARGE]
    secure.registry.on_blob(LARGE, fault(at), times=1)
    await secure.run()
    assert ranges(secure.registry, LARGE) == [None, f"bytes={at}-"]
    assert len(secure.retries) == 1


@pytest.mark.parametrize("framing", [f.Chunked(3000), f.UntilClose()])
async def test_by_tls_without_a_length(framing: f.Fault, secure: Pull) -> None:
    secure.registry.on("*", framing)
    secure.registry.on_blob(LARGE, f.Cut(100_000), times=1)
    await secure.run()
    assert ranges(secure.registry, LARGE) == [None, "bytes=100000-"]


async def test_by_tls_a_drip_is_no_stall(secure: Pull) -> None:
    secure.registry.on_blob(LARGE, f.Drip(LENGTH[LARGE] // 10, 0.05))
    await secure.run()
    assert secure.retries == []


@pytest.mark.parametrize("fault", [f.Drop(), f.Cut(5), f.Flip(70_000), f.Short()])
async def test_by_tls_it_fails_as_clearly(fault: f.Fault, secure: Pull) -> None:
    secure.registry.on_blob(LARGE, fault)
    await fails_then_works(secure, PyskopeoError)


@pytest.mark.parametrize("fault", [f.Stall(100_000), f.Delay(30), f.Drip(100, 0.01)])
async def test_by_tls_it_is_given_up_at_once(fault: f.Fault, secure: Pull) -> None:
    secure.access = networked(secure.access, stall_timeout=30)
    secure.registry.on_blob(LARGE, fault)
    with anyio.move_on_after(0.4) as scope:
        await secure.run()
    assert scope.cancelled_caught
    assert anyio.current_time() - scope.deadline < 10
    check_layout(secure.root)
    assert await ends(lambda: not blocked_threads())
