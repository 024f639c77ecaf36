"""Registries that mean harm to whoever pushes to them: where they send a body, and what goes along.

Each test names what it is about; the CVEs are those of other clients.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied, CertificateNotTrusted, NetworkError, PyskopeoError, UnsafeAddress
from pyskopeo.http.locality import Locality, locality
from pyskopeo.http.retry import Retry
from pyskopeo.model.events import to_json
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.httpd import HttpServer
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.publishing import Push
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.tls import Authority, certificates
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.anyio

IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=100_000, compression="none"), LayerSpec("small"))))
TOTAL = sum(map(len, IMAGE.blobs.values()))
ONE_LOOP = pytest.mark.parametrize("anyio_backend", ["asyncio"])
PASSWORD = Credentials("user", "correct-horse")
BODIES = ("PUT", "PATCH")


@pytest.fixture
def registry() -> Iterator[Simulator]:
    """It wants a password."""
    with Simulator(gate=BasicGate({"user": "correct-horse"})) as running:
        yield running


@pytest.fixture
def push(registry: Simulator, tmp_path: Path) -> Push:
    return Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=PASSWORD))


def beside(registry: Simulator, **options: object) -> Simulator:
    """Another host, for the uploads of ``registry``; it wants no password."""
    other = Simulator(**options)  # type: ignore[arg-type]
    other.store, other.uploads = registry.store, registry.uploads
    return other


@pytest.fixture
def elsewhere(registry: Simulator) -> Iterator[Simulator]:
    with beside(registry) as running:
        yield running


# --- uploads that go on elsewhere ---


async def test_an_upload_goes_on_at_another_host_without_a_secret(
    push: Push, registry: Simulator, elsewhere: Simulator
) -> None:
    """GHSA-vh4v-2xq2-g5cg."""
    registry.on_upload("POST", u.Elsewhere(elsewhere.url))
    await push.run()
    push.check_there()
    assert sum(request.length for request in elsewhere.requests) == TOTAL
    assert elsewhere.secrets_seen == []
    assert registry.secrets_seen


async def test_after_a_cut_there_too(push: Push, registry: Simulator, elsewhere: Simulator) -> None:
    """Status, PATCH, PUT and DELETE: none of them brings a secret."""
    registry.on_upload("POST", u.Elsewhere(elsewhere.url))
    elsewhere.on("/v2/*/uploads/*", u.CutUpload(30_000), times=1, methods=BODIES)
    await push.run(jobs=1)
    push.check_there()
    methods = {request.method for request in elsewhere.requests}
    assert {"GET", "PUT"} <= methods
    assert elsewhere.secrets_seen == []
    elsewhere.heal()
    registry.store.remove_manifest("test/image", IMAGE.digest)
    for digest in IMAGE.blobs:
        registry.store.remove_blob("test/image", digest)
    elsewhere.on("/v2/*/uploads/*", f.Refuse(400), methods=BODIES)
    with pytest.raises(NetworkError):
        await push.run(jobs=1)
    assert "DELETE" in {request.method for request in elsewhere.requests}
    assert elsewhere.secrets_seen == []


@pytest.mark.parametrize("status", [401, 403])
async def test_another_host_that_asks_who_it_is_is_not_told(
    status: int, push: Push, registry: Simulator, elsewhere: Simulator
) -> None:
    """CVE-2020-15157, for uploads."""
    registry.on_upload("POST", u.Elsewhere(elsewhere.url))
    challenges = ('Basic realm="x"', f'Bearer realm="{elsewhere.url}/token",service="x"')
    elsewhere.on("/v2/*", f.Challenge(challenges, status=status), methods=("PUT", "PATCH", "GET", "DELETE"))
    push.closes = False
    with pytest.raises(NetworkError) as caught:
        await push.run()
    assert "correct-horse" not in str(caught.value)
    assert elsewhere.secrets_seen == []
    assert not [request for request in elsewhere.requests if request.path == "/token"]


@pytest.mark.parametrize("methods", [("POST",), ("PUT", "PATCH"), ("HEAD",)])
@pytest.mark.parametrize("status", [302, 307, 308])
async def test_a_redirect_to_another_host(
    status: int, methods: tuple[str, ...], push: Push, registry: Simulator, elsewhere: Simulator
) -> None:
    """Followed or refused, but no secret goes along."""
    registry.on("/v2/*", f.Redirect(f"{elsewhere.url}/v2/test/image/blobs/{{name}}", status), methods=methods)
    push.closes = False
    said = ""
    try:
        await push.run()
    except PyskopeoError as error:
        said = str(error)
    assert "correct-horse" not in said
    assert elsewhere.secrets_seen == []


async def test_https_never_becomes_http(authority: Authority, tmp_path: Path) -> None:
    trust = certificates(tmp_path / "certs", authority)
    with Simulator(tls=authority.server("push")) as registry, beside(registry) as elsewhere:
        # Another host, that is: of its own host a registry behind a proxy may not know how it is reached.
        registry.on_upload("POST", u.Elsewhere(f"http://localhost:{elsewhere.port}"))
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, trust=trust))
        push.closes = False
        with pytest.raises(UnsafeAddress, match="plain http"):
            await push.run()
        assert elsewhere.connections_seen == 0
        registry.heal()
        await push.run()
        push.check_there()


async def test_its_own_host_by_http_is_taken_for_itself(authority: Authority, tmp_path: Path) -> None:
    """Behind a proxy that ends TLS, a registry gives its inner scheme: the host is what is meant."""
    trust = certificates(tmp_path / "certs", authority)
    with Simulator(tls=authority.server("proxied")) as registry:
        registry.on_upload("POST", u.Elsewhere("http://127.0.0.1"))
        registry.on_upload("PATCH", u.Elsewhere("http://127.0.0.1"))
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, trust=trust))
        await push.run()
        push.check_there()


async def test_another_host_is_not_believed_for_the_registrys_sake(authority: Authority, tmp_path: Path) -> None:
    trust = certificates(tmp_path / "certs", authority)
    (tmp_path / "stranger").mkdir()
    stranger = Authority.create(tmp_path / "stranger")
    with Simulator(tls=authority.server("mine")) as registry, beside(registry, tls=stranger.server("s")) as elsewhere:
        registry.on_upload("POST", u.Elsewhere(elsewhere.url))
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, trust=trust))
        push.closes = False
        with pytest.raises(CertificateNotTrusted, match=f"127.0.0.1:{elsewhere.port}"):
            await push.run()
        assert elsewhere.requests == ()


# --- this machine and its network are nobody's business ---


PRIVATE = ("127.0.0.2", "0.0.0.0", "169.254.169.254", "10.0.0.1", "192.168.0.1", "[::1]", "[fd00:ec2::254]",
           "[::ffff:127.0.0.2]", "2130706434", "0x7f000002", "127.2", "localhost")  # fmt: skip


@ONE_LOOP
@pytest.mark.parametrize("address", PRIVATE)
async def test_a_registry_on_the_internet_sends_no_body_to_a_private_address(
    address: str, push: Push, registry: Simulator, elsewhere: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.1 counts as public here, so that a simulator is a registry on the internet."""

    def pretend(address: str) -> Locality:
        return Locality.PUBLIC if address == "127.0.0.1" else locality(address)

    monkeypatch.setattr("pyskopeo.http.locality.locality", pretend)
    monkeypatch.setattr("pyskopeo.http.connect.locality", pretend)
    # localhost is 127.0.0.1, which is public here: the name itself has to be enough.
    registry.on_upload("POST", u.Elsewhere(f"http://{address}:{elsewhere.port}"))
    push.closes = False
    if address == "localhost":
        await push.run()
        assert elsewhere.secrets_seen == []
        return
    with pytest.raises(UnsafeAddress, match="private address|not a URL"):
        await push.run()
    assert elsewhere.connections_seen == 0


