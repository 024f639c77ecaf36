"""A push that was interrupted goes on in the next run, where the registry still knows the upload."""

from __future__ import annotations

import json
import re
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from pyskopeo.access import Access
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import PyskopeoError, RegistryError
from pyskopeo.http.retry import Retry
from pyskopeo.model.digest import Digest
from pyskopeo.storage.upload_records import UploadRecords
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.access import access_for, networked
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import started
from tests.support.exchange import Request
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import write_layout
from tests.support.processes import wait_until
from tests.support.publishing import Push
from tests.support.simulator import BasicGate, Pushing, Simulator
from tests.support.tls import Authority

pytestmark = pytest.mark.anyio

SIZE = 8_000_000
HALF = SIZE // 2
IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=SIZE, compression="none"),)))
(LAYER,) = IMAGE.layer_digests()
LAYER_SIZE = len(IMAGE.blobs[LAYER])
# A source sends five million bytes per second, so that few of them are under way when a push is interrupted.
SLOWLY = f.Drip(100_000, 0.02)


@pytest.fixture
def image() -> BuiltImage:
    return IMAGE


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def push(registry: Simulator, image: BuiltImage, tmp_path: Path, cache: Path) -> Push:
    return Push(registry, image, tmp_path, caching(access_for(tmp_path, retry=Retry(times=1, delay=0.01)), cache))


def caching(access: Access, cache: Path | None) -> Access:
    return replace(access, storage=replace(access.storage, cache=cache))


def layout(folder: Path) -> str:
    return f"oci:{write_layout(IMAGE, folder / 'source')}:latest"


def records(cache: Path) -> list[Path]:
    return list((cache / "uploads").glob("*"))


def patched(push: Push) -> int:
    """Bytes of the layer that were sent."""
    return sum(request.length for request in push.registry.requests if request.method == "PATCH")


@contextmanager
def slow_source(fault: f.Fault = SLOWLY) -> Iterator[str]:
    """The name of the image at a registry that sends the layer slowly, or as ``fault`` has it."""
    with Simulator(IMAGE) as source:
        source.on_blob(LAYER, fault)
        yield source.name()


def settled(registry: Simulator) -> int:
    """Bytes of the uploads that are open, once no request is under way."""
    assert wait_until(lambda: not registry._busy, 20)
    return registry.uploads.taken()


async def interrupt(push: Push, least: int = HALF, fault: f.Fault = SLOWLY) -> int:
    """Cancel a push when the registry has ``least`` bytes of the layer; how many it has then."""
    push.closes = False
    with slow_source(fault) as source, anyio.fail_after(20), anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                while push.registry.uploads.taken() < least:
                    await anyio.sleep(0.01)
                scope.cancel()

            tasks.start_soon(cancel)
            await push.run(source=source, source_access=access_for(push.home))
    assert scope.cancelled_caught
    there = settled(push.registry)
    push.forget()
    push.closes = True
    return there


def interrupted(registry: Simulator, number: signal.Signals, *words: str) -> tuple[int, str]:
    """A push by a process that gets a signal when the registry has half of the layer: exit code and standard error."""
    words = ("--src-tls-verify=false", "--dest-tls-verify=false", *words)
    with slow_source() as source, started("copy", *words, source, registry.name()) as process:
        assert wait_until(lambda: registry.uploads.taken() >= HALF, 20)
        process.send_signal(number)
        said = process.communicate(timeout=20)[1].decode()
    return process.returncode, said


@pytest.mark.parametrize("pushing", [Pushing(), Pushing(query=False), Pushing(absolute=True), Pushing(stale="lost")],
                         ids=["query", "path", "absolute", "docker-registry 2.8"])  # fmt: skip
async def test_after_a_cancellation(push: Push, registry: Simulator, cache: Path) -> None:
    """Only what is missing is sent; without any other request than one that asks what that is."""
    there = await interrupt(push)
    assert there >= HALF
    (record,) = records(cache)
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700
    await push.run()
    push.check_there()
    assert patched(push) == LAYER_SIZE - there
    asked = [push.asked[f"{method} upload"] for method in ("GET", "PATCH", "DELETE")]
    assert asked == [1, there < LAYER_SIZE, 0]
    assert records(cache) == []


async def test_over_tls(authority: Authority, tmp_path: Path, cache: Path) -> None:
    with Simulator(tls=authority.server("resumed"), pushing=Pushing(stale="lost")) as registry:
        push = Push(registry, IMAGE, tmp_path, caching(access_for(tmp_path), cache))
        there = await interrupt(push)
        await push.run()
        push.check_there()
        assert patched(push) == LAYER_SIZE - there < LAYER_SIZE


