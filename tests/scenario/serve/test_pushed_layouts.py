"""What is pushed is in an OCI layout that other programs read and write meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

import pyskopeo
from pyskopeo import Digest
from tests.support.access import access_for
from tests.support.images import build, digest_of
from tests.support.outputs import write_layout
from tests.support.registry_pushes import OCI_INDEX, index, push_blob, push_image, push_manifest
from tests.support.serving import REF_NAME, client

pytestmark = pytest.mark.anyio


def entries(layout: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((layout / "index.json").read_bytes())["manifests"]
    return found


def names(layout: Path) -> list[str]:
    return [entry["annotations"][REF_NAME] for entry in entries(layout)]


async def copy(source: str, destination: str, tmp_path: Path) -> Digest:
    access = access_for(tmp_path)
    return await pyskopeo.copy(source, destination, source_access=access, destination_access=access)


async def test_a_pushed_image_is_an_image_of_the_layout(layout: Path, http: httpx.AsyncClient, tmp_path: Path) -> None:
    raw = await push_image(http, "team/app", "1.0", b"layer")
    assert names(layout) == ["team/app:1.0"]
    copied = await copy(f"oci:{layout}:team/app:1.0", f"dir:{tmp_path / 'out'}", tmp_path)
    assert str(copied) == digest_of(raw)
    assert (tmp_path / "out" / digest_of(b"layer")[7:]).read_bytes() == b"layer"


async def test_what_others_copy_into_the_layout_is_served(layout: Path, http: httpx.AsyncClient, tmp_path: Path) -> None:
    await push_image(http, "team/app", "1.0", b"layer")
    image = build("oci")
    write_layout(image, tmp_path / "other", tag="x")
    await copy(f"oci:{tmp_path / 'other'}:x", f"oci:{layout}:team/app:2.0", tmp_path)
    assert (await http.get("/v2/team/app/tags/list")).json()["tags"] == ["1.0", "2.0"]
    assert (await http.get("/v2/team/app/manifests/2.0")).content == image.root.raw
    assert (await http.get(f"/v2/team/app/blobs/{image.config_digest()}")).content == image.config()
    assert (await http.get(f"/v2/other/blobs/{image.config_digest()}")).status_code == 404
    await push_image(http, "team/app", "3.0", b"layer")
    assert sorted(names(layout)) == ["team/app:1.0", "team/app:2.0", "team/app:3.0"]


async def test_the_parts_of_an_index_need_no_entries(layout: Path, http: httpx.AsyncClient) -> None:
    one, two = [await push_image(http, "app", "", layer) for layer in (b"one", b"two")]
    assert names(layout) == [f"app@{digest_of(one)}", f"app@{digest_of(two)}"]
    both = index(one, two)
    assert (await push_manifest(http, "app", both, "latest")).status_code == 201
    assert names(layout) == ["app:latest"]
    assert (await http.get(f"/v2/app/manifests/{digest_of(one)}")).content == one
    assert (await http.get(f"/v2/app/blobs/{digest_of(b'two')}")).content == b"two"
    answer = await http.delete(f"/v2/app/manifests/{digest_of(one)}")
    assert answer.status_code == 405
    assert (await http.delete(f"/v2/app/manifests/{digest_of(both)}")).status_code == 202
    assert (await http.get(f"/v2/app/manifests/{digest_of(one)}")).status_code == 404


async def test_a_tag_that_moves_leaves_its_manifest(layout: Path, http: httpx.AsyncClient) -> None:
    old = await push_image(http, "app", "latest", b"old")
    new = await push_image(http, "app", "latest", b"new")
    assert (await http.get("/v2/app/manifests/latest")).content == new
    assert (await http.get(f"/v2/app/manifests/{digest_of(old)}")).content == old
    assert sorted(names(layout)) == ["app:latest", f"app@{digest_of(old)}"]
    await push_image(http, "app", "old", b"old")
    assert sorted(names(layout)) == ["app:latest", "app:old"]


async def test_plain_tags_belong_to_every_repository(layout: Path) -> None:
    image = build("oci")
    write_layout(image, layout, tag="v1")
    async with client(layout, writable=True) as http:
        raw = await push_image(http, "app", "v2", b"x")
        await push_image(http, "zoo", "v1", b"x")
        for name in ("app", "anything"):
            assert (await http.get(f"/v2/{name}/manifests/v1")).content == image.root.raw
            assert (await http.get(f"/v2/{name}/manifests/{image.digest}")).content == image.root.raw
            assert (await http.get(f"/v2/{name}/blobs/{image.config_digest()}")).content == image.config()
        for path in ("v1", image.digest):
            answer = await http.delete(f"/v2/app/manifests/{path}")
            assert answer.status_code == 405
            assert "every repository" in answer.text
        assert (await http.get("/v2/zoo/manifests/v1")).content == raw
        assert (await http.get("/v2/app/tags/list")).json()["tags"] == ["v1", "v2"]
        assert (await http.get("/v2/anything/tags/list?n=1")).json()["tags"] == ["v1"]
        assert (await http.get("/v2/_catalog")).json()["repositories"] == ["app", "registry", "zoo"]
        assert (await http.get("/v2/_catalog?n=2")).json()["repositories"] == ["app", "registry"]
    async with client(layout) as http:  # read-only, it is the same registry
        assert (await http.get("/v2/app/tags/list")).json()["tags"] == ["v1", "v2"]
        assert (await http.put("/v2/app/manifests/v3", content=raw)).status_code == 405


async def test_two_servers_on_one_layout(layout: Path, http: httpx.AsyncClient) -> None:
    async with client(layout, writable=True) as other:
        for number in range(4):
            await push_image((http, other)[number % 2], "app", f"v{number}", bytes([number]))
        for one in (http, other):
            assert (await one.get("/v2/app/tags/list")).json()["tags"] == ["v0", "v1", "v2", "v3"]
        location = (await http.post("/v2/app/blobs/uploads/")).headers["location"]
        assert (await http.patch(location, content=b"half ")).status_code == 202
        answer = await other.put(location, params={"digest": digest_of(b"half done")}, content=b"done")
        assert answer.status_code == 201
    assert len(entries(layout)) == 4


async def test_what_was_uploaded_and_not_yet_named_is_of_its_repository(http: httpx.AsyncClient) -> None:
    digest = await push_blob(http, "app", b"content")
    assert (await http.get(f"/v2/app/blobs/{digest}")).content == b"content"
    assert (await http.get(f"/v2/other/blobs/{digest}")).status_code == 404
    answer = await push_manifest(http, "other", index(b"{}"), media_type=OCI_INDEX)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "MANIFEST_BLOB_UNKNOWN")
