"""Interpreters, and the bytecode that they compile for the single file."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

OLDEST = (3, 11)
_NEWEST_SEARCHED = 20
_SCRIPT = Path(__file__).with_name("compile_modules.py")
_QUESTION = "import sys; print(sys.implementation.name, *sys.version_info[:3], sys.version_info[3])"


@dataclass(frozen=True)
class Interpreter:
    """A Python, as the command that runs it, and its version."""

    command: tuple[str, ...]
    version: tuple[int, int, int]

    @property
    def tag(self) -> str:
        """The name of its minor version in the single file, such as ``cp311``."""
        return f"cp{self.version[0]}{self.version[1]}"

    def __str__(self) -> str:
        return f"CPython {'.'.join(map(str, self.version))}"


def find_interpreters(named: Iterable[str] = ()) -> list[Interpreter]:
    """Return one interpreter for each minor version from 3.11 on, sorted: the commands ``named``, this one, and others.

    Others are ``python3.N`` in ``PATH``, and those of pyenv. Exits if a named one cannot be used.
    """
    found: dict[str, Interpreter] = {}
    for command in named:
        one = _ask(tuple(shlex.split(command)))
        if one is None:
            sys.exit(f"build_release: --python {command}: not a released CPython from 3.11 on")
        found.setdefault(one.tag, one)
    for path in (sys.executable, *_candidates()):
        one = _ask((path,))
        if one is not None:
            found.setdefault(one.tag, one)
    return sorted(found.values(), key=lambda one: one.version)


def this_interpreter() -> Interpreter:
    """Return the interpreter that runs this."""
    return Interpreter((sys.executable,), sys.version_info[:3])


def _candidates() -> Iterable[str]:
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for minor in range(OLDEST[1], _NEWEST_SEARCHED):
        name = f"python3.{minor}"
        yield from filter(None, [shutil.which(name)])
        yield from map(str, sorted(Path(root, "versions").glob(f"3.{minor}.*/bin/{name}")))


def _ask(command: tuple[str, ...]) -> Interpreter | None:
    """Return the interpreter that a command runs; None if it is none that can be used."""
    try:
        done = subprocess.run(
            [*command, "-I", "-S", "-c", _QUESTION], capture_output=True, text=True, timeout=20, check=False
        )
        name, *numbers, level = done.stdout.split()
        version = tuple(map(int, numbers))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    if done.returncode or name != "cpython" or level != "final" or version < OLDEST or len(version) != 3:
        return None
    return Interpreter(command, (version[0], version[1], version[2]))


def compile_bundles(interpreters: Iterable[Interpreter], sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the bundle of bytecode for each interpreter, by its tag; ``sources`` are modules by their paths."""
    question = json.dumps(
        [
            (module_name(path), path.endswith("/__init__.py"), path, base64.b64encode(source).decode())
            for path, source in sorted(sources.items())
        ]
    ).encode()
    chosen = list(interpreters)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        bundles = threads.map(lambda one: _compile(one, question), chosen)
        return {one.tag: bundle for one, bundle in zip(chosen, bundles, strict=True)}


def _compile(interpreter: Interpreter, question: bytes) -> bytes:
    # Isolated but for the hash seed, which -I would ignore.
    done = subprocess.run(
        [*interpreter.command, "-s", "-S", "-P", "-B", str(_SCRIPT)],
        input=question, capture_output=True, env={"PYTHONHASHSEED": "0"}, cwd="/", check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"build_release: {interpreter} cannot compile the modules: {done.stderr.decode().strip()[-500:]}")
    return done.stdout


def module_name(path: str) -> str:
    """Return the name of the module in a file, such as ``a.b`` for ``a/b/__init__.py``."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
