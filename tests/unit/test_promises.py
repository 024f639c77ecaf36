"""What the package never does, whatever is asked of it: SECURITY.md names these tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "pyskopeo"
# Functions and methods that write what an archive names, or run or load what a file holds.
FORBIDDEN = {
    "extract", "extractall", "unpack_archive", "_extract_member", "makelink", "mknod", "mkfifo",
    "chroot", "chown", "lchown", "fchown", "setuid", "setns", "unshare", "pivot_root",
    "system", "popen", "eval", "execv", "execve", "execvp", "execvpe", "execl", "spawnv", "spawnvp", "posix_spawn",
    "CDLL", "LoadLibrary", "load_module", "exec_module", "run_path", "unsafe_load", "full_load",
}  # fmt: skip
# Where files of images are made on request, below open directories.
ALLOWED = {"filesystem/contents.py": {"fchown"}, "filesystem/tree_writer.py": {"chown", "mkfifo", "mknod"}}
STARTERS = {"credentials/helper_program.py", "signing/programs.py", "storage/nix_store.py"}
# Modules whose use alone would be an error: they run what they read.
MODULES = {"ctypes", "marshal", "pickle", "pty", "runpy", "shelve", "zipimport"}


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_unpacked_or_run(path: Path) -> None:
    """No library unpacks an archive, and nothing of an image is executed or loaded; one module makes special files.

    The modules that start programs are those of credential helpers, of the Nix store and of signers, without a shell.
    """
    tree = ast.parse(path.read_text())
    assert not (FORBIDDEN - ALLOWED.get(path.relative_to(PACKAGE).as_posix(), set())) & set(calls(tree))
    assert not MODULES & set(imports(tree))
    shells = [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "shell"]
    assert not shells
    if path.relative_to(PACKAGE).as_posix() not in STARTERS:
        assert not {"Popen", "run_process", "create_subprocess_exec"} & set(calls(tree))


def test_the_check_finds_what_it_looks_for() -> None:
    tree = ast.parse("import pickle\nfrom ctypes import CDLL\narchive.extractall(x)\neval(y)")
    assert set(imports(tree)) == {"pickle", "ctypes"}
    assert {"extractall", "eval"} <= set(calls(tree)) & FORBIDDEN
