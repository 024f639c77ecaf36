"""Certificates in annotations and in files, and chains of them."""

from __future__ import annotations

import pytest
from cryptography.x509 import verification

from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.errors import Unsupported
from pyskopeo.signatures.certificate_chains import (
    MAX_CERTIFICATES,
    check_chain,
    load_authorities,
    load_certificates,
    load_intermediates,
)
from pyskopeo.signatures.refusals import SignatureRefused
from tests.support.sigstore_authority import NOW, Authority, new_key, pem, public_pem

FULCIO = Authority()
KEY = new_key()
LEAF = FULCIO.issue(KEY.public_key())


def authorities(content: bytes) -> list[bytes]:
    return [pem(one) for one in load_authorities(KeyFile(content, "ca.pem"))]


def test_other_blocks_of_a_file_are_passed_over() -> None:
    assert authorities(public_pem(KEY) + FULCIO.chain_pem) == [pem(FULCIO.issuing), pem(FULCIO.root)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ca.pem holds no certificate in PEM format"),
        (public_pem(KEY), "ca.pem holds no certificate in PEM format"),
        (FULCIO.root_pem + b"-----BEGIN CERTIFICATE-----\n", "ca.pem is not in PEM format"),
        (FULCIO.root_pem.replace(b"MII", b"MIJ", 1), "parsing a certificate of ca.pem"),
    ],
)
def test_files_without_authorities(content: bytes, reason: str) -> None:
    with pytest.raises(SignatureRefused) as caught:
        authorities(content)
    assert str(caught.value).startswith(reason)


def test_chains() -> None:
    assert load_intermediates("") == load_intermediates(" \n") == load_intermediates(pem(FULCIO.root).decode()) == ()
    assert load_intermediates(FULCIO.chain_pem.decode()) == (FULCIO.issuing,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FULCIO.root_pem.decode() + "text", "the chain is not in PEM format"),
        (public_pem(KEY).decode(), "the chain holds a PUBLIC KEY"),
        (FULCIO.root_pem.decode() * (MAX_CERTIFICATES + 1), "the chain has more than 32 certificates"),
        ("\ud800", "the chain is not in PEM format"),
    ],
)
def test_what_is_no_chain(text: str, reason: str) -> None:
    with pytest.raises(SignatureRefused, match=reason):
        load_certificates(text, "the chain")


def test_the_chain_that_is_found() -> None:
    assert check_chain(LEAF, [FULCIO.issuing], [FULCIO.root], NOW) == [LEAF, FULCIO.issuing, FULCIO.root]


def test_an_older_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(verification, "ExtensionPolicy")
    with pytest.raises(Unsupported, match="certificates of signatures are verified with cryptography 45 or newer, not "):
        check_chain(LEAF, [FULCIO.issuing], [FULCIO.root], NOW)
