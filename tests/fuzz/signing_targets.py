"""What is fuzzed of signing: files of keys and parameters, and what those answer whom it asks."""

from __future__ import annotations

from pyskopeo.config.signing_parameters import parse_parameters
from pyskopeo.signing.identity_tokens import parse_token
from pyskopeo.signing.rekor import hashed_record, signed_entry
from pyskopeo.signing.sigstore_keys import decrypt_private_key

RECORD = hashed_record(b"key", b"signature", b"payload")


def parameters(data: bytes) -> None:
    """The text of a file of parameters."""
    parse_parameters(data.decode("utf-8", "replace"), "FILE")


def private_key(data: bytes) -> None:
    """A file of a private key, without its passphrase."""
    decrypt_private_key(data, b"", "FILE")


def identity_token(data: bytes) -> None:
    """An identity token: whom it is for."""
    assert parse_token(data.decode("utf-8", "replace")).subject


def log_entry(data: bytes) -> None:
    """An answer of Rekor."""
    signed_entry(data, RECORD, "LOG")
