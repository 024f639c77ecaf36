"""A registry that is a script: what it answers to each request, without a socket (on pytest-httpx)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx

import pyskopeo
from pyskopeo.http.tls import Trust
from pyskopeo.registry.repository_reader import Repository
from pyskopeo.transports.docker import DockerSource

from .access import access_for, networked
from .events import EventLog
from .images import build

if TYPE_CHECKING:
    from pytest_httpx import HTTPXMock

    from pyskopeo.access import Access

HOST = "registry.example.com"
BASE = f"https://{HOST}"
NAME = f"docker://{HOST}/a/b:v1"
IMAGE = build("oci")
RAW, DIGEST, TYPE = IMAGE.root.raw, IMAGE.digest, IMAGE.root.media_type

Answer = Callable[[httpx.Request], httpx.Response]


def answer(status: int = 200, content: bytes = b"", **headers: str) -> Answer:
    """An answer to whatever is asked; underscores in the names of headers are dashes."""
    fields = {"content-length": str(len(content))} | {n.replace("_", "-").lower(): v for n, v in headers.items()}
    # As a stream: httpx decodes content that it is given whole.
    return lambda request: httpx.Response(status, headers=fields, stream=httpx.ByteStream(content))


class Script(EventLog):
    """Answers by method and URL, the query aside; several for one are given in turn, the last for ever."""

    def __init__(self, mock: HTTPXMock, home: Path) -> None:
        super().__init__()
        self.home = home
        self.requests: list[httpx.Request] = []
        self._answers: dict[str, list[Answer]] = {}
        mock.add_callback(self._answer, is_reusable=True, is_optional=True)

    def on(self, path: str, *answers: Answer, method: str = "GET") -> None:
        """What to answer to ``method`` of a URL, or of a path of the registry."""
        self._answers[f"{method} {path if '://' in path else BASE + path}"] = list(answers)

    def asked(self, path: str, method: str = "GET") -> list[httpx.Request]:
        """The requests so far for a URL, or for a path of the registry."""
        wanted = f"{method} {path if '://' in path else BASE + path}"
        return [request for request in self.requests if _key(request) == wanted]

    def secrets_at(self, host: str) -> list[str]:
        """What this host was told of who we are."""
        headers = ("authorization", "cookie", "proxy-authorization")
        return [
            request.headers[name] for request in self.requests for name in headers
            if request.url.host == host and name in request.headers
        ]  # fmt: skip

    @asynccontextmanager
    async def repository(self, access: Access | None = None, name: str = NAME) -> AsyncIterator[Repository]:
        """The repository ``a/b`` of the registry."""
        async with self.source(access, name) as source:
            yield source.endpoints.current

    @asynccontextmanager
    async def source(self, access: Access | None = None, name: str = NAME) -> AsyncIterator[DockerSource]:
        """The image ``a/b:v1`` of the registry."""
        access = access or access_for(self.home, trust=Trust())
        # Nothing is sent, so no time is spent on loading authorities.
        async with httpx.AsyncClient(verify=False) as client:
            access = replace(networked(access, client=client), report=self.events.append)
            async with pyskopeo.open_source(name, access) as source:
                assert isinstance(source, DockerSource)
                yield source

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        # A network takes its time, in which other tasks get their turn.
        await anyio.sleep(0.002)
        answers = self._answers.get(_key(request))
        if not answers:
            return httpx.Response(404, content=b'{"errors":[{"code":"UNKNOWN","message":"not in the script"}]}')
        return (answers.pop(0) if len(answers) > 1 else answers[0])(request)


def _key(request: httpx.Request) -> str:
    return f"{request.method} {str(request.url).partition('?')[0]}"


def served(raw: bytes = RAW, content_type: str = TYPE, **headers: str) -> Answer:
    """A manifest: that of `IMAGE`, unless another is given."""
    return answer(200, raw, Content_Type=content_type, **headers)
