"""An issuer of identity tokens (OpenID Connect): its endpoints, requests to them, and the check of what it returns.

The signature of a token is not verified here: it comes from the issuer itself, over TLS (OpenID Connect Core, section
3.1.3.7, number 6), and the one who it is for verifies it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from ..errors import CredentialsFailed, InvalidContent, InvalidInput
from ..fast_dataclass import dataclass
from ..model import base64url
from ..model.strict_json import parse_object
from .identity_tokens import parse_token, token_claims
from .web_service import ANSWER_LIMIT, WebService

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .fulcio import IdentityToken
    from .web_service import Answer, ServiceAccess

_CONFIGURATION = "/.well-known/openid-configuration"
# It takes PKCE, but does not say so.
_AZURE = re.compile(r"https://login\.microsoftonline\.(?:com|us)/")
SCOPE = "openid email"


class Proof:
    """A secret by which a token is for the one who asked for it (PKCE, RFC 7636): only its hash is sent at first."""

    def __init__(self) -> None:
        self.verifier = base64url.encode(os.urandom(48))

    @property
    def challenge(self) -> dict[str, str]:
        """The parameters of the first request."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return {"code_challenge": base64url.encode(digest), "code_challenge_method": "S256"}


@dataclass(frozen=True, slots=True, repr=False)
class Client:
    """Who asks for tokens; ``secret`` is "" for a client that has none."""

    identifier: str
    secret: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Those that prove who the client is (RFC 6749, section 2.3.1)."""
        if not self.secret:
            return {}
        pair = f"{quote_plus(self.identifier)}:{quote_plus(self.secret)}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


class Issuer:
    """The issuer at ``url``, as far as its configuration has been read; use `open_issuer`."""

    def __init__(self, url: str, configuration: Mapping[str, Any], client: Client, access: ServiceAccess) -> None:
        self._url, self._configuration, self.client, self._access = url, configuration, client, access

    def endpoint(self, name: str) -> WebService:
        """Return the endpoint ``NAME_endpoint``; raises `InvalidContent` if there is none."""
        url = self._configuration.get(f"{name}_endpoint")
        if not isinstance(url, str) or not url:
            raise InvalidContent(f"OIDC issuer {self._url}: {name} endpoint not returned by provider")
        try:
            found = WebService("OIDC issuer", url, self._access)
        except InvalidInput as error:
            raise InvalidContent(f"OIDC issuer {self._url}: its {name} endpoint: {error}") from None
        found.redactor.add(self.client.secret)
        return found

    def authorization_url(self, parameters: Mapping[str, str]) -> str:
        """Return the address of the page on which the user agrees; raises `InvalidContent`."""
        self.endpoint("authorization")  # checks that it is a URL
        url = str(self._configuration["authorization_endpoint"])
        query = {"client_id": self.client.identifier, "scope": SCOPE, "response_type": "code", **parameters}
        return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"

    async def ask_for_token(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return the members of an answer of the token endpoint, which may be an ``error``.

        Raises `NetworkError` and `InvalidContent`.
        """
        endpoint = self.endpoint("token")
        endpoint.redactor.add(*(parameters.get(name, "") for name in ("code", "device_code", "code_verifier")))
        form = {"client_id": self.client.identifier, **parameters}
        answer = await post_form(endpoint, form, self.client.headers)
        if answer.status not in (200, 400, 401):
            raise endpoint.error(answer)
        return parse_object(answer.body, f"{endpoint.what}: the answer", ANSWER_LIMIT)

    def checked_token(self, text: object, nonce: str = "") -> IdentityToken:
        """Return a token of this issuer for this client; raises `CredentialsFailed` for any other."""
        if not isinstance(text, str) or not text:
            raise CredentialsFailed(f"OIDC issuer {self._url}: id_token not present")
        try:
            claims, token = token_claims(text), parse_token(text)
        except InvalidInput as error:
            raise CredentialsFailed(f"OIDC issuer {self._url}: {error}") from None
        audience, expires = claims.get("aud"), claims.get("exp")
        is_for_us = self.client.identifier in (audience if isinstance(audience, list) else [audience])
        for wrong, reason in (
            (claims.get("iss") != self._url, "the token was issued by another one"),
            (not is_for_us, f"expected audience {ascii(self.client.identifier)[:60]} not in the token"),
            (not isinstance(expires, int | float) or expires < time.time(), "the token has expired"),
            (nonce and claims.get("nonce") != nonce, "nonce does not match value sent"),
        ):
            if wrong:
                raise CredentialsFailed(f"OIDC issuer {self._url}: {reason}")
        return token


async def open_issuer(url: str, client: Client, access: ServiceAccess) -> Issuer:
    """Read the configuration of an issuer (OpenID Connect Discovery, section 4).

    Raises `InvalidInput` for text that is no URL, `NetworkError`, and `InvalidContent` for the configuration of another
    issuer, or of one without PKCE, whose tokens others could get.
    """
    service = WebService("OIDC issuer", url, access)
    answer = await service.get(_CONFIGURATION)
    if answer.status != 200:
        raise service.error(answer)
    found = parse_object(answer.body, f"{service.what}: its configuration", ANSWER_LIMIT)
    if found.get("issuer") != url:
        raise InvalidContent(
            f"{service.what}: issuer did not match the issuer returned by provider, expected {ascii(url)[:200]} got "
            f"{ascii(found.get('issuer'))[:200]}"
        )
    methods = found.get("code_challenge_methods_supported")
    is_known_to = _AZURE.match(str(found.get("authorization_endpoint")))
    if not is_known_to and "S256" not in (methods if isinstance(methods, list) else ()):
        raise InvalidContent(f"{service.what}: PKCE is not supported by OIDC provider")
    return Issuer(url, found, client, access)


async def post_form(endpoint: WebService, form: Mapping[str, str], headers: Mapping[str, str] = {}) -> Answer:
    """Send a form to an endpoint; raises `NetworkError` and `TooLarge`."""
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return await endpoint.request("POST", "", {**kind, **headers}, urlencode(form).encode())
