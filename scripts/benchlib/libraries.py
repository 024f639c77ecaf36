"""Other libraries for Python as contenders: each in a virtual environment of its own, which is kept for later runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .contenders import Command, Contender, Job

_CLIENTS = Path(__file__).with_name("clients")
# The distribution of each library, and the script that pulls with it.
LIBRARIES = {
    "oras-py": ("oras", "oras_client.py"),
    "python-dxf": ("python-dxf", "dxf_client.py"),
    "aioregistry": ("aioregistry", "aioregistry_client.py"),
    "crpy": ("crpy", "crpy_client.py"),
}


def installed_libraries(names: Sequence[str], cache: Path) -> dict[str, Contender]:
    """Install the libraries in ``names`` below ``cache`` if they are not there, and return them as contenders.

    One that cannot be installed is left out, with a line on standard error that says so.
    """
    found: dict[str, Contender] = {}
    for name in names:
        distribution, script = LIBRARIES[name]
        python = _install(cache / "python-libraries" / name, distribution)
        if isinstance(python, Path):
            found[name] = _contender(python, _CLIENTS / script)
        else:
            print(f"bench: {name} is left out: {python}", file=sys.stderr)
    return found


def _install(folder: Path, distribution: str) -> Path | str:
    """Return the Python of the environment that has a distribution; if there is none, why."""
    python, complete = folder / "bin" / "python", folder / "complete"
    if complete.exists():
        return python
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", distribution],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return ((done.stderr or done.stdout).strip() or "no output").splitlines()[-1]
    complete.touch()
    return python


def _contender(python: Path, script: Path) -> Contender:
    def command(job: Job) -> Command | None:
        if job.kind != "blobs":
            return None
        job.path.mkdir()
        repository = job.image.repository
        return Command([str(python), "-I", str(script), job.host, repository, job.tag, str(job.path)])

    return command
