"""Uploads that are lost, answered oddly, or not wanted any more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import ContentMismatch, InvalidContent, NetworkError, PyskopeoError, RegistryError
from pyskopeo.http.retry import Retry
from tests.scenario.push.faults.faults import fails_then_works, on_bodies
from tests.scenario.push.faults.images import HUGE, IMAGE, ONE_LOOP
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.images import digest_of
from tests.support.publishing import Push
from tests.support.simulator import Pushing, Simulator

pytestmark = pytest.mark.anyio


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


@dataclass(frozen=True)
class RangeOff:
    """States ``by`` bytes more than there are, in the form ``text``."""

    by: int = 1
    text: str = "0-{}"

    def apply(self, request: Request, response: Response) -> Response:
        found = dict(response.headers).get("Range")
        if found is None:
            return response
        return response.with_header("Range", self.text.format(int(found.rpartition("-")[2]) + self.by))


RANGES: dict[str, f.Fault] = {
    "one too far": RangeOff(),
    "one too few": RangeOff(-1),
    "far too far": RangeOff(10**9),
    "bytes=": RangeOff(0, "bytes=0-{}"),
    "bytes": RangeOff(0, "bytes 0-{}/*"),
    "of a total": RangeOff(0, "Bytes 0-{}/5000000"),
    "of an empty upload": f.SetHeaders({"Range": "0--1"}),
    "of one byte": f.SetHeaders({"Range": "0-0"}),
    "of the first chunk for ever": f.SetHeaders({"Range": "0-99999"}),
    "garbage": f.SetHeaders({"Range": "up to 11"}),
    "missing": f.SetHeaders({"Range": None}),
}


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("chunks", [False, True], ids=["whole", "chunks"])
async def test_a_range_is_a_hint(name: str, chunks: bool, registry: Simulator, tmp_path: Path) -> None:
    """What was sent and accepted is known: nothing is sent twice."""
    push = Push(registry, HUGE, tmp_path, access_for(tmp_path))
    registry.on_upload("PATCH", RANGES[name])
    if chunks:
        on_bodies(registry, u.Early(413, over=3_500_000))
    await push.run()
    push.check_there()
    assert push.retries == []
    assert sum(r.length for r in registry.requests if r.method == "PATCH" and r.length <= 3_500_000) <= len(
        HUGE.blobs[HUGE.layer_digests()[0]]
    )


@pytest.mark.parametrize("name", RANGES)
async def test_a_range_that_misleads_when_an_upload_is_resumed(name: str, push: Push, registry: Simulator) -> None:
    """The digest decides: what was put together wrongly is sent again from its first byte on, once."""
    on_bodies(registry, u.CutUpload(500_000), times=1)
    for method in ("GET", "PATCH"):
        registry.on_upload(method, RANGES[name])
    await push.run(jobs=1)
    push.check_there()
    assert len(push.retries) <= 2


async def test_content_that_is_refused_is_not_sent_for_ever(registry: Simulator, tmp_path: Path) -> None:
    """However doubtful the range."""
    push = Push(registry, HUGE, tmp_path, access_for(tmp_path))
    registry.on_upload("PATCH", RangeOff())
    registry.on_upload("PUT", f.Refuse(400, body=b'{"errors":[{"code":"DIGEST_INVALID"}]}'))
    push.closes = False
    with pytest.raises(RegistryError, match="digest invalid"):
        await push.run(jobs=1)
    assert sum(r.method == "PATCH" for r in registry.requests) == 2


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
    registry.on("/v2/*/manifests/*", u.Bare(status), methods=("PUT",))
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
        await push.run(source=registry.name("from/here", "v1"), jobs=1)
        push.check_there()
        assert push.asked["POST upload"] == push.asked["PUT upload"] == len(IMAGE.blobs)
