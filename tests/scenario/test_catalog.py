"""The list of a registry's repositories, from a simulated registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pyskopeo
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Response
from tests.support.gates import BasicGate
from tests.support.images import build
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
USER = pyskopeo.Credentials("user", "hunter2-password")


def registry_with(*names: str, page_size: int = 100) -> Simulator:
    registry = Simulator(page_size=page_size)
    for name in names:
        registry.add(build("oci"), name, "v1")
    return registry


async def test_all_pages_are_read(tmp_path: Path) -> None:
    names = [f"team/app{number}" for number in range(7)]
    with registry_with(*names, page_size=3) as registry:
        assert await pyskopeo.list_repositories(registry.host, access=access_for(tmp_path)) == names
        assert [r.path for r in registry.requests if r.path != "/v2/"] == ["/v2/_catalog"] * 3


async def test_a_registry_that_asks_for_a_password(tmp_path: Path) -> None:
    with registry_with("a/b") as registry:
        registry.gate = BasicGate({"user": "hunter2-password"})
        access = access_for(tmp_path, credentials=USER)
        assert await pyskopeo.list_repositories(f"docker://{registry.host}/", access=access) == ["a/b"]
        with pytest.raises(pyskopeo.AccessDenied):
            await pyskopeo.list_repositories(registry.host, access=access_for(tmp_path))


async def test_names_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    body = json.dumps({"repositories": ["a/b", "../etc", "x\x1b[31m", None, "A/B", "c"]}).encode()
    with registry_with() as registry:
        registry.routes["/v2/_catalog"] = Response(200, (), body)
        assert await pyskopeo.list_repositories(registry.host, access=access_for(tmp_path)) == ["a/b", "c"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (f.SetHeaders({"Link": "garbage"}), pyskopeo.InvalidContent),
        (f.SetHeaders({"Link": '<http://elsewhere.example.com/other>; rel="next"'}), pyskopeo.UnsafeAddress),
        (f.Refuse(404), pyskopeo.RegistryError),
    ],
)
async def test_a_part_is_not_taken_for_the_whole(
    fault: f.Fault, error: type[pyskopeo.PyskopeoError], tmp_path: Path
) -> None:
    with registry_with("a/b") as registry:
        registry.on("/v2/_catalog", fault)
        with pytest.raises(error, match=f"listing the repositories of {registry.host}"):
            await pyskopeo.list_repositories(registry.host, access=access_for(tmp_path))


@pytest.mark.parametrize("name", ["", "a b", "host/repository", "docker://"])
async def test_what_is_no_registry(name: str, tmp_path: Path) -> None:
    with pytest.raises(pyskopeo.InvalidName, match="want HOST"):
        await pyskopeo.list_repositories(name, access=access_for(tmp_path))
