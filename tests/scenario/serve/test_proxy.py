"""A read-through cache of a simulated registry, asked by many clients, with and without its upstream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import httpx
import pytest

import pyskopeo
from pyskopeo.access import Ranges
from pyskopeo.errors import StorageFailed
from pyskopeo.http.retry import Retry
from pyskopeo.registry import part_workers
from pyskopeo.storage.content_store import ContentStore
from tests.support.access import access_for, networked
from tests.support.faults import Challenge, Drip, Flip, Refuse, SetHeaders, Stall
from tests.support.gates import BasicGate
from tests.support.images import BuiltImage, build, digest_of
from tests.support.outputs import blob_path
from tests.support.proxies import RunningProxy, running_proxy
from tests.support.pushing import Pushing
from tests.support.referring import referring
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
NAME = "library/x"
BIG = hashlib.shake_128(b"big").digest(3_500_000)


@pytest.fixture
def anyio_backend() -> str:
    """The server needs asyncio."""
    return "asyncio"


@pytest.fixture
def image() -> BuiltImage:
    return build("oci")


@pytest.fixture
def upstream(image: BuiltImage) -> Iterator[Simulator]:
    with Simulator(image, NAME, "v1", pushing=Pushing(referrers=True)) as registry:
        registry.store.add_blob(NAME, digest_of(BIG), BIG)
        yield registry


def hub(upstream: Simulator) -> str:
    return f"docker.io=http://{upstream.host}"


def asked(upstream: Simulator, what: str) -> list[tuple[str, str]]:
    """The requests for paths that contain ``what``."""
    return [(one.method, one.path.rpartition("/")[2]) for one in upstream.requests if what in one.path]


async def pull(proxy: RunningProxy, reference: str, folder: Path) -> None:
    access = access_for(folder, retry=Retry(times=0))
    name = f"docker://{proxy.host}/{NAME}{reference}"
    await pyskopeo.copy(name, f"dir:{folder / 'pulled'}", source_access=access, destination_access=access)


async def test_many_clients_cost_one_request(tmp_path: Path, upstream: Simulator) -> None:
    digest = digest_of(BIG)
    upstream.on_blob(digest, Drip(100_000, 0.01))
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        path, received = f"/v2/{NAME}/blobs/{digest}", []

        async def get(part: slice) -> None:
            headers = {} if part == slice(None) else {"Range": f"bytes={part.start}-{part.stop - 1}"}
            answer = await proxy.http.get(path, headers=headers)
            assert answer.content == BIG[part]
            received.append(answer.status_code)

        async with anyio.create_task_group() as tasks:
            for part in (*[slice(None)] * 6, slice(10, 20), slice(2_000_000, 3_500_000)):
                tasks.start_soon(get, part)
        assert sorted(received) == [200] * 6 + [206] * 2
        assert asked(upstream, "/blobs/").count(("GET", digest)) == 1
        assert (await proxy.http.get(path)).content == BIG
        assert proxy.fetched == 1
    assert asked(upstream, "/blobs/").count(("GET", digest)) == 1
    assert blob_path(tmp_path / "store", digest).read_bytes() == BIG


async def test_bytes_flow_before_all_are_there_and_survive_who_asked_first(tmp_path: Path, upstream: Simulator) -> None:
    digest = digest_of(BIG)
    upstream.on_blob(digest, Drip(50_000, 0.02))
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        path = f"/v2/{NAME}/blobs/{digest}"
        async with proxy.http.stream("GET", path) as first:
            assert first.headers["content-length"] == str(len(BIG))
            async for piece in first.aiter_raw():
                assert BIG.startswith(piece)
                break
            assert not blob_path(tmp_path / "store", digest).exists()
        assert (await proxy.http.get(path)).content == BIG
    assert asked(upstream, "/blobs/").count(("GET", digest)) == 1


async def test_a_blob_that_is_fetched_in_parts_flows_in_order(
    tmp_path: Path, upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts are written ahead of what has arrived in order; clients get no byte of the gap between."""

    async def idle(_seconds: float) -> bool:
        await anyio.sleep(0.01)
        return True

    monkeypatch.setattr(part_workers, "processors_idle", idle)
    digest = digest_of(BIG)
    upstream.on_blob(digest, Drip(20_000, 0.02))
    access = networked(access_for(tmp_path), ranges=Ranges(parts=4, size=300_000, least=1_000_000))
    async with running_proxy(tmp_path, hub(upstream), access=access) as proxy:
        path = f"/v2/{NAME}/blobs/{digest}"

        async def get(start: int) -> None:
            answer = await proxy.http.get(path, headers={"Range": f"bytes={start}-"})
            assert answer.content == BIG[start:]

        async with anyio.create_task_group() as tasks:
            for start in (0, 1_000_000, 3_000_000):
                tasks.start_soon(get, start)
    assert len([one for one in upstream.requests if digest in one.path and one.header("Range")]) > 3


