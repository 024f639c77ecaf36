"""The single file: on every Python, from anywhere, with nothing installed and nothing written but what is asked for."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

import pyskopeo
from tests.support.cli import Done, fatal, succeed
from tests.support.commands import ROOT
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir, write_layout
from tests.support.release import ISOLATED, build_release, interpreter, run_file, unmeasured
from tests.support.simulator import Simulator
from tests.support.trees import tree

MINORS = ("3.11", "3.12", "3.13", "3.14")
IMAGE = build("oci")
HERE = f"cp{sys.version_info[0]}{sys.version_info[1]}/modules"


@pytest.fixture(params=MINORS)
def python(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return interpreter(request.param)


def changed(path: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Write a copy of the single file to ``target`` in which entries are changed, or left out where None is returned."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for entry in old.infolist():
            content = change(entry.filename, old.read(entry))
            if content is not None:
                new.writestr(entry, content)
    return target


def evaluate(path: Path, code: str) -> str:
    """Run code in a process that has been started from the single file, and return what it prints."""
    start = (
        "import os, runpy, sys\n"
        f"sys.argv = [{str(path)!r}, '--version']\n"
        "os._exit = lambda code: (_ for _ in ()).throw(SystemExit)\n"
        f"try: runpy.run_path({str(path)!r}, run_name='__main__')\n"
        f"except SystemExit: sys.path.append({str(path)!r})\n"
    )
    done = subprocess.run([sys.executable, *ISOLATED, "-c", start + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    version, _, rest = done.stdout.partition("\n")
    assert version == f"pyskopeo version {pyskopeo.__version__}"
    return rest.strip()


# --- it runs ---


def test_on_every_python_without_any_package(single_file: Path, python: tuple[str, ...], tmp_path: Path) -> None:
    done = succeed(run_file(single_file, "--version", python=python))
    assert done.stdout.decode().startswith(f"pyskopeo version {pyskopeo.__version__}\n")
    with Simulator(IMAGE) as registry:
        shown = succeed(run_file(single_file, "inspect", "--raw", "--tls-verify=false", registry.name(), python=python))
        assert shown.stdout == IMAGE.root.raw
        words = ("copy", "--src-tls-verify=false", registry.name(), f"oci:{tmp_path}/layout:x")
        succeed(run_file(single_file, *words, python=python))
        text = json.dumps({registry.host: {"images": {"test/image": ["latest"]}, "tls-verify": False}})
        (tmp_path / "images.yaml").write_text(text)
        images = tmp_path / "images.yaml"
        succeed(run_file(single_file, "sync", "--src", "yaml", "--dest", "dir", images, tmp_path / "synced", python=python))
    index = json.loads((tmp_path / "layout" / "index.json").read_text())
    assert index["manifests"][0]["digest"] == IMAGE.digest
    assert list((tmp_path / "synced").glob("**/manifest.json"))


def test_it_is_a_program(single_file: Path, tmp_path: Path) -> None:
    """Under any name, by a link too."""
    link = tmp_path / "docker-credential-pyskopeo"
    link.symlink_to(single_file)
    env = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "HOME": str(tmp_path)}
    done = subprocess.run([link, "get"], input=b"quay.io", env=env, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"credentials not found in native keychain\n")


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9", "3.10"])
def test_older_pythons_are_told_so(single_file: Path, version: str) -> None:
    done = run_file(single_file, "--version", python=interpreter(version))
    assert (done.code, done.stdout) == (1, b"")
    assert re.fullmatch(rf"pyskopeo needs Python 3\.11 or newer, and \S+ is {re.escape(version)}\n", done.stderr)


# --- bytecode ---


def test_bytecode_is_used_where_it_is_inside(single_file: Path, tmp_path: Path, python: tuple[str, ...]) -> None:
    version = subprocess.check_output([*python, "-c", "import sys; print(*sys.version_info[:2], sep='')"], text=True)
    assert f"cp{version.strip()}/modules" in zipfile.ZipFile(single_file).namelist()
    without_sources = changed(single_file, tmp_path / "x.pyz", lambda name, content: content if "/" not in name or name.startswith("cp3") else None)
    assert b"pyskopeo version" in succeed(run_file(without_sources, "--version", python=python)).stdout


@pytest.mark.parametrize("trouble", ["another minor", "another magic number"])
def test_without_it_the_sources_run(single_file: Path, tmp_path: Path, trouble: str) -> None:
    """On a minor version that was not there when the file was built; on one that was not finished then."""

    def change(name: str, content: bytes) -> bytes | None:
        if not name.startswith("cp3"):
            return content
        return None if trouble == "another minor" else bytes(len(MAGIC_NUMBER)) + content[len(MAGIC_NUMBER) :]

    other = changed(single_file, tmp_path / "other.pyz", change)
    with Simulator(IMAGE) as registry:
        done = succeed(run_file(other, "inspect", "--raw", "--tls-verify=false", registry.name()))
    assert done.stdout == IMAGE.root.raw


@pytest.mark.parametrize("bytecode", [True, False])
def test_tracebacks_have_sources_and_packages_have_data(single_file: Path, tmp_path: Path, bytecode: bool) -> None:
    path = single_file
    if not bytecode:
        path = changed(path, tmp_path / "other.pyz", lambda name, content: None if name.startswith("cp3") else content)
    shown = evaluate(path, "import traceback\nfrom pyskopeo.model.digest import Digest\ntry: Digest.parse(5)\nexcept Exception: print(traceback.format_exc())")
    assert f'File "{path}/pyskopeo/model/digest.py", line ' in shown
    frame = shown.splitlines()[shown.splitlines().index(next(one for one in shown.splitlines() if "digest.py" in one)) + 1]
    assert frame.strip() in (ROOT / "pyskopeo/model/digest.py").read_text()
    assert evaluate(path, "import inspect, pyskopeo.errors; print(len(inspect.getsource(pyskopeo.errors)))") == str(len((ROOT / "pyskopeo/errors.py").read_text()))
    assert evaluate(path, "from importlib.resources import files; print('BEGIN CERTIFICATE' in files('certifi').joinpath('cacert.pem').read_text())") == "True"
    assert evaluate(path, "import certifi; print('BEGIN CERTIFICATE' in certifi.contents())") == "True"
    assert evaluate(path, "from pyskopeo.http.site import same_site; print(same_site('a.b.co.uk', 'b.co.uk'), same_site('a.co.uk', 'b.co.uk'))") == "True False"


def test_the_authorities_inside_are_used_where_openssl_finds_none(single_file: Path) -> None:
    code = (
        "import ssl\n"
        "from types import SimpleNamespace\n"
        "ssl.get_default_verify_paths = lambda: SimpleNamespace(cafile=None, capath=None)\n"
        "ssl.SSLContext.load_default_certs = lambda self: None\n"
        "from pyskopeo.http.tls import Trust\n"
        "print(Trust().default_context(print).cert_store_stats()['x509_ca'] > 50)"
    )
    assert evaluate(single_file, code) == "True"


def test_it_starts_about_as_fast_as_installed_modules(single_file: Path, tmp_path: Path) -> None:
    """In processor time, with room for busy and slow machines; from sources it would take three times as long."""
    layout = write_layout(IMAGE, tmp_path / "layout")
    words = ("inspect", "--raw", f"oci:{layout}:latest")
    env = unmeasured() | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}

    def least(*command: str) -> float:
        times = []
        for _ in range(7):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*command, *words], env=env, capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(times)

    installed = least(sys.executable, "-X", f"pycache_prefix={tmp_path}/bytecode", "-m", "pyskopeo")
    single = least(sys.executable, *ISOLATED, str(single_file))
    assert single < installed * 1.5


# --- what is inside ---


def test_nothing_but_python_and_data_is_inside(single_file: Path) -> None:
    with zipfile.ZipFile(single_file) as archive:
        names = archive.namelist()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {oct(entry.external_attr >> 16) for entry in archive.infolist()} == {"0o100644"}
    assert not [name for name in names if name.endswith((".so", ".pyc", ".pyi", "RECORD")) or "/tests/" in name or ".." in name]
    assert not [name for name in names if str(ROOT) in name or name.startswith("/")]
    licences = {name.partition("-")[0] for name in names if re.search(r"dist-info/(licenses/)?licen[cs]e", name, re.IGNORECASE)}
    assert {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "rich", "uvicorn", "starlette"} <= licences
    assert "LICENSE" in names


def test_every_module_can_be_imported_without_any_package(single_file: Path) -> None:
    """What needs a native package imports it where it uses it, or is imported only where that is installed."""
    modules = sorted(
        path.relative_to(ROOT).as_posix().removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in (ROOT / "pyskopeo").rglob("*.py")
        if path.name not in ("__main__.py", "fast_protocol.py")
    )
    code = f"import importlib\nfor name in {modules}: importlib.import_module(name)\nimport sys; print(sum(name.startswith('pyskopeo') for name in sys.modules))"
    assert int(evaluate(single_file, code)) == len(modules)


def test_every_dependency_is_inside_or_known_to_be_native(single_file: Path) -> None:
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *project["optional-dependencies"]["serve"], *project["optional-dependencies"]["socks"]]
    inside = {
        re.sub(r"[-_.]+", "-", name.partition("-")[0]).lower()
        for name in zipfile.ZipFile(single_file).namelist()
        if name.endswith(".dist-info/METADATA")
    }
    assert {Requirement(text).name.lower().replace(".", "-") for text in texts} - inside == {
        "backports-zstd", "bcrypt", "cryptography", "httptools", "isal",
    }  # fmt: skip


# --- the same bytes ---


def test_the_same_bytes_from_anywhere_by_anybody_at_any_time(tmp_path: Path) -> None:
    """Another directory with another checkout, another user, umask, time zone, locale and hash seed."""
    build_release(tmp_path / "one", "--only", "pyz", "--this-python", env={**os.environ, "PYTHONHASHSEED": "1", "TZ": "UTC"})
    checkout = tmp_path / "a checkout elsewhere"
    for name in ("pyskopeo", "scripts", "integrations"):
        shutil.copytree(ROOT / name, checkout / name)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    (tmp_path / "two").mkdir()
    command = [sys.executable, str(checkout / "scripts" / "build_release"), "--output", str(tmp_path / "two"), "--only", "pyz", "--this-python"]
    another_user = ["unshare", "--user", "--map-user=1234", "--map-group=1234", "--"]
    if shutil.which("unshare") and subprocess.run([*another_user, "true"], capture_output=True, check=False).returncode == 0:
        command = [*another_user, *command]
    env = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "HOME": "/nonexistent"}
    done = subprocess.run(command, cwd=tmp_path, env=env, umask=0o077, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in (f"pyskopeo-{pyskopeo.__version__}.pyz", "SHA256SUMS", "INTEGRITY", "versions.bzl", f"pyskopeo-{pyskopeo.__version__}.pyz.cdx.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert (tmp_path / "two" / f"pyskopeo-{pyskopeo.__version__}.pyz").stat().st_mode & 0o777 == 0o755


# --- nothing is written ---


def test_nothing_is_written_but_what_is_asked_for(single_file: Path, tmp_path: Path, python: tuple[str, ...]) -> None:
    """Neither to the home directory nor for temporary files nor beside the file."""
    for name in ("home", "tmp", "cwd", "file"):
        (tmp_path / name).mkdir()
    path = Path(shutil.copy(single_file, tmp_path / "file"))
    env = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "PATH": os.defpath}
    source = write_dir(IMAGE, tmp_path / "source")
    with Simulator(IMAGE) as registry:
        for words in (
            ("--version",), ("copy", "--help"), ("inspect", "--raw", "--tls-verify=false", registry.name()),
            ("list-tags", "--tls-verify=false", registry.name().rpartition(":")[0]), ("inspect", f"dir:{source}"),
            ("copy", f"dir:{source}", f"docker-archive:{tmp_path}/archive.tar"),
        ):  # fmt: skip
            succeed(run_file(path, *words, python=python, env=env, cwd=tmp_path / "cwd"))
    for name in ("home", "tmp", "cwd"):
        assert tree(tmp_path / name) == {}, name
    assert list((tmp_path / "file").iterdir()) == [path]


def test_it_needs_no_home_and_reads_only_what_may_be_read(single_file: Path, tmp_path: Path) -> None:
    """As in a Nix sandbox: a file without write permission, no home, no PATH."""
    done = run_file(single_file, "copy", f"dir:{write_dir(IMAGE, tmp_path / 'source')}", f"oci:{tmp_path}/layout", env={}, cwd=Path("/"))
    succeed(done)


# --- natives ---


@pytest.mark.parametrize("version", MINORS)
def test_zstd_is_refused_with_a_sentence_where_python_has_none(single_file: Path, tmp_path: Path, version: str) -> None:
    image = build(ImageSpec(layers=(LayerSpec("a", base=True, compression="zstd"),)))
    source = write_dir(image, tmp_path / "source")
    python = interpreter(version)
    done = run_file(single_file, "copy", f"dir:{source}", f"docker-archive:{tmp_path}/x.tar", python=python)
    if version == "3.14":
        succeed(done)
        return
    assert fatal(done).endswith("zstd layers need the package backports.zstd, which is not installed")
    # As they are, they are copied.
    succeed(run_file(single_file, "copy", f"dir:{source}", f"oci:{tmp_path}/layout", python=python))


def test_what_is_installed_is_used(single_file: Path, tmp_path: Path) -> None:
    """Without -S, with the packages of this environment: zstd on any version, and a signature of schema 1."""
    image = build(ImageSpec(layers=(LayerSpec("a", base=True, compression="zstd"),)))
    source = write_dir(image, tmp_path / "source")

    def copy(*words: object) -> Done:
        return run_file(single_file, "copy", f"dir:{source}", *words, flags=("-I",))

    succeed(copy(f"docker-archive:{tmp_path}/x.tar"))


def test_signing_is_refused_with_a_sentence(single_file: Path, tmp_path: Path) -> None:
    source = write_dir(build("docker"), tmp_path / "source")
    done = run_file(single_file, "copy", "--format", "v2s1", f"dir:{source}", f"dir:{tmp_path}/x")
    assert fatal(done).endswith("manifests of schema 1 are signed with the package cryptography, which is not installed")
