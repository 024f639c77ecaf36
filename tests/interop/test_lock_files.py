"""Lock files with real programs: a registry to lock and fetch from, skopeo reading the result, Nix reading the lock."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build, digest_of
from tests.support.peers import Registry
from tests.support.pulling import check_layout
from tests.support.require import require_peer

BASE = LayerSpec("base", base=True)
APP = build(ImageSpec("docker", layers=(BASE, LayerSpec("app"))))
MULTI = build(
    IndexSpec((ImageSpec(layers=(BASE,)), ImageSpec(layers=(LayerSpec("arm"),), platform=PlatformSpec("arm64", variant="v8"))))
)


@pytest.fixture
def locked(registry: Registry, tmp_path: Path) -> Path:
    """A folder with the lock of two images."""
    registry.push(APP, "locks/app", "1.0")
    registry.push(MULTI, "locks/multi", "2.0")
    (tmp_path / "images.yaml").write_text(
        f"{registry.host}:\n  tls-verify: false\n  images:\n    locks/app: ['1.0']\n    locks/multi: [{{tag: '2.0', name: multi}}]\n"
    )
    succeed(pyskopeo_here("lock", tmp_path / "images.yaml"))
    return tmp_path


@pytest.mark.peer("docker-registry")
@pytest.mark.peer("skopeo")
def test_what_is_fetched_is_what_skopeo_reads(registry: Registry, locked: Path) -> None:
    layout = locked / "layout"
    succeed(pyskopeo_here("prefetch", "--tls-verify=false", locked / "images.lock", "--dest", f"oci:{layout}"))
    check_layout(layout)
    raw = succeed(skopeo("inspect", "--raw", f"oci:{layout}:multi")).stdout
    assert digest_of(raw) == MULTI.digest
    succeed(skopeo("--override-arch=amd64", "copy", f"oci:{layout}:multi", f"dir:{locked}/copy"))
    for digest in MULTI.layer_digests(MULTI.child(0).digest):
        assert (locked / "copy" / digest.removeprefix("sha256:")).read_bytes() == MULTI.blobs[digest]
    succeed(pyskopeo_here("--offline", "prefetch", locked / "images.lock", "--dest", f"oci:{layout}"))
    assert b"as locked" in succeed(pyskopeo_here("lock", "--check", locked / "images.yaml")).stdout


def evaluate(expression: str, folder: Path) -> object:
    """The value of an expression of Nix, without any store."""
    environ = os.environ | {name: str(folder / "nix") for name in ("NIX_STORE_DIR", "NIX_STATE_DIR", "NIX_LOG_DIR", "NIX_CONF_DIR")}
    program = Path(require_peer("nix-build")).with_name("nix-instantiate")
    command = [str(program), "--eval", "--strict", "--json", "-E", expression]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.peer("docker-registry")
@pytest.mark.peer("nix-build")
def test_nix_reads_the_lock(registry: Registry, locked: Path) -> None:
    lock = f"(builtins.fromJSON (builtins.readFile {locked}/images.lock))"
    assert evaluate(lock, locked) == json.loads((locked / "images.lock").read_bytes())
    assert evaluate(f"{lock}.images.multi.digest", locked) == MULTI.digest
    sources = evaluate(f"builtins.mapAttrs (digest: blob: builtins.head blob.sources) {lock}.blobs", locked)
    assert isinstance(sources, dict)
    assert sources[APP.layer_digests()[1]] == f"{registry.host}/locks/app"


@pytest.mark.peer("docker-registry")
@pytest.mark.peer("nix-build")
def test_nix_reads_its_own_format(registry: Registry, locked: Path) -> None:
    (locked / "images.nix").write_bytes(succeed(pyskopeo_here("lock", "--format", "nix", locked / "images.yaml")).stdout)
    found = evaluate(f"import {locked}/images.nix", locked)
    assert isinstance(found, dict)
    assert found["multi"] == {
        "imageName": f"{registry.host}/locks/multi",
        "imageDigest": MULTI.digest,
        "finalImageName": f"{registry.host}/locks/multi",
        "finalImageTag": "2.0",
        "platforms": {"linux/amd64": MULTI.child(0).digest, "linux/arm64/v8": MULTI.child(1).digest},
    }
