"""The flags for signing what is copied."""

from __future__ import annotations

import os
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidName, prefix_errors
from ..fast_dataclass import dataclass
from .flags import Flag, Parsed, UsageError

if TYPE_CHECKING:
    from ..access import Access
    from ..config.signing_parameters import SigningParameters
    from ..model.reference import Reference
    from ..signatures.signer import Signer

SIGNING = (
    Flag("sign-by", "sign the image with a GPG key of the user's keyring, by the program gpg", value="FINGERPRINT",
         group="trust"),
    Flag("sign-by-sigstore", "sign the image as a file of parameters says: with a key, or with a certificate of Fulcio "
         "(containers-sigstore-signing-params.yaml(5))", value="PATH", group="trust"),
    Flag("sign-by-sigstore-private-key", "sign the image with a private key of sigstore", value="PATH", group="trust"),
    Flag("sign-by-sq-fingerprint", "sign the image with a key of Sequoia's key store, by the program sq",
         value="FINGERPRINT", group="trust"),
    Flag("sign-passphrase-file", "read the passphrase for signing from the first line of PATH (default: a prompt)",
         value="PATH", group="trust"),
)  # fmt: skip

SIGN_IDENTITY = Flag("sign-identity", "the name to sign the image as, REGISTRY/REPOSITORY:TAG (default: that of the "
                     "destination)", value="REFERENCE", group="trust")  # fmt: skip

_SHARE_PASSPHRASE = ("sign-by", "sign-by-sq-fingerprint", "sign-by-sigstore-private-key")


@dataclass(frozen=True, slots=True, repr=False)
class SigningOptions:
    """Who signs, and as which image; nothing has been read yet but passphrases and parameters."""

    parameters: SigningParameters | None = None
    parameters_passphrase: bytes = b""
    sequoia_key: str = ""
    gpg_key: str = ""
    private_key: Path | None = None
    passphrase: bytes | None = field(default=None, repr=False)
    identity: Reference | None = None

    @classmethod
    def of(cls, parsed: Parsed, *, dry_run: bool) -> SigningOptions:
        """Read the options and parameters, and the passphrases of keys, for which the user may be asked.

        A dry run needs no passphrase, only to know whether the destination could store the signatures. Raises
        `PyskopeoError`.
        """
        identity = _identity(parsed.optional("sign-identity", str)) if "sign-identity" in parsed.values else None
        private_key, passphrase = parsed.path("sign-by-sigstore-private-key"), _passphrase(parsed, read=not dry_run)
        if private_key is not None and passphrase is None and not dry_run:
            passphrase = _ask(private_key, "use --sign-passphrase-file")
        parameters, parameters_passphrase = None, b""
        if path := parsed.path("sign-by-sigstore"):
            with prefix_errors("Error using --sign-by-sigstore"):
                from ..config.signing_parameters import load

                parameters = load(path)
                parameters_passphrase = b"" if dry_run else _passphrase_of(parameters, path)
        sequoia_key, gpg_key = (parsed.optional(name, str) or "" for name in ("sign-by-sq-fingerprint", "sign-by"))
        return cls(parameters, parameters_passphrase, sequoia_key, gpg_key, private_key, passphrase, identity)

    def signers(self, access: Access) -> tuple[Signer, ...]:
        """Return the signers, in skopeo's order; ``access`` says how services are reached. Raises `InvalidInput`."""
        found: list[Signer] = []
        if self.parameters is not None:
            from ..signing.from_parameters import sigstore_signer
            from .signing_user import TerminalUser

            with prefix_errors("Error using --sign-by-sigstore"):
                found.append(sigstore_signer(self.parameters, self.parameters_passphrase, access, TerminalUser()))
        if self.sequoia_key:
            from ..signing.sequoia import SqSigner

            found.append(SqSigner(self.sequoia_key, os.environ, self.passphrase or b""))
        if self.gpg_key:
            from ..signing.gpg import GpgSigner

            found.append(GpgSigner(self.gpg_key, os.environ, self.passphrase or b""))
        if self.private_key is not None:
            from ..signing.sigstore import PrivateKeyFile, SigstoreSigner

            found.append(SigstoreSigner(PrivateKeyFile(self.private_key, self.passphrase or b"")))
        return tuple(found)


def _identity(text: str | None) -> Reference | None:
    """Parse a name that has to be written in full: nothing is added to it."""
    from ..model.reference import Reference

    if not text:
        return None
    try:
        found = Reference.parse(text, default_tag="")
        if str(found) != text:
            raise InvalidName(f"repository name must be canonical: want {found}")
    except InvalidName as error:
        raise InvalidName(f"Could not parse --sign-identity: {error}") from None
    return found


def _passphrase(parsed: Parsed, *, read: bool) -> bytes | None:
    """Return the passphrase in the file that was given, None without one, or if it is not to be ``read``."""
    path = parsed.path("sign-passphrase-file")
    if path is None:
        return None
    from ..config.passphrase_file import read_passphrase

    if sum(bool(parsed.optional(name, str)) for name in _SHARE_PASSPHRASE) > 1:
        raise UsageError(
            "Only one of --sign-by, --sign-by-sq-fingerprint and --sign-by-sigstore-private-key can be used with "
            "--sign-passphrase-file"
        )
    return read_passphrase(path) if read else None


def _passphrase_of(parameters: SigningParameters, path: Path) -> bytes:
    """Return the passphrase of the key that the parameters in ``path`` name; b"" if they name none."""
    if parameters.key_file is None:
        return b""
    if parameters.passphrase_file is not None:
        from ..config.passphrase_file import read_passphrase

        return read_passphrase(parameters.passphrase_file)
    return _ask(parameters.key_file, f"set privateKeyPassphraseFile in {path}")


def _ask(key: Path, instead: str) -> bytes:
    from .passphrase_prompt import prompt_for_passphrase

    return prompt_for_passphrase(str(key), instead)
