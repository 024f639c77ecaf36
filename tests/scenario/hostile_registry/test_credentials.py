"""Credentials go to the registry they are for, and nowhere a hostile registry sends its clients.

Each test names what it is about; the CVEs are those of other clients.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied, InvalidContent, RegistryError, TooLarge, UnsafeAddress
from pyskopeo.http.tls import Trust
from pyskopeo.model.events import Warned
from pyskopeo.transports.docker import DockerSource
from tests.scenario.hostile_registry.images import IMAGE, LARGE, ONE_LOOP, PASSWORD, SMALL, pull, served
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.pulling import Pull
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.tls import Authority, certificates
from tests.support.token_server import TokenRules, TokenServer

pytestmark = pytest.mark.anyio


def gated(kind: str, tokens: TokenServer) -> BasicGate | BearerGate:
    return BasicGate({"user": "pass"}) if kind == "basic" else BearerGate(tokens.realm, tokens.accepts)


@pytest.mark.parametrize("kind", ["basic", "bearer"])
@pytest.mark.parametrize("path", ["*/manifests/latest", f"*/blobs/{LARGE}", f"*/blobs/{SMALL}"])
async def test_a_redirect_takes_no_secret_along(
    kind: str, path: str, elsewhere: Simulator, token_server: TokenServer, tmp_path: Path
) -> None:
    """GHSA-vh4v-2xq2-g5cg; the other origin differs in its port alone."""
    with Simulator(IMAGE, gate=gated(kind, token_server)) as registry:
        target = f"{elsewhere.url}/v2/test/image/{'manifests' if 'manifests' in path else 'blobs'}/{{name}}?signed=1"
        registry.on(path, f.Only(f.Redirect(target)))
        await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        assert registry.secrets_seen
    assert len(elsewhere.requests) == 1
    assert elsewhere.secrets_seen == []


async def test_another_name_of_the_same_server_is_another_origin(tmp_path: Path) -> None:
    with Simulator(IMAGE, gate=BasicGate({"user": "pass"})) as registry:
        registry.on_blob(LARGE, f.Only(f.Redirect(f"http://localhost:{registry.port}/storage/{{name}}")))
        await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        (there,) = (request for request in registry.requests if request.path.startswith("/storage/"))
    assert there.header("Host") == f"localhost:{registry.port}"
    assert there.header("Authorization") is None


async def test_another_scheme_is_another_origin(registry: Simulator, authority: Authority, tmp_path: Path) -> None:
    with Simulator(IMAGE, tls=authority.server("scheme")) as secure:
        registry.gate = BasicGate({"user": "pass"})
        registry.on_blob(LARGE, f.Only(f.Redirect(f"{secure.url}/storage/{{name}}")))
        await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        assert secure.log == [f"GET /storage/{LARGE}"]
        assert secure.secrets_seen == []


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(("at_home", "said"), [(True, "tried as user user"), (False, "answered by {host}")])
async def test_only_who_saw_the_credentials_is_said_to_have_refused_them(
    at_home: bool, said: str, status: int, elsewhere: Simulator, tmp_path: Path
) -> None:
    with Simulator(IMAGE, gate=BasicGate({"user": "pass"})) as registry:
        place = registry if at_home else elsewhere
        place.on("/storage/*", f.Refuse(status, body=b"the link has expired"))
        registry.on_blob(LARGE, f.Only(f.Redirect(f"{place.url}/storage/{{name}}")))
        with pytest.raises(AccessDenied) as caught:
            await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
    reason = "authentication required: the link has expired" if status == 401 else 'StatusCode: 403, "the link has expired"'
    message = str(caught.value).partition("; if it is public")[0]
    assert message.endswith(f": {reason} ({status}, {said.format(host=elsewhere.host)})")
    assert elsewhere.secrets_seen == []


@pytest.mark.parametrize("credentials", [PASSWORD, Credentials(identity_token="identity")])
async def test_a_stranger_that_asks_gets_nothing(
    credentials: Credentials, elsewhere: Simulator, token_server: TokenServer, tmp_path: Path
) -> None:
    """go-containerregistry #2349. A 401 after a redirect is the end of it: no token is fetched for, or sent to, the other origin."""
    elsewhere.gate = BearerGate(token_server.realm, token_server.accepts)
    before = len(token_server.requests)
    with Simulator(IMAGE, gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
        registry.on_blob(LARGE, f.Only(f.Redirect(f"{elsewhere.url}/v2/test/image/blobs/{{name}}")))
        with pytest.raises(AccessDenied):
            await pull(registry, tmp_path, access_for(tmp_path, credentials=credentials))
    assert elsewhere.secrets_seen == []
    assert len(elsewhere.requests) == 1
    assert len(token_server.requests) == before + 1


async def test_a_foreign_layer_takes_no_secret_along(
    authority: Authority, token_server: TokenServer, tmp_path: Path
) -> None:
    """CVE-2020-15157, CVE-2021-32690: the host of a layer's URL asks who we are."""
    document = json.loads(IMAGE.root.raw)
    with (
        Simulator(IMAGE, tls=authority.server("foreign"), gate=BasicGate({"user": "pass"})) as vendor,
        Simulator(IMAGE, gate=BasicGate({"user": "pass"})) as registry,
    ):
        document["layers"][0] |= {"urls": [f"{vendor.url}/v2/test/image/blobs/{LARGE}", f"{vendor.url}/storage/x"]}
        registry.add(served(document), "test/foreign", "latest")
        registry.on_blob(LARGE, f.Refuse(404))
        running = Pull(registry, IMAGE, tmp_path / "layout", access_for(tmp_path, credentials=PASSWORD))
        with pytest.raises(RegistryError, match="neither there nor at any URL of its descriptor"):
            await running.run(registry.name("test/foreign"))
        assert vendor.log == [f"GET /v2/test/image/blobs/{LARGE}", "GET /storage/x"]
        assert vendor.secrets_seen == []


async def test_a_realm_of_somebody_else(tmp_path: Path) -> None:
    """GHSA-9m43-p3cx-w8j5: ``localhost`` and 127.0.0.1 are one machine here, and not plainly one owner."""
    with TokenServer(tmp_path / "tokens") as tokens:
        realm = tokens.realm.replace("127.0.0.1", "localhost")
        with Simulator(IMAGE, gate=BearerGate(realm, tokens.accepts)) as registry:
            with pytest.raises(UnsafeAddress, match="--trust-realm localhost"):
                await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
            assert tokens.requests == ()
            trusting = access_for(tmp_path, credentials=PASSWORD, trust=Trust(insecure=True, realms=frozenset({"localhost"})))
            await pull(registry, tmp_path, trusting)
            assert tokens.secrets_seen


async def test_a_token_server_sends_us_nowhere(elsewhere: Simulator, tmp_path: Path) -> None:
    for credentials in (PASSWORD, Credentials(identity_token="identity")):
        with TokenServer(tmp_path / "tokens", TokenRules(refresh_tokens={"identity": "user"})) as tokens:
            tokens.faults += [f.Redirect(f"{elsewhere.url}/token", status=308)] * 20
            with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
                with pytest.raises(UnsafeAddress, match=f"redirects to {elsewhere.url}, which may not have the cred"):
                    await pull(registry, tmp_path, access_for(tmp_path, credentials=credentials))
    assert elsewhere.requests == ()


class Moved(TokenServer):
    """Its tokens are at another path than its realm, which answers with ``status``; ``hops`` of them."""

    status, hops = 301, 1

    def answer(self, request: Request) -> Response:
        query = request.target.partition("?")[2]
        if request.path == "/old/0":
            return super().answer(replace(request, target=f"/token?{query}"))
        if request.path.startswith("/old/"):
            return Response(self.status, (("Location", f"{int(request.path[5:]) - 1}?{query}"),))
        return Response(404)

    @property
    def realm(self) -> str:
        return f"{self.url}/old/{self.hops}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("credentials", [PASSWORD, Credentials(identity_token="identity"), None])
async def test_a_token_server_that_has_moved(status: int, credentials: Credentials | None, tmp_path: Path) -> None:
    """Within its origin it is followed, with the credentials, be they in a header or in the body."""
    rules = TokenRules(refresh_tokens={"identity": "user"}, grant=lambda user, name, actions: actions)
    with Moved(tmp_path / "tokens", rules) as tokens:
        tokens.status = status
        with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            await pull(registry, tmp_path, access_for(tmp_path, credentials=credentials))
        first, second = tokens.requests
        assert (first.method, first.body, first.header("Authorization")) == (
            second.method, second.body, second.header("Authorization"),
        )  # fmt: skip
        assert second.path == "/old/0"
        assert first.method == ("POST" if credentials and credentials.identity_token else "GET")


@pytest.mark.parametrize(("hops", "works"), [(10, True), (11, False), (100, False)])
async def test_a_token_server_that_moves_and_moves(hops: int, works: bool, tmp_path: Path) -> None:
    with Moved(tmp_path / "tokens") as tokens:
        tokens.hops = hops
        with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            if works:
                await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
            else:
                with pytest.raises(InvalidContent, match="redirects more than 10 times"):
                    await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        assert len(tokens.requests) == 11


async def test_without_credentials_a_token_server_may_send_us_to_another(tmp_path: Path) -> None:
    with TokenServer(tmp_path / "tokens", TokenRules(grant=lambda user, name, actions: actions)) as tokens:
        with Simulator(IMAGE) as registry:
            registry.gate = BearerGate(f"{registry.url}/moved", tokens.accepts)
            registry.on("/moved", f.Redirect(f"{tokens.realm}?scope=repository:test/image:pull"))
            registry.routes["/moved"] = Response(200)
            await pull(registry, tmp_path)
            with pytest.raises(UnsafeAddress, match="which may not have the credentials"):
                await pull(registry, tmp_path / "b", access_for(tmp_path, credentials=PASSWORD))


@pytest.mark.parametrize("credentials", [PASSWORD, None])
async def test_an_https_registry_that_takes_itself_for_http(
    credentials: Credentials | None, authority: Authority, tmp_path: Path
) -> None:
    """A proxy ends TLS before it: its realm, and the targets of its redirects, are its own host by https."""
    rules = TokenRules(grant=lambda user, name, actions: actions)
    with (
        TokenServer(tmp_path / "tokens", rules) as tokens,
        Simulator(IMAGE, tls=authority.server("proxied")) as registry,
    ):
        registry.gate = BearerGate(f"http://{registry.host}/token", tokens.accepts)
        registry.on("/token", Answered(tokens))
        registry.on_blob(LARGE, f.Redirect(f"http://{registry.host}/storage/{{name}}"))
        trust = certificates(tmp_path / "certs", authority)
        await pull(registry, tmp_path, access_for(tmp_path, credentials=credentials, trust=trust))
        assert f"GET /storage/{LARGE}" in registry.log
        # Another host is not: its http stays what it is.
        registry.gate = BearerGate(f"http://localhost:{registry.port}/token", tokens.accepts)
        with pytest.raises(UnsafeAddress, match="plain http from http://localhost.*--trust-realm localhost"):
            await pull(registry, tmp_path / "b", access_for(tmp_path, credentials=credentials, trust=trust))


@dataclass(frozen=True)
class Answered:
    """A fault that has another server's answer, without a network."""

    server: TokenServer

    def apply(self, request: Request, response: Response) -> Response:
        return self.server.answer(replace(request, target="/token?" + request.target.partition("?")[2]))


async def test_a_realm_by_plain_http_that_is_trusted(authority: Authority, tmp_path: Path) -> None:
    """``--trust-realm`` means what it says, and says so."""
    with (
        TokenServer(tmp_path / "tokens") as tokens,
        Simulator(IMAGE, tls=authority.server("trusting")) as registry,
    ):
        registry.gate = BearerGate(tokens.realm.replace("127.0.0.1", "localhost"), tokens.accepts)
        trust = replace(certificates(tmp_path / "certs", authority), realms=frozenset({"localhost"}))
        tokens.faults.append(f.Refuse(503, retry_after=0))
        done = await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD, trust=trust))
        assert tokens.secrets_seen
        assert [event for event in done.events if isinstance(event, Warned)] == [
            Warned(f"credentials are sent to http://localhost:{tokens.port} without TLS, as --trust-realm allows")
        ]


