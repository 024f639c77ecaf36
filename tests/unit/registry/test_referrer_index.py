"""The list of referrers by tag is changed without losing what other writers add at the same time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import httpx
import pytest

from pyskopeo.errors import AccessDenied, InvalidContent, RegistryError
from pyskopeo.http.tls import Trust
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.registry import tagged_update
from pyskopeo.registry.referrer_index import addition_of_referrers, removal_of_referrers
from pyskopeo.registry.repository_writer import RepositoryWriter
from pyskopeo.registry.sessions import open_session
from tests.support.access import access_for, networked
from tests.support.images import ImageSpec, build, digest_of
from tests.support.referring import INDEX, SBOM, index_of
from tests.support.scripted import HOST, Script, answer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

TYPE = "application/vnd.oci.image.manifest.v1+json"
SUBJECT = Digest.of(b"subject")
PATH = f"/v2/a/b/manifests/sha256-{SUBJECT.hex}"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagged_update, "_LONGEST_WAIT", 0.001)


async def add_referrers(writer: RepositoryWriter, subject: Digest, descriptors: list[Descriptor]) -> None:
    await addition_of_referrers(writer, subject, descriptors).run()


async def add_referrer(writer: RepositoryWriter, subject: Digest, added: Descriptor) -> None:
    await add_referrers(writer, subject, [added])


async def remove_referrers(writer: RepositoryWriter, subject: Digest, digests: list[Digest]) -> None:
    await removal_of_referrers(writer, subject, digests).run()


def descriptor(content: bytes) -> Descriptor:
    return Descriptor(TYPE, Digest.of(content), len(content), artifact_type=SBOM)


def entry(content: bytes) -> dict[str, object]:
    return {"mediaType": TYPE, "digest": digest_of(content), "size": len(content), "artifactType": SBOM}


class Tag:
    """The tag in a registry: ``raw`` is the index. ``honours`` is whether conditions are; ``etag`` how it is told.

    ``before_put`` is called with the number of each PUT, from 1, before it is looked at, ``after_put`` after it.
    """

    def __init__(self, script: Script, raw: bytes | None = None, *, honours: bool = False, etag: str = '"{}"') -> None:
        self.raw, self.honours, self.etag = raw, honours, etag
        self.before_put: Callable[[int], None] = lambda number: None
        self.after_put: Callable[[int], None] = lambda number: None
        self.puts: list[httpx.Request] = []
        script.on(PATH, self._get)
        script.on(PATH, self._put, method="PUT")

    @property
    def digests(self) -> list[str]:
        return [one["digest"] for one in json.loads(self.raw or b"{}").get("manifests", [])]

    def _etag(self) -> str:
        return self.etag.format(digest_of(self.raw or b""))

    def _get(self, request: httpx.Request) -> httpx.Response:
        if self.raw is None:
            return answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')(request)
        tag = {"ETag": self._etag()} if self.etag else {}
        return answer(200, self.raw, Content_Type=INDEX, Docker_Content_Digest=digest_of(self.raw), **tag)(request)

    def _put(self, request: httpx.Request) -> httpx.Response:
        self.puts.append(request)
        self.before_put(len(self.puts))
        match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
        if self.honours and ((match and match != self._etag()) or (none_match and self.raw is not None)):
            return answer(412)(request)
        assert request.headers["content-type"] == INDEX
        self.raw = request.content
        self.after_put(len(self.puts))
        return answer(201)(request)


@asynccontextmanager
async def writing(script: Script) -> AsyncIterator[RepositoryWriter]:
    reference = Reference.parse(f"{HOST}/a/b:v1")
    async with httpx.AsyncClient(verify=False) as client:
        access = replace(networked(access_for(script.home, trust=Trust()), client=client), report=script.events.append)
        async with open_session(reference, access, actions="pull,push") as session:
            yield RepositoryWriter(reference, session)


async def test_a_first_referrer(script: Script) -> None:
    tag = Tag(script)
    async with writing(script) as writer:
        await add_referrer(writer, SUBJECT, descriptor(b"1"))
    assert json.loads(tag.raw or b"") == json.loads(index_of(entry(b"1")))
    (put,) = tag.puts
    assert put.headers["if-none-match"] == "*"
    assert "if-match" not in put.headers


@pytest.mark.parametrize(("etag", "condition"), [('"{}"', '"{}"'), ('W/"{}"', None), ("", None)])
async def test_one_more(etag: str, condition: str | None, script: Script) -> None:
    raw = index_of(entry(b"1"))
    tag = Tag(script, raw, etag=etag)
    async with writing(script) as writer:
        await add_referrers(writer, SUBJECT, [descriptor(b"2"), descriptor(b"3")])
    assert tag.digests == [digest_of(content) for content in (b"1", b"2", b"3")]
    (put,) = tag.puts
    assert put.headers.get("if-match") == (condition and condition.format(digest_of(raw)))
    assert "if-none-match" not in put.headers
    assert len(script.asked(PATH)) == 2  # it is read again afterwards


@pytest.mark.parametrize("raw", [index_of(entry(b"1"), entry(b"2")), None])
async def test_nothing_to_do_is_not_written(raw: bytes | None, script: Script) -> None:
    tag = Tag(script, raw)
    async with writing(script) as writer:
        if raw is not None:
            await add_referrers(writer, SUBJECT, [descriptor(b"2")])
        await add_referrers(writer, SUBJECT, [])
        await remove_referrers(writer, SUBJECT, [Digest.of(b"3")])
    assert tag.puts == []


async def test_removed(script: Script) -> None:
    tag = Tag(script, index_of(entry(b"1"), entry(b"2")), honours=True)
    async with writing(script) as writer:
        await remove_referrers(writer, SUBJECT, [Digest.of(b"1")])
        assert tag.digests == [digest_of(b"2")]
        await remove_referrers(writer, SUBJECT, [Digest.of(b"2")])
    assert tag.raw == b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


@pytest.mark.parametrize("start", [None, index_of(entry(b"0"))])
async def test_another_writer_between_reading_and_writing(start: bytes | None, script: Script) -> None:
    """Where conditions are honoured nothing is overwritten."""
    tag = Tag(script, start, honours=True)

    def others(number: int) -> None:
        if number <= 2:
            tag.raw = index_of(*([entry(b"0")] if start else []), *(entry(b"%d" % other) for other in range(1, number + 1)))

    tag.before_put = others
    async with writing(script) as writer:
        await add_referrer(writer, SUBJECT, descriptor(b"ours"))
    assert tag.digests == [digest_of(one) for one in ([b"0"] if start else []) + [b"1", b"2", b"ours"]]
    assert len(tag.puts) == 3


async def test_overwritten_by_one_who_had_read_it_before(script: Script) -> None:
    tag = Tag(script)

    def overwrite(number: int) -> None:
        if number == 1:
            tag.raw = index_of(entry(b"theirs"))

    tag.after_put = overwrite
    async with writing(script) as writer:
        await add_referrer(writer, SUBJECT, descriptor(b"ours"))
    assert tag.digests == [digest_of(b"theirs"), digest_of(b"ours")]


@pytest.mark.parametrize("honours", [True, False])
async def test_many_at_once_lose_nothing(honours: bool, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagged_update, "_LONGEST_WAIT", 1.0)
    tag = Tag(script, honours=honours)
    contents = [b"%d" % number for number in range(6)]
    async with writing(script) as writer, anyio.create_task_group() as tasks:
        for content in contents:
            tasks.start_soon(add_referrer, writer, SUBJECT, descriptor(content))
    assert sorted(tag.digests) == sorted(map(digest_of, contents))


async def test_a_registry_that_knows_no_conditions(script: Script) -> None:
    """It refuses every one, although nothing has changed."""
    tag = Tag(script, index_of(entry(b"1")))
    accepted = tag._put
    script.on(PATH, lambda request: answer(412)(request) if "if-match" in request.headers else accepted(request), method="PUT")
    async with writing(script) as writer:
        await add_referrer(writer, SUBJECT, descriptor(b"2"))
    assert tag.digests == [digest_of(b"1"), digest_of(b"2")]


async def test_a_response_that_was_lost(script: Script) -> None:
    """The index was written; the same request again is refused, since it has changed."""
    tag = Tag(script, honours=True)
    accepted = tag._put
    lost: list[httpx.Request] = []

    def put(request: httpx.Request) -> httpx.Response:
        response = accepted(request)
        if not lost:
            lost.append(request)
            return answer(503)(request)
        return response

    script.on(PATH, put, method="PUT")
    async with writing(script) as writer:
        await add_referrer(writer, SUBJECT, descriptor(b"1"))
    assert tag.digests == [digest_of(b"1")]


async def test_given_up_in_the_end(script: Script) -> None:
    tag = Tag(script)

    def overwrite(number: int) -> None:
        tag.raw = index_of(entry(b"%d" % number))

    tag.after_put = overwrite
    async with writing(script) as writer:
        with pytest.raises(RegistryError, match="others keep replacing it"):
            await add_referrer(writer, SUBJECT, descriptor(b"ours"))
    tag.before_put, tag.honours = overwrite, True
    async with writing(script) as writer:
        with pytest.raises(RegistryError) as caught:
            await add_referrer(writer, SUBJECT, descriptor(b"ours"))
    assert caught.value.status == 412


async def test_a_tag_of_something_else_is_not_changed(script: Script) -> None:
    image = build(ImageSpec())
    tag = Tag(script, image.root.raw)
    async with writing(script) as writer:
        with pytest.raises(InvalidContent, match="it is no index, so it is not changed"):
            await add_referrer(writer, SUBJECT, descriptor(b"1"))
    assert (tag.raw, tag.puts) == (image.root.raw, [])


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_errors_are_raised(method: str, script: Script) -> None:
    Tag(script)
    script.on(PATH, answer(403, b'{"errors":[{"code":"DENIED","message":"no"}]}'), method=method)
    async with writing(script) as writer:
        with pytest.raises(AccessDenied, match="no"):
            await add_referrer(writer, SUBJECT, descriptor(b"1"))


async def test_damaged_on_the_way(script: Script) -> None:
    Tag(script)
    raw = index_of(entry(b"1"))
    script.on(PATH, answer(200, raw, Content_Type=INDEX, Docker_Content_Digest=digest_of(b"other")))
    async with writing(script) as writer:
        with pytest.raises(InvalidContent, match="Docker-Content-Digest"):
            await add_referrer(writer, SUBJECT, descriptor(b"2"))


@pytest.mark.parametrize(
    ("took", "round_trip", "least", "most"),
    [(0.06, 0.03, 0.025, 0.04), (0.6, 0.001, 0.74, 0.9), (0.01, float("inf"), 0.0125, 0.015), (60.0, 0.1, 1.0, 1.0)],
    ids=["a slow line", "a slow registry", "nothing known", "bounded"],
)
async def test_how_long_others_are_waited_for(
    took: float, round_trip: float, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagged_update, "_LONGEST_WAIT", 1.0)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    await tagged_update._wait_for_others(took, round_trip)
    assert least <= waited[0] <= most