async def test_nobody_gets_all_of_a_wrong_blob(tmp_path: Path, upstream: Simulator) -> None:
    digest = digest_of(BIG)
    upstream.on_blob(digest, Flip(3_000_000), Drip(500_000, 0.05))
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        with pytest.raises(httpx.RemoteProtocolError):
            await proxy.http.get(f"/v2/{NAME}/blobs/{digest}")
        assert not blob_path(tmp_path / "store", digest).exists()
        assert any("digest" in message for message in proxy.warnings)
        upstream.heal()
        assert (await proxy.http.get(f"/v2/{NAME}/blobs/{digest}")).content == BIG


async def test_a_blob_goes_on_where_it_was_cut(tmp_path: Path, upstream: Simulator) -> None:
    """By the same proxy, and by one that is started again."""
    digest = digest_of(BIG)
    upstream.on_blob(digest, Stall(2_500_000), times=1)
    access = access_for(tmp_path, stall_timeout=0.5, retry=Retry(times=0))
    async with running_proxy(tmp_path, hub(upstream), access=access) as proxy:
        with pytest.raises(httpx.RemoteProtocolError):
            await proxy.http.get(f"/v2/{NAME}/blobs/{digest}")
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        assert (await proxy.http.get(f"/v2/{NAME}/blobs/{digest}")).content == BIG
    last = [one for one in upstream.requests if one.method == "GET" and digest in one.path][-1]
    assert int((last.header("Range") or "bytes=0-")[6:-1]) >= 1_000_000


