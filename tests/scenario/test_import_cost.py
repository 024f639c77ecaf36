"""Importing the package, or a part of it, loads nothing heavy that is not used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.simulator import Simulator
from tests.support.tls import Authority, certificates

ENV, OVERRIDE = "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE"

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage would load modules into the new interpreters, and values that users set for flags need modules, too."""
    for name in list(os.environ):
        if name.startswith(("COVERAGE_", "PYSKOPEO_")):
            monkeypatch.delenv(name)


def test_importing_is_cheap() -> None:
    heavy = "anyio asyncio subprocess ssl httpx ipaddress urllib.parse base64 shutil selectors"
    code = (
        "import sys; before = set(sys.modules); import pyskopeo.credentials.keychain, pyskopeo.config.proxies, pyskopeo.config.certificates;"
        f"print(*[name for name in {heavy.split()} if name in sys.modules and name not in before])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    # pathlib brings urllib.parse along until Python 3.13.
    assert set(done.stdout.split()) <= {"urllib.parse", "ipaddress"}


def test_loading_nothing_costs_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pyskopeo.config.registries_files import load;"
        f"load({{'{ENV}': '/dev/null'}}, Path('{tmp_path}'));"
        "heavy = {'tomllib', 'yaml', 'ssl', 'httpx', 'asyncio', 'subprocess'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_of_comments_does_not_load_the_parser() -> None:
    code = (
        "import sys; from pyskopeo.config.registries_toml import parse;"
        "parse('# nothing\\n', 'F'); assert 'tomllib' not in sys.modules;"
        "parse('a = 1', 'F'); assert 'tomllib' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_parser_is_loaded_when_it_is_used() -> None:
    code = (
        "import sys, pyskopeo.config.registries_d, pyskopeo.config.tls_details;"
        "heavy = {'yaml', 'ssl', 'tomllib'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_is_cheap() -> None:
    script = (
        "import sys, pyskopeo.serve; print(sorted({'starlette', 'uvicorn', 'anyio', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def loaded(program: str, *arguments: str) -> set[str]:
    """The modules in a new interpreter that ran ``program``."""
    program += "\nimport sys, json; json.dump(sorted(sys.modules), sys.stderr)"
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}", *arguments]
    done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stderr)
    return set(found)


HEAVY = {"httpx", "httpcore", "anyio", "asyncio", "trio", "ssl", "rich", "socket", "subprocess", "isal", "tarfile", "email"}


def test_importing_it_loads_nothing_heavy() -> None:
    found = loaded("import pyskopeo")
    assert not found & HEAVY
    assert {name for name in found if name.startswith("pyskopeo")} == {"pyskopeo"}


def test_values_load_no_network_and_no_event_loop() -> None:
    """All in one process, which says after which name what was there."""
    # Some of these know of registries, and no more of them than a name.
    heavy = {"httpx", "httpcore", "rich", "asyncio", "trio", "isal", "ssl"}
    program = f"""
import json, sys, pyskopeo
found, names = {{}}, [name for name in dir(pyskopeo) if name not in ("copy", "run_copy")]
for name in names:
    before = set(sys.modules)
    getattr(pyskopeo, name)
    if loaded := (set(sys.modules) - before) & {heavy!r}:
        found[name] = sorted(loaded)
print(json.dumps([len(names), found]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    count, found = json.loads(done.stdout)
    assert count > 150
    assert found == {}


def test_a_copy_between_files_loads_no_network(tmp_path: Path) -> None:
    write_dir(build("oci"), tmp_path / "d")
    program = "import sys, pyskopeo; pyskopeo.run_copy(*sys.argv[1:3])"
    found = loaded(program, f"dir:{tmp_path / 'd'}", f"oci:{tmp_path / 'o'}:t")
    assert not found & {"httpx", "httpcore", "rich", "isal", "backports.zstd", "tarfile", "lzma", "trio", "certifi", "publicsuffixlist"}
    assert (tmp_path / "o" / "index.json").exists()


def test_a_copy_without_a_store_loads_nothing_of_it(tmp_path: Path) -> None:
    image = write_dir(build("oci"), tmp_path / "image")
    code = (
        "import sys; from pyskopeo.cli.main import main;"
        f"assert main(['copy', '-q', 'dir:{image}', 'oci:{tmp_path}/layout:v1']) == 0;"
        "import pyskopeo.transports.docker;"
        "of_stores = ('content_store', 'pull_through', 'store_contents', 'verified_links', 'local_content', 'stored_content');"
        "print(*[name for name in sys.modules if name.endswith(of_stores)])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_an_ordinary_copy_loads_nothing_for_build_systems(tmp_path: Path) -> None:
    image = write_dir(build("oci"), tmp_path / "image")
    code = (
        "import sys; from pyskopeo.cli.main import main;"
        f"assert main(['copy', '-q', 'dir:{image}', 'oci:{tmp_path}/one:v1']) == 0;"
        f"assert main(['copy', '-q', 'oci:{tmp_path}/one:v1', 'oci:{tmp_path}/two:v1']) == 0;"
        "unwanted = ('argument_file', 'plan_view', 'shallow_copy', 'reused_files', 'recorded_sources', 'content_sources',"
        " 'blob_index', 'layout_completion', 'layout_assembly', 'missing_content', 'completion', 'blobs', 'output_flags');"
        "print(*[name for name in sys.modules if name.startswith('pyskopeo') and name.rpartition('.')[2] in unwanted])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# What a command that sends a request or two has no use for. asyncio and anyio load a third of all that it does load.
NOT_FOR_ONE_REQUEST = {
    "anyio.from_thread", "anyio.to_process", "bz2", "cryptography", "datetime", "encodings.idna", "isal", "lzma", "platform", "random", "rich",
    "shutil", "stringprep", "tempfile", "tomllib", "unicodedata", "yaml", "zlib",
    "pyskopeo.cli.progress", "pyskopeo.engine.run", "pyskopeo.http.rate_limit", "pyskopeo.model.jws",
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_registry_is_asked_without_httpx(scheme: str, authority: Authority, tmp_path: Path) -> None:
    """It is the interface for callers: a client of theirs, and proxies of a kind that it knows. `email` comes with it."""
    certificates(tmp_path / "certificates", authority)
    with Simulator(build("oci"), tls=authority.server("registry") if scheme == "https" else None) as registry:
        flags = ["--tls-verify=false"] if scheme == "http" else [f"--cert-dir={tmp_path / 'certificates'}"]
        program = "from pyskopeo.cli.main import main; assert main(sys.argv[1:]) == 0"
        for command in (["inspect", "--raw"], ["list-tags"]):
            name = registry.name() if command[0] == "inspect" else registry.name().rpartition(":")[0]
            found = loaded(program, *command, *flags, name)
            assert "pyskopeo.http.transport" in found
            assert not found & {"httpx", "httpcore", "email", "http.client", "urllib.request", "encodings.idna"}
            own = {name for name in found if name.startswith("pyskopeo.")}
            assert not found & NOT_FOR_ONE_REQUEST
            assert len(own) <= 115, sorted(own)  # 0.3 million instructions each, at least; there are 110


def test_a_version_needs_no_dataclasses() -> None:
    found = loaded("from pyskopeo.cli.main import main; assert main(['--version']) == 0")
    assert not found & {"dataclasses", "inspect", "threading", "hashlib", "pathlib", "shutil", *HEAVY}
    assert len(found) <= 90, sorted(found)


def test_rate_limits_and_records_of_uploads_are_loaded_where_they_are_used(tmp_path: Path) -> None:
    program = (
        "import pyskopeo, dataclasses; access = pyskopeo.Access.from_environ();"
        "access = dataclasses.replace(access, trust=dataclasses.replace(access.trust, insecure=True));"
        "pyskopeo.run_copy(*sys.argv[1:], source_access=access, destination_access=access)"
    )
    with Simulator(build("docker")) as source, Simulator() as target:
        found = loaded(program, source.name(), target.name())
        assert target.manifest() is not None
    assert "pyskopeo.registry.upload_session" in found
    unused = ("http.rate_limit", "http.limited_body", "http.limited_stream", "storage.upload_records")
    assert not {f"pyskopeo.{name}" for name in unused} & found
