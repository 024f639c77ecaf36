"""An identity token for a user who agrees on another device (RFC 8628, device authorization grant)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..errors import CredentialsFailed, InvalidContent
from ..http.printable import to_printable
from ..model.strict_json import parse_object
from .openid_issuer import SCOPE, Client, Proof, open_issuer, post_form
from .web_service import ANSWER_LIMIT

if TYPE_CHECKING:
    from .fulcio import IdentityToken
    from .identity_tokens import User
    from .openid_issuer import Issuer
    from .web_service import ServiceAccess

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# Seconds, where the issuer says nothing; and the longest that is waited, whatever it says.
_INTERVAL, _LIFETIME, _LONGEST = 5.0, 300.0, 3600.0
_SLOWER = 5.0  # added to the interval when the issuer asks to slow down (section 3.5)


class DeviceGrant:
    """Tokens of the issuer at ``url``; ``user`` is told what to do. A `fulcio.TokenSource`."""

    def __init__(self, url: str, client: Client, access: ServiceAccess, user: User) -> None:
        self._url, self._client, self._access, self._show = url, client, access, user.show

    async def token(self) -> IdentityToken:
        """Tell the user what to do, and return the token when that is done.

        Raises `CredentialsFailed` if the user does not agree in time, `NetworkError` and `InvalidContent`.
        """
        issuer, proof = await open_issuer(self._url, self._client, self._access), Proof()
        device = await self._begin(issuer, proof)
        lifetime = _seconds(device.get("expires_in"), _LIFETIME)
        code, address = (to_printable(device.get(name) or "") for name in ("user_code", "verification_uri"))
        whole = to_printable(device.get("verification_uri_complete") or "")
        self._show(f"Enter the verification code {code} in your browser at: {whole or address}")
        self._show(f"Code will be valid for {lifetime:.0f} seconds")
        parameters = {
            "grant_type": _GRANT, "device_code": str(device["device_code"]), "scope": SCOPE,
            "code_verifier": proof.verifier,
        }  # fmt: skip
        found = await _poll(issuer, parameters, _seconds(device.get("interval"), _INTERVAL), lifetime)
        token = issuer.checked_token(found)
        self._show("Token received!")
        return token

    async def _begin(self, issuer: Issuer, proof: Proof) -> dict[str, Any]:
        endpoint = issuer.endpoint("device_authorization")
        form = {"client_id": self._client.identifier, "scope": SCOPE, **proof.challenge}
        answer = await post_form(endpoint, form, self._client.headers)
        if answer.status != 200:
            raise endpoint.error(answer)
        found = parse_object(answer.body, f"{endpoint.what}: the answer", ANSWER_LIMIT)
        if not isinstance(found.get("device_code"), str):
            raise InvalidContent(f"{endpoint.what}: the answer has no device_code")
        return found


async def _poll(issuer: Issuer, parameters: dict[str, str], interval: float, lifetime: float) -> object:
    """Ask for the token until it is there; raises `CredentialsFailed` when it will not be."""
    from anyio import sleep

    end = time.monotonic() + lifetime
    while time.monotonic() < end:
        found = await issuer.ask_for_token(parameters)
        if found.get("id_token"):
            return found["id_token"]
        error = found.get("error")
        if error in ("access_denied", "expired_token"):
            raise CredentialsFailed(f"error obtaining token: {error}")
        if error not in ("authorization_pending", "slow_down"):
            raise CredentialsFailed(f"unexpected error in device flow: {to_printable(error, 60)}")
        interval += _SLOWER if error == "slow_down" else 0.0
        await sleep(interval)
    raise CredentialsFailed("error obtaining token: nobody entered the code in time")


def _seconds(value: object, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return default
    return min(float(value), _LONGEST)
