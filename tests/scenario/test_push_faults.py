"""Everything that can go wrong while a registry is pushed to, through the real wire, on both event loops.

Each case ends in success, or in one clear error; see `Push.check` for what holds either way.
"""

from __future__ import annotations

import datetime as dt
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
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.access import access_for
from tests.support.images import ImageSpec, LayerSpec, build, digest_of
from tests.support.publishing import Push, kind
from tests.support.simulator import BearerGate, Pushing, Simulator
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.anyio

IMAGE = build(
    ImageSpec(
        layers=(
            LayerSpec("large", size=1_400_000, compression="none"),
            LayerSpec("small", size=700, compression="gzip"),
        )
    )
)
LARGE, SMALL = IMAGE.layer_digests()
LENGTH = {digest: len(data) for digest, data in IMAGE.blobs.items()}
TOTAL = sum(LENGTH.values())
HUGE = build(ImageSpec(layers=(LayerSpec("huge", size=6_000_000, compression="none"),)))
ONE_LOOP = pytest.mark.parametrize("anyio_backend", ["asyncio"])
# However an upload is sent: the requests that carry its bytes.
BODIES = ("PUT", "PATCH")


@pytest.fixture
def pushing() -> Pushing:
    return Pushing()


@pytest.fixture
def registry(pushing: Pushing) -> Iterator[Simulator]:
    with Simulator(pushing=pushing) as running:
        yield running


@pytest.fixture
def push(registry: Simulator, tmp_path: Path) -> Push:
    return Push(registry, IMAGE, tmp_path, access_for(tmp_path))


@pytest.fixture(params=["large", "small"])
def digest(request: pytest.FixtureRequest) -> str:
    return LARGE if request.param == "large" else SMALL


def on_bodies(registry: Simulator, fault: f.Fault, *, times: int | None = None, skip: int = 0) -> None:
    registry.on("/v2/*/blobs/uploads/*", fault, times=times, skip=skip, methods=BODIES)


async def fails_then_works(push: Push, error: type[PyskopeoError], match: str = "[a-z]") -> PyskopeoError:
    """The push fails in one clear line, leaves nothing (see `Push.run`), and works once the fault is gone."""
    with pytest.raises(error, match=match) as caught:
        await push.run()
    assert isinstance(caught.value, error)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert push.names() == {}
    push.registry.heal()
    push.closes = False
    await push.run()
    push.check_there()
    return caught.value


