"""skopeo reads the content store as the OCI layout that it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build, digest_of
from tests.support.simulator import Simulator

ARM = ImageSpec(platform=PlatformSpec(architecture="arm64"), layers=(LayerSpec("arm"),))


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("kind", ["image", "list"])
def test_skopeo_copies_from_it(kind: str, tmp_path: Path) -> None:
    image = build(ImageSpec() if kind == "image" else IndexSpec((ImageSpec(), ARM)))
    with Simulator(image) as registry:
        words = ("--store", tmp_path / "store", "--override-arch=amd64", "copy", "--src-tls-verify=false")
        succeed(pyskopeo_here(*words, registry.name(), f"oci:{tmp_path}/layout"))
        name = f"oci:{tmp_path}/store:{registry.host}/test/image:latest"
    succeed(skopeo("--override-arch=amd64", "copy", name, f"dir:{tmp_path}/copy"))
    raw = succeed(skopeo("inspect", "--raw", name)).stdout
    assert digest_of(raw) == image.digest
    layers = image.layer_digests() if kind == "image" else image.layer_digests(image.child(0).digest)
    for digest in layers:
        assert (tmp_path / "copy" / digest.removeprefix("sha256:")).read_bytes() == image.blobs[digest]
