"""JSON Web Encryption (RFC 7516) with the algorithms of ocicrypt (RFC 7518, sections 4.3, 4.6 and 5.3)."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InvalidContent, TooLarge
from ..fast_dataclass import dataclass
from ..model import base64url
from ..model.strict_json import parse_object
from .keys import CURVES

if TYPE_CHECKING:
    from .keys import PrivateKey, PublicKey

# Each recipient costs about 1 ms per private key that is tried.
MAX_RECIPIENTS = 128
LIMIT = 256 * 1024
"""The maximum size of a JWE in bytes."""

_CONTENT_KEYS = {"A128GCM": 16, "A192GCM": 24, "A256GCM": 32}
_RSA = ("RSA-OAEP", "RSA-OAEP-256")
_WRAPPING_KEYS = {"ECDH-ES+A128KW": 16, "ECDH-ES+A192KW": 24, "ECDH-ES+A256KW": 32}


class NoKey(InvalidContent):
    """Internal: no private key opens the content. Raised as `InvalidContent`."""


def encrypt(content: bytes, recipients: Sequence[PublicKey]) -> bytes:
    """Return ``content`` encrypted for each of the recipients, in the JSON serialization.

    Encrypted with A256GCM; the key is wrapped with RSA-OAEP or ECDH-ES+A256KW. With one recipient the flattened
    serialization is returned, with the header all protected (section 7.2.2), else the general one (section 7.2.1).
    Raises `InvalidContent` for an RSA key that is too short.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key, iv = os.urandom(32), os.urandom(12)
    wrapped = [_wrap(key, recipient) for recipient in recipients]
    header: dict[str, Any] = {"enc": "A256GCM"}
    if len(wrapped) == 1:
        header = {**wrapped[0][0], **header}
        members: dict[str, Any] = {"encrypted_key": base64url.encode(wrapped[0][1])}
    else:
        members = {"recipients": [{"header": own, "encrypted_key": base64url.encode(text)} for own, text in wrapped]}
    protected = base64url.encode(json.dumps(header, separators=(",", ":")).encode())
    sealed = AESGCM(key).encrypt(iv, content, protected.encode())
    members = {
        "protected": protected, **members,
        "iv": base64url.encode(iv), "ciphertext": base64url.encode(sealed[:-16]), "tag": base64url.encode(sealed[-16:]),
    }  # fmt: skip
    return json.dumps(members, separators=(",", ":")).encode()


def decrypt(text: bytes, keys: Sequence[PrivateKey], where: str) -> bytes:
    """Return the content of a JWE in the compact or the JSON serialization; ``where`` names it in errors.

    Raises `NoKey` if none of the private keys opens it, `TooLarge`, and `InvalidContent` for anything but a JWE with
    the algorithms that are known here.
    """
    if len(text) > LIMIT:
        raise TooLarge(f"{where} is over the limit of {LIMIT} bytes", limit=LIMIT)
    sealed = _parse(text.strip(), where)
    for header, wrapped in sealed.recipients:
        algorithm = header.get("alg")
        for key in keys:
            content_key = _unwrap(algorithm, header, wrapped, key)
            if content_key is not None and (content := sealed.open(content_key)) is not None:
                return content
    raise NoKey(f"{where}: no private key given opens it")


