"""Origins (RFC 6454) and redirects. Pure.

These rules keep secrets at the origin they are for, and refuse redirects from https to http.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from ..errors import UnsafeAddress
from ..fast_dataclass import dataclass

_PORTS = {"http": 80, "https": 443}
# The beginning of a URL whose origin can be parsed without its path: scheme, a plain host name, port.
_PLAIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?=/)", re.ASCII)
# A URL without user, query and fragment.
_NOTHING_TO_HIDE = re.compile(r"https?://[A-Za-z0-9.:-]+/[!$-;=@-~]*")
# Query parameters of the distribution specification and of its token servers, which hold no secret.
HARMLESS_PARAMETERS = frozenset({"digest", "from", "last", "mount", "n", "scope", "service"})


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

    From https to http of the same host it is taken for https; to other hosts, and to any other scheme, raises
    `UnsafeAddress`.
    """
    target = with_https(resolve_url(current, location), Origin.of(current))
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


def with_https(url: str, origin: Origin) -> str:
    """Return an http ``url`` on the host of ``origin`` with https, if that is used there; any other unchanged.

    A server behind a proxy that ends TLS may take itself for one with plain http. The port is kept, but for that of
    http (RFC 6797 section 8.3, step 5).
    """
    target = Origin.of(url)
    if (target.scheme, origin.scheme) != ("http", "https") or target.host != origin.host:
        return url
    secure = Origin("https", target.host, 443 if target.port == _PORTS["http"] else target.port)
    return urlsplit(url)._replace(scheme=secure.scheme, netloc=secure.netloc).geturl()


def redact_url(url: str) -> str:
    """Return a URL for messages: without user and password, and with ``***`` for the values of its query.

    A query may hold the signature of a presigned URL, or the state of an upload. Parameters that are known to
    hold no secret are kept.
    """
    if _NOTHING_TO_HIDE.fullmatch(url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return _url_in_message(url)
    words = (word.partition("=") for word in parts.query.split("&") if word)
    shown = ((name, equals, value if name in HARMLESS_PARAMETERS else "***") for name, equals, value in words)
    query = "&".join(f"{name}={value}" if equals else "***" for name, equals, value in shown)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="").geturl()


def resolve_url(base: str, reference: str) -> str:
    """Return ``reference`` as an absolute URL, relative to ``base`` (RFC 3986 section 5).

    Blanks in its path and query are percent-encoded. Raises `UnsafeAddress` if it is not a URL.
    """
    try:
        target = urljoin(base, reference)
        host = urlsplit(target).netloc
    except ValueError:
        target = host = ""
    wrong = next((character for character in target if not character.isprintable()), " " if " " in host else "")
    if not target or wrong:
        reason = f", it contains {ascii(wrong)}" if wrong else ""
        shown = _url_in_message(reference)
        raise UnsafeAddress(f"{Origin.of(base)} leads to something that is not a URL{reason}: {shown}")
    return target.replace(" ", "%20")


def _url_in_message(url: str) -> str:
    """Return a URL for an error message: without its query, which may be a signature, and without credentials."""
    return ascii(re.sub(r"//[^/]*@", "//...@", re.split("[?#]", url, maxsplit=1)[0]))[:200]
