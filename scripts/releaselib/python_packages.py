"""The wheel and the source distribution."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .distributions import ROOT

# 1 February 2020, which hatchling takes too; a zip archive cannot hold the beginning of Unix time.
_EPOCH = "1580601600"


def build_package(target: str, output: Path) -> Path:
    """Build ``wheel`` or ``sdist`` with the installed hatchling, without a network, and return the file."""
    with tempfile.TemporaryDirectory(dir=output) as work:
        _run_hatchling(target, work)
        (built,) = Path(work).iterdir()
        path = output / built.name
        os.replace(built, path)
        os.chmod(path, 0o644)
        return path


def _run_hatchling(target: str, directory: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", directory],
        cwd=ROOT, env={**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", _EPOCH)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        hint = ": pip install 'pyskopeo[release]'" if "No module named" in lines[-1] else ""
        sys.exit(f"build_release: hatchling cannot build the {target}: {lines[-1]}{hint}")
