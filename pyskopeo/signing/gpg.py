"""Signing with a key of the user's own keyring, by the program gpg.

gpg asks for a passphrase by pinentry, or is given one. What went wrong is read from its status lines (GnuPG's
doc/DETAILS), which do not depend on the language.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from ..errors import CredentialsFailed, InvalidInput
from ..fast_dataclass import dataclass, replace
from .programs import FD, Finished, find_program, run_program
from .simple_signer import SimpleSigner

_LOOPBACK = ("--pinentry-mode", "loopback", "--passphrase-fd", FD)
# Numbers of libgpg-error, in the lower bits of what a status line says.
_REASONS = {
    11: "Bad passphrase",
    17: "No secret key",
    # Nobody was there to be asked, or who was asked did not want.
    77: "the passphrase was not entered in time",
    83: "cannot ask for the passphrase: there is no terminal; give a passphrase file",
    85: "cannot ask for the passphrase: there is no pinentry",
    86: "cannot ask for the passphrase: pinentry failed",
    99: "Operation cancelled: no passphrase was entered",
}
_INVALID = {"r": "it is revoked", "e": "it has expired", "d": "it is disabled", "i": "it is invalid"}
_FAILURE = re.compile(rb"^\[GNUPG:\] FAILURE (?:sign|gpg-exit) (\d+)", re.MULTILINE)
_REFUSED_SIGNER = re.compile(rb"^\[GNUPG:\] INV_SGNR (\d+)", re.MULTILINE)
# Why a key cannot sign (doc/DETAILS, "INV_RECP").
_UNUSABLE = {
    3: "wrong key usage",
    4: "it is revoked",
    5: "it has expired",
    9: "no secret key that is for signing, and valid",
    13: "it is disabled",
}


@dataclass(frozen=True, slots=True)
class _FoundKey:
    """A primary key: ``validity`` is gpg's letter for it; whether a secret key that signs is on a card."""

    fingerprint: str
    validity: str
    on_card: bool


class GpgSigner(SimpleSigner):
    """Signs with the key ``key``: a fingerprint, a key ID, or a part of a user ID; ``FINGERPRINT!`` is one subkey.

    ``environ`` says where the keyring is (``GNUPGHOME``, ``HOME``) and what pinentry needs. ``passphrase`` is that of
    the key; with b"" the agent asks for it by pinentry if it does not know it.
    """

    def __init__(self, key: str, environ: Mapping[str, str], passphrase: bytes = b"") -> None:
        self._key = key
        self._environ = environ
        self._passphrase = passphrase
        self._found: _FoundKey | None = None

    @property
    def called(self) -> str:
        """The key, for messages."""
        return f"GPG key {self._key}"

    async def prepare(self) -> None:
        """Look the key up, and have its passphrase checked by signing something, unless it is on a card.

        Raises `InvalidInput` for a key that is unknown or ambiguous, `CredentialsFailed` for a wrong passphrase or an
        unusable key, and `Unsupported` without gpg.
        """
        found = await self._find()
        # A card may ask for a touch each time.
        if not found.on_card:
            await self._sign(found.fingerprint, b"")

    async def sign_text(self, text: bytes) -> bytes:
        """Return a signed message; raises as `prepare` does."""
        found = await self._find()
        return await self._sign(found.fingerprint, text)

    async def _find(self) -> _FoundKey:
        if self._found is None:
            self._found = await self._look_up()
        return self._found

    async def _look_up(self) -> _FoundKey:
        if b"\n" in self._passphrase:
            raise InvalidInput("invalid passphrase: must not contain a line break")
        if not self._key.strip():
            raise InvalidInput("no key identity provided for simple signing")
        done = await self._run("--with-colons", "--with-fingerprint", "--list-secret-keys", "--", self._key)
        found = _secret_keys(done.output.decode("utf-8", "replace"))
        if not found:
            raise InvalidInput(f"key {_quoted(self._key)} not found" + _said(done))
        if len(found) > 1:
            fingerprints = ", ".join(one.fingerprint for one in found)
            raise InvalidInput(f"Ambiguous name: key {_quoted(self._key)} is one of {fingerprints}")
        if fault := _INVALID.get(found[0].validity):
            raise CredentialsFailed(f"the key cannot sign: {fault} ({self.called})")
        if self._key.endswith("!"):  # exactly this subkey
            return replace(found[0], fingerprint=self._key)
        return found[0]

    async def _sign(self, fingerprint: str, text: bytes) -> bytes:
        secret = self._passphrase or None
        options = _terminal(self._environ) if secret is None else _LOOPBACK
        words = ("--status-fd", "2", *options, "--local-user", fingerprint, "--sign")
        done = await self._run(*words, given=text, secret=secret)
        if done.status or not done.output:
            raise CredentialsFailed(f"{_reason(done)} ({self.called})")
        return done.output

    async def _run(self, *words: str, given: bytes = b"", secret: bytes | None = None) -> Finished:
        program = find_program(("gpg", "gpg2"), self._environ, "signing with a GPG key")
        command = (program, "--batch", "--no-tty", "--quiet", "--display-charset", "utf-8", "--no-armor", *words)
        return await run_program(command, given, self._environ, secret)


