"""The calls that change manifests, as requests and answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

import pyskopeo
from pyskopeo.errors import (
    AccessDenied,
    ConnectionFailed,
    ContentMismatch,
    ManifestRefused,
    NotFound,
    PyskopeoError,
    RegistryError,
)
from pyskopeo.http.tls import Trust
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.reference import Reference
from pyskopeo.registry.repository_writer import RepositoryWriter
from pyskopeo.registry.sessions import open_session
from tests.support.access import access_for, networked
from tests.support.images import build, digest_of
from tests.support.scripted import HOST, Answer, Script, answer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

IMAGE = build("docker")
MANIFEST = Manifest.parse(IMAGE.root.raw)
DIGEST = IMAGE.digest
TAG, PINNED = "/v2/a/b/manifests/v1", f"/v2/a/b/manifests/{DIGEST}"


@asynccontextmanager
async def writing(script: Script, access: pyskopeo.Access | None = None) -> AsyncIterator[RepositoryWriter]:
    reference = Reference.parse(f"{HOST}/a/b:v1")
    access = access or access_for(script.home, trust=Trust())
    async with httpx.AsyncClient(verify=False) as client:
        access = replace(networked(access, client=client), report=script.events.append)
        async with open_session(reference, access, actions="pull,push") as session:
            yield RepositoryWriter(reference, session)


def refusal(status: int, code: str = "", message: str = "told so", **headers: str) -> Answer:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode() if code else b"<html>"
    return answer(status, body, **headers)


# --- HEAD ---


@pytest.mark.parametrize(
    ("name", "header", "found"),
    [
        ("v1", {"docker_content_digest": DIGEST}, DIGEST),
        ("v1", {"docker_content_digest": DIGEST.removeprefix("sha256:")}, DIGEST),
        ("v1", {"docker_content_digest": f'"{DIGEST.upper()}"'}, DIGEST),
        (DIGEST, {"docker_content_digest": DIGEST}, DIGEST),
        (DIGEST, {}, DIGEST),
        ("v1", {}, None),
        ("v1", {"docker_content_digest": ""}, None),
    ],
)
async def test_looking_for_a_manifest(name: str, header: dict[str, str], found: str | None, script: Script) -> None:
    script.on(f"/v2/a/b/manifests/{name}", answer(200, b"", **header), method="HEAD")
    async with writing(script) as writer:
        assert await writer.head_manifest(name) == (found and pyskopeo.Digest.parse(found))
    (request,) = script.requests
    assert MANIFEST.media_type in request.headers["accept"]


async def test_no_manifest(script: Script) -> None:
    script.on(TAG, answer(404), method="HEAD")
    async with writing(script) as writer:
        assert await writer.head_manifest("v1") is None
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [204, 307, 400, 401, 403, 405, 410, 418, 500, 501, 505])
async def test_looking_is_a_question(status: int, script: Script) -> None:
    """Whether a manifest can be written is decided by the response to PUT."""
    script.on(TAG, answer(status), method="HEAD")
    async with writing(script) as writer:
        assert await writer.head_manifest("v1") is None
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
async def test_looking_without_an_answer(status: int, script: Script) -> None:
    script.on(TAG, answer(status), method="HEAD")
    async with writing(script) as writer:
        assert await writer.head_manifest("v1") is None
    assert len(script.retries) == 4


async def test_looking_where_nobody_is(script: Script) -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    script.on(TAG, down, method="HEAD")
    async with writing(script) as writer:
        with pytest.raises(ConnectionFailed):
            await writer.head_manifest("v1")


@pytest.mark.parametrize("stated", ["sha256:short", "nonsense", f"{DIGEST}, sha256:{'0' * 64}"])
async def test_a_stated_digest_that_is_none(stated: str, script: Script) -> None:
    script.on(TAG, answer(200, docker_content_digest=stated), method="HEAD")
    script.on(TAG, answer(201, docker_content_digest=stated), method="PUT")
    async with writing(script) as writer:
        assert await writer.head_manifest("v1") is None
        await writer.put_manifest("v1", MANIFEST)
    (warning,) = script.warnings
    assert warning.startswith(f"writing manifest v1 to {HOST}/a/b: Docker-Content-Digest: ")


async def test_looking_again(script: Script) -> None:
    script.on(TAG, answer(503), answer(200, docker_content_digest=DIGEST), method="HEAD")
    async with writing(script) as writer:
        assert await writer.head_manifest("v1") == MANIFEST.digest
    assert len(script.retries) == 1


# --- PUT ---


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize(
    "stated", ["", DIGEST, digest_of(MANIFEST.raw, "sha512"), digest_of(b"other", "sha512")], ids=["", "same", "512", "512x"]
)
async def test_a_manifest_is_written_as_it_is(status: int, stated: str, script: Script) -> None:
    script.on(TAG, answer(status, b"", **({"docker_content_digest": stated} if stated else {})), method="PUT")
    async with writing(script) as writer:
        await writer.put_manifest("v1", MANIFEST)
    (request,) = script.requests
    assert request.content == MANIFEST.raw
    assert request.headers["content-type"] == MANIFEST.media_type
    assert request.headers["content-length"] == str(len(MANIFEST.raw))


async def test_something_else_is_stored(script: Script) -> None:
    other = digest_of(b"other")
    script.on(TAG, answer(201, docker_content_digest=other), method="PUT")
    async with writing(script) as writer:
        with pytest.raises(ContentMismatch, match=f"says {other}, the bytes are {DIGEST}") as caught:
            await writer.put_manifest("v1", MANIFEST)
    assert (caught.value.expected, caught.value.actual) == (other, DIGEST)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "MANIFEST_INVALID", ManifestRefused),
        (400, "TAG_INVALID", ManifestRefused),
        (400, "UNSUPPORTED", ManifestRefused),
        (415, "", ManifestRefused),
        (415, "MANIFEST_INVALID", ManifestRefused),
        (400, "MANIFEST_BLOB_UNKNOWN", RegistryError),
        (400, "", RegistryError),
        (404, "NAME_UNKNOWN", RegistryError),
        (404, "MANIFEST_UNKNOWN", NotFound),
        (405, "UNSUPPORTED", RegistryError),
        (413, "SIZE_INVALID", RegistryError),
        (403, "DENIED", AccessDenied),
        (401, "UNAUTHORIZED", AccessDenied),
    ],
)
async def test_a_manifest_is_refused(status: int, code: str, kind: type[PyskopeoError], script: Script) -> None:
    script.on(TAG, refusal(status, code), method="PUT")
    async with writing(script) as writer:
        with pytest.raises(PyskopeoError, match=f"^writing manifest v1 to {HOST}/a/b: ") as caught:
            await writer.put_manifest("v1", MANIFEST)
    assert type(caught.value) is kind
    assert ("told so" in str(caught.value)) == bool(code)
    assert len(script.requests) == 1
    if isinstance(caught.value, RegistryError):
        assert caught.value.status == status
        assert caught.value.codes == ((code,) if code else ())


async def test_who_was_refused(script: Script) -> None:
    script.on(TAG, refusal(403, "DENIED"), method="PUT")
    credentials = pyskopeo.Credentials("somebody", "s3cr3t-and-long")
    async with writing(script, access_for(script.home, trust=Trust(), credentials=credentials)) as writer:
        with pytest.raises(AccessDenied, match="denied: told so .403, tried as user somebody") as caught:
            await writer.put_manifest("v1", MANIFEST)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_written_again(status: int, script: Script) -> None:
    script.on(TAG, refusal(status, "TOOMANYREQUESTS"), refusal(status), answer(201), method="PUT")
    async with writing(script) as writer:
        await writer.put_manifest("v1", MANIFEST)
    assert [request.content for request in script.requests] == [MANIFEST.raw] * 3
    assert len(script.retries) == 2


# --- DELETE ---


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("path", [TAG, PINNED])
async def test_deleting(status: int, path: str, script: Script) -> None:
    script.on(path, answer(status), method="DELETE")
    async with writing(script) as writer:
        await writer.delete_manifest(path.rpartition("/")[2])
    assert len(script.requests) == 1


@pytest.mark.parametrize(("name", "what"), [("v1", "a tag alone"), (DIGEST, "images")])
@pytest.mark.parametrize(("status", "code"), [(400, "DIGEST_INVALID"), (405, "UNSUPPORTED"), (405, ""), (404, "UNSUPPORTED")])
async def test_nothing_is_deleted_there(status: int, code: str, name: str, what: str, script: Script) -> None:
    script.on(f"/v2/a/b/manifests/{name}", refusal(status, code), method="DELETE")
    async with writing(script) as writer:
        with pytest.raises(RegistryError, match=rf"^deleting {name} in .*: {HOST} does not allow deleting {what}$") as caught:
            await writer.delete_manifest(name)
    assert caught.value.status == status
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(404, "MANIFEST_UNKNOWN", NotFound), (404, "NAME_UNKNOWN", RegistryError), (403, "DENIED", AccessDenied)],
)
async def test_deleting_is_refused(status: int, code: str, kind: type[PyskopeoError], script: Script) -> None:
    script.on(TAG, refusal(status, code), method="DELETE")
    async with writing(script) as writer:
        with pytest.raises(kind, match="told so") as caught:
            await writer.delete_manifest("v1")
    assert "does not allow" not in str(caught.value)


async def test_deleted_by_the_attempt_whose_answer_was_lost(script: Script) -> None:
    def cut(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("cut", request=request)

    script.on(PINNED, cut, refusal(404, "MANIFEST_UNKNOWN"), method="DELETE")
    async with writing(script) as writer:
        await writer.delete_manifest(DIGEST)
    assert len(script.requests) == 2


async def test_deleting_fails_for_good(script: Script) -> None:
    def cut(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("cut", request=request)

    script.on(PINNED, cut, method="DELETE")
    async with writing(script) as writer:
        with pytest.raises(ConnectionFailed):
            await writer.delete_manifest(DIGEST)
