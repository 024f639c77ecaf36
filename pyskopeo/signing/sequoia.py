"""Signing with a key of Sequoia's key store, by the program sq (version 1 or newer)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import CredentialsFailed, InvalidInput, Unsupported
from .programs import FD, find_program, run_program
from .simple_signer import SimpleSigner

if TYPE_CHECKING:
    from .programs import Finished

_VERSION = re.compile(rb"^sq (\d+)\.", re.MULTILINE)
_BACKTRACE = re.compile(r"\d+: ")
_FINGERPRINT = re.compile(r"(?:[0-9A-F]{16}|[0-9A-F]{40}|[0-9A-F]{64})")
_MAX_REASON = 300


class SqSigner(SimpleSigner):
    """Signs with the key whose fingerprint or key ID is ``fingerprint``.

    ``environ`` says where the key store is (``SEQUOIA_HOME``, ``HOME``). ``passphrase`` is that of the key; sq is not
    let ask for one.
    """

    method = "Signing image using Sequoia-PGP simple signing"

    def __init__(self, fingerprint: str, environ: Mapping[str, str], passphrase: bytes = b"") -> None:
        self._fingerprint = fingerprint.replace(" ", "").upper()
        self._environ = environ
        self._passphrase = passphrase
        self._program = ""

    @property
    def called(self) -> str:
        """The key, for messages."""
        return f"Sequoia key {self._fingerprint}"

    async def prepare(self) -> None:
        """Find sq, and have the key and its passphrase checked by signing something.

        Raises `InvalidInput` for what is no fingerprint, `CredentialsFailed` if the key cannot sign, and `Unsupported`
        without a recent sq.
        """
        await self.sign_text(b"")

    async def sign_text(self, text: bytes) -> bytes:
        """Return a signed message; raises as `prepare` does."""
        if not self._program:
            self._program = await self._find()
        if b"\n" in self._passphrase:
            raise InvalidInput("invalid passphrase: must not contain a line break")
        password = ("--password-file", f"/dev/fd/{FD}") if self._passphrase else ()
        words = ("--batch", *password, "sign", f"--signer={self._fingerprint}", "--message", "--binary")
        done = await run_program((self._program, *words), text, self._environ, self._passphrase or None)
        if done.status or not done.output:
            raise CredentialsFailed(f"{_reason(done)} ({self.called})")
        return done.output

    async def _find(self) -> str:
        if not _FINGERPRINT.fullmatch(self._fingerprint):
            raise InvalidInput(f"{ascii(self._fingerprint)[1:-1][:100]} is not the fingerprint of a key")
        program = find_program(("sq",), self._environ, "signing with a key of Sequoia")
        done = await run_program((program, "version"), b"", self._environ)
        found = _VERSION.search(done.output + b"\n" + done.errors)
        if found is None or int(found[1]) < 1:
            raise Unsupported(f"signing with a key of Sequoia needs sq 1.0 or newer, which {program} is not")
        return program


def _reason(done: Finished) -> str:
    """Return what sq says, from its error and its causes, which a backtrace separates."""
    said = []
    for line in done.errors.decode("utf-8", "replace").splitlines():
        text = "".join(character for character in line.strip() if character.isprintable())
        if text.startswith(("Error: ", "because: ", "error: ")):
            said.append(text.partition(": ")[2])
        elif text and said and not _BACKTRACE.match(text):
            said[-1] += f" {text}"
    # The last of them is the cause of the others.
    causes = "; ".join(dict.fromkeys(reversed(said)))[:_MAX_REASON]
    if "missing the secret key" in causes:
        causes += " (is the passphrase right?)"
    return causes or f"sq failed with status {done.status}"
