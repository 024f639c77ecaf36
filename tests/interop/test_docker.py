"""A real Docker daemon: it loads and runs what we wrote, pulls from what we serve, and we read what it saves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import PYSKOPEO, environment, pyskopeo
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build, digest_of
from tests.support.outputs import blob_path, write_dir
from tests.support.peers import Dockerd
from tests.support.rootfs import GREETING
from tests.support.trees import tree

LAYERS = (LayerSpec("base", base=True), LayerSpec("same"), LayerSpec("between"), LayerSpec("same"))
IMAGES = {
    "docker": build(ImageSpec("docker", layers=LAYERS, empty_history=2, labels={"odd": "<&>"})),
    "oci": build(ImageSpec("oci", layers=LAYERS, empty_history=2, labels={"odd": "<&>"})),
    "oci-zstd": build(ImageSpec("oci", layers=(LayerSpec("zstd", base=True, compression="zstd"),))),
}


@pytest.fixture(params=sorted(IMAGES))
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def source(kind: str, tmp_path: Path) -> str:
    return f"dir:{write_dir(IMAGES[kind], tmp_path / 'source')}"


def greeting(dockerd: Dockerd, name: str) -> bytes:
    return dockerd.docker("run", "--rm", "--network", "none", name).encode()


def test_it_loads_and_runs_what_we_wrote(dockerd: Dockerd, kind: str, source: str, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    succeed(pyskopeo_here("copy", "--additional-tag", f"more:{kind}", source, f"docker-archive:{archive}:written:{kind}"))
    said = dockerd.docker("load", "--input", str(archive))
    assert f"written:{kind}" in said
    assert f"more:{kind}" in said
    assert greeting(dockerd, f"written:{kind}") == GREETING
    (told,) = json.loads(dockerd.docker("image", "inspect", f"more:{kind}"))
    assert told["Id"] == IMAGES[kind].config_digest()  # the configuration is the source's, byte for byte
    config = json.loads(IMAGES[kind].config())
    assert told["RootFS"]["Layers"] == config["rootfs"]["diff_ids"]


def test_it_loads_from_our_standard_output(dockerd: Dockerd, tmp_path: Path) -> None:
    source = write_dir(IMAGES["oci"], tmp_path / "source")
    done = succeed(pyskopeo("copy", f"dir:{source}", "docker-archive:-:streamed:v1"))
    path = tmp_path / "streamed"
    path.write_bytes(done.stdout)
    assert "streamed:v1" in dockerd.docker("load", stdin=path)


def saved(dockerd: Dockerd, folder: Path, *names: str) -> Path:
    path = folder / "saved.tar"
    dockerd.docker("save", "--output", str(path), *names)
    return path


def test_what_it_saves_we_read(dockerd: Dockerd, kind: str, source: str, tmp_path: Path) -> None:
    name = f"kept:{kind}"
    succeed(pyskopeo_here("copy", source, f"docker-archive:{tmp_path}/image.tar:{name}"))
    dockerd.docker("load", "--input", f"{tmp_path}/image.tar")
    archive = saved(dockerd, tmp_path, name)
    image = IMAGES[kind]
    config = json.loads(image.config())

    plain_wanted = "--dest-oci-accept-uncompressed-layers"
    succeed(pyskopeo_here("copy", plain_wanted, f"docker-archive:{archive}", f"oci:{tmp_path}/layout:x"))
    (entry,) = json.loads((tmp_path / "layout" / "index.json").read_bytes())["manifests"]
    manifest = json.loads(blob_path(tmp_path / "layout", entry["digest"]).read_bytes())
    found = json.loads(blob_path(tmp_path / "layout", manifest["config"]["digest"]).read_bytes())
    assert found["rootfs"] == config["rootfs"]
    plain = [digest_of(blob_path(tmp_path / "layout", layer["digest"]).read_bytes()) for layer in manifest["layers"]]
    assert plain == config["rootfs"]["diff_ids"]  # layers lie in the archive decompressed

    again = tmp_path / "again.tar"
    succeed(pyskopeo_here("copy", f"docker-archive:{archive}:{name}", f"docker-archive:{again}:again:{kind}"))
    assert f"again:{kind}" in dockerd.docker("load", "--input", str(again))
    assert greeting(dockerd, f"again:{kind}") == GREETING
    (told,) = json.loads(dockerd.docker("image", "inspect", f"again:{kind}"))
    assert told["Id"] == image.config_digest()


def test_several_images_in_what_it_saves(dockerd: Dockerd, tmp_path: Path) -> None:
    names = [f"several:{kind}" for kind in ("docker", "oci-zstd")]
    for kind, name in zip(("docker", "oci-zstd"), names, strict=True):
        source = write_dir(IMAGES[kind], tmp_path / kind)
        succeed(pyskopeo_here("copy", f"dir:{source}", f"docker-archive:{tmp_path}/{kind}.tar:{name}"))
        dockerd.docker("load", "--input", f"{tmp_path}/{kind}.tar")
    archive = saved(dockerd, tmp_path, *names)
    for kind, name in zip(("docker", "oci-zstd"), names, strict=True):
        shown = succeed(pyskopeo_here("inspect", "--config", "--raw", f"docker-archive:{archive}:{name}")).stdout
        assert digest_of(shown) == IMAGES[kind].config_digest()
    refused = pyskopeo_here("inspect", f"docker-archive:{archive}")
    assert refused.code == 1
    assert "expected 1 item, got 2" in refused.stderr


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """``HOST:PORT`` of a registry of ours, over a layout with one index and one image in it."""
    for kind, tag in (("docker-list", "list"), ("oci", "image")):
        source = write_dir(build(kind), tmp_path / kind)
        words = ("copy", "--all", "--preserve-digests", f"dir:{source}", f"oci:{tmp_path}/layout:{tag}")
        succeed(pyskopeo_here(*words))
    command = [*PYSKOPEO, "serve", f"oci:{tmp_path}/layout", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        yield line.split("http://")[1].split("/")[0]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_it_pulls_from_what_we_serve(dockerd: Dockerd, served: str) -> None:
    """A daemon trusts registries on the loopback interface without TLS."""
    for tag in ("list", "image"):
        name = f"{served}/any/name:{tag}"
        dockerd.docker("pull", name)
        assert greeting(dockerd, name) == GREETING
    image: BuiltImage = build("docker-list")
    (told,) = json.loads(dockerd.docker("image", "inspect", f"{served}/any/name:list"))
    assert told["RepoDigests"] == [f"{served}/any/name@{image.digest}"]
    dockerd.docker("pull", f"{served}/any/name@{image.digest}")


def test_we_pull_from_what_we_serve(served: str, tmp_path: Path) -> None:
    name = f"docker://{served}/any/name:list"
    succeed(pyskopeo("copy", "--all", "--src-tls-verify=false", name, f"dir:{tmp_path}/back"))
    assert tree(tmp_path / "back") == tree(write_dir(build("docker-list"), tmp_path / "wanted"))
