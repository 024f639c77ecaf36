"""An ASGI application asked without a server, with requests that no client library would send."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import anyio

Application = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass
class Answered:
    """What was answered; ``status`` is 0 if nothing was."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        """The code of the only error."""
        (error,) = json.loads(self.body)["errors"]
        assert "\n" not in error["message"]
        return str(error["code"])


async def ask(
    app: Application, method: str, target: str, *headers: tuple[str, str], body: Iterable[bytes] | None = None,
    client: str = "127.0.0.1", scope: dict[str, Any] | None = None,
) -> Answered:  # fmt: skip
    """Send a request; ``body`` are its pieces, after which nothing comes. ``scope`` gets what the application adds."""
    path, _, query = target.partition("?")
    found = {} if scope is None else scope
    found |= {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": unquote(path),
        "raw_path": path.encode("latin-1"), "query_string": query.encode(), "root_path": "", "extensions": {},
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (("Host", "registry"), *headers)],
        "client": (client, 1234), "server": ("127.0.0.1", 5000),
    }  # fmt: skip
    pieces = list(body or ())
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if body is None or pieces[-1:] == [b""]:
        waiting = [*waiting[:-1], {"type": "http.request", "body": b"", "more_body": False}]
    answered = Answered()

    async def receive() -> dict[str, Any]:
        if not waiting:
            await anyio.sleep_forever()
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert not answered.status, "it is answered twice"
            answered.status = message["status"]
            answered.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            answered.body += message["body"]

    await app(found, receive, send)
    return answered


def basic(user: str, password: str) -> tuple[str, str]:
    """The header of a login."""
    from base64 import b64encode

    return "Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode()
