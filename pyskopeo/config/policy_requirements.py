"""The requirements of a policy (containers-policy.json(5), "Policy Requirements")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any, ClassVar

from ..fast_dataclass import dataclass
from .policy_fields import base64_data, base64_list, fields, policy_error, quoted, string, strings, type_name
from .policy_identities import DEFAULT_IDENTITY, SignedIdentity, parse_identity

_KEY_TYPES = frozenset({"GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"})


@dataclass(frozen=True, slots=True)
class InsecureAcceptAnything:
    """Accepts any image; other requirements in the same list still apply."""

    type: ClassVar[str] = "insecureAcceptAnything"


@dataclass(frozen=True, slots=True)
class Reject:
    """Rejects all images."""

    type: ClassVar[str] = "reject"


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Requires a simple signature by one of the keys, in keyring files or in the policy itself."""

    type: ClassVar[str] = "signedBy"
    key_type: str
    key_paths: tuple[str, ...] = ()
    key_data: bytes | None = field(default=None, repr=False)
    signed_identity: SignedIdentity = DEFAULT_IDENTITY


@dataclass(frozen=True, slots=True)
class Fulcio:
    """Certificates that Fulcio issued for an identity of ``oidc_issuer``."""

    ca_path: str
    ca_data: bytes | None = field(repr=False)
    oidc_issuer: str
    subject_email: str
    build_signer_uri: str


@dataclass(frozen=True, slots=True)
class CertificateChain:
    """``pki``: certificates that given authorities issued for an email address or a host name."""

    ca_roots_path: str
    ca_roots_data: bytes | None = field(repr=False)
    ca_intermediates_path: str
    ca_intermediates_data: bytes | None = field(repr=False)
    subject_email: str
    subject_hostname: str


@dataclass(frozen=True, slots=True)
class SigstoreSigned:
    """Requires a sigstore signature by one of the keys, or by a certificate of ``fulcio`` or ``pki``."""

    type: ClassVar[str] = "sigstoreSigned"
    key_paths: tuple[str, ...] = ()
    key_data: tuple[bytes, ...] = field(default=(), repr=False)
    fulcio: Fulcio | None = None
    pki: CertificateChain | None = None
    rekor_key_paths: tuple[str, ...] = ()
    rekor_key_data: tuple[bytes, ...] = field(default=(), repr=False)
    signed_identity: SignedIdentity = DEFAULT_IDENTITY


@dataclass(frozen=True, slots=True)
class SignedBaseLayer:
    """Requires a signed base layer; not implemented by any program, so that it rejects all images."""

    type: ClassVar[str] = "signedBaseLayer"
    base_layer_identity: SignedIdentity


Requirement = InsecureAcceptAnything | Reject | SignedBy | SigstoreSigned | SignedBaseLayer


def parse_requirements(value: object, where: str) -> tuple[Requirement, ...]:
    """Validate a list of at least one requirement at ``where``; raises `InvalidInput`."""
    if value is not None and not isinstance(value, list):
        raise policy_error("array expected", where)
    if not value:
        raise policy_error("List of verification policy requirements must not be empty", where)
    return tuple(_requirement(item, f"{where}[{i}]") for i, item in enumerate(value))


def _requirement(value: object, where: str) -> Requirement:
    named = type_name(value, where)
    if named not in _TYPES:
        raise policy_error(f"Unknown policy requirement type {quoted(named)}", where, f"want {', '.join(_TYPES)}")
    return _TYPES[named](value, where)


def _accept(value: object, where: str) -> Requirement:
    fields(value, {"type": string}, where, exact=True)
    return InsecureAcceptAnything()


def _reject(value: object, where: str) -> Requirement:
    fields(value, {"type": string}, where, exact=True)
    return Reject()


def _signed_by(value: object, where: str) -> Requirement:
    sources = {"keyPath": string, "keyPaths": strings, "keyData": base64_data}
    readers = {"type": string, "keyType": _key_type, **sources, "signedIdentity": parse_identity}
    found = fields(value, readers, where)
    given = [name for name in sources if name in found]
    # As in containers/image, an empty list of paths counts as given, but not an empty path.
    if len(given) != 1 or found[given[0]] in (None, ""):
        raise policy_error("Exactly one of keyPath, keyPaths and keyData must be specified", where)
    if "keyType" not in found:
        raise policy_error('invalid keyType ""', where)
    return SignedBy(
        key_type=found["keyType"],
        key_paths=_one_or_list(found, "keyPath"),
        key_data=found.get("keyData"),
        signed_identity=found.get("signedIdentity", DEFAULT_IDENTITY),
    )


