"""Everything that can go wrong on the wire, through the real wire, on both event loops.

Blobs come in two sizes: a small one is read with its head, a large one is streamed.
"""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import (
    AccessDenied,
    ConnectionFailed,
    ContentMismatch,
    InvalidContent,
    NetworkError,
    PyskopeoError,
    RegistryError,
    Stalled,
)
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from tests.support import faults as f
from tests.support.access import access_for, networked
from tests.support.exchange import Request, Response
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.pulling import Pull, blobs, check_layout, names
from tests.support.simulator import BearerGate, Simulator
from tests.support.tls import Authority, ServerCertificate
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.anyio

IMAGE = build(
    ImageSpec(
        layers=(
            LayerSpec("large", size=300_000, compression="none"),
            LayerSpec("small", size=700, compression="gzip"),
        )
    )
)
LARGE, SMALL = IMAGE.layer_digests()
SIZES = {"large": LARGE, "small": SMALL}
LENGTH = {digest: len(IMAGE.blobs[digest]) for digest in (LARGE, SMALL)}
assert LENGTH[LARGE] > 256 * 1024
assert LENGTH[SMALL] < 16 * 1024
MANIFEST = "latest"


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


@pytest.fixture
def pull(registry: Simulator, tmp_path: Path) -> Pull:
    return Pull(registry, IMAGE, tmp_path / "layout", access_for(tmp_path))


@pytest.fixture(params=["large", "small"])
def digest(request: pytest.FixtureRequest) -> str:
    return SIZES[request.param]


def ranges(registry: Simulator, digest: str) -> list[str | None]:
    """The Range header of each request for a blob."""
    return [r.header("Range") for r in registry.requests if r.path.endswith(digest) and r.method == "GET"]


def times_asked(registry: Simulator, path_end: str) -> int:
    return sum(request.path.endswith(path_end) for request in registry.requests)


async def fails_then_works(pull: Pull, error: type[PyskopeoError], match: str = "[a-z]") -> PyskopeoError:
    """The pull fails in one clear line, leaves nothing (see `Pull.run`), and works once the fault is gone."""
    with pytest.raises(error, match=match) as caught:
        await pull.run()
    assert isinstance(caught.value, error)
    assert "\n" not in str(caught.value)
    pull.registry.heal()
    await pull.run()
    return caught.value


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


async def test_a_range_of_other_bytes_never_passes(pull: Pull, registry: Simulator) -> None:
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
    await fails_then_works(pull, Stalled, "no progress for 0.2 s .--stall-timeout.")
    assert time.monotonic() - started < 5
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


# --- wrong content ---


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
    assert time.monotonic() - started < 5


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
    await fails_then_works(pull, InvalidContent, "Content-Encoding gzip: refused")


async def test_nothing_asks_for_an_encoding(pull: Pull, registry: Simulator) -> None:
    await pull.run()
    assert {request.header("Accept-Encoding") for request in registry.requests} == {"identity"}


# --- the same by TLS, which is read in another way ---


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> tuple[ServerCertificate, Trust]:
    """A server's certificate, and the trust of those who know its authority."""
    folder = tmp_path_factory.mktemp("certs")
    shutil.copy(authority.path, folder / "ca.crt")
    return authority.server("faults"), Trust(cert_dir=folder)


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
    assert anyio.current_time() - scope.deadline < 1.0
    check_layout(secure.root)
    assert await _ends(lambda: not _blocked_threads())


# --- tokens that end before the pull does ---


