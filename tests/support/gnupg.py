"""GnuPG with keys of its own: a home directory, the keys in it as files, and an agent that ends with it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from .require import require_peer


class Gnupg:
    """A home directory for ``gpg`` (``GNUPGHOME``); a context manager.

    Its path is short, since the agent's Unix socket is in it. Passphrases are given by `passphrase_file`.
    """

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="gnupg-", ignore_cleanup_errors=True)
        self.home = Path(self._temporary.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget_passphrases()
        self._temporary.cleanup()

    def create(self, user: str, *, passphrase: str = "", expires: str = "never", kind: str = "ed25519") -> str:
        """Generate a key that signs, for ``user`` (``NAME@HOST``); returns its fingerprint."""
        self.run(
            "--pinentry-mode=loopback", f"--passphrase={passphrase}", "--quick-generate-key", user, kind, "sign", expires
        )  # fmt: skip
        listed = self.run("--with-colons", "--list-keys", user).decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))

    def public_key(self, *users: str, armor: bool = False) -> Path:
        """Write the public keys of ``users`` to one file; returns its path."""
        form = ["--armor"] if armor else []
        path = self.home / f"{'+'.join(users)}.{'asc' if armor else 'gpg'}"
        path.write_bytes(self.run(*form, "--export", *users))
        return path

    def passphrase_file(self, passphrase: str) -> Path:
        """Write a file whose first line is ``passphrase``; returns its path."""
        path = self.home / f"passphrase-{passphrase}"
        path.write_text(f"{passphrase}\n")
        return path

    def sign(self, user: str, message: bytes, *options: str) -> bytes:
        """Return ``message`` signed by ``user``, whose key has no passphrase: an OpenPGP message that contains it."""
        return self.run(*options, "--local-user", user, "--sign", "--output", "-", stdin=message)

    def forget_passphrases(self) -> None:
        """End the agent, which otherwise knows a passphrase from its last use."""
        command = ["gpgconf", "--homedir", str(self.home), "--kill", "all"]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def run(self, *words: str, stdin: bytes = b"") -> bytes:
        """Run ``gpg WORDS`` to its end; returns its standard output."""
        command = [require_peer("gpg"), "--homedir", str(self.home), "--batch", "--yes", "--no-tty", *words]
        environ = {name: value for name, value in os.environ.items() if name != "GNUPGHOME"}
        done = subprocess.run(command, input=stdin, check=False, capture_output=True, timeout=60, env=environ)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout
