"""``generate-sigstore-key``: two files or none, a passphrase from a file or the terminal, and nothing is replaced.

And ``copy`` with such a key, whose passphrase is entered.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pyskopeo.signing.sigstore_keys import decrypt_private_key, generate_key_pair, public_key_pem
from tests.support.cli import fatal, succeed
from tests.support.commands import PYSKOPEO, environment, pyskopeo
from tests.support.images import build
from tests.support.outputs import write_dir


def check(folder: Path, passphrase: bytes) -> None:
    """The files in a folder are one key, and no more."""
    assert {"key.private", "key.pub"} == {name for name in os.listdir(folder) if name.startswith(("key", "."))}
    private, public = folder / "key.private", folder / "key.pub"
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o777 == 0o644
    assert public_key_pem(decrypt_private_key(private.read_bytes(), passphrase, "key.private")) == public.read_bytes()


@pytest.mark.parametrize("content", ["secret", "secret\nanother line\n", "\nempty"])
def test_with_a_passphrase_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "pass").write_text(content)
    done = succeed(pyskopeo("generate-sigstore-key", "--output-prefix", "key", "--passphrase-file", "pass", cwd=tmp_path))
    assert done.stdout == b'Key written to "key.private" and "key.pub"\n'
    check(tmp_path, content.partition("\n")[0].encode())


def on_a_terminal(answer: bytes, folder: Path, *words: object) -> tuple[int, bytes]:
    """Run a command that asks for the passphrase of ``key.private``; return its exit code and what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PYSKOPEO, *map(str, words or ("generate-sigstore-key", "--output-prefix", "key"))],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment(), cwd=folder, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
            if shown == b"Passphrase for key key.private: ":
                os.write(ours, answer)
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(timeout=30), shown


def test_with_a_prompt(tmp_path: Path) -> None:
    code, shown = on_a_terminal(b"opensesame\n", tmp_path)
    assert code == 0, shown
    assert shown.split() == b'Passphrase for key key.private: Key written to "key.private" and "key.pub"'.split()
    check(tmp_path, b"opensesame")


@pytest.mark.parametrize("answer", [b"opensesame\n", b"closesesame\n"])
def test_a_copy_asks_for_the_passphrase(answer: bytes, tmp_path: Path) -> None:
    (tmp_path / "key.private").write_bytes(generate_key_pair(b"opensesame").private)
    source = write_dir(build("oci"), tmp_path / "source")
    flags = ("--sign-by-sigstore-private-key=key.private", "--sign-identity=example.com/a:1")
    code, shown = on_a_terminal(answer, tmp_path, "copy", "-q", *flags, f"dir:{source}", f"dir:{tmp_path}/signed")
    assert shown.startswith(b"Passphrase for key key.private: ")
    assert answer.strip() not in shown
    if answer.startswith(b"close"):
        assert code == 1
        assert b"decryption failed: the passphrase of key.private is wrong, or the file is damaged" in shown
        assert not (tmp_path / "signed").exists()
    else:
        assert code == 0, shown
        assert (tmp_path / "signed/signature-1").exists()


def test_an_end_in_place_of_an_answer(tmp_path: Path) -> None:
    code, shown = on_a_terminal(b"\x04", tmp_path)
    assert code == 1
    assert b"Error reading password: EOF" in shown
    assert os.listdir(tmp_path) == []


def test_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("secret")
    (tmp_path / "old.pub").write_text("mine")
    (tmp_path / "other.private").write_text("mine")
    for words, message in (
        ((), "Usage: generate-sigstore-key --output-prefix PREFIX"),
        (("--output-prefix", "old", "--passphrase-file", "pass"), 'Refusing to overwrite existing "old.pub"'),
        (("--output-prefix", "other", "--passphrase-file", "pass"), 'Refusing to overwrite existing "other.private"'),
        (("--output-prefix", "new", "--passphrase-file", "none"), "open none: no such file or directory"),
        (("--output-prefix", "none/new", "--passphrase-file", "pass"),
         'Error writing private key to "none/new.private": no such file or directory'),
        (("--output-prefix", "new"),
         "Cannot prompt for a passphrase for key new.private, standard input is not a TTY: use --passphrase-file"),
    ):  # fmt: skip
        assert fatal(pyskopeo("generate-sigstore-key", *words, cwd=tmp_path)) == message
    assert sorted(os.listdir(tmp_path)) == ["old.pub", "other.private", "pass"]
    assert (tmp_path / "old.pub").read_text() == (tmp_path / "other.private").read_text() == "mine"


def test_no_half_of_a_key_is_left(tmp_path: Path) -> None:
    """The public key cannot be written, after the private one was."""
    (tmp_path / "pass").write_text("secret")
    spoiled = (
        "import pyskopeo.storage.new_files as module; create = module.create_file\n"
        "def failing(path, *rest):\n"
        "    if path.suffix == '.pub': raise OSError(28, 'No space left on device', str(path))\n"
        "    create(path, *rest)\n"
        "module.create_file = failing\n"
        "from pyskopeo.cli.main import run; run()"
    )
    words = ["generate-sigstore-key", "--output-prefix", "key", "--passphrase-file", "pass"]
    done = subprocess.run(
        [sys.executable, "-c", spoiled, *words], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no space left on device" in done.stderr
    assert os.listdir(tmp_path) == ["pass"]
