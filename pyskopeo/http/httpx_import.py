"""httpx, imported without its command line.

``import httpx`` pulls in its own command (click, rich, pygments) where those happen to be
installed: 40 ms that a pull of a small image would pay for nothing. httpx copes with its absence.
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
