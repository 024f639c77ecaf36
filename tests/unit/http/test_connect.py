"""Where a connection may lead."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from pyskopeo.errors import UnsafeAddress
from pyskopeo.http.connect import ConnectAttempt, _encoded, check_literal_address
from pyskopeo.http.locality import Locality
from pyskopeo.http.origin import Origin
from pyskopeo.streams.cancellation import Cancellation, Cancelled, check_cancelled
from tests.support.lines import Line


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        *((host, Locality.PRIVATE) for host in (
            "localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1", "127.0.0.1.", "[::1]", "2130706433",
            "0x7f.1", "0177.1", "127.1", "0", "[::ffff:127.0.0.1]",
        )),
        *((host, Locality.LOOPBACK) for host in (
            "169.254.169.254", "2852039166", "0xa9fea9fe", "[fe80::1]", "[fd00:ec2::254]", "metadata.google.internal",
        )),
        *((host, Locality.PUBLIC) for host in ("[::ffff:10.0.0.1]", "10.0.0.1", "192.168.1", "\uff11\uff10.0.0.1")),
    ],
)  # fmt: skip
def test_through_a_proxy_addresses_are_read(host: str, reach: Locality) -> None:
    """There the proxy resolves names, but what is plainly an address is seen."""
    origin = Origin.of(f"https://{host}/")
    for limit in Locality:
        if limit <= reach:
            with pytest.raises(UnsafeAddress, match="private address"):
                check_literal_address(origin, limit)
    check_literal_address(origin, None)
    check_literal_address(origin, Locality.LINK_LOCAL)


@pytest.mark.parametrize("host", ["example.com", "1.1.1.1", "[2606:4700::1111]", "16843009", "localhost.example.com"])
def test_through_a_proxy_others_pass(host: str) -> None:
    """Names below localhost do not."""
    check_literal_address(Origin.of(f"https://{host}/"), Locality.PUBLIC)
    with pytest.raises(UnsafeAddress, match="private address"):
        check_literal_address(Origin.of("https://a.localhost/"), Locality.PUBLIC)


def cancelled_within(work: Callable[[Cancellation], None]) -> None:
    """Have ``work`` cancel itself; it must end as cancelled."""
    cancellation = Cancellation()
    with pytest.raises(Cancelled):
        cancellation.run(lambda: work(cancellation))


def test_an_attempt_to_connect_is_woken(line: Line) -> None:
    """Even when TLS has taken the descriptor out of the socket, as wrap_socket does."""

    def work(cancellation: Cancellation) -> None:
        with ConnectAttempt() as attempt:
            attempt.begin(line.near)
            wrapped = socket.socket(fileno=line.near.detach())
            with wrapped:
                wrapped.settimeout(2)
                cancellation.cancel()
                assert wrapped.recv(1) == b""

    cancelled_within(work)


def test_an_attempt_that_is_over_is_left_alone(line: Line) -> None:
    def work(cancellation: Cancellation) -> None:
        with ConnectAttempt() as attempt:
            attempt.begin(line.near)
        cancellation.cancel()
        check_cancelled()

    cancelled_within(work)
    assert line.is_open


def test_a_second_attempt_takes_the_place_of_the_first(line: Line) -> None:
    other = Line()

    def work(cancellation: Cancellation) -> None:
        with ConnectAttempt() as attempt:
            attempt.begin(other.near)
            attempt.begin(line.near)
            cancellation.cancel()

    cancelled_within(work)
    assert other.is_open
    assert not line.is_open
    other.close()


def test_an_attempt_that_comes_too_late_is_not_begun(line: Line) -> None:
    def work(cancellation: Cancellation) -> None:
        cancellation.cancel()
        with ConnectAttempt() as attempt:
            attempt.begin(line.near)

    cancelled_within(work)
    assert line.is_open


@pytest.mark.parametrize(
    "host", ["a.example", "A-b_c.example.", "localhost", "127.0.0.1", "::1", "fe80::1%eth0", "a" * 63 + ".example"]
)  # fmt: skip
def test_plain_names_are_sent_as_they_are(host: str) -> None:
    assert _encoded(host) == host.encode("idna")


@pytest.mark.parametrize("host", ["b\u00fccher.example", "a" * 64 + ".example", "a..example", ""])
def test_other_names_are_left_to_python(host: str) -> None:
    assert _encoded(host) == host
