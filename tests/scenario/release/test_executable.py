"""The executable: it needs no Python, and says which glibc it needs."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

import pyskopeo
from tests.support.cli import Done, succeed
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir
from tests.support.release import built
from tests.support.require import require_package
from tests.support.simulator import Simulator
from tests.support.trees import tree


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``pyskopeo-X.Y.Z-PLATFORM``."""
    require_package("PyInstaller")
    directory = built(tmp_path_factory, "executable")
    (found,) = (path for path in directory.iterdir() if path.name.startswith("pyskopeo-") and path.suffix != ".json")
    return found


def test_it_does_the_main_jobs_without_python(executable: Path, tmp_path: Path) -> None:
    """With zstd, gzip by isal, and signatures of schema 1 inside; nothing of it stays in the temporary directory."""
    image = build(ImageSpec(flavor="oci", layers=(LayerSpec("a", base=True, compression="zstd"), LayerSpec("b"))))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    env = {"TMPDIR": str(temporary), "HOME": str(tmp_path / "home"), "PATH": "/nonexistent"}

    def run(*words: object) -> bytes:
        done = subprocess.run([executable, *map(str, words)], env=env, capture_output=True, timeout=60, check=False)
        return succeed(Done(done.returncode, done.stdout, done.stderr.decode())).stdout

    assert run("--version").startswith(f"pyskopeo version {pyskopeo.__version__}\n".encode())
    assert b"copy" in run("--help")
    with Simulator(image) as registry:
        assert run("inspect", "--raw", "--tls-verify=false", registry.name()) == image.root.raw
        run("copy", "--src-tls-verify=false", registry.name(), f"docker-archive:{tmp_path}/a.tar:a:b")
        (tmp_path / "images.yaml").write_text(json.dumps({registry.host: {"images": {"test/image": []}, "tls-verify": False}}))
        run("sync", "--src", "yaml", "--dest", "dir", tmp_path / "images.yaml", tmp_path / "synced")
    run("copy", "--format", "v2s1", f"dir:{write_dir(build('docker'), tmp_path / 'docker')}", f"dir:{tmp_path}/signed")
    assert b"signatures" in (tmp_path / "signed" / "manifest.json").read_bytes()
    assert tree(temporary) == {}


def test_it_says_which_glibc_it_needs(executable: Path) -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("needs glibc")
    bill = json.loads(executable.with_name(f"{executable.name}.cdx.json").read_text())
    facts = {one["name"]: one["value"] for one in bill["metadata"]["component"]["properties"]}
    found = re.fullmatch(r">= 2\.(\d+)", facts["pyskopeo:glibc"])
    assert found
    assert 17 <= int(found[1]) <= int(platform.libc_ver()[1].split(".")[1])
    inside = {one["name"] for one in bill["components"]}
    assert {"isal", "cryptography", "cffi", "cpython", "openssl", "httpx"} <= inside


def test_signals_reach_the_command(executable: Path, tmp_path: Path) -> None:
    """It consists of two processes; the exit code is that of pyskopeo."""
    import signal

    from tests.support.faults import Drip

    image = build(ImageSpec(layers=(LayerSpec("a", size=400_000, base=True),)))
    with Simulator(image) as registry:
        registry.on("/v2/*/blobs/*", Drip(1000, 0.5))
        words = ["copy", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/new"]
        process = subprocess.Popen([executable, *words], env={"TMPDIR": str(tmp_path), "PATH": os.defpath}, stderr=subprocess.PIPE)
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 143, said
