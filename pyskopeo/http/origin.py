"""Where a registry may send us: origins, sites and addresses. Pure.

A secret never leaves the origin it is for; https never becomes http; a public registry cannot
point us at this machine or at the network behind it.
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
# What needs no second look: the path has no part in it.
_PLAIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?=/)", re.ASCII)
# Under these anyone can have a name, so two names under one of them are strangers. Not the public
# suffix list: what is missing here costs a clear error or, at worst, trust between neighbours.
_SHARED_SUFFIXES = frozenset({
    "amazonaws.com", "azurecr.io", "azurewebsites.net", "cloudapp.azure.com", "cloudfront.net", "github.io",
    "gitlab.io", "googleusercontent.com", "herokuapp.com", "netlify.app", "ngrok.io", "ngrok-free.app",
    "pages.dev", "pkg.dev", "run.app", "trycloudflare.com", "vercel.app", "windows.net", "workers.dev", "web.app",
})  # fmt: skip
# Of the distribution specification and of its token servers.
_HARMLESS = frozenset({"digest", "from", "last", "mount", "n", "scope", "service"})
_SECOND_LEVELS = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "gv", "ne", "net", "or", "org"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what a secret belongs to (RFC 6454)."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an absolute http or https URL; raises `UnsafeAddress` for any other."""
        # Asked of every request several times, and of one registry's URLs all begin alike.
        found = _PLAIN.match(url)
        return _origin(found[0] if found else url)

    @property
    def netloc(self) -> str:
        """``host[:port]``, the port only where it is not the scheme's own."""
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
        raise UnsafeAddress(f"not a URL: {_shown(url)}") from None
    if parts.scheme not in _PORTS or not parts.hostname or not parts.hostname.isprintable():
        raise UnsafeAddress(f"not an http or https URL: {_shown(url)}")
    if parts.username is not None or parts.password is not None:
        raise UnsafeAddress(f"a URL with credentials in it is refused: {parts.scheme}://...@{parts.hostname}")
    return Origin(parts.scheme, parts.hostname, port if port is not None else _PORTS[parts.scheme])


def follow(current: str, location: str) -> str:
    """The URL a redirect or a link at ``current`` leads to.

    Raises `UnsafeAddress` for a downgrade from https to http and for anything not http at all.
    """
    target = join(current, location)
    origin = Origin.of(target)
    if Origin.of(current).scheme == "https" and origin.scheme == "http":
        raise UnsafeAddress(f"{Origin.of(current)} redirects to plain http ({origin}): refused")
    return target.partition("#")[0]


def follow_own(current: str, location: str, base: Origin) -> str:
    """Return the URL that a registry at ``base`` leads to by ``Location``, as `follow` does.

    A registry behind a proxy may not know that it is reached by https: its host by plain http is its origin.
    """
    target = join(current, location)
    origin = Origin.of(target)
    if (origin.scheme, base.scheme) == ("http", "https") and origin.host == base.host:
        target = urlsplit(target)._replace(scheme=base.scheme, netloc=base.netloc).geturl()
    return follow(current, target)


def shown(url: str) -> str:
    """A URL for people: without user and password, and of its query only what is known to be harmless.

    What is signed for whoever has the URL, and the state of uploads, is in the query.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return _shown(url)
    words = (word.partition("=") for word in parts.query.split("&") if word)
    query = "&".join(
        f"{name}={value if name in _HARMLESS else '***'}" if equals else "***" for name, equals, value in words
    )
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="").geturl()


def join(base: str, reference: str) -> str:
    """The absolute URL of what a server at ``base`` refers to; raises `UnsafeAddress` where there is none."""
    try:
        target = urljoin(base, reference)
    except ValueError:
        raise UnsafeAddress(f"{Origin.of(base)} leads to something that is not a URL: {_shown(reference)}") from None
    if " " in target or not target.isprintable():
        raise UnsafeAddress(f"{Origin.of(base)} leads to something that is not a URL: {_shown(reference)}")
    return target


def _shown(url: str) -> str:
    """A URL for an error message: its query may be a signature, and what is before the @ a password."""
    return ascii(re.sub(r"//[^/]*@", "//...@", re.split("[?#]", url, maxsplit=1)[0]))[:200]


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody on the internet would reach; raises `ValueError` for others."""
    from ipaddress import IPv6Address, ip_address

    found = ip_address(address.partition("%")[0])
    inner = _embedded(found) if isinstance(found, IPv6Address) else None
    return is_public(str(inner)) if inner is not None else found.is_global and not found.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 (RFC 6052) and 6to4."""
    from ipaddress import IPv4Address

    number = int(address)
    if number >> 32 in (0, 0xFFFF, 0x64FF9B << 64) and number > 1:
        return IPv4Address(number & 0xFFFFFFFF)
    return address.sixtofour


def same_site(one: str, other: str) -> bool:
    """Whether two host names plainly belong to one owner: equal, or below one registrable domain."""
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
    wanted = 3 if len(shared) > 1 and len(shared[-1]) == 2 and shared[-2] in _SECOND_LEVELS else 2
    # Below a shared suffix there may be regions and services before a stranger's name comes.
    below = {".".join(shared[-length:]) for length in range(1, len(shared) + 1)}
    return len(shared) >= wanted and not below & _SHARED_SUFFIXES


def may_have_credentials(registry: str, realm_host: str) -> bool:
    """Whether a registry's credentials may go to a token server on ``realm_host``.

    Both are host names. A registry that names a token server of somebody else's could otherwise
    collect there what was meant for itself, or the other way round.
    """
    return same_site(registry, realm_host)


def _is_address(host: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
