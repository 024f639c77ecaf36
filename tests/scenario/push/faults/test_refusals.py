"""Pushes that are refused, for a while or for good, before or after the end of a body."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import httpx
import pytest

from pyskopeo.access import Storage
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied, NetworkError, RegistryError
from pyskopeo.http.retry import Retry
from tests.scenario.push.faults.faults import fails_then_works, on_bodies
from tests.scenario.push.faults.images import BODIES, HUGE, IMAGE, LARGE, LENGTH, ONE_LOOP
from tests.scenario.push.images import LARGE_IMAGE
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.images import build
from tests.support.publishing import Converting, Push
from tests.support.simulator import Pushing, Simulator

pytestmark = pytest.mark.anyio


# --- refusals that pass ---


WHERE = {
    "HEAD of a manifest": ("/v2/*/manifests/*", ("HEAD",)),
    "HEAD of a blob": ("/v2/*/blobs/sha256*", ("HEAD",)),
    "POST": ("/v2/*/uploads/", ("POST",)),
    "body": ("/v2/*/uploads/*", BODIES),
    "manifest": ("/v2/*/manifests/*", ("PUT",)),
}
# What the push goes on without.
QUESTIONS = ("HEAD of a manifest", "HEAD of a blob")


@ONE_LOOP
@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_burst_of_refusals(status: int, where: str, push: Push, registry: Simulator) -> None:
    path, methods = WHERE[where]
    registry.on(path, f.Refuse(status), times=3, methods=methods)
    await push.run(jobs=1)
    push.check_there()
    if where in QUESTIONS and status == 500:
        assert push.retries == []  # it need not be answered
        return
    assert len(push.retries) == 3
    assert str(status) in push.retries[0].reason


@ONE_LOOP
@pytest.mark.parametrize("where", QUESTIONS)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 405, 406, 410, 500, 501, 503, 505])
async def test_a_question_that_is_refused_for_ever(status: int, where: str, push: Push, registry: Simulator) -> None:
    """HEAD of a manifest or of a blob: the upload decides."""
    push.access = access_for(push.home, retry=Retry(times=1, delay=0.001))
    path, methods = WHERE[where]
    registry.on(path, f.Refuse(status), methods=methods)
    await push.run()
    push.check_there()
    assert bool(push.retries) == (status == 503)


@ONE_LOOP
@pytest.mark.parametrize("where", ["POST", "body", "manifest"])
async def test_it_waits_as_long_as_it_is_told(where: str, push: Push, registry: Simulator) -> None:
    path, methods = WHERE[where]
    registry.on(path, f.Refuse(429, retry_after=1), times=1, methods=methods)
    started = time.monotonic()
    await push.run(jobs=1)
    assert 1 <= time.monotonic() - started < 15
    assert push.retries[0].delay == 1
    push.check_there()


@ONE_LOOP
async def test_it_waits_until_a_date(push: Push, registry: Simulator) -> None:
    path, methods = WHERE["POST"]
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    registry.on(path, f.Refuse(503, retry_after=moment), times=1, methods=methods)
    await push.run(jobs=1)
    assert 0 <= push.retries[0].delay <= 2


@ONE_LOOP
@pytest.mark.parametrize("where", ["POST", "body", "manifest"])
async def test_refusals_use_up_the_repetitions(where: str, push: Push, registry: Simulator) -> None:
    path, methods = WHERE[where]
    registry.on(path, f.Refuse(503), methods=methods)
    error = await fails_then_works(push, RegistryError, "503")
    assert isinstance(error, RegistryError)
    assert error.temporary
    assert "test/image" in str(error)


async def test_an_upload_that_is_not_opened_is_retried_without_reading_the_blob_again(
    push: Push, registry: Simulator
) -> None:
    path, methods = WHERE["POST"]
    registry.on(path, f.Refuse(503), times=2, methods=methods)
    await push.run(jobs=1)
    assert [retry.what for retry in push.retries] == [f"initiating an upload to {registry.host}/test/image"] * 2
    assert push.asked["POST upload"] == len(push.image.blobs) + 2
    assert push.asked["HEAD blob"] == len(push.image.blobs)


# --- refusals that do not ---


@ONE_LOOP
@pytest.mark.parametrize("where", ["POST", "body", "manifest"])
@pytest.mark.parametrize("status", [400, 405, 410, 451])
async def test_a_final_refusal_is_not_repeated(status: int, where: str, push: Push, registry: Simulator) -> None:
    path, methods = WHERE[where]
    registry.on(path, f.Refuse(status), methods=methods)
    error = await fails_then_works(push, RegistryError, "the simulator refuses")
    assert isinstance(error, RegistryError)
    assert error.status == status
    assert push.retries == []


@ONE_LOOP
@pytest.mark.parametrize("where", ["POST", "body", "manifest"])
@pytest.mark.parametrize(
    ("credentials", "tried"), [(None, "tried without credentials"), (Credentials("someone", "hunter2"), "user someone")]
)
@pytest.mark.parametrize("status", [401, 403])
async def test_who_may_not(
    status: int, credentials: Credentials | None, tried: str, where: str, registry: Simulator, tmp_path: Path
) -> None:
    """The repository and who asked, never the secret."""
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=credentials))
    path, methods = WHERE[where]
    body = b'{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}'
    registry.on(path, f.Refuse(status, body=body), methods=methods)
    error = await fails_then_works(push, AccessDenied, tried)
    assert f"{registry.host}/test/image" in str(error)
    assert "hunter2" not in str(error)
    assert push.retries == []


async def test_the_registrys_own_words(push: Push, registry: Simulator) -> None:
    body = b'{"errors":[{"code":"TAG_IMMUTABLE","message":"the tag \\u001b[31mlatest is immutable\\n\\u202e"}]}'
    registry.on(*WHERE["manifest"][:1], f.Refuse(409, body=body), methods=("PUT",))
    error = await fails_then_works(push, RegistryError, "tag immutable: the tag .*latest is immutable")
    assert str(error).isprintable()


async def test_a_manifest_too_large(push: Push, registry: Simulator) -> None:
    registry.on(*WHERE["manifest"][:1], f.Refuse(413, body=b"<html>Request Entity Too Large</html>"), methods=("PUT",))
    error = await fails_then_works(push, RegistryError, "413")
    assert "manifest" in str(error)


@pytest.mark.parametrize("pushing", [Pushing(checks_blobs=False)])
async def test_a_registry_that_has_forgotten_a_blob(push: Push, registry: Simulator) -> None:
    """201 for a blob that is not stored; the registry itself then refuses the manifest, and that is what is said."""
    registry.on("/v2/*/uploads/*", f.Refuse(201, body=b""), times=1, methods=("PUT",))
    body = b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}'
    registry.on(*WHERE["manifest"][:1], f.Refuse(400, body=body), methods=("PUT",))
    push.closes = False
    with pytest.raises(RegistryError, match="manifest blob unknown"):
        await push.run(jobs=1)
    assert push.names() == {}


# --- registries that want to know how long a body is ---


@dataclass(frozen=True)
class NoChunks:
    """411 to every body in chunks, or another status."""

    status: int = 411

    def apply(self, request: Request, response: Response) -> Response:
        chunked = request.header("Transfer-Encoding") is not None
        return f.Refuse(self.status, body=b"Length Required").apply(request, response) if chunked else response


@pytest.mark.parametrize("image", [IMAGE, HUGE], ids=["image", "huge"])
async def test_a_known_size_is_told(push: Push, registry: Simulator) -> None:
    """No request is answered with 411, so there is no other one."""
    on_bodies(registry, NoChunks())
    await push.run()
    push.check_there()
    bodies = [request for request in registry.requests if request.method in BODIES]
    assert all(request.header("Content-Length") is not None for request in bodies)
    assert push.retries == []
    assert push.asked["PATCH upload"] == sum(len(blob) > 4 * 1024 * 1024 for blob in push.image.blobs.values())


async def test_the_rest_of_an_upload_has_a_known_size(push: Push, registry: Simulator) -> None:
    on_bodies(registry, NoChunks())
    on_bodies(registry, u.CutUpload(500_000), times=1)
    await push.run(jobs=1)
    push.check_there()
    lengths = [r.header("Content-Length") for r in registry.requests if r.method in BODIES]
    assert lengths[:3] == [str(LENGTH[LARGE]), str(LENGTH[LARGE] - 500_000), "0"]


@pytest.mark.parametrize("status", [411, 501])
async def test_a_size_that_is_not_known_beforehand(status: int, registry: Simulator, tmp_path: Path) -> None:
    """Layers that are compressed on the way are written to temporary files first, once the registry has refused one."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    access = replace(access_for(tmp_path, retry=Retry(times=0)), storage=Storage(scratch=scratch))
    push = Converting(registry, build("oci-uncompressed"), tmp_path, access)
    on_bodies(registry, NoChunks(status))
    manifest = await push.convert()
    assert {layer["mediaType"].rpartition("+")[2] for layer in manifest["layers"]} == {"zstd"}
    assert 1 <= sum(request.header("Transfer-Encoding") is not None for request in registry.requests) <= 2
    assert list(scratch.iterdir()) == []


