"""The address of a Docker daemon, as in ``DOCKER_HOST``, and its TLS settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InvalidInput, Unsupported
from ...fast_dataclass import dataclass
from ...http.connect import UnixSocket
from ...http.origin import Origin

if TYPE_CHECKING:
    import ssl

    from ...access import Network
    from ...http.tls import Trust

DEFAULT = "unix:///var/run/docker.sock"
_PORTS = {("tcp", False): 2375, ("tcp", True): 2376, ("http", False): 80, ("https", True): 443}
_WANTED = "want unix:///PATH, tcp://HOST[:PORT], http://HOST[:PORT] or https://HOST[:PORT]"
_AUTHORITY, _CERTIFICATE, _KEY = "ca.pem", "cert.pem", "key.pem"


@dataclass(frozen=True, slots=True)
class Address:
    """A daemon's address: the path of a ``socket``, or ``host`` and ``port``.

    ``text`` is the address as it was given. ``prefix`` comes before the path of every request, for daemons
    behind a reverse proxy.
    """

    text: str
    socket: str = ""
    host: str = ""
    port: int = 0
    prefix: str = ""
    tls: bool = False

    @classmethod
    def parse(cls, text: str, *, certificates: bool = False) -> Address:
        """Parse an address as in ``DOCKER_HOST``; ``tcp`` means TLS if there are ``certificates``.

        Raises `InvalidInput`, and `Unsupported` for a scheme that only Docker's own client supports.
        """
        scheme, separator, rest = text.partition("://")
        if scheme in ("ssh", "npipe", "fd"):
            hint = "; forward its socket with ssh -L, and name that" if scheme == "ssh" else ""
            raise Unsupported(f"docker host {ascii(text)}: {scheme}:// is not supported{hint}")
        if not separator or not rest:
            raise InvalidInput(f"unable to parse docker host {ascii(text)}: {_WANTED}")
        if scheme == "unix":
            return cls(text, socket=rest)
        tls = scheme == "https" or (scheme == "tcp" and certificates)
        if (scheme, tls) not in _PORTS:
            raise InvalidInput(f"unable to parse docker host {ascii(text)}: {_WANTED}")
        host, port, prefix = _split(text, rest)
        return cls(text, "", host, port or _PORTS[scheme, tls], prefix, tls)

    @property
    def name(self) -> str:
        """What messages call this daemon."""
        return f"the Docker daemon at {self.text}"

    @property
    def target(self) -> Origin | UnixSocket:
        """Where to connect to."""
        return UnixSocket(self.socket) if self.socket else Origin("https" if self.tls else "http", self.host, self.port)

    @property
    def header(self) -> str:
        """The value of ``Host``. HTTP/1.1 requires one, though a daemon behind a socket ignores it."""
        if self.socket:
            return "docker"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _split(text: str, rest: str) -> tuple[str, int, str]:
    """Host, port (0 if none is given) and path of what comes after ``scheme://``."""
    from urllib.parse import quote, urlsplit

    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port, parts = "", 0, None
    if parts is None or not host or not host.isascii() or parts.username is not None or parts.query or parts.fragment:
        # It may hold a password.
        shown = ascii(text) if "@" not in text else "with a user name in it"
        raise InvalidInput(f"unable to parse docker host {shown}: {_WANTED}")
    return host, port, quote(parts.path.rstrip("/"))


def address_of(network: Network, trust: Trust) -> Address:
    """The address that a ``--daemon-host`` flag or ``DOCKER_HOST`` gives, or else that of the default socket."""
    return Address.parse(network.daemon_host or DEFAULT, certificates=certificates_of(trust) is not None)


def certificates_of(trust: Trust) -> Path | None:
    """The directory with ``ca.pem``, ``cert.pem`` and ``key.pem``, if one is given."""
    return trust.cert_dir or trust.daemon_certificates


def context_of(trust: Trust) -> ssl.SSLContext:
    """TLS settings: the authorities trusted, and the client certificate. Raises `InvalidInput` for unusable files.

    With a ``ca.pem``, no other authority is trusted.
    """
    import ssl

    directory = certificates_of(trust)
    files = {name: directory / name for name in (_AUTHORITY, _CERTIFICATE, _KEY)} if directory else {}
    there = {name: path for name, path in files.items() if os.path.exists(path)}
    if directory is not None and not there:
        raise InvalidInput(f"{directory}: no {_AUTHORITY}, {_CERTIFICATE} or {_KEY} in this directory")
    if (_CERTIFICATE in there) != (_KEY in there):
        raise InvalidInput(f"{directory}: {_CERTIFICATE} and {_KEY} go together, one of them is missing")
    try:
        context = ssl.create_default_context(cafile=there.get(_AUTHORITY))
        if _KEY in there:
            context.load_cert_chain(there[_CERTIFICATE], there[_KEY])
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInput(f"cannot use the certificates in {directory}: {error.strerror or error}") from error
    if trust.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
