"""How local addresses are, as tables."""

from __future__ import annotations

import pytest

from pyskopeo.http.locality import Locality, locality, locality_of_host, reach_from

PUBLIC, PRIVATE, LOOPBACK, LINK_LOCAL = Locality
ADDRESSES = {
    PUBLIC: [
        "1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::",
    ],
    PRIVATE: [
        "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "192.0.2.1", "198.18.0.1",
        "fc00::1", "fd12:3456::1", "2001:db8::1", "fec0::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1",
        "64:ff9b:1::a00:1",
    ],
    LOOPBACK: [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::", "::1", "::ffff:127.0.0.1", "::127.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:0.0.0.0", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1",
    ],
    LINK_LOCAL: [
        "169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "fe80::a9fe:a9fe", "febf::1",
        "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "168.63.129.16", "100.100.100.200", "192.0.0.192",
        "fd00:42::42", "fd00:a9fe:a9fe::1", "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::", "64:ff9b:1::a9fe:a9fe", "::ffff:168.63.129.16",
        "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "ff02::1",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("address", "where"), [(one, where) for where, many in ADDRESSES.items() for one in many])
def test_addresses(address: str, where: Locality) -> None:
    assert locality(address) is where
    if "%" not in address:
        assert locality_of_host(address) is where


@pytest.mark.parametrize("text", ["localhost", "example.com", "", "2130706433", "127.1"])
def test_names_are_no_addresses(text: str) -> None:
    with pytest.raises(ValueError):
        locality(text)


@pytest.mark.parametrize(
    ("host", "where"),
    [
        ("2130706433", LOOPBACK),
        ("0x7f.1", LOOPBACK),
        ("0177.0.0.1", LOOPBACK),
        ("127.1", LOOPBACK),
        ("0", LOOPBACK),
        ("127.0.0.1.", LOOPBACK),
        ("\uff11\uff12\uff17.0.0.1", LOOPBACK),
        ("localhost", LOOPBACK),
        ("LocalHost.", LOOPBACK),
        ("x.localhost", LOOPBACK),
        ("2852039166", LINK_LOCAL),
        ("0251.0376.0251.0376", LINK_LOCAL),
        ("0xA9.254.43518", LINK_LOCAL),
        ("metadata.google.internal", LINK_LOCAL),
        ("Metadata.Google.Internal.", LINK_LOCAL),
        ("10.1", PRIVATE),
        ("16843009", PUBLIC),
        ("example.com", None),
        ("localhost.example.com", None),
        ("registry", None),
        ("1.2.3.4.example.com", None),
        ("999.1.1.1", None),
        ("", None),
    ],
)
def test_hosts(host: str, where: Locality | None) -> None:
    assert locality_of_host(host) is where


@pytest.mark.parametrize(
    ("registry", "peer", "host", "reach"),
    [
        ("r.example.com", "1.1.1.1", "cdn.example.com", PUBLIC),
        ("r.example.com", "10.0.0.1", "cdn.example.com", PRIVATE),
        ("r.example.com", "127.0.0.1", "cdn.example.com", LOOPBACK),
        ("r.example.com", "fe80::1%eth0", "cdn.example.com", PRIVATE),
        ("r.example.com", "fe80::1%eth0", "r.example.com", LINK_LOCAL),
        ("r.example.com", "1.1.1.1", "r.example.com", PUBLIC),
        # Through a proxy.
        ("r.example.com", "", "cdn.example.com", PUBLIC),
        ("registry", "", "cdn.example.com", PRIVATE),
        ("10.0.0.1", "", "cdn.example.com", PRIVATE),
        ("localhost", "", "cdn.example.com", LOOPBACK),
        ("::1", "", "cdn.example.com", LOOPBACK),
        ("169.254.1.1", "", "169.254.1.1", LINK_LOCAL),
        ("169.254.1.1", "", "169.254.169.254", PRIVATE),
        ("1.1.1.1", "", "cdn.example.com", PUBLIC),
    ],
)
def test_how_far_a_registry_sends_us(registry: str, peer: str, host: str, reach: Locality) -> None:
    assert reach_from(registry, peer, host) is reach


def test_they_are_in_order() -> None:
    assert PUBLIC < PRIVATE < LOOPBACK < LINK_LOCAL
