"""Loads all that a copy can need, so that processes forked from this one have nothing left to load."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

import pyskopeo

for _module in walk_packages(pyskopeo.__path__, "pyskopeo."):
    if not _module.name.endswith("__main__"):
        import_module(_module.name)
for _name in ("anyio._backends._asyncio", "anyio._backends._trio", "httpx", "ssl", "tests.faults.children"):
    import_module(_name)
