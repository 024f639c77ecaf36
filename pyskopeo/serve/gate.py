"""The middleware that lets in who may do what it asks for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from .answers import Refusal, send_document
from .authentication import Authentication, Identity, LoginRefused
from .issued_tokens import LIFETIME
from .request_target import PULL, Target
from .scope_keys import MAY, TARGET, USER

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Gate:
    """Requests reach ``app`` if their client is known, and may do in the repository what they are for.

    ``scope`` gets `MAY` and `USER`: the catalog lists only what the client may pull, and a blob is mounted from there
    only.
    """

    def __init__(self, app: ASGIApp, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        target: Target = scope[TARGET]
        authentication = self._authentication
        try:
            identity = await authentication.identify(scope)
        except LoginRefused as refused:
            await refused.refusal.send(scope, send)
            return
        scope[USER] = identity.name
        if target.endpoint == "token":
            await self._issue_token(scope, send, identity)
            return
        refusal = self._refusal(scope, target, identity)
        if refusal is not None:
            await refusal.send(scope, send)
            return
        scope[MAY] = partial(authentication.allows, identity)
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, target: Target, identity: Identity) -> Refusal | None:
        if target.endpoint == "other":
            return Refusal(404, "UNSUPPORTED", "this registry has no such endpoint")
        # Who comes with nothing is asked who it is, also where nobody need say so: docker asks only once.
        has_said = any(name == b"authorization" for name, _ in scope["headers"])
        if target.repository:
            allowed = self._authentication.allows(identity, target.repository, target.action)
        else:
            anonymous = self._authentication.rules.have_anonymous and target.endpoint in ("base", "catalog")
            allowed = bool(identity.name) or (anonymous and (has_said or target.endpoint != "base"))
        if allowed:
            return None
        if identity.name:
            what = f"{target.action} in {target.repository}" if target.repository else "this"
            return Refusal(403, "DENIED", f"{identity.name} may not {what}")
        headers = self._authentication.challenge(scope, target, "insufficient_scope" if has_said else "")
        return Refusal(401, "UNAUTHORIZED", "a login is needed for this", headers)

    async def _issue_token(self, scope: Scope, send: Send, identity: Identity) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await Refusal(405, "UNSUPPORTED", "tokens are fetched with GET", {"Allow": "GET"}).send(scope, send)
            return
        if not self._authentication.rules.have_anonymous and not identity.name:
            headers = self._authentication.challenge(scope, Target("token", "", PULL))
            await Refusal(401, "UNAUTHORIZED", "a login is needed for this", headers).send(scope, send)
            return
        token = self._authentication.issued.issue(identity.name)
        issued = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        document = {"token": token, "access_token": token, "expires_in": LIFETIME, "issued_at": issued}
        await send_document(send, 200, json.dumps(document).encode(), "application/json", {"Cache-Control": "no-store"})