async def test_through_a_client_of_the_caller(push: Push) -> None:
    async with httpx.AsyncClient() as client:
        push.access = networked(push.access, client=client)
        there = await interrupt(push)
        await push.run()
    push.check_there()
    assert patched(push) == LAYER_SIZE - there < LAYER_SIZE


@pytest.mark.parametrize("trouble", [f.Drop(), f.Refuse(503)], ids=["no answer", "503"])
async def test_after_a_failure_of_more_than_all_retries(
    trouble: f.Fault, push: Push, registry: Simulator, cache: Path
) -> None:
    push.closes = False
    registry.on_upload("PATCH", u.CutUpload(HALF, reset=True))
    for method in ("GET", "DELETE"):
        registry.on_upload(method, trouble)
    registry.on_upload("POST", trouble, skip=2)
    with pytest.raises(PyskopeoError):
        await push.run()
    assert len(records(cache)) == 1
    there = registry.uploads.taken()
    for _ in range(2):  # nor is it lost by a run that does not reach the registry's uploads at all
        push.forget()
        for method in ("GET", "DELETE", "POST"):
            registry.on_upload(method, trouble)
        with pytest.raises(PyskopeoError):
            await push.run()
    push.forget()
    await push.run()
    push.check_there()
    assert patched(push) == LAYER_SIZE - there


def test_after_a_kill(registry: Simulator, tmp_path: Path) -> None:
    """The record says enough at any time, although nobody could write one at the end."""
    interrupted(registry, signal.SIGKILL, "-q")
    there, before = settled(registry), len(registry.requests)
    words = ("copy", "--progress=json", "--dest-tls-verify=false", layout(tmp_path), registry.name())
    events = [json.loads(line) for line in succeed(pyskopeo_here(*words)).stderr.splitlines()]
    assert sum(r.length for r in registry.requests[before:] if r.method == "PATCH") == LAYER_SIZE - there
    assert registry.open_uploads == ()
    assert [event["kept"] for event in events if event["event"] == "BlobFinished" and event["digest"] == LAYER] == [there]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_a_signal(number: signal.Signals, registry: Simulator, tmp_path: Path, clean_environment: Path) -> None:
    """Of an upload that is recorded nothing is lost, and the record is not in the way of another repository's."""
    assert interrupted(registry, number, "-q")[0] == 128 + number
    there, before = settled(registry), len(registry.requests)
    words = ("copy", "-q", "--dest-tls-verify=false", layout(tmp_path))
    succeed(pyskopeo_here(*words, registry.name("other/repository")))
    assert len(records(clean_environment / ".cache" / "pyskopeo")) == 1
    assert any(request.length >= LAYER_SIZE for request in registry.requests[before:])
    before = len(registry.requests)
    succeed(pyskopeo_here(*words, registry.name()))
    assert sum(r.length for r in registry.requests[before:] if r.method == "PATCH") == LAYER_SIZE - there
    assert records(clean_environment / ".cache" / "pyskopeo") == []


async def test_all_was_sent_and_only_the_end_is_missing(push: Push, registry: Simulator) -> None:
    push.closes = False
    registry.on_upload("PUT", f.Refuse(503))
    with pytest.raises(RegistryError, match="503"):
        await push.run(jobs=1)
    push.forget()
    # The small one was sent within the request that was refused.
    push.closes = False
    await push.run()
    push.check_there()
    assert push.asked["PATCH upload"] == 0


async def test_the_blob_has_come_there_by_another_way(push: Push, registry: Simulator) -> None:
    await interrupt(push)
    registry.store.add_blob("test/image", LAYER, IMAGE.blobs[LAYER])
    push.closes = False
    await push.run()
    assert push.asked["PATCH upload"] == push.asked["GET upload"] == 0


# --- where the upload cannot go on, the blob is sent from its beginning ---


Change = Callable[[Simulator], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda registry: registry.uploads._open.clear(),
        lambda registry: registry.on_upload("GET", f.Refuse(404)),
        lambda registry: registry.on_upload("GET", f.Refuse(403)),
        lambda registry: registry.on_upload("GET", f.SetHeaders({"Range": f"0-{LAYER_SIZE + 5}"})),
        lambda registry: registry.on_upload("GET", f.SetHeaders({"Range": None})),
        lambda registry: registry.on_upload("GET", f.SetHeaders({"Location": "file:///etc/passwd"})),
    ],
    ids=["forgotten", "404", "403", "more than there is", "without Range", "a Location that is none"],
)
async def test_the_registry_cannot_continue(change: Change, push: Push, registry: Simulator, cache: Path) -> None:
    await interrupt(push)
    change(registry)
    await push.run()
    push.check_there()
    assert patched(push) == LAYER_SIZE
    assert records(cache) == []


