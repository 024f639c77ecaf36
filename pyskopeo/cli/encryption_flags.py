"""The flags for the encryption and decryption of layers, with skopeo's syntax for keys."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ..errors import InvalidInput, Unsupported
from ..fast_dataclass import replace
from .flags import Flag, Parsed, UsageError, listed

if TYPE_CHECKING:
    from ..encryption.keys import Decryption, Encryption
    from ..engine.plan import Form

# Bytes. Key files are smaller, and so is a passphrase from a file descriptor in skopeo.
_FILE_LIMIT = 1024 * 1024
_PASSPHRASE_LIMIT = 64
_OTHER_PROTOCOLS = ("pgp", "pkcs7", "pkcs11", "provider")


def _indexes(text: str) -> list[int]:
    """Split a comma-separated list of layer indexes."""
    if not re.fullmatch(r"[+-]?[0-9]{1,9}(,[+-]?[0-9]{1,9})*", text, re.ASCII):
        raise ValueError("want layer indexes such as 0 or -1")
    return [int(word) for word in text.split(",")]


ENCRYPTION = (
    Flag("encryption-key", "encrypt the layers for the owner of a public key (jwe: and a file in PEM); for several, "
         "repeat it; writes OCI", value="jwe:PATH", read=listed, repeat=True, group="form"),
    Flag("encrypt-layer", "encrypt only this layer: 0 is the lowest one, -1 the top one (default: all)", value="INDEX",
         read=_indexes, repeat=True, group="form"),
    Flag("decryption-key", "decrypt the layers with a private key (a file in PEM), whose passphrase is given as "
         ":PASSPHRASE, :file=PATH or :fd=NUMBER", value="PATH[:PASSPHRASE]", read=listed, repeat=True, group="form"),
)  # fmt: skip


def with_encryption(form: Form, parsed: Parsed) -> Form:
    """Return ``form`` with the keys that were given; raises `InvalidInput`."""
    recipients, keys = parsed.repeated("encryption-key", str), parsed.repeated("decryption-key", str)
    layers = parsed.repeated("encrypt-layer", int)
    if recipients and keys:
        raise UsageError("--encryption-key and --decryption-key cannot be specified together")
    if layers and not recipients:
        raise UsageError("--encrypt-layer can only be used with --encryption-key")
    if recipients:
        return replace(form, encryption=_encryption(recipients, layers))
    return replace(form, decryption=_decryption(keys)) if keys else form


def _encryption(recipients: tuple[str, ...], layers: tuple[int, ...]) -> Encryption:
    from ..encryption.jwe import MAX_RECIPIENTS
    from ..encryption.keys import Encryption, parse_public_key

    what = "Invalid encryption keys"
    if len(recipients) > MAX_RECIPIENTS:
        raise InvalidInput(f"{what}: {len(recipients)} are too many: want up to {MAX_RECIPIENTS}")
    keys = []
    for recipient in recipients:
        protocol, colon, path = recipient.partition(":")
        if not colon:
            raise InvalidInput(f"{what}: Invalid recipient format: want jwe: and the path of a public key")
        _refuse_protocol(protocol, what)
        if protocol != "jwe":
            raise InvalidInput(f"{what}: Provided protocol not recognized: want jwe: and the path of a public key")
        keys.append(parse_public_key(_read(path, what), f"{what}: {path}"))
    return Encryption(tuple(keys), layers)


def _decryption(words: tuple[str, ...]) -> Decryption:
    from ..encryption.keys import Decryption, parse_private_key

    what = "Invalid decryption keys"
    keys = []
    for word in words:
        path, colon, passphrase = word.partition(":")
        if not os.path.exists(path):
            _refuse_protocol(path, what)
            if path == "jwe":
                raise InvalidInput(f"{what}: a private key is given without jwe: in front of it")
        secret = _passphrase(passphrase, what) if colon else None
        keys.append(parse_private_key(_read(path, what), secret, f"{what}: {path}"))
    return Decryption(tuple(keys))


def _refuse_protocol(protocol: str, what: str) -> None:
    if protocol in _OTHER_PROTOCOLS:
        raise Unsupported(f"{what}: the protocol {protocol} is not supported: want jwe")


def _passphrase(text: str, what: str) -> bytes:
    """Return a passphrase as ocicrypt reads it; no part of it is in an error."""
    kind, equals, value = text.partition("=")
    if equals and kind == "pass":
        return os.fsencode(value)
    if equals and kind == "file":
        return _read(value, what)
    if equals and kind == "fd":
        if not re.fullmatch("[0-9]{1,9}", value, re.ASCII):
            raise InvalidInput(f"{what}: could not parse file descriptor: want fd= and a number")
        try:
            return os.read(int(value), _PASSPHRASE_LIMIT)
        except OSError as error:
            raise InvalidInput(f"{what}: could not read from file descriptor: {error.strerror}") from None
    return os.fsencode(text)


def _read(path: str, what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(_FILE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput(f"{what}: Unable to read file {path}: {reason}") from None
    if len(content) > _FILE_LIMIT:
        raise InvalidInput(f"{what}: {path} is over the limit of {_FILE_LIMIT} bytes")
    return content
