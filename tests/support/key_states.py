"""Keys of GnuPG in every state: subkeys, keys and signatures of another time, revoked ones, ones with another use."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .gnupg import Gnupg

DAY = 24 * 60 * 60
_ACTIONS = {"--detach-sign", "--clear-sign", "--encrypt", "--store"}


class KeyStates(Gnupg):
    """``gpg`` that may believe to be at another time: ``at`` is the number of seconds after now."""

    def at(self, seconds: int, *words: str, stdin: bytes = b"") -> bytes:
        """Run ``gpg WORDS`` as if at another time, without questions; returns its standard output."""
        clock = [f"--faked-system-time={int(time.time()) + seconds}"] if seconds else []
        return self.run("--quiet", "--pinentry-mode=loopback", "--passphrase=", "--trust-model=always", *clock, *words, stdin=stdin)

    def make_key(self, name: str, usage: str = "sign", algorithm: str = "ed25519", expire: str = "never", at: int = 0) -> str:
        """Make a primary key; return its fingerprint."""
        self.at(at, "--quick-generate-key", f"{name} <{name}@example.com>", algorithm, usage, expire)
        return self.fingerprints(name)[0]

    def add_subkey(self, fingerprint: str, algorithm: str = "ed25519", expire: str = "never", at: int = 0) -> str:
        """Add a subkey that signs; return its fingerprint."""
        self.at(at, "--quick-add-key", fingerprint, algorithm, "sign", expire)
        return self.fingerprints(fingerprint)[-1]

    def fingerprints(self, key: str) -> list[str]:
        """The fingerprints of a primary key and its subkeys."""
        lines = self.run("--with-colons", "--with-subkey-fingerprint", "--list-keys", key).decode().splitlines()
        return [line.split(":")[9] for line in lines if line.startswith("fpr:")]

    def edit(self, key: str, *answers: str) -> None:
        """Answer the questions of ``--edit-key``, and save."""
        lines = "\n".join((*answers, "save", "")).encode()
        self.at(0, "--no-batch", "--command-fd=0", "--expert", "--edit-key", key, stdin=lines)

    def export(self, *keys: str, armor: bool = False) -> bytes:
        """Public keys, all of them if none is named."""
        return self.run(*(["--armor"] if armor else []), "--export", *keys)

    def message(self, content: bytes, key: str, *options: str, at: int = 0) -> bytes:
        """A message signed with a key, or with the subkey ``FINGERPRINT!``; ``options`` may ask for something else."""
        return self.at(at, *options, "--local-user", key, *_action(options), stdin=content)

    def revoke(self, fingerprint: str) -> None:
        """Revoke a primary key, by the certificate that gpg has made with it."""
        text = (self.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
        self.at(0, "--import", stdin=text.encode())


def _action(options: Sequence[str]) -> list[str]:
    return [] if _ACTIONS.intersection(options) else ["--sign"]
