"""Credential helpers as scripts: what they are told is written down, what they say is up to the test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .commands import ROOT

# Keeps secrets in a folder, one file per server, and writes down how it was called.
_KEEPER = """\
import json, os, sys, urllib.parse
root = {root!r}
action, question = sys.argv[1], sys.stdin.read()
with open(os.path.join(root, "calls"), "a") as calls:
    calls.write(json.dumps([sys.argv[1:], action, question]) + "\\n")
def path(server):
    return os.path.join(root, "kept", urllib.parse.quote(server.strip(), safe=""))
os.makedirs(os.path.join(root, "kept"), exist_ok=True)
if action == "store":
    kept = json.loads(question)
    with open(path(kept["ServerURL"]), "w") as file:
        json.dump(kept, file)
elif not os.path.exists(path(question)):
    print("credentials not found in native keychain")
    sys.exit(1)
elif action == "get":
    print(open(path(question)).read())
elif action == "erase":
    os.remove(path(question))
"""


class HelperPrograms:
    """A folder of helpers, first in `path`; ``environ`` is what makes them found."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def path(self) -> str:
        """For ``PATH``."""
        return f"{self.folder}:{os.environ.get('PATH', os.defpath)}"

    @property
    def environ(self) -> dict[str, str]:
        """An environment in which the helpers are found; they find this folder as ``$OUT``."""
        return {"PATH": self.path, "OUT": str(self.folder)}

    def shell(self, name: str, script: str) -> Path:
        """A helper as a shell script, by its whole name; answers with its path."""
        return self._write(name, f"#!/bin/sh\n{script}\n")

    def docker(self, name: str, script: str) -> Path:
        """``docker-credential-NAME`` as a shell script."""
        return self.shell(f"docker-credential-{name}", script)

    def keeper(self, name: str = "keeper", *, pause: float = 0.0) -> Path:
        """A helper in Docker's protocol that keeps what it is given, as those of desktops do; ``pause`` is in seconds."""
        program = f"import time; time.sleep({pause})\n" + _KEEPER.format(root=str(self.folder))
        return self._write(f"docker-credential-{name}", f"#!{sys.executable} -I\n{program}")

    def pyskopeo(self, name: str, *words: str) -> Path:
        """A script that is ``pyskopeo WORDS`` with what it is called with after them."""
        command = " ".join((sys.executable, "-m", "pyskopeo", *words))
        return self.shell(name, f"PYTHONPATH={ROOT}; export PYTHONPATH; exec {command}$1")

    def said(self, name: str) -> str:
        """What a script wrote to ``$OUT/NAME``; nothing if it did not."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    @property
    def kept(self) -> dict[str, str]:
        """What the keepers keep, by server, as they were told it."""
        from urllib.parse import unquote

        return {unquote(path.name): path.read_text() for path in sorted((self.folder / "kept").glob("*"))}

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path


@contextmanager
def command_lines_seen(processes: list[str]) -> Iterator[None]:
    """Collect the command lines of all processes that run meanwhile, as anybody on the machine can see them."""
    import threading

    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    except OSError:
                        continue
                    if line not in processes:
                        processes.append(line)
            over.wait(0.005)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
