"""syft, a scanner that reads one image a layout, finds the packages of every platform, with no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import BuiltImage, build
from tests.support.outputs import write_layout
from tests.support.packages import PACKAGES, scanned_list
from tests.support.peers import Registry
from tests.support.require import require_peer, unavailable

pytestmark = pytest.mark.peer("syft")
NAMES = {"linux-amd64": "amd64", "linux-arm-v7": "arm32v7", "linux-arm64-v8": "arm64v8"}
WANTED = dict(zip(NAMES, PACKAGES.values(), strict=True))


@pytest.fixture(autouse=True, scope="module")
def namespaces() -> None:
    """Everything here is scanned in a network namespace of its own."""
    if (done := without_network("true")).returncode:
        unavailable(f"needs the right to make a network namespace: {done.stderr.strip()}")


@pytest.fixture(scope="module")
def image() -> BuiltImage:
    return build(scanned_list())


def without_network(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "-n", *words] if os.geteuid() == 0 else ["unshare", "-rn", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def scan(source: str, cache: Path) -> subprocess.CompletedProcess[str]:
    environ = [f"XDG_CACHE_HOME={cache}", "SYFT_CHECK_FOR_APP_UPDATE=false", f"TMPDIR={cache}", "GOMAXPROCS=2"]
    return without_network("env", *environ, require_peer("syft"), "scan", source, "-o", "json", "-q")


def packages(source: str, cache: Path) -> dict[str, str]:
    """The packages that syft finds in an image, with their versions."""
    done = scan(source, cache)
    assert done.returncode == 0, done.stderr
    return {found["name"]: found["version"] for found in json.loads(done.stdout)["artifacts"]}


def test_there_is_no_network() -> None:
    """What the other tests rely on: here nothing can be reached, not even this machine."""
    program = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    assert "Network is unreachable" in without_network(sys.executable, "-c", program).stderr


def test_each_platform_of_a_pull_of_all(registry: Registry, image: BuiltImage, tmp_path: Path) -> None:
    """And the same packages as in a pull of that platform alone; no blob lies there twice."""
    registry.push(image, "scan/all")
    tls = "--src-tls-verify=false"
    done = pyskopeo_here("copy", "-q", tls, "--all", "--split-platforms", registry.name("scan/all"), f"oci:{tmp_path}/out")
    listed = json.loads(succeed(done).stdout)
    assert listed == json.loads((tmp_path / "out" / "platforms.json").read_bytes())
    assert [one["path"] for one in listed["images"]] == list(NAMES)
    for one in listed["images"]:
        platform = "/".join(filter(None, (one["platform"][name] for name in ("os", "architecture", "variant")
                                          if name in one["platform"])))  # fmt: skip
        alone = tmp_path / one["path"]
        succeed(pyskopeo_here("copy", "-q", tls, "--platform", platform, registry.name("scan/all"), f"oci:{alone}"))
        found = packages(f"oci-dir:{tmp_path / 'out' / one['path']}", tmp_path)
        assert found == packages(f"oci-dir:{alone}", tmp_path) == WANTED[one["path"]]
    for file in (tmp_path / "out").glob("linux-*/blobs/sha256/*"):
        assert f"sha256:{file.name}" in image.manifests or file.stat().st_ino == (tmp_path / "out/blobs/sha256" / file.name).stat().st_ino


def test_a_layout_that_is_there_already(image: BuiltImage, tmp_path: Path) -> None:
    write_layout(image, tmp_path / "whole", tag="app")
    succeed(pyskopeo_here("layout", "split", "--platform-names=bashbrew", f"oci:{tmp_path}/whole:app", f"oci:{tmp_path}/by"))
    for plain, name in NAMES.items():
        assert packages(f"oci-dir:{tmp_path / 'by' / name}", tmp_path) == WANTED[plain]


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_archives_of_one_platform(transport: str, image: BuiltImage, tmp_path: Path) -> None:
    write_layout(image, tmp_path / "whole", tag="app")
    succeed(pyskopeo_here("copy", "-q", "--platform=linux/arm64", f"oci:{tmp_path}/whole:app", f"{transport}:{tmp_path}/x.tar"))
    assert packages(f"{transport}:{tmp_path}/x.tar", tmp_path) == WANTED["linux-arm64-v8"]


def test_why_this_is_needed(image: BuiltImage, tmp_path: Path) -> None:
    """A list in a layout is refused: otherwise all of this could go."""
    write_layout(image, tmp_path / "whole", tag="app")
    assert scan(f"oci-dir:{tmp_path}/whole", tmp_path).returncode != 0
