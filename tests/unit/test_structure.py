"""Tests are found: each file of ``tests/unit`` has its module in the package, and starts no server and no process."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

UNIT = Path(__file__).parent
TESTS = UNIT.parent
PACKAGE = TESTS.parent / "pyskopeo"

# These are about the package as a whole.
ABOUT_ALL = {
    "test_coming_from_skopeo.py", "test_documents.py", "test_examples.py", "test_layering.py", "test_promises.py",
    "test_public.py", "test_readme.py", "test_reference.py", "test_structure.py",
}  # fmt: skip
# What starts processes and servers; sockets may come in pairs, but nobody listens.
STARTERS = {"subprocess", "multiprocessing", "socketserver", "http.server", "_posixsubprocess"}
CALLS = {
    "create_server", "listen", "start_server", "start_unix_server",
    "fork", "popen", "posix_spawn", "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp", "system",
}  # fmt: skip
# Fixtures of tests/conftest.py behind which are real programs.
PROGRAMS = {"registry", "tls_registry", "htpasswd_registry", "token_server", "token_registry", "dockerd"}

FILES = sorted(path for path in UNIT.rglob("*.py") if path.name != "__init__.py")


def name(path: Path) -> str:
    return path.relative_to(UNIT).as_posix()


def modules(folder: Path) -> set[str]:
    """The modules and packages right below a folder of the package."""
    return {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}


def imported(tree: ast.AST, package: list[str]) -> Iterator[str]:
    """The dotted names of what is imported anywhere in a file, except for types alone."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        return
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        base = package[: len(package) - tree.level + 1] if tree.level else []
        module = ".".join((*base, *([tree.module] if tree.module else [])))
        yield module
        yield from (f"{module}.{alias.name}" for alias in tree.names)
    for child in ast.iter_child_nodes(tree):
        yield from imported(child, package)


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imports_of(path: Path) -> tuple[str, ...]:
    return tuple(imported(parsed(path), list(path.relative_to(TESTS.parent).parent.parts)))


@functools.cache
def starts(path: Path) -> tuple[str, ...]:
    """By what a file starts a server or a process; nothing for most."""
    called = (n.func.attr for n in ast.walk(parsed(path)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute))
    found = [f"imports {module}" for module in imports_of(path) if module in STARTERS]
    found += [f"calls {name}" for name in called if name in CALLS]
    return tuple(f"{path.relative_to(TESTS)} {what}" for what in found)


def reached(path: Path, seen: set[Path]) -> set[Path]:
    """A test file and the files of ``tests`` that it imports, directly or not."""
    if path not in seen:
        seen.add(path)
        for module in imports_of(path):
            file = (TESTS.parent / module.replace(".", "/")).with_suffix(".py")
            if module.startswith("tests.") and file.exists():
                reached(file, seen)
    return seen


@pytest.mark.parametrize("path", [path for path in FILES if path.name.startswith("test_")], ids=name)
def test_a_file_of_tests_has_its_module(path: Path) -> None:
    """``test_MODULE.py``, or ``test_MODULE_PART.py`` where there are many of one module, in a folder as the package's."""
    if path.parent == UNIT and path.name in ABOUT_ALL:
        return
    folder = PACKAGE / path.parent.relative_to(UNIT)
    assert folder.is_dir()
    stem = path.stem.removeprefix("test_")
    assert any(stem == module or stem.startswith(f"{module}_") for module in modules(folder)), f"no module for {name(path)}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_unit_test_starts_no_server_and_no_process(path: Path) -> None:
    assert [what for file in sorted(reached(path, set())) for what in starts(file)] == []
    tree = parsed(path)
    fixtures = {
        argument.arg
        for n in ast.walk(tree)
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name.startswith("test_")
        for argument in n.args.args
        if argument.arg not in "".join(map(ast.unparse, n.decorator_list))  # where it is a parameter
    }
    assert not fixtures & PROGRAMS
    assert "mark.peer" not in {ast.unparse(n)[-9:] for n in ast.walk(tree) if isinstance(n, ast.Attribute)}


def test_the_test_sees_what_starts_something() -> None:
    source = "def f():\n import subprocess\nfrom .commands import pyskopeo\nif TYPE_CHECKING:\n import multiprocessing\n"
    assert list(imported(ast.parse(source), ["tests", "support"])) == [
        "subprocess", "tests.support.commands", "tests.support.commands.pyskopeo",
    ]  # fmt: skip
    started = {what for file in reached(TESTS / "support" / "fake_daemon.py", set()) for what in starts(file)}
    assert "support/fake_daemon.py calls create_server" in started
    started = {what for file in reached(TESTS / "support" / "simulator.py", set()) for what in starts(file)}
    assert "support/httpd.py imports http.server" in started


def test_every_folder_of_tests_is_a_package() -> None:
    """Two files of the same name are two modules then."""
    folders = {path.parent for path in TESTS.rglob("test_*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_no_test_file_imports_another() -> None:
    """What two of them need is in ``tests/support``, or beside them under a name that is not a test's."""
    found = [
        f"{path.relative_to(TESTS)} imports {module}"
        for path in TESTS.rglob("*.py")
        for module in imports_of(path)
        if module.startswith("tests.") and module.split(".")[-1].startswith("test_")
    ]
    assert found == []