@pytest.mark.parametrize("fault", [f.Padded(200_000), f.Endless()])
async def test_a_token_has_a_limit(fault: f.Fault, tmp_path: Path) -> None:
    with TokenServer(tmp_path / "tokens") as tokens:
        tokens.faults.append(fault)
        with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            with pytest.raises(TooLarge, match=f"requesting a token from {tokens.url}"):
                await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))


async def test_a_token_server_in_trouble(tmp_path: Path) -> None:
    with TokenServer(tmp_path / "tokens") as tokens:
        tokens.faults += [f.Drop(), f.Refuse(503), f.Cut(5), f.Chunked(10), f.Refuse(429, retry_after=0)]
        with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            done = await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
    assert 2 <= len(done.retries) <= 3  # the chunked one is good


async def test_a_token_server_that_stays_in_trouble_is_not_asked_by_two_loops(tmp_path: Path) -> None:
    """Each request that needs a token could retry what has been retried already."""
    with TokenServer(tmp_path / "tokens") as tokens:
        tokens.faults += [f.Refuse(503)] * 30
        with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            access = access_for(tmp_path, credentials=PASSWORD)
            with pytest.raises(RegistryError, match="503"):
                await pull(registry, tmp_path, access)
    assert len(tokens.requests) == 1 + access.network.retry.times


