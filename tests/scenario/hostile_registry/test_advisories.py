"""Past vulnerabilities of HTTP clients and registry clients that no other test here is about, by their numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pyskopeo.config.proxies import Proxies
from pyskopeo.errors import AccessDenied
from tests.scenario.hostile_registry.images import IMAGE, LARGE, PASSWORD, SMALL, pull
from tests.support import faults as f
from tests.support.access import access_for, networked
from tests.support.exchange import Request, Response
from tests.support.internet import Internet
from tests.support.pulling import Pull
from tests.support.simulator import BasicGate, Simulator
from tests.support.tls import Authority, certificates

pytestmark = pytest.mark.anyio


async def test_netrc_is_not_read(registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2024-47081, and CVE-2018-18074 of the same library: its passwords are for other programs."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password pass\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    registry.gate = BasicGate({"user": "pass"})
    with pytest.raises(AccessDenied, match="tried without credentials"):
        await pull(registry, tmp_path)
    assert registry.secrets_seen == []


async def test_a_proxys_password_is_for_the_proxy_alone(
    elsewhere: Simulator, authority: Authority, tmp_path: Path
) -> None:
    """CVE-2023-32681, CVE-2024-37891: no server behind it gets ``Proxy-Authorization``, after a redirect either."""
    hosts = ("registry.example.com", "cdn.example.net")
    with Simulator(IMAGE, tls=authority.server("behind", hosts=hosts)) as registry:
        with Internet(hosts, registry.port) as internet:
            registry.on_blob(LARGE, f.Redirect("https://cdn.example.net/storage/{name}"))
            registry.on_blob(SMALL, f.Redirect("/storage/{name}"))
            proxy = internet.url.replace("://", "://proxy-user:hunter2@")
            access = networked(
                access_for(tmp_path, credentials=PASSWORD, trust=certificates(tmp_path / "certs", authority)),
                proxies=Proxies.from_environ({"HTTPS_PROXY": proxy}),
            )
            access = replace(access)
            await Pull(registry, IMAGE, tmp_path / "layout", access).run("docker://registry.example.com/test/image:latest")
        assert set(internet.asked) == set(hosts)
        assert registry.secrets_seen == []


async def test_cookies_are_not_kept(registry: Simulator, elsewhere: Simulator, tmp_path: Path) -> None:
    """CVE-2018-20060, CVE-2023-43804: nothing that was set by a registry goes anywhere, not back to it either."""
    registry.on("*", f.SetHeaders({"Set-Cookie": "session=1; Path=/; Domain=127.0.0.1"}))
    registry.on_blob(LARGE, f.Redirect(f"{elsewhere.url}/storage/{{name}}"))
    await pull(registry, tmp_path)
    assert registry.secrets_seen == elsewhere.secrets_seen == []


class EndlessRedirect:
    """A redirect whose body does not end."""

    def __init__(self, location: str) -> None:
        self.location = location

    def apply(self, request: Request, response: Response) -> Response:
        return f.Endless().apply(request, f.Redirect(self.location).apply(request, replace(response, body=b"x" * 70_000)))


@pytest.mark.parametrize("path", ["*/manifests/latest", f"*/blobs/{LARGE}"])
async def test_the_body_of_a_redirect_is_not_read(
    path: str, registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    """CVE-2025-66418, CVE-2025-66471, CVE-2026-21441: what is thrown away costs nothing."""
    kind = "manifests" if "manifests" in path else "blobs"
    registry.on(path, EndlessRedirect(f"{elsewhere.url}/v2/test/image/{kind}/{{name}}"))
    await pull(registry, tmp_path)
    assert len(elsewhere.requests) == 1
