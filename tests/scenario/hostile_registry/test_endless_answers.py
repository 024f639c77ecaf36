"""Servers whose answers have no end: every part of an answer is bounded in bytes and in time."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.errors import ConnectionFailed, PyskopeoError, RegistryError, Stalled
from pyskopeo.http.retry import Retry
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.gates import BearerGate
from tests.support.publishing import Push
from tests.support.pulling import Pull
from tests.support.simulator import Simulator
from tests.support.token_server import TokenRules, TokenServer

from .images import IMAGE, LARGE, ONE_LOOP, PASSWORD

pytestmark = pytest.mark.anyio

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
KNOWN = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n"

# What is sent, and the error; a slow one sends ten times in what is a stall here.
ENDLESS = {
    "interim answers": (f.Flood(b"", CONTINUE * 500), ConnectionFailed),
    "hints": (f.Flood(b"", HINTS), ConnectionFailed),
    "slow interim answers": (f.Flood(b"", CONTINUE, 0.05), Stalled),
    "headers": (f.Flood(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000), ConnectionFailed),
    "a slow head": (f.Flood(b"HTTP/1.1 200 OK\r\nA: ", b"b", 0.05), Stalled),
    "chunk extensions": (f.Flood(CHUNKED, b"1;" + b"a" * 3000 + b"\r\n \r\n"), ConnectionFailed),
    "an extension": (f.Flood(CHUNKED + b"1;", b"a" * 10_000), ConnectionFailed),
    "trailers": (f.Flood(CHUNKED + b"1\r\n \r\n0\r\n", b"A: b\r\n" * 1000), ConnectionFailed),
    "slow trailers": (f.Flood(CHUNKED + b"1\r\n \r\n0\r\n", b"A: b\r\n", 0.05), Stalled),
    "a slow chunk size": (f.Flood(CHUNKED, b"0", 0.05), Stalled),
    "slow chunks": (f.Flood(CHUNKED, b"1\r\n \r\n", 0.05), Stalled),
    "a slow body": (f.Flood(KNOWN, b" ", 0.05), Stalled),
    "a slow body without length": (f.Flood(b"HTTP/1.0 200 OK\r\n\r\n", b" ", 0.05), Stalled),
    "a slow error": (f.Flood(REFUSED, b"1\r\n \r\n", 0.05), RegistryError),
}
everything = pytest.mark.parametrize(("fault", "error"), ENDLESS.values(), ids=ENDLESS)


def access(tmp_path: Path) -> pyskopeo.Access:
    return access_for(tmp_path, stall_timeout=0.5, retry=Retry(times=0), credentials=PASSWORD)


async def fails(pull: Pull | Push, error: type[PyskopeoError]) -> None:
    """In one clear line, and long before anybody would give up on it."""
    begun = time.monotonic()
    with pytest.raises(error) as caught:
        await pull.run()
    assert time.monotonic() - begun < 15
    assert "\n" not in str(caught.value)


@ONE_LOOP
@everything
@pytest.mark.parametrize("what", ["manifest", "token", "tags"])
async def test_of_small_documents(
    what: str, fault: f.Fault, error: type[PyskopeoError], registry: Simulator, tmp_path: Path
) -> None:
    with TokenServer(tmp_path / "tokens", TokenRules(users={"user": "pass"})) as tokens:
        if what == "token":
            tokens.faults += [fault] * 9
            registry.gate = BearerGate(tokens.realm, tokens.accepts)
        registry.on("/v2/*/manifests/*" if what == "manifest" else "/v2/*/tags/list", fault)
        if what == "tags":
            begun = time.monotonic()
            with pytest.raises(error):
                await pyskopeo.list_tags(registry.name().rpartition(":")[0], access=access(tmp_path))
            assert time.monotonic() - begun < 15
        else:
            await fails(Pull(registry, IMAGE, tmp_path / "layout", access(tmp_path)), error)


@ONE_LOOP
@pytest.mark.parametrize("name", ["interim answers", "slow interim answers", "headers", "a slow head", "an extension"])
async def test_of_blobs(name: str, registry: Simulator, tmp_path: Path) -> None:
    fault, error = ENDLESS[name]
    registry.on_blob(LARGE, fault)
    await fails(Pull(registry, IMAGE, tmp_path / "layout", access(tmp_path)), error)


@ONE_LOOP
@pytest.mark.parametrize("framing", [[], [f.Chunked(1000)], [f.UntilClose()]])
async def test_a_blob_of_a_few_bytes_a_second_is_too_slow(
    framing: list[f.Fault], registry: Simulator, tmp_path: Path
) -> None:
    """No stall, but no end either."""
    registry.on_blob(LARGE, *framing, f.Drip(1, 0.1))
    slow = access_for(tmp_path, stall_timeout=0.3, retry=Retry(times=1, delay=0.01))
    running = Pull(registry, IMAGE, tmp_path / "layout", slow)
    with pytest.raises(Stalled, match=r"only \d+ bytes came in 2 s, under 16 a second \(--stall-timeout\)"):
        await running.run()
    assert len(running.retries) == 1


@ONE_LOOP
async def test_a_configuration_has_the_time_of_a_document(registry: Simulator, tmp_path: Path) -> None:
    """Where it is read as one. This one comes faster than the slowest of blobs."""
    config = json.loads(IMAGE.root.raw)["config"]["digest"]
    registry.on_blob(config, f.Chunked(1000), f.Drip(5, 0.05))
    slow = access_for(tmp_path, stall_timeout=0.3, retry=Retry(times=0))
    async with pyskopeo.open_source(registry.name(), slow) as source:
        manifest = await source.manifest()
        assert manifest.config is not None
        with pytest.raises(Stalled, match="the answer comes too slowly, only .* bytes of it came"):
            await source.blob(manifest.config).read(1 << 20)


@ONE_LOOP
@pytest.mark.parametrize("name", ["interim answers", "slow interim answers", "headers", "a slow head", "a slow error"])
@pytest.mark.parametrize(
    ("path", "methods"), [("blobs/uploads/*", ("POST",)), ("blobs/uploads/*", ("PATCH", "PUT")), ("manifests/*", ("PUT",))]
)
async def test_of_uploads(name: str, path: str, methods: tuple[str, ...], tmp_path: Path) -> None:
    fault, error = ENDLESS[name]
    with Simulator() as registry:
        registry.on(f"/v2/*/{path}", fault, methods=methods)
        push = Push(registry, IMAGE, tmp_path, access(tmp_path))
        push.closes = push.takes_back = False  # what is open or written there is nowhere to be read
        await fails(push, error)


@pytest.mark.parametrize("data", [HINTS, CONTINUE + HINTS, HINTS * 5, b"\r\n"])
async def test_a_few_interim_answers_are_read(data: bytes, registry: Simulator, tmp_path: Path) -> None:
    registry.on("/v2/*", f.Before(data), methods=("GET", "HEAD"))
    await Pull(registry, IMAGE, tmp_path / "layout").run()


@pytest.mark.parametrize("data", [HINTS, CONTINUE + HINTS])
async def test_a_few_interim_answers_to_uploads_are_read(data: bytes, tmp_path: Path) -> None:
    with Simulator() as registry:
        registry.on("/v2/*", f.Before(data), methods=("POST", "PATCH", "PUT", "HEAD"))
        push = Push(registry, IMAGE, tmp_path)
        await push.run()
        push.check_there()
        assert push.retries == []


@pytest.mark.parametrize("what", ["manifests/*", "blobs/*", "tags/list"])
async def test_an_answer_may_take_longer_than_a_stall(what: str, registry: Simulator, tmp_path: Path) -> None:
    registry.on(f"/v2/*/{what}", f.Delay(0.8), methods=("GET", "HEAD"))
    patient = access_for(tmp_path, stall_timeout=0.3, response_timeout=10.0, retry=Retry(times=0))
    await Pull(registry, IMAGE, tmp_path / "layout", patient).run()
    assert await pyskopeo.list_tags(registry.name().rpartition(":")[0], access=patient)


@pytest.mark.parametrize("value", ["1000000000", "1e9", "Fri, 31 Dec 2199 23:59:59 GMT"])
@pytest.mark.parametrize("what", ["manifests/*", "blobs/*"])
async def test_a_wait_without_end_is_an_error(what: str, value: str, registry: Simulator, tmp_path: Path) -> None:
    """Not one that is waited for in part, again and again."""
    registry.on(f"/v2/*/{what}", f.Refuse(429, retry_after=value))
    running = Pull(registry, IMAGE, tmp_path / "layout", access_for(tmp_path, retry=Retry(times=4, delay=0.01)))
    with pytest.raises(RegistryError, match="the server asks to wait [0-9]+ s before a retry, longer than 300 s"):
        await running.run()
    assert running.retries == []


async def test_a_wait_without_end_at_a_token_server(registry: Simulator, tmp_path: Path) -> None:
    with TokenServer(tmp_path / "tokens", TokenRules(users={"user": "pass"})) as tokens:
        tokens.faults += [f.Refuse(503, retry_after="1e9")] * 9
        registry.gate = BearerGate(tokens.realm, tokens.accepts)
        who = replace(access(tmp_path), network=access_for(tmp_path).network)
        with pytest.raises(RegistryError, match="requesting a token .* longer than 300 s .--max-retry-after"):
            await Pull(registry, IMAGE, tmp_path / "layout", who).run()
