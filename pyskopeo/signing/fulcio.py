"""Fulcio, sigstore's certificate authority: a certificate of some minutes for a key that is made for it.

The interface is ``POST /api/v1/signingCert``, with an identity token of OpenID Connect.
"""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import CredentialsFailed, InvalidContent, Unsupported
from ..fast_dataclass import dataclass
from ..signatures.sigstore_annotations import CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION
from .sigstore import SigningMaterial
from .sigstore_keys import sign_message
from .web_service import WebService

if TYPE_CHECKING:
    from .web_service import Answer, ServiceAccess

_PATH = "/api/v1/signingCert"
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True, repr=False)
class IdentityToken:
    """An ID token (OpenID Connect Core, section 2), and whom it is for: an e-mail address, or another subject.

    ``expires`` is in seconds since 1970, None if it does not say.
    """

    text: str
    subject: str
    expires: float | None = None

    def has_expired(self) -> bool:
        """Return whether no server takes it any more."""
        return self.expires is not None and self.expires <= time.time()


class TokenSource(Protocol):
    """Where an identity token comes from."""

    async def token(self) -> IdentityToken:
        """Return a token; raises `CredentialsFailed`, `NetworkError` and `InvalidInput`."""
        ...


class FulcioCertificate:
    """Keys with certificates of the Fulcio at ``url`` for whom ``tokens`` identify. A `sigstore.KeySource`.

    Raises `InvalidInput` for a URL that is none.
    """

    def __init__(self, url: str, tokens: TokenSource, access: ServiceAccess) -> None:
        self._service = WebService("Fulcio at", url, access)
        self._tokens = tokens
        self._token: IdentityToken | None = None

    @property
    def called(self) -> str:
        """The server's address."""
        return self._service.what

    async def open(self) -> SigningMaterial:
        """Return a new key with a certificate; a token is asked for once, and again when it has expired.

        Raises what `TokenSource.token` raises, `CredentialsFailed` for a token that is refused, `NetworkError`,
        `InvalidContent`, and `Unsupported` without the package cryptography.
        """
        ec = _curves()
        if self._token is None or self._token.has_expired():
            self._token = await self._tokens.token()
            self._service.redactor.add(self._token.text)
            self._service.warn_without_tls("an identity token")
        key = ec.generate_private_key(ec.SECP256R1())
        request = _request(key, self._token.subject)
        headers = {"Authorization": f"Bearer {self._token.text}", "Content-Type": "application/json"}
        answer = await self._service.request("POST", _PATH, headers, request)
        if answer.status in (401, 403):
            raise CredentialsFailed(f"obtaining certificate from Fulcio: {self._service.error(answer)}")
        if answer.status != 201:
            error = self._service.error(answer)
            error.args = (f"obtaining certificate from Fulcio: {error}",)
            raise error
        return self._material(key, answer)

    def _material(self, key: Any, answer: Answer) -> SigningMaterial:
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509 import load_pem_x509_certificate

        start, end = answer.body.find(_BEGIN), answer.body.find(_END)
        if start < 0 or end < start:
            raise InvalidContent(f"{self._service.what}: did not find a cert from Fulcio")
        end += len(_END)
        try:
            certificate = load_pem_x509_certificate(answer.body[start:end])
            is_ours = certificate.public_key() == key.public_key()
            chain = answer.body[end:].lstrip().decode("ascii")
        except ValueError:
            raise InvalidContent(f"{self._service.what}: the answer is no certificate") from None
        if not is_ours:
            raise InvalidContent(f"{self._service.what}: the certificate is for another key")
        own = certificate.public_bytes(Encoding.PEM)
        annotations = [(CERTIFICATE_ANNOTATION, own.decode())]
        if chain:
            annotations.append((CHAIN_ANNOTATION, chain))
        return SigningMaterial(key, own, tuple(annotations), certificate.not_valid_after_utc.timestamp())


def _request(key: Any, subject: str) -> bytes:
    """Return a request for a certificate: the public key, and a proof that the private key is there."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return json.dumps(
        {
            "publicKey": {"content": base64.b64encode(public).decode(), "algorithm": "ecdsa"},
            "signedEmailAddress": base64.b64encode(sign_message(key, subject.encode())).decode(),
            "certificateSigningRequest": None,
        }
    ).encode()


def _curves() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise Unsupported("certificates need the package cryptography, which is not installed") from None
    return ec
