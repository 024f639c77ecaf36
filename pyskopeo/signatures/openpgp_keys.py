"""Public keys of OpenPGP: keyrings, and whether a key may be trusted now (RFC 9580, section 10.1).

Keys are read by the library pysequoia, the extra ``openpgp``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import InvalidContent, Unsupported, prefix_errors
from ..fast_dataclass import dataclass
from .openpgp_crypto import is_made_by
from .openpgp_packets import KeyPacket, Packet, SignaturePacket, Tag, read_packets

if TYPE_CHECKING:
    from types import ModuleType

    from pysequoia import Cert

# Types of signatures (section 5.2.1).
_CERTIFICATIONS = (0x10, 0x11, 0x12, 0x13)
_SUBKEY_BINDING, _PRIMARY_KEY_BINDING, _DIRECT_KEY, _SUBKEY_REVOCATION = 0x18, 0x19, 0x1F, 0x28
# Clocks of those who sign may be ahead.
TOLERANCE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Component:
    """A key, a subkey or a user ID, with the signatures that follow it in its certificate."""

    packet: Packet
    signatures: tuple[SignaturePacket, ...] = field(repr=False)

    @property
    def key(self) -> KeyPacket:
        """What it consists of, for a key or subkey."""
        return KeyPacket.parse(self.packet.body)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as the library has it (``cert``), and its parts: the primary key, user IDs, subkeys."""

    cert: Cert = field(repr=False)
    components: tuple[Component, ...] = field(repr=False)

    @classmethod
    def of(cls, cert: Cert) -> Certificate:
        """Read the parts of a certificate; raises `InvalidContent`."""
        found: list[tuple[Packet, list[SignaturePacket]]] = []
        for packet in read_packets(bytes(cert)):
            if packet.tag != Tag.SIGNATURE:
                found.append((packet, []))
            # Those of version 3, old certifications by others, mean nothing here.
            elif found and packet.body[:1] in (b"\4", b"\6"):
                found[-1][1].append(SignaturePacket.parse(packet.body))
        return cls(cert, tuple(Component(packet, tuple(signatures)) for packet, signatures in found))

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the primary key, in upper-case hex."""
        return self.cert.fingerprint.upper()

    @property
    def primary(self) -> Component:
        """The primary key."""
        return self.components[0]

    def find(self, issuer: str) -> Component | None:
        """Return the key with the fingerprint or key ID ``issuer``."""
        keys = (one for one in self.components if one.packet.tag in (Tag.PUBLIC_KEY, Tag.PUBLIC_SUBKEY))
        return next((one for one in keys if one.key.is_named_by(issuer)), None)

    def fault(self, signer: Component, now: datetime) -> str:
        """Return why signatures by ``signer``, one of the keys, are not accepted at the time ``now``; "" if they are.

        As for gpg, a key that is revoked or has expired accepts nothing any more, whenever it was signed, and whatever
        the reason of the revocation is.
        """
        try:
            with library_errors():
                revoked, expiration = self.cert.is_revoked, self.cert.expiration
        except InvalidContent:
            return (
                f"the key {self.fingerprint} cannot be used: it has no signature of its own that is valid and safe "
                "(SHA-1 is not), or its algorithm is not supported"
            )
        if revoked:
            return f"the key {self.fingerprint} is revoked"
        if expiration is not None and expiration <= now:
            return f"the key {self.fingerprint} expired on {expiration:%Y-%m-%d}"
        return self._subkey_fault(signer, now) if signer is not self.primary else self._use_fault(now)

    def is_newer_than(self, signer: Component, time: datetime) -> bool:
        """Return whether the certificate was renewed after ``time``, so that it does not say what was true then."""
        statements = [*self._self_signatures(), *signer.signatures]
        return any(one.created is not None and one.created > time for one in statements)

    def _use_fault(self, now: datetime) -> str:
        uses = [one for one in self._self_signatures() if one.flags is not None and _is_past(one, now)]
        if uses and not _newest(uses).may_sign:
            return f"the key {self.fingerprint} is not for signing"
        return ""

    def _self_signatures(self) -> Iterator[SignaturePacket]:
        """Yield what the primary key says of itself."""
        key = self.primary.key
        for one in self.primary.signatures:
            if one.type == _DIRECT_KEY and is_made_by(key, one, key.hashed):
                yield one
        for part in self.components:
            if part.packet.tag != Tag.USER_ID:
                continue
            named = key.hashed + b"\xb4" + len(part.packet.body).to_bytes(4, "big") + part.packet.body
            yield from (one for one in part.signatures if one.type in _CERTIFICATIONS and is_made_by(key, one, named))

    def _subkey_fault(self, signer: Component, now: datetime) -> str:
        subkey = signer.key
        called = f"the subkey {subkey.fingerprint} of {self.fingerprint}"
        # Not verified: who could add a revocation could remove the key as well.
        if any(one.type == _SUBKEY_REVOCATION for one in signer.signatures):
            return f"{called} is revoked"
        bound = self.primary.key.hashed + subkey.hashed
        bindings = [
            one for one in signer.signatures
            if one.type == _SUBKEY_BINDING and _is_past(one, now) and is_made_by(self.primary.key, one, bound)
        ]  # fmt: skip
        if not bindings:
            return f"{called} is not bound to it by a signature that can be verified"
        binding = _newest(bindings)
        if not binding.may_sign:
            return f"{called} is not for signing"
        if binding.key_lifetime is not None and subkey.created + binding.key_lifetime <= now:
            return f"{called} expired on {subkey.created + binding.key_lifetime:%Y-%m-%d}"
        if not _consents(subkey, binding, bound):
            return f"{called} has not signed that it belongs to it"
        return ""


def _consents(subkey: KeyPacket, binding: SignaturePacket, bound: bytes) -> bool:
    """Return whether the subkey has signed the binding as well (section 5.2.1.9): otherwise it may be another's."""
    try:
        consent = SignaturePacket.parse(binding.embedded)
    except InvalidContent:
        return False
    return consent.type == _PRIMARY_KEY_BINDING and is_made_by(subkey, consent, bound)


