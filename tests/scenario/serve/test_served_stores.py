"""A content store that is served as a registry, and takes pushes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import anyio
import httpx
import pytest

import pyskopeo
from pyskopeo.errors import NotFound
from pyskopeo.serve import application
from tests.scenario.content_store.pulling import IMAGE, pull, through
from tests.support.registry_pushes import push_image
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def client(store: Path, *, writable: bool = False) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application(store, writable=writable, store=True))
    return httpx.AsyncClient(transport=transport, base_url="http://registry")


async def test_what_was_copied_through_a_store_is_served(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as simulator:
        await pull(simulator.name(), f"oci:{tmp_path / 'out'}:x", through(store, tmp_path))
    async with client(store) as http:
        (name,) = (await http.get("/v2/_catalog")).json()["repositories"]
        assert name == "test/image"  # a host with a port is no part of a name
        assert (await http.get(f"/v2/{name}/tags/list")).json()["tags"] == ["latest"]
        assert (await http.get(f"/v2/{name}/manifests/latest")).content == IMAGE.root.raw
        path = store / "blobs" / IMAGE.config_digest().replace(":", "/")
        os.utime(path, (1e9, path.stat().st_mtime))
        assert (await http.get(f"/v2/{name}/blobs/{IMAGE.config_digest()}")).content == IMAGE.config()
        assert path.stat().st_atime > 1e9 + 1
        assert (await http.put(f"/v2/{name}/manifests/2", content=b"{}")).status_code == 405


async def test_pushes_into_a_store(store: Path) -> None:
    with pytest.raises(NotFound):
        await anyio.to_thread.run_sync(client, store)
    before = os.umask(0)
    try:
        async with client(store, writable=True) as http:
            raw = await push_image(http, "docker.io/library/app", "1.0", b"layer")
    finally:
        os.umask(before)
    (image,) = pyskopeo.list_store(store)
    assert (image.name, image.complete) == ("docker.io/library/app:1.0", True)
    for path in (store, *store.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o022, path
    async with client(store) as http:
        assert (await http.get("/v2/docker.io/library/app/manifests/1.0")).content == raw