async def export_public_keys(environ: Mapping[str, str]) -> bytes:
    """Return all public keys of the user's keyring; raises `Unsupported` without gpg, and `CredentialsFailed`."""
    program = find_program(("gpg", "gpg2"), environ, "reading the keys of the user's keyring")
    done = await run_program((program, "--batch", "--no-tty", "--quiet", "--no-armor", "--export"), b"", environ)
    if done.status:
        raise CredentialsFailed(f"gpg cannot export the public keys: {done.last_line}")
    return done.output


def _secret_keys(listing: str) -> list[_FoundKey]:
    """Read a listing with colons (doc/DETAILS)."""
    found: list[_FoundKey] = []
    for line in listing.splitlines():
        fields = line.split(":")
        if fields[0] == "sec":
            found.append(_FoundKey("", fields[1], on_card=False))
        if fields[0] in ("sec", "ssb") and found and len(fields) > 14 and "s" in fields[11]:
            found[-1] = replace(found[-1], on_card=found[-1].on_card or fields[14] not in ("", "+", "#"))
        if fields[0] == "fpr" and found and not found[-1].fingerprint:
            found[-1] = replace(found[-1], fingerprint=fields[9])
    return found


def _reason(done: Finished) -> str:
    if refused := _REFUSED_SIGNER.search(done.errors):
        return f"the key cannot sign: {_UNUSABLE.get(int(refused[1]), 'it is not usable')}"
    failure = _FAILURE.search(done.errors)
    code = int(failure[1]) & 0xFFFF if failure else 0
    lines = [line for line in done.errors.splitlines() if not line.startswith(b"[GNUPG:]")]
    said = Finished(done.status, b"", b"\n".join(lines)).last_line
    if "Inappropriate ioctl" in said:  # pinentry has no terminal to ask on
        said += ": where there is no terminal, give the passphrase in a file"
    return _REASONS.get(code) or said or f"gpg failed with status {done.status}"


def _said(done: Finished) -> str:
    """Return what gpg says if it is more than that there is no such key."""
    line = done.last_line
    return f" ({line})" if line and "error reading key" not in line else ""


def _terminal(environ: Mapping[str, str]) -> Sequence[str]:
    """Return the options by which pinentry finds the terminal, unless the environment says which it is."""
    if environ.get("GPG_TTY"):
        return []
    for descriptor in (0, 1, 2):
        try:
            return ["--ttyname", os.ttyname(descriptor)]
        except OSError:  # not a terminal
            continue
    return []


def _quoted(text: str) -> str:
    return '"' + ascii(text)[1:-1][:100] + '"'