async def test_a_blob_that_cannot_be_stored_is_passed_on(
    tmp_path: Path, upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def receive(*_: object) -> None:
        raise StorageFailed("writing x: No space left on device")

    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        monkeypatch.setattr(ContentStore, "receive", receive)
        for part in (slice(0, len(BIG)), slice(1_000, 3_000_000)):
            headers = {"Range": f"bytes={part.start}-{part.stop - 1}"}
            answer = await proxy.http.get(f"/v2/{NAME}/blobs/{digest_of(BIG)}", headers=headers)
            assert answer.content == BIG[part]
        assert "passed on without being stored" in proxy.warnings[0]


async def test_a_tag_is_asked_for_again_after_a_time(tmp_path: Path, upstream: Simulator, image: BuiltImage) -> None:
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        for _ in range(3):
            answer = await proxy.http.get(f"/v2/{NAME}/manifests/v1")
            assert (answer.content, answer.headers["docker-content-digest"]) == (image.root.raw, image.digest)
        assert asked(upstream, "/manifests/") == [("HEAD", "v1"), ("GET", image.digest)]
    moved = build("docker")
    async with running_proxy(tmp_path, hub(upstream), fresh=0) as proxy:
        assert (await proxy.http.get(f"/v2/{NAME}/manifests/v1")).content == image.root.raw
        upstream.add(moved, NAME, "v1")
        assert (await proxy.http.head(f"/v2/{NAME}/manifests/v1")).headers["docker-content-digest"] == moved.digest
    asked_since = asked(upstream, "/manifests/")[2:]
    assert asked_since == [("HEAD", "v1"), ("HEAD", "v1"), ("GET", moved.digest)]


async def test_what_is_stored_is_served_while_upstream_is_down(tmp_path: Path, image: BuiltImage) -> None:
    """Also by a proxy that was started when it was down already."""
    with Simulator(image, NAME, "v1") as upstream:
        address = hub(upstream)
        async with running_proxy(tmp_path, address, fresh=0) as proxy:
            await pull(proxy, ":v1", tmp_path / "1")
            upstream.on("/*", Refuse(503), methods=("GET", "HEAD"))
            answer = await proxy.http.get(f"/v2/{NAME}/manifests/v1")
            assert answer.content == image.root.raw
            assert answer.headers["warning"].startswith("111 ")
            assert (await proxy.http.get(f"/v2/{NAME}/manifests/v2")).status_code == 502
    async with running_proxy(tmp_path, address) as proxy:
        await pull(proxy, ":v1", tmp_path / "2")
        await pull(proxy, f"@{image.digest}", tmp_path / "3")
        tags = await proxy.http.get(f"/v2/{NAME}/tags/list")
        assert (tags.json()["tags"], tags.headers["warning"][:4]) == (["v1"], "111 ")
        assert (await proxy.http.get("/v2/_catalog")).json() == {"repositories": [f"docker.io/{NAME}"]}
        assert (await proxy.http.get(f"/v2/{NAME}/manifests/v2")).status_code == 502
        assert any("what is stored is served" in message for message in proxy.warnings)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Refuse(404), 404, "UNKNOWN"),
        (Challenge(('Basic realm="x"',)), 403, "DENIED"),
        (Refuse(403), 403, "DENIED"),
        (Refuse(429, retry_after=1000), 429, "TOOMANYREQUESTS"),
        (Refuse(500), 502, "UNAVAILABLE"),
    ],
)
async def test_what_upstream_says_is_passed_on(
    tmp_path: Path, upstream: Simulator, fault: Refuse, status: int, code: str
) -> None:
    upstream.on("/v2/*/*/*", fault, methods=("GET", "HEAD"))
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        for path in ("manifests/v1", f"manifests/{digest_of(b'x')}", f"blobs/{digest_of(BIG)}"):
            answer = await proxy.http.get(f"/v2/{NAME}/{path}")
            assert answer.status_code == status, answer.text
            (error,) = answer.json()["errors"]
            assert error["code"].endswith(code)
            assert "www-authenticate" not in answer.headers
            if status == 429:
                assert answer.headers["retry-after"] == "1000"


async def test_credentials_are_those_of_the_proxy(tmp_path: Path, image: BuiltImage) -> None:
    gate = BasicGate({"mirror": "secret"})
    with Simulator(image, NAME, "v1", gate=gate) as upstream:
        access = access_for(tmp_path, credentials=pyskopeo.Credentials("mirror", "secret"))
        async with running_proxy(tmp_path, hub(upstream), access=access) as proxy:
            proxy.http.headers["Authorization"] = "Basic Y2xpZW50OmNsaWVudA=="
            answer = await proxy.http.get(f"/v2/{NAME}/manifests/v1")
            assert answer.status_code == 403, "credentials on the command line are not for another host"
            assert "log in with: " not in answer.text
            assert ["log in with: " in warning for warning in proxy.warnings] == [True]
        keychain = replace(access.keychain, credentials=None, anonymous=False)
        (tmp_path / ".docker").mkdir()
        auth = f'{{"auths": {{"{upstream.host}": {{"auth": "bWlycm9yOnNlY3JldA=="}}}}}}'
        (tmp_path / ".docker/config.json").write_text(auth)
        async with running_proxy(tmp_path, hub(upstream), access=replace(access, keychain=keychain)) as proxy:
            proxy.http.headers["Authorization"] = "Basic Y2xpZW50OmNsaWVudA=="
            assert (await proxy.http.get(f"/v2/{NAME}/manifests/v1")).content == image.root.raw
        assert not [one for one in upstream.requests if "Y2xpZW50" in (one.header("Authorization") or "")]


