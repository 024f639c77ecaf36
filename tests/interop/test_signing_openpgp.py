"""``--sign-by`` and ``--sign-by-sq-fingerprint`` beside the real skopeo: alone, and together with a key of sigstore."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.gnupg import Gnupg
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.sequoia import Sequoia
from tests.support.sigstore_keys import write_sigstore_key

from .programs import PROGRAMS, Program, copied, exact_repository, real_skopeo, refused, signed_by, write_policy

pytestmark = [pytest.mark.peer("skopeo"), pytest.mark.peer("gpg")]
NAME = "example.com/team/app:1"
IDENTITY = exact_repository("example.com/team/app")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_dir(build("oci"), tmp_path / "source")


def accepted_by_skopeo(signed: Path, keys: Gnupg, user: str, folder: Path) -> None:
    required = signed_by(keys.public_key(user), signedIdentity=IDENTITY)
    policy = write_policy(folder / "policy.json", {"default": [required]})
    copied(real_skopeo, f"dir:{signed}", f"dir:{folder}/checked", policy=policy)


@pytest.mark.parametrize("user", ["alice@example.com", "locked@example.com"])
def test_a_key_of_the_keyring(user: str, program: Program, keys: Gnupg, source: Path, tmp_path: Path) -> None:
    flags = [f"--sign-by={user}", f"--sign-identity={NAME}"]
    if user.startswith("locked"):
        flags.append(f"--sign-passphrase-file={keys.passphrase_file('opensesame')}")
    copied(program, *flags, f"dir:{source}", f"dir:{tmp_path}/signed")
    accepted_by_skopeo(tmp_path / "signed", keys, user, tmp_path)


def test_with_a_key_of_sigstore(program: Program, keys: Gnupg, source: Path, tmp_path: Path) -> None:
    sigstore = write_sigstore_key(tmp_path)
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text(f"privateKeyFile: {sigstore.private}\nprivateKeyPassphraseFile: {sigstore.passphrase}\n")
    flags = ("--sign-by=alice@example.com", f"--sign-by-sigstore={parameters}", f"--sign-identity={NAME}")
    copied(program, *flags, f"dir:{source}", f"dir:{tmp_path}/signed")
    first, second = ((tmp_path / f"signed/signature-{number}").read_bytes()[:1] for number in (1, 2))
    assert (first, second[0] & 0x80) == (b"\0", 0x80)
    accepted_by_skopeo(tmp_path / "signed", keys, "alice@example.com", tmp_path)


def test_what_both_refuse(keys: Gnupg, source: Path, tmp_path: Path) -> None:
    sigstore = write_sigstore_key(tmp_path)
    named, wrong = f"--sign-identity={NAME}", keys.passphrase_file("wrong")
    both = ("--sign-by=alice@example.com", f"--sign-by-sigstore-private-key={sigstore.private}")
    one_only = "Only one of --sign-by, --sign-by-sq-fingerprint and --sign-by-sigstore-private-key can be used with"
    for words, said in (
        (("--sign-by=nobody@example.com", named), "nobody@example.com"),
        (("--sign-by=locked@example.com", f"--sign-passphrase-file={wrong}", named), "Bad passphrase"),
        ((*both, f"--sign-passphrase-file={wrong}", named), one_only),
        ((*both, named), "Cannot prompt for a passphrase for key"),
    ):
        for name, program in PROGRAMS.items():
            keys.forget_passphrases()
            message = refused(program, *words, f"dir:{source}", f"dir:{tmp_path}/{name}")
            assert said in message or (name == "skopeo" and "nobody" in said)
    assert not (tmp_path / "pyskopeo").exists()


@pytest.mark.peer("sq")
def test_a_key_of_sequoia(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's skopeo is built without the library that this flag needs, so it only checks what we sign."""
    with Sequoia() as sequoia:
        for name in ("SEQUOIA_HOME", "PATH"):
            monkeypatch.setenv(name, sequoia.environ[name])
        key = sequoia.create("dora", passphrase="open sesame")
        (tmp_path / "pass").write_text("open sesame\n")
        (tmp_path / "dora.asc").write_bytes(sequoia.public_key(key))
        flags = (f"--sign-by-sq-fingerprint={key}", f"--sign-passphrase-file={tmp_path}/pass", f"--sign-identity={NAME}")
        copied(PROGRAMS["pyskopeo"], *flags, f"dir:{source}", f"dir:{tmp_path}/signed")
    policy = write_policy(tmp_path / "policy.json", {"default": [signed_by(tmp_path / "dora.asc", signedIdentity=IDENTITY)]})
    for checking in PROGRAMS.values():
        copied(checking, f"dir:{tmp_path}/signed", f"dir:{tmp_path}/checked", policy=policy)