# --- answered early ---


@pytest.mark.parametrize("linger", [True, False], ids=["linger", "rst"])
@pytest.mark.parametrize("at", [0, 100_000])
@pytest.mark.parametrize("status", [400, 403])
async def test_refused_before_the_end(
    status: int, at: int, linger: bool, registry: Simulator, tmp_path: Path
) -> None:
    """The reason is read, not "broken pipe"; where a RST took the reason back, it is asked for again, or said so."""
    push = Push(registry, HUGE, tmp_path, access_for(tmp_path, retry=Retry(times=2, delay=0.01)))
    on_bodies(registry, u.Early(status, at=at, linger=linger, over=1_000_000))
    started = time.monotonic()
    error = await fails_then_works(push, NetworkError, "the simulator has seen enough" if linger else "[a-z]")
    assert time.monotonic() - started < 10
    if linger:
        assert HUGE.layer_digests()[0] in str(error)
        assert isinstance(error, RegistryError)
        assert push.retries == []


async def test_too_many_requests_before_the_end(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, HUGE, tmp_path, access_for(tmp_path))
    on_bodies(registry, u.Early(429, at=50_000, over=1_000_000), times=2)
    await push.run()
    push.check_there()


@pytest.mark.parametrize("linger", [True, False], ids=["linger", "rst"])
@pytest.mark.parametrize("limit", [5_000_000, 1_100_000])
async def test_no_large_bodies(limit: int, linger: bool, registry: Simulator, tmp_path: Path) -> None:
    """As behind a proxy with a limit: smaller pieces do."""
    push = Push(registry, HUGE, tmp_path, access_for(tmp_path))
    on_bodies(registry, u.Early(413, over=limit, linger=linger, body=b"<html>Request Entity Too Large</html>"))
    if not linger:
        # The reason does not always arrive; that it ends is what counts.
        try:
            await push.run()
        except NetworkError:
            return
    else:
        await push.run()
    push.check_there()
    assert all(r.length <= limit for r in registry.requests)


