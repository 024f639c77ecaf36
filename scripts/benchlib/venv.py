"""Run scripts with the project's virtual environment, ``.venv``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_VENV = Path(__file__).resolve().parents[2] / ".venv"


def enter() -> None:
    """Restart the script with the Python of ``.venv``, unless it runs there already or there is none."""
    python = _VENV / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != _VENV.resolve():
        os.execv(python, [str(python), *sys.argv])