@pytest.mark.parametrize("trouble", [f.Drop(), f.Refuse(500)], ids=["no answer", "500"])
async def test_a_registry_that_never_says_what_it_has(trouble: f.Fault, push: Push, registry: Simulator) -> None:
    """Another upload does."""
    await interrupt(push)
    registry.on_upload("GET", trouble)
    push.closes = False
    await push.run()
    push.check_there()
    assert patched(push) == LAYER_SIZE


async def test_the_registry_claims_more_than_it_was_sent(push: Push, registry: Simulator, cache: Path) -> None:
    """What it has beyond that would not be ours."""
    there = await interrupt(push)
    (path,) = records(cache)
    assert there <= read(path)["sent"] < LAYER_SIZE
    registry.on_upload("GET", f.SetHeaders({"Range": f"0-{LAYER_SIZE - 1}"}))
    await push.run()
    push.check_there()
    assert patched(push) == LAYER_SIZE


async def test_what_the_registry_has_is_something_else(push: Push, registry: Simulator, cache: Path) -> None:
    """The digest decides, and the blob is sent once more; that is no retry."""
    there = await interrupt(push)
    push.access = networked(push.access, retry=Retry(times=0))
    registry.uploads.spoil()
    await push.run(jobs=1)
    push.check_there()
    assert patched(push) == 2 * LAYER_SIZE - there
    assert records(cache) == []


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text().splitlines()[0])
    return found


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(read(path) | changes) + "\n")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: rewrite(path, time=time.time() - 25 * 3600),
        lambda path: rewrite(path, time=time.time() + 25 * 3600),
        lambda path: rewrite(path, upload="another"),
        lambda path: rewrite(path, sent=-1),
        lambda path: rewrite(path, sent="x"),
        lambda path: path.write_text(path.read_text().replace('"sent": ', '"sent": 1e999, "was": ')),
        lambda path: rewrite(path, location="http://[registry"),
        lambda path: rewrite(path, location="\x00\n"),
        lambda path: path.write_bytes(b"\xff{"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("[" * 20_000),
        lambda path: path.chmod(0o644),
        lambda path: path.unlink(),
    ],
    ids=["old", "of tomorrow", "of another upload", "negative", "no number", "infinite",
         "no URL", "control characters", "no text", "empty", "deep", "readable",
         "gone"],
)  # fmt: skip
async def test_a_record_that_cannot_be_used(
    spoil: Callable[[Path], object], push: Push, registry: Simulator, cache: Path
) -> None:
    await interrupt(push)
    spoil(records(cache)[0])
    push.closes = False
    await push.run()
    push.check_there()
    assert patched(push) == LAYER_SIZE
    assert push.asked["GET upload"] == 0


async def test_two_at_once_do_not_continue_one_upload(push: Push, registry: Simulator, cache: Path) -> None:
    there = await interrupt(push)
    record = UploadRecords(cache / "uploads").open(registry.host, "test/image", Digest.parse(LAYER))
    assert record is not None
    assert record.location
    push.closes = False
    await push.run()
    assert patched(push) == LAYER_SIZE
    assert registry.uploads.taken() == there, "the other's is not touched"
    record.close()


async def test_a_refused_upload_is_not_kept(push: Push, registry: Simulator, cache: Path) -> None:
    registry.on_upload("PATCH", u.Early(403, at=HALF))
    with pytest.raises(RegistryError, match="403"):
        await push.run()
    assert registry.open_uploads == ()
    assert records(cache) == []


async def test_an_upload_with_little_in_it_is_not_kept(push: Push, registry: Simulator, cache: Path) -> None:
    await interrupt(push, 1, f.Stall(300_000))  # however late a busy machine cancels it
    assert records(cache) == []


async def test_without_a_cache_directory_nothing_is_kept(registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, IMAGE, tmp_path, access_for(tmp_path))
    await interrupt(push)
    await begins_again(push)


async def test_nor_is_it_without_resume(push: Push, registry: Simulator, cache: Path) -> None:
    push.access = replace(push.access, storage=replace(push.access.storage, resume=False))
    await interrupt(push)
    await begins_again(push)
    assert not cache.exists()


async def begins_again(push: Push) -> None:
    push.closes = False  # a busy machine may have had no time to cancel the upload before
    await push.run()
    assert patched(push) == LAYER_SIZE
    assert push.asked["GET upload"] == 0


