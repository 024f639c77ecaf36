"""Docker, containerd, podman, skopeo and umoci with a registry of ours: they push to it, pull from it, and have it as a mirror."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.access import Access
from pyskopeo.serve import application
from pyskopeo.serve.proxy import open_proxy
from pyskopeo.serve.upstreams import Upstream
from tests.support.access import access_for
from tests.support.cli import pyskopeo_here
from tests.support.containerd import Containerd
from tests.support.images import BuiltImage, build
from tests.support.outputs import write_dir
from tests.support.peers import Dockerd
from tests.support.require import require_peer
from tests.support.serving_thread import serving
from tests.support.simulator import Simulator


def run(*words: str, environ: dict[str, str] | None = None) -> str:
    program = require_peer(words[0])
    variables = {**os.environ, **(environ or {})}
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, timeout=120, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def image() -> BuiltImage:
    return build("docker")


@dataclass
class Registry:
    """A registry that takes pushes; its layout, and its ``HOST:PORT``."""

    layout: Path
    host: str


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    layout = tmp_path_factory.mktemp("registry") / "layout"

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        yield application(layout, writable=True)

    with serving(opened) as host:
        yield Registry(layout, host)


@dataclass
class Mirrored:
    """A registry and its proxy: how the proxy is reached, and what it has asked for."""

    upstream: Simulator
    host: str

    @property
    def configuration(self) -> str:
        """A registries.conf with the proxy as the mirror of Docker Hub."""
        mirror = f'[[registry.mirror]]\nlocation = "{self.host}"\ninsecure = true\n'
        return f'[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n{mirror}'


def names(upstream: Simulator) -> list[Upstream]:
    """Docker Hub and another registry, both of them the simulated one."""
    return [Upstream.parse(f"{host}=http://{upstream.host}") for host in ("docker.io", "quay.io")]


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, image: BuiltImage) -> Iterator[Mirrored]:
    folder = tmp_path_factory.mktemp("proxy")

    def new_access() -> Access:
        access = access_for(folder)
        return replace(access, storage=replace(access.storage, store=folder / "store"))

    with (
        Simulator(image, "library/x", "v1") as upstream,
        serving(lambda: open_proxy(names(upstream), new_access)) as host,
    ):
        yield Mirrored(upstream, host)


@pytest.fixture(scope="module")
def dockerd(mirrored: Mirrored) -> Iterator[Dockerd]:
    require_peer("dockerd")
    with Dockerd(f"--registry-mirror=http://{mirrored.host}") as daemon:
        yield daemon


@pytest.fixture
def podman(podman_command: tuple[str, ...]) -> Callable[..., str]:
    """Podman with an empty storage."""
    def call(*words: str, environ: dict[str, str] | None = None) -> str:
        return run(*podman_command, *words, environ=environ)

    return call


def pulled(registry: Registry, name: str, image: BuiltImage, folder: Path) -> None:
    """The very image is in the registry, as skopeo and we read it."""
    source = f"docker://{registry.host}/{name}"
    folder.mkdir()
    run("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", source, f"dir:{folder}/skopeo")
    done = pyskopeo_here("--insecure-policy", "copy", "--src-tls-verify=false", source, f"dir:{folder}/ours")
    assert done.code == 0, done.stderr
    for made in ("skopeo", "ours"):
        assert (folder / made / "manifest.json").read_bytes() == image.root.raw


def test_skopeo_and_we_push_and_umoci_reads(registry: Registry, image: BuiltImage, tmp_path: Path) -> None:
    origin = write_dir(image, tmp_path / "origin")
    target = f"docker://{registry.host}/team/tool"
    run("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", f"dir:{origin}", f"{target}:skopeo")
    pulled(registry, "team/tool:skopeo", image, tmp_path / "1")
    oci = write_dir(build("oci"), tmp_path / "oci")
    done = pyskopeo_here("--insecure-policy", "copy", "--dest-tls-verify=false", f"dir:{oci}", f"{target}:ours")
    assert done.code == 0, done.stderr
    pulled(registry, "team/tool:ours", build("oci"), tmp_path / "2")
    tags = json.loads(run("skopeo", "list-tags", "--tls-verify=false", target))["Tags"]
    assert {"ours", "skopeo"} <= set(tags)
    listed = run("umoci", "list", "--layout", str(registry.layout))
    assert {"team/tool:ours", "team/tool:skopeo"} <= set(listed.split())
    assert pyskopeo_here("layout", "verify", f"oci:{registry.layout}").code == 0
    run("skopeo", "delete", "--tls-verify=false", f"{target}:ours")
    assert "ours" not in json.loads(run("skopeo", "list-tags", "--tls-verify=false", target))["Tags"]


def test_docker_pushes_and_pulls(registry: Registry, dockerd: Dockerd, image: BuiltImage, tmp_path: Path) -> None:
    name = f"{registry.host}/team/docker:v1"
    origin = write_dir(image, tmp_path / "origin")
    run("skopeo", "--insecure-policy", "copy", f"dir:{origin}", f"docker-archive:{tmp_path}/image.tar:{name}")
    dockerd.docker("load", "--input", f"{tmp_path}/image.tar")
    dockerd.docker("push", name)
    dockerd.docker("rmi", name)
    assert "Downloaded newer image" in dockerd.docker("pull", name)
    source = f"docker://{name}"
    raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", source)
    assert json.loads(raw)["config"]["digest"] == image.config_digest()


def test_podman_pushes_and_pulls(
    registry: Registry, podman: Callable[..., str], image: BuiltImage, tmp_path: Path
) -> None:
    name = f"{registry.host}/team/podman:v1"
    origin = write_dir(image, tmp_path / "origin")
    podman("pull", f"dir:{origin}")
    (identity,) = podman("images", "--quiet", "--no-trunc").split()
    podman("push", "--tls-verify=false", identity, name)
    podman("rmi", "--all", "--force")
    assert podman("pull", "--quiet", "--tls-verify=false", name).strip() == identity.removeprefix("sha256:")


def test_it_is_a_mirror_for_all_of_them(
    mirrored: Mirrored, dockerd: Dockerd, podman: Callable[..., str], image: BuiltImage, tmp_path: Path
) -> None:
    """The registries themselves cannot be reached; each blob is requested once for all of them."""
    require_peer("containerd")
    configuration = tmp_path / "registries.conf"
    configuration.write_text(mirrored.configuration)
    name, words = "docker.io/library/x:v1", ("--registries-conf", str(configuration), "--insecure-policy", "copy")
    run("skopeo", *words, f"docker://{name}", f"dir:{tmp_path}/skopeo")
    assert pyskopeo_here(*words, f"docker://{name}", f"dir:{tmp_path}/ours").code == 0
    for made in ("skopeo", "ours"):
        assert (tmp_path / made / "manifest.json").read_bytes() == image.root.raw
    identity = podman("pull", "--quiet", name, environ={"CONTAINERS_REGISTRIES_CONF": str(configuration)}).strip()
    assert f"sha256:{identity}" == image.config_digest()
    assert image.digest in dockerd.docker("pull", "x:v1")
    for host in ("docker.io", "quay.io"):  # containerd asks for both by the same name, with ?ns=HOST
        hosts = tmp_path / "hosts" / host / "hosts.toml"
        hosts.parent.mkdir(parents=True)
        hosts.write_text(f'[host."http://{mirrored.host}"]\n  capabilities = ["pull", "resolve"]\n')
    with Containerd() as containerd:
        for host in ("docker.io", "quay.io"):
            reference = f"{host}/library/x:v1"
            containerd.ctr(
                "images", "pull", "--snapshotter=native", "--hosts-dir", str(tmp_path / "hosts"), reference
            )  # fmt: skip
            assert image.digest in containerd.ctr("images", "ls", f"name=={reference}")
    blobs = [one.path for one in mirrored.upstream.requests if "/blobs/" in one.path]
    assert len(blobs) == len(set(blobs)) == len(image.blobs)
