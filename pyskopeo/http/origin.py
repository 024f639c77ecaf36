"""Origins (RFC 6454), redirects, and the addresses that a registry may refer to. Pure.

These rules keep secrets at the origin they are for, refuse redirects from https to http, and keep a public
registry from making this machine send requests to itself or into its own network.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ..errors import UnsafeAddress
from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_PORTS = {"http": 80, "https": 443}
# The beginning of a URL whose origin can be parsed without its path: scheme, a plain host name, port.
_PLAIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?=/)", re.ASCII)
# Anyone can register a name under these, so two names under one of them may have different owners. It is a small
# part of the public suffix list: if a suffix is missing here, two of its names are taken for one site.
_SHARED_SUFFIXES = frozenset({
    "amazonaws.com", "azurecr.io", "azurewebsites.net", "cloudapp.azure.com", "cloudfront.net", "github.io",
    "gitlab.io", "googleusercontent.com", "herokuapp.com", "netlify.app", "ngrok.io", "ngrok-free.app",
    "pages.dev", "pkg.dev", "run.app", "trycloudflare.com", "vercel.app", "windows.net", "workers.dev", "web.app",
})  # fmt: skip
# Query parameters of the distribution specification and of its token servers, which hold no secret.
_HARMLESS = frozenset({"digest", "from", "last", "mount", "n", "scope", "service"})
# Second-level domains under which countries register names, as in ``example.co.uk``.
_SECOND_LEVELS = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "gv", "ne", "net", "or", "org"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a URL (RFC 6454). Secrets are sent to one origin only."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the origin of an absolute http or https URL; raises `UnsafeAddress` for any other."""
        # This is called several times per request. The URLs of one registry begin alike, so the cache is used.
        found = _PLAIN.match(url)
        return _origin(found[0] if found else url)

    @property
    def netloc(self) -> str:
        """``host[:port]``, with the port unless it is the default of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


@lru_cache(maxsize=256)
def _origin(url: str) -> Origin:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnsafeAddress(f"not a URL: {_url_in_message(url)}") from None
    if parts.scheme not in _PORTS or not parts.hostname or not parts.hostname.isprintable():
        raise UnsafeAddress(f"not an http or https URL: {_url_in_message(url)}")
    if parts.username is not None or parts.password is not None:
        raise UnsafeAddress(f"a URL with credentials in it is refused: {parts.scheme}://...@{parts.hostname}")
    return Origin(parts.scheme, parts.hostname, port if port is not None else _PORTS[parts.scheme])


def resolve_redirect(current: str, location: str) -> str:
    """Return the target of a redirect from ``current``, without its fragment (RFC 9110 section 10.2.2).

    Raises `UnsafeAddress` for a redirect from https to http, and for any other scheme.
    """
    target = resolve_url(current, location)
    origin = Origin.of(target)
    if Origin.of(current).scheme == "https" and origin.scheme == "http":
        raise UnsafeAddress(f"{Origin.of(current)} redirects to plain http ({origin}): refused")
    return target.partition("#")[0]


def resolve_location(current: str, location: str, base: Origin) -> str:
    """Return the URL in the ``Location`` of a registry whose origin is ``base``, with the checks of `resolve_redirect`.

    A registry behind a TLS proxy may give its own host with plain http; that is taken for ``base``.
    """
    target = resolve_url(current, location)
    origin = Origin.of(target)
    if (origin.scheme, base.scheme) == ("http", "https") and origin.host == base.host:
        target = urlsplit(target)._replace(scheme=base.scheme, netloc=base.netloc).geturl()
    return resolve_redirect(current, target)


def redact_url(url: str) -> str:
    """Return a URL for messages: without user and password, and with ``***`` for the values of its query.

    A query may hold the signature of a presigned URL, or the state of an upload. Parameters that are known to
    hold no secret are kept.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return _url_in_message(url)
    words = (word.partition("=") for word in parts.query.split("&") if word)
    query = "&".join(
        f"{name}={value if name in _HARMLESS else '***'}" if equals else "***" for name, equals, value in words
    )
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="").geturl()


def resolve_url(base: str, reference: str) -> str:
    """Return ``reference`` as an absolute URL, relative to ``base`` (RFC 3986 section 5).

    Raises `UnsafeAddress` if it is not a URL.
    """
    try:
        target = urljoin(base, reference)
    except ValueError:
        target = ""
    if not target or " " in target or not target.isprintable():
        raise UnsafeAddress(f"{Origin.of(base)} leads to something that is not a URL: {_url_in_message(reference)}")
    return target


def _url_in_message(url: str) -> str:
    """Return a URL for an error message: without its query, which may be a signature, and without credentials."""
    return ascii(re.sub(r"//[^/]*@", "//...@", re.split("[?#]", url, maxsplit=1)[0]))[:200]


def is_public(address: str) -> bool:
    """Return whether an IP address is globally reachable; raises `ValueError` for text that is not an address."""
    from ipaddress import IPv6Address, ip_address

    found = ip_address(address.partition("%")[0])
    inner = _embedded(found) if isinstance(found, IPv6Address) else None
    return is_public(str(inner)) if inner is not None else found.is_global and not found.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address in an IPv6 address: mapped, compatible, NAT64 (RFC 6052) or 6to4; None for others."""
    from ipaddress import IPv4Address

    number = int(address)
    if number >> 32 in (0, 0xFFFF, 0x64FF9B << 64) and number > 1:
        return IPv4Address(number & 0xFFFFFFFF)
    return address.sixtofour


def same_site(one: str, other: str) -> bool:
    """Return whether two host names belong to the same site: they are equal, or below the same registrable domain."""
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    if one == other:
        return True
    if _is_address(one) or _is_address(other):
        return False
    shared: list[str] = []
    for left, right in zip(reversed(one.split(".")), reversed(other.split(".")), strict=False):
        if left != right:
            break
        shared.insert(0, left)
    min_labels = 3 if len(shared) > 1 and len(shared[-1]) == 2 and shared[-2] in _SECOND_LEVELS else 2
    # Below a shared suffix the names of regions and services may come before that of the owner.
    below = {".".join(shared[-length:]) for length in range(1, len(shared) + 1)}
    return len(shared) >= min_labels and not below & _SHARED_SUFFIXES


def may_have_credentials(registry: str, realm_host: str) -> bool:
    """Return whether a registry's credentials may be sent to a token server on ``realm_host``. Both are host names.

    Otherwise a registry could have credentials sent to a server of another owner.
    """
    return same_site(registry, realm_host)


def _is_address(host: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
