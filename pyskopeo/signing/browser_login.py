"""An identity token for a user who agrees in a browser (OpenID Connect Core, section 3.1, authorization code flow).

The browser is sent back to a port of this machine; without a browser, the user enters a code that the page shows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from ..errors import CredentialsFailed
from ..http.printable import to_printable
from .openid_issuer import Client, Proof, open_issuer

if TYPE_CHECKING:
    from anyio.abc import SocketStream

    from .fulcio import IdentityToken
    from .identity_tokens import User
    from .openid_issuer import Issuer
    from .web_service import ServiceAccess

_CALLBACK = "/auth/callback"
_OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
_PATIENCE = 120.0  # seconds until a code is asked for instead
_HEAD_LIMIT = 16 * 1024  # bytes
_HEAD_TIME = 10.0  # seconds
_PAGE = b"<!doctype html><title>Signed in</title><p>You are signed in; this page can be closed.</p>"


class BrowserLogin:
    """Tokens of the issuer at ``url``, which ``user`` signs in to. A `fulcio.TokenSource`."""

    def __init__(self, url: str, client: Client, access: ServiceAccess, user: User) -> None:
        self._url, self._client, self._access, self._user = url, client, access, user

    async def token(self) -> IdentityToken:
        """Have the user sign in, and return the token.

        Raises `CredentialsFailed` if that fails, `NetworkError` and `InvalidContent`.
        """
        issuer, proof = await open_issuer(self._url, self._client, self._access), Proof()
        state, nonce = os.urandom(24).hex(), os.urandom(24).hex()
        parameters = {"state": state, "nonce": nonce, "access_type": "online", **proof.challenge}
        code, redirect = await self._code_by_browser(issuer, parameters)
        if not code:
            code, redirect = await self._code_by_hand(issuer, parameters), _OUT_OF_BAND
        found = await issuer.ask_for_token({
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": proof.verifier,
        })  # fmt: skip
        if "error" in found:
            raise CredentialsFailed(f"error obtaining token: {to_printable(found['error'], 60)}")
        return issuer.checked_token(found.get("id_token"), nonce)

    async def _code_by_browser(self, issuer: Issuer, parameters: Mapping[str, str]) -> tuple[str, str]:
        """Return a code, and the address that the browser was sent back to; "" if there is no browser, or no code."""
        import anyio

        if not self._user.has_browser():
            return "", ""
        codes: list[str] = []
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not Django's
            redirect = f"http://localhost:{port}{_CALLBACK}"
            address = issuer.authorization_url({"redirect_uri": redirect, **parameters})
            self._user.show("Your browser will now be opened to:")
            self._user.show(address)
            with anyio.move_on_after(_PATIENCE):
                async with anyio.create_task_group() as tasks:

                    async def answer(stream: SocketStream) -> None:
                        async with stream:
                            if code := await _answer(stream, parameters["state"]):
                                codes.append(code)
                                tasks.cancel_scope.cancel()

                    tasks.start_soon(listener.serve, answer)
                    # Some browsers end with their last window, so the answer may come before.
                    if not await self._user.open_browser(address):
                        self._user.show("The browser could not be opened")
                        tasks.cancel_scope.cancel()
        return (codes[0], redirect) if codes else ("", "")

    async def _code_by_hand(self, issuer: Issuer, parameters: Mapping[str, str]) -> str:
        address = issuer.authorization_url({"redirect_uri": _OUT_OF_BAND, **parameters})
        self._user.show("Go to the following link in a browser:")
        self._user.show(address)
        code = (await self._user.ask("Enter verification code: ")).strip()
        if not code:
            raise CredentialsFailed("no verification code was entered")
        return code


async def _answer(stream: SocketStream, state: str) -> str:
    """Answer one request of a browser; return the code in it, "" if it is not the one that is waited for."""
    import anyio

    head = b""
    try:
        with anyio.move_on_after(_HEAD_TIME):
            while b"\r\n\r\n" not in head and len(head) < _HEAD_LIMIT:
                head += await stream.receive()
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        target = urlsplit(words[1]) if len(words) == 3 and words[0] == "GET" else urlsplit("")
        query = parse_qs(target.query)
        right = target.path == _CALLBACK and query.get("state") == [state] and bool(query.get("code"))
        status, page = (b"200 OK", _PAGE) if right else (b"400 Bad Request", b"")
        kind = b"Content-Type: text/html; charset=utf-8\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(page)
        await stream.send(b"HTTP/1.1 " + status + b"\r\n" + kind + page)
    except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError, ValueError):
        return ""  # what is no request of a browser is none of ours
    return query["code"][0] if right else ""
