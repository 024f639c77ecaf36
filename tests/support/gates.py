"""Who may come into the simulator: gates by password and by token."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .exchange import Request


class Gate(Protocol):
    """Who may come in."""

    def challenges(self, request: Request, scope: str) -> tuple[str, ...]:
        """The ``WWW-Authenticate`` headers to refuse with; none lets the request pass.

        ``scope`` is what the request needs, such as ``repository:NAME:pull``; several with blanks
        between them for a mount; "" for ``/v2/``.
        """
        ...


@dataclass(frozen=True)
class BasicGate:
    """Let in who knows a password."""

    users: dict[str, str]
    realm: str = "simulator"

    def challenges(self, request: Request, scope: str) -> tuple[str, ...]:
        """Ask for Basic."""
        for pair in self.users.items():
            expected = "Basic " + base64.b64encode(":".join(pair).encode()).decode()
            if request.header("Authorization") == expected:
                return ()
        return (f'Basic realm="{self.realm}"',)


@dataclass(frozen=True)
class BearerGate:
    """Let in who has a token that ``accepts(token, scope)``; others are sent to ``realm``.

    What needs several scopes needs each of them accepted.
    """

    realm: str
    accepts: Callable[[str, str], bool]
    service: str = "simulator"

    def challenges(self, request: Request, scope: str) -> tuple[str, ...]:
        """Ask for a token, saying what was wrong with the one that came."""
        kind, _, token = (request.header("Authorization") or "").partition(" ")
        if kind.lower() == "bearer" and all(self.accepts(token, one) for one in scope.split() or [""]):
            return ()
        error = ',error="insufficient_scope"' if kind.lower() == "bearer" and self.accepts(token, "") else ""
        asked = f',scope="{scope}"' if scope else ""
        return (f'Bearer realm="{self.realm}",service="{self.service}"{asked}{error}',)
