"""How local an address is: which servers a registry may send its clients to. Pure.

A registry names other servers: the target of a redirect, a token server, where to upload, the URLs of a layer. None of
these may be more local than the registry itself, or a hostile registry could read from, and write to, servers that only
this machine can reach (server-side request forgery).
"""

from __future__ import annotations

import socket
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address


class Locality(IntEnum):
    """Who can reach an address; a greater value is more local.

    ``PRIVATE`` is an address of a local network. ``LINK_LOCAL`` stands for all addresses that no registry may name:
    link-local ones, those of the metadata services of clouds, which return credentials of the machine, and those that
    are for no single server.
    """

    PUBLIC = 0
    PRIVATE = 1
    LOOPBACK = 2
    LINK_LOCAL = 3

    def __str__(self) -> str:
        """Return the words for an error message."""
        return _WORDS[self]


_WORDS = {
    Locality.PUBLIC: "a public address",
    Locality.PRIVATE: "a private address",
    Locality.LOOPBACK: "a private address (loopback)",
    Locality.LINK_LOCAL: "a private address (link-local, or of a metadata service)",
}
# Metadata services whose addresses are not link-local: Azure, Alibaba Cloud, Oracle Cloud, Scaleway, Linode.
_METADATA = frozenset({"168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:42::42", "fd00:a9fe:a9fe::1"})
# The first 32 bits of those of AWS and Google Cloud in IPv6.
_METADATA_NETWORKS = frozenset({0xFD000EC2, 0xFD2000CE})
_METADATA_NAMES = frozenset({
    "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal",
})  # fmt: skip
# The first 96 bits of IPv6 addresses that stand for an IPv4 address: compatible, mapped, translated (RFC 2765, 6052).
_PREFIXES = frozenset({0, 0xFFFF, 0xFFFF0000, 0x64FF9B << 64})


def locality(address: str) -> Locality:
    """Return the locality of an IP address, with or without a zone; raises `ValueError` for any other text."""
    from ipaddress import IPv6Address, ip_address

    found = ip_address(address.partition("%")[0])
    inner = _embedded(found) if isinstance(found, IPv6Address) else None
    return _locality(found if inner is None else inner)


def locality_of_host(host: str) -> Locality | None:
    """Return the locality of a host that is a literal address in any spelling, or a name with a fixed meaning.

    None for other names, which have to be resolved. ``2130706433``, ``0x7f.1`` and ``0177.0.0.1`` are spellings of
    127.0.0.1 for the resolvers of most systems.
    """
    if not host.isascii():
        from unicodedata import normalize

        host = normalize("NFKC", host)  # as IDNA does: digits in full width become plain ones
    host = host.lower().rstrip(".")
    try:
        return locality(socket.inet_ntoa(socket.inet_aton(host)) if ":" not in host else host)
    except (OSError, ValueError):  # a name
        if host == "localhost" or host.endswith(".localhost"):
            return Locality.LOOPBACK
        return Locality.LINK_LOCAL if host in _METADATA_NAMES else None


def reach_from(registry: str, peer: str, host: str) -> Locality:
    """Return how local the address of ``host`` may be if the host ``registry`` sends us there.

    It may be as local as the registry's own address ``peer``. That is "" through a proxy; then the registry's name is
    judged. Link-local addresses are reached from a registry there which the user has named, and at itself only.
    """
    if peer:
        own = locality(peer)
    else:
        named = locality_of_host(registry)
        own = (Locality.PUBLIC if "." in registry else Locality.PRIVATE) if named is None else named
    return Locality.PRIVATE if own is Locality.LINK_LOCAL and host != registry else own


def _locality(address: IPv4Address | IPv6Address) -> Locality:
    from ipaddress import IPv6Address

    number, is_v4 = int(address), address.version == 4
    # "This network" (RFC 1122): 0.0.0.0 and :: connect to this machine.
    if address.is_loopback or number == 0 or (is_v4 and number >> 24 == 0):
        return Locality.LOOPBACK
    if str(address) in _METADATA or (not is_v4 and number >> 96 in _METADATA_NETWORKS):
        return Locality.LINK_LOCAL
    if address.is_link_local or address.is_multicast or (is_v4 and address.is_reserved):
        return Locality.LINK_LOCAL
    is_public = address.is_global and not (isinstance(address, IPv6Address) and address.is_site_local)
    return Locality.PUBLIC if is_public else Locality.PRIVATE


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that packets to an IPv6 address are for: mapped, compatible, NAT64 or 6to4; else None."""
    from ipaddress import IPv4Address

    number = int(address)
    if number >> 32 in _PREFIXES and number > 1:
        return IPv4Address(number & 0xFFFFFFFF)
    if number >> 80 == 0x64FF9B0001:  # the prefix of NAT64 within a network (RFC 8215)
        return IPv4Address(number & 0xFFFFFFFF)
    return address.sixtofour
