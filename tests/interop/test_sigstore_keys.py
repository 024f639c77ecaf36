"""The real skopeo signs with our keys of sigstore, and we read its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyskopeo.signing.sigstore_keys import decrypt_private_key, public_key_pem
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.require import require_peer
from tests.support.sigstore_keys import KINDS, PASSPHRASE, KeyFiles, write_sigstore_key

pytestmark = pytest.mark.peer("skopeo")
NAME = "example.com/team/app:1"


def checked_by_skopeo(image: Path, public: Path, folder: Path) -> Done:
    """Copy an image with a policy that wants a signature by a key."""
    import subprocess

    requirement = {"type": "sigstoreSigned", "keyPath": str(public), "signedIdentity": {"type": "exactReference", "dockerReference": NAME}}
    (folder / "policy.json").write_text(json.dumps({"default": [requirement]}))
    words = [require_peer("skopeo"), f"--policy={folder}/policy.json", "copy", f"dir:{image}", f"dir:{folder}/checked"]
    done = subprocess.run(words, capture_output=True, timeout=30, check=False)
    return Done(done.returncode, done.stdout, done.stderr.decode())


def sign_with_skopeo(keys: KeyFiles, folder: Path) -> Done:
    source = write_dir(build("oci"), folder / "source")
    return skopeo(
        "copy", f"--sign-by-sigstore-private-key={keys.private}", f"--sign-passphrase-file={keys.passphrase}",
        f"--sign-identity={NAME}", f"dir:{source}", f"dir:{folder}/signed",
    )  # fmt: skip


def test_a_key_that_we_made(tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path / "key.private", tmp_path / "key.pub", tmp_path / "pass")
    keys.passphrase.write_text("opensesame\nanother line\n")
    words = ("generate-sigstore-key", f"--output-prefix={tmp_path}/key", f"--passphrase-file={keys.passphrase}")
    succeed(pyskopeo_here(*words))
    succeed(sign_with_skopeo(keys, tmp_path))
    succeed(checked_by_skopeo(tmp_path / "signed", keys.public, tmp_path))


def test_a_key_that_skopeo_made(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("opensesame\nanother line\n")
    words = ("generate-sigstore-key", f"--output-prefix={tmp_path}/key", f"--passphrase-file={tmp_path}/pass")
    done = succeed(skopeo(*words))
    key = decrypt_private_key((tmp_path / "key.private").read_bytes(), b"opensesame", "key.private")
    assert public_key_pem(key) == (tmp_path / "key.pub").read_bytes()
    for program in (skopeo, pyskopeo_here):
        assert fatal(program(*words)) == f'Refusing to overwrite existing "{tmp_path}/key.pub"'
    (tmp_path / "key.pub").unlink()
    (tmp_path / "key.private").unlink()
    assert succeed(pyskopeo_here(*words)).stdout == done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_key_that_we_encrypt(kind: str, tmp_path: Path) -> None:
    keys = write_sigstore_key(tmp_path, kind)
    succeed(sign_with_skopeo(keys, tmp_path))
    succeed(checked_by_skopeo(tmp_path / "signed", keys.public, tmp_path))
    keys.passphrase.write_text("x" + PASSPHRASE)
    assert "decrypt: encrypted: decryption failed" in fatal(sign_with_skopeo(keys, tmp_path))
