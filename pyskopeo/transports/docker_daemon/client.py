"""Requests to a daemon, from worker threads, each on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from ...errors import CertificateNotTrusted, ConnectionFailed, NetworkError
from .address import Address, address_of, context_of
from .connection import Connection
from .messages import LIMIT, refusal

if TYPE_CHECKING:
    import socket
    import ssl
    from http.client import HTTPResponse

    from ...access import Network
    from ...http.tls import Trust

_TLS = "see the --cert-dir flags, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"
_CUT = "SSLEOFError"  # by its name, so that TLS is loaded only by those who speak it
_HINTS = {
    "ENOENT": "no such socket; start the daemon, or name another by DOCKER_HOST or a --daemon-host flag",
    "ECONNREFUSED": "connection refused; start the daemon, or name another by DOCKER_HOST or a --daemon-host flag",
    "EACCES": "permission denied; join the group of its socket, or be root",
    "ENOTSOCK": "not a socket",
    "ENAMETOOLONG": "the path of its socket is too long",
}


class Client:
    """How to reach one daemon. ``version`` of its API is spoken, its newest while that is empty."""

    def __init__(self, address: Address, context: ssl.SSLContext | None, network: Network) -> None:
        self.address, self.version = address, ""
        self.where = f"the Docker daemon at {address.text}"
        self._context, self._network = context, network
        self._targets: list[tuple[int, str | tuple[object, ...]]] = []

    @classmethod
    async def open(cls, network: Network, trust: Trust) -> Client:
        """Raises `InvalidInput` for an address or certificates that make no sense; connects to nothing."""
        import socket

        from anyio import getaddrinfo

        address = address_of(network, trust)
        client = cls(address, context_of(trust) if address.tls else None, network)
        if address.socket:
            client._targets = [(socket.AF_UNIX, address.socket)]
            return client
        # Here, not in the worker threads, where it could not be given up.
        try:
            found = await getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise client._unreachable(error) from error
        client._targets = [(family, target) for family, _, _, _, target in found]
        return client

    @contextmanager
    def request(
        self, method: str, path: str, what: str, idle: Callable[[], None] | None = None
    ) -> Iterator[HTTPResponse]:
        """Ask for something without a body; ``idle`` as `Connection` has it, until the answer begins.

        Raises `DaemonError`, `ConnectionFailed`; ``what`` says what was asked.
        """
        with self.errors(what):
            connection = self.connect()
            try:
                self.say(connection, method, path)
                connection.idle = idle
                response = self.answer(connection, what, method)
                connection.idle = None
                yield response
            finally:
                connection.close()

    def connect(self) -> Connection:
        """A new connection; raises `ConnectionFailed`, `CertificateNotTrusted`."""
        failed: NetworkError | None = None
        for family, target in self._targets:
            try:
                return self._connect(family, target)
            except NetworkError as error:
                failed = failed or error
        raise failed or ConnectionFailed(f"{self.where} has no address")

    def say(self, connection: Connection, method: str, path: str, *headers: str) -> None:
        """Send the head of a request."""
        version = f"/v{self.version}" if self.version else ""
        lines = (
            f"{method} {self.address.prefix}{version}{path} HTTP/1.1", f"Host: {self.address.header}",
            f"User-Agent: {self._network.user_agent}", "Connection: close", *headers, "", "",
        )  # fmt: skip
        connection.send(memoryview("\r\n".join(lines).encode("latin-1")))

    def answer(self, connection: Connection, what: str, method: str) -> HTTPResponse:
        """The answer, whose body is still to be read; raises `DaemonError` for all but 200."""
        from http.client import HTTPResponse

        response = HTTPResponse(cast("socket.socket", connection), method=method)
        response.begin()
        if response.status != 200:
            raise refusal(response.status, _read(response), what)
        return response

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """What sockets and http.client raise, as ours."""
        from http.client import HTTPException

        try:
            yield
        except (OSError, HTTPException) as error:
            reason = "broke off"
            if isinstance(error, OSError) and not isinstance(error, ConnectionError) and type(error).__name__ != _CUT:
                tls = getattr(error, "reason", None)  # what only the errors of TLS have
                reason = f"failed: {error.strerror or error}" if not tls else f"wants no TLS with us: {tls}; {_TLS}"
            raise ConnectionFailed(f"{what}: {self.where} {reason}", host=self.address.text) from error

    def _connect(self, family: int, target: str | tuple[object, ...]) -> Connection:
        import socket

        sock = socket.socket(family)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, self.where, self._network.stall_timeout)
        try:
            connection.connect(target, self._network.connect_timeout)
            if self._context is not None:
                connection.secure(self._context, self.address.host)
        except OSError as error:
            connection.close()
            raise self._unreachable(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _unreachable(self, error: OSError) -> NetworkError:
        import errno

        reason = _HINTS.get(errno.errorcode.get(error.errno or 0, ""), "")
        if self._context is not None:
            import ssl

            if isinstance(error, ssl.SSLCertVerificationError):
                text = f"cannot trust {self.where}: {error.verify_message}; {_TLS}"
                return CertificateNotTrusted(text, host=self.address.host)
            if isinstance(error, ssl.SSLError):
                reason = f"TLS failed: {error.reason or error}"
        reason = reason or error.strerror or str(error)
        return ConnectionFailed(f"cannot reach {self.where}: {reason}", host=self.address.text, temporary=False)


def _read(response: HTTPResponse) -> bytes:
    """What explains a refusal; a connection that breaks meanwhile explains nothing."""
    from http.client import HTTPException

    try:
        return response.read(LIMIT)
    except (OSError, HTTPException):
        return b""
