"""Textual encodings of keys and certificates (RFC 7468)."""

from __future__ import annotations

import base64
import re

from ..fast_dataclass import dataclass
from .refusals import SignatureRefused

_BLOCK = re.compile(
    rb"(?m:^)-----BEGIN (?P<label>[A-Z0-9 ]+)-----[ \t]*\r?\n"
    rb"(?P<body>[A-Za-z0-9+/=\s]*?)-----END (?P=label)-----[ \t]*(?:\r?\n|\Z)"
)


@dataclass(frozen=True, slots=True)
class PemBlock:
    """One block: its label, such as ``CERTIFICATE``, and its content (DER)."""

    label: str
    content: bytes


def first_block(text: bytes, what: str) -> tuple[PemBlock, bytes]:
    """Return the first block of ``text`` and what follows it; text before it is skipped.

    Raises `SignatureRefused`; ``what`` names the text in errors.
    """
    found = _BLOCK.search(text)
    if found is None:
        raise SignatureRefused(f"{what} is not in PEM format")
    try:
        content = base64.b64decode(b"".join(found["body"].split()), validate=True)
    except ValueError:
        raise SignatureRefused(f"{what} is not in PEM format: its base64 is invalid") from None
    return PemBlock(found["label"].decode("ascii"), content), text[found.end() :]


def only_block(text: bytes, what: str) -> PemBlock:
    """Return the only block of ``text``, which has to end with it; raises `SignatureRefused`."""
    block, rest = first_block(text, what)
    if rest:
        raise SignatureRefused(f"{what} has trailing data")
    return block


def all_blocks(text: bytes, what: str) -> tuple[PemBlock, ...]:
    """Return the blocks of ``text``, none for white space alone; raises `SignatureRefused` for other text after one."""
    found: list[PemBlock] = []
    rest = text.strip()
    while rest:
        block, rest = first_block(rest, what)
        found.append(block)
        rest = rest.strip()
    return tuple(found)
