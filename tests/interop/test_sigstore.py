"""Signatures of sigstore beside the real skopeo: what it accepts we accept, what it refuses we refuse.

Signatures of our own authority and log, in ``dir:`` images, and those that skopeo makes.
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.config.policy_identities import parse_identity
from pyskopeo.config.policy_keys import KeyFile
from pyskopeo.model.signature import Signature
from pyskopeo.signatures.sigstore_signing import verify
from pyskopeo.signatures.sigstore_trust import SigstoreTrust
from pyskopeo.signatures.verdict import SignedImage, Verdict
from tests.support.cli import pyskopeo_here
from tests.support.commands import skopeo
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.require import require_peer
from tests.support.sigstore_authority import new_key, public_pem
from tests.support.sigstore_cases import IDENTITY, Case, all_cases
from tests.support.sigstore_signatures import REFERENCE, requirement

pytestmark = pytest.mark.peer("skopeo")


def theirs(directory: Path, required: dict[str, Any], folder: Path) -> str:
    """What skopeo says of copying an image that has to be signed: its error, or nothing."""
    policy = folder / "policy.json"
    policy.write_text(json.dumps({"default": [required]}))
    command = [require_peer("skopeo"), "--policy", str(policy), "copy", f"dir:{directory}", f"dir:{folder}/out"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=os.environ, stdin=subprocess.DEVNULL)
    return "" if done.returncode == 0 else done.stderr.decode().strip().splitlines()[-1]


def ours(signature: Signature, manifest: bytes, trust: SigstoreTrust, identity: object) -> Verdict:
    return verify(signature, SignedImage(manifest, "dir:image"), trust, parse_identity(identity, "identity"), datetime.now(UTC))


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_the_same_verdict_as_skopeo(case: Case, tmp_path: Path) -> None:
    directory = write_dir(build("oci"), tmp_path / "image")
    (directory / "signature-1").write_bytes(case.signature.to_bytes())
    said = theirs(directory, requirement(case.trust, IDENTITY), tmp_path)
    assert (said == "") == case.skopeo, said
    # A policy with what is newer than skopeo 1.22 is refused as a whole.
    assert case.skopeo or ("Source image rejected" in said) == ("build signer" not in case.name), said
    done = pyskopeo_here("--policy", tmp_path / "policy.json", "copy", "-q", f"dir:{directory}", f"dir:{tmp_path}/ours")
    assert (done.code == 0) == case.accepted, done.stderr
    if not case.accepted:
        assert json.loads(done.lines[-1].partition("msg=")[2]).startswith("Source image rejected: ")


@pytest.fixture(scope="module")
def made_by_skopeo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key pair and an image signed with it, both by skopeo."""
    folder = tmp_path_factory.mktemp("skopeo")
    (folder / "passphrase").write_text("secret\n")
    passphrase = f"{folder}/passphrase"
    assert skopeo("generate-sigstore-key", f"--output-prefix={folder}/key", f"--passphrase-file={passphrase}").code == 0
    source = write_dir(build("oci"), folder / "source")
    flags = [f"--sign-by-sigstore-private-key={folder}/key.private", f"--sign-passphrase-file={passphrase}", f"--sign-identity={REFERENCE}"]
    done = skopeo("copy", *flags, f"dir:{source}", f"dir:{folder}/signed")
    assert done.code == 0, done.stderr
    return folder


def test_what_skopeo_signs(made_by_skopeo: Path, tmp_path: Path) -> None:
    signed = made_by_skopeo / "signed"
    signature = Signature.parse((signed / "signature-1").read_bytes(), "signature-1")
    manifest = (signed / "manifest.json").read_bytes()
    trust = SigstoreTrust(keys=(KeyFile((made_by_skopeo / "key.pub").read_bytes(), "key.pub"),))
    assert theirs(signed, requirement(trust, IDENTITY), tmp_path) == ""
    verdict = ours(signature, manifest, trust, IDENTITY)
    assert (verdict.accepted, verdict.reason, verdict.signer, verdict.identity) == (True, "", "key.pub", REFERENCE)
    assert signature.to_bytes() == (signed / "signature-1").read_bytes()


@pytest.mark.parametrize(
    ("identity", "accepted"),
    [
        (IDENTITY, True),
        ({"type": "exactRepository", "dockerRepository": REFERENCE.partition(":")[0]}, True),
        ({"type": "exactRepository", "dockerRepository": "registry.example/other"}, False),
        ({"type": "matchRepository"}, False),  # a directory has no name
    ],
)
def test_identities(identity: dict[str, str], accepted: bool, made_by_skopeo: Path, tmp_path: Path) -> None:
    signed = made_by_skopeo / "signed"
    signature = Signature.parse((signed / "signature-1").read_bytes(), "signature-1")
    trust = SigstoreTrust(keys=(KeyFile((made_by_skopeo / "key.pub").read_bytes(), "key.pub"),))
    assert (theirs(signed, requirement(trust, identity), tmp_path) == "") is accepted
    assert ours(signature, (signed / "manifest.json").read_bytes(), trust, identity).accepted is accepted


def test_another_key(made_by_skopeo: Path, tmp_path: Path) -> None:
    signed = made_by_skopeo / "signed"
    signature = Signature.parse((signed / "signature-1").read_bytes(), "signature-1")
    trust = SigstoreTrust(keys=(KeyFile(public_pem(new_key()), "other.pub"),))
    assert "cryptographic signature verification failed" in theirs(signed, requirement(trust, IDENTITY), tmp_path)
    verdict = ours(signature, (signed / "manifest.json").read_bytes(), trust, IDENTITY)
    assert "cryptographic signature verification failed: the signature is not by other.pub" in verdict.reason
    assert (verdict.signer, verdict.identity) == ("", REFERENCE)
