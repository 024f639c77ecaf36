"""Bundles read by skopeo, podman and containerd, as what they are besides: OCI archives of several images."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.containerd import Containerd, ImageCheck
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.processes import PeerFailed
from tests.support.pushing import Pushing
from tests.support.referring import referring
from tests.support.require import require_peer, unavailable
from tests.support.simulator import Simulator

IMAGES = [build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec(name)))) for name in ("one", "two")]
NAMES = ("quay.io/team/one:1", "docker.io/library/two:2")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images, one with a list of packages that refers to it."""
    folder = tmp_path_factory.mktemp("bundle")
    with Simulator(pushing=Pushing(referrers=True)) as registry:
        for number, (image, name) in enumerate(zip(IMAGES, NAMES, strict=True)):
            registry.add(image, "team/app", str(number))
            with (folder / "list").open("a") as file:
                file.write(f"{registry.host}/team/app:{number} {name}\n")
        registry.add(referring(IMAGES[0]), "team/app", None)
        succeed(pyskopeo_here("bundle", "create", "--tls-verify=false", "--referrers", folder / "list", "-o", folder / "b"))
    listed = json.loads(succeed(pyskopeo_here("bundle", "ls", "--json", folder / "b")).stdout)
    assert [one["referrers"] for one in listed] == [1]
    return folder / "b"


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


def test_skopeo_reads_each_by_its_name(bundle: Path) -> None:
    skopeo = require_peer("skopeo")
    for image, name in zip(IMAGES, NAMES, strict=True):
        words = [skopeo, "inspect", "--raw", f"oci-archive:{bundle}:{name}"]
        raw = subprocess.run(words, check=True, capture_output=True, timeout=60).stdout
        assert json.loads(raw)["config"]["digest"] == image.config_digest()


def test_podman_pulls_by_a_name(bundle: Path, podman_command: tuple[str, ...]) -> None:
    podman = podman_command
    words = [*podman, "pull", "--quiet", f"oci-archive:{bundle}:{NAMES[0]}"]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    words = [*podman, "image", "inspect", "--format", "{{.Id}}", NAMES[0]]
    found = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout
    assert f"sha256:{found.strip()}" == IMAGES[0].config_digest()


def test_containerd_imports_all_under_their_names(bundle: Path, containerd: Containerd) -> None:
    found = containerd.import_images(bundle)
    for image, name in zip(IMAGES, NAMES, strict=True):
        assert found[name] == ImageCheck(image.digest, complete=True, unpacked=True)
