"""Real Bazel on a workspace of its own: that of Debian sid, which has modules, and Debian 12's 4.2.3."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from .commands import ROOT

RULES = ROOT / "integrations" / "bazel"
_STARTUP = ("--host_jvm_args=-Xmx512m", "--max_idle_secs=60")
_ALWAYS = ("--color=no", "--curses=no", "--show_progress=false")
_BUILD = ("--jobs=2", "--sandbox_debug=false", "--verbose_failures")


# Modules that Bazel's own tools name, which Debian does not have and these builds do not need.
_UNUSED_MODULES = ("apple_support", "buildozer", "protobuf", "zlib")


class Runner(Protocol):
    """Runs a program to its end, with nothing but ``env`` and a PATH in its environment: as `SidRoot.run` does."""

    def __call__(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]: ...


def run_here(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """A `Runner` for programs that are installed on this machine."""
    path = os.environ.get("PATH", os.defpath)
    return subprocess.run(
        command, cwd=cwd, env={"PATH": path, **env}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace", timeout=timeout, check=False,
    )  # fmt: skip


class Bazel:
    """Bazel on the workspace in ``folder``; a context manager that ends its server.

    ``options`` are for all commands.
    """

    def __init__(self, run: Runner, folder: Path, *, options: Sequence[str] = ()) -> None:
        self.workspace, self.home = folder / "workspace", folder / "home"
        self._run, self._options = run, (*_ALWAYS, *options)
        self._output = folder / "output"
        for directory in (self.workspace, self.home, self._output):
            directory.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bazel(["shutdown"], 60)

    def write(self, name: str, text: str | bytes, *, mode: int = 0o644) -> Path:
        """Write a file of the workspace."""
        path = self.workspace / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    def __call__(self, command: str, *words: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run ``bazel COMMAND WORDS``."""
        return self._bazel([command, *self._options, *(_BUILD if command in ("build", "test") else ()), *words], timeout)

    def succeed(self, command: str, *words: str) -> str:
        """Run a command that must end well; return its standard output."""
        done = self(command, *words)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def fail(self, command: str, *words: str) -> str:
        """Run a command that must fail; return what it says."""
        done = self(command, *words)
        assert done.returncode not in (0, 37), done.stderr  # 37: of Bazel itself
        return done.stderr + done.stdout

    def built(self, name: str) -> Path:
        """Return the path of an output of the main repository."""
        return self.workspace / "bazel-bin" / name

    def _bazel(self, words: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        command = ["bazel", *_STARTUP, f"--output_user_root={self._output}", *words]
        return self._run(command, cwd=self.workspace, env={"HOME": str(self.home)}, timeout=timeout)


def without_registry(folder: Path) -> list[str]:
    """Return options with which Bazel of Debian sid resolves modules without a network; ``folder`` is for empty ones."""
    options = ["--lockfile_mode=off", "--registry=file:///nowhere"]
    for name in _UNUSED_MODULES:
        directory = folder / name
        directory.mkdir(parents=True)
        (directory / "MODULE.bazel").write_text(f'module(name = "{name}")\n')
        (directory / "BUILD.bazel").write_text("")
        options.append(f"--override_module={name}={directory}")
    return options
