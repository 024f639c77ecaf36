"""What the flags of ``verify`` ask to be checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyskopeo.api.signature_verification import SignatureTrust
from pyskopeo.cli.command import GLOBAL
from pyskopeo.cli.flags import parse
from pyskopeo.cli.signature_flags import SIGNATURE_CHECKS, read_signature_checks
from pyskopeo.errors import InvalidInput

CERTIFICATE = ("--certificate-identity=a@example.com", "--certificate-oidc-issuer=https://i", "--trusted-root=/r")


def read(*words: str) -> SignatureTrust | None:
    return read_signature_checks(parse(words, (*SIGNATURE_CHECKS, *GLOBAL))[0])


def test_nothing_is_checked_unasked() -> None:
    assert read() is None
    assert read("--insecure-policy") is None


@pytest.mark.parametrize("words", [["--policy=/p"], ["--require-signed"], ["--policy=/p", "--signatures-only"]])
def test_a_policy(words: list[str]) -> None:
    found = read(*words)
    assert found == SignatureTrust()
    assert not found.is_given


def test_keys_and_certificates() -> None:
    found = read("--key=/a", "--key", "/b,c", "--signed-as=example.com/a")
    assert found == SignatureTrust((Path("/a"), Path("/b,c")), signed_as="example.com/a")
    assert found.is_given
    found = read(*CERTIFICATE)
    assert found == SignatureTrust((), "a@example.com", "https://i", Path("/r"))
    assert found.is_given


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--key=/a", "--policy=/p"], "--key and --policy exclude each other"),
        ([*CERTIFICATE, "--require-signed"], "--certificate-identity and --require-signed exclude each other"),
        (["--signatures-only"], "--signatures-only needs --policy, --key or --certificate-identity"),
        (["--key=/a", *CERTIFICATE], "--key and --certificate-identity exclude each other"),
        (CERTIFICATE[:1], "are needed together"),
        (CERTIFICATE[:2], "are needed together"),
        (CERTIFICATE[1:], "are needed together"),
        (["--trusted-root=/r", "--key=/a"], "are needed together"),
        (["--signed-as=example.com/a"], "--signed-as goes with --key or --certificate-identity"),
        (["--signed-as=example.com/a:1", "--key=/a"], "want HOST/REPOSITORY, without a tag or digest"),
        (["--signed-as=EXAMPLE.com/A", "--key=/a"], "EXAMPLE.com/A"),
    ],
)
def test_what_does_not_go_together(words: list[str], said: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(said)):
        read(*words)
