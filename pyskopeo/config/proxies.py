"""The proxy for a request, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.

The rules are those of ``golang.org/x/net/http/httpproxy``, which skopeo uses. ALL_PROXY, which Go does not
support, is used if the scheme has no variable of its own, as curl and httpx do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_SCHEMES = ("http", "https", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Setting:
    """The value of an environment variable, and its name as it was set; both "" if it is not set."""

    variable: str = ""
    value: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Exemption:
    """An entry of NO_PROXY: a ``domain``, of which a leading dot excludes the domain itself, or a ``network``.

    ``port`` 0 matches any port.
    """

    domain: str = ""
    network: IPv4Network | IPv6Network | None = None
    port: int = 0

    def covers(self, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
        if self.port not in {0, port}:
            return False
        if self.network is not None:
            return address is not None and address in self.network
        if self.domain == "*":
            return True
        below = self.domain if self.domain.startswith(".") else "." + self.domain
        return host == self.domain or host.endswith(below)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of an environment. Their URLs, which may contain passwords, are not part of ``repr``."""

    http: _Setting = _Setting()
    https: _Setting = _Setting()
    other: _Setting = _Setting()
    exempt: tuple[_Exemption, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Proxies:
        """Read the variables, in upper case before lower case. Invalid values are reported by `for_url`.

        HTTP_PROXY is ignored if REQUEST_METHOD is set: in a CGI program it is the client's ``Proxy`` header.
        """
        http = _Setting() if environ.get("REQUEST_METHOD") else _setting(environ, "HTTP_PROXY")
        words = _setting(environ, "NO_PROXY").value.lower().split(",")
        return cls(
            http=http,
            https=_setting(environ, "HTTPS_PROXY"),
            other=_setting(environ, "ALL_PROXY"),
            exempt=tuple(rule for word in words for rule in _exemptions(word.strip())),
        )

    def for_url(self, scheme: str, host: str, port: int | None = None) -> str | None:
        """Return the URL of the proxy for a request to ``scheme://host:port``, or None for none.

        A ``port`` of None is the scheme's default. ``localhost`` and loopback addresses are never proxied.
        Raises `InvalidInput` if the URL of the proxy is not valid or its scheme is not supported.
        """
        setting = {"http": self.http, "https": self.https}.get(scheme, _Setting())
        if not setting.value:
            setting = self.other
        if not setting.value or not self._applies(host, port or _PORTS.get(scheme, 0)):
            return None
        return _url(setting)

    def _applies(self, host: str, port: int) -> bool:
        name = _ascii(host.strip().removeprefix("[").removesuffix("]").rstrip(".").lower())
        address = _address(name)
        if name == "localhost" or (address is not None and address.is_loopback):
            return False
        return not any(rule.covers(name, address, port) for rule in self.exempt)


def _setting(environ: Mapping[str, str], name: str) -> _Setting:
    for variable in (name, name.lower()):
        value = environ.get(variable, "").strip()
        if value:
            return _Setting(variable, value)
    return _Setting()


def _exemptions(word: str) -> Iterator[_Exemption]:
    """Yield the rule for an entry of NO_PROXY; invalid entries are ignored, as in Go."""
    network = _network(word)
    if network is not None:
        yield _Exemption(network=network)
        return
    host, port = _split_port(word)
    if host and (not port or (port.isascii() and port.isdigit())):
        number = int(port) if port else 0
        network = _network(host) if "/" not in host else None
        yield _Exemption(_ascii(host.removeprefix("*") if host.startswith("*.") else host), network, number)


def _split_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, ""


def _network(text: str) -> IPv4Network | IPv6Network | None:
    """Parse a network in CIDR notation, or an address as the network of that address; None if it is neither."""
    from ipaddress import ip_network

    address = _address(text)
    try:
        return ip_network(address or text, strict=False) if address or "/" in text else None
    except ValueError:
        return None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    from ipaddress import IPv6Address, ip_address

    try:
        found = ip_address(text)
    except ValueError:
        return None
    # ::ffff:10.0.0.1 is the same machine as 10.0.0.1, so that the same rules have to apply.
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def _url(setting: _Setting) -> str:
    from urllib.parse import urlsplit

    url = setting.value if "://" in setting.value else "http://" + setting.value
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.scheme not in _SCHEMES:
        raise InvalidInput(
            f"{setting.variable} is not a proxy's address: want [scheme://]host[:port], with {', '.join(_SCHEMES)}"
        )
    return url