def _is_past(signature: SignaturePacket, now: datetime) -> bool:
    return signature.created is not None and signature.created <= now + TOLERANCE


def _newest(signatures: Sequence[SignaturePacket]) -> SignaturePacket:
    return max(signatures, key=lambda one: one.created.timestamp() if one.created else 0)


@lru_cache(maxsize=8)
def read_keyrings(keyrings: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    """Return the certificates in ``keyrings``, which are binary or armored; those of one key are merged.

    Raises `InvalidContent`, also if there is none, and `Unsupported` without the extra ``openpgp``.
    """
    pysequoia = _library()
    merged: dict[str, Cert] = {}
    for keyring in keyrings:
        with prefix_errors("No public keys imported"), library_errors():
            for cert in pysequoia.Cert.split_bytes(keyring):
                known = merged.get(cert.fingerprint)
                merged[cert.fingerprint] = cert if known is None else known.merge(cert)
    if not merged:
        raise InvalidContent("No public keys imported")
    return tuple(Certificate.of(cert) for cert in merged.values())


def fingerprints(keyrings: Sequence[bytes]) -> tuple[str, ...]:
    """Return the fingerprints of the primary keys in ``keyrings``, in upper-case hex; raises as `read_keyrings`."""
    return tuple(certificate.fingerprint for certificate in read_keyrings(tuple(keyrings)))


@contextmanager
def library_errors() -> Iterator[None]:
    """Raise what the library says as `InvalidContent`, without the backtrace that may follow.

    That goes for an error in the library itself, too, after which it has to be taken for a refusal.
    """
    try:
        yield
    except BaseException as error:
        if not isinstance(error, RuntimeError | ValueError) and type(error).__name__ != "PanicException":
            raise
        raise InvalidContent(str(error).strip().partition("\n")[0]) from None


def _library() -> ModuleType:
    try:
        import cryptography  # noqa: F401 - `openpgp_crypto` uses it
        import pysequoia
    except ImportError as error:
        raise Unsupported(
            f"OpenPGP signatures are verified with the package {error.name}, which is not installed: "
            "pip install 'pyskopeo[openpgp]'"
        ) from None
    return pysequoia
