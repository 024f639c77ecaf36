"""in-toto statements: what a bundle says of which image (in-toto's attestation framework, version 1, "Statement")."""

from __future__ import annotations

from typing import Any

from ..fast_dataclass import dataclass
from ..model.signature import SIGNATURE_LIMIT
from .json_members import an_object, known, member_list, member_text, parse_document, shown
from .refusals import SignatureRefused

PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""The type of a statement as the payload of an envelope."""

SIGNATURE_PREDICATE = "https://sigstore.dev/cosign/sign/v1"
"""The predicate of a statement that is a signature of an image, as cosign 3 writes it."""

_TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_MAX_SUBJECTS = 1024


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: digests (``sha256:HEX``, by all their algorithms), and a name, which may be ""."""

    name: str
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement; ``predicate_type`` says what it claims of its subjects."""

    subjects: tuple[Subject, ...]
    predicate_type: str

    @classmethod
    def parse(cls, raw: bytes) -> Statement:
        """Parse a statement; raises `SignatureRefused`."""
        document = parse_document(raw, "the statement", SIGNATURE_LIMIT)
        known(document, "the statement", "_type", "subject", "predicateType", "predicate")
        if document.get("_type") not in _TYPES:
            raise SignatureRefused(f"a statement of type {shown(document.get('_type'))}, which is not supported")
        subjects = member_list(document, "subject", "the statement")
        if not 0 < len(subjects) <= _MAX_SUBJECTS:
            raise SignatureRefused(f"the statement has {len(subjects)} subjects: want 1 to {_MAX_SUBJECTS}")
        return cls(tuple(map(_subject, subjects)), member_text(document, "predicateType", "the statement"))


def _subject(value: Any) -> Subject:
    found = an_object(value, "subject")
    name = found.get("name")
    digests = an_object(found.get("digest"), "subject.digest")
    if name is not None and not isinstance(name, str):
        raise SignatureRefused("subject.name is not a string")
    if not digests or not all(isinstance(one, str) for one in digests.values()):
        raise SignatureRefused("subject.digest is not an object of digests")
    return Subject(name or "", tuple(f"{algorithm}:{text}" for algorithm, text in digests.items()))