async def test_an_error_of_a_token_server_without_end(tmp_path: Path) -> None:
    class Both:
        def apply(self, request: Request, response: Response) -> Response:
            return f.Endless().apply(request, f.Refuse(401, body=b"no! " * 1000).apply(request, response))

    with TokenServer(tmp_path / "tokens") as tokens:
        tokens.faults.append(Both())
        with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            with pytest.raises(AccessDenied, match="no! no!.*tried as user user"):
                await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))


@pytest.mark.parametrize(
    "link", ["{other}/v2/test/image/tags/list", "//user@{host}/", "http://localhost:{port}/v2/test/image/tags/list"]
)
async def test_the_next_page_takes_no_secret_along(link: str, elsewhere: Simulator, tmp_path: Path) -> None:
    """GHSA-h7vf-4x9w-h99v. Another port of the same host is read as the registry's own, and asked there."""
    with Simulator(IMAGE, gate=BasicGate({"user": "pass"})) as registry:
        target = link.format(other=elsewhere.url, host=elsewhere.host, port=elsewhere.port)
        registry.on("*/tags/list", f.Only(f.SetHeaders({"Link": f'<{target}>; rel="next"'})), times=2)
        async with pyskopeo.open_source(registry.name(), access_for(tmp_path, credentials=PASSWORD)) as source:
            assert isinstance(source, DockerSource)
            with pytest.raises((UnsafeAddress, InvalidContent)):
                await source.tags()
    assert elsewhere.requests == ()


@ONE_LOOP
@pytest.mark.parametrize(
    "location",
    ["http://user:pass@{host}/storage/x", "ftp://{host}/x", "http://[::1", "http://999.1.1.1/", "http://a b/", "http://"],
)
async def test_redirects_that_are_no_good(location: str, registry: Simulator, tmp_path: Path) -> None:
    registry.on_blob(LARGE, f.Redirect(location.format(host=registry.host)))
    with pytest.raises((UnsafeAddress, InvalidContent)) as caught:
        await pull(registry, tmp_path)
    assert "pass" not in str(caught.value)
    assert not [line for line in registry.log if "/storage/" in line]


@pytest.mark.parametrize("target", ["/v2/test/image/blobs/{name}", "{url}/v2/test/image/blobs/{name}", "/hop/{name}"])
async def test_redirects_in_a_circle(target: str, registry: Simulator, tmp_path: Path) -> None:
    registry.on_blob(LARGE, f.Redirect(target.replace("{url}", registry.url)))
    registry.on("/hop/*", f.Redirect("/hop/{name}x"))
    with pytest.raises(InvalidContent, match="circle|more than 10 times"):
        await pull(registry, tmp_path)
    assert len(registry.log) < 20
