"""Public keys of OpenPGP: keyrings, and whether a key may be trusted now (RFC 9580, section 10.1).

Keys are read by the library pysequoia, the extra ``openpgp``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import InvalidContent, Unsupported, prefix_errors
from ..fast_dataclass import dataclass
from .openpgp_crypto import is_made_by
from .openpgp_packets import KeyPacket, SignaturePacket, Tag, read_packets

if TYPE_CHECKING:
    from types import ModuleType

    from pysequoia import Cert

# Types of signatures (section 5.2.1).
_CERTIFICATIONS = (0x10, 0x11, 0x12, 0x13)
_SUBKEY_BINDING, _PRIMARY_KEY_BINDING, _DIRECT_KEY = 0x18, 0x19, 0x1F
_KEY_REVOCATION, _SUBKEY_REVOCATION = 0x20, 0x28
# Clocks of those who sign may be ahead.
TOLERANCE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as the library has it (``cert``), and its parts.

    The library moves signatures that it cannot verify to the end, so that ``signatures`` are all of them, whatever they
    are about.
    """

    cert: Cert = field(repr=False)
    primary: KeyPacket
    subkeys: tuple[KeyPacket, ...]
    user_ids: tuple[bytes, ...] = field(repr=False)
    signatures: tuple[SignaturePacket, ...] = field(repr=False)

    @classmethod
    def of(cls, cert: Cert) -> Certificate:
        """Read the parts of a certificate; raises `InvalidContent`."""
        packets = list(read_packets(bytes(cert)))
        return cls(
            cert,
            KeyPacket.parse(packets[0].body),
            tuple(KeyPacket.parse(one.body) for one in packets if one.tag == Tag.PUBLIC_SUBKEY),
            tuple(one.body for one in packets if one.tag == Tag.USER_ID),
            tuple(_signatures(one.body for one in packets if one.tag == Tag.SIGNATURE)),
        )

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the primary key, in upper-case hex."""
        return self.primary.fingerprint

    def find(self, issuer: str) -> KeyPacket | None:
        """Return the key with the fingerprint or key ID ``issuer``."""
        return next((key for key in (self.primary, *self.subkeys) if key.is_named_by(issuer)), None)

    def fault(self, signer: KeyPacket, now: datetime) -> str:
        """Return why signatures by ``signer``, one of the keys, are not accepted at the time ``now``; "" if they are.

        As for gpg, a key that is revoked or has expired accepts nothing any more, whenever it was signed, and whatever
        the reason of the revocation is.
        """
        statements = [one for one in self._self_signatures() if _is_past(one, now)]
        try:
            with library_errors():
                revoked, expiration = self.cert.is_revoked, self.cert.expiration
        except InvalidContent:  # what the library does not know, or takes for weak
            if not statements:
                return f"the key {self.fingerprint} cannot be used: it has no signature of its own that can be verified"
            # Not verified: who could add a revocation could remove the key as well.
            revoked = any(one.type == _KEY_REVOCATION for one in self.signatures)
            expiration = _end(self.primary, _newest(statements))
        if revoked:
            return f"the key {self.fingerprint} is revoked"
        if expiration is not None and expiration <= now:
            return f"the key {self.fingerprint} expired on {expiration:%Y-%m-%d}"
        if signer != self.primary:
            return self._subkey_fault(signer, now)
        uses = [one for one in statements if one.flags is not None]
        return f"the key {self.fingerprint} is not for signing" if uses and not _newest(uses).may_sign else ""

    def _own(self, *types: int) -> Iterator[SignaturePacket]:
        """Yield the signatures of some types that may be the primary key's."""
        for one in self.signatures:
            if one.type in types and (not one.issuer or self.primary.is_named_by(one.issuer)):
                yield one

    def _self_signatures(self) -> Iterator[SignaturePacket]:
        """Yield what the primary key says of itself."""
        key = self.primary
        for one in self._own(_DIRECT_KEY):
            if is_made_by(key, one, key.hashed, of_itself=True):
                yield one
        named = [key.hashed + b"\xb4" + len(name).to_bytes(4, "big") + name for name in self.user_ids]
        for one in self._own(*_CERTIFICATIONS):
            if any(is_made_by(key, one, data, of_itself=True) for data in named):
                yield one

    def _subkey_fault(self, subkey: KeyPacket, now: datetime) -> str:
        called = f"the subkey {subkey.fingerprint} of {self.fingerprint}"
        if any(self._may_revoke(one, subkey) for one in self.signatures if one.type == _SUBKEY_REVOCATION):
            return f"{called} is revoked"
        bound = self.primary.hashed + subkey.hashed
        bindings = [
            one for one in self._own(_SUBKEY_BINDING)
            if _is_past(one, now) and is_made_by(self.primary, one, bound, of_itself=True)
        ]  # fmt: skip
        if not bindings:
            return f"{called} is not bound to it by a signature that can be verified"
        binding = _newest(bindings)
        if binding.created is not None and binding.lifetime is not None and binding.created + binding.lifetime <= now:
            return f"{called} was bound to it until {binding.created + binding.lifetime:%Y-%m-%d} only"
        if not binding.may_sign:
            return f"{called} is not for signing"
        if (end := _end(subkey, binding)) is not None and end <= now:
            return f"{called} expired on {end:%Y-%m-%d}"
        if not _consents(subkey, binding, bound):
            return f"{called} has not signed that it belongs to it"
        return ""

    def _may_revoke(self, revocation: SignaturePacket, subkey: KeyPacket) -> bool:
        """Return whether a revocation is not one of another subkey; that it is genuine is not asked, as above."""
        others = (one for one in self.subkeys if one != subkey)
        about_others = (self.primary.hashed + one.hashed for one in others)
        return not any(is_made_by(self.primary, revocation, data, of_itself=True) for data in about_others)


def _signatures(bodies: Iterable[bytes]) -> Iterator[SignaturePacket]:
    """Yield the signatures that can be read: others, of old certifications say, mean nothing unless they revoke."""
    for body in bodies:
        try:
            yield SignaturePacket.parse(body)
        except InvalidContent:
            if body[1:2] in (bytes((_KEY_REVOCATION,)), bytes((_SUBKEY_REVOCATION,))):
                raise


def _consents(subkey: KeyPacket, binding: SignaturePacket, bound: bytes) -> bool:
    """Return whether the subkey has signed the binding as well (section 5.2.1.9): otherwise it may be another's."""
    try:
        consent = SignaturePacket.parse(binding.embedded)
    except InvalidContent:
        return False
    return consent.type == _PRIMARY_KEY_BINDING and is_made_by(subkey, consent, bound, of_itself=True)


def _end(key: KeyPacket, statement: SignaturePacket) -> datetime | None:
    """Return the time when a key expires by a statement about it."""
    return None if statement.key_lifetime is None else key.created + statement.key_lifetime


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
    # The library reads certificates that it cannot write, such as with fingerprints of an unknown kind.
    with prefix_errors("No public keys imported"), library_errors():
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
