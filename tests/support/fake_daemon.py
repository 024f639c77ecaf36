"""A Docker daemon that is a script: what it holds, what it is sent, and how badly it answers."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import parse_qs, unquote, urlsplit

from .tls import ServerCertificate

LOADED = b'{"stream":"Loaded image"}\r\n'


class Call:
    """One request; ``body`` is what came of it in chunks, ``whole`` whether its last chunk came, too."""

    def __init__(self, daemon: FakeDaemon, connection: socket.socket, reader: BinaryIO) -> None:
        self.daemon, self.connection, self._reader = daemon, connection, reader
        self.method, self.target, _ = reader.readline().decode().split()
        self.headers = dict[str, str]()
        while line := reader.readline().decode().strip():
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        self.body = bytearray()
        self.whole = False

    @property
    def path(self) -> str:
        """Without the version of the API."""
        path = urlsplit(self.target).path
        return path[path.index("/", 1) :] if path.startswith("/v1.") else path

    @property
    def name(self) -> str:
        """The image asked for."""
        return parse_qs(urlsplit(self.target).query)["names"][0]

    def read(self, limit: int | None = None) -> None:
        """Take the body, all of it, or at least ``limit`` bytes."""
        while limit is None or len(self.body) < limit:
            line = self._reader.readline().strip()
            size = int(line, 16) if line else -1
            if size < 0:
                return
            content = self._reader.read(size + 2)
            self.body += content[:size]
            if len(content) < size + 2:
                return
            if size == 0:
                self.whole = True
                return

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)

    def answer(self, status: int, body: bytes = b"", *headers: str) -> None:
        """A whole answer of known length."""
        lines = (f"HTTP/1.1 {status} Some", f"Content-Length: {len(body)}", *headers, "", "")
        self.send("\r\n".join(lines).encode() + body)

    def refuse(self, status: int, message: str) -> None:
        self.answer(status, json.dumps({"message": message}).encode())

    def begin(self) -> None:
        """The head of an answer that comes in chunks."""
        self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def chunk(self, content: bytes) -> None:
        """One chunk; an empty one is the last."""
        self.send(b"%x\r\n%b\r\n" % (len(content), content))

    def hang(self) -> None:
        """Say nothing until the client goes, or the test ends."""
        self.daemon.stopping.wait(20)


Script = Callable[[Call], None]


class FakeDaemon:
    """The daemon; a context manager. ``images`` are archives by full name, ``calls`` what was asked.

    ``on`` maps "ping", "save", "inspect" and "load" to what is done instead of what a good one does.
    """

    def __init__(self, *, tls: ServerCertificate | None = None, tcp: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="daemon-")
        self._context = tls.server_context() if tls else None
        if tcp or tls:
            self._server = socket.create_server(("127.0.0.1", 0))
            self.port = int(self._server.getsockname()[1])
            self.host = f"tcp://127.0.0.1:{self.port}"
        else:
            path = Path(self._folder.name) / "s"
            self._server = socket.socket(socket.AF_UNIX)
            self._server.bind(str(path))
            self._server.listen(16)
            self.host = f"unix://{path}"
        self.images: dict[str, bytes] = {}
        self.calls: list[Call] = []
        self.failures: list[str] = []
        # Requests that it cannot read are no failure of the test.
        self.reads_anything = False
        self.on: dict[str, Script] = {}
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def called(self, path: str) -> list[Call]:
        """The calls so far whose path, without its version, begins like this."""
        return [call for call in self.calls if call.path.startswith(path)]

    @property
    def loads(self) -> list[Call]:
        return self.called("/images/load")

    def __enter__(self) -> Self:
        self._start(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        # Closing alone does not end an accept.
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.settle()
        self._folder.cleanup()
        if error is None and self.failures and not self.reads_anything:
            raise AssertionError("the daemon of the test failed: " + "; ".join(self.failures))

    def settle(self) -> None:
        """Wait until no client is served any more; only the listener may go on."""
        for thread in list(self._threads)[0 if self.stopping.is_set() else 1 :]:
            thread.join(10)
            assert not thread.is_alive()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._start(lambda connection=connection: self._serve(connection))  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(20)
        if connection.family != socket.AF_UNIX:
            # What was sent must be on its way when we leave with a request unread.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as reader:
                call = Call(self, connection, reader)
                self.calls.append(call)
                kind = {"/_ping": "ping", "/images/get": "save", "/images/load": "load"}.get(call.path, "inspect")
                (self.on.get(kind) or getattr(self, f"_{kind}"))(call)
        except OSError:
            pass  # clients leave as they please
        except Exception as error:  # noqa: BLE001 - a mistake of the test's, whatever it is
            self.failures.append(repr(error))

    def _ping(self, call: Call) -> None:
        call.answer(200, b"OK", "Api-Version: 1.41")

    def _inspect(self, call: Call) -> None:
        name = unquote(call.path.removeprefix("/images/").removesuffix("/json"))
        if name in self.images:
            call.answer(200, b"{}")
        else:
            call.refuse(404, f"No such image: {name}")

    def _save(self, call: Call) -> None:
        archive = self.images.get(call.name)
        if archive is None:
            call.refuse(404, "reference does not exist")
            return
        call.begin()
        for piece in pieces(archive):
            call.chunk(piece)
        call.chunk(b"")

    def _load(self, call: Call) -> None:
        call.read()
        call.begin()
        if not call.whole:
            call.chunk(b'{"errorDetail":{"message":"unexpected EOF"},"error":"unexpected EOF"}')
        for name in tags(bytes(call.body)) if call.whole else ():
            self.images[name] = bytes(call.body)
        call.chunk(LOADED)
        call.chunk(b"")


def pieces(content: bytes, size: int = 30_000) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def tags(archive: bytes) -> list[str]:
    """The names an archive says its images have."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = tar.extractfile("manifest.json")
        assert found is not None
        return [name for item in json.load(found) for name in item["RepoTags"]]


def gone(call: Call) -> None:
    """Leaves without a word."""


def no_answer(call: Call) -> None:
    call.hang()
