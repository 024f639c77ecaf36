"""What rules allow, at a registry that has repositories of several owners."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from pyskopeo.serve import application
from pyskopeo.serve.guard import GuardSettings, guarded
from pyskopeo.serve.login_files import read_logins
from tests.support.served import USERS

pytestmark = pytest.mark.anyio

RULES = """
[[allow]]
users = ["alice"]
actions = ["pull", "push", "delete"]
repositories = ["alice/*", "shared"]

[[allow]]
users = ["bob"]
actions = ["pull", "push"]
repositories = ["bob/*"]

[[allow]]
users = ["bob"]
actions = ["pull"]
repositories = ["shared"]
"""
ALICE, BOB = ("alice", "secret"), ("bob", "secret")
SECRET = b"what only alice may read"
DIGEST = "sha256:" + hashlib.sha256(SECRET).hexdigest()


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    (tmp_path / "users").write_text(USERS)
    (tmp_path / "rules").write_text(RULES)
    logins, _ = read_logins(passwords=tmp_path / "users", rules=tmp_path / "rules")
    app = guarded(application(tmp_path / "layout", writable=True), GuardSettings(authentication=logins))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry") as client:
        for name in ("alice/app", "shared"):
            pushed = await client.post(f"/v2/{name}/blobs/uploads/?digest={DIGEST}", content=SECRET, auth=ALICE)
            assert pushed.status_code == 201
        yield client


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"mount={DIGEST}&from=alice/app", 202),
        (f"mount={DIGEST}", 202),
        (f"%6dount={DIGEST}&from=alice/app", 202),
        (f"mount={DIGEST}&from=shared&from=alice/app", 202),
        (f"mount={DIGEST}&from=shared", 201),
    ],
)
async def test_blobs_are_mounted_from_what_may_be_pulled(http: httpx.AsyncClient, query: str, status: int) -> None:
    assert (await http.head(f"/v2/bob/app/blobs/{DIGEST}", auth=BOB)).status_code == 404
    assert (await http.post(f"/v2/bob/app/blobs/uploads/?{query}", auth=BOB)).status_code == status
    assert (await http.head(f"/v2/bob/app/blobs/{DIGEST}", auth=BOB)).status_code == (200 if status == 201 else 404)


async def test_what_may_not_be_pulled_is_not_seen(http: httpx.AsyncClient) -> None:
    index = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
    headers = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
    for name in ("alice/app", "shared"):
        pushed = await http.put(f"/v2/{name}/manifests/v1", content=index, headers=headers, auth=ALICE)
        assert pushed.status_code == 201, pushed.text
    assert (await http.get("/v2/_catalog", auth=ALICE)).json() == {"repositories": ["alice/app", "shared"]}
    assert (await http.get("/v2/_catalog", auth=BOB)).json() == {"repositories": ["shared"]}
    paths = (f"blobs/{DIGEST}", "manifests/v1", "tags/list", f"referrers/{DIGEST}")
    assert {(await http.get(f"/v2/alice/app/{path}", auth=BOB)).status_code for path in paths} == {403}
    assert {(await http.get(f"/v2/none/{path}", auth=BOB)).status_code for path in paths} == {403}
    assert {(await http.get(f"/v2/shared/{path}", auth=BOB)).status_code for path in paths} == {200}
    for method, path in (("PUT", "manifests/v2"), ("DELETE", "manifests/v1"), ("DELETE", f"blobs/{DIGEST}")):
        assert (await http.request(method, f"/v2/shared/{path}", content=b"", auth=BOB)).status_code == 403
    location = (await http.post("/v2/alice/app/blobs/uploads/", auth=ALICE)).headers["location"]
    assert (await http.get(location, auth=BOB)).status_code == 403
    own = location.replace("/alice/app/", "/bob/app/")
    assert (await http.get(own, auth=BOB)).status_code == 404
