"""scripts/build_image: the image runs, is the same each time, and is put onto bases for several platforms."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from tests.support.commands import ROOT
from tests.support.images import ImageSpec, IndexSpec, PlatformSpec, build
from tests.support.outputs import write_layout
from tests.support.release import built, single, unmeasured, write_wheels
from tests.support.require import require_package, require_peer
from tests.support.simulator import Simulator
from tests.support.trees import tree

THIS = f"{sys.version_info[0]}.{sys.version_info[1]}"
PLATFORMS = (PlatformSpec("amd64"), PlatformSpec("arm64", variant="v8"))


def run(*words: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "build_image"), *map(str, words)]
    return subprocess.run(command, env=unmeasured() | dict(env or {}), capture_output=True, text=True, check=False)


def build_image(*words: object, env: Mapping[str, str] | None = None) -> str:
    """Build an image; return its digest."""
    done = run("--compression", "none", *words, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """The flags that name wheels: that of pyskopeo, and a directory with those of its dependencies."""
    require_package("hatchling")
    folder = tmp_path_factory.mktemp("wheels")
    write_wheels(folder)
    return ["--wheels", folder, "--wheel", single(built(tmp_path_factory, "wheel"), "*.whl")]


@pytest.fixture(scope="module")
def layout(inputs: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with the image, with the Python of this machine, as ``1``."""
    path = tmp_path_factory.mktemp("image") / "layout"
    build_image("--base", "scratch", "--output", f"oci:{path}:1", *inputs)
    return path


def content(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / "sha256" / digest.partition(":")[2]).read_bytes())


@pytest.mark.peer("umoci", "unshare", "chroot")
def test_it_runs_with_nothing_but_its_own_files(layout: Path, tmp_path: Path) -> None:
    """As a user without rights, all that starts is in the image."""
    bundle = tmp_path / "bundle"
    subprocess.run([require_peer("umoci"), "unpack", "--rootless", "--image", f"{layout}:1", bundle], check=True, capture_output=True)
    config = json.loads((bundle / "config.json").read_bytes())["process"]
    assert (config["args"], config["user"]["uid"]) == (["/usr/local/bin/pyskopeo", "--help"], 65532)
    enter = [require_peer("unshare"), "--user", "--map-root-user", require_peer("chroot"), str(bundle / "rootfs")]

    def inside(program: str, *words: str) -> tuple[int, str]:
        env = dict(one.split("=", 1) for one in config["env"])
        done = subprocess.run([*enter, f"/usr/local/bin/{program}", *words], env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    assert inside("pyskopeo", "--version") == (0, f"pyskopeo version {pyskopeo.__version__}\n")
    assert inside("skopeo", "--version")[1].startswith("skopeo version 1.")
    assert inside("docker-credential-pyskopeo", "list") == (0, "{}\n")
    image = build("oci")
    with Simulator(image) as registry:
        zstd = ("--dest-compress-format", "zstd", "--dest-force-compress-format")
        code, said = inside("pyskopeo", "copy", "--src-tls-verify=false", *zstd, registry.name(), "oci:/tmp/there:1")
    assert code == 0, said
    assert inside("pyskopeo", "verify", "--deep", "oci:/tmp/there:1")[0] == 0


def test_it_is_the_same_each_time(layout: Path, inputs: list[object], tmp_path: Path) -> None:
    """In another time zone, directory, locale and with another umask, byte for byte."""
    env = {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "2", "LC_ALL": "C", "TMPDIR": str(tmp_path)}
    before = os.umask(0o077)
    try:
        build_image("--base", "scratch", "--output", f"oci:{tmp_path / 'layout'}:1", *inputs, env=env)
    finally:
        os.umask(before)
    assert tree(tmp_path / "layout") == tree(layout)
    assert os.listdir(tmp_path) == ["layout"]


def test_on_bases_for_two_platforms(inputs: list[object], tmp_path: Path) -> None:
    """Nothing in the images is run: those for other platforms are made as well."""
    base = build(IndexSpec(tuple(ImageSpec(platform=platform) for platform in PLATFORMS)))
    place = write_layout(base, tmp_path / "base")
    wheels, some = Path(str(inputs[1])), tmp_path / "wheels"
    some.mkdir()
    for path in (*wheels.glob("httpx-*"), *wheels.glob("isal-*")):
        shutil.copy(path, some)
    output = tmp_path / "layout"
    digest = build_image(
        *("--base", f"oci:{place}:latest", "--output", f"oci:{output}:1", "--platform", "linux/amd64,linux/arm64"),
        *("--python", "/opt/python", "--python-version", THIS, "--wheels", some, *inputs[2:]),
    )
    index = content(output, digest)
    assert [one["platform"]["architecture"] for one in index["manifests"]] == ["amd64", "arm64"]
    layers = {}
    for number, (entry, platform) in enumerate(zip(index["manifests"], PLATFORMS, strict=True)):
        manifest = content(output, entry["digest"])
        assert [one["digest"] for one in manifest["layers"]][:-2] == list(base.layer_digests(base.child(number).digest))
        config = content(output, manifest["config"]["digest"])
        assert (config["architecture"], config["config"]["Entrypoint"]) == (platform.architecture, ["/usr/local/bin/pyskopeo"])
        layers[platform.architecture] = manifest["layers"][-2:]
    # isal's wheel is for this machine; all else is for every machine, and is one layer.
    assert layers["amd64"][0] != layers["arm64"][0]
    assert layers["amd64"][1] == layers["arm64"][1]
    path = output / "blobs" / "sha256" / layers["amd64"][1]["digest"].partition(":")[2]
    assert b"#!/opt/python -IS\n" in path.read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--platform", "linux/s390x"], "--platform linux/s390x: want linux/amd64, linux/arm64"),
        (["--base", "scratch", "--python-version", "3.12"], "--base scratch: the image has the Python of this machine"),
        (["--wheels", "{}"], "build_image: {} has no wheels for Python 3.13 on "),
        (["--base", "oci:{}/none:1", "--wheels", "{wheels}", "--python-version", THIS], "build_image: "),
    ],
)
def test_what_cannot_be_built_is_one_line(words: list[str], said: str, inputs: list[object], tmp_path: Path) -> None:
    output, wheels = tmp_path / "layout", str(inputs[1])
    words = [word.replace("{wheels}", wheels).replace("{}", str(tmp_path)) for word in words]
    done = run("--output", f"oci:{output}:1", "--wheel", str(inputs[3]), *words)
    (*_, last) = done.stderr.splitlines()
    assert said.replace("{}", str(tmp_path)) in last
    assert (done.returncode, "Traceback" in done.stderr, output.exists()) == (2 if "want" in said or "scratch" in said else 1, False, False)
