"""Signing for sigstore beside the real skopeo: what it signs we accept, what we sign it accepts, by every kind of key.

The certificate authority, the log and the issuer of tokens are our own, on loopback; both programs use the same ones.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.config.policy_identities import parse_identity
from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.model.signature import Signature
from pyskopeo.signatures.sigstore_signing import verify
from pyskopeo.signatures.sigstore_trust import FulcioTrust, SigstoreTrust
from pyskopeo.signatures.verdict import SignedImage
from tests.support.cli import succeed
from tests.support.images import build
from tests.support.keys import write_keys
from tests.support.outputs import write_dir
from tests.support.sigstore_authority import EMAIL
from tests.support.sigstore_keys import KINDS, PASSPHRASE, write_sigstore_key
from tests.support.sigstore_services import CLIENT, SigstoreServices

from .programs import PROGRAMS, copied, real_skopeo, refused, write_policy

pytestmark = pytest.mark.peer("skopeo")
NAME = "example.com/team/app:1"
IDENTITY = {"type": "exactReference", "dockerReference": NAME}
BOTH = pytest.mark.parametrize("program", PROGRAMS)


@pytest.fixture
def services() -> Iterator[SigstoreServices]:
    with SigstoreServices() as running:
        yield running


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_dir(build("oci"), tmp_path / "source")


def check(signed: Path, trust: SigstoreTrust, folder: Path, *, accepted: bool = True) -> None:
    """Both programs accept the last signature of an image, or both refuse it."""
    *_, last = sorted(signed.glob("signature-*"))
    signature = Signature.parse(last.read_bytes(), last.name)
    identity = parse_identity(IDENTITY, "identity")
    image = SignedImage((signed / "manifest.json").read_bytes(), f"dir:{signed}")
    verdict = verify(signature, image, trust, identity, datetime.now(UTC))
    assert verdict.accepted is accepted, verdict.reason
    policy = write_policy(folder / "policy.json", {"default": [requirement(trust)]})
    if accepted:
        copied(real_skopeo, f"dir:{signed}", f"dir:{folder}/checked", policy=policy)
    else:
        assert "Source image rejected" in refused(real_skopeo, f"dir:{signed}", f"dir:{folder}/checked", policy=policy)


def requirement(trust: SigstoreTrust) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "sigstoreSigned", "signedIdentity": IDENTITY}
    if trust.keys:
        found["keyDatas"] = [base64.b64encode(key.content).decode() for key in trust.keys]
    if trust.fulcio:
        found["fulcio"] = {
            "caData": base64.b64encode(trust.fulcio.ca.content).decode(),
            "oidcIssuer": trust.fulcio.oidc_issuer, "subjectEmail": trust.fulcio.subject_email,
        }  # fmt: skip
    if trust.rekor_keys:
        found["rekorPublicKeyDatas"] = [base64.b64encode(key.content).decode() for key in trust.rekor_keys]
    return found


def trusted_key(path: Path, *rekor_keys: bytes) -> SigstoreTrust:
    return SigstoreTrust(
        keys=(KeyFile(path.read_bytes(), path.name),), rekor_keys=tuple(KeyFile(key, "rekor") for key in rekor_keys)
    )


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_with_a_private_key(program: str, kind: str, source: Path, tmp_path: Path) -> None:
    keys = write_sigstore_key(tmp_path, kind)
    flags = (f"--sign-by-sigstore-private-key={keys.private}", f"--sign-passphrase-file={keys.passphrase}")
    signed = tmp_path / "signed"
    copied(PROGRAMS[program], *flags, f"--sign-identity={NAME}", f"dir:{source}", f"dir:{signed}")
    check(signed, trusted_key(keys.public), tmp_path)
    other = write_sigstore_key(tmp_path, kind, 1)
    check(signed, trusted_key(other.public), tmp_path, accepted=False)


@BOTH
def test_with_a_private_key_and_a_log(program: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    keys = write_sigstore_key(tmp_path)
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text(f"privateKeyFile: {keys.private}\nprivateKeyPassphraseFile: {keys.passphrase}\nrekorURL: {services.url}\n")
    signed = tmp_path / "signed"
    copied(PROGRAMS[program], f"--sign-by-sigstore={parameters}", f"--sign-identity={NAME}", f"dir:{source}", f"dir:{signed}")
    assert services.log == ["POST /api/v1/log/entries"]
    check(signed, trusted_key(keys.public, services.log_of_signatures.public_pem), tmp_path)
    with SigstoreServices() as others:
        check(signed, trusted_key(keys.public, others.log_of_signatures.public_pem), tmp_path, accepted=False)


@BOTH
def test_with_a_certificate(program: str, services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    parameters = tmp_path / "parameters.yaml"
    fulcio = {"fulcioURL": services.url, "oidcMode": "staticToken", "oidcIDToken": services.token()}
    parameters.write_text(json.dumps({"fulcio": fulcio, "rekorURL": services.url}))
    signed = tmp_path / "signed"
    copied(PROGRAMS[program], f"--sign-by-sigstore={parameters}", f"--sign-identity={NAME}", f"dir:{source}", f"dir:{signed}")
    assert services.log == ["POST /api/v1/signingCert", "POST /api/v1/log/entries"]
    log = KeyFile(services.log_of_signatures.public_pem, "rekor")
    for email, accepted in ((EMAIL, True), ("other@example.com", False)):
        fulcio_trust = FulcioTrust(KeyFile(services.authority.root_pem, "ca"), services.url, email)
        check(signed, SigstoreTrust(fulcio=fulcio_trust, rekor_keys=(log,)), tmp_path, accepted=accepted)


@BOTH
def test_with_a_certificate_for_a_user_who_agrees_elsewhere(
    program: str, services: SigstoreServices, source: Path, tmp_path: Path
) -> None:
    parameters = tmp_path / "parameters.yaml"
    fulcio = {"fulcioURL": services.url, "oidcMode": "deviceGrant", "oidcIssuerURL": services.url, "oidcClientID": CLIENT}
    parameters.write_text(json.dumps({"fulcio": fulcio, "rekorURL": services.url}))
    # Not with -q, with which skopeo has nobody to tell.
    done = succeed(PROGRAMS[program](
        "--insecure-policy", "copy", f"--sign-by-sigstore={parameters}", f"--sign-identity={NAME}", f"dir:{source}", f"dir:{tmp_path}/signed",
    ))  # fmt: skip
    assert "Enter the verification code ABCD-EFGH in your browser at: " in done.stdout.decode() + done.stderr
    fulcio_trust = FulcioTrust(KeyFile(services.authority.root_pem, "ca"), services.url, EMAIL)
    log = KeyFile(services.log_of_signatures.public_pem, "rekor")
    check(tmp_path / "signed", SigstoreTrust(fulcio=fulcio_trust, rekor_keys=(log,)), tmp_path)


@BOTH
def test_several_signers_sign_after_those_that_are_copied(
    program: str, services: SigstoreServices, source: Path, tmp_path: Path
) -> None:
    keys, other = write_sigstore_key(tmp_path), write_sigstore_key(tmp_path, "RSA")
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text(f"privateKeyFile: {other.private}\nprivateKeyPassphraseFile: {other.passphrase}\n")
    by_key = (f"--sign-by-sigstore-private-key={keys.private}", f"--sign-passphrase-file={keys.passphrase}")
    copied(PROGRAMS[program], *by_key, f"--sign-identity={NAME}", f"dir:{source}", f"dir:{tmp_path}/once")
    old = (tmp_path / "once/signature-1").read_bytes()
    flags = (*by_key, f"--sign-by-sigstore={parameters}", f"--sign-identity={NAME}")
    copied(PROGRAMS[program], *flags, f"dir:{tmp_path}/once", f"dir:{tmp_path}/again")
    assert sorted(path.name for path in (tmp_path / "again").glob("signature-*")) == ["signature-1", "signature-2", "signature-3"]
    assert (tmp_path / "again/signature-1").read_bytes() == old
    check(tmp_path / "again", trusted_key(keys.public), tmp_path)
    (tmp_path / "again/signature-3").unlink()
    check(tmp_path / "again", trusted_key(other.public), tmp_path)


@BOTH
def test_every_image_of_a_list_is_signed_and_the_list(program: str, tmp_path: Path) -> None:
    image = build("oci-index")
    source, keys = write_dir(image, tmp_path / "source"), write_sigstore_key(tmp_path)
    flags = (f"--sign-by-sigstore-private-key={keys.private}", f"--sign-passphrase-file={keys.passphrase}")
    signed = tmp_path / "signed"
    copied(PROGRAMS[program], "--all", *flags, f"--sign-identity={NAME}", f"dir:{source}", f"dir:{signed}")
    found = {path.name: Signature.parse(path.read_bytes(), path.name) for path in signed.glob("*signature-1")}
    children = [entry["digest"] for entry in json.loads(image.root.raw)["manifests"]]
    digests = {f"{digest.removeprefix('sha256:')}.signature-1": digest for digest in children} | {"signature-1": image.root.digest}
    assert found.keys() == digests.keys()
    for name, signature in found.items():
        critical = json.loads(signature.content)["critical"]
        assert critical["image"]["docker-manifest-digest"] == digests[name]
        assert critical["identity"]["docker-reference"] == NAME
    policy = write_policy(tmp_path / "policy.json", {"default": [requirement(trusted_key(keys.public))]})
    copied(real_skopeo, "--all", f"dir:{signed}", f"dir:{tmp_path}/checked", policy=policy)


def test_command_lines_that_both_refuse(services: SigstoreServices, source: Path, tmp_path: Path) -> None:
    keys = write_sigstore_key(tmp_path)
    (tmp_path / "wrong").write_text("x" + PASSPHRASE)
    (tmp_path / "empty.yaml").write_text("{}")
    (tmp_path / "unknown.yaml").write_text("privateKey: x")
    (tmp_path / "token.yaml").write_text(
        json.dumps({"fulcio": {"fulcioURL": services.url, "oidcMode": "staticToken", "oidcIDToken": "x"}})
    )
    by_key, passphrase = f"--sign-by-sigstore-private-key={keys.private}", f"--sign-passphrase-file={keys.passphrase}"
    named = f"--sign-identity={NAME}"
    for words, said in (
        ((by_key, named), "Cannot prompt for a passphrase for key"),
        ((by_key, f"--sign-passphrase-file={tmp_path}/wrong", named), "initializing private key: decrypt: encrypted: decryption failed"),
        ((by_key, f"--sign-passphrase-file={tmp_path}/none", named), "/none: no such file or directory"),
        ((by_key.replace(".private", ".pub"), passphrase, named), "initializing private key: unsupported pem type: PUBLIC KEY"),
        ((by_key.replace(".private", ".none"), passphrase, named), "reading private key from"),
        ((by_key, passphrase), "Cannot determine canonical Docker reference for destination"),
        ((by_key, passphrase, "--sign-identity=team/app:1"), "Could not parse --sign-identity: repository name must be canonical"),
        ((by_key, passphrase, "--sign-identity=example.com/app"), "Sign identity must be a fully specified reference example.com/app"),
        ((f"--sign-by-sigstore={tmp_path}/none.yaml", named), "none.yaml: no such file or directory"),
        ((f"--sign-by-sigstore={tmp_path}/empty.yaml", named), "no private key source provided (neither a private key nor Fulcio)"),
        ((f"--sign-by-sigstore={tmp_path}/unknown.yaml", named), "field privateKey not found"),
        ((f"--sign-by-sigstore={tmp_path}/token.yaml", named), "parsing OIDC token: "),
    ):
        for program in PROGRAMS.values():
            assert said in refused(program, *words, f"dir:{source}", f"dir:{tmp_path}/new")
    # skopeo has copied the image by then; we have not begun.
    refused(PROGRAMS["pyskopeo"], by_key, passphrase, f"dir:{source}", f"dir:{tmp_path}/begun")
    assert not (tmp_path / "begun").exists()
    assert services.log == []


def test_destinations_that_store_no_signatures(source: Path, tmp_path: Path) -> None:
    keys = write_sigstore_key(tmp_path)
    flags = (f"--sign-by-sigstore-private-key={keys.private}", f"--sign-passphrase-file={keys.passphrase}", f"--sign-identity={NAME}")
    for destination, said in (
        ("oci:{}/layout:x", "writing signatures: Pushing signatures for OCI images is not supported"),
        ("oci-archive:{}/layout.tar:x", "writing signatures: Pushing signatures for OCI images is not supported"),
        ("docker-archive:{}/archive.tar:a:b", "writing signatures: Storing signatures for docker tar files is not supported"),
    ):
        for program in PROGRAMS.values():
            assert said in refused(program, *flags, f"dir:{source}", destination.format(tmp_path))


def test_without_signers_a_passphrase_is_of_no_use(source: Path, tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("x")
    for name, program in PROGRAMS.items():
        succeed(program("--insecure-policy", "copy", f"--sign-passphrase-file={tmp_path}/pass", f"dir:{source}", f"dir:{tmp_path}/{name}"))
        assert not list((tmp_path / name).glob("signature-*"))


@pytest.mark.parametrize(
    "flags",
    [
        ("--format=v2s2",),
        ("--dest-compress-format=zstd", "--dest-compress"),
        ("--dest-decompress",),
        ("--format=v2s1",),
        ("--encryption-key",),
    ],
    ids=" ".join,
)
def test_what_is_signed_is_what_is_written(flags: tuple[str, ...], tmp_path: Path) -> None:
    """Digests of layers that change on the way are known at the end only."""
    source = write_dir(build("docker" if "v2s1" in flags[0] else "oci"), tmp_path / "source")
    keys = write_sigstore_key(tmp_path)
    if flags == ("--encryption-key",):
        flags = (f"--encryption-key=jwe:{write_keys(tmp_path, 'RSA')[0]}",)
    by_key = (f"--sign-by-sigstore-private-key={keys.private}", f"--sign-passphrase-file={keys.passphrase}", f"--sign-identity={NAME}")
    signed = tmp_path / "signed"
    copied(PROGRAMS["pyskopeo"], *flags, *by_key, f"dir:{source}", f"dir:{signed}")
    assert (signed / "manifest.json").read_bytes() != (source / "manifest.json").read_bytes()
    check(signed, trusted_key(keys.public), tmp_path)
