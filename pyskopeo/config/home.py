"""The home directory of the user, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def home_directory(environ: Mapping[str, str]) -> Path:
    """Return ``$HOME``, else the home of the user in the system's list, else ``/``, as in containers without a user."""
    if home := environ.get("HOME"):
        return Path(home)
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def cache_directory(environ: Mapping[str, str], home: Path) -> Path | None:
    """Return the directory for files of this program that can be lost without harm (XDG Base Directory).

    None for a user without a home directory, which is not created for that.
    """
    if caches := environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "pyskopeo"
    return home / ".cache" / "pyskopeo" if home != Path("/") and home.is_dir() else None
