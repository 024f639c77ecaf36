"""Rekor, sigstore's log of signatures: record a signature as a ``hashedrekord`` of version 0.0.1.

The interface is ``POST /api/v1/log/entries``, and ``GET /api/v1/log/entries/UUID`` for what is recorded already.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import InvalidContent
from ..gocompat.go_json import dumps
from ..model.strict_json import parse_object
from .web_service import ANSWER_LIMIT, WebService

if TYPE_CHECKING:
    from .web_service import Answer, ServiceAccess

_ENTRIES = "/api/v1/log/entries"


class RekorLog:
    """A log at the URL ``url``; raises `InvalidInput` for one that is none. A `sigstore.TransparencyLog`."""

    def __init__(self, url: str, access: ServiceAccess) -> None:
        self._service = WebService("Rekor at", url, access)

    async def add(self, checked_with: bytes, signature: bytes, payload: bytes) -> str:
        """Record a signature of ``payload``; return the entry with the log's signature, as signatures contain it.

        ``checked_with`` is the public key or the certificate in PEM. Raises `NetworkError`, and `InvalidContent` for an
        answer that is no entry, or the entry of another signature.
        """
        record = hashed_record(checked_with, signature, payload)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        answer = await self._service.request("POST", _ENTRIES, headers, json.dumps(record).encode())
        if answer.status == 409:  # it is recorded already, as after a retry of a request whose answer got lost
            answer = await self._recorded(answer)
        elif answer.status != 201:
            raise self._service.error(answer)
        return signed_entry(answer.body, record, self._service.what)

    async def _recorded(self, conflict: Answer) -> Answer:
        name = conflict.headers.get("location", "").rpartition("/")[2]
        if not name:
            raise self._service.error(conflict)
        answer = await self._service.get(f"{_ENTRIES}/{quote(name, safe='')}")
        if answer.status != 200:
            raise self._service.error(answer)
        return answer


def signed_entry(answer: bytes, record: dict[str, Any], what: str) -> str:
    """Return the entry for ``record`` in an answer of Rekor, with the log's signature, as JSON.

    ``what`` names the log in errors. Raises `InvalidContent` for an answer that is no entry, or another one's.
    """
    entries = parse_object(answer, f"{what}: the answer", ANSWER_LIMIT)
    if len(entries) != 1:
        raise InvalidContent(f"{what}: expected 1 Rekor entry, got {len(entries)}")
    (entry,) = entries.values()
    fields = _fields(entry)
    if fields is None:
        raise InvalidContent(f"{what}: invalid Rekor entry (missing data): want body, time, index and signature")
    body, integrated, log_id, index, signed = fields
    if not _is_about(body, record):
        raise InvalidContent(f"{what}: the entry is that of another signature")
    payload = {"body": body, "integratedTime": integrated, "logID": log_id, "logIndex": index}
    return dumps({"Payload": payload, "SignedEntryTimestamp": signed})


def hashed_record(checked_with: bytes, signature: bytes, payload: bytes) -> dict[str, Any]:
    """Return what is recorded of a signature: a ``hashedrekord``."""
    return {
        "kind": "hashedrekord",
        "apiVersion": "0.0.1",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}},
            "signature": {"content": _encode(signature), "publicKey": {"content": _encode(checked_with)}},
        },
    }


def _fields(entry: object) -> tuple[str, int, str, int, str] | None:
    """Return body, time, log ID, index and the log's signature of an entry; None if they are not all there."""
    if not isinstance(entry, dict) or not isinstance(entry.get("verification"), dict):
        return None
    texts = entry.get("body"), entry.get("logID"), entry["verification"].get("signedEntryTimestamp")
    numbers = entry.get("integratedTime"), entry.get("logIndex")
    if not all(isinstance(text, str) and text for text in texts):
        return None
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        return None
    (body, log_id, signed), (integrated, index) = texts, numbers
    return body, integrated, log_id, index, signed  # type: ignore[return-value]  # checked above


def _is_about(body: str, record: dict[str, Any]) -> bool:
    """Return whether the body of an entry has the signature, and the digest of the payload, of a record."""
    try:
        found = parse_object(base64.b64decode(body, validate=True), "its body", ANSWER_LIMIT)
    except (ValueError, InvalidContent):
        return False
    spec: Any = found.get("spec")
    wanted = record["spec"]
    try:
        return bool(
            spec["data"]["hash"]["value"] == wanted["data"]["hash"]["value"]
            and spec["signature"]["content"] == wanted["signature"]["content"]
        )
    except (TypeError, KeyError):
        return False


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()
