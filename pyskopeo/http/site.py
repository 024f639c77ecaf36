"""Sites: which host names belong to one owner, by the public suffix list (https://publicsuffix.org). Pure.

The list names the domains below which anyone can register a name: those of registries (``co.uk``), and in its private
section those of companies (``github.io``).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

# Registries and their token servers that need no look at the list, which takes some time to load.
_KNOWN = frozenset({("docker.io", "auth.docker.io")})
# Domains with names of different owners that the list has only in part: names of regions and services come between.
_SHARED_SUFFIXES = frozenset({
    "amazonaws.com", "amazonaws.com.cn", "azurecr.io", "azurecr.cn", "azurewebsites.net", "cloudapp.azure.com",
    "cloudfront.net", "googleusercontent.com", "ngrok.io", "ngrok-free.app", "pkg.dev", "windows.net",
})  # fmt: skip


def may_have_credentials(registry: str, realm_host: str) -> bool:
    """Return whether a registry's credentials may be sent to a token server on ``realm_host``. Both are host names.

    Otherwise a registry could have credentials sent to a server of another owner.
    """
    return (registry, realm_host) in _KNOWN or same_site(registry, realm_host)


def same_site(one: str, other: str) -> bool:
    """Return whether two host names belong to the same site: they are equal, or below the same registrable domain."""
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    if one == other:
        return True
    if _is_address(one) or _is_address(other):
        return False
    if any(f".{one}".endswith(f".{suffix}") and f".{other}".endswith(f".{suffix}") for suffix in _SHARED_SUFFIXES):
        return False
    domain = _registrable_domain(one)
    return bool(domain) and domain == _registrable_domain(other)


def _registrable_domain(host: str) -> str:
    """Return the part of ``host`` that someone has registered; empty if it is itself a public suffix."""
    try:
        encoded = host.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    suffixes = _public_suffixes()
    return (suffixes.privatesuffix(encoded) or "") if suffixes is not None else ""


@cache
def _public_suffixes() -> PublicSuffixList | None:
    """Return the list; None where it is not installed: then all names belong to different owners."""
    import pkgutil

    try:
        from publicsuffixlist import PublicSuffixList
    except ImportError:
        return None
    # As data of the package, which may be in a zip archive.
    return PublicSuffixList(pkgutil.get_data("publicsuffixlist", "public_suffix_list.dat"))


def _is_address(host: str) -> bool:
    from .locality import locality_of_host

    return ":" in host or locality_of_host(host) is not None
