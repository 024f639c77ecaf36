"""Real programs: found, or the test is skipped; where all are expected, it fails instead."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

# The version of skopeo that expectations hold for; Debian sid, where it comes from, moves on.
SKOPEO = (1, 22)
# Where scripts/sid_skopeo puts it.
_UNPACKED = Path(__file__).resolve().parents[2] / ".peers" / "bin"
# Where scripts/sid_crane puts it.
_CRANE = Path(__file__).resolve().parents[2] / ".peers" / "crane" / "bin"
# Where scripts/sid_root puts what only root can enter; `sid_root.py` runs it.
SID_ROOT = Path(__file__).resolve().parents[2] / ".peers" / "root"
_OF_SID = "sid-"
_ALSO_IN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_OTHER_NAMES: dict[str, tuple[str, ...]] = {"docker-registry": ("registry",)}
_OLDEST_LIKE_IT = (1, 20)


def find_program(name: str) -> str | None:
    """Return the path of program ``name``; system folders outside a user's PATH are searched too.

    ``skopeo``, ``sq`` and ``crane`` are those of Debian sid where there are these. ``skopeo-1.9`` is the installed one if it is of that version.
    ``sid-NAME`` is the one in the root directory of Debian sid, see `sid_root.SidRoot`.
    """
    if name.startswith(_OF_SID):
        return _which(name.removeprefix(_OF_SID), str(SID_ROOT / "usr/bin")) if os.geteuid() == 0 else None
    if name in ("skopeo", "sq") and (unpacked := _which(name, str(_UNPACKED))):
        return unpacked
    if name == "crane" and (unpacked := _which(name, str(_CRANE))):
        return unpacked
    if name == "skopeo-1.9":
        installed = _installed("skopeo")
        return installed if installed and skopeo_version(installed)[:2] == (1, 9) else None
    # Programs of distributions that the tests need are beside their interpreter.
    return _installed(name) or _which(name, str(Path(sys.executable).parent))


def _installed(name: str) -> str | None:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_ALSO_IN))
    names = (name, *_OTHER_NAMES.get(name, ()))
    return next((found for candidate in names if (found := _which(candidate, path))), None)


def _which(name: str, path: str) -> str | None:
    found: str | None = shutil.which(name, path=path)
    return found


@functools.cache
def skopeo_version(program: str) -> tuple[int, ...]:
    """Return the version that a skopeo has; empty if it says none."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else ()


def require_peer(name: str) -> str:
    """Return the path of the real program ``name``.

    Without it the test is skipped with the program's name, or fails when ``PYSKOPEO_REQUIRE_PEERS=1``.
    """
    found = find_program(name)
    if found is None and name.startswith(_OF_SID):
        unavailable(f"needs {name}, which scripts/sid_root unpacks, and root")
    if found is None:
        unavailable(f"needs the program {name}, which is not installed")
    if name == "skopeo" and skopeo_version(found) < _OLDEST_LIKE_IT:
        unavailable("needs a newer program skopeo than the installed one: scripts/sid_skopeo unpacks one")
    if name in ("dockerd", "podman") and os.geteuid() != 0:
        unavailable(f"needs {name}, which needs root")
    return found


def require_package(name: str) -> None:
    """Skip the test, or fail it, as `require_peer` does, if a Python package that it needs is not installed."""
    if importlib.util.find_spec(name) is None:
        unavailable(f"needs the package {name}, which is not installed: pip install -e '.[release]'")


def unavailable(reason: str) -> NoReturn:
    """Skip the running test because of ``reason``, or fail it when ``PYSKOPEO_REQUIRE_PEERS=1``."""
    import pytest  # not at the top: the benchmark starts the same programs, without it

    if os.environ.get("PYSKOPEO_REQUIRE_PEERS") == "1":
        pytest.fail(f"{reason} (PYSKOPEO_REQUIRE_PEERS=1)", pytrace=False)
    pytest.skip(reason)
