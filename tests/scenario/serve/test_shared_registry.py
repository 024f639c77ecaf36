"""A registry that several use at once: conditions, rights, garbage collection, and pushes of our own client."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

import pyskopeo
from pyskopeo.serve import application
from pyskopeo.serve.scope_keys import MAY
from pyskopeo.storage.layout_deletion import delete_image
from pyskopeo.storage.layout_garbage import collect_garbage
from tests.support.access import access_for
from tests.support.images import digest_of
from tests.support.registry_pushes import (
    EMPTY_CONFIG,
    OCI_MANIFEST,
    begin,
    manifest,
    push_blob,
    push_image,
    push_manifest,
)
from tests.support.serving import code_of

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def allowed(layout: Path, *rights: tuple[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do some things only, as a middleware says."""
    app = application(layout, writable=True)

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        scope[MAY] = lambda repository, action: (repository, action) in rights
        await app(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(limited), base_url="http://registry") as http:
        yield http


def files(layout: Path) -> set[str]:
    return {path.name for path in (layout / "blobs" / "sha256").iterdir()}


def grow_old(layout: Path) -> None:
    long_ago = time.time() - 2 * 24 * 3600
    for path in (layout / "registry").rglob("*"):
        os.utime(path, (long_ago, long_ago))


async def test_conditions(http: httpx.AsyncClient) -> None:
    await push_blob(http, "app", EMPTY_CONFIG)
    one, two = [manifest(annotations={"number": number}) for number in "12"]

    async def put(raw: bytes, **headers: str) -> int:
        named = {"content-type": OCI_MANIFEST} | {name.replace("_", "-"): value for name, value in headers.items()}
        return (await http.put("/v2/app/manifests/v1", content=raw, headers=named)).status_code

    assert await put(one, if_match='"sha256:0"') == 412
    assert await put(one, if_match="*") == 412
    assert await put(one, if_none_match="*") == 201
    assert await put(two, if_none_match="*") == 412
    etag = (await http.head("/v2/app/manifests/v1")).headers["etag"]
    assert await put(two, if_match=etag) == 201
    assert await put(one, if_match=etag) == 412
    assert (await http.get("/v2/app/manifests/v1")).content == two


async def test_one_of_many_writers_of_a_tag_wins(http: httpx.AsyncClient) -> None:
    await push_blob(http, "app", EMPTY_CONFIG)
    statuses: list[int] = []

    async def put(number: int) -> None:
        headers = {"content-type": OCI_MANIFEST, "if-none-match": "*"}
        raw = manifest(annotations={"number": str(number)})
        statuses.append((await http.put("/v2/app/manifests/v1", content=raw, headers=headers)).status_code)

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(put, number)
    assert sorted(statuses) == [201] + [412] * 9


async def test_what_may_be_mounted_and_listed(layout: Path, http: httpx.AsyncClient) -> None:
    for name in ("hidden", "mine", "theirs", "zoo"):
        await push_image(http, name, "v1", name.encode())
    rights = ("mine", "push"), ("mine", "pull"), ("theirs", "pull"), ("zoo", "push")
    async with allowed(layout, *rights) as limited:
        for source, status in (("theirs", 201), ("hidden", 202), ("zoo", 202)):
            blob = digest_of(source.encode())
            answer = await limited.post(f"/v2/mine/blobs/uploads/?mount={blob}&from={source}")
            assert answer.status_code == status, source
        answer = await limited.post(f"/v2/mine/blobs/uploads/?mount={digest_of(b'hidden')}")
        assert answer.status_code == 202
        answer = await push_manifest(limited, "mine", manifest(EMPTY_CONFIG, b"hidden"), "v2")
        assert (answer.status_code, code_of(answer)) == (404, "MANIFEST_BLOB_UNKNOWN")
        answer = await limited.get("/v2/_catalog")
        assert answer.json() == {"repositories": ["mine", "theirs"]}
        answer = await limited.get("/v2/_catalog?n=1")
        assert (answer.json()["repositories"], "link" in answer.headers) == (["mine"], True)
        answer = await limited.get("/v2/_catalog?n=1&last=mine")
        assert answer.json()["repositories"] == ["theirs"]


