"""Uploads that are interrupted, resumed, wrong, too many or too large, and a disk that fills."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from pyskopeo.serve import application, upload_quota
from pyskopeo.serve.guard import guarded
from pyskopeo.storage import registry_uploads
from pyskopeo.storage.partial_files import partial_name
from tests.support.images import digest_of
from tests.support.registry_pushes import EMPTY_CONFIG, begin, manifest, push_blob, push_image, push_manifest
from tests.support.serving import client, code_of
from tests.support.system_calls import DiskFull, Failing, SystemCalls

from .conftest import running

pytestmark = pytest.mark.anyio
CONTENT = hashlib.shake_128(b"content").digest(3_000_000)
DIGEST = digest_of(CONTENT)


def uploads(layout: Path) -> list[str]:
    return sorted(path.name for path in (layout / "registry" / "uploads").glob("*"))


def blobs(layout: Path) -> set[str]:
    return {path.name for path in (layout / "blobs").glob("*/*")}


async def pieces(content: bytes, size: int = 70_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
async def test_algorithms(http: httpx.AsyncClient, algorithm: str) -> None:
    digest = digest_of(CONTENT, algorithm)
    for way in ("one", "two", "chunks"):
        name = f"{way}-{algorithm}"
        if way == "one":
            answer = await http.post(f"/v2/{name}/blobs/uploads/?digest={digest}", content=CONTENT)
        else:
            location = await begin(http, name, f"?digest-algorithm={algorithm}" if way == "chunks" else "")
            rest = CONTENT
            if way == "chunks":
                await http.patch(location, content=CONTENT[:1_000_000])
                rest = CONTENT[1_000_000:]
            answer = await http.put(location, params={"digest": digest}, content=pieces(rest))
        assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, digest)
        assert (await http.get(f"/v2/{name}/blobs/{digest}")).content == CONTENT


async def test_an_upload_goes_on_after_a_restart(layout: Path) -> None:
    async with client(layout, writable=True) as http:
        location = await begin(http, "app")
        await http.patch(location, content=CONTENT[:1_234_567])
    async with client(layout, writable=True) as http:
        status = await http.get(location)
        assert status.headers["range"] == "0-1234566"
        answer = await http.put(location, params={"digest": DIGEST}, content=CONTENT[1_234_567:])
        assert answer.status_code == 201
        assert (await http.get(f"/v2/app/blobs/{DIGEST}")).content == CONTENT
    assert uploads(layout) == []


async def test_what_arrived_before_a_client_went_away_is_kept(layout: Path) -> None:
    async with running(layout) as address:
        host, _, port = address.rpartition(":")
        async with httpx.AsyncClient(base_url=f"http://{address}") as http:
            location = await begin(http, "app")
            async with await anyio.connect_tcp(host, int(port)) as stream:
                head = f"PATCH {location} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
                await stream.send(head.encode() + CONTENT[:2_000_000])
                with anyio.fail_after(15):
                    while (await http.get(location)).headers["range"] == "0-0":
                        await anyio.sleep(0.01)
            with anyio.fail_after(15):
                while (start := int((await http.get(location)).headers["range"][2:]) + 1) < 2_000_000:
                    await anyio.sleep(0.01)
            headers = {"content-range": f"{start}-{len(CONTENT) - 1}"}
            answer = await http.put(location, params={"digest": DIGEST}, content=CONTENT[start:], headers=headers)
            assert answer.status_code == 201
            assert (await http.get(f"/v2/app/blobs/{DIGEST}")).content == CONTENT


async def test_wrong_content_gets_no_name(layout: Path, http: httpx.AsyncClient) -> None:
    location = await begin(http, "app")
    before = blobs(layout)
    answer = await http.put(location, params={"digest": DIGEST}, content=CONTENT + b"!")
    assert (answer.status_code, code_of(answer)) == (400, "DIGEST_INVALID")
    assert (blobs(layout), uploads(layout)) == (before, [])
    assert (await http.get(location)).status_code == 404
    assert (await http.get(f"/v2/app/blobs/{DIGEST}")).status_code == 404


@pytest.mark.parametrize("digest", ["", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "blake3:" + "0" * 64])
async def test_digests_that_cannot_be_verified(http: httpx.AsyncClient, digest: str) -> None:
    location = await begin(http, "app")
    for answer in (
        await http.put(location, params={"digest": digest} if digest else {}, content=b"x"),
        await http.post("/v2/app/blobs/uploads/", params={"digest": digest or "x"}, content=b"x"),
    ):
        assert (answer.status_code, code_of(answer)) == (400, "DIGEST_INVALID")


async def test_an_upload_belongs_to_its_repository(http: httpx.AsyncClient) -> None:
    location = (await begin(http, "app")).replace("/app/", "/other/")
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = await http.request(method, location, params={"digest": DIGEST})
        assert answer.status_code == 404
        assert method == "HEAD" or code_of(answer) == "BLOB_UPLOAD_UNKNOWN"


async def test_an_upload_is_cancelled(layout: Path, http: httpx.AsyncClient) -> None:
    location = await begin(http, "app")
    await http.patch(location, content=b"x")
    assert (await http.delete(location)).status_code == 204
    assert (await http.delete(location)).status_code == 404
    assert uploads(layout) == []


async def test_two_requests_for_one_upload(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_uploads, "_PATIENCE", 0.05)
    location = await begin(http, "app")
    begun, end = anyio.Event(), anyio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        begun.set()
        await end.wait()
        yield b" last"

    async def push() -> None:
        assert (await http.patch(location, content=slow())).status_code == 202

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push)
        await begun.wait()
        answer = await http.patch(location, content=b"second")
        assert (answer.status_code, code_of(answer)) == (409, "BLOB_UPLOAD_INVALID")
        end.set()
    answer = await http.put(location, params={"digest": digest_of(b"first last")})
    assert answer.status_code == 201


async def test_uploads_expire(layout: Path) -> None:
    async with client(layout, writable=True) as http:
        old, new = [await begin(http, "app") for _ in range(2)]
    path = layout / "registry" / "uploads" / old.rpartition("/")[2]
    os.utime(path, (time.time() - 90_000,) * 2)
    async with client(layout, writable=True) as http:
        await begin(http, "app")
        assert (await http.get(old)).status_code == 404
        assert (await http.get(new)).status_code == 204
    assert len(uploads(layout)) == 4


async def test_uploads_are_bounded_in_number(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_uploads, "MAX_UPLOADS", 3)
    begun = [await begin(http, "app") for _ in range(3)]
    answer = await http.post("/v2/app/blobs/uploads/")
    assert (answer.status_code, code_of(answer), answer.headers["retry-after"]) == (429, "TOOMANYREQUESTS", "60")
    await http.delete(begun[0])
    assert (await http.post("/v2/app/blobs/uploads/")).status_code == 202


@pytest.mark.parametrize("way", ["one", "two", "chunk"])
async def test_the_disk_fills_in_the_middle(layout: Path, http: httpx.AsyncClient, way: str) -> None:
    raw = await push_image(http, "app", "v1", b"layer")
    location = await begin(http, "app")
    before = blobs(layout)
    with SystemCalls(DiskFull(1_500_000)):
        if way == "one":
            answer = await http.post("/v2/app/blobs/uploads/", params={"digest": DIGEST}, content=pieces(CONTENT))
        elif way == "two":
            answer = await http.put(location, params={"digest": DIGEST}, content=pieces(CONTENT))
        else:
            answer = await http.patch(location, content=pieces(CONTENT))
    assert (answer.status_code, code_of(answer)) == (507, "UNKNOWN")
    assert "space" in answer.text
    assert str(layout) not in answer.text
    assert blobs(layout) == before
    if way != "one":
        assert uploads(layout) == []
    assert (await http.get("/v2/app/manifests/v1")).content == raw
    await push_blob(http, "app", CONTENT)


async def test_the_disk_is_full_when_a_manifest_comes(layout: Path, http: httpx.AsyncClient) -> None:
    await push_blob(http, "app", EMPTY_CONFIG)
    raw = manifest(annotations={"note": "x" * 5000})
    for room in (100, len(raw) + 20):  # for the manifest, for the index
        with SystemCalls(DiskFull(room)) as calls:
            answer = await push_manifest(http, "app", raw, "v1")
        assert (answer.status_code, code_of(answer)) == (507, "UNKNOWN")
        assert calls.written
        assert (await http.get("/v2/app/manifests/v1")).status_code == 404
    assert (await push_manifest(http, "app", raw, "v1")).status_code == 201
    async with client(layout) as other:
        assert (await other.get("/v2/app/manifests/v1")).content == raw


async def test_the_disk_is_full_when_an_image_is_deleted(layout: Path, http: httpx.AsyncClient) -> None:
    await push_image(http, "app", "v1", b"layer")
    with SystemCalls(DiskFull(0)):
        answer = await http.delete("/v2/app/manifests/v1")
    assert (answer.status_code, code_of(answer)) == (507, "UNKNOWN")
    assert (await http.get("/v2/app/manifests/v1")).status_code == 200
    assert (await http.delete("/v2/app/manifests/v1")).status_code == 202


async def test_who_is_told_where_a_broken_index_is(layout: Path) -> None:
    warnings: list[Any] = []
    transport = httpx.ASGITransport(application(layout, writable=True, report=warnings.append))
    (layout / "index.json").write_text("{")
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as http:
        for _ in range(2):
            answer = await http.get("/v2/app/manifests/v1")
            assert (answer.status_code, code_of(answer)) == (500, "UNKNOWN")
            assert "the layout cannot be read: index.json is not valid JSON" in answer.text
    (warning,) = warnings
    assert warning.message.startswith(f"{layout}/index.json is not valid JSON")


async def test_large_blobs_are_refused(layout: Path) -> None:
    layout.mkdir()
    transport = httpx.ASGITransport(application(layout, writable=True, max_blob=1_000_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as http:
        location = await begin(http, "app")
        for answer in (
            await http.put(location, params={"digest": DIGEST}, content=CONTENT),
            await http.put(location, params={"digest": DIGEST}, content=pieces(CONTENT)),
            await http.post("/v2/app/blobs/uploads/", params={"digest": DIGEST}, content=pieces(CONTENT)),
        ):
            assert (answer.status_code, code_of(answer)) == (413, "SIZE_INVALID")
    assert uploads(layout) == []


@pytest.fixture
def damaged(layout: Path) -> Path:
    """A registry with one upload whose description is not what a server writes."""
    (layout / "registry" / "uploads").mkdir(parents=True)
    identity = layout / "registry" / "uploads" / "00000000-0000-4000-8000-000000000000"
    identity.write_bytes(b"x")
    return identity


@pytest.mark.parametrize(
    "description", [b"", b"[]", b'{"repository":["app"],"algorithm":"sha256"}', b'{"repository":"app","algorithm":[]}']
)
async def test_descriptions_that_were_changed(
    layout: Path, damaged: Path, http: httpx.AsyncClient, description: bytes
) -> None:
    damaged.with_suffix(".json").write_bytes(description)
    answer = await http.get(f"/v2/app/blobs/uploads/{damaged.name}")
    assert answer.status_code == 404
    for identity in ("..", "x" * 36, damaged.name.upper().replace("0", "A")):
        assert (await http.get(f"/v2/app/blobs/uploads/{identity}")).status_code in (404, 405)


async def test_a_refusal_is_read_by_those_who_are_still_sending(layout: Path) -> None:
    async with running(layout) as address, httpx.AsyncClient(base_url=f"http://{address}") as http:
        location = await begin(http, "app")
        for method, path, status in (
            ("PUT", f"{location}?digest=x", 400), ("PATCH", location[:-1] + "!", 404),
            ("PUT", "/v2/app/manifests/.x", 400), ("POST", "/v2/APP/blobs/uploads/", 400), ("PUT", "/v2/", 405),
        ):  # fmt: skip
            answer = await http.request(method, path, content=CONTENT[:900_000])
            assert answer.status_code == status, (method, path)


async def test_what_killed_servers_leave_does_no_harm(layout: Path) -> None:
    """Files of uploads without their descriptions and the other way round, blobs without links, links without blobs."""
    async with client(layout, writable=True) as http:
        raw = await push_image(http, "app", "v1", b"layer")
        locations = [await begin(http, "app") for _ in range(3)]
    directory = layout / "registry" / "uploads"
    names = [location.rpartition("/")[2] for location in locations]
    (directory / names[0]).unlink()
    (directory / f"{names[1]}.json").unlink()
    (directory / partial_name(f"{names[1]}.json")).write_bytes(b"{")
    unlinked, missing = digest_of(b"unlinked"), digest_of(b"layer")
    (layout / "blobs" / "sha256" / unlinked[7:]).write_bytes(b"unlinked")
    (layout / "blobs" / "sha256" / missing[7:]).unlink()
    (layout / ".index.json.0123456789ab.partial").write_bytes(b"{")
    async with client(layout, writable=True) as http:
        assert [(await http.get(location)).status_code for location in locations] == [404, 404, 204]
        assert (await http.patch(locations[1], content=b"x")).status_code == 404
        assert (await http.get(f"/v2/app/blobs/{unlinked}")).status_code == 404
        assert (await http.get(f"/v2/app/blobs/{missing}")).status_code == 404
        assert (await http.get("/v2/app/manifests/v1")).content == raw
        answer = await push_manifest(http, "app", manifest(EMPTY_CONFIG, b"layer"), "v2")
        assert code_of(answer) == "MANIFEST_BLOB_UNKNOWN"
        await push_blob(http, "app", b"layer")
        assert (await push_manifest(http, "app", manifest(EMPTY_CONFIG, b"layer"), "v2")).status_code == 201
    for path in directory.iterdir():
        os.utime(path, (time.time() - 90_000,) * 2)
    async with client(layout, writable=True) as http:
        location = await begin(http, "app")
    assert uploads(layout) == sorted((location.rpartition("/")[2], f"{location.rpartition('/')[2]}.json"))


async def test_a_chunk_without_a_length_has_what_its_range_says(http: httpx.AsyncClient) -> None:
    location = await begin(http, "app")
    await http.patch(location, content=b"first ")
    for content in (b"ab", b"abcd"):
        answer = await http.patch(location, content=pieces(content), headers={"content-range": "6-8"})
        assert (answer.status_code, code_of(answer)) == (400, "SIZE_INVALID")
        assert (await http.get(location)).headers["range"] == "0-5"
    answer = await http.patch(location, content=pieces(b"abc"), headers={"content-range": "6-8"})
    assert (answer.status_code, answer.headers["range"]) == (202, "0-8")
    assert (await http.put(location, params={"digest": digest_of(b"first abc")})).status_code == 201


async def test_an_upload_that_cannot_begin_or_end(layout: Path, http: httpx.AsyncClient) -> None:
    with SystemCalls(DiskFull(10)):
        answer = await http.post("/v2/app/blobs/uploads/")
    assert (answer.status_code, code_of(answer), uploads(layout)) == (507, "UNKNOWN", [])
    location = await begin(http, "app")
    await http.patch(location, content=CONTENT)
    with SystemCalls(Failing(("replace",), 0)):
        answer = await http.put(location, params={"digest": DIGEST})
    assert (answer.status_code, code_of(answer), uploads(layout)) == (500, "UNKNOWN", [])
    assert blobs(layout) == set()
    assert (await http.get(f"/v2/app/blobs/{DIGEST}")).status_code == 404


async def test_the_file_of_an_upload_is_no_link(layout: Path, http: httpx.AsyncClient, tmp_path: Path) -> None:
    location = await begin(http, "app")
    path, secret = layout / "registry" / "uploads" / location.rpartition("/")[2], tmp_path / "secret"
    secret.write_bytes(b"secret")
    path.unlink()
    path.symlink_to(secret)
    answer = await http.put(location, params={"digest": digest_of(b"secret!")}, content=b"!")
    assert answer.status_code == 500
    assert secret.read_bytes() == b"secret"


async def test_forgotten_hashes_are_made_again(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_uploads, "_MAX_HASHES", 1)
    locations = [await begin(http, "app") for _ in range(3)]
    for location in (*locations, *locations):
        await http.patch(location, content=b"again ")
    for location in locations:
        assert (await http.put(location, params={"digest": digest_of(b"again again ")})).status_code == 201


async def test_an_upload_that_has_failed_counts_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_quota, "PER_CLIENT", 1)
    app = guarded(application(tmp_path / "layout", writable=True, max_blob=100))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry") as http:
        for digest, content, status in ((DIGEST, b"other", 400), (DIGEST, pieces(CONTENT), 413), (digest_of(b"x"), b"x", 201)):
            location = await begin(http, "app")
            assert (await http.post("/v2/app/blobs/uploads/")).status_code == 429
            assert (await http.put(location, params={"digest": digest}, content=content)).status_code == status
        await begin(http, "app")
