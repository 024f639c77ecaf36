"""The key of an encrypted layer, wrapped in the annotations of its descriptor as ocicrypt writes them."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InvalidContent, TooLarge
from ..fast_dataclass import dataclass
from ..gocompat.field_names import FieldNames
from ..gocompat.go_json import dumps
from ..model.mediatype import ENCRYPTION_ANNOTATIONS
from ..model.strict_json import parse_object
from . import jwe

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .keys import PrivateKey, PublicKey

CIPHER = "AES_256_CTR_HMAC_SHA256"
_JWE = f"{ENCRYPTION_ANNOTATIONS}keys.jwe"
_PUBLIC = f"{ENCRYPTION_ANNOTATIONS}pubopts"
_MAX_ENVELOPES = 16
_PRIVATE_NAMES = FieldNames.of("symkey", "digest", "cipheroptions")
_PUBLIC_NAMES = FieldNames.of("cipher", "hmac", "cipheroptions")


@dataclass(frozen=True, slots=True, repr=False)
class LayerKey:
    """The secret key of a layer, 32 bytes, which is also that of its HMAC, and the nonce, 16 bytes."""

    key: bytes
    nonce: bytes

    @classmethod
    def new(cls) -> LayerKey:
        """Return a random key and nonce; each may encrypt one content only."""
        return cls(os.urandom(32), os.urandom(16))


def wrap(layer_key: LayerKey, hmac: bytes, digest: Digest, recipients: Sequence[PublicKey]) -> dict[str, str]:
    """Return the annotations of an encrypted layer; ``digest`` is that of the layer at its source.

    Raises what `jwe.encrypt` raises.
    """
    private = {
        "symkey": _encode(layer_key.key),
        "digest": str(digest),
        "cipheroptions": {"nonce": _encode(layer_key.nonce)},
    }
    public = {"cipher": CIPHER, "hmac": _encode(hmac), "cipheroptions": {}}
    return {
        _JWE: _encode(jwe.encrypt(dumps(private).encode(), recipients)),
        _PUBLIC: _encode(dumps(public).encode()),
    }


def unwrap(descriptor: Descriptor, keys: Sequence[PrivateKey]) -> tuple[LayerKey, bytes]:
    """Return the key of an encrypted layer and its HMAC.

    Raises `InvalidContent` if an annotation is missing or invalid, or if none of the private keys opens it.
    """
    where = f"decrypting layer {descriptor.digest}"
    private = parse_object(_envelope(descriptor, keys, where), f"{where}: its private options", jwe.LIMIT)
    _PRIVATE_NAMES.check(private, f"{where}: its private options")
    text = descriptor.annotations.get(_PUBLIC, "")
    if not text:
        raise InvalidContent(f"{where}: the annotation {_PUBLIC} is missing, so there is no HMAC to verify")
    public = parse_object(_decode(text, f"{where}: {_PUBLIC}"), f"{where}: {_PUBLIC}", jwe.LIMIT)
    _PUBLIC_NAMES.check(public, f"{where}: {_PUBLIC}")
    if public.get("cipher") != CIPHER:
        raise InvalidContent(f"{where}: cipher {ascii(public.get('cipher'))[:40]} is not supported: want {CIPHER}")
    options = {**_options(private, where), **_options(public, where)}
    found = [
        _sized(value, size, f"{where}: {name}")
        for name, value, size in (
            ("symkey", private.get("symkey"), 32),
            ("nonce", options.get("nonce"), 16),
            ("hmac", public.get("hmac"), 32),
        )
    ]
    return LayerKey(found[0], found[1]), found[2]


def _envelope(descriptor: Descriptor, keys: Sequence[PrivateKey], where: str) -> bytes:
    """Return the private options of a layer from the first of its JWEs that one of the keys opens."""
    text = descriptor.annotations.get(_JWE, "")
    if not text:
        others = sorted(
            name.rpartition(".")[2]
            for name in descriptor.annotations
            if name.startswith(f"{ENCRYPTION_ANNOTATIONS}keys.")
        )
        kind = f": its keys are for {ascii(', '.join(others))[1:-1][:100]}, which is not supported" if others else ""
        raise InvalidContent(f"{where}: the annotation {_JWE} is missing{kind}")
    if len(text) > 2 * jwe.LIMIT:
        limit = 2 * jwe.LIMIT
        raise TooLarge(f"{where}: the annotation {_JWE} is over the limit of {limit} bytes", limit=limit)
    envelopes = text.split(",")
    if len(envelopes) > _MAX_ENVELOPES:
        raise InvalidContent(f"{where}: the annotation {_JWE} has more than {_MAX_ENVELOPES} parts")
    for envelope in envelopes:
        try:
            return jwe.decrypt(_decode(envelope, f"{where}: {_JWE}"), keys, f"{where}: its JWE")
        except jwe.NoKey:
            continue
    raise InvalidContent(
        f"{where}: none of the private keys could be used for decryption: it is for other keys, or damaged"
    )


def _options(value: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    options = value.get("cipheroptions")
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise InvalidContent(f"{where}: cipheroptions is not a JSON object")
    return options


def _sized(value: object, size: int, where: str) -> bytes:
    content = _decode(value, where)
    if len(content) != size:
        raise InvalidContent(f"{where} is not {size} bytes long")
    return content


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decode(text: object, where: str) -> bytes:
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except ValueError:  # also binascii.Error, and for characters beyond ASCII
        pass  # raised below
    raise InvalidContent(f"{where} is not base64")
