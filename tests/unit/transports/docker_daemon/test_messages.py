"""Answers of Docker daemons."""

from __future__ import annotations

import ssl

import pytest

from pyskopeo.errors import CertificateNotTrusted, ConnectionFailed, DaemonError, InvalidContent
from pyskopeo.http.origin import Origin
from pyskopeo.transports.docker_daemon.address import Address
from pyskopeo.transports.docker_daemon.messages import (
    DaemonErrorMapping,
    check_archive_tail,
    check_messages,
    error_from_response,
)

LOADED = b'{"stream":"Loaded image"}\r\n'


class TestAnswers:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b'{"message":"no\\nsuch \\u001b[31mthing"}', "no such  [31mthing"),
            (b'{"cause":"podman","response":404}', "podman"),
            (b"plain text\r\n", "plain text"),
            (b"", "status 418"),
            (b"{}", "status 418"),
            (b'{"message":null}', "status 418"),
            (b"[" * 100_000, "["),
            (b"\xff\xfe", "\ufffd\ufffd"),
        ],
    )
    def test_a_refusal_in_one_line(self, body: bytes, said: str) -> None:
        error = error_from_response(418, body, "what")
        assert str(error).startswith(f"what: Error response from daemon: {said}")
        assert len(str(error)) < 400
        assert (error.status, error.exit_code) == (418, 1)

    @pytest.mark.parametrize(
        "body", [b"", b" \n", LOADED, LOADED * 3, b'{"stream":"a"}{"stream":"b"}', b'{"error":""}', b"[]", b'{"errorDetail":null}']
    )
    def test_good_messages(self, body: bytes) -> None:
        """They are read to the end: what stands after them is seen."""
        check_messages(body, "what")
        with pytest.raises(DaemonError, match="late"):
            check_messages(body + b'{"error":"late"}', "what")

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (LOADED + b'{"errorDetail":{"message":"disk\\nfull"},"error":"other"}\r\n', "disk full"),
            (b'{"error":"only this"}', "only this"),
            (b'{"errorDetail":{"code":1}}', "no reason given"),
            (b'{"errorDetail":"text"}', "no reason given"),
            (b'{"error":{"a":"b"}}' + LOADED, "{'a': 'b'}"),
        ],
    )
    def test_an_error_among_them(self, body: bytes, said: str) -> None:
        with pytest.raises(DaemonError, match="^what: Error response from daemon: ") as caught:
            check_messages(body, "what")
        assert str(caught.value).endswith(said)

    @pytest.mark.parametrize("body", [b"<html>", LOADED + b"{", b"[" * 100_000, b"\x00"])
    def test_what_is_no_message(self, body: bytes) -> None:
        with pytest.raises(InvalidContent, match="the daemon's answer is no JSON"):
            check_messages(body, "what")

    def test_an_error_at_the_end_of_an_archive(self) -> None:
        with pytest.raises(DaemonError, match="what: Error response from daemon: no space"):
            check_archive_tail(bytes(1000) + b'{"errorDetail":{"message":"no space"},"error":"no space"}\r\n', "what")

    @pytest.mark.parametrize(
        "tail",
        [b"", bytes(1000), b'{"errorDetail":{"message":"x"}}' + bytes(500), b'{"errorDetail"', b'{"errorDetail":{}}'],
    )
    def test_archives_that_end_well(self, tail: bytes) -> None:
        """Whatever it is that looks like an error; one that stands after it is seen."""
        check_archive_tail(tail, "what")
        with pytest.raises(DaemonError, match="late"):
            check_archive_tail(tail + b'{"errorDetail":{"message":"late"},"error":"late"}\r\n', "what")


class TestTls:
    """skopeo's words are in it, as they are for registries."""

    ERRORS = DaemonErrorMapping(Address.parse("tcp://127.0.0.1:2376"), "what", 1.0)
    ORIGIN = Origin.of("https://127.0.0.1:2376")

    @pytest.mark.parametrize(
        ("reason", "said"),
        [
            ("TLSV1_ALERT_PROTOCOL_VERSION", "protocol version not supported (tlsv1 alert protocol version)"),
            ("SSLV3_ALERT_HANDSHAKE_FAILURE", "sslv3 alert handshake failure"),
        ],
    )
    def test_a_handshake_that_fails(self, reason: str, said: str) -> None:
        error = ssl.SSLError(1, reason)
        error.reason = reason
        found = self.ERRORS.connect_error(error, self.ORIGIN)
        assert (type(found), found.temporary) == (ConnectionFailed, False)
        assert str(found).endswith(f"TLS failed: {said}")
        assert f"wants no TLS with us: {said}; see the --cert-dir flags" in str(self.ERRORS.read_error(error, self.ORIGIN))

    def test_a_certificate_of_an_unknown_authority(self) -> None:
        error = ssl.SSLCertVerificationError(1, "CERTIFICATE_VERIFY_FAILED")
        error.verify_message, error.verify_code = "no issuer", 20
        found = self.ERRORS.connect_error(error, self.ORIGIN)
        assert type(found) is CertificateNotTrusted
        assert "certificate signed by unknown authority (no issuer); see the --cert-dir flags" in str(found)
