"""What signatures of sigstore are trusted by: values, made of the bytes of files (containers-policy.json(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from ..config.policy_keys import KeyFile


@dataclass(frozen=True, slots=True)
class FulcioTrust:
    """Certificates of ``ca`` (PEM) for an identity of ``oidc_issuer``.

    That is an email address, or the URI of the workflow that signs; at least one of the two is given, and all that are
    given have to be in the certificate. A signature needs an entry in a log of `SigstoreTrust.rekor_keys` too: the
    certificate has to be valid at its time.
    """

    ca: KeyFile
    oidc_issuer: str
    subject_email: str = ""
    build_signer_uri: str = ""


@dataclass(frozen=True, slots=True)
class PkiTrust:
    """Certificates that ``roots`` (PEM), or authorities below them, issued for an email address or a host name.

    ``intermediates`` are authorities that need not be in the signature. Certificates have to be valid now.
    """

    roots: KeyFile
    intermediates: KeyFile | None = None
    subject_email: str = ""
    subject_hostname: str = ""


@dataclass(frozen=True, slots=True)
class KeylessTrust:
    """Certificates of the authorities in ``trusted_root``, for ``certificate_identity`` of ``oidc_issuer``.

    ``trusted_root`` is a ``trusted_root.json`` of sigstore, with authorities, logs and timestamp authorities. The
    identity is an email address or a URI, exactly as it is in the certificate.
    """

    trusted_root: KeyFile
    certificate_identity: str
    oidc_issuer: str


@dataclass(frozen=True, slots=True)
class SigstoreTrust:
    """Who may sign: one of ``keys`` (PEM), or a certificate by ``fulcio``, ``pki`` or ``keyless``; one kind is given.

    With ``rekor_keys`` (PEM), a signature has to be in a log that signs with one of them.
    """

    keys: tuple[KeyFile, ...] = ()
    fulcio: FulcioTrust | None = None
    pki: PkiTrust | None = None
    keyless: KeylessTrust | None = None
    rekor_keys: tuple[KeyFile, ...] = ()
