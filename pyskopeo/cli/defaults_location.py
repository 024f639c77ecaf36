"""Where the values are that a user has set for flags: in variables of the environment, and in a file."""

from __future__ import annotations

import os
from collections.abc import Mapping

PREFIX = "PYSKOPEO_"
FILE_VARIABLE = "PYSKOPEO_CONFIG"
# `Access.from_environ` knows it, so it is no reason to look for others.
_STORE = "PYSKOPEO_STORE"


def defaults_path(environ: Mapping[str, str]) -> str:
    """Return the path of the file, which need not exist, or "" if ``PYSKOPEO_CONFIG`` is empty: none is read."""
    if FILE_VARIABLE in environ:
        return environ[FILE_VARIABLE]
    folder = environ.get("XDG_CONFIG_HOME")
    if not folder:
        from ..config.home import home_directory

        folder = os.path.join(home_directory(environ), ".config")
    return os.path.join(folder, "pyskopeo", "config.toml")


def has_defaults(environ: Mapping[str, str]) -> bool:
    """Return whether there may be such values; it is asked before every command, and most users have none."""
    if any(name.startswith(PREFIX) and name not in (FILE_VARIABLE, _STORE) for name in environ):
        return True
    path = defaults_path(environ)
    return bool(path) and (FILE_VARIABLE in environ or os.path.lexists(path))
