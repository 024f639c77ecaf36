"""The digest of a manifest by its bytes, signed or not, manifest or not."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from pyskopeo.errors import InvalidContent, Unsupported
from pyskopeo.model.content_digest import content_digest
from tests.support.images import build


def signed(content: dict[str, object]) -> tuple[bytes, bytes]:
    """``content`` as Docker signed it, and what the signature is of."""
    plain = json.dumps(content, indent=3).encode()
    assert plain.endswith(b"\n}")
    length, tail = len(plain) - 2, plain[-2:]
    header = {"formatLength": length, "formatTail": encoded(tail), "time": "2015-01-01T00:00:00Z"}
    entry = {"header": {"alg": "ES256"}, "signature": "c2ln", "protected": encoded(json.dumps(header).encode())}
    return plain[:length] + b',\n   "signatures": ' + json.dumps([entry]).encode() + tail, plain


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def plain_digest(raw: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, raw).hexdigest()}"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\x00\xff", b"{", b"[1]", b'{"a":1}', b'"signatures"', b'{"signatures":', b'{"signatures":[1],"signatures":2}',
        b'{"signatures":[{}]}', b'{"schemaVersion":2,"signatures":[{}]}', b'{"schemaVersion":true,"signatures":[{}]}',
        b'{"schemaVersion":1,"name":"signatures"}', b'{"schemaVersion":1,"signatures":null}',
        b'{"schemaVersion":1,"signatures":[{}],"mediaType":"application/vnd.oci.image.manifest.v1+json"}',
        build("oci").root.raw, build("docker-list").root.raw, b"x" * 5_000_000,
    ],
    ids=lambda raw: repr(raw[:40]),
)  # fmt: skip
def test_of_the_bytes(raw: bytes) -> None:
    assert str(content_digest(raw)) == plain_digest(raw)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_of_what_was_signed(algorithm: str) -> None:
    raw, plain = signed({"schemaVersion": 1, "name": "a/b", "tag": "v1", "fsLayers": [], "history": []})
    assert json.loads(raw)["signatures"]
    assert str(content_digest(raw, algorithm)) == plain_digest(plain, algorithm) != plain_digest(raw, algorithm)


@pytest.mark.parametrize("media_type", ["[]", "{}", "1", "null"])
def test_a_type_that_is_no_text(media_type: str) -> None:
    with pytest.raises(InvalidContent, match="signed manifest"):
        content_digest(f'{{"schemaVersion":1,"signatures":[{{}}],"mediaType":{media_type}}}'.encode())


@pytest.mark.parametrize("signatures", ["[]", "{}", "1", "[{}]", '[{"protected":"!!"}]'])
def test_signatures_that_are_none(signatures: str) -> None:
    with pytest.raises(InvalidContent, match="signed manifest"):
        content_digest(f'{{"schemaVersion":1,"signatures":{signatures}}}'.encode())


def test_an_unknown_algorithm() -> None:
    with pytest.raises(Unsupported):
        content_digest(b"", "md5")
