"""Cases of the conformance suite of the specification that go beyond its sentences with MUST."""

from __future__ import annotations

import base64
import json

import httpx
import pytest

from tests.support.images import digest_of
from tests.support.registry_pushes import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    begin,
    described,
    push_blob,
    push_manifest,
)
from tests.support.serving import code_of

pytestmark = pytest.mark.anyio
CHUNKS = b"first chunk ", b"second chunk"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_reference_that_is_none_is_not_found(http: httpx.AsyncClient, method: str) -> None:
    await push_blob(http, "app", b"x")
    assert (await http.request(method, "/v2/app/manifests/.INVALID_MANIFEST_NAME")).status_code == 404


async def test_a_chunk_that_is_sent_again(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v2/app/blobs/uploads/", headers={"content-length": "0"})
    first, second = f"0-{len(CHUNKS[0]) - 1}", f"{len(CHUNKS[0])}-{sum(map(len, CHUNKS)) - 1}"
    location = answer.headers["location"]
    headers = {"content-type": "application/octet-stream", "content-range": first}
    answer = await http.patch(location, content=CHUNKS[0], headers=headers)
    assert (answer.status_code, answer.headers["range"]) == (202, first)
    assert (await http.patch(location, content=CHUNKS[0], headers=headers)).status_code == 416
    answer = await http.get(location)
    assert (answer.status_code, answer.headers["range"]) == (204, first)
    answer = await http.patch(answer.headers["location"], content=CHUNKS[1], headers=headers | {"content-range": second})
    assert (answer.status_code, answer.headers["range"]) == (202, f"0-{second.partition('-')[2]}")
    digest = digest_of(b"".join(CHUNKS))
    answer = await http.put(answer.headers["location"], params={"digest": digest}, headers={"content-length": "0"})
    assert answer.status_code == 201
    assert (await http.get(answer.headers["location"])).content == b"".join(CHUNKS)


async def test_manifests_with_embedded_content_and_members_that_nobody_knows(http: httpx.AsyncClient) -> None:
    config, layer = b'{"architecture":"amd64","os":"linux"}', b"layer"
    for blob in (config, layer):
        await push_blob(http, "app", blob)
    for layers, stated in (([described(layer, OCI_LAYER)], {"mediaType": OCI_MANIFEST}), ([], {})):
        entry = described(config, OCI_CONFIG, data=base64.b64encode(config).decode(), newUnspecifiedField="x")
        raw = json.dumps({"schemaVersion": 2, **stated, "config": entry, "layers": layers}, indent="\t").encode()
        for reference in ("tag", ""):
            answer = await push_manifest(http, "app", raw, reference)
            assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, digest_of(raw))
        answer = await http.get(f"/v2/app/manifests/{digest_of(raw)}", headers={"accept": OCI_MANIFEST})
        assert (answer.content, answer.headers["content-type"]) == (raw, OCI_MANIFEST)


async def test_what_is_no_manifest(http: httpx.AsyncClient) -> None:
    await push_blob(http, "app", b"{}")
    good = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described(b"{}", OCI_CONFIG), "layers": []}
    for raw, content_type in (
        (b"blablabla", OCI_MANIFEST), (b"", OCI_MANIFEST), (b"[]", OCI_MANIFEST), (b"{}", OCI_MANIFEST),
        (json.dumps(good).encode(), "application/vnd.docker.distribution.manifest.v2+json"),
        (json.dumps(good | {"manifests": []}).encode(), OCI_MANIFEST), (json.dumps(good | {"config": 1}).encode(), ""),
        (json.dumps(good | {"layers": {}}).encode(), ""), (json.dumps(good | {"subject": 1}).encode(), ""),
        (json.dumps(good | {"subject": {"digest": "x", "size": 1}}).encode(), ""),
        (json.dumps(good | {"mediaType": "application/vnd.example"}).encode(), "application/vnd.example"),
        (b'{"schemaVersion":2,"schemaVersion":2}', OCI_MANIFEST), (b"[" * 100_000, OCI_MANIFEST),
        (b'{"schemaVersion":1,"name":"app","tag":"x","fsLayers":[],"history":[]}', ""), (b"\xff\xfe{", OCI_MANIFEST),
    ):  # fmt: skip
        answer = await http.put("/v2/app/manifests/x", content=raw, headers={"content-type": content_type})
        assert (answer.status_code, code_of(answer)) == (400, "MANIFEST_INVALID"), raw[:80]
    answer = await http.put("/v2/app/manifests/x", content=b" " * 4_200_000)
    assert (answer.status_code, code_of(answer)) == (413, "SIZE_INVALID")
    assert (await http.get("/v2/app/tags/list")).json()["tags"] == []


async def test_digests_that_nobody_can_verify_are_not_there(http: httpx.AsyncClient) -> None:
    await push_blob(http, "app", b"x")
    for digest in ("blake9:abc", f"blake9:{'a' * 300}"):
        for method in ("GET", "HEAD", "DELETE"):
            for kind in ("blobs", "manifests"):
                answer = await http.request(method, f"/v2/app/{kind}/{digest}")
                assert answer.status_code == 404, (method, kind, digest)
        assert (await http.post(f"/v2/app/blobs/uploads/?mount={digest}&from=app")).status_code == 202


async def test_an_empty_upload(http: httpx.AsyncClient) -> None:
    location = await begin(http, "app")
    answer = await http.put(location, params={"digest": digest_of(b"")})
    assert answer.status_code == 201
    answer = await http.get(answer.headers["location"])
    assert (answer.status_code, answer.content) == (200, b"")
