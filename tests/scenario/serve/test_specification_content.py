"""Every MUST of the distribution specification 1.1.1 about registries, by its number: discovery and management."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.images import build, digest_of
from tests.support.outputs import write_layout
from tests.support.registry_pushes import (
    EMPTY_CONFIG,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    described,
    index,
    manifest,
    push_blob,
    push_image,
    push_manifest,
)
from tests.support.serving import client, code_of

from .requirements import must

pytestmark = pytest.mark.anyio
NO_DIGEST = "sha256:" + "0" * 64
SBOM = "application/vnd.example.sbom.v1"
TAGS = ["a", "B", "b", "C", "v10", "v9"]


@pytest.fixture
async def tagged(http: httpx.AsyncClient) -> httpx.AsyncClient:
    await push_blob(http, "app", EMPTY_CONFIG)
    for tag in reversed(TAGS):
        await push_manifest(http, "app", manifest(annotations={"tag": tag}), tag)
    return http


@must("Listing Tags", 1, 2, 3)
async def test_tags(tagged: httpx.AsyncClient) -> None:
    answer = await tagged.get("/v2/app/tags/list")
    assert (answer.status_code, answer.json()) == (200, {"name": "app", "tags": TAGS})
    await push_blob(tagged, "empty", b"x")
    assert (await tagged.get("/v2/empty/tags/list")).json() == {"name": "empty", "tags": []}


@must("Listing Tags", 4, 5, 6, 7, 8, 9)
async def test_pages_of_tags(tagged: httpx.AsyncClient) -> None:
    found: list[list[str]] = []
    path = "/v2/app/tags/list?n=4"
    while path:
        answer = await tagged.get(path)
        found.append(answer.json()["tags"])
        link = answer.headers.get("link", "")
        assert not link or link.endswith('; rel="next"')
        path = link.partition(">")[0].removeprefix("<")
    assert found == [TAGS[:4], TAGS[4:]]
    for n in ("0", "6", "7", "1000000"):
        answer = await tagged.get(f"/v2/app/tags/list?n={n}")
        assert answer.json()["tags"] == TAGS[: int(n)]
        assert "link" not in answer.headers
    assert (await tagged.get("/v2/app/tags/list?n=2&last=B")).json()["tags"] == ["b", "C"]
    assert (await tagged.get("/v2/app/tags/list?last=between")).json()["tags"] == TAGS[3:]
    assert (await tagged.get("/v2/app/tags/list?last=2")).json()["tags"] == TAGS  # a tag, not a position


def subject(raw: bytes) -> dict[str, Any]:
    return described(raw, OCI_MANIFEST)


async def referrers(http: httpx.AsyncClient, raw: bytes, query: str = "") -> list[dict[str, Any]]:
    answer = await http.get(f"/v2/app/referrers/{digest_of(raw)}{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, OCI_INDEX)
    document = answer.json()
    assert (document["schemaVersion"], document["mediaType"]) == (2, OCI_INDEX)
    found: list[dict[str, Any]] = document["manifests"]
    return found


@must("Listing Referrers", 1, 4, 5, 6, 7, 8, 9, 13, 14)
@must("Enabling the Referrers API", 2)
async def test_referrers(http: httpx.AsyncClient) -> None:
    image = await push_image(http, "app", "v1")
    assert await referrers(http, image) == []
    notes = {"org.example.note": "ä"}
    pushed: dict[bytes, dict[str, Any]] = {
        manifest(artifactType=SBOM, subject=subject(image), annotations=notes): {"artifactType": SBOM, "annotations": notes},
        manifest(subject=subject(image)): {"artifactType": OCI_CONFIG},
        manifest(artifactType="", config_type="a/b", subject=subject(image)): {"artifactType": "a/b"},
        index(artifactType="c/d", subject=subject(image)): {"artifactType": "c/d", "mediaType": OCI_INDEX},
        index(subject=subject(image), annotations=notes): {"annotations": notes, "mediaType": OCI_INDEX},
    }
    for raw in pushed:
        assert (await push_manifest(http, "app", raw)).status_code == 201
    wanted = [described(raw, OCI_MANIFEST) | more for raw, more in pushed.items()]
    assert await referrers(http, image) == sorted(wanted, key=lambda one: str(one["digest"]))
    answer = await http.get(f"/v2/app/referrers/{digest_of(image)}", params={"artifactType": SBOM, "other": "x"})
    assert answer.headers["oci-filters-applied"] == "artifactType"
    assert [one["artifactType"] for one in answer.json()["manifests"]] == [SBOM]
    assert "oci-filters-applied" not in (await http.get(f"/v2/app/referrers/{digest_of(image)}")).headers
    await http.delete(f"/v2/app/manifests/{wanted[0]['digest']}")
    assert len(await referrers(http, image)) == len(wanted) - 1


@must("Listing Referrers", 2, 3, 10)
async def test_nothing_refers_to_it(http: httpx.AsyncClient) -> None:
    for name in ("app", "nowhere"):
        answer = await http.get(f"/v2/{name}/referrers/{NO_DIGEST}")
        assert (answer.status_code, answer.json()["manifests"]) == (200, [])
        await push_image(http, "app", "v1")
    for digest in ("sha256:abc", "latest", "sha256"):
        answer = await http.get(f"/v2/app/referrers/{digest}")
        assert (answer.status_code, code_of(answer)) == (400, "DIGEST_INVALID")


@must("Listing Referrers", 11, 12)
async def test_many_referrers_are_in_pages(http: httpx.AsyncClient) -> None:
    image = await push_image(http, "app", "v1")
    pushed = []
    for number in range(3):
        raw = manifest(artifactType=SBOM, subject=subject(image), annotations={"note": str(number) * 2_000_000})
        await push_manifest(http, "app", raw)
        pushed.append(digest_of(raw))
    found, path = [], f"/v2/app/referrers/{digest_of(image)}?artifactType={SBOM}"
    while path:
        answer = await http.get(path)
        assert len(answer.content) < 4 * 1024 * 1024
        found += [one["digest"] for one in answer.json()["manifests"]]
        link = answer.headers.get("link", "")
        assert not link or link.endswith('; rel="next"')
        path = link.partition(">")[0].removeprefix("<")
    assert found == sorted(pushed)


@must("Enabling the Referrers API", 1)
async def test_referrers_that_were_there_before(layout: Path) -> None:
    """What a client has pushed with the tag schema, to a registry without the API, and copied here."""
    image = build("oci")
    write_layout(image, layout, tag="app:v1")
    raw = manifest(artifactType=SBOM, subject={"mediaType": OCI_MANIFEST, "digest": image.digest, "size": 3})
    listed = index(raw)
    blobs = layout / "blobs" / "sha256"
    for content in (EMPTY_CONFIG, raw, listed):
        (blobs / digest_of(content)[7:]).write_bytes(content)
    document = json.loads((layout / "index.json").read_bytes())
    name = {"org.opencontainers.image.ref.name": f"app:{image.digest.replace(':', '-')}"}
    document["manifests"].append(described(listed, OCI_INDEX, annotations=name))
    (layout / "index.json").write_text(json.dumps(document))
    async with client(layout, writable=True) as http:
        answer = await http.get(f"/v2/app/referrers/{image.digest}")
        assert [one["digest"] for one in answer.json()["manifests"]] == [digest_of(raw)]


@must("Deleting tags", 1)
@must("Deleting Manifests", 1, 2)
@must("Deleting Blobs", 1, 2)
async def test_deletion(http: httpx.AsyncClient) -> None:
    raw = await push_image(http, "app", "v1", b"layer")
    await push_manifest(http, "app", raw, "v2")
    digest, layer = digest_of(raw), digest_of(b"layer")
    assert (await http.delete("/v2/app/manifests/v1")).status_code == 202
    assert (await http.get("/v2/app/manifests/v1")).status_code == 404
    assert (await http.get(f"/v2/app/manifests/{digest}")).status_code == 200
    assert (await http.delete(f"/v2/app/manifests/{digest}")).status_code == 202
    for reference in ("v2", digest):
        assert (await http.get(f"/v2/app/manifests/{reference}")).status_code == 404
        assert (await http.delete(f"/v2/app/manifests/{reference}")).status_code == 404
    assert (await http.delete(f"/v2/app/blobs/{layer}")).status_code == 202
    assert (await http.get(f"/v2/app/blobs/{layer}")).status_code == 404
    assert (await http.delete(f"/v2/app/blobs/{layer}")).status_code == 404
    for path in ("manifests/v1", f"manifests/{digest}", f"blobs/{layer}"):
        answer = await http.delete(f"/v2/nothing/{path}")
        assert (answer.status_code, code_of(answer)) == (404, "NAME_UNKNOWN")


@must("Deleting tags", 2)
@must("Deleting Manifests", 3)
@must("Deleting Blobs", 3)
async def test_deletion_where_it_is_not_allowed(layout: Path, http: httpx.AsyncClient) -> None:
    raw = await push_image(http, "app", "v1")
    async with client(layout) as reading:
        for path in ("manifests/v1", f"manifests/{digest_of(raw)}", f"blobs/{digest_of(EMPTY_CONFIG)}"):
            assert (await reading.delete(f"/v2/app/{path}")).status_code == 405
            assert (await reading.get(f"/v2/app/{path}")).status_code == 200
