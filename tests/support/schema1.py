"""Schema 1 manifests as JSON, unsigned and signed."""

import base64
import json
from typing import Any

SUMS = ["sha256:" + letter * 64 for letter in "abcdef"]
IDS = [digit * 64 for digit in "123456"]
HISTORY: list[dict[str, Any]] = [{"id": IDS[0]}, {"id": IDS[1], "parent": IDS[0]}, {"id": IDS[2], "parent": IDS[1]}]


def document(*history: Any, sums: list[str] = SUMS, **more: Any) -> dict[str, Any]:
    """A manifest with this history, base first; a string stands for itself."""
    texts = [entry if isinstance(entry, str) else json.dumps(entry) for entry in history]
    return {
        "schemaVersion": 1,
        "name": "library/x",
        "tag": "latest",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": digest} for digest in reversed(sums[: len(texts)])],
        "history": [{"v1Compatibility": text} for text in reversed(texts)],
    } | more


def dumped(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, indent=indent).encode()


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signature(length: Any, tail: Any) -> dict[str, Any]:
    protected = {"formatLength": length, "formatTail": tail, "time": "2016-01-01T00:00:00Z"}
    return {"header": {"alg": "ES256"}, "signature": "c2ln", "protected": encoded(dumped(protected))}


def parts(content: bytes) -> tuple[bytes, bytes]:
    """What is signed as it is, and its end."""
    head = content.rstrip()[:-1].rstrip()
    return head, content[len(head) :]


def signed(content: bytes, *signatures: Any, between: bytes = b"") -> bytes:
    """``content`` with signatures at its end, as Docker writes it."""
    head, tail = parts(content)
    found = signatures or (signature(len(head), encoded(tail)),)
    return head + between + b',\n   "signatures": ' + dumped(list(found)) + tail
