"""Keys on the command line: skopeo's syntax, one line for what is wrong, and no secret in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyskopeo.cli.encryption_flags import ENCRYPTION, with_encryption
from pyskopeo.cli.flags import parse
from pyskopeo.engine.plan import Form
from pyskopeo.errors import InvalidInput
from tests.support.keys import private_key, private_pem, write_keys

SECRET = "opensesame"


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_keys(tmp_path, "RSA")
    write_keys(tmp_path, "P-256")
    (tmp_path / "locked.pem").write_bytes(private_pem("RSA", passphrase=SECRET))
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "wrong").write_text("xyzzy")
    (tmp_path / "junk").write_text("junk")
    (tmp_path / "huge").write_bytes(b"x" * (1024 * 1024 + 1))


def read(*words: str) -> Form:
    parsed, _ = parse(words, ENCRYPTION)
    return with_encryption(Form(), parsed)


def test_recipients_and_layers() -> None:
    form = read("--encryption-key=jwe:RSA-0.pub,jwe:P-256-0.pub", "--encryption-key", "jwe:RSA-0.pub", "--encrypt-layer=0,-1", "--encrypt-layer=2")
    assert form.encryption is not None
    assert (len(form.encryption.recipients), form.encryption.layers) == (3, (0, -1, 2))
    assert read() == Form()


def test_passphrases() -> None:
    reader, writer = os.pipe()
    os.write(writer, SECRET.encode())
    os.close(writer)
    for end in (f":{SECRET}", f":pass={SECRET}", ":file=secret", f":fd={reader}"):
        form = read(f"--decryption-key=locked.pem{end}", "--decryption-key=P-256-0.pem")
        assert form.decryption is not None
        assert form.decryption.keys[0].private_numbers() == private_key("RSA").private_numbers()
        assert len(form.decryption.keys) == 2
        assert SECRET not in repr(form)
    os.close(reader)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--encryption-key=jwe:RSA-0.pub", "--decryption-key=RSA-0.pem"],
         "--encryption-key and --decryption-key cannot be specified together"),
        (["--encrypt-layer=0"], "--encrypt-layer can only be used with --encryption-key"),
        (["--encryption-key=jwe:RSA-0.pub", "--encrypt-layer=top"], 'invalid argument "top" for "--encrypt-layer" flag: want layer indexes'),
        (["--encryption-key=RSA-0.pub"], "Invalid encryption keys: Invalid recipient format: want jwe: and"),
        (["--encryption-key=jwk:RSA-0.pub"], "Invalid encryption keys: Provided protocol not recognized: want jwe: and"),
        *((([f"--encryption-key={name}:x"]), f"Invalid encryption keys: the protocol {name} is not supported: want jwe")
          for name in ("pgp", "pkcs7", "pkcs11", "provider")),
        *((([f"--decryption-key={name}:{SECRET}"]), f"Invalid decryption keys: the protocol {name} is not supported: want jwe")
          for name in ("pgp", "pkcs7", "pkcs11", "provider")),
        (["--encryption-key=jwe:nowhere"], "Invalid encryption keys: Unable to read file nowhere: No such file or directory"),
        (["--encryption-key=jwe:RSA-0.pem"], "RSA-0.pem: File provided is not a public key, but a private one"),
        (["--encryption-key=jwe:junk"], "Invalid encryption keys: junk: File provided is not a public key"),
        (["--encryption-key=jwe:huge"], "huge is over the limit of 1048576 bytes"),
        (["--encryption-key=" + ",".join(["jwe:RSA-0.pub"] * 129)], "129 are too many: want up to 128"),
        (["--decryption-key=jwe:RSA-0.pem"], "a private key is given without jwe: in front of it"),
        ([f"--decryption-key=nowhere:{SECRET}"], "Invalid decryption keys: Unable to read file nowhere: No such file"),
        (["--decryption-key=RSA-0.pub"], "RSA-0.pub: no private key, but a public one"),
        (["--decryption-key=locked.pem"], "locked.pem: Missing password for encrypted private key"),
        (["--decryption-key=locked.pem:xyzzy"], "locked.pem: Wrong password: could not decrypt private key"),
        (["--decryption-key=locked.pem:file=wrong"], "Wrong password"),
        (["--decryption-key=locked.pem:file=nowhere"], "Unable to read file nowhere"),
        (["--decryption-key=locked.pem:fd=xyzzy"], "could not parse file descriptor: want fd= and a number"),
        (["--decryption-key=locked.pem:fd=987654"], "could not read from file descriptor: Bad file descriptor"),
    ],
)  # fmt: skip
def test_what_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(*words)
    said = str(caught.value)
    assert message in said
    assert "\n" not in said
    assert SECRET not in said
    assert "xyzzy" not in said
