"""A registry that costs next to nothing, so that a client is measured: ``python -m benchlib.growth_registry``.

It answers from memory in one thread, makes what it serves from the names of repositories (`Repository`), and takes
pushes, of which it keeps digests, sizes and manifests only. It prints ``http://HOST:PORT`` when it is ready.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from urllib.parse import parse_qs, urlsplit

from .growth_content import MANIFEST_TYPE, Repository

_ROUTE = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>blobs/uploads|blobs|manifests|tags)/(?P<last>[^/]*)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TYPE = re.compile(rb"\r\ncontent-type: *([^\r]+)", re.IGNORECASE)
_PUSHED = "pushed/"
# As many as Docker Hub, Harbor and others give at most.
_PAGE = 1000


class Answer:
    """A response: status, the fields of its head besides Content-Length, and body."""

    __slots__ = ("body", "fields", "status")

    def __init__(self, status: int, body: bytes = b"", **fields: str) -> None:
        self.status, self.body = status, body
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}

    def encode(self, *, with_body: bool) -> bytes:
        """Return the bytes of the response, of which one to HEAD has no body."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.fields.items())
        head = f"HTTP/1.1 {self.status} -\r\nContent-Length: {len(self.body)}\r\n{fields}\r\n".encode()
        return head + self.body if with_body else head


class GrowthRegistry:
    """What the registry holds, and its answers."""

    def __init__(self) -> None:
        self._served: dict[str, Repository] = {}
        self._blobs: dict[tuple[str, str], int] = {}
        self._manifests: dict[tuple[str, str], tuple[str, str, bytes]] = {}

    def answer(self, method: str, target: str, content_type: str, body: bytes) -> Answer:
        """Answer one request."""
        url = urlsplit(target)
        if url.path == "/v2/":
            return Answer(200)
        found = _ROUTE.fullmatch(url.path)
        if found is None:
            return Answer(404)
        name, kind, last = found["name"], found["kind"], found["last"]
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if name.startswith(_PUSHED):
            if kind == "blobs/uploads":
                return self._upload(method, name, query, body)
            return self._pushed(method, name, kind, last, content_type, body)
        try:
            repository = self._served.get(name) or self._served.setdefault(name, Repository(name))
        except ValueError:
            return Answer(404)
        return _serve(repository, name, kind, last, query)

    def _upload(self, method: str, name: str, query: dict[str, str], body: bytes) -> Answer:
        if method == "DELETE":
            return Answer(204)
        digest = query.get("digest")
        if digest is None:
            return Answer(202, Location=f"/v2/{name}/blobs/uploads/1", Range=f"0-{max(len(body) - 1, 0)}")
        self._blobs[name, digest] = len(body)
        return Answer(201, Location=f"/v2/{name}/blobs/{digest}", Docker_Content_Digest=digest)

    def _pushed(self, method: str, name: str, kind: str, last: str, content_type: str, body: bytes) -> Answer:
        if kind == "blobs":
            size = self._blobs.get((name, last))
            return Answer(404) if size is None else Answer(200, bytes(size))
        if method == "PUT":
            digest = "sha256:" + hashlib.sha256(body).hexdigest()
            self._manifests[name, last] = self._manifests[name, digest] = digest, content_type, body
            return Answer(201, Docker_Content_Digest=digest)
        found = self._manifests.get((name, last))
        if found is None:
            return Answer(404)
        return Answer(200, found[2], Content_Type=found[1], Docker_Content_Digest=found[0])


def _serve(repository: Repository, name: str, kind: str, last: str, query: dict[str, str]) -> Answer:
    if kind == "tags":
        return _page(repository.tags, name, query)
    manifests = repository.manifests  # makes the blobs, too
    if kind == "blobs":
        content = repository.blobs.get(last)
        return Answer(404) if content is None else Answer(200, content)
    if last not in manifests:
        return Answer(404)
    digest, raw = manifests[last]
    return Answer(200, raw, Content_Type=MANIFEST_TYPE, Docker_Content_Digest=digest)


def _page(tags: list[str], name: str, query: dict[str, str]) -> Answer:
    size = min(int(query.get("n", _PAGE)), _PAGE)
    # All tags have one width: the number after the letter is the place in the list.
    first = int(query["last"][1:]) + 1 if "last" in query else 0
    page = tags[first : first + size]
    listed = ",".join(f'"{tag}"' for tag in page)
    more = {"Link": f'</v2/{name}/tags/list?n={size}&last={page[-1]}>; rel="next"'} if first + size < len(tags) else {}
    return Answer(200, f'{{"name":"{name}","tags":[{listed}]}}'.encode(), Content_Type="application/json", **more)


class Connection(asyncio.Protocol):
    """Requests of one connection, whose bodies have a Content-Length."""

    def __init__(self, registry: GrowthRegistry) -> None:
        self._registry = registry
        self._pending = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer all requests that are complete."""
        self._pending += data
        if not self._pending[:1].isalpha():
            self._transport.close()  # TLS, which a client tries first
            return
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._pending[:end])
            length = _LENGTH.search(head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._pending) < total:
                return
            body = bytes(self._pending[end + 4 : total])
            del self._pending[:total]
            method, target, _ = head.partition(b"\r\n")[0].decode("ascii").split(" ")
            content_type = _TYPE.search(head)
            kind = content_type[1].decode("ascii") if content_type else ""
            answer = self._registry.answer(method, target, kind, body)
            self._transport.write(answer.encode(with_body=method != "HEAD"))


async def start_server() -> asyncio.Server:
    """Serve on a port of the system's choice."""
    registry = GrowthRegistry()
    return await asyncio.get_running_loop().create_server(lambda: Connection(registry), "127.0.0.1", 0)


async def main() -> None:
    """Serve until the process is ended."""
    server = await start_server()
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
