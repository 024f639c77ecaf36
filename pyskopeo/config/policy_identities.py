"""``signedIdentity``: the image that a signature has to be for (containers-policy.json(5), "signedBy")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from ..model.reference import Reference
from .policy_fields import fields, policy_error, quoted, string, type_name

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
# A host, or a namespace or repository with its host.
_PREFIX = re.compile(rf"{_DOMAIN}(?:/{_COMPONENT})*")


@dataclass(frozen=True, slots=True)
class MatchExact:
    """The name of the image, with its tag or digest."""

    type: ClassVar[str] = "matchExact"


@dataclass(frozen=True, slots=True)
class MatchRepoDigestOrExact:
    """The name of the image; if it has a digest, any tag of its repository."""

    type: ClassVar[str] = "matchRepoDigestOrExact"


@dataclass(frozen=True, slots=True)
class MatchRepository:
    """Any tag of the image's repository."""

    type: ClassVar[str] = "matchRepository"


@dataclass(frozen=True, slots=True)
class ExactReference:
    """The given name with a tag or digest, for any image."""

    type: ClassVar[str] = "exactReference"
    reference: str


@dataclass(frozen=True, slots=True)
class ExactRepository:
    """Any tag of the given repository, for any image."""

    type: ClassVar[str] = "exactRepository"
    repository: str


@dataclass(frozen=True, slots=True)
class RemapIdentity:
    """As `MatchRepoDigestOrExact`, after replacing the ``prefix`` of the image's name by ``signed_prefix``."""

    type: ClassVar[str] = "remapIdentity"
    prefix: str
    signed_prefix: str


SignedIdentity = (
    MatchExact | MatchRepoDigestOrExact | MatchRepository | ExactReference | ExactRepository | RemapIdentity
)
# The identity of a requirement without a signedIdentity.
DEFAULT_IDENTITY = MatchRepoDigestOrExact()


def parse_identity(value: object, where: str) -> SignedIdentity:
    """Validate a ``signedIdentity`` at ``where``; raises `InvalidInput`."""
    named = type_name(value, where)
    if named not in _TYPES:
        raise policy_error(f"Unknown policy reference match type {quoted(named)}", where, f"want {', '.join(_TYPES)}")
    return _TYPES[named](value, where)


def _without_fields(identity: SignedIdentity) -> Callable[[object, str], SignedIdentity]:
    def read(value: object, where: str) -> SignedIdentity:
        fields(value, {"type": string}, where, exact=True)
        return identity

    return read


def _exact_reference(value: object, where: str) -> SignedIdentity:
    found = fields(value, {"type": string, "dockerReference": _name}, where, exact=True)["dockerReference"]
    parsed = Reference.parse(found, default_tag="")
    if not parsed.tag and parsed.digest is None:
        raise policy_error(f"dockerReference {quoted(found)} contains neither a tag nor digest", where)
    return ExactReference(found)


def _exact_repository(value: object, where: str) -> SignedIdentity:
    found = fields(value, {"type": string, "dockerRepository": _name}, where, exact=True)
    return ExactRepository(found["dockerRepository"])


def _remap(value: object, where: str) -> SignedIdentity:
    found = fields(value, {"type": string, "prefix": _prefix, "signedPrefix": _prefix}, where, exact=True)
    return RemapIdentity(found["prefix"], found["signedPrefix"])


def _name(value: object, where: str) -> str:
    found = string(value, where)
    try:
        Reference.parse(found, default_tag="")
    except InvalidName as error:
        raise policy_error(f"{quoted(found)}: {error}", where) from None
    return found


def _prefix(value: object, where: str) -> str:
    found = string(value, where)
    if not _PREFIX.fullmatch(found):
        raise policy_error(f"prefix {quoted(found)} is not valid", where)
    return found


_TYPES: dict[str, Callable[[object, str], SignedIdentity]] = {
    MatchExact.type: _without_fields(MatchExact()),
    MatchRepoDigestOrExact.type: _without_fields(MatchRepoDigestOrExact()),
    MatchRepository.type: _without_fields(MatchRepository()),
    ExactReference.type: _exact_reference,
    ExactRepository.type: _exact_repository,
    RemapIdentity.type: _remap,
}
