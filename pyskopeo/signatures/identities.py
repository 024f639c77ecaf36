"""Whether a signature is for the image that is asked for: ``signedIdentity`` (containers-policy.json(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config.policy_identities import (
    ExactReference,
    ExactRepository,
    MatchExact,
    MatchRepoDigestOrExact,
    MatchRepository,
    RemapIdentity,
)
from ..errors import InvalidName
from ..model.reference import Reference

if TYPE_CHECKING:
    from ..config.policy_identities import SignedIdentity

_MAX_QUOTED = 300


def refusal(identity: SignedIdentity, image: Reference | None, claimed: str) -> str:
    """Return why a signature that claims to be for ``claimed`` is not one for ``image``, "" if it is.

    ``image`` is what the user asked for, None if its name contains no registry reference. A reference with a digest and
    no tag matches signatures for every tag of its repository, since the digest of the manifest is verified anyway; one
    with both matches its full text only.
    """
    reason = _reason(identity, image, claimed)
    return f"Signature for identity {_quoted(claimed)} is not accepted: {reason}" if reason else ""


def _reason(identity: SignedIdentity, image: Reference | None, claimed: str) -> str:
    try:
        signed = Reference.parse(claimed, default_tag="")
    except InvalidName:
        return "it is not a valid reference"
    if isinstance(identity, ExactRepository):
        return _same_name(Reference.parse(identity.repository, default_tag=""), signed)
    if isinstance(identity, ExactReference):
        return _same(Reference.parse(identity.reference, default_tag=""), signed)
    if image is None:
        return f"the image has no registry reference, which {identity.type} compares with (use exactReference instead)"
    if isinstance(identity, MatchRepository):
        return _same_name(image, signed)
    if isinstance(identity, MatchExact):
        return _same(image, signed)
    if isinstance(identity, RemapIdentity):
        wanted = _remapped(identity, image)
        if wanted is None:
            return f"{image} cannot be rewritten from {identity.prefix} to {identity.signed_prefix}"
        return _same_or_digest(wanted, signed)
    assert isinstance(identity, MatchRepoDigestOrExact)
    return _same_or_digest(image, signed)


def _same_or_digest(wanted: Reference, signed: Reference) -> str:
    if wanted.tag or wanted.digest is None or not signed.manifest_name:
        return _same(wanted, signed)
    return _same_name(wanted, signed)


def _same(wanted: Reference, signed: Reference) -> str:
    if not signed.manifest_name:
        return "it has neither a tag nor a digest"
    if wanted.manifest_name and str(wanted) == str(signed):
        return ""
    both = ", with tag and digest; name the image by one of them" if wanted.tag and wanted.digest else ""
    return f"it has to be for {wanted}{both}"


def _same_name(wanted: Reference, signed: Reference) -> str:
    return "" if wanted.name == signed.name else f"it has to be for {wanted.name}"


def _remapped(identity: RemapIdentity, image: Reference) -> Reference | None:
    """Return ``image`` with the other prefix, or itself if its name has not the prefix; None for an invalid result."""
    if image.name != identity.prefix and not image.name.startswith(f"{identity.prefix}/"):
        return image
    text = identity.signed_prefix + str(image)[len(identity.prefix) :]
    try:
        remapped = Reference.parse(text, default_tag="")
    except InvalidName:
        return None
    # As in containers/image, the result has to be written in full, such as docker.io/library/busybox.
    return remapped if str(remapped) == text else None


def _quoted(text: str) -> str:
    shown = text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}..."
    return '"' + ascii(shown)[1:-1].replace('"', '\\"') + '"'