# --- bodies cut short ---


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("lose", [False, True], ids=["kept", "lost"])
@pytest.mark.parametrize("where", ["head", "first", "second", "middle", "last"])
async def test_a_cut_body_is_sent_on(where: str, lose: bool, reset: bool, push: Push, registry: Simulator) -> None:
    length = LENGTH[LARGE]
    at = {"head": 0, "first": 1, "second": 2, "middle": length // 2, "last": length - 1}[where]
    # One upload after the other, the largest first, so that it is the one that is cut.
    on_bodies(registry, u.CutUpload(at, reset, lose), times=1)
    await push.run(jobs=1)
    push.check_there()
    assert len(push.retries) == 1
    assert LARGE[7:19] in push.retries[0].what
    if not lose and not reset and where == "middle":
        assert push.sent == TOTAL  # what had come was not sent again


@pytest.mark.parametrize("at", [0, 1, 300])
async def test_a_small_body_is_cut(at: int, registry: Simulator, push: Push) -> None:
    on_bodies(registry, u.CutUpload(at), times=3)
    await push.run()
    push.check_there()


@pytest.mark.parametrize(
    "pushing",
    [Pushing(keeps=False), Pushing(status=False), Pushing(stale="served"), Pushing(stale="lost"),
     Pushing(absolute=True, query=False), Pushing(chunk_min=100_000)],
    ids=["forgetful", "no-status", "served", "lost", "path", "chunk-min"],
)  # fmt: skip
async def test_every_kind_of_registry_after_a_cut(push: Push, registry: Simulator) -> None:
    on_bodies(registry, u.CutUpload(LENGTH[LARGE] // 3), times=1)
    push.closes = registry.pushing.stale != "lost"  # nobody can, there
    await push.run(jobs=1)
    push.check_there()


async def test_cut_many_times_with_progress(push: Push, registry: Simulator) -> None:
    """Each request brings a good part of it, so there may be more cuts than repetitions."""
    push.access = access_for(push.home, retry=Retry(times=1, delay=0.01))
    on_bodies(registry, u.CutUpload(300_000), times=3)
    await push.run(jobs=1)
    push.check_there()
    assert push.sent == TOTAL


async def test_cut_every_time(push: Push, registry: Simulator) -> None:
    on_bodies(registry, u.CutUpload(10))
    await fails_then_works(push, ConnectionFailed, f"127.0.0.1:{registry.port}")
    assert len(push.retries) <= 4 * len(IMAGE.blobs)


async def test_a_registry_that_loses_every_upload(push: Push, registry: Simulator) -> None:
    on_bodies(registry, u.CutUpload(1000, lose=True))
    await fails_then_works(push, ConnectionFailed)


async def test_cut_again_where_it_goes_on(push: Push, registry: Simulator) -> None:
    for number, at in enumerate((400_000, 5, 300_000)):
        on_bodies(registry, u.CutUpload(at, lose=number == 1), times=1, skip=number)
    await push.run(jobs=1)
    push.check_there()


# --- no answer ---


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("what", ["HEAD manifests", "HEAD blobs", "POST blobs/uploads", "PUT manifests"])
async def test_an_answer_that_never_comes(what: str, reset: bool, push: Push, registry: Simulator) -> None:
    """What was asked was done: an upload was opened, of which only the registry knows; a manifest was written."""
    method, path = what.split()
    registry.on(f"/v2/*/{path}/*", f.Drop(reset), times=2, methods=(method,))
    push.closes = method != "POST"
    await push.run()
    push.check_there()


@pytest.mark.parametrize("reset", [False, True])
async def test_the_answer_to_the_last_byte_never_comes(reset: bool, push: Push, registry: Simulator) -> None:
    """The upload is complete and forgotten; the blob is there."""
    on_bodies(registry, f.Drop(reset), times=2)
    await push.run()
    push.check_there()


async def test_nobody_answers(push: Push, registry: Simulator) -> None:
    """All is done and every answer is lost: that the blob is there then says it, and it is not sent again for ever."""
    on_bodies(registry, f.Drop())
    push.access = access_for(push.home, retry=Retry(times=2, delay=0.01))
    await push.run()
    push.check_there()
    assert push.sent <= 2 * TOTAL


# --- refusals that pass ---

WHERE = {
    "HEAD of a manifest": ("/v2/*/manifests/*", ("HEAD",)),
    "HEAD of a blob": ("/v2/*/blobs/sha256*", ("HEAD",)),
    "POST": ("/v2/*/uploads/", ("POST",)),
    "body": ("/v2/*/uploads/*", BODIES),
    "manifest": ("/v2/*/manifests/*", ("PUT",)),
}


@ONE_LOOP
@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_burst_of_refusals(status: int, where: str, push: Push, registry: Simulator) -> None:
    path, methods = WHERE[where]
    registry.on(path, f.Refuse(status), times=3, methods=methods)
    await push.run(jobs=1)
    push.check_there()
    assert len(push.retries) == 3
    assert str(status) in push.retries[0].reason


@ONE_LOOP
@pytest.mark.parametrize("where", ["POST", "body", "manifest"])
async def test_it_waits_as_long_as_it_is_told(where: str, push: Push, registry: Simulator) -> None:
    path, methods = WHERE[where]
    registry.on(path, f.Refuse(429, retry_after=1), times=1, methods=methods)
    started = time.monotonic()
    await push.run(jobs=1)
    assert 1 <= time.monotonic() - started < 4
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
@pytest.mark.parametrize("where", WHERE)
async def test_refusals_use_up_the_repetitions(where: str, push: Push, registry: Simulator) -> None:
    path, methods = WHERE[where]
    registry.on(path, f.Refuse(503), methods=methods)
    error = await fails_then_works(push, RegistryError, "503")
    assert isinstance(error, RegistryError)
    assert error.temporary
    assert "test/image" in str(error)


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
@pytest.mark.parametrize("where", ["HEAD of a manifest", "POST", "body", "manifest"])
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
    if where == "HEAD of a manifest" and status == 403:
        registry.on(*WHERE["manifest"][:1], f.Refuse(status, body=body), methods=("PUT",))
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


# --- uploads that are lost, and answers that say something else ---


async def test_a_lost_upload_is_begun_anew(push: Push, registry: Simulator, digest: str) -> None:
    on_bodies(registry, u.Lost(), times=2)
    await push.run(jobs=1)
    push.check_there()


async def test_all_uploads_are_lost(push: Push, registry: Simulator) -> None:
    on_bodies(registry, u.Lost())
    await fails_then_works(push, RegistryError, "blob upload unknown")


@pytest.mark.parametrize("said", ["0-5", "0-0", f"0-{10**17}", "bytes=0-9", "nonsense", "", None, "5-9", "0--1"])
async def test_a_wrong_range(said: str | None, push: Push, registry: Simulator) -> None:
    """Of a PATCH, and of the status after a cut. A blob is what it is called in the end, or it is not there."""
    on_bodies(registry, u.CutUpload(500_000), times=1)
    registry.on_upload("GET", f.SetHeaders({"Range": said}), times=1)
    registry.on_upload("PATCH", f.SetHeaders({"Range": said}), times=1)
    await ends_well_or_clearly(push)


async def test_a_wrong_range_for_ever(push: Push, registry: Simulator) -> None:
    on_bodies(registry, u.CutUpload(500_000), times=1)
    for method in ("GET", "PATCH"):
        registry.on_upload(method, f.SetHeaders({"Range": "0-99"}))
    await ends_well_or_clearly(push)


@ONE_LOOP
@pytest.mark.parametrize("location", [None, "", " ", "http://", "http://[", "file:///etc/passwd", "ftp://x/y",
                                      "javascript:1", "//", "http://user:pass@127.0.0.1/x", "http://127.0.0.1:99999/",
                                      "/a b", "/a\tb", "/\x7f"])  # fmt: skip
async def test_a_location_that_is_none(location: str | None, push: Push, registry: Simulator) -> None:
    registry.on_upload("POST", f.SetHeaders({"Location": location}))
    push.closes = False  # nobody knows where it is
    error = await fails_then_works(push, PyskopeoError)
    assert isinstance(error, (NetworkError, InvalidContent))


@pytest.mark.parametrize("status", [None, 200, 204])
async def test_a_blob_that_is_taken_without_a_word(status: int | None, push: Push, registry: Simulator) -> None:
    """201 without headers; 204 has been seen too."""
    registry.on_upload("PUT", u.Bare(status))
    await push.run()
    push.check_there()


@pytest.mark.parametrize("status", [None, 200])
async def test_a_manifest_that_is_taken_without_a_word(status: int | None, push: Push, registry: Simulator) -> None:
    registry.on(*WHERE["manifest"][:1], u.Bare(status), methods=("PUT",))
    await push.run()
    push.check_there()


async def test_it_says_that_it_has_another_manifest(push: Push, registry: Simulator) -> None:
    fault = f.SetHeaders({"Docker-Content-Digest": digest_of(b"other")})
    registry.on("/v2/*/manifests/*", fault, methods=("PUT",))
    push.takes_back = False
    with pytest.raises(ContentMismatch, match=digest_of(b"other")):
        await push.run()


async def ends_well_or_clearly(push: Push) -> PyskopeoError | None:
    """It may be taken either way; it is no crash, and it works when the fault is gone."""
    failure: PyskopeoError | None = None
    try:
        await push.run(jobs=1)
    except PyskopeoError as error:
        failure = error
        push.registry.heal()
        await push.run(jobs=1)
    assert failure is None or ("\n" not in str(failure) and len(str(failure)) < 600)
    push.check_there()
    return failure


async def test_it_says_that_it_has_another_blob(push: Push, registry: Simulator) -> None:
    """It was told the digest, and checked it or not: the manifest shows whether the blob is there."""
    registry.on_upload("PUT", f.SetHeaders({"Docker-Content-Digest": digest_of(b"other")}))
    failure = await ends_well_or_clearly(push)
    assert failure is None or isinstance(failure, ContentMismatch)


@ONE_LOOP
@pytest.mark.parametrize("said", ["", "sha256:", "nonsense", "md5:d41d8cd98f00b204e9800998ecf8427e", "x" * 10_000])
async def test_a_digest_that_says_nothing(said: str, push: Push, registry: Simulator) -> None:
    registry.on("/v2/*", f.SetHeaders({"Docker-Content-Digest": said}), methods=("PUT", "HEAD"))
    push.takes_back = False
    await ends_well_or_clearly(push)


# --- slow, and silent ---


async def test_a_slow_registry_is_waited_for(registry: Simulator, tmp_path: Path) -> None:
    """It takes longer than the time without progress that is allowed, but there is progress.

    What the two kernels hold of it, some 5 MB, must go in that time: nobody sees it go.
    """
    image = build(ImageSpec(layers=(LayerSpec("slow", size=24_000_000, compression="none"),)))
    push = Push(registry, image, tmp_path, access_for(tmp_path, stall_timeout=1.0))
    on_bodies(registry, u.DripUpload(250_000, 0.02))
    await push.run()
    push.check_there()
    assert push.retries == []


@pytest.mark.parametrize("at", [0, 1000])
async def test_a_silent_registry_is_given_up(at: int, registry: Simulator, tmp_path: Path) -> None:
    access = access_for(tmp_path, stall_timeout=0.5, retry=Retry(times=1, delay=0.01))
    push = Push(registry, HUGE, tmp_path, access)
    on_bodies(registry, u.StallUpload(at))
    started = time.monotonic()
    await fails_then_works(push, Stalled, "no progress")
    assert time.monotonic() - started < 15
    assert len(push.retries) >= 1


async def test_silent_once(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, HUGE, tmp_path, access_for(tmp_path, stall_timeout=0.5))
    on_bodies(registry, u.StallUpload(2_000_000), times=1)
    await push.run()
    push.check_there()


async def test_an_answer_that_takes_too_long(push: Push, registry: Simulator) -> None:
    push.access = access_for(push.home, stall_timeout=0.3)
    on_bodies(registry, f.Delay(1.0), times=1)
    await push.run(jobs=1)
    push.check_there()


# --- what was begun is ended ---


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_upload_is_being_opened_when_all_is_over(cancelled: bool, push: Push, registry: Simulator) -> None:
    """The registry has opened it; that it is not wanted any more is no reason not to hear where it is."""
    registry.on_upload("POST", f.Delay(0.4))
    if cancelled:
        with anyio.fail_after(5), anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                async def cancel() -> None:
                    while not registry.open_uploads:
                        await anyio.sleep(0.02)
                    scope.cancel()

                tasks.start_soon(cancel)
                await push.run()
        assert scope.cancelled_caught
    else:
        with Simulator(IMAGE) as source:
            source.on_blob(IMAGE.config_digest(), f.Refuse(404), f.Delay(0.2))
            with pytest.raises(RegistryError, match="404"):
                await push.run(source=source.name())
    assert push.asked["POST upload"] == push.asked["DELETE upload"] > 0


async def test_an_upload_instead_of_a_mount_and_no_answer_to_the_question_after_it(tmp_path: Path) -> None:
    with Simulator(pushing=Pushing(mounts=False)) as registry:
        registry.add(IMAGE, "from/here", "v1")
        registry.on("/v2/test/image/blobs/sha256*", f.Refuse(503), methods=("HEAD",))
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, retry=Retry(times=1, delay=0.01)))
        with pytest.raises(RegistryError, match="503"):
            await push.run(source=registry.name("from/here", "v1"), jobs=1)
        assert push.asked["POST upload"] == push.asked["DELETE upload"]


# --- tokens ---


async def test_a_token_that_expires_between(token_server: TokenServer, tmp_path: Path) -> None:
    """Every few requests all tokens are void; the body that meets a 401 is sent again with a new one."""
    count = 0

    def accepts(token: str, scope: str) -> bool:
        nonlocal count
        count += 1
        if count % 5 == 0:
            token_server.forget()
        return token_server.accepts(token, scope)

    with Simulator(gate=BearerGate(token_server.realm, accepts)) as registry:
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=Credentials("user", "pass")))
        await push.run(jobs=1)
        push.check_there()


