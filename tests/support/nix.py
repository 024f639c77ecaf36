"""Real Nix, with a store of the test's own: that of this machine, or Debian sid's, which builds in a sandbox."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .require import require_peer

if TYPE_CHECKING:
    from .sid_root import SidRoot

_CONFIG = """\
build-users-group =
substitute = false
experimental-features = nix-command
sandbox = {sandbox}
"""
# The programs of the builders are not in the store; all else of the machine is hidden from them.
_SANDBOX = "sandbox-paths = /usr /bin=/usr/bin /lib=/usr/lib /lib64=/usr/lib64\n"


class Nix:
    """A store for one user that is found nowhere else and fetches nothing from outside.

    ``sid`` is a root directory in which ``folder`` has the same path; None: the Nix that is installed here.
    """

    def __init__(self, folder: Path, sid: SidRoot | None = None) -> None:
        # Nix wants real paths.
        self.folder = folder.resolve()
        self.sandboxed = sid is not None
        self._sid = sid
        self.environ = {
            "NIX_STORE_DIR": f"{self.folder}/store",
            "NIX_STATE_DIR": f"{self.folder}/var/nix",
            "NIX_LOG_DIR": f"{self.folder}/var/log",
            "NIX_CONF_DIR": f"{self.folder}/etc",
        }
        (self.folder / "etc").mkdir(parents=True)
        config = _CONFIG.format(sandbox=str(self.sandboxed).lower()) + (_SANDBOX if self.sandboxed else "")
        (self.folder / "etc" / "nix.conf").write_text(config)

    @property
    def python(self) -> str:
        """A Python for builders, without packages."""
        return "/usr/bin/python3"

    def run(self, program: str, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of Nix to its end."""
        environ = {**self.environ, **(env or {})}
        if self._sid is not None:
            return self._sid.run([program, *words], cwd=self.folder, env=environ, timeout=120)
        return subprocess.run(
            [require_peer(program), *words], env=os.environ | environ, cwd=self.folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=120, check=False,
        )  # fmt: skip

    def build(self, expression: str, *words: str) -> subprocess.CompletedProcess[str]:
        """``nix-build`` of the text of an expression."""
        path = self.folder / "image.nix"
        path.write_text(expression)
        return self.run("nix-build", "--no-out-link", *words, str(path))

    def built(self, expression: str, *words: str) -> list[Path]:
        """The paths that a build has made, which must succeed."""
        done = self.build(expression, *words)
        assert done.returncode == 0, done.stderr
        return [Path(line) for line in done.stdout.splitlines()]
