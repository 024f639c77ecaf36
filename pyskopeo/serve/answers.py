"""Answers that do not come from the application: refusals, and small documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from starlette.types import Scope, Send


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer: a code of the specification and one sentence ("Error Codes").

    The connection ends with it if ``closes``, which is for requests whose end is not certain. Otherwise the server
    reads the rest of a body and drops it, for some seconds, so that its sender gets to see the answer.
    """

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    closes: bool = False

    async def send(self, scope: Scope, send: Send) -> None:
        """Send it."""
        content = json.dumps({"errors": [{"code": self.code, "message": self.message, "detail": None}]})
        headers = dict(self.headers)
        if self.closes or any(name == b"expect" for name, _ in scope["headers"]):
            headers["Connection"] = "close"  # who waits to be asked for the body does not send it
        await send_document(send, self.status, content.encode(), "application/json", headers)


async def send_document(
    send: Send, status: int, body: bytes, media_type: str, headers: Mapping[str, str] | None = None
) -> None:
    """Send an answer as a whole; the server leaves out the body for HEAD."""
    pairs = {
        "Content-Type": media_type,
        "Content-Length": str(len(body)),
        "Docker-Distribution-API-Version": "registry/2.0",
        "X-Content-Type-Options": "nosniff",
        **(headers or {}),
    }
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})


def has_body(scope: Scope) -> bool:
    """Return whether a request announces a body."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
        for name, value in scope["headers"]
    )