async def test_content_belongs_to_its_repository(tmp_path: Path, upstream: Simulator, image: BuiltImage) -> None:
    """What one repository has is not given away under another name, unless that has it, too."""
    upstream.add(build("docker"), "library/other", "v1")
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        await pull(proxy, ":v1", tmp_path / "1")
        paths = (f"blobs/{digest_of(BIG)}", f"manifests/{image.digest}")
        for path in paths:
            assert (await proxy.http.get(f"/v2/{NAME}/{path}")).status_code == 200
            assert (await proxy.http.get(f"/v2/library/other/{path}")).status_code == 404
        upstream.add(image, "library/other", "v2")
        upstream.store.add_blob("library/other", digest_of(BIG), BIG)
        before = proxy.fetched
        for path in paths:
            assert (await proxy.http.get(f"/v2/library/other/{path}")).status_code == 200
        assert proxy.fetched == before


async def test_an_image_is_kept_whichever_repository_brings_its_blobs(
    tmp_path: Path, upstream: Simulator, image: BuiltImage
) -> None:
    upstream.add(image, "library/other", "v2")
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        assert (await proxy.http.get("/v2/library/other/manifests/v2")).status_code == 200
        await pull(proxy, ":v1", tmp_path / "1")
        with anyio.fail_after(15):
            while len((await proxy.http.get("/v2/_catalog")).json()["repositories"]) < 2:
                await anyio.sleep(0.01)


async def test_names(tmp_path: Path, upstream: Simulator, image: BuiltImage) -> None:
    """By containerd's query, with the host, and of the first upstream without it."""
    with Simulator(build("docker"), "team/y", "v1") as second:
        async with running_proxy(tmp_path, hub(upstream), f"quay.io=http://{second.host}") as proxy:

            async def status(path: str) -> int:
                return (await proxy.http.get(f"/v2/{path}")).status_code

            assert await status(f"{NAME}/manifests/v1") == 200
            assert await status("x/manifests/v1") == 200
            assert await status("docker.io/library/x/manifests/v1") == 200
            assert await status("quay.io/team/y/manifests/v1") == 200
            assert await status("team/y/manifests/v1?ns=quay.io") == 200
            assert await status("team/y/manifests/v1") == 404
            assert await status("team/y/manifests/v1?ns=ghcr.io") == 404
            assert await status("Team/y/manifests/v1") == 400
            assert await status("x/manifests/-") == 400
            assert await status("x/blobs/sha256:12") == 400
            answer = await proxy.http.get("/v2/team/y/tags/list?ns=quay.io&n=1")
            assert answer.headers["oci-namespace"] == "quay.io"
            assert answer.json() == {"name": "team/y", "tags": ["v1"]}


async def test_referrers_are_those_of_upstream(tmp_path: Path, upstream: Simulator, image: BuiltImage) -> None:
    bom = referring(image)
    upstream.add(bom, NAME, None)
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        answer = await proxy.http.get(f"/v2/{NAME}/referrers/{image.digest}")
        assert [one["digest"] for one in answer.json()["manifests"]] == [bom.digest]
        assert (await proxy.http.get(f"/v2/{NAME}/manifests/{bom.digest}")).content == bom.root.raw


async def test_what_is_left_of_a_rate_limit_is_told(tmp_path: Path, upstream: Simulator) -> None:
    upstream.on("/v2/*", SetHeaders({"RateLimit-Remaining": "76;w=21600"}), methods=("GET", "HEAD"))
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        assert (await proxy.http.head(f"/v2/{NAME}/manifests/v1")).headers["ratelimit-remaining"] == "76;w=21600"


async def test_it_takes_no_pushes_and_is_not_its_own_upstream(tmp_path: Path, upstream: Simulator) -> None:
    async with running_proxy(tmp_path, hub(upstream)) as proxy:
        assert (await proxy.http.post(f"/v2/{NAME}/blobs/uploads/")).status_code == 405
        answer = await proxy.http.get(f"/v2/{NAME}/manifests/v1", headers={"User-Agent": upstream_agent(proxy)})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (508, "UNAVAILABLE")


def upstream_agent(proxy: RunningProxy) -> str:
    return f"pyskopeo/1 {proxy.app.mark}"
