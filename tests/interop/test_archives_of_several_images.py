"""Archives of several images, and archives for Kubernetes, taken by docker, podman, skopeo and containerd."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.containerd import Containerd, ImageCheck
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.peers import Dockerd
from tests.support.processes import PeerFailed
from tests.support.require import require_peer, unavailable
from tests.support.simulator import Simulator

LAYERS = (LayerSpec("base", base=True), LayerSpec("of both"))
IMAGES = [build(ImageSpec(layers=(*LAYERS, LayerSpec(name)))) for name in ("one", "two")]
NAMES = ("team/one:1.0", "team/two:2.0")
CHECKED = ("--src-tls-verify=false", "--quiet")


@pytest.fixture(scope="module")
def registry() -> Iterator[Simulator]:
    with Simulator() as simulator:
        for image, name in zip(IMAGES, NAMES, strict=True):
            simulator.add(image, *name.split(":"))
        yield simulator


@pytest.fixture(scope="module")
def full_names(registry: Simulator) -> list[str]:
    return [f"{registry.host}/{name}" for name in NAMES]


@pytest.fixture(scope="module")
def archive(full_names: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "both.tar"
    succeed(pyskopeo_here("copy", *CHECKED, *(f"docker://{name}" for name in full_names), f"docker-archive:{path}"))
    return path


@pytest.fixture(scope="module")
def containerd() -> Iterator[Containerd]:
    require_peer("containerd")
    require_peer("ctr")
    daemon = Containerd()
    try:
        daemon.__enter__()
    except PeerFailed as error:
        unavailable(str(error))
    try:
        yield daemon
    finally:
        daemon.stop()


def test_docker_loads_both_by_their_names(dockerd: Dockerd, archive: Path, full_names: list[str]) -> None:
    said = dockerd.docker("load", "--input", str(archive))
    assert all(name in said for name in full_names)
    told = json.loads(dockerd.docker("image", "inspect", *full_names))
    assert [one["Id"] for one in told] == [image.config_digest() for image in IMAGES]


def test_podman_loads_both_by_their_names(
    archive: Path, full_names: list[str], podman_command: tuple[str, ...]
) -> None:
    podman = podman_command
    subprocess.run([*podman, "load", "--quiet", "--input", archive], check=True, capture_output=True, timeout=60)
    words = [*podman, "image", "inspect", "--format", "{{.Id}}", *full_names]
    ids = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert [f"sha256:{found}" for found in ids] == [image.config_digest() for image in IMAGES]


def test_skopeo_reads_each_by_name_and_position(archive: Path, full_names: list[str]) -> None:
    skopeo = require_peer("skopeo")
    for position, image in enumerate(IMAGES):
        for chosen in (full_names[position], f"@{position}"):
            words = [skopeo, "inspect", "--config", "--raw", f"docker-archive:{archive}:{chosen}"]
            assert subprocess.run(words, check=True, capture_output=True, timeout=60).stdout == image.config()


def test_we_read_what_podman_saves_of_several(
    archive: Path, full_names: list[str], podman_command: tuple[str, ...], tmp_path: Path
) -> None:
    """``podman save -m`` has layers as links to one another, as Docker had."""
    podman, saved = podman_command, tmp_path / "saved.tar"
    for words in (["load", "-q", "-i", str(archive)], ["save", "-q", "-m", "-o", str(saved), *full_names]):
        subprocess.run([*podman, *words], check=True, capture_output=True, timeout=60)
    parts = [f"docker-archive:{saved}:{name}" for name in reversed(full_names)]
    succeed(pyskopeo_here("copy", "--quiet", *parts, f"docker-archive:{tmp_path}/again.tar"))
    for position, image in enumerate(reversed(IMAGES)):
        name = f"docker-archive:{tmp_path}/again.tar:@{position}"
        assert succeed(pyskopeo_here("inspect", "--config", "--raw", name)).stdout == image.config()


def test_containerd_imports_both_by_their_names(containerd: Containerd, archive: Path, full_names: list[str]) -> None:
    found = containerd.import_images(archive)
    assert sorted(found) == sorted(full_names)
    assert all(check.complete and check.unpacked for check in found.values())


@pytest.mark.parametrize("named", [("--keep-name", ""), ("", ":docker.io/team/chosen:3")])
def test_containerd_imports_an_oci_archive_with_a_full_name(
    containerd: Containerd, registry: Simulator, full_names: list[str], tmp_path: Path, named: tuple[str, str]
) -> None:
    """The digest stays what it is, so that images which are named by it are found."""
    flag, name = named
    path = tmp_path / "one.tar"
    succeed(pyskopeo_here("copy", *CHECKED, *([flag] if flag else []), f"docker://{full_names[0]}",
                          f"oci-archive:{path}{name}"))  # fmt: skip
    wanted = name.removeprefix(":") or full_names[0]
    assert containerd.import_images(path) == {wanted: ImageCheck(IMAGES[0].digest, complete=True, unpacked=True)}


def test_containerd_imports_all_platforms_of_a_list(
    containerd: Containerd, registry: Simulator, tmp_path: Path
) -> None:
    index = build(IndexSpec((ImageSpec(), ImageSpec(platform=PlatformSpec("arm64")))))
    registry.add(index, "team/list", "latest")
    succeed(pyskopeo_here("copy", *CHECKED, "--all", "--keep-name", registry.name("team/list"),
                          f"oci-archive:{tmp_path}/list.tar"))  # fmt: skip
    found = containerd.import_images(tmp_path / "list.tar", "--all-platforms", "--no-unpack")
    assert found == {f"{registry.host}/team/list:latest": ImageCheck(index.digest, complete=True, unpacked=False)}
