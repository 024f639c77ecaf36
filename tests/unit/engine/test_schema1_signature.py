"""Signatures of schema 1 manifests, verified by the specifications' rules and not by ours."""

from __future__ import annotations

import base64
import hashlib
import json
import sys

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pyskopeo.engine.schema1_signature import sign
from pyskopeo.errors import Unsupported
from pyskopeo.model import mediatype
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.schema1 import from_docker
from tests.support.images import build

TIME = "2026-01-02T03:04:05Z"


def unsigned() -> Manifest:
    image = build("docker-history")
    made, _ = from_docker(Manifest.parse(image.root.raw), image.config(), "team/app", "v1")
    return made


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_signature_is_valid() -> None:
    plain = unsigned()
    (block,) = json.loads(sign(plain, TIME).raw)["signatures"]
    protected = json.loads(decode(block["protected"]))
    tail = decode(protected["formatTail"])
    assert list(protected) == ["formatLength", "formatTail", "time"]
    assert (protected["time"], plain.raw[: protected["formatLength"]] + tail) == (TIME, plain.raw)
    jwk = block["header"]["jwk"]
    assert (list(block), list(block["header"]), list(jwk)) == (
        ["header", "signature", "protected"], ["jwk", "alg"], ["crv", "kid", "kty", "x", "y"],
    )  # fmt: skip
    x, y = (int.from_bytes(decode(jwk[name]), "big") for name in "xy")
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    r, s = (int.from_bytes(part, "big") for part in (decode(block["signature"])[:32], decode(block["signature"])[32:]))
    content = f"{block['protected']}.{base64.urlsafe_b64encode(plain.raw).rstrip(b'=').decode()}"
    key.verify(encode_dss_signature(r, s), content.encode(), ec.ECDSA(hashes.SHA256()))
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert jwk["kid"].replace(":", "") == base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    assert [len(group) for group in jwk["kid"].split(":")] == [4] * 12


def test_it_is_no_part_of_the_digest() -> None:
    plain = unsigned()
    signed, again = sign(plain, TIME), sign(plain, TIME)
    assert signed.raw != again.raw
    assert signed.digest == again.digest == plain.digest
    assert (signed.media_type, signed.layers) == (mediatype.SCHEMA1_SIGNED, plain.layers)
    assert signed.document == plain.document


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(Unsupported, match="signed with the package cryptography, which is not installed"):
        sign(unsigned(), TIME)
