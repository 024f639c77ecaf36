"""Requests that no client of a registry sends."""

from __future__ import annotations

from typing import Any

import pytest

from pyskopeo.serve.guard import guarded
from tests.support.asgi import ask

pytestmark = pytest.mark.anyio


async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    pytest.fail("it gets past the guard")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("TRACE", "/v2/", 405),
        ("CONNECT", "/v2/", 405),
        ("GET", "/v2/../etc/passwd", 400),
        ("GET", "/v2/a/./manifests/v1", 400),
        ("GET", "/v2/a/%2e%2e/manifests/v1", 400),
        ("GET", "/v2/a%2Fb/manifests/v1", 400),
        ("GET", "/v2/a//b/manifests/v1", 400),
        ("GET", "/v2/a/manifests/v1%00", 400),
        ("GET", "/v2/a/manifests/v1\x00", 400),
        ("GET", "/v2/a/manifests/v1%0d%0aX: y", 400),
        ("GET", "/v2/a\\b/manifests/v1", 400),
        ("GET", "/v2/%61/manifests/v1", 400),
        ("GET", "/v2/\xfc/manifests/v1", 400),
        ("GET", "http://other/v2/", 400),
        ("GET", "*", 400),
        ("GET", "", 400),
        ("GET", "/v2/" + "a" * 2000 + "/manifests/v1", 414),
        ("GET", "/v2/_catalog?last=" + "a" * 5000, 414),
        ("GET", "/v2/_catalog?" + "&" * 30, 414),
    ],
)
async def test_paths_and_methods(method: str, target: str, status: int) -> None:
    answered = await ask(guarded(nothing), method, target)
    assert answered.status == status
    assert answered.code in ("UNSUPPORTED", "NAME_INVALID")


@pytest.mark.parametrize(
    ("headers", "status", "closes"),
    [
        ([("Content-Length", "3"), ("Transfer-Encoding", "chunked")], 400, True),
        ([("Content-Length", "3"), ("Content-Length", "4")], 400, True),
        ([("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "gzip")], 400, True),
        ([("Host", "other")], 400, True),
        ([("Authorization", "Basic YTpi"), ("Authorization", "Basic YTpj")], 400, True),
        ([("X", "y")] * 100, 431, True),
        ([("X", "y" * 9000)], 431, True),
        ([("Origin", "http://evil.example")], 403, False),
    ],
)
async def test_headers(headers: list[tuple[str, str]], status: int, closes: bool) -> None:
    answered = await ask(guarded(nothing), "POST", "/v2/a/blobs/uploads/", *headers)
    assert answered.status == status
    assert (answered.headers.get("connection") == "close") is closes
    assert answered.code


@pytest.mark.parametrize("host", ["a b", "evil.example/path", "a@b", "x\r\nLocation: y", "[::1", "a:99999999", ""])
async def test_hosts_that_are_none(host: str) -> None:
    scope: dict[str, Any] = {}

    async def app(found: Any, receive: Any, send: Any) -> None:
        found["headers"] = [(b"host", host.encode())]
        await guarded(nothing)(found, receive, send)

    answered = await ask(app, "GET", "/v2/", scope=scope)
    assert answered.status == 400


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/v2/a/manifests/sha256%3Aabc", []),
        ("GET", "/v2/library/a__b-c.d/manifests/V1_2.3", []),
        ("GET", "/v2/a/blobs/sha256:abc", [("Origin", "http://a")]),
        ("POST", "/v2/a/blobs/uploads/", [("Content-Length", "0")]),
        ("PATCH", "/v2/a/blobs/uploads/0f-1_x=?_state=a%2Bb%3D", [("Transfer-Encoding", "chunked")]),
    ],
)
async def test_ordinary_ones(method: str, target: str, headers: list[tuple[str, str]]) -> None:
    seen = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    assert (await ask(guarded(app), method, target, *headers)).status == 204
    assert len(seen) == 1
