"""Registries that ask for credentials at ``/v2/`` alone, and show strangers less than they have: no error, but a lie.

Credentials that are at hand are used from the first request on; without them nothing is asked that was not asked before.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.access import Access
from pyskopeo.config.proxies import Proxies
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.credentials.keychain import Keychain
from pyskopeo.errors import AccessDenied, NotFound, RegistryError
from pyskopeo.http.retry import Retry
from tests.support import faults as f
from tests.support.access import access_for, networked
from tests.support.cli import pyskopeo_here
from tests.support.exchange import Request, Response
from tests.support.helper_programs import HelperPrograms
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.keychains import Home, entry
from tests.support.publishing import Push
from tests.support.pulling import Pull
from tests.support.registries_conf import parse_registries
from tests.support.simulator import Simulator
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.anyio

IMAGE = build("oci")
SMALL = build(ImageSpec(layers=(LayerSpec("s"),)))
USER = Credentials("user", "pass")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Strangers:
    """A fault for those who have not shown who they are."""

    def __init__(self, fault: f.Fault) -> None:
        self.fault = fault

    def apply(self, request: Request, response: Response) -> Response:
        return response if request.header("Authorization") else self.fault.apply(request, response)


UNKNOWN = Strangers(f.Refuse(404, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'))


def hide(registry: Simulator, *challenges: str) -> None:
    """``/v2/`` has these challenges, and there is nothing else for strangers."""
    registry.on("/v2/", f.Challenge(challenges, unless_authorized=True))
    registry.on("/v2/?*", UNKNOWN, methods=METHODS)


def pings(registry: Simulator) -> int:
    return registry.log.count("GET /v2/")


def unauthorized(registry: Simulator) -> list[str]:
    """What was requested without credentials, but for ``/v2/``."""
    return [
        f"{request.method} {request.target}" for request in registry.requests
        if request.path != "/v2/" and not request.header("Authorization")
    ]  # fmt: skip


def bearer(tokens: TokenServer) -> str:
    return f'Bearer realm="{tokens.realm}",service="simulator"'


@pytest.fixture(params=["basic", "bearer"])
def registry(request: pytest.FixtureRequest, token_server: TokenServer) -> Simulator:
    """Not running yet."""
    simulator = Simulator(IMAGE)
    hide(simulator, 'Basic realm="x"' if request.param == "basic" else bearer(token_server))
    return simulator


async def test_a_pull(registry: Simulator, tmp_path: Path) -> None:
    with registry:
        with pytest.raises(NotFound, match="manifest unknown"):
            await Pull(registry, IMAGE, tmp_path / "a").run()
        assert pings(registry) == 0
        before = len(registry.requests)
        await Pull(registry, IMAGE, tmp_path / "b", access_for(tmp_path, credentials=USER)).run()
        assert pings(registry) == 1
        assert not [request for request in registry.requests[before + 1 :] if not request.header("Authorization")]


async def test_a_push(registry: Simulator, tmp_path: Path) -> None:
    with registry:
        push = Push(registry, SMALL, tmp_path, access_for(tmp_path, credentials=USER))
        await push.run(registry.name("team/new"))
        push.check_there("team/new")
        assert pings(registry) == 1
        assert unauthorized(registry) == []


async def test_other_operations(registry: Simulator, tmp_path: Path) -> None:
    access, repository = access_for(tmp_path, credentials=USER), "test/image"
    with registry:
        name = registry.name()
        registry.add(SMALL, repository, "second")
        assert await pyskopeo.list_tags(f"docker://{registry.host}/{repository}", access=access) == ["latest", "second"]
        async with pyskopeo.open_source(name, access) as source:
            assert (await source.manifest()).raw == IMAGE.root.raw
        assert str(await pyskopeo.tag(name, "third", access=access)) == IMAGE.digest
        await pyskopeo.delete(registry.name(tag="second"), access=access)
        assert registry.manifest("second") is None
        assert pings(registry) == 4
        assert unauthorized(registry) == []


def test_sync_asks_once(registry: Simulator, tmp_path: Path) -> None:
    with registry, Simulator() as mirror:
        for number in range(4):
            registry.add(SMALL, "team/app", f"v{number}")
        few = json.dumps({"name": "team/app", "tags": ["v0"]}).encode()
        registry.on("/v2/team/app/tags/list", Strangers(f.Body(few)))
        words = ("--src-tls-verify=false", "--dest-tls-verify=false", "--src-creds", "user:pass")
        done = pyskopeo_here(
            "sync", "--src", "docker", "--dest", "docker", *words, f"{registry.host}/team/app", f"{mirror.host}/m"
        )
        assert done.code == 0, done.stderr
        assert {f"v{number}" for number in range(4)} <= set(mirror.store.manifests("m/app"))
        assert pings(registry) == 1
        assert pings(mirror) == 0  # nobody has credentials for it
        assert unauthorized(registry) == []


async def test_a_copy_inside_one_registry_asks_once(registry: Simulator, tmp_path: Path) -> None:
    access = access_for(tmp_path, credentials=USER)
    with registry:
        await pyskopeo.copy(
            registry.name(), registry.name("team/copy"), source_access=access, destination_access=access
        )
        assert registry.manifest("latest", "team/copy") is not None
        assert pings(registry) == 1
        assert unauthorized(registry) == []


async def test_sides_that_reach_a_registry_in_different_ways_ask_each(registry: Simulator, tmp_path: Path) -> None:
    """The answer to one says nothing about the other: other TLS settings, another proxy."""
    with registry:
        source = access_for(tmp_path, credentials=USER)
        trusting = replace(source, trust=replace(source.trust, cert_dir=tmp_path))
        proxied = networked(source, proxies=Proxies.from_environ({"HTTPS_PROXY": "http://127.0.0.1:9"}))
        for number, destination in enumerate((trusting, proxied), 1):
            await pyskopeo.copy(
                registry.name(), registry.name(f"team/copy{number}"),
                source_access=source, destination_access=destination,
            )  # fmt: skip
            assert pings(registry) == 2 * number


def test_a_sync_inside_one_registry_asks_once(registry: Simulator, tmp_path: Path) -> None:
    with registry:
        words = ("--src-tls-verify=false", "--dest-tls-verify=false", "--src-creds", "user:pass", "--dest-creds", "user:pass")
        done = pyskopeo_here(
            "sync", "--src", "docker", "--dest", "docker", *words, f"{registry.host}/test/image", f"{registry.host}/m"
        )
        assert done.code == 0, done.stderr
        assert pings(registry) == 1
        assert unauthorized(registry) == []


async def test_a_shorter_list_of_tags(tmp_path: Path, token_server: TokenServer) -> None:
    with Simulator(IMAGE, tag="public") as registry:
        registry.add(SMALL, "test/image", "private")
        registry.on("/v2/", f.Challenge((bearer(token_server),), unless_authorized=True))
        registry.on("*/tags/list", Strangers(f.Body(b'{"tags":["public"]}')))
        name = f"docker://{registry.host}/test/image"
        assert await pyskopeo.list_tags(name, access=access_for(tmp_path)) == ["public"]
        mine = access_for(tmp_path, credentials=USER)
        assert await pyskopeo.list_tags(name, access=mine) == ["private", "public"]


# --- what /v2/ may answer ---


@pytest.mark.parametrize(
    "fault",
    [
        f.Refuse(404, body=b"404 page not found"),
        f.Refuse(403),
        f.Refuse(401, body=b""),
        f.Challenge(("Negotiate", 'Bearer service="x"')),
        f.Redirect("http://localhost:1/v2/"),
        f.Body(b"{}"),
    ],
)
async def test_credentials_do_not_go_to_those_who_do_not_ask(fault: f.Fault, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        registry.on("/v2/", fault)
        await Pull(registry, IMAGE, tmp_path / "layout", access_for(tmp_path, credentials=USER)).run()
        assert registry.secrets_seen == []
        assert pings(registry) == 1


async def test_a_ping_that_fails_for_now_is_repeated(token_server: TokenServer, tmp_path: Path) -> None:
    """Going on without credentials would be a guess."""
    with Simulator(IMAGE) as registry:
        hide(registry, bearer(token_server))
        registry.on("/v2/", f.Refuse(503, retry_after=0), times=1)
        registry.on("/v2/", f.Drop(), times=1, skip=1)
        done = Pull(registry, IMAGE, tmp_path / "layout", access_for(tmp_path, credentials=USER))
        await done.run()
        assert unauthorized(registry) == []
        assert pings(registry) == 3
        assert 1 <= len(done.retries) <= 2  # a connection that was open may be tried again at once


@pytest.mark.parametrize(("fault", "said"), [(f.Refuse(429), "too many requests"), (f.Stall(), "no progress for 0.2 s")])
async def test_a_ping_that_fails_for_good(fault: f.Fault, said: str, tmp_path: Path) -> None:
    access = access_for(tmp_path, credentials=USER, stall_timeout=0.2, retry=Retry(times=1, delay=0.01))
    with Simulator(IMAGE) as registry:
        registry.on("/v2/", fault)
        with pytest.raises(pyskopeo.NetworkError, match=said):
            await Pull(registry, IMAGE, tmp_path / "layout", access).run()
        assert pings(registry) == 2
        assert unauthorized(registry) == []


@pytest.mark.parametrize("status", [500, 501, 503])
async def test_a_registry_whose_ping_is_broken(status: int, token_server: TokenServer, tmp_path: Path) -> None:
    """All else works and asks for credentials: the copy is complete, and the ping is requested once with its retries."""
    access = access_for(tmp_path, credentials=USER, retry=Retry(times=2, delay=0.01))
    with Simulator(IMAGE) as registry:
        registry.on("/v2/*", f.Challenge((bearer(token_server),), unless_authorized=True))
        registry.on("/v2/", f.Refuse(status))
        pull = Pull(registry, IMAGE, tmp_path / "layout", access)
        await pull.run()
        assert pings(registry) == 3
        assert unauthorized(registry)
    (warning,) = pull.warnings
    assert f"status {status}" in warning
    assert "no credentials are sent before the registry asks for them" in warning


async def test_credentials_that_are_refused_are_said_to_be(token_server: TokenServer, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        registry.on("/v2/", f.Challenge((bearer(token_server),), unless_authorized=True))
        wrong = access_for(tmp_path, credentials=Credentials("user", "wrong"))
        with pytest.raises(AccessDenied, match="incorrect username or password .401, tried as user user"):
            await Pull(registry, IMAGE, tmp_path / "layout", wrong).run()


@pytest.mark.parametrize("gate", ["basic", "bearer"])
async def test_credentials_beside_a_registry_token(gate: str, token_server: TokenServer, tmp_path: Path) -> None:
    """What the challenge asks for is used, as by skopeo."""
    given = token_server.token_for("repository:test/image:pull")
    before = len(token_server.requests)
    with Simulator(IMAGE) as registry:
        hide(registry, 'Basic realm="x"' if gate == "basic" else bearer(token_server))
        access = access_for(tmp_path, credentials=USER, registry_token=given)
        await Pull(registry, IMAGE, tmp_path / "layout", access).run()
        kinds = {value.partition(" ")[0] for value in registry.secrets_seen}
        assert kinds == {"Basic" if gate == "basic" else "Bearer"}
        assert gate == "basic" or set(registry.secrets_seen) == {f"Bearer {given}"}
    assert len(token_server.requests) == before


# --- where credentials are from ---


def found_in(keychain: Keychain, tmp_path: Path) -> Access:
    return replace(access_for(tmp_path), keychain=keychain)


async def test_an_auth_file(token_server: TokenServer, tmp_path: Path) -> None:
    home = Home(tmp_path)
    with Simulator(IMAGE) as registry, Simulator(IMAGE) as other:
        hide(registry, 'Basic realm="x"')
        home.write("session", entry("user", registry.host))
        await Pull(registry, IMAGE, tmp_path / "a", found_in(home.keychain(), tmp_path)).run()
        assert unauthorized(registry) == []
        await Pull(other, IMAGE, tmp_path / "b", found_in(home.keychain(), tmp_path)).run()
        assert (pings(registry), pings(other), other.secrets_seen) == (1, 0, [])


async def test_a_credential_helper_runs_once(tmp_path: Path) -> None:
    home, helpers = Home(tmp_path), HelperPrograms(tmp_path / "bin")
    home.environ |= helpers.environ
    with Simulator(IMAGE) as registry, Simulator(IMAGE) as other:
        hide(registry, 'Basic realm="x"')
        home.write("session", {"credHelpers": {registry.host: "x", other.host: "none"}})
        helpers.docker("x", """echo run >> $OUT/runs; echo '{"Username":"user","Secret":"pass"}'""")
        helpers.docker("none", "echo run >> $OUT/none; echo credentials not found in native keychain; exit 1")
        await Pull(registry, IMAGE, tmp_path / "a", found_in(home.keychain(), tmp_path)).run()
        await Pull(other, IMAGE, tmp_path / "b", found_in(home.keychain(), tmp_path)).run()
        assert unauthorized(registry) == []
        assert (pings(registry), pings(other)) == (1, 0)
    assert (helpers.said("runs"), helpers.said("none")) == ("run\n", "run\n")


async def test_a_mirror_has_its_own(tmp_path: Path) -> None:
    """Credentials that were given are for the registry; a mirror's are those that are found for its own name."""
    home = Home(tmp_path)
    with Simulator(IMAGE) as registry, Simulator(IMAGE) as mirror, Simulator(IMAGE) as open_mirror:
        hide(mirror, 'Basic realm="x"')
        home.write("session", entry("user", mirror.host))
        for place, expected in ((mirror, 1), (open_mirror, 0)):
            text = f'[[registry]]\nlocation = "{registry.host}"\n[[registry.mirror]]\nlocation = "{place.host}"\n'
            given = found_in(home.keychain(credentials=Credentials("given", "secret")), tmp_path)
            access = replace(given, registries=partial(parse_registries, text, "/r.conf"))
            await Pull(registry, IMAGE, tmp_path / str(place.port), access).run()
            assert pings(place) == expected
            assert len(set(place.secrets_seen)) == expected
        assert registry.requests == ()


async def test_public_images_are_pulled_as_before(tmp_path: Path) -> None:
    """Without credentials there is no request more, and anonymous tokens are still to be had."""
    with TokenServer(tmp_path / "t") as tokens, Simulator(IMAGE, "public/image") as registry:
        for pattern in ("/v2/", "/v2/?*"):
            registry.on(pattern, f.Challenge((bearer(tokens),), unless_authorized=True), methods=METHODS)
        access = access_for(tmp_path)
        async with pyskopeo.open_source(registry.name("public/image"), access) as source:
            assert (await source.manifest()).raw == IMAGE.root.raw
        assert registry.log == ["GET /v2/public/image/manifests/latest"] * 2
        assert len(tokens.requests) == 1


async def test_an_unreachable_ping_is_one_error(tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        pass
    access = access_for(tmp_path, credentials=USER, retry=Retry(times=0))
    with pytest.raises(pyskopeo.ConnectionFailed, match="connection refused"):
        await Pull(registry, IMAGE, tmp_path / "layout", access).run()
    with pytest.raises(RegistryError, match="404"), Simulator() as empty:
        async with pyskopeo.open_source(empty.name(), access) as source:
            await source.manifest()
