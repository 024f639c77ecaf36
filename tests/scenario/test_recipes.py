"""The programs in docs/library/recipes do what they say, and need nothing but the public names."""

from __future__ import annotations

import ast
import asyncio
import io
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from tests.support.cli import pyskopeo_here
from tests.support.images import build
from tests.support.measurement import unmeasured
from tests.support.outputs import blob_path, write_layout
from tests.support.simulator import Simulator
from tests.support.specs import ODD_TEXT

FOLDER = Path(__file__).parents[2] / "docs" / "library" / "recipes"
RECIPES = sorted(path.name for path in FOLDER.glob("*.py"))
IMAGE, ODD = build("oci"), build("oci-odd-text")

pytestmark = pytest.mark.usefixtures("no_machine_policy")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A registry without https, as `registries.conf` says."""
    monkeypatch.chdir(tmp_path)
    with Simulator(IMAGE, "a/b", "v1") as simulator:
        conf = tmp_path / "registries.conf"
        conf.write_text(f'[[registry]]\nlocation = "{simulator.host}"\ninsecure = true\n')
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
        yield simulator


def recipe(name: str) -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / name))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_uses_public_names_only(name: str) -> None:
    """That these exist, and are used as their types say, is checked by mypy, strictly."""
    tree = ast.parse((FOLDER / name).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("pyskopeo")
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("pyskopeo.") for alias in node.names)
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
            if isinstance(node.value, ast.Name) and node.value.id == "pyskopeo":
                assert node.attr in dir(pyskopeo)
    assert name in (FOLDER.parent / "recipes.md").read_text()
    assert len(RECIPES) >= 5


def test_mirror_with_a_bar(registry: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    target = f"docker://{registry.host}/c/d:v1"
    asyncio.run(recipe("mirror_with_progress.py")["main"](f"docker://{registry.host}/a/b:v1", target))
    captured = capsys.readouterr()
    assert captured.out == f"\n{IMAGE.digest}\n"
    assert captured.err.endswith(f"\r[{'#' * 30}] 100%")
    assert registry.incomplete == []
    assert registry.manifest("v1", "c/d") is not None


def test_labels_of_a_hundred_images(
    registry: Simulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        registry.add(ODD, "many", f"v{number}")
    names = [f"docker://{registry.host}/many:v{number}" for number in range(100)]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([*names, f"docker://{registry.host}/many:missing"])))
    recipe("scan_labels.py")["main"]("odd")
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}\t{ODD_TEXT!r}" for name in names]
    assert "error: " in last
    assert len({request.connection for request in registry.requests}) <= 16


def test_verify_a_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout, main = write_layout(IMAGE, tmp_path / "layout"), recipe("verify_layout.py")["main"]
    assert main(str(layout)) == 0
    assert capsys.readouterr().out.startswith("1 images, ")
    layer = IMAGE.layer_digests()[0]
    blob_path(layout, layer).write_bytes(b"wrong")
    assert main(str(layout)) == 1
    assert layer in capsys.readouterr().out


def test_push_an_artifact(registry: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.bin").write_bytes(b"1234")
    recipe("push_artifact.py")["main"](f"docker://{registry.host}/bundle:v1", "a.json", "b.bin")
    assert (tmp_path / "pulled" / "b.bin").read_bytes() == b"1234"
    first, *pulled = capsys.readouterr().out.splitlines()
    assert first.startswith("pushed sha256:")
    assert pulled == [
        "pulled/a.json: 2 bytes, application/json", "pulled/b.bin: 4 bytes, application/octet-stream"
    ]  # fmt: skip


def test_read_one_file(registry: Simulator, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    name = f"docker://{registry.host}/a/b:v1"
    path = next(file.path for file in asyncio.run(pyskopeo.list_files(name)) if file.kind == "file" and file.size)

    async def content() -> bytes:
        async with pyskopeo.open_file(name, path) as file:
            return file.read()

    recipe("read_file.py")["main"](name, path)
    assert capfdbinary.readouterr().out == asyncio.run(content())


@pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed.*")
def test_sync_on_a_cluster(registry: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = pyskopeo_here("sync", "--plan", "plan.jsonl", "--src", "docker", "--dest", "docker", f"{registry.host}/a/b",
                         f"{registry.host}/mirror")  # fmt: skip
    assert made.code == 0, made.stderr
    with unmeasured():  # the workers
        asyncio.run(recipe("sync_on_cluster.py")["main"]("plan.jsonl"))
    assert capsys.readouterr().out.splitlines() == [
        f"copied docker://{registry.host}/mirror/b:v1", "1 copied, 0 present, 0 failed"
    ]  # fmt: skip
    assert registry.manifest("v1", "mirror/b") is not None
