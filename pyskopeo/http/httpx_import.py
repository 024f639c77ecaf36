"""Import httpx without its command line.

``import httpx`` imports its own command (click, rich, pygments) where those packages are installed, which takes 40 ms
that a pull of a small image does not need. httpx works without that module.
"""

from __future__ import annotations

import sys

_COMMAND = "httpx._main"
_absent = _COMMAND not in sys.modules and "httpx" not in sys.modules
if _absent:
    sys.modules[_COMMAND] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    if _absent:
        del sys.modules[_COMMAND]

__all__ = ["httpx"]
