"""The services that sigstore signs with, on loopback: an issuer of identity tokens, Fulcio, and Rekor.

Each checks what it is sent as the real one does, and refuses what is wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from .exchange import Request, Response
from .httpd import HttpServer
from .sigstore_authority import EMAIL, Authority, new_key, pem
from .sigstore_log import Entry, TransparencyLog, compact, leaf_hash
from .tls import ServerCertificate

CLIENT = "sigstore"
_SHA256 = ec.ECDSA(hashes.SHA256())
_HASHED = Prehashed(hashes.SHA256())


@dataclass
class IssuerRules:
    """What the issuer of tokens does.

    ``pending`` is how often a device is told that its user has not agreed yet, ``device_error`` what it is told then in
    place of a token. ``claims`` are added to those of every token.
    """

    pending: int = 1
    device_error: str = ""
    interval: int = 0
    secret: str = ""
    methods: tuple[str, ...] = ("S256",)
    claims: dict[str, object] = field(default_factory=dict)


class SigstoreServices(HttpServer):
    """The services; a context manager. What goes wrong is in ``faults``, by path: answers in place of the next ones."""

    def __init__(self, *, tls: ServerCertificate | None = None) -> None:
        super().__init__(tls=tls)
        self.authority, self.log_of_signatures = Authority(), TransparencyLog()
        self.rules = IssuerRules()
        self.faults: dict[str, list[Response]] = {}
        self.lifetime = timedelta(minutes=10)
        self._key = new_key()
        self._tokens: dict[str, dict[str, Any]] = {}
        self._grants: dict[str, dict[str, str]] = {}
        self._state = threading.Lock()

    def token(self, **claims: object) -> str:
        """A token of this issuer, for `EMAIL` unless ``claims`` say more."""
        now = int(time.time())
        known: dict[str, Any] = {
            "iss": self.url, "aud": CLIENT, "sub": "user-1", "email": EMAIL, "email_verified": True,
            "iat": now, "exp": now + 600, **self.rules.claims, **claims,
        }  # fmt: skip
        header = {"alg": "ES256", "kid": "1", "typ": "JWT"}
        signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, known))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), _SHA256))
        text = f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
        self._tokens[text] = known
        return text

    def answer(self, request: Request) -> Response:
        with self._state:
            if waiting := self.faults.get(request.path):
                return waiting.pop(0)
            kind = request.method, request.path
            if kind == ("POST", "/api/v1/signingCert"):
                return self._certificate(request)
            if kind == ("POST", "/api/v1/log/entries"):
                return self._record(json.loads(request.body))
            if request.method == "GET" and request.path.startswith("/api/v1/log/entries/"):
                return self._recorded(request.path.rpartition("/")[2])
            handler = {
                ("GET", "/.well-known/openid-configuration"): self._configuration,
                ("GET", "/keys"): self._keys,
                ("POST", "/device"): self._begin_device,
                ("GET", "/auth"): self._authorize,
                ("POST", "/token"): self._grant,
            }.get(kind)
            return handler(request) if handler else _json(404, {"code": 404, "message": "not found"})

    def _certificate(self, request: Request) -> Response:
        claims = self._tokens.get((request.header("authorization") or "").removeprefix("Bearer "))
        if claims is None:
            return _json(401, {"code": 16, "message": "There was an error processing the identity token"})
        document = json.loads(request.body)
        key = load_der_public_key(base64.b64decode(document["publicKey"]["content"]))
        assert isinstance(key, ec.EllipticCurvePublicKey)
        subject = claims.get("email") or claims["sub"]
        try:
            key.verify(base64.b64decode(document["signedEmailAddress"]), subject.encode(), _SHA256)
        except InvalidSignature:
            return _json(400, {"code": 3, "message": "The signature supplied in the request could not be verified"})
        now = datetime.now(UTC)
        certificate = self.authority.issue(
            key, x509.RFC822Name(subject) if "@" in subject else x509.UniformResourceIdentifier(subject),
            oidc_issuer=claims["iss"], valid_from=now - timedelta(seconds=1), valid_to=now + self.lifetime,
        )  # fmt: skip
        kind = (("Content-Type", "application/pem-certificate-chain"),)
        return Response(201, kind, pem(certificate, self.authority.issuing, self.authority.root))

    def _record(self, document: dict[str, Any]) -> Response:
        """Add an entry, if its signature is right for the digest in it."""
        spec = document["spec"]
        signature = base64.b64decode(spec["signature"]["content"])
        verifier = base64.b64decode(spec["signature"]["publicKey"]["content"])
        if not _is_signed(verifier, signature, bytes.fromhex(spec["data"]["hash"]["value"])):
            return _json(400, {"code": 400, "message": "error processing entry: verifying signature"})
        body = compact(document)
        for entry in self.log_of_signatures.entries:
            if entry.body == body:
                name = leaf_hash(body).hex()
                headers = (("Location", f"/api/v1/log/entries/{name}"),)
                return _json(409, {"code": 409, "message": f"an equivalent entry already exists with UUID {name}"}, headers)
        return self._entry(201, self.log_of_signatures.add(body, datetime.now(UTC)))

    def _recorded(self, name: str) -> Response:
        found = (entry for entry in self.log_of_signatures.entries if leaf_hash(entry.body).hex() == name)
        entry = next(found, None)
        return self._entry(200, entry) if entry else _json(404, {"code": 404, "message": "no such entry"})

    def _entry(self, status: int, entry: Entry) -> Response:
        return _json(status, self.log_of_signatures.response(entry))

    def _configuration(self, request: Request) -> Response:
        paths = {"authorization": "auth", "token": "token", "device_authorization": "device"}
        endpoints = {f"{name}_endpoint": f"{self.url}/{path}" for name, path in paths.items()}
        return _json(200, {
            "issuer": self.url, **endpoints, "jwks_uri": f"{self.url}/keys",
            "code_challenge_methods_supported": list(self.rules.methods),
            "id_token_signing_alg_values_supported": ["ES256"],
        })  # fmt: skip

    def _keys(self, request: Request) -> Response:
        numbers = self._key.public_key().public_numbers()
        point = {name: _encode(value.to_bytes(32, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))}
        return _json(200, {"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", **point}]})

    def _begin_device(self, request: Request) -> Response:
        form = _form(request)
        if form.get("client_id") != CLIENT or "openid" not in form.get("scope", ""):
            return _json(401, {"error": "invalid_client"})
        code = f"device-{len(self._grants)}"
        self._grants[code] = form
        return _json(200, {
            "device_code": code, "user_code": "ABCD-EFGH", "verification_uri": f"{self.url}/enter",
            "verification_uri_complete": f"{self.url}/enter?user_code=ABCD-EFGH", "expires_in": 300,
            "interval": self.rules.interval,
        })  # fmt: skip

    def _authorize(self, request: Request) -> Response:
        """The page on which the user agrees: sends the browser back with a code, or shows it."""
        query = {name: values[0] for name, values in request.query.items()}
        if query.get("client_id") != CLIENT or query.get("response_type") != "code":
            return _json(401, {"error": "invalid_client"})
        code = f"code-{len(self._grants)}"
        self._grants[code] = query
        if query["redirect_uri"].startswith("urn:"):
            return Response(200, (), code.encode())
        target = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
        return Response(302, (("Location", target),))

    def _grant(self, request: Request) -> Response:
        form = _form(request)
        asks = self._grants.get(form.get("device_code") or form.get("code", ""))
        if asks is None:
            return _json(400, {"error": "invalid_grant"})
        if self.rules.secret and "code" in form and self.rules.secret != _secret(request):
            return _json(401, {"error": "invalid_client"})
        challenge = _encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if challenge != asks["code_challenge"] or form.get("redirect_uri", "") != asks.get("redirect_uri", ""):
            return _json(400, {"error": "invalid_grant"})
        if "device_code" in form:
            if self.rules.pending:
                self.rules.pending -= 1
                return _json(400, {"error": "authorization_pending"})
            if self.rules.device_error:
                return _json(400, {"error": self.rules.device_error})
        claims = {"nonce": asks["nonce"]} if "nonce" in asks else {}
        return _json(200, {"access_token": "x", "token_type": "bearer", "id_token": self.token(**claims)})


def _is_signed(verifier: bytes, signature: bytes, digest: bytes) -> bool:
    """Whether a signature of a SHA-256 digest is by a key or a certificate in PEM."""
    if b"CERTIFICATE" in verifier:
        key = x509.load_pem_x509_certificate(verifier).public_key()
    else:
        key = load_pem_public_key(verifier)  # type: ignore[assignment]  # the types of keys that are used here
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, digest, ec.ECDSA(_HASHED))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), _HASHED)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _secret(request: Request) -> str:
    """The secret of a client, as it proves who it is (RFC 6749, section 2.3.1)."""
    pair = base64.b64decode((request.header("authorization") or "").removeprefix("Basic ")).decode()
    return unquote_plus(pair.partition(":")[2])


def _form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def _json(status: int, document: object, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    return Response(status, (("Content-Type", "application/json"), *headers), json.dumps(document).encode())


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