async def test_a_token_is_renewed_in_the_middle_of_a_blob(token_server: TokenServer, tmp_path: Path) -> None:
    with Simulator(IMAGE, gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
        access = access_for(tmp_path, credentials=Credentials("user", "pass"))
        registry.on_blob(LARGE, Ending(token_server), f.Cut(100_000), times=1)
        before = len(token_server.requests)
        await Pull(registry, IMAGE, tmp_path / "layout", access).run(jobs=1)
        asked = ranges(registry, LARGE)
    assert asked[0] is None
    assert asked[1:] == ["bytes=100000-"] * 2  # refused, then with the new token
    assert len(token_server.requests) == before + 2


class Ending:
    """Makes all tokens invalid once the answer is on its way."""

    def __init__(self, tokens: TokenServer) -> None:
        self.tokens = tokens

    def apply(self, request: Request, response: Response) -> Response:
        self.tokens.forget()
        return response


# --- cancellation ---


@pytest.mark.parametrize(
    "fault",
    [f.Stall(0), f.Stall(100_000), f.Delay(30), f.Drip(100, 0.01)],
    ids=["head only", "in the middle", "no answer", "drip"],
)
async def test_cancelled_in_the_middle(fault: f.Fault, pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, fault)
    with anyio.move_on_after(0.4) as scope:
        await pull.run()
    assert scope.cancelled_caught
    assert anyio.current_time() - scope.deadline < 1.0
    check_layout(pull.root)
    assert LARGE not in blobs(pull.root)
    registry.heal()
    await pull.run()


async def test_cancelled_while_waiting_to_repeat(pull: Pull, registry: Simulator) -> None:
    pull.access = access_for(pull.root, retry=Retry(delay=30))
    registry.on_blob(LARGE, f.Cut(100_000))
    with anyio.move_on_after(0.4) as scope:
        await pull.run()
    assert scope.cancelled_caught
    assert anyio.current_time() - scope.deadline < 1.0
    assert len(pull.retries) == 1
    check_layout(pull.root)


async def test_cancelled_while_reopening(pull: Pull, registry: Simulator) -> None:
    registry.on_blob(LARGE, f.Cut(100_000), times=1)
    registry.on_blob(LARGE, f.Delay(30))
    with anyio.move_on_after(0.4) as scope:
        await pull.run()
    assert scope.cancelled_caught
    assert anyio.current_time() - scope.deadline < 1.0
    check_layout(pull.root)


@pytest.mark.parametrize("waiting", ["body", "head", "pause"])
async def test_one_failure_stops_the_others_at_once(waiting: str, pull: Pull, registry: Simulator) -> None:
    pull.access = access_for(pull.root, stall_timeout=30, retry=Retry(delay=30 if waiting == "pause" else 0.01))
    stuck: dict[str, f.Fault] = {"body": f.Stall(100_000), "head": f.Delay(30), "pause": f.Cut(100_000)}
    registry.on_blob(LARGE, stuck[waiting])
    registry.on_blob(SMALL, f.Delay(0.3), f.Flip(5))
    started = time.monotonic()
    with pytest.raises(ContentMismatch, match=f"digest mismatch: want {SMALL}"):
        await pull.run()
    assert time.monotonic() - started < 1.5
    assert names(pull.root) == []
    registry.heal()
    pull.access = access_for(pull.root)
    await pull.run()


async def test_no_thread_outlives_its_request(pull: Pull, registry: Simulator) -> None:
    """The thread of a cancelled request is woken, so that the program can end."""
    registry.on_blob(LARGE, f.Delay(30))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pull.run)
        assert await _ends(lambda: bool(_blocked_threads()))
        tasks.cancel_scope.cancel()
    assert await _ends(lambda: not _blocked_threads())


async def test_no_thread_outlives_a_handshake(registry: Simulator, tmp_path: Path) -> None:
    """Not even one that waits for a server which accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        access = access_for(tmp_path)
        pull = Pull(registry, IMAGE, tmp_path / "layout", access)
        with anyio.move_on_after(0.5) as scope:
            await pull.run(f"docker://127.0.0.1:{silent.getsockname()[1]}/a/b:c")
        assert scope.cancelled_caught
        assert await _ends(lambda: not _blocked_threads())


async def _ends(condition: object) -> bool:
    assert callable(condition)
    for _ in range(100):
        if condition():
            return True
        await anyio.sleep(0.01)
    return False


def _blocked_threads() -> list[str]:
    """Threads that are inside our own transport."""
    found = []
    for thread in threading.enumerate():
        frame = sys._current_frames().get(thread.ident or 0)
        while frame is not None:
            if "pyskopeo/http/" in frame.f_code.co_filename and frame.f_code.co_name in ("_send", "readinto"):
                found.append(thread.name)
                break
            frame = frame.f_back
    return found


# --- connections ---


async def test_connections_are_used_again(tmp_path: Path) -> None:
    image = build(ImageSpec(layers=tuple(LayerSpec(f"l{n}", size=20_000) for n in range(12))))
    with Simulator(image) as registry:
        await Pull(registry, image, tmp_path / "layout", access_for(tmp_path)).run(jobs=2)
        # One for the try with TLS, and one for each that is under way at a time.
        assert registry.connections_seen <= 1 + 3


async def test_a_connection_closed_while_idle_is_replaced_silently(pull: Pull, registry: Simulator) -> None:
    registry.on_blob("*", f.Drop(), times=1)
    await pull.run(jobs=1)  # so that the first blob is asked for on the manifest's connection
    assert pull.retries == []
    assert sum("/blobs/" in line for line in registry.log) == len(IMAGE.blobs) + 1


_COUNTER = itertools.count()


async def test_every_fault_in_turn_ends_in_a_network_error_or_an_image(tmp_path: Path) -> None:
    """The same registry, one fault after another: no state of one pull spoils the next."""
    faults: tuple[tuple[f.Fault, ...], ...] = (
        (f.Cut(1),),
        (f.Refuse(500),),
        (f.Drop(),),
        (f.Chunked(), f.Cut(5000)),
        (f.Refuse(503, retry_after=0),),
    )
    with Simulator(IMAGE) as registry:
        for some in faults:
            registry.on("*", *some, times=1)
            root = tmp_path / str(next(_COUNTER))
            try:
                await Pull(registry, IMAGE, root, access_for(tmp_path)).run()
            except NetworkError as error:
                pytest.fail(f"{some}: {error}")