@pytest.mark.parametrize("early", [False, True])
async def test_a_token_that_expires_in_the_middle(early: bool, token_server: TokenServer, tmp_path: Path) -> None:
    challenge = f'Bearer realm="{token_server.realm}",service="simulator",scope="repository:test/image:pull,push"'
    with Simulator(gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
        fault: f.Fault = f.Challenge((challenge,))
        if early:
            fault = u.Early(401, at=300_000, over=1_000_000, headers=(("WWW-Authenticate", challenge),))
        on_bodies(registry, fault, times=1)
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=Credentials("user", "pass")))
        await push.run(jobs=1)
        push.check_there()
        # The one that expired, its successor, and perhaps one that may cancel too.
        assert len({r.header("Authorization") for r in registry.requests if kind(r) == "upload"}) <= 3


async def test_cancelling_needs_another_scope(token_server: TokenServer, tmp_path: Path) -> None:
    """docker-registry asks for ``delete``, whether an upload or an image is deleted: it must not cost the push its token."""
    with Simulator(gate=BearerGate(token_server.realm, token_server.accepts), pushing=Pushing(mounts=False)) as registry:
        registry.add(IMAGE, "private/from", "v1")
        registry.store.add_blob("test/image", LARGE, IMAGE.blobs[LARGE])
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=Credentials("user", "pass")))
        await push.run(source=registry.name("private/from", "v1"), jobs=1)
        push.check_there()
        assert push.asked["DELETE upload"] >= 1
        assert push.retries == []


async def test_no_right_to_cancel(tmp_path: Path) -> None:
    """What cannot be cancelled stays open, and the error is that of the push."""
    from tests.support.token_server import TokenRules

    def grant(user: str, name: str, actions: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(action for action in actions if action != "delete")

    with TokenServer(tmp_path / "tokens", TokenRules(grant=grant)) as tokens:
        with Simulator(gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            on_bodies(registry, f.Refuse(400))
            push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=Credentials("user", "pass")))
            push.closes = False
            await fails_then_works(push, RegistryError, "the simulator refuses")
