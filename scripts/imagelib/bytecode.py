"""Bytecode for the modules of an image, if the Python that it has is on this machine, too."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

from releaselib.bytecode import Interpreter, find_interpreters, this_interpreter

from .tree import Tree, with_bytecode

_SCRIPT = Path(__file__).with_name("compile_files.py")


def find_compiler(version: tuple[int, int]) -> Interpreter | None:
    """Return an interpreter of this minor version, if there is one on this machine."""
    if version == sys.version_info[:2]:
        return this_interpreter()
    return next((one for one in find_interpreters() if one.version[:2] == version), None)


def add_bytecode(tree: Tree, compiler: Interpreter) -> None:
    """Compile all modules of ``tree``; exits if ``compiler`` fails."""
    sources = [
        (path, base64.b64encode(file.content).decode())
        for path, file in sorted(tree.files.items())
        if path.endswith(".py") and file.content is not None
    ]
    done = subprocess.run(
        [*compiler.command, "-s", "-S", "-P", "-B", "-W", "ignore", str(_SCRIPT)],
        input=json.dumps(sources), capture_output=True, text=True, env={"PYTHONHASHSEED": "0"}, cwd="/", check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"build_image: {compiler} cannot compile the modules: {done.stderr.strip()[-500:]}")
    compiled = {path: base64.b64decode(content) for path, content in json.loads(done.stdout).items()}
    with_bytecode(tree, compiled, f"cpython-{compiler.version[0]}{compiler.version[1]}")
