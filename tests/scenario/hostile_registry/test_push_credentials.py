"""What a hostile registry is told, and what is said of it, while it is pushed to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied, InvalidContent
from tests.scenario.push.images import LARGE_IMAGE
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.httpd import HttpServer
from tests.support.publishing import Push
from tests.support.simulator import BearerGate, Simulator
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.anyio
ONE_LOOP = pytest.mark.parametrize("anyio_backend", ["asyncio"])


# --- what a token is asked for ---


async def test_no_token_for_what_a_registry_has_no_business_with(token_server: TokenServer, tmp_path: Path) -> None:
    """It asks for the rights of the user in other repositories, for which it would get the token (see CVE-2024-39897)."""
    greedy = "repository:other/victim:pull,push,delete registry:catalog:*"

    class Greedy(BearerGate):
        def challenges(self, request: Request, scope: str) -> tuple[str, ...]:
            return tuple(
                value.replace(f'scope="{scope}"', f'scope="{scope} {greedy}"')
                for value in super().challenges(request, scope)
            )

    before = len(token_server.requests)
    with Simulator(gate=Greedy(token_server.realm, token_server.accepts)) as registry:
        registry.add(LARGE_IMAGE, "from/here", "v1")
        access = access_for(tmp_path, credentials=Credentials("user", "pass"))
        push = Push(registry, LARGE_IMAGE, tmp_path, access)
        await push.run(source=registry.name("from/here", "v1"))
        push.check_there()
    asked = {scope for request in token_server.requests[before:] for scope in request.query["scope"]}
    assert asked == {"repository:test/image:pull,push", "repository:from/here:pull"}


ODD_PASSWORD = 'pa"ss/wo+rd\u00e9=='


class Repeating(HttpServer):
    """Says in its errors what it was told, written in one way or another."""

    def __init__(self, write: str) -> None:
        super().__init__()
        self.write = write

    def answer(self, request: Request) -> Response:
        if request.path == "/token":
            said = ODD_PASSWORD if self.write != "form" else request.body.decode()
            error = {"errors": [{"code": "DENIED", "message": f"no: {said}"}]}
            text = json.dumps(error, ensure_ascii=self.write == "ascii")
            if self.write == "slashes":
                text = text.replace("/", "\\/")
            return Response(403, (("Content-Type", "application/json"),), text.encode())
        return Response(401, (("WWW-Authenticate", f'Bearer realm="{self.url}/token",service="x"'),))


# --- secrets ---


@pytest.mark.parametrize("write", ["ascii", "utf-8", "slashes", "form"])
async def test_a_secret_is_hidden_however_it_is_written(write: str, tmp_path: Path) -> None:
    with Simulator() as unused, Repeating(write) as echo:
        secret = Credentials("user", ODD_PASSWORD) if write != "form" else Credentials(identity_token=ODD_PASSWORD)
        push = Push(unused, LARGE_IMAGE, tmp_path, access_for(tmp_path, credentials=secret))
        with pytest.raises(AccessDenied, match=r"\*\*\*") as caught:
            await push.run(f"docker://{echo.host}/a/b:c")
    said = str(caught.value)
    assert "no: " in said
    for part in ("pa", "wo", "rd"):
        assert part not in said.partition("no: ")[2].partition("refresh_token=")[2 if write == "form" else 0], said


# --- smaller things ---


@ONE_LOOP
async def test_a_realm_is_not_repeated_at_length(tmp_path: Path) -> None:
    class NoTokens(HttpServer):
        def answer(self, request: Request) -> Response:
            if request.path.startswith("/token"):
                return Response(200, (), b"{}")
            realm = f"{self.url}/token/{'x' * 5000}?key=signed"
            return Response(401, (("WWW-Authenticate", f'Bearer realm="{realm}"'),))

    with Simulator() as unused, NoTokens() as server:
        push = Push(unused, LARGE_IMAGE, tmp_path)
        with pytest.raises(InvalidContent, match="holds no token") as caught:
            await push.run(f"docker://{server.host}/a/b:c")
        assert server.url in str(caught.value)
    assert len(str(caught.value)) < 300
    assert "signed" not in str(caught.value)