def _sigstore_signed(value: object, where: str) -> Requirement:
    keys = {
        "keyPath": string, "keyPaths": strings, "keyData": base64_data, "keyDatas": base64_list,
        "fulcio": _fulcio, "pki": _pki,
    }  # fmt: skip
    rekor = {
        "rekorPublicKeyPath": string, "rekorPublicKeyPaths": strings,
        "rekorPublicKeyData": base64_data, "rekorPublicKeyDatas": base64_list,
    }  # fmt: skip
    found = fields(value, {"type": string, **keys, **rekor, "signedIdentity": parse_identity}, where)
    for name in ("keyPaths", "keyDatas", "rekorPublicKeyPaths", "rekorPublicKeyDatas"):
        if name in found and not found[name]:
            raise policy_error(f"{quoted(name)} contains no entries", where)
    if len(_given(found, keys)) != 1:
        wanted = "exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio, and pki must be specified"
        raise policy_error(wanted, where)
    logs = len(_given(found, rekor))
    if logs > 1:
        raise policy_error(f"at most one of {', '.join(rekor)} can be used", where)
    if "fulcio" in found and not logs:
        raise policy_error(f"At least one of {', '.join(rekor)} must be specified if fulcio is used", where)
    if "pki" in found and logs:
        raise policy_error(f"{', '.join(rekor)} are not supported for pki", where)
    return SigstoreSigned(
        key_paths=_one_or_list(found, "keyPath"),
        key_data=_one_or_list(found, "keyData"),
        fulcio=found.get("fulcio"),
        pki=found.get("pki"),
        rekor_key_paths=_one_or_list(found, "rekorPublicKeyPath"),
        rekor_key_data=_one_or_list(found, "rekorPublicKeyData"),
        signed_identity=found.get("signedIdentity", DEFAULT_IDENTITY),
    )


def _fulcio(value: object, where: str) -> Fulcio:
    readers = {
        "caPath": string, "caData": base64_data,
        "oidcIssuer": string, "subjectEmail": string, "buildSignerURI": string,
    }  # fmt: skip
    found = fields(value, readers, where)
    _exactly_one(found, "caPath", "caData", where)
    if not found.get("oidcIssuer"):
        raise policy_error("oidcIssuer not specified", where)
    _at_least_one(found, "subjectEmail", "buildSignerURI", where)
    return Fulcio(*_in_order(found, readers))


def _pki(value: object, where: str) -> CertificateChain:
    readers = {
        "caRootsPath": string, "caRootsData": base64_data,
        "caIntermediatesPath": string, "caIntermediatesData": base64_data,
        "subjectEmail": string, "subjectHostname": string,
    }  # fmt: skip
    found = fields(value, readers, where)
    _exactly_one(found, "caRootsPath", "caRootsData", where)
    if len(_given(found, ("caIntermediatesPath", "caIntermediatesData"))) > 1:
        raise policy_error("caIntermediatesPath and caIntermediatesData cannot be used simultaneously", where)
    _at_least_one(found, "subjectEmail", "subjectHostname", where)
    return CertificateChain(*_in_order(found, readers))


def _signed_base_layer(value: object, where: str) -> Requirement:
    found = fields(value, {"type": string, "baseLayerIdentity": parse_identity}, where, exact=True)
    return SignedBaseLayer(found["baseLayerIdentity"])


def _key_type(value: object, where: str) -> str:
    found = string(value, where)
    if found not in _KEY_TYPES:
        raise policy_error(f"Unrecognized keyType value {quoted(found)}", where)
    return found


def _given(found: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [name for name in names if found.get(name) not in (None, "")]


def _exactly_one(found: Mapping[str, Any], path: str, content: str, where: str) -> None:
    given = _given(found, (path, content))
    if len(given) > 1:
        raise policy_error(f"{path} and {content} cannot be used simultaneously", where)
    if not given:
        raise policy_error(f"At least one of {path} and {content} must be specified", where)


def _at_least_one(found: Mapping[str, Any], one: str, other: str, where: str) -> None:
    if not _given(found, (one, other)):
        raise policy_error(f"At least one of {one}, {other} must be specified", where)


def _one_or_list(found: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """Return the values of ``name`` or of its plural, of which at most one is given."""
    return (found[name],) if found.get(name) not in (None, "") else found.get(f"{name}s") or ()


def _in_order(found: Mapping[str, Any], readers: Mapping[str, Any]) -> list[Any]:
    return [found.get(name, None if reader is base64_data else "") for name, reader in readers.items()]


_TYPES: dict[str, Callable[[object, str], Requirement]] = {
    InsecureAcceptAnything.type: _accept,
    Reject.type: _reject,
    SignedBy.type: _signed_by,
    SigstoreSigned.type: _sigstore_signed,
    SignedBaseLayer.type: _signed_base_layer,
}