# --- secrets ---


class Echo(HttpServer):
    """Says what it was told, in the error."""

    def answer(self, request: Request) -> Response:
        if not request.header("Authorization"):
            return Response(401, (("WWW-Authenticate", 'Basic realm="x"'),))
        if request.method == "HEAD":
            return Response(404)
        text = " ".join(f"{name}={value}" for name, value in request.headers)
        body = json.dumps({"errors": [{"code": "DENIED", "message": text}]}).encode()
        return Response(403, (("Content-Type", "application/json"),), body)


async def test_no_secret_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Simulator() as unused, Echo() as echo:
        push = Push(unused, IMAGE, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        with pytest.raises(AccessDenied) as caught:
            await push.run(f"docker://{echo.host}/a/b:c")
        assert echo.secrets_seen
    encoded = echo.secrets_seen[0].removeprefix("Basic ")
    said = "".join(traceback.format_exception(caught.value)) + caplog.text
    said += "".join(str(to_json(event)) for event in push.events)
    for secret in ("correct-horse", encoded):
        assert secret not in said


async def test_a_token_is_for_the_registry_alone(token_server: TokenServer, tmp_path: Path) -> None:
    """ggcr #2349: after a redirect the fresh token goes nowhere else; and no error says it."""
    gate = BearerGate(token_server.realm, token_server.accepts)
    with Simulator(gate=gate) as registry, beside(registry) as elsewhere:
        access = access_for(tmp_path, credentials=Credentials("user", "pass"), retry=Retry(times=1, delay=0.01))
        push = Push(registry, IMAGE, tmp_path, access)
        registry.on_upload("POST", u.Elsewhere(elsewhere.url))
        elsewhere.on("/v2/*", f.Challenge((f'Bearer realm="{token_server.realm}",service="simulator"',)), methods=BODIES)
        push.closes = False
        with pytest.raises(NetworkError) as caught:
            await push.run()
        assert elsewhere.secrets_seen == []
        tokens = {value.removeprefix("Bearer ") for value in registry.secrets_seen}
        assert tokens
        assert not [token for token in tokens if token in str(caught.value)]


async def test_a_signed_location_is_not_told(push: Push, registry: Simulator, elsewhere: Simulator) -> None:
    """An upload's URL may be all that is needed to write to it."""
    registry.on_upload("POST", u.Elsewhere(elsewhere.url))
    elsewhere.on("/v2/*", f.Refuse(400, body=b"no"), methods=BODIES)
    with pytest.raises(NetworkError) as caught:
        await push.run()
    assert "_state" not in str(caught.value)
    told = "".join(str(to_json(event)) for event in push.events)
    assert "_state=***" in told
    assert not re.search(r"_state=(?!\*\*\*)", told)


# --- names and digests ---


async def test_what_is_not_there_is_not_taken_on_trust(push: Push, registry: Simulator) -> None:
    """A registry that says by HEAD that it has what it has not: the manifest shows, and then nothing is named."""
    body = b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}'
    registry.on("/v2/*/blobs/sha256*", f.Refuse(200, body=b""), methods=("HEAD",))
    registry.on("/v2/*/manifests/*", f.Refuse(404, body=body), methods=("PUT",))
    with pytest.raises(NetworkError, match="blob unknown"):
        await push.run()
    assert push.names() == {}


async def test_a_blob_of_another_size_is_not_the_blob(push: Push, registry: Simulator) -> None:
    """HEAD says 200 with another length: it is sent."""
    layer = IMAGE.layer_digests()[0]
    registry.on(f"/v2/*/blobs/{layer}", f.Refuse(200, body=b"x"), methods=("HEAD",))
    await push.run()
    push.check_there()
    assert push.placements[layer] == "written"


async def test_redirects_in_a_circle(push: Push, registry: Simulator) -> None:
    registry.on_upload("POST", f.Redirect("/v2/test/image/blobs/uploads/"))
    with pytest.raises(PyskopeoError, match="circle|redirect"):
        await push.run()
