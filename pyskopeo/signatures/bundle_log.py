"""Whether a bundle's signature is in a log that is trusted, and since when."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .bundle_format import Envelope
from .inclusion_proofs import check_inclusion
from .refusals import SignatureRefused
from .rekor_bodies import RekorBody
from .rekor_set import LogEntry, check_promise

if TYPE_CHECKING:
    from datetime import datetime

    from .bundle_format import Bundle, BundleEntry
    from .public_keys import PublicKey


@dataclass(frozen=True, slots=True)
class Logged:
    """What a log has of a signature: the key or certificate (DER), and the time that it promised, if it did."""

    verifier: bytes
    time: datetime | None


def check_logged(bundle: Bundle, message: bytes, keys: Sequence[PublicKey], *, timed: bool) -> Logged:
    """Return what the first entry that is right says of the signature of ``message``.

    An entry needs an inclusion proof with a checkpoint that one of the log's ``keys`` signed. Its promise is verified
    where there is one, and with ``timed`` there has to be one. Raises `SignatureRefused` if no entry is right.
    """
    reasons: list[str] = []
    for entry in bundle.entries:
        try:
            found = _check_entry(entry, bundle, message, keys)
        except SignatureRefused as error:
            reasons.append(str(error))
            continue
        if found.time is not None or not timed:
            return found
        reasons.append("the log has not promised a time for its entry, which a certificate has to be valid at")
    raise SignatureRefused("; ".join(reasons) or "the bundle has no log entry")


def _check_entry(entry: BundleEntry, bundle: Bundle, message: bytes, keys: Sequence[PublicKey]) -> Logged:
    body = RekorBody.parse(entry.body)
    if (body.kind, body.version) != (entry.kind, entry.version):
        raise SignatureRefused("the log entry is of another type than the bundle says")
    if entry.proof is None:
        raise SignatureRefused("the log entry has no inclusion proof")
    check_inclusion(entry.body, entry.proof, keys)
    time = _promised_time(entry, keys)
    made = [one for one in body.signatures if one.signature == bundle.content.signature]
    if len(body.signatures) != 1 or not made:
        raise SignatureRefused("the log entry is about another signature")
    content = bundle.content
    if body.kind == "dsse":
        if not isinstance(content, Envelope):
            raise SignatureRefused("the log entry is about an envelope, which the bundle has not")
        message = content.payload
    if hashlib.new(body.algorithm, message).digest() != body.content_hash:
        raise SignatureRefused("the log entry is about other content")
    return Logged(made[0].verifier, time)


def _promised_time(entry: BundleEntry, keys: Sequence[PublicKey]) -> datetime | None:
    if not entry.promise:
        return None
    body = base64.b64encode(entry.body).decode()
    promised = LogEntry(body, entry.integrated_time, entry.log_id, entry.log_index)
    check_promise(promised, entry.promise, keys)
    return promised.time
