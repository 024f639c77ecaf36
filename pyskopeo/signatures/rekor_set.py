"""Signed entry timestamps: a log's promise that it has an entry since a time (Rekor's ``SignedEntryTimestamp``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from ..model.signature import SIGNATURE_LIMIT
from .json_members import decode_base64, exact, number, parse_document
from .public_keys import is_signed_by
from .refusals import SignatureRefused

if TYPE_CHECKING:
    from .public_keys import PublicKey


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of a log.

    ``body`` is in base64; ``integrated_time`` is in seconds since 1970; ``log_id`` is hexadecimal.
    """

    body: str
    integrated_time: int
    log_id: str
    log_index: int

    @property
    def time(self) -> datetime:
        """When the entry was added; raises `SignatureRefused` for a time that no calendar has."""
        try:
            return datetime.fromtimestamp(self.integrated_time, UTC)
        except (OverflowError, ValueError, OSError):
            raise SignatureRefused("the time of the log entry is out of range") from None

    def canonical(self) -> bytes:
        """Return what a log signs: the entry in canonical JSON (RFC 8785); raises `SignatureRefused`."""
        document = {
            "body": self.body,
            "integratedTime": self.integrated_time,
            "logID": self.log_id,
            "logIndex": self.log_index,
        }
        try:
            return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise SignatureRefused("the log entry is not valid Unicode") from None


def check_promise(entry: LogEntry, signature: bytes, rekor_keys: Sequence[PublicKey]) -> None:
    """Raise `SignatureRefused` unless one of the log's keys signed the entry with its time."""
    message = entry.canonical()
    if not any(is_signed_by(key, signature, message) for key in rekor_keys):
        raise SignatureRefused("cryptographic signature verification of Rekor SET failed")


def parse_promised_entry(raw: str, keys_at: Callable[[datetime], Sequence[PublicKey]]) -> LogEntry:
    """Return the entry of the annotation ``dev.sigstore.cosign/bundle`` if one of the log's keys has signed it.

    ``keys_at`` returns the keys that the log had at a time. Raises `SignatureRefused`.
    """
    try:
        encoded = raw.encode()
    except UnicodeEncodeError:
        raise SignatureRefused("the Rekor SET is not valid Unicode") from None
    document = parse_document(encoded, "the Rekor SET", SIGNATURE_LIMIT)
    promise, payload = exact(document, "the Rekor SET", ("SignedEntryTimestamp", "Payload"))
    body, time, index, log = exact(payload, "Payload", ("body", "integratedTime", "logIndex", "logID"))
    if not isinstance(body, str) or not isinstance(log, str):
        raise SignatureRefused("body and logID of the Rekor SET are not strings")
    entry = LogEntry(body, number(time, "Payload.integratedTime"), log, number(index, "Payload.logIndex"))
    check_promise(entry, decode_base64(promise, "SignedEntryTimestamp"), keys_at(entry.time))
    return entry