@dataclass(frozen=True, slots=True, repr=False)
class _Sealed:
    """A parsed JWE: ``recipients`` are their headers, joined with the shared ones, and their encrypted keys."""

    recipients: tuple[tuple[Mapping[str, Any], bytes], ...]
    size: int
    iv: bytes
    ciphertext: bytes
    additional: bytes

    def open(self, key: bytes) -> bytes | None:
        """Return the content, None if the key is another one or the content was changed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(key) != self.size:
            return None
        try:
            return AESGCM(key).decrypt(self.iv, self.ciphertext, self.additional)
        except InvalidTag:
            return None


def _parse(text: bytes, where: str) -> _Sealed:
    members = _members(text, where)
    protected = members.get("protected", "")
    shared = parse_object(base64url.decode(protected, f"{where}: protected"), f"{where}: its protected header", LIMIT)
    if "unprotected" in members:
        shared = _joined(shared, members["unprotected"], where)
    entries = members.get("recipients", [members])
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_RECIPIENTS:
        raise InvalidContent(f"{where}: recipients is not a list of 1 to {MAX_RECIPIENTS} recipients")
    recipients = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise InvalidContent(f"{where}: a recipient is not a JSON object")
        header = _joined(shared, entry["header"], where) if entry.get("header") is not None else shared
        recipients.append((header, base64url.decode(entry.get("encrypted_key"), f"{where}: encrypted_key")))
    sizes = {_checked_size(header, where) for header, _ in recipients}
    if len(sizes) > 1:
        raise InvalidContent(f"{where}: its recipients disagree about enc")
    iv, tag = (base64url.decode(members.get(name), f"{where}: {name}") for name in ("iv", "tag"))
    if len(iv) != 12 or len(tag) != 16:
        raise InvalidContent(f"{where}: iv and tag are not 12 and 16 bytes long")
    additional = protected if members.get("aad") is None else f"{protected}.{members['aad']}"
    content = base64url.decode(members.get("ciphertext"), f"{where}: ciphertext")
    return _Sealed(tuple(recipients), sizes.pop(), iv, content + tag, additional.encode())


def _members(text: bytes, where: str) -> Mapping[str, Any]:
    """Return the members of the JSON serialization; the compact one has the same five of them, in order."""
    if text.startswith(b"{"):
        return parse_object(text, where, LIMIT)
    parts = text.decode("latin-1").split(".")
    if len(parts) != 5:
        raise InvalidContent(f"{where} is no JWE")
    return dict(zip(("protected", "encrypted_key", "iv", "ciphertext", "tag"), parts, strict=True))


def _joined(shared: Mapping[str, Any], own: object, where: str) -> dict[str, Any]:
    """Return two headers as one; no name may be in both (RFC 7516, section 4)."""
    if not isinstance(own, dict) or shared.keys() & own.keys():
        raise InvalidContent(f"{where}: a header is not an object, or names are in two of its headers")
    return {**shared, **own}


def _checked_size(header: Mapping[str, Any], where: str) -> int:
    """Return the size in bytes of the key for the content; raises `InvalidContent` for what is not supported."""
    for name in ("crit", "zip"):
        if name in header:
            raise InvalidContent(f"{where}: a header with {name} is not supported")
    algorithm, encryption = header.get("alg"), header.get("enc")
    if algorithm not in (*_RSA, *_WRAPPING_KEYS):
        raise InvalidContent(f"{where}: alg {ascii(algorithm)[:40]} is not supported")
    if not isinstance(encryption, str) or encryption not in _CONTENT_KEYS:
        raise InvalidContent(f"{where}: enc {ascii(encryption)[:40]} is not supported: want A256GCM")
    return _CONTENT_KEYS[encryption]


def _wrap(key: bytes, recipient: PublicKey) -> tuple[dict[str, Any], bytes]:
    """Return the header of a recipient and the wrapped key."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap

    if isinstance(recipient, rsa.RSAPublicKey):
        try:
            return {"alg": "RSA-OAEP"}, recipient.encrypt(key, _padding("RSA-OAEP"))
        except ValueError:
            raise InvalidContent(f"an RSA key of {recipient.key_size} bits is too short to encrypt for") from None
    ephemeral = ec.generate_private_key(recipient.curve)
    point, size = ephemeral.public_key().public_numbers(), (recipient.curve.key_size + 7) // 8
    header = {
        "alg": "ECDH-ES+A256KW",
        "epk": {
            "kty": "EC", "crv": CURVES[recipient.curve.name],
            "x": base64url.encode(point.x.to_bytes(size, "big")), "y": base64url.encode(point.y.to_bytes(size, "big")),
        },
    }  # fmt: skip
    shared = ephemeral.exchange(ec.ECDH(), recipient)
    return header, aes_key_wrap(derived_key(shared, "ECDH-ES+A256KW", 32), key)


def _unwrap(algorithm: object, header: Mapping[str, Any], wrapped: bytes, key: PrivateKey) -> bytes | None:
    """Return the key for the content, None if it is wrapped for another private key."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

    assert isinstance(algorithm, str)
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            if algorithm not in _RSA or len(wrapped) != (key.key_size + 7) // 8:
                return None
            return key.decrypt(wrapped, _padding(algorithm))
        if algorithm not in _WRAPPING_KEYS or (public := _ephemeral(header.get("epk"), key)) is None:
            return None
        shared = key.exchange(ec.ECDH(), public)
        parties = [base64url.decode(header.get(name) or "", name) for name in ("apu", "apv")]
        return aes_key_unwrap(derived_key(shared, algorithm, _WRAPPING_KEYS[algorithm], *parties), wrapped)
    except (ValueError, InvalidUnwrap, InvalidContent):
        return None


def _ephemeral(value: object, key: Any) -> Any:
    """Return the sender's public key from a header, None if it is not a point on the curve of ``key``."""
    from cryptography.hazmat.primitives.asymmetric import ec

    if not isinstance(value, dict) or value.get("kty") != "EC" or value.get("crv") != CURVES[key.curve.name]:
        return None
    size = (key.curve.key_size + 7) // 8
    x, y = (base64url.decode(value.get(name), name) for name in ("x", "y"))
    if len(x) != size or len(y) != size:
        return None
    # Raises ValueError for a point that is not on the curve.
    return ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), key.curve).public_key()


def derived_key(shared: bytes, algorithm: str, size: int, apu: bytes = b"", apv: bytes = b"") -> bytes:
    """Return the key of ``size`` bytes that follows from a shared secret (RFC 7518, section 4.6.2)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

    fields = [struct.pack(">I", len(field)) + field for field in (algorithm.encode(), apu, apv)]
    return ConcatKDFHash(SHA256(), size, b"".join(fields) + struct.pack(">I", 8 * size)).derive(shared)


def _padding(algorithm: str) -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    # RFC 7518 says SHA-1 for RSA-OAEP; its weakness does not matter there.
    hash = hashes.SHA1() if algorithm == "RSA-OAEP" else hashes.SHA256()  # noqa: S303 - see above
    return padding.OAEP(padding.MGF1(hash), hash, None)