async def test_garbage_collection_leaves_what_is_about_to_be_named(layout: Path, http: httpx.AsyncClient) -> None:
    raw = await push_image(http, "app", "v1", b"named")
    await push_blob(http, "app", b"not yet")
    location = await begin(http, "app")
    await http.patch(location, content=b"under way")
    everything = files(layout)
    assert not (await collect_garbage(layout)).removed
    assert files(layout) == everything
    assert (await http.get(location)).headers["range"] == "0-8"
    grow_old(layout)
    await push_blob(http, "other", b"new")
    report = await collect_garbage(layout)
    assert [file.path[-64:] for file in report.removed] == [digest_of(b"not yet")[7:]]
    assert (await http.get(location)).status_code == 404
    assert (await http.get(f"/v2/app/blobs/{digest_of(b'not yet')}")).status_code == 404
    answer = await push_manifest(http, "app", manifest(EMPTY_CONFIG, b"not yet"), "v2")
    assert (answer.status_code, code_of(answer)) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert (await http.get("/v2/app/manifests/v1")).content == raw
    links = [path for path in (layout / "registry").rglob("*") if path.is_file()]
    assert {path.name for path in links} <= files(layout)


async def test_an_image_that_is_deleted_in_the_layout(layout: Path, http: httpx.AsyncClient) -> None:
    await push_image(http, "app", "v1", b"layer")
    await push_blob(http, "other", b"layer")
    grow_old(layout)
    await push_blob(http, "third", EMPTY_CONFIG)  # an image with it is about to come
    deletion = await delete_image(layout, "app:v1")
    assert {str(digest) for digest, _ in deletion.blobs} == {digest_of(b"layer"), digest_of(manifest(EMPTY_CONFIG, b"layer"))}
    assert files(layout) == {digest_of(EMPTY_CONFIG)[7:]}
    assert (await http.get("/v2/app/manifests/v1")).status_code == 404
    assert (await push_manifest(http, "third", manifest(), "v1")).status_code == 201


async def test_deleted_images_are_garbage_later(layout: Path, http: httpx.AsyncClient) -> None:
    raw = await push_image(http, "app", "v1", b"layer")
    await push_image(http, "keep", "v1", b"other")
    assert (await http.delete(f"/v2/app/manifests/{digest_of(raw)}")).status_code == 202
    assert (await http.get(f"/v2/app/blobs/{digest_of(b'layer')}")).status_code == 200
    grow_old(layout)
    await collect_garbage(layout)
    assert files(layout) == {digest_of(one)[7:] for one in (EMPTY_CONFIG, b"other", manifest(EMPTY_CONFIG, b"other"))}
    assert (await http.get(f"/v2/app/blobs/{digest_of(b'layer')}")).status_code == 404


async def test_a_blob_that_a_manifest_needs_is_not_deleted(http: httpx.AsyncClient) -> None:
    await push_image(http, "app", "v1", b"layer")
    answer = await http.delete(f"/v2/app/blobs/{digest_of(b'layer')}")
    assert (answer.status_code, code_of(answer)) == (405, "UNSUPPORTED")
    assert (await http.get(f"/v2/app/blobs/{digest_of(b'layer')}")).content == b"layer"


async def test_many_clients_push_at_once(address: str, layout: Path, tmp_path: Path) -> None:
    """Ten artifacts that share a layer into one repository and ten others."""
    push = partial(push_image, config_type="application/vnd.oci.empty.v1+json")
    async with httpx.AsyncClient(base_url=f"http://{address}") as http, anyio.create_task_group() as tasks:
        for number in range(10):
            for name, tag in (("app", f"v{number}"), (f"app{number}", "v")):
                tasks.start_soon(push, http, name, tag, b"shared", bytes([number]) * 70_000)
    assert len(await pyskopeo.list_tags(f"docker://{address}/app", access=access_for(tmp_path))) == 10
    report = await pyskopeo.verify(f"oci:{layout}")
    assert not report.faults
    assert len(list((layout / "registry" / "uploads").iterdir())) == 0
