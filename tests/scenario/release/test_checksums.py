"""What comes with the files of a release: checksums, integrities, the table of the Bazel rules, bills of materials."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyskopeo
from tests.support.commands import ROOT


@pytest.fixture
def directory(single_file: Path) -> Path:
    return single_file.parent


def test_sha256sum_checks_the_files(directory: Path, single_file: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{single_file.name}: OK" in done.stdout
    assert {path.name for path in directory.iterdir()} - {"SHA256SUMS", "INTEGRITY", "versions.bzl"} == {
        line.partition(":")[0] for line in done.stdout.splitlines()
    }


def test_integrities_are_those_of_the_files(directory: Path) -> None:
    lines = (directory / "INTEGRITY").read_text().splitlines()
    for line in lines:
        value, name = line.split("  ")
        assert value == "sha256-" + base64.b64encode(hashlib.sha256((directory / name).read_bytes()).digest()).decode()
    assert len(lines) == len((directory / "SHA256SUMS").read_text().splitlines()) >= 2


def test_the_table_of_the_bazel_rules(directory: Path, single_file: Path) -> None:
    """Starlark's literals are Python's."""
    text = (directory / "versions.bzl").read_text()
    (table,) = (node.value for node in ast.parse(text).body if isinstance(node, ast.Assign))
    files = ast.literal_eval(table)[pyskopeo.__version__]
    assert f"{files[single_file.name]}  {single_file.name}" in (directory / "INTEGRITY").read_text().splitlines()
    assert set(files) == {single_file.name}


def test_the_table_keeps_what_was_released_before(single_file: Path, tmp_path: Path) -> None:
    released = tmp_path / "released.bzl"
    released.write_text('"""Old."""\n\nPYSKOPEO_VERSIONS = {\n    "0.0.1": {\n        "pyskopeo-0.0.1.pyz": "sha256-x",\n    },\n}\n')
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from releaselib import checksums;"
        "checksums._RELEASED = Path(sys.argv[2]); checksums.write_versions(Path(sys.argv[3]), [Path(sys.argv[4])])"
    )
    arguments = [ROOT / "scripts", released, tmp_path / "new.bzl", single_file]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    (table,) = (ast.literal_eval(node.value) for node in ast.parse((tmp_path / "new.bzl").read_text()).body if isinstance(node, ast.Assign))
    assert list(table) == ["0.0.1", pyskopeo.__version__]
    assert table["0.0.1"] == {"pyskopeo-0.0.1.pyz": "sha256-x"}
    assert table[pyskopeo.__version__].keys() == {single_file.name}


def test_the_bill_of_materials(directory: Path, single_file: Path) -> None:
    bill = json.loads((directory / f"{single_file.name}.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    main = bill["metadata"]["component"]
    assert main["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(single_file.read_bytes()).hexdigest()}]
    assert (main["purl"], main["licenses"]) == (f"pkg:pypi/pyskopeo@{pyskopeo.__version__}", [{"expression": "Apache-2.0"}])
    components = {one["name"].lower(): one for one in bill["components"]}
    assert {"anyio", "httpx", "httpcore", "h11", "idna", "certifi", "pyyaml", "rich", "publicsuffixlist"} <= components.keys()
    for one in components.values():
        assert re.fullmatch(r"pkg:pypi/[a-z0-9-]+@[0-9][^@]*", one["purl"])
        assert one["licenses"], one["name"]
    refs = {main["bom-ref"], *(one["bom-ref"] for one in components.values())}
    graph = {one["ref"]: set(one["dependsOn"]) for one in bill["dependencies"]}
    assert graph.keys() == refs
    assert set().union(*graph.values()) == refs - {main["bom-ref"]}
    assert components["httpcore"]["bom-ref"] in graph[components["httpx"]["bom-ref"]]
