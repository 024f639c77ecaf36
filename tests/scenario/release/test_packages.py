"""The wheel and the source distribution: built without a network, the same each time, and they install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import pyskopeo
from tests.support.commands import ROOT
from tests.support.images import build
from tests.support.outputs import write_layout
from tests.support.release import build_release, built, single, write_wheels
from tests.support.require import require_package, unavailable
from tests.support.simulator import Simulator

# What makes pip, hatchling and everything below them fail if they want anything from a network.
OFFLINE = {"PIP_NO_INDEX": "1", "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_package("hatchling")
    return single(built(tmp_path_factory, "wheel"), "*.whl")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_package("hatchling")
    return single(built(tmp_path_factory, "sdist"), "*.tar.gz")


def pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(command, env=os.environ | OFFLINE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_wheel_installs_and_its_commands_run(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "there"
    # With --target what is installed in this environment stays as it is.
    pip("install", "--no-deps", "--target", installed, wheel)
    env = {"PATH": os.defpath, "PYTHONPATH": f"{installed}", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    for name, words, code, said in (
        ("pyskopeo", ["--version"], 0, f"pyskopeo version {pyskopeo.__version__}\n"),
        ("docker-credential-pyskopeo", ["list"], 0, "{}\n"),
    ):
        done = subprocess.run([installed / "bin" / name, *words], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.startswith(said)) == (code, True), done.stderr
    shown = subprocess.run(
        [sys.executable, "-c", "import pyskopeo; print(pyskopeo.__file__)"], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == f"{installed}/pyskopeo/__init__.py"


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pyskopeo").rglob("*.py")}
    shared = f"pyskopeo-{pyskopeo.__version__}.data/data/share"
    documents = {f"{shared}/man/man1/pyskopeo.1", f"{shared}/pyskopeo/events.schema.json"}
    assert names == modules | {"pyskopeo/py.typed"} | documents


@pytest.fixture(scope="module")
def index(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of wheels: this one, and those of its dependencies."""
    folder = tmp_path_factory.mktemp("index")
    shutil.copy(wheel, folder)
    write_wheels(folder)
    return folder


def test_pip_installs_what_the_wheel_needs(index: Path, tmp_path: Path) -> None:
    """Into an environment that has nothing else."""
    pip("install", "--find-links", index, "--target", tmp_path / "there", "pyskopeo")
    layout = write_layout(build("oci"), tmp_path / "layout")
    env = {"PATH": os.defpath, "PYTHONPATH": str(tmp_path / "there"), "HOME": str(tmp_path)}
    with Simulator(build("oci")) as registry:
        for words in (["inspect", "--tls-verify=false", registry.name()], ["copy", f"oci:{layout}:latest", f"dir:{tmp_path}/new"]):
            done = subprocess.run([sys.executable, "-S", "-m", "pyskopeo", *words], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


def test_uvx_runs_the_wheel(index: Path, wheel: Path, tmp_path: Path) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        unavailable("needs the program uv, which is not installed: pip install -e '.[release]'")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "cache"), **OFFLINE}
    command = [uv, "tool", "run", "--offline", "--no-index", "--find-links", str(index), "--python", sys.executable, "--from", str(wheel)]
    done = subprocess.run([*command, "pyskopeo", "--version"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"pyskopeo version {pyskopeo.__version__}\n"), done.stderr


def test_the_source_distribution_builds_without_a_network(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    """To the same wheel, byte for byte."""
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, sdist)
    assert single(tmp_path, "*.whl").read_bytes() == wheel.read_bytes()


def test_the_source_distribution_has_the_tests_and_the_scripts(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        modes = {oct(member.mode) for member in archive.getmembers() if member.isfile()}
    assert {"pyproject.toml", "LICENSE", "README.md", "docs/index.md", "scripts/build_release", "scripts/releaselib/single_file.py",
            "tests/conftest.py", "pyskopeo/__init__.py"} <= names  # fmt: skip
    assert not [name for name in names if name.startswith((".venv", ".peers", ".git/", "dist")) or "__pycache__" in name]
    assert modes <= {"0o644", "0o755"}


def test_both_are_the_same_each_time(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    env = {**os.environ, "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "2", "LC_ALL": "C"}
    before = os.umask(0o077)
    try:
        build_release(tmp_path, "--only", "wheel,sdist", env=env)
    finally:
        os.umask(before)
    assert single(tmp_path, "*.whl").read_bytes() == wheel.read_bytes()
    assert single(tmp_path, "*.tar.gz").read_bytes() == sdist.read_bytes()
