"""The examples of the README and of docs/library do what is said there, and all examples there are valid."""

from __future__ import annotations

import ast
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import pyskopeo
from tests.support.images import build
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "library" / "index.md"


def functions() -> dict[str, Any]:
    """What the example imports and defines, without the calls between."""
    (text,) = (one for one in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "def size" in one)
    tree = ast.parse(text)
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.AsyncFunctionDef)]
    found: dict[str, Any] = {}
    exec(compile(tree, PAGE.name, "exec"), found)  # noqa: S102 - our own document
    return found


@pytest.mark.parametrize("kind", ["oci", "docker", "oci-index", "nested-index"])
def test_the_size_of_an_image(kind: str, tmp_path: Path) -> None:
    image = build(kind)
    layout = write_layout(image, tmp_path / "layout")
    size: Callable[[str], Awaitable[int]] = functions()["size"]
    manifest = image.digest
    while "manifests" in (parsed := image.manifests[manifest].json):
        entries: Any = parsed["manifests"]
        platforms = [entry.get("platform") for entry in entries]
        amd64 = {"architecture": "amd64", "os": "linux"}
        manifest = entries[platforms.index(amd64) if amd64 in platforms else 0]["digest"]
    blobs = {*image.layer_digests(manifest), image.config_digest(manifest)}
    found = anyio.run(size, f"oci:{layout}")
    assert found == sum(len(image.blobs[blob]) for blob in blobs) > 0


def test_the_tags_of_a_registry_without_https() -> None:
    tags: Callable[[str], Awaitable[list[str]]] = functions()["tags"]
    with Simulator(build("oci"), "a/b", "v1") as registry:
        assert anyio.run(tags, f"docker://{registry.host}/a/b") == ["v1"]


def test_every_example_names_what_there_is() -> None:
    for page in PAGE.parent.rglob("*.md"):
        for text in re.findall(r"```python(?: .*)?\n(.*?)```", page.read_text(), re.DOTALL):
            if page.parent == PAGE.parent and "--8<--" not in text:
                compile(text, page.name, "exec")
            for name in re.findall(r"pyskopeo\.([A-Za-z_]\w*)", text):
                assert name in dir(pyskopeo), f"{page.name}: {name}"


def test_the_table_names_methods() -> None:
    table = PAGE.read_text().partition("| you want to")[2].partition("\n\n")[0]
    named = set(re.findall(r"client\.md#(\w+)", table))
    methods = {name for name in dir(pyskopeo.Client) if not name.startswith("_")} - {"aclose"}
    assert named == methods


def test_the_example_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = build("oci")
    (text,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    with Simulator(image, "library/alpine", "3.20") as registry:
        mirrored = f'[[registry]]\nprefix = "docker.io"\nlocation = "{registry.host}"\ninsecure = true\n'
        (tmp_path / "registries.conf").write_text(mirrored)
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
        monkeypatch.chdir(tmp_path)
        exec(compile(text, "README.md", "exec"), {})  # noqa: S102 - our own document
    assert capsys.readouterr().out == f"['3.20']\n{image.digest}\n"
