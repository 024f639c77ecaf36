"""Whom certificates are for."""

from __future__ import annotations

import pytest
from cryptography import x509

from pyskopeo.signatures.certificate_subjects import build_signer_uri, oidc_issuer
from pyskopeo.signatures.refusals import SignatureRefused
from tests.support.sigstore_authority import NOW, Authority, certificate, fulcio_extensions, new_key

FULCIO = Authority()
KEY = new_key().public_key()


@pytest.mark.parametrize("length", [1, 127, 128, 255, 256, 3000])
def test_long_texts(length: int) -> None:
    uri = "u" * length
    found = FULCIO.issue(KEY, oidc_issuer=f"i{uri}", build_signer=uri, logged=False)
    assert (build_signer_uri(found), oidc_issuer(found)) == (uri, f"i{uri}")


@pytest.mark.parametrize(
    "content",
    [
        b"\x0c",
        b"\x0c\x80a",
        b"\x0c\x81\x01a",  # a length that fits into one byte
        b"\x0c\x82\x00\x80" + b"a" * 128,
        b"\x0c\x85\x00\x00\x00\x00\x81" + b"a" * 129,
        b"\x0c\x81",
        b"\x0c\x02a",
        b"\x0c\x01\xff",
        b"\x13\x01a",
    ],
)
def test_what_is_no_text(content: bytes) -> None:
    identifier = fulcio_extensions()[1].oid
    extension = x509.UnrecognizedExtension(identifier, content)
    found = certificate("x", KEY, FULCIO.issuer, valid_from=NOW, valid_to=NOW, extensions=[extension])
    with pytest.raises(SignatureRefused, match="invalid ASN.1 in the certificate's extension"):
        oidc_issuer(found)


def test_a_certificate_of_somebody_else_has_no_build_signer() -> None:
    assert build_signer_uri(FULCIO.root) == ""
