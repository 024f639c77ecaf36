"""The flags for signing: which signers they become, in which order, and with which passphrases."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from pyskopeo.access import Access
from pyskopeo.cli.flags import UsageError, parse
from pyskopeo.cli.signing_flags import SIGN_IDENTITY, SIGNING, SigningOptions
from pyskopeo.errors import InvalidInput, InvalidName, StorageFailed
from tests.support.terminal import Terminal

ACCESS = Access.from_environ({})
FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"


def options(*words: object, dry_run: bool = False) -> SigningOptions:
    parsed, _ = parse(list(map(str, words)), (*SIGNING, SIGN_IDENTITY))
    return SigningOptions.of(parsed, dry_run=dry_run)


def called(found: SigningOptions) -> list[str]:
    return [signer.called for signer in found.signers(ACCESS)]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "pass"
    path.write_text("secret\nmore\n")
    return path


@pytest.fixture
def parameters(tmp_path: Path, secret: Path) -> Path:
    path = tmp_path / "parameters.yaml"
    path.write_text(f"privateKeyFile: other.key\nprivateKeyPassphraseFile: {secret}\n")
    return path


def test_none() -> None:
    found = options()
    assert (called(found), found.identity) == ([], None)


def test_the_order_is_that_of_skopeo(parameters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: {"Passphrase for key my.key: ": "typed"}[prompt])
    found = options(
        "--sign-by-sigstore-private-key=my.key", "--sign-by=alice", f"--sign-by-sq-fingerprint={FINGERPRINT}",
        f"--sign-by-sigstore={parameters}",
    )  # fmt: skip
    assert called(found) == ["other.key", f"Sequoia key {FINGERPRINT}", "GPG key alice", "my.key"]
    assert (found.passphrase, found.parameters_passphrase) == (b"typed", b"secret")
    assert "typed" not in repr(found)


@pytest.mark.parametrize("flag", ["--sign-by=a", f"--sign-by-sq-fingerprint={FINGERPRINT}", "--sign-by-sigstore-private-key=a"])
def test_a_passphrase_file_is_for_one_key(flag: str, secret: Path, parameters: Path) -> None:
    assert options(flag, f"--sign-passphrase-file={secret}").passphrase == b"secret"
    # That of the parameters has its own.
    assert len(called(options(flag, f"--sign-by-sigstore={parameters}", f"--sign-passphrase-file={secret}"))) == 2
    other = "--sign-by=b" if "sign-by=" not in flag else "--sign-by-sigstore-private-key=b"
    with pytest.raises(UsageError) as refused:
        options(flag, other, f"--sign-passphrase-file={secret}")
    assert str(refused.value) == (
        "Only one of --sign-by, --sign-by-sq-fingerprint and --sign-by-sigstore-private-key can be used with "
        "--sign-passphrase-file"
    )


def test_no_terminal(parameters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("secret"))
    for words, instead in (
        (["--sign-by-sigstore-private-key=a"], "use --sign-passphrase-file"),
        ([f"--sign-by-sigstore={parameters}"], f"set privateKeyPassphraseFile in {parameters}"),
    ):
        parameters.write_text("privateKeyFile: a")
        with pytest.raises(InvalidInput, match="Cannot prompt for a passphrase for key a, standard input is not a TTY") as refused:
            options(*words)
        assert str(refused.value).endswith(instead)
    # gpg and sq ask, or not, by themselves.
    assert options("--sign-by=a").passphrase is None


def test_a_dry_run_needs_no_passphrase(tmp_path: Path, parameters: Path) -> None:
    parameters.write_text("privateKeyFile: other.key")
    words = (f"--sign-by-sigstore={parameters}", f"--sign-passphrase-file={tmp_path}/none", "--sign-by-sigstore-private-key=a")
    assert called(options(*words, dry_run=True)) == ["other.key", "a"]
    with pytest.raises(StorageFailed):
        options(*words)


@pytest.mark.parametrize("text", ["example.com/a:1", "docker.io/library/alpine:3", "localhost:5000/a@sha256:" + "0" * 64])
def test_identities_in_full(text: str) -> None:
    assert str(options(f"--sign-identity={text}").identity) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("alpine:3", "repository name must be canonical: want docker.io/library/alpine:3"),
        ("team/app:3", "repository name must be canonical: want docker.io/team/app:3"),
        ("example.com/App:3", "invalid reference format: repository name must be lowercase"),
        ("example.com/app:", "invalid reference format: invalid tag ''"),
    ],
)
def test_other_identities(text: str, reason: str) -> None:
    with pytest.raises(InvalidName) as refused:
        options(f"--sign-identity={text}")
    assert str(refused.value) == f"Could not parse --sign-identity: {reason}"
