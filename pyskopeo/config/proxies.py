"""Which proxy a request goes through: Go's reading of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.

The rules are those of ``golang.org/x/net/http/httpproxy``, which skopeo follows; ALL_PROXY, which
Go does not know, comes last because the users of curl and of httpx expect it.
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
    variable: str = ""
    value: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Exemption:
    """One word of NO_PROXY; ``domain`` with a leading dot means what is below it, ``port`` 0 any port."""

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
    """The proxies an environment asks for. Their addresses may hold passwords: ``repr`` hides them."""

    http: _Setting = _Setting()
    https: _Setting = _Setting()
    other: _Setting = _Setting()
    exempt: tuple[_Exemption, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Proxies:
        """Read the variables, upper case first; raises nothing, wrong values tell when they are used.

        Where REQUEST_METHOD is set this is a CGI program, in which HTTP_PROXY is what a visitor
        sent as the header ``Proxy``: it is not used.
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
        """The proxy's URL for a request to ``scheme://host:port``, or None to connect directly.

        ``port`` None is the scheme's own. ``localhost`` and loopback addresses are never proxied.
        Raises `InvalidInput` when the proxy that applies is not a URL that can be used.
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
    """The rule that ``word`` stands for; none where it means nothing, as Go passes it over."""
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
    """``text`` as a CIDR, or as an address, which is the network of itself alone."""
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
    # ::ffff:10.0.0.1 reaches the same machine as 10.0.0.1, and must meet the same rules.
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