async def test_no_bodies_at_all(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, HUGE, tmp_path, access_for(tmp_path))
    on_bodies(registry, u.Early(413, over=100, body=b"<html>Request Entity Too Large</html>"))
    error = await fails_then_works(push, RegistryError, "413")
    assert "blob" in str(error)


class Impatient(httpx.AsyncBaseTransport):
    """A registry that answers in the middle of a body and keeps the rest of the request waiting."""

    def __init__(self) -> None:
        self.kept: list[AsyncIterator[bytes]] = []
        self.pieces = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, headers={"Location": "/v2/a/b/blobs/uploads/1"})
        if request.method != "PATCH":
            return httpx.Response(201 if request.method == "PUT" else 404)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        body = aiter(request.stream)
        self.kept.append(body)
        await anext(body)
        self.pieces += 1
        await anyio.sleep(0.1)  # in which the next piece is there, and nobody takes it
        return httpx.Response(403, stream=httpx.ByteStream(b'{"errors":[{"code":"DENIED","message":"seen enough"}]}'))


# --- a client that somebody brought ---


async def test_an_answer_while_the_body_waits_to_be_taken(tmp_path: Path) -> None:
    transport = Impatient()
    with Simulator() as unused, anyio.fail_after(5):
        async with httpx.AsyncClient(transport=transport) as client:
            push = Push(unused, LARGE_IMAGE, tmp_path, access_for(tmp_path, client=client))
            with pytest.raises(AccessDenied, match="seen enough"):
                await push.run("docker://registry.example.com/a/b:c")
        for body in transport.kept:
            await body.aclose()  # type: ignore[attr-defined]
    assert transport.pieces == 1
