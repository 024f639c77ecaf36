"""``signedIdentity``: which image a signature must speak of (containers-policy.json(5), "signedBy")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from ..model.reference import Reference
from .policy_fields import fields, kind, quoted, text, wrong

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
# A host, a namespace or a repository, always with its host.
_PREFIX = re.compile(rf"{_DOMAIN}(?:/{_COMPONENT})*")


@dataclass(frozen=True, slots=True)
class MatchExact:
    """The image's own name, with its tag or digest."""

    type: ClassVar[str] = "matchExact"


@dataclass(frozen=True, slots=True)
class MatchRepoDigestOrExact:
    """The image's own name; any tag of its repository, where the image is named by digest."""

    type: ClassVar[str] = "matchRepoDigestOrExact"


@dataclass(frozen=True, slots=True)
class MatchRepository:
    """Any tag of the image's repository."""

    type: ClassVar[str] = "matchRepository"


@dataclass(frozen=True, slots=True)
class ExactReference:
    """One name with a tag or a digest, whatever the image's own is."""

    type: ClassVar[str] = "exactReference"
    reference: str


@dataclass(frozen=True, slots=True)
class ExactRepository:
    """One repository, whatever the image's own is."""

    type: ClassVar[str] = "exactRepository"
    repository: str


@dataclass(frozen=True, slots=True)
class RemapIdentity:
    """As `MatchRepoDigestOrExact`, with ``prefix`` of the image's name replaced by ``signed_prefix``."""

    type: ClassVar[str] = "remapIdentity"
    prefix: str
    signed_prefix: str


SignedIdentity = (
    MatchExact | MatchRepoDigestOrExact | MatchRepository | ExactReference | ExactRepository | RemapIdentity
)
# What counts where a requirement does not say.
DEFAULT_IDENTITY = MatchRepoDigestOrExact()


def parse_identity(value: object, where: str) -> SignedIdentity:
    """Read a ``signedIdentity``; raises `InvalidInput`, naming the place."""
    named = kind(value, where)
    if named not in _TYPES:
        raise wrong(f"Unknown policy reference match type {quoted(named)}", where)
    return _TYPES[named](value, where)


def _bare(made: MatchExact | MatchRepoDigestOrExact | MatchRepository) -> Callable[[object, str], SignedIdentity]:
    def read(value: object, where: str) -> SignedIdentity:
        fields(value, {"type": text}, where, exact=True)
        return made

    return read


def _exact_reference(value: object, where: str) -> SignedIdentity:
    found = fields(value, {"type": text, "dockerReference": _name}, where, exact=True)["dockerReference"]
    parsed = Reference.parse(found, default_tag="")
    if not parsed.tag and parsed.digest is None:
        raise wrong(f"dockerReference {quoted(found)} contains neither a tag nor digest", where)
    return ExactReference(found)


def _exact_repository(value: object, where: str) -> SignedIdentity:
    found = fields(value, {"type": text, "dockerRepository": _name}, where, exact=True)
    return ExactRepository(found["dockerRepository"])


def _remap(value: object, where: str) -> SignedIdentity:
    found = fields(value, {"type": text, "prefix": _prefix, "signedPrefix": _prefix}, where, exact=True)
    return RemapIdentity(found["prefix"], found["signedPrefix"])


def _name(value: object, where: str) -> str:
    found = text(value, where)
    try:
        Reference.parse(found, default_tag="")
    except InvalidName as error:
        raise wrong(f"{quoted(found)}: {error}", where) from None
    return found


def _prefix(value: object, where: str) -> str:
    found = text(value, where)
    if not _PREFIX.fullmatch(found):
        raise wrong(f"prefix {quoted(found)} is not valid", where)
    return found


_TYPES: dict[str, Callable[[object, str], SignedIdentity]] = {
    MatchExact.type: _bare(MatchExact()),
    MatchRepoDigestOrExact.type: _bare(MatchRepoDigestOrExact()),
    MatchRepository.type: _bare(MatchRepository()),
    ExactReference.type: _exact_reference,
    ExactRepository.type: _exact_repository,
    RemapIdentity.type: _remap,
}
