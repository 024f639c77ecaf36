"""Certificates and plain http, where a hostile registry would profit from a mistake.

Each test names what it is about; the CVEs are those of other clients.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import CertificateNotTrusted, ConnectionFailed, PyskopeoError, UnsafeAddress
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from tests.scenario.hostile_registry.images import IMAGE, LARGE, PASSWORD, pull
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.pulling import Pull
from tests.support.simulator import BearerGate, Simulator
from tests.support.tls import Authority, certificates
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("host", "error", "message"),
    [
        ("localhost", UnsafeAddress, "redirects to plain http"),
        # At the registry's own host https is tried, and there is none.
        ("127.0.0.1", ConnectionFailed, "server gave HTTP response to HTTPS client"),
    ],
)
async def test_https_never_becomes_http(
    host: str, error: type[PyskopeoError], message: str, elsewhere: Simulator, authority: Authority, tmp_path: Path
) -> None:
    trust = certificates(tmp_path / "certs", authority)
    with Simulator(IMAGE, tls=authority.server("downgrade")) as registry:
        for path in ("*/manifests/latest", f"*/blobs/{LARGE}"):
            registry.on(path, f.Redirect(f"http://{host}:{elsewhere.port}/storage/{{name}}"), times=1)
            with pytest.raises(error, match=message):
                await pull(registry, tmp_path, access_for(tmp_path, trust=trust))
        await pull(registry, tmp_path, access_for(tmp_path, trust=trust))
    assert elsewhere.requests == ()


@pytest.mark.parametrize("credentials", [PASSWORD, None])
@pytest.mark.parametrize(
    ("host", "error", "message"),
    [
        ("localhost", UnsafeAddress, "over plain http"),
        ("127.0.0.1", ConnectionFailed, "server gave HTTP response to HTTPS client"),
    ],
)
async def test_a_token_is_not_fetched_over_http(
    host: str, error: type[PyskopeoError], message: str, credentials: Credentials | None, token_server: TokenServer,
    authority: Authority, tmp_path: Path,
) -> None:  # fmt: skip
    """Not even from the registry's own host."""
    trust = certificates(tmp_path / "certs", authority)
    gate = BearerGate(token_server.realm.replace("127.0.0.1", host), token_server.accepts)
    before = len(token_server.requests)
    with Simulator(IMAGE, tls=authority.server("realm"), gate=gate) as registry:
        with pytest.raises(error, match=message):
            await pull(registry, tmp_path, access_for(tmp_path, credentials=credentials, trust=trust))
    assert len(token_server.requests) == before


async def test_http_is_not_tried_when_https_fails(registry: Simulator, tmp_path: Path) -> None:
    """CVE-2014-5277."""
    with pytest.raises(ConnectionFailed, match="--src-tls-verify=false"):
        await pull(registry, tmp_path, access_for(tmp_path, trust=Trust()))
    assert registry.requests == ()


async def test_a_client_certificate_is_for_the_registry_alone(authority: Authority, tmp_path: Path) -> None:
    """GHSA-h3wm-jjqf-8jm2. Both servers insist on one; the registry gets it, whoever it sends us to does not."""
    trust = certificates(tmp_path / "certs", authority, "alice")
    demanding = authority.server("demanding", client_authority=authority.path)
    with Simulator(IMAGE, tls=demanding) as registry, Simulator(IMAGE, tls=demanding) as other:
        other.failures = _Tolerant()
        access = access_for(tmp_path, trust=trust, retry=Retry(times=1, delay=0.01))
        await pull(registry, tmp_path / "own", access)
        registry.on_blob(LARGE, f.Redirect(f"{other.url}/storage/{{name}}"))
        with pytest.raises(ConnectionFailed):
            await pull(registry, tmp_path / "redirected", access)
        assert other.requests == ()
        assert other.connections_seen


class _Tolerant(list[str]):
    """Handshakes that fail are what is wanted."""

    def append(self, failure: str) -> None:
        """Forget it."""


async def test_a_client_certificate_is_for_the_registry_by_every_spelling(
    authority: Authority, tmp_path: Path
) -> None:
    trust = certificates(tmp_path / "certs", authority, "bob")
    with Simulator(IMAGE, tls=authority.server("spelling", client_authority=authority.path)) as registry:
        running = Pull(registry, IMAGE, tmp_path / "layout", access_for(tmp_path, trust=trust))
        await running.run(f"docker://LOCALHOST:{registry.port}/test/image:latest")


async def test_a_stranger_with_a_bad_certificate(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority.create(tmp_path / "other")
    trust = certificates(tmp_path / "certs", authority)
    with (
        Simulator(IMAGE, tls=authority.server("good")) as registry,
        Simulator(IMAGE, tls=stranger.server("bad")) as other,
    ):
        registry.on_blob(LARGE, f.Redirect(f"{other.url}/storage/{{name}}"))
        with pytest.raises(CertificateNotTrusted, match=f"127.0.0.1:{other.port}"):
            await pull(registry, tmp_path, access_for(tmp_path, trust=trust))
        assert other.requests == ()
