"""The user who signs in for a certificate: on the terminal, and in a browser."""

from __future__ import annotations

import os
import sys

from ..errors import InvalidInput
from .log import emit_notice

_LINE_LIMIT = 4096
_DISPLAYS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")


class TerminalUser:
    """A `signing.identity_tokens.User`: told on standard error, asked on standard input."""

    def show(self, text: str) -> None:
        """Print a line."""
        emit_notice(text)

    async def ask(self, question: str) -> str:
        """Print a question and return the line that is entered; raises `InvalidInput` without a terminal."""
        from ..streams.cancellation import run_in_thread

        if not sys.stdin.isatty():
            raise InvalidInput(
                f"{question.rstrip(': ')}: standard input is not a TTY; oidcMode staticToken needs no user"
            )
        emit_notice(question)
        # A cancellation does not wait for the thread, which nothing wakes up.
        return await run_in_thread(lambda: sys.stdin.readline(_LINE_LIMIT), discard=lambda _: None)

    def has_browser(self) -> bool:
        """Return whether there is a desktop, or a browser that is named: one in the terminal would block it."""
        return any(os.environ.get(name) for name in _DISPLAYS) or sys.platform == "darwin"

    async def open_browser(self, address: str) -> bool:
        """Open an address; return whether it could be."""
        from ..streams.cancellation import run_in_thread

        def open_it() -> bool:
            import webbrowser

            return webbrowser.open(address)

        return await run_in_thread(open_it, discard=lambda _: None)
