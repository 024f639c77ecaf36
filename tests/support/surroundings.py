"""Ways in which two runs of one command differ without a difference that anybody wanted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .commands import environment
from .require import require_peer

_NOBODY = 65534
_RUN_ALL = """
import json, sys
from pyskopeo.cli.main import main
from pyskopeo.cli.standard_streams import prepare_standard_streams
prepare_standard_streams()
for words in json.loads(sys.argv[1]):
    if code := main(words):
        sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command runs in: its umask, user, and environment (None: not set).

    ``frozen`` is whether its sources cannot be written to, ``parallel`` the number of blobs to copy at the same time, 0
    for the default.
    """

    name: str
    umask: int = 0o022
    user: int | None = None
    environ: Mapping[str, str | None] = field(default_factory=dict)
    frozen: bool = False
    parallel: int = 0

    def run(
        self, lines: Sequence[Sequence[str]], home: Path, timeout: float = 120
    ) -> subprocess.CompletedProcess[bytes]:
        """Run command lines of ``pyskopeo`` one after another in one process, in a home of its own; the first failure ends it."""
        environ: dict[str, str | None] = {**environment({"HOME": str(home)}), **self.environ}
        return subprocess.run(
            [*self._as_user(), sys.executable, "-c", _RUN_ALL, json.dumps(lines)],
            env={name: value for name, value in environ.items() if value is not None}, umask=self.umask, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False,
        )  # fmt: skip

    def _as_user(self) -> tuple[str, ...]:
        """A program that becomes the user, who may read everything, as the interpreter may be in root's home."""
        if self.user is None:
            return ()
        capability = "+dac_read_search"
        identity = (f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups")
        return (require_peer("setpriv"), *identity, f"--inh-caps={capability}", f"--ambient-caps={capability}")


USUAL = Surroundings("usual", environ={"PYTHONHASHSEED": "1"})
_NO_HOME = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"))
# Each differs in many ways at once, as real ones do; if one fails, take these away one after another.
OTHERS = (
    Surroundings("again"),
    Surroundings(
        "elsewhere", umask=0o077, parallel=1,
        environ={
            "TZ": "XST-13:45", "LC_ALL": "tr_TR.UTF-8", "LANGUAGE": "tr", "PYTHONHASHSEED": "2",
            "SOURCE_DATE_EPOCH": "1234567890", **_NO_HOME,
        },
    ),
    Surroundings(
        "nix-build", umask=0, parallel=6,
        environ={
            **_NO_HOME, "HOME": "/homeless-shelter", "NIX_BUILD_TOP": "/build", "SOURCE_DATE_EPOCH": "315532800",
            "LC_ALL": "C", "LANG": None, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": "3",
        },
    ),
    Surroundings("nobody", umask=0o027, user=_NOBODY, frozen=True),
)  # fmt: skip


def frozen(folder: Path) -> Callable[[], None]:
    """Make a folder read-only with all that is in it; returns what gives the modes back."""
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    for path, mode in modes.items():
        os.chmod(path, mode & 0o555)

    def restore() -> None:
        for path, mode in modes.items():
            os.chmod(path, mode)

    return restore
