"""What a policy may demand of an image (containers-policy.json(5), "Policy Requirements")."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Any, ClassVar

from ..fast_dataclass import dataclass
from .policy_fields import data, datas, fields, kind, quoted, text, texts, wrong
from .policy_identities import DEFAULT_IDENTITY, SignedIdentity, parse_identity

_KEY_TYPES = frozenset({"GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"})


@dataclass(frozen=True, slots=True)
class InsecureAcceptAnything:
    """Any image will do; the other requirements of the list still count."""

    type: ClassVar[str] = "insecureAcceptAnything"


@dataclass(frozen=True, slots=True)
class Reject:
    """No image will do."""

    type: ClassVar[str] = "reject"


@dataclass(frozen=True, slots=True)
class SignedBy:
    """A simple signature by one of the keys: keyrings in files, or one in the policy itself."""

    type: ClassVar[str] = "signedBy"
    key_type: str
    key_paths: tuple[str, ...] = ()
    key_data: bytes | None = field(default=None, repr=False)
    signed_identity: SignedIdentity = DEFAULT_IDENTITY


@dataclass(frozen=True, slots=True)
class Fulcio:
    """Certificates issued by Fulcio for an identity of ``oidc_issuer``."""

    ca_path: str
    ca_data: bytes | None = field(repr=False)
    oidc_issuer: str
    subject_email: str
    build_signer_uri: str


@dataclass(frozen=True, slots=True)
class CertificateChain:
    """``pki``: certificates issued by authorities of one's own, for an address or a host."""

    ca_roots_path: str
    ca_roots_data: bytes | None = field(repr=False)
    ca_intermediates_path: str
    ca_intermediates_data: bytes | None = field(repr=False)
    subject_email: str
    subject_hostname: str


@dataclass(frozen=True, slots=True)
class SigstoreSigned:
    """A sigstore signature: by one of the keys, or by a certificate of ``fulcio`` or ``pki``."""

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
    """A signed base layer; no program can verify one, so no image ever satisfies this."""

    type: ClassVar[str] = "signedBaseLayer"
    base_layer_identity: SignedIdentity


Requirement = InsecureAcceptAnything | Reject | SignedBy | SigstoreSigned | SignedBaseLayer


def parse_requirements(value: object, where: str) -> tuple[Requirement, ...]:
    """Read a list of requirements, at least one; raises `InvalidInput`, naming the place."""
    if value is not None and not isinstance(value, list):
        raise wrong("array expected", where)
    if not value:
        raise wrong("List of verification policy requirements must not be empty", where)
    return tuple(_requirement(item, f"{where}[{i}]") for i, item in enumerate(value))


def _requirement(value: object, where: str) -> Requirement:
    named = kind(value, where)
    if named not in _TYPES:
        raise wrong(f"Unknown policy requirement type {quoted(named)}", where)
    return _TYPES[named](value, where)


def _accept(value: object, where: str) -> Requirement:
    fields(value, {"type": text}, where, exact=True)
    return InsecureAcceptAnything()


def _reject(value: object, where: str) -> Requirement:
    fields(value, {"type": text}, where, exact=True)
    return Reject()


def _signed_by(value: object, where: str) -> Requirement:
    sources = {"keyPath": text, "keyPaths": texts, "keyData": data}
    readers = {"type": text, "keyType": _key_type, **sources, "signedIdentity": parse_identity}
    found = fields(value, readers, where)
    given = [name for name in sources if name in found]
    # An empty list of paths is a source without keys, an empty path is no source.
    if len(given) != 1 or found[given[0]] in (None, ""):
        raise wrong("Exactly one of keyPath, keyPaths and keyData must be specified", where)
    if "keyType" not in found:
        raise wrong('invalid keyType ""', where)
    return SignedBy(
        key_type=found["keyType"],
        key_paths=_several(found, "keyPath"),
        key_data=found.get("keyData"),
        signed_identity=found.get("signedIdentity", DEFAULT_IDENTITY),
    )


