"""Where a script finds what it needs: in ``.venv``, where there is one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_VENV = Path(__file__).resolve().parents[2] / ".venv"


def enter() -> None:
    """Begin the running script anew with the Python of ``.venv``, unless that is what runs it, or there is none."""
    python = _VENV / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != _VENV.resolve():
        os.execv(python, [str(python), *sys.argv])
