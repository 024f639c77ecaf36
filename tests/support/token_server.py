"""A token server for Docker's token authentication: it signs JWTs that `docker-registry` accepts."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs

from .exchange import Request, Response
from .faults import Fault
from .httpd import HttpServer
from .tls import Authority, KeyPair, ServerCertificate

Grant = Callable[[str, str, tuple[str, ...]], tuple[str, ...]]


def grant_everything(user: str, name: str, actions: tuple[str, ...]) -> tuple[str, ...]:
    """Whatever a known user asks for; to the anonymous ("") only pulls from ``public/``."""
    if user:
        return actions
    return tuple(action for action in actions if action == "pull" and name.startswith("public/"))


@dataclass(frozen=True)
class TokenRules:
    """Who gets what. ``grant(user, repository, actions)`` returns the actions granted; "" is the anonymous.

    ``refresh_tokens`` maps identity tokens to users. ``expires_in`` is told in seconds, None tells
    nothing; tokens hold that long, or for 60 s. ``keys`` are the answer's names for the token.
    ``post`` False answers 404 to the refresh grant, as old servers do.
    """

    users: dict[str, str] = field(default_factory=lambda: {"user": "pass"})
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    grant: Grant = grant_everything
    service: str = "test-registry"
    issuer: str = "test-issuer"
    expires_in: int | None = 300
    keys: tuple[Literal["token", "access_token"], ...] = ("token",)
    post: bool = True
    offer_refresh_token: bool = False


class TokenServer(HttpServer):
    """The server; a context manager. ``realm`` is its address, ``root_bundle`` what a registry must trust.

    ``faults`` spoil the first answers, one each.
    """

    def __init__(
        self,
        folder: Path,
        rules: TokenRules | None = None,
        *,
        tls: ServerCertificate | None = None,
    ) -> None:
        super().__init__(tls=tls)
        self.rules = rules or TokenRules()
        authority = Authority.create(folder, "Token CA")
        self.root_bundle = authority.path
        self._signer = _Signer(authority.client("token-signer"))
        self._refresh_tokens = dict(self.rules.refresh_tokens)
        self.faults: list[Fault] = []
        self._issued: dict[str, tuple[float, frozenset[str]]] = {}
        self._state = threading.Lock()

    @property
    def realm(self) -> str:
        """What challenges name."""
        return f"{self.url}/token"

    def accepts(self, token: str, scope: str) -> bool:
        """Whether ``token`` was issued here, has not expired, and allows ``scope`` ("" asks for nothing)."""
        with self._state:
            ends, allowed = self._issued.get(token, (0.0, frozenset()))
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        wanted = {f"{kind}:{name}:{action}" for action in actions.split(",") if action}
        return time.time() < ends and wanted <= allowed

    def token_for(self, *scopes: str, user: str | None = None) -> str:
        """A token without a request: for ``user``, else for the first known user."""
        user = next(iter(self.rules.users)) if user is None else user
        body = json.loads(self._issue(user, list(scopes)).body)
        return str(body[self.rules.keys[0]])

    def forget(self) -> None:
        """Make every token issued so far invalid for `accepts`."""
        with self._state:
            self._issued.clear()

    def answer(self, request: Request) -> Response:
        """A token, or a refusal; then the next fault."""
        response = self._honest(request)
        with self._state:
            fault = self.faults.pop(0) if self.faults else None
        return fault.apply(request, response) if fault else response

    def _honest(self, request: Request) -> Response:
        if request.path != "/token":
            return Response(404)
        if request.method == "GET":
            user = self._basic_user(request)
            scopes = request.query.get("scope", [])
        elif request.method == "POST" and self.rules.post:
            form = parse_qs(request.body.decode())
            user = self._form_user(form)
            scopes = " ".join(form.get("scope", [])).split()
        else:
            return Response(404)
        if user is None:
            body = b'{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}'
            return Response(401, (("Content-Type", "application/json"),), body)
        return self._issue(user, scopes)

    def _basic_user(self, request: Request) -> str | None:
        given = request.header("Authorization")
        if given is None:
            return ""
        try:
            user, _, password = base64.b64decode(given.partition(" ")[2]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return user if self.rules.users.get(user) == password else None

    def _form_user(self, form: dict[str, list[str]]) -> str | None:
        if "client_id" not in form or "service" not in form:
            return None
        if form.get("grant_type") == ["refresh_token"]:
            return self._refresh_tokens.get(form.get("refresh_token", [""])[0])
        if form.get("grant_type") == ["password"]:
            user, password = form.get("username", [""])[0], form.get("password", [""])[0]
            return user if self.rules.users.get(user) == password else None
        return None

    def _issue(self, user: str, scopes: list[str]) -> Response:
        access: list[dict[str, object]] = []
        for scope in " ".join(scopes).split():
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            granted = self.rules.grant(user, name, tuple(actions.split(",")))
            access.append({"type": kind, "name": name, "actions": list(granted)})
        now = int(time.time())
        lifetime = self.rules.expires_in if self.rules.expires_in is not None else 60
        claims = {
            "iss": self.rules.issuer,
            "sub": user,
            "aud": self.rules.service,
            "exp": now + lifetime,
            "nbf": now - 60,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": access,
        }
        token = self._signer.sign(claims)
        allowed = frozenset(f"{a['type']}:{a['name']}:{x}" for a in access for x in _strings(a["actions"]))
        with self._state:
            self._issued[token] = (now + lifetime, allowed)
        body: dict[str, object] = dict.fromkeys(self.rules.keys, token)
        if self.rules.expires_in is not None:
            body |= {"expires_in": lifetime, "issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))}
        if self.rules.offer_refresh_token and user:
            body["refresh_token"] = fresh = secrets.token_hex(8)
            self._refresh_tokens[fresh] = user
        return Response(200, (("Content-Type", "application/json"),), json.dumps(body).encode())


def _strings(value: object) -> list[str]:
    assert isinstance(value, list)
    return value


class _Signer:
    """Signs claims as a JWT with ES256 and the certificate in its header (RFC 7515, x5c)."""

    def __init__(self, pair: KeyPair) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        self._key = load_pem_private_key(pair.key.read_bytes(), None)
        chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
        self._header = _encode(json.dumps({"typ": "JWT", "alg": "ES256", "x5c": chain}).encode())

    def sign(self, claims: dict[str, object]) -> str:
        signed = f"{self._header}.{_encode(json.dumps(claims).encode())}"
        return f"{signed}.{_encode(self._signature(signed.encode()))}"

    def _signature(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