def _sigstore_signed(value: object, where: str) -> Requirement:
    keys = {"keyPath": text, "keyPaths": texts, "keyData": data, "keyDatas": datas, "fulcio": _fulcio, "pki": _pki}
    rekor = {
        "rekorPublicKeyPath": text, "rekorPublicKeyPaths": texts,
        "rekorPublicKeyData": data, "rekorPublicKeyDatas": datas,
    }  # fmt: skip
    found = fields(value, {"type": text, **keys, **rekor, "signedIdentity": parse_identity}, where)
    for name in ("keyPaths", "keyDatas", "rekorPublicKeyPaths", "rekorPublicKeyDatas"):
        if name in found and not found[name]:
            raise wrong(f"{quoted(name)} contains no entries", where)
    if len(_given(found, keys)) != 1:
        raise wrong("exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio, and pki must be specified", where)
    logs = len(_given(found, rekor))
    if logs > 1:
        raise wrong(f"at most one of {', '.join(rekor)} can be used", where)
    if "fulcio" in found and not logs:
        raise wrong(f"At least one of {', '.join(rekor)} must be specified if fulcio is used", where)
    if "pki" in found and logs:
        raise wrong(f"{', '.join(rekor)} are not supported for pki", where)
    return SigstoreSigned(
        key_paths=_several(found, "keyPath"),
        key_data=_several(found, "keyData"),
        fulcio=found.get("fulcio"),
        pki=found.get("pki"),
        rekor_key_paths=_several(found, "rekorPublicKeyPath"),
        rekor_key_data=_several(found, "rekorPublicKeyData"),
        signed_identity=found.get("signedIdentity", DEFAULT_IDENTITY),
    )


def _fulcio(value: object, where: str) -> Fulcio:
    readers = {"caPath": text, "caData": data, "oidcIssuer": text, "subjectEmail": text, "buildSignerURI": text}
    found = fields(value, readers, where)
    _one_of(found, "caPath", "caData", where)
    if not found.get("oidcIssuer"):
        raise wrong("oidcIssuer not specified", where)
    _some_of(found, "subjectEmail", "buildSignerURI", where)
    return Fulcio(*_filled(found, readers))


def _pki(value: object, where: str) -> CertificateChain:
    readers = {
        "caRootsPath": text, "caRootsData": data, "caIntermediatesPath": text, "caIntermediatesData": data,
        "subjectEmail": text, "subjectHostname": text,
    }  # fmt: skip
    found = fields(value, readers, where)
    _one_of(found, "caRootsPath", "caRootsData", where)
    if len(_given(found, ("caIntermediatesPath", "caIntermediatesData"))) > 1:
        raise wrong("caIntermediatesPath and caIntermediatesData cannot be used simultaneously", where)
    _some_of(found, "subjectEmail", "subjectHostname", where)
    return CertificateChain(*_filled(found, readers))


def _signed_base_layer(value: object, where: str) -> Requirement:
    found = fields(value, {"type": text, "baseLayerIdentity": parse_identity}, where, exact=True)
    return SignedBaseLayer(found["baseLayerIdentity"])


def _key_type(value: object, where: str) -> str:
    found = text(value, where)
    if found not in _KEY_TYPES:
        raise wrong(f"Unrecognized keyType value {quoted(found)}", where)
    return found


def _given(found: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [name for name in names if found.get(name) not in (None, "")]


def _one_of(found: Mapping[str, Any], path: str, content: str, where: str) -> None:
    given = _given(found, (path, content))
    if len(given) > 1:
        raise wrong(f"{path} and {content} cannot be used simultaneously", where)
    if not given:
        raise wrong(f"At least one of {path} and {content} must be specified", where)


def _some_of(found: Mapping[str, Any], one: str, other: str, where: str) -> None:
    if not _given(found, (one, other)):
        raise wrong(f"at least one of {one} and {other} must be specified", where)


def _several(found: Mapping[str, Any], name: str) -> tuple[Any, ...]:
    """What ``name`` and its plural give: the one or the other."""
    return (found[name],) if found.get(name) not in (None, "") else found.get(f"{name}s") or ()


def _filled(found: Mapping[str, Any], readers: Mapping[str, Any]) -> list[Any]:
    return [found.get(name, None if reader is data else "") for name, reader in readers.items()]


_TYPES: dict[str, Callable[[object, str], Requirement]] = {
    InsecureAcceptAnything.type: _accept,
    Reject.type: _reject,
    SignedBy.type: _signed_by,
    SigstoreSigned.type: _sigstore_signed,
    SignedBaseLayer.type: _signed_base_layer,
}