def test_no_resume_leaves_what_an_earlier_run_has_kept(
    registry: Simulator, tmp_path: Path, clean_environment: Path
) -> None:
    interrupted(registry, signal.SIGINT, "-q")
    before = len(registry.requests)
    words = ("copy", "-q", "--dest-tls-verify=false", layout(tmp_path), registry.name())
    succeed(pyskopeo_here(*words, "--no-resume"))
    assert len(records(clean_environment / ".cache" / "pyskopeo")) == 1
    assert sum(r.length for r in registry.requests[before:] if r.method == "PATCH") == LAYER_SIZE
    assert [r.header("Content-Length") for r in registry.requests[before:] if r.method == "PATCH"] == [str(LAYER_SIZE)]


@pytest.mark.parametrize("problem", ["a file", "read-only"])
async def test_a_cache_directory_that_cannot_be_used(problem: str, push: Push, cache: Path) -> None:
    if problem == "a file":
        cache.write_text("")
    else:
        cache.mkdir(0o555)
    await push.run()
    push.check_there()


# --- as before, otherwise ---


async def test_an_ordinary_push_asks_nothing_more(push: Push, cache: Path) -> None:
    await push.run()
    recorded = push.asked
    push.forget()
    push.access = caching(push.access, None)
    await push.run(push.registry.name("other/repository"))
    assert push.asked == recorded
    assert records(cache) == []


class OnlyWithLength(u.Early):
    """Refuses bodies without a length."""

    def concerns(self, request: Request) -> bool:
        return request.header("Content-Length") is None


@pytest.mark.parametrize("status", [411, 501])
async def test_a_registry_that_wants_a_length(status: int, push: Push, registry: Simulator) -> None:
    """As before there were records, it gets one."""
    registry.on_upload("PATCH", OnlyWithLength(status))
    await push.run()
    push.check_there()
    lengths = [r.header("Content-Length") for r in registry.requests if r.method == "PATCH"]
    assert lengths == [None, str(LAYER_SIZE)]


# --- secrets ---


@pytest.mark.parametrize("pushing", [Pushing(), Pushing(query=False)], ids=["query", "path"])
def test_where_an_upload_is_is_not_said(registry: Simulator, tmp_path: Path, clean_environment: Path) -> None:
    """Neither in the debugging log, nor by an error that repeats it."""
    _, said = interrupted(registry, signal.SIGINT, "--debug")
    (path,) = records(clean_environment / ".cache" / "pyskopeo")
    location = read(path)["location"]
    secrets = [word for word in re.split(r"[/?&=]", location.partition("/uploads/")[2]) if len(word) >= 16]
    assert secrets
    body = json.dumps({"errors": [{"code": "UNKNOWN", "message": f"cannot continue {location}"}]}).encode()
    registry.on_upload("PATCH", f.Refuse(500, body=body))
    words = ("--debug", "--retry-times=0", "--dest-tls-verify=false")
    done = pyskopeo_here("copy", *words, layout(tmp_path), registry.name())
    assert done.code == 1
    assert "goes on at byte" in done.stderr
    assert "cannot continue" in done.stderr
    for text in (said, done.stderr):
        for secret in secrets:
            assert secret not in text


async def test_credentials_are_sent_as_ever(tmp_path: Path, cache: Path) -> None:
    user = Credentials("user", "pass")
    with Simulator(gate=BasicGate({"user": "pass"}), pushing=Pushing()) as registry:
        access = access_for(tmp_path, credentials=user)
        push = Push(registry, IMAGE, tmp_path, caching(access, cache))
        there = await interrupt(push)
        await push.run()
        push.check_there()
        assert patched(push) == LAYER_SIZE - there


async def test_an_upload_at_another_origin_is_not_recorded(push: Push, registry: Simulator, cache: Path) -> None:
    with Simulator(pushing=Pushing()) as other:
        other.uploads = registry.uploads
        registry.on_upload("POST", u.Elsewhere(f"http://{other.host}"))
        await interrupt(push)
        assert any(request.method == "PATCH" for request in other.requests)
    assert records(cache) == []


async def test_a_record_that_names_another_origin_is_not_followed(push: Push, registry: Simulator, cache: Path) -> None:
    await interrupt(push)
    with Simulator(pushing=Pushing()) as other:
        (path,) = records(cache)
        location = read(path)["location"]
        rewrite(path, location=location.replace(registry.host, other.host))
        push.closes = False
        await push.run()
        assert not other.requests
    push.check_there()
    assert patched(push) == LAYER_SIZE
