"""Real programs: found, or the test is skipped; where all are expected, it fails instead."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

_ALSO_IN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_OTHER_NAMES: dict[str, tuple[str, ...]] = {"docker-registry": ("registry",)}


def find_program(name: str) -> str | None:
    """The path of program ``name``; system folders outside a user's PATH are searched too."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_ALSO_IN))
    for candidate in (name, *_OTHER_NAMES.get(name, ())):
        found: str | None = shutil.which(candidate, path=path)
        if found:
            return found
    return None


def require_peer(name: str) -> str:
    """The path of the real program ``name``.

    Without it the test is skipped with the program's name, or fails when ``PYSKOPEO_REQUIRE_PEERS=1``.
    """
    found = find_program(name)
    if found is None:
        unavailable(f"needs the program {name}, which is not installed")
    if name == "dockerd" and os.geteuid() != 0:
        unavailable("needs dockerd, which needs root")
    return found


def unavailable(reason: str) -> NoReturn:
    """Skip the running test because of ``reason``, or fail it when ``PYSKOPEO_REQUIRE_PEERS=1``."""
    import pytest  # not at the top: the benchmark starts the same programs, without it

    if os.environ.get("PYSKOPEO_REQUIRE_PEERS") == "1":
        pytest.fail(f"{reason} (PYSKOPEO_REQUIRE_PEERS=1)", pytrace=False)
    pytest.skip(reason)
