"""Whether a payload of sigstore is in a log that is trusted, by the annotation that has the log's entry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .json_members import decode_base64
from .refusals import SignatureRefused
from .rekor_bodies import RekorBody
from .rekor_set import parse_promised_entry
from .sigstore_annotations import LOG_ENTRY_ANNOTATION, annotation

if TYPE_CHECKING:
    from datetime import datetime

    from ..model.signature import Signature
    from .public_keys import PublicKey

    KeysAt = Callable[[datetime], Sequence[PublicKey]]


@dataclass(frozen=True, slots=True)
class LoggedPayload:
    """What a log has of a signature: the key or certificate (DER), since ``time``."""

    verifier: bytes
    time: datetime


def check_logged(signature: Signature, made: bytes, keys_at: KeysAt) -> LoggedPayload:
    """Return what a log has of ``made``, which is the signature of a payload; raises `SignatureRefused`.

    ``keys_at`` returns the keys that the log had at a time.
    """
    entry = parse_promised_entry(annotation(signature, LOG_ENTRY_ANNOTATION), keys_at)
    body = RekorBody.parse(decode_base64(entry.body, "the body of the Rekor SET"))
    if body.kind != "hashedrekord":
        raise SignatureRefused(f"the Rekor SET is for an entry of type {body.kind}, not hashedrekord")
    if body.signatures[0].signature != made:
        raise SignatureRefused("signature in Rekor SET does not match")
    if (body.algorithm, body.content_hash) != ("sha256", hashlib.sha256(signature.content).digest()):
        raise SignatureRefused("payload in Rekor SET does not match")
    return LoggedPayload(body.signatures[0].verifier, entry.time)
