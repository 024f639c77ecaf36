"""The real gpg with a keyring of its own: keys in every state, and messages that are signed with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from .require import require_peer

DAY = 24 * 60 * 60


class GnuPG:
    """``gpg`` with a home directory that is removed afterwards; its agent ends with it.

    ``at`` is the number of seconds after now at which gpg believes to be, 0 for now.
    """

    def __init__(self) -> None:
        self.program = require_peer("gpg")
        # The path of a socket has up to 107 bytes, so that pytest's directories are too deep.
        self.home = Path(tempfile.mkdtemp(prefix="gpg-"))
        self.environ = {**os.environ, "GNUPGHOME": str(self.home)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_agent()
        shutil.rmtree(self.home, ignore_errors=True)

    def end_agent(self) -> None:
        """End the agent, so that it forgets passphrases."""
        subprocess.run(["gpgconf", "--kill", "all"], env=self.environ, check=False, capture_output=True)

    def run(self, *words: str, given: bytes = b"", passphrase: str = "", at: int = 0) -> bytes:
        """Run gpg without questions; return its standard output."""
        import time

        clock = [f"--faked-system-time={int(time.time()) + at}"] if at else []
        command = [
            self.program, "--batch", "--yes", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", passphrase,
            "--trust-model", "always", *clock, *words,
        ]  # fmt: skip
        done = subprocess.run(command, input=given, capture_output=True, env=self.environ, check=False)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr.decode()}")
        return done.stdout

    def edit(self, key: str, *answers: str, at: int = 0) -> None:
        """Answer the questions of ``--edit-key``, and save."""
        lines = "\n".join((*answers, "save", "")).encode()
        self.run("--no-batch", "--command-fd", "0", "--expert", "--edit-key", key, given=lines, at=at)

    def make_key(
        self, name: str, usage: str = "sign", algorithm: str = "ed25519", expire: str = "never", passphrase: str = "", at: int = 0
    ) -> str:
        """Make a primary key; return its fingerprint."""
        self.run("--quick-generate-key", f"{name} <{name}@example.com>", algorithm, usage, expire, passphrase=passphrase, at=at)
        return self.fingerprints(name)[0]

    def add_subkey(self, fingerprint: str, usage: str = "sign", algorithm: str = "ed25519", expire: str = "never", at: int = 0) -> str:
        """Add a subkey; return its fingerprint."""
        self.run("--quick-add-key", fingerprint, algorithm, usage, expire, at=at)
        return self.fingerprints(fingerprint)[-1]

    def fingerprints(self, key: str) -> list[str]:
        """The fingerprints of a primary key and its subkeys."""
        lines = self.run("--with-colons", "--with-subkey-fingerprint", "--list-keys", key).decode().splitlines()
        return [line.split(":")[9] for line in lines if line.startswith("fpr:")]

    def export(self, *keys: str, armor: bool = False) -> bytes:
        """Public keys, all of them if none is named."""
        return self.run(*(["--armor"] if armor else []), "--export", *keys)

    def sign(self, content: bytes, key: str, *options: str, at: int = 0, passphrase: str = "") -> bytes:
        """A message signed with a key, or with the subkey ``FINGERPRINT!``."""
        return self.run(*options, "--local-user", key, *([] if _has_action(options) else ["--sign"]), given=content, at=at, passphrase=passphrase)

    def revoke(self, fingerprint: str) -> None:
        """Revoke a primary key, by the certificate that gpg has made with it."""
        text = (self.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
        self.run("--import", given=text.encode())


def _has_action(options: Sequence[str]) -> bool:
    return bool({"--detach-sign", "--clear-sign", "--encrypt", "--store"}.intersection(options))
