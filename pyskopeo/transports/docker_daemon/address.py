"""The address of a Docker daemon, as in ``DOCKER_HOST``, and the TLS settings for it."""

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
    from ...http.authorities import Warn
    from ...http.tls import Trust

DEFAULT = "unix:///var/run/docker.sock"
_PORTS = {("tcp", False): 2375, ("tcp", True): 2376, ("http", False): 80, ("https", True): 443}
_EXPECTED = "want unix:///PATH, tcp://HOST[:PORT], http://HOST[:PORT] or https://HOST[:PORT]"
_AUTHORITY, _CERTIFICATE, _KEY = "ca.pem", "cert.pem", "key.pem"


@dataclass(frozen=True, slots=True)
class Address:
    """A daemon's address: the path of a ``socket``, or ``host`` and ``port``.

    ``text`` is the address as the user gave it. ``prefix`` is put before the path of every request, for a daemon
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
        """Parse an address as in ``DOCKER_HOST``; with ``certificates``, ``tcp`` means TLS.

        Raises `InvalidInput`, and `Unsupported` for a scheme that only Docker's own client supports.
        """
        scheme, separator, rest = text.partition("://")
        if scheme in ("ssh", "npipe", "fd"):
            hint = "; forward its socket with ssh -L, and name that" if scheme == "ssh" else ""
            raise Unsupported(f"docker host {ascii(text)}: {scheme}:// is not supported{hint}")
        if not separator or not rest:
            raise InvalidInput(f"unable to parse docker host {ascii(text)}: {_EXPECTED}")
        if scheme == "unix":
            return cls(text, socket=rest)
        tls = scheme == "https" or (scheme == "tcp" and certificates)
        if (scheme, tls) not in _PORTS:
            raise InvalidInput(f"unable to parse docker host {ascii(text)}: {_EXPECTED}")
        host, port, prefix = _split(text, rest)
        return cls(text, "", host, port or _PORTS[scheme, tls], prefix, tls)

    @property
    def name(self) -> str:
        """The name of this daemon in messages."""
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
    """Return host, port (0 if there is none) and path of ``rest``, the part of an address after ``scheme://``."""
    from urllib.parse import quote, urlsplit

    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port, parts = "", 0, None
    if parts is None or not host or not host.isascii() or parts.username is not None or parts.query or parts.fragment:
        # With an @ it may contain a password, which is not to be in a message.
        shown = ascii(text) if "@" not in text else "with a user name in it"
        raise InvalidInput(f"unable to parse docker host {shown}: {_EXPECTED}")
    return host, port, quote(parts.path.rstrip("/"))


def daemon_address(network: Network, trust: Trust) -> Address:
    """Return the address from a ``--daemon-host`` flag or ``DOCKER_HOST``, otherwise that of the default socket.

    Raises the errors of `Address.parse`.
    """
    return Address.parse(network.daemon_host or DEFAULT, certificates=certificate_directory(trust) is not None)


def certificate_directory(trust: Trust) -> Path | None:
    """Return the directory for ``ca.pem``, ``cert.pem`` and ``key.pem``, None if the user gave none."""
    return trust.cert_dir or trust.daemon_certificates


def tls_context(trust: Trust, warn: Warn) -> ssl.SSLContext:
    """Return the TLS settings: trusted authorities, client certificate, and what ``trust.details`` restricts.

    If there is a ``ca.pem``, no other authority is trusted. Otherwise those of the system that cannot be used are named
    to ``warn``. Raises `InvalidInput` for files in the directory that cannot be used.
    """
    import ssl

    from ...http.client_context import ClientContext

    directory = certificate_directory(trust)
    files = {name: directory / name for name in (_AUTHORITY, _CERTIFICATE, _KEY)} if directory else {}
    present = {name: path for name, path in files.items() if os.path.exists(path)}
    if directory is not None and not present:
        raise InvalidInput(f"{directory}: no {_AUTHORITY}, {_CERTIFICATE} or {_KEY} in this directory")
    if (_CERTIFICATE in present) != (_KEY in present):
        raise InvalidInput(f"{directory}: {_CERTIFICATE} and {_KEY} go together, one of them is missing")
    try:
        if _AUTHORITY in present:
            context: ssl.SSLContext = ClientContext()
            context.load_verify_locations(present[_AUTHORITY])
        else:
            context = trust.default_context(warn, defer=True)
        if _KEY in present:
            context.load_cert_chain(present[_CERTIFICATE], present[_KEY])
    except OSError as error:  # ssl.SSLError is one
        raise InvalidInput(f"cannot use the certificates in {directory}: {error.strerror or error}") from error
    if trust.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if trust.details is not None:
        trust.details.apply(context)
    return context
