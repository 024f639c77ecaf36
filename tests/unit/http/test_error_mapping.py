"""Errors of sockets, TLS and invalid responses as errors of this package."""

from __future__ import annotations

import socket
import ssl

import pytest

from pyskopeo.errors import CertificateNotTrusted, ConnectionFailed, HandshakeFailed, NetworkError, Stalled
from pyskopeo.http.error_mapping import ErrorMapping, without_userinfo
from pyskopeo.http.origin import Origin
from pyskopeo.http.response_head import InvalidResponse
from pyskopeo.http.time_limits import TooSlow

ORIGIN = Origin.of("https://host:5000")


def tls(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    error = kind(1, reason)
    error.reason = reason
    return error


def untrusted(message: str, code: int = 1) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "CERTIFICATE_VERIFY_FAILED")
    error.verify_message, error.verify_code = message, code
    return error


@pytest.mark.parametrize(
    ("error", "kind", "message", "temporary"),
    [
        (ConnectionRefusedError(111, "Connection refused"), ConnectionFailed, "host:5000: connection refused", True),
        (TimeoutError(), ConnectionFailed, "host:5000: connecting timed out", True),
        (socket.gaierror(socket.EAI_NONAME, "x"), ConnectionFailed, "host:5000: no such host", False),
        (socket.gaierror(socket.EAI_AGAIN, "x"), ConnectionFailed, "host:5000: no such host", True),
        (tls("PROTOCOL_VERSION"), HandshakeFailed, "host:5000: TLS: protocol version", False),
        (tls("BAD_THING"), HandshakeFailed, "host:5000: TLS: bad thing", True),
        (tls("UNEXPECTED_EOF", ssl.SSLEOFError), ConnectionFailed, "host:5000: TLS: unexpected eof", True),
        (untrusted("self-signed"), CertificateNotTrusted, "host:5000: certificate not trusted: self-signed; ", False),
        (untrusted("no issuer", 20), CertificateNotTrusted,
         "host:5000: certificate not trusted: certificate signed by unknown authority (no issuer); ", False),
        (tls("TLSV1_ALERT_PROTOCOL_VERSION"), HandshakeFailed,
         "host:5000: TLS: protocol version not supported (tlsv1 alert protocol version)", False),
        (RuntimeError("odd\n"), ConnectionFailed, "host:5000: RuntimeError: 'odd\\n'", True),
    ],
)  # fmt: skip
def test_connecting(error: Exception, kind: type[NetworkError], message: str, temporary: bool) -> None:
    found = ErrorMapping().connect_error(error, ORIGIN)
    assert type(found) is kind
    assert str(found).startswith(message)
    assert found.temporary is temporary


def test_another_protocol_is_no_tls() -> None:
    found = ErrorMapping().connect_error(tls("WRONG_VERSION_NUMBER"), ORIGIN)
    assert "server gave HTTP response to HTTPS client; for plain http give --tls-verify=false" in str(found)
    assert not found.temporary


def test_a_proxy_is_named_without_its_password() -> None:
    found = ErrorMapping().connect_error(TimeoutError(), ORIGIN, "http://user:secret@proxy:3128")
    assert str(found) == "host:5000 (through proxy http://proxy:3128): connecting timed out"
    assert without_userinfo("http://proxy:3128/") == "http://proxy:3128/"


@pytest.mark.parametrize(
    ("error", "greeted", "message"),
    [
        (ConnectionError("the connection was closed"), False, "host:5000: the connection was closed"),
        (InvalidResponse("it begins with 'x'"), False, "host:5000: not a valid HTTP answer: it begins with 'x'"),
        (ConnectionResetError(104, "Connection reset by peer"), False, "host:5000: connection reset by peer"),
        (
            ConnectionResetError(104, "Connection reset by peer"), True,
            "host:5000: TLS: the connection was closed before an answer came; the server may want a client certificate",
        ),
    ],
)  # fmt: skip
def test_exchanging(error: Exception, greeted: bool, message: str) -> None:
    assert str(ErrorMapping().exchange_error(error, ORIGIN, after_handshake=greeted)) == message


def test_reading_and_stalling() -> None:
    errors = ErrorMapping()
    assert str(errors.read_error(ValueError(), ORIGIN)) == "host:5000: connection lost: ValueError"
    assert str(errors.read_error(OSError("text"), ORIGIN)) == "host:5000: connection lost: text"
    stalled = errors.stall_error(ORIGIN, 0.5)
    assert isinstance(stalled, Stalled)
    assert str(stalled) == "host:5000: no progress for 0.5 s (--stall-timeout)"
    assert stalled.host == "host:5000"
    late = errors.slow_error(TooSlow("no answer", "--a, --b"), ORIGIN)
    assert (type(late), str(late), late.temporary) == (Stalled, "host:5000: no answer (--a, --b)", True)


@pytest.mark.parametrize("final", [True, False])
def test_a_limit_that_is_exceeded_is_not_tried_again(final: bool) -> None:
    found = ErrorMapping().read_error(InvalidResponse("too long", final=final), ORIGIN)
    assert str(found) == "host:5000: not a valid HTTP answer: too long"
    assert found.temporary is not final
