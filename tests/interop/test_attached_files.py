"""Files that are attached to images where real programs are: docker-registry, skopeo, and our own server."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.commands import PYSKOPEO, environment, skopeo, started
from tests.support.commands import pyskopeo as process
from tests.support.images import build, digest_of
from tests.support.outputs import write_layout
from tests.support.peers import Registry
from tests.support.referring import SBOM, SIGNATURE

IMAGE = build("oci")
MULTI = build("oci-index")


def referrers(name: str) -> dict[str, str]:
    """The types of what refers to an image, by digest."""
    report = json.loads(succeed(pyskopeo_here("referrers", "--tls-verify=false", "--json", name)).stdout)
    return {one["digest"]: one["artifactType"] for image in report["images"] for one in image["referrers"]}


def attach(name: str, *words: object) -> str:
    return succeed(pyskopeo_here("attach", "--tls-verify=false", name, *words)).stdout.decode().strip()


@pytest.fixture
def sbom(tmp_path: Path) -> Path:
    path = tmp_path / "app.spdx.json"
    path.write_bytes(b'{"spdxVersion": "SPDX-2.3"}')
    return path


@pytest.mark.peer("docker-registry")
class TestDockerRegistry:
    """It has no referrers API, and entity tags without conditions."""

    def test_there_and_away_again(self, registry: Registry, sbom: Path, tmp_path: Path) -> None:
        registry.push(MULTI, "attach/app", "1.0")
        name = registry.name("attach/app", "1.0")
        first = attach(name, sbom, "--type", SBOM)
        second = attach(name, sbom, "--type", SIGNATURE, "--platform", "linux/amd64")
        assert attach(name, sbom, "--type", SBOM) == first
        assert referrers(name) == {first: SBOM, second: SIGNATURE}
        words = ("--tls-verify=false", name, "--type", SBOM, "--output", f"{tmp_path}/out/")
        succeed(pyskopeo_here("download", *words))
        assert (tmp_path / "out" / "app.spdx.json").read_bytes() == sbom.read_bytes()
        succeed(pyskopeo_here("detach", "--tls-verify=false", name, first))
        assert referrers(name) == {second: SIGNATURE}
        succeed(pyskopeo_here("detach", "--tls-verify=false", name, "--type", SIGNATURE))
        assert referrers(name) == {}
        assert succeed(process("manifest", "get", "--tls-verify=false", f"{registry.host}/attach/app:1.0", "--output", "-")).stdout
        gone = pyskopeo_here("manifest", "get", "--tls-verify=false", f"{registry.host}/attach/app@{first}", "--output", tmp_path / "x")
        assert gone.code == 2

    def test_many_processes_at_once_lose_nothing(self, registry: Registry, tmp_path: Path) -> None:
        registry.push(IMAGE, "attach/many", "1.0")
        name = registry.name("attach/many", "1.0")
        files = []
        for number in range(5):
            files.append(tmp_path / f"{number}.json")
            files[-1].write_text(str(number))

        def one(file: Path) -> str:
            command = [*PYSKOPEO, "attach", "--tls-verify=false", name, str(file), "--type", SBOM]
            done = subprocess.run(command, env=environment(), capture_output=True, check=True, timeout=60)
            return done.stdout.decode().strip()

        with ThreadPoolExecutor(len(files)) as pool:
            attached = set(pool.map(one, files))
        assert len(attached) == len(files)
        assert referrers(name).keys() == attached

    def test_one_that_deletes_nothing(self, sbom: Path) -> None:
        with Registry(delete=False) as registry:
            registry.push(IMAGE, "attach/app", "1.0")
            name = registry.name("attach/app", "1.0")
            digest = attach(name, sbom, "--type", SBOM)
            done = succeed(pyskopeo_here("detach", "--tls-verify=false", name, digest))
            assert "its manifest stays" in done.stderr
            assert referrers(name) == {}


@pytest.mark.peer("skopeo")
def test_skopeo_reads_a_layout_with_attached_files(sbom: Path, tmp_path: Path) -> None:
    """By a name. Without one it finds two entries, and refuses."""
    layout = write_layout(IMAGE, tmp_path / "layout")
    digest = attach(f"oci:{layout}:latest", sbom, "--type", SBOM)
    succeed(skopeo("copy", f"oci:{layout}:latest", f"dir:{tmp_path / 'image'}"))
    succeed(skopeo("copy", "--all", f"oci:{layout}:{IMAGE.digest.replace(':', '-')}", f"dir:{tmp_path / 'list'}"))
    (entry,) = json.loads((tmp_path / "list" / "manifest.json").read_bytes())["manifests"]
    assert (entry["digest"], entry["artifactType"]) == (digest, SBOM)
    assert "choose an image" in skopeo("copy", f"oci:{layout}", f"dir:{tmp_path / 'other'}").stderr


def test_our_server_lists_them_and_takes_none(sbom: Path, tmp_path: Path) -> None:
    layout = write_layout(IMAGE, tmp_path / "layout")
    digest = attach(f"oci:{layout}:latest", sbom, "--type", SBOM)
    with started("serve", f"oci:{layout}", "--listen", "127.0.0.1:0") as server:
        assert server.stdout is not None
        name = f"docker://{server.stdout.readline().decode().split('http://')[1].split('/')[0]}/app:latest"
        assert referrers(name) == {digest: SBOM}
        words = ("--tls-verify=false", name, "--type", SBOM, "--output", f"{tmp_path}/out/")
        succeed(pyskopeo_here("download", *words))
        assert digest_of((tmp_path / "out" / "app.spdx.json").read_bytes()) == digest_of(sbom.read_bytes())
        for command in (("attach", name, sbom, "--type", SIGNATURE), ("detach", name, digest)):
            message = fatal(pyskopeo_here(command[0], "--tls-verify=false", *command[1:]))
            assert "405" in message
            assert "\n" not in message
        assert referrers(name) == {digest: SBOM}
