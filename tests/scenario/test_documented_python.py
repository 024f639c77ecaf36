"""The functions in the first example of docs/library do what it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.images import build
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator

PAGE = Path(__file__).parents[2] / "docs" / "library" / "index.md"


def functions() -> dict[str, Any]:
    """What the example imports and defines, without the calls between."""
    text, *_ = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
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
