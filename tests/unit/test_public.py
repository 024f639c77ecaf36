"""The public API: pinned, complete, typed, and cheap to import."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import runpy
from pathlib import Path
from typing import get_args

import pytest

import pyskopeo

ROOT = Path(__file__).parents[2]
PUBLIC = dir(pyskopeo)


def test_type_checkers_see_the_names_that_are_there() -> None:
    """Adding one is a promise, taking one away breaks someone: the reference page lists them, too."""
    tree = ast.parse((ROOT / "pyskopeo/__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: (node.module, alias.asname)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: (home, name) for name, home in pyskopeo._home_of().items()}
    assert sum(len(names.split()) for names in pyskopeo._NAMES.values()) == len(seen), "a name is in two modules"
    assert sorted([*seen, "__version__"]) == PUBLIC == dir(pyskopeo)


def test_the_reference_pages_are_true() -> None:
    """Run scripts/library_reference when a public name, its arguments or its docstring has changed."""
    script = runpy.run_path(str(ROOT / "scripts" / "library_reference"))
    pages = script["pages"]()
    assert {path.stem for path in script["FOLDER"].iterdir()} == pages.keys()
    for page, text in pages.items():
        assert (script["FOLDER"] / f"{page}.md").read_text() == text, f"docs/library/reference/{page}.md"
    headings = {line.removeprefix("## ") for text in pages.values() for line in text.splitlines()}
    assert set(PUBLIC) - headings == {"__version__"}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_leads_to_something_documented(name: str) -> None:
    found = getattr(pyskopeo, name)
    assert found is getattr(pyskopeo, name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert found.__module__.startswith("pyskopeo.")
        text = inspect.getdoc(found)
        assert text
        assert not text.startswith(f"{name}("), "that is what dataclasses writes where nothing is written"


def test_all_events_are_public() -> None:
    kinds = {kind.__name__ for kind in get_args(pyskopeo.Event)}
    assert kinds
    assert kinds <= set(dir(pyskopeo))


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'pyskopeo' has no attribute 'nothing'"):
        _ = pyskopeo.nothing


def test_everything_can_be_imported_by_a_star() -> None:
    names: dict[str, object] = {}
    exec("from pyskopeo import *", names)
    assert set(PUBLIC) <= set(names)


def test_every_public_argument_and_result_is_annotated() -> None:
    for name in PUBLIC:
        found = getattr(pyskopeo, name)
        functions = [found] if inspect.isfunction(found) else []
        if inspect.isclass(found) and found.__module__.startswith("pyskopeo."):
            functions = [f for n, f in inspect.getmembers(found, inspect.isfunction) if not n.startswith("_")]
        for function in functions:
            signature = inspect.signature(function)
            assert signature.return_annotation is not inspect.Signature.empty, function
            for parameter in signature.parameters.values():
                assert parameter.name == "self" or parameter.annotation is not inspect.Parameter.empty, function


def test_it_is_typed() -> None:
    assert (Path(pyskopeo.__file__).parent / "py.typed").is_file()


def test_the_version() -> None:
    assert importlib.metadata.version("pyskopeo") == pyskopeo.__version__
    assert pyskopeo.__version__.split(".")[0].isdigit()
