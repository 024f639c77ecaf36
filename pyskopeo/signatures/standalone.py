"""One signature, one manifest and one name, without a policy: whether they belong together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..errors import InvalidContent, InvalidName
from ..model.reference import Reference
from .openpgp import verify_message
from .openpgp_keys import fingerprints
from .simple_signing import SimplePayload
from .verdict import SignedImage

ANY = "any"
"""Stands for all keys of the keyrings."""

_MAX_QUOTED = 300


def verify_standalone(
    signature: bytes, image: SignedImage, accepted: Sequence[str], keyrings: Sequence[bytes], now: datetime
) -> tuple[str, str]:
    """Return the fingerprint of the key that has signed ``image``, and the digest that is signed.

    ``accepted`` are fingerprints of primary keys or subkeys, or `ANY` alone; ``keyrings`` the contents of key files.
    The signature has to be for exactly the reference of ``image``. Raises `InvalidContent`, whose text says what is
    wrong, and `Unsupported` without the extra ``openpgp``.
    """
    if list(accepted) == [ANY]:
        accepted = fingerprints(keyrings)
    message = verify_message(signature, keyrings, now)
    wanted = [one.upper() for one in accepted]
    signer = next((one for one in (message.key, message.fingerprint) if one in wanted), None)
    if signer is None:
        raise InvalidContent(f"signature by key {message.key} of {message.fingerprint} is not accepted")
    payload = SimplePayload.parse(message.content)
    if not payload.digest.startswith("sha256:") or not image.has_digest(payload.digest):
        raise InvalidContent(f'Signature for docker digest "{payload.digest}" does not match')
    try:
        signed = Reference.parse(payload.identity, default_tag="")
    except InvalidName:
        raise InvalidContent(f"Invalid docker reference {_quoted(payload.identity)} in signature") from None
    if image.reference is None or str(signed) != str(image.reference):
        raise InvalidContent(f"Docker reference {_quoted(payload.identity)} does not match {_quoted(image.name)}")
    return signer, payload.digest


def _quoted(text: str) -> str:
    return '"' + ascii(text[:_MAX_QUOTED])[1:-1].replace('"', '\\"') + '"'
