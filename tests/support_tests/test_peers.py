"""Real programs come up, do their work and leave nothing behind."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support import require
from tests.support.faults import Refuse
from tests.support.images import build
from tests.support.outputs import connected, push
from tests.support.peers import Dockerd, Nginx, Peer, PeerFailed, Registry, proxy_to, static_files
from tests.support.processes import wait_until
from tests.support.rootfs import GREETING, PROGRAM
from tests.support.simulator import BearerGate, Simulator
from tests.support.tls import Authority
from tests.support.token_server import TokenRules, TokenServer

IMAGE = build("docker")


def get(
    url: str, path: str, headers: dict[str, str] | None = None, registry: Registry | None = None
) -> tuple[int, bytes]:
    context = registry.tls.client_context() if registry and registry.tls else None
    with connected(url, context) as connection:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()


def basic(pair: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


@pytest.mark.parametrize(
    "kind",
    ["docker", "oci", "docker-list", "oci-index-attested", "nested-index", "artifact", "oci-zstd", "docker-zstd"],
)
def test_a_registry_takes_every_kind(kind: str, registry: Registry) -> None:
    image = build(kind)
    registry.push(image, f"kinds/{kind}", "v1")
    assert get(registry.url, f"/v2/kinds/{kind}/manifests/{image.digest}", {"Accept": image.root.media_type}) == (
        200,
        image.root.raw,
    )


def test_tls(tls_registry: Registry) -> None:
    tls_registry.push(IMAGE, "a/b")
    assert get(tls_registry.url, "/v2/a/b/tags/list", registry=tls_registry)[0] == 200


def test_htpasswd(htpasswd_registry: Registry) -> None:
    htpasswd_registry.push(IMAGE, "a/b")
    path = "/v2/a/b/tags/list"
    assert get(htpasswd_registry.url, path)[0] == 401
    assert get(htpasswd_registry.url, path, basic("user:wrong"))[0] == 401
    assert get(htpasswd_registry.url, path, basic("user:pass"))[0] == 200


def test_a_real_registry_accepts_our_tokens(token_registry: Registry, token_server: TokenServer) -> None:
    for repository in ("private/x", "public/x"):
        token_registry.push(IMAGE, repository)

    def pull(repository: str, headers: dict[str, str]) -> int:
        query = urlencode({"service": token_server.rules.service, "scope": f"repository:{repository}:pull"})
        token = json.loads(get(token_server.url, f"/token?{query}", headers)[1])["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        return get(token_registry.url, f"/v2/{repository}/tags/list", bearer)[0]

    assert get(token_registry.url, "/v2/public/x/tags/list")[0] == 401
    assert pull("public/x", {}) == 200
    assert pull("private/x", {}) == 401
    assert pull("private/x", basic("user:pass")) == 200
    assert get(token_server.url, "/token?service=x", basic("user:wrong"))[0] == 401


def test_token_server_alone(tmp_path: Path) -> None:
    rules = TokenRules(
        refresh_tokens={"identity": "user"}, expires_in=1, keys=("access_token",), offer_refresh_token=True
    )
    scope = "repository:test/image:pull"
    with TokenServer(tmp_path, rules) as tokens, connected(tokens.url) as connection:
        tokens.faults.append(Refuse(503, retry_after=1))
        form = {
            "grant_type": "refresh_token",
            "refresh_token": "identity",
            "client_id": "x",
            "service": "s",
            "scope": scope,
        }
        statuses = []
        for value in ("identity", "identity", "wrong"):
            body = urlencode(form | {"refresh_token": value})
            connection.request("POST", "/token", body, {"Content-Type": "application/x-www-form-urlencoded"})
            response = connection.getresponse()
            statuses.append(response.status)
            said = json.loads(response.read())
            if response.status == 200:
                granted = said
        assert statuses == [503, 200, 401]
        assert set(granted) == {"access_token", "expires_in", "issued_at", "refresh_token"}
        token = granted["access_token"]
        assert tokens.accepts(token, scope)
        assert not tokens.accepts(token, "repository:test/image:push")
        assert not tokens.accepts("made up", scope)
        with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            path = "/v2/test/image/manifests/latest"
            assert get(registry.url, path, {"Authorization": f"Bearer {token}"})[0] == 200
            time.sleep(1)
            assert get(registry.url, path, {"Authorization": f"Bearer {token}"})[0] == 401


@pytest.mark.peer("nginx")
def test_nginx_in_front_of_a_registry_and_over_files(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x").write_bytes(b"0123456789")
    config = f"{proxy_to(registry.url)}\n{static_files(tmp_path / 'files', '/files/')}"
    server = Authority.create(tmp_path / "ca").server()
    with Nginx(config, tls=server) as nginx:
        push(IMAGE, nginx.url, "by/nginx", context=server.client_context())
        with connected(nginx.url, server.client_context()) as connection:
            connection.request("GET", "/files/x", headers={"Range": "bytes=3-5"})
            response = connection.getresponse()
            assert (response.status, response.read()) == (206, b"345")
        assert "PUT /v2/by/nginx/manifests/latest" in nginx.access_log
    assert not nginx.folder.exists()


@pytest.mark.peer("skopeo")
def test_docker_loads_and_runs_what_skopeo_makes_of_our_images(
    dockerd: Dockerd, tmp_path: Path, registry: Registry
) -> None:
    registry.push(IMAGE, "to/run")
    archive = tmp_path / "image.tar"
    command = ["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", registry.name("to/run")]
    subprocess.run([*command, f"docker-archive:{archive}:to/run:v1"], check=True, capture_output=True)
    assert "to/run:v1" in dockerd.docker("load", stdin=archive)
    assert dockerd.docker("run", "--rm", "--network", "none", "to/run:v1") == GREETING.decode()
    assert dockerd.docker("run", "--rm", "--network", "none", "to/run:v1", f"{PROGRAM}-again") == GREETING.decode()
    with pytest.raises(PeerFailed, match="no-such-image"):
        dockerd.docker("inspect", "no-such-image")


class Sleeper(Peer):
    """A shell and its child; never ready when asked to fail, for a moment after it has said something."""

    def __init__(self, script: str, ready: bool = True) -> None:
        super().__init__()
        self.script = script
        self.ready = ready
        if not ready:
            self.ready_within = 0.3

    def command(self) -> tuple[str, ...]:
        return ("sh", "-c", self.script)

    def is_ready(self) -> bool:
        # A machine under load may take long to start a shell.
        return wait_until(lambda: "\n" in self.log, 15) and self.ready


def test_children_end_with_the_peer() -> None:
    with Sleeper("sleep 60 & echo pid $!; wait") as peer:
        child = int(peer.log.split()[1])
        assert Path(f"/proc/{child}").exists()
    assert not peer.folder.exists()
    assert wait_until(lambda: _has_ended(child), 5)  # it was killed, and dies when it is its turn


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("script", ["echo out of luck; exit 3", "echo out of luck; sleep 60"])
def test_a_peer_that_does_not_come_up_says_so_and_is_gone(script: str) -> None:
    peer = Sleeper(script, ready=False)
    with pytest.raises(PeerFailed, match="Sleeper did not come up: out of luck"):
        peer.__enter__()
    assert not peer.folder.exists()
    assert not peer.running


def test_missing_programs_skip_or_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYSKOPEO_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program"):
        require.require_peer("no-such-program")
    monkeypatch.setenv("PYSKOPEO_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-program"):
        require.require_peer("no-such-program")
    assert require.require_peer("sh").endswith("/sh")


def test_the_environment_is_clean(clean_environment: Path, tmp_path: Path) -> None:
    assert os.environ["HOME"] == str(clean_environment)
    assert not {"DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "http_proxy", "HTTPS_PROXY", "SSL_CERT_FILE"} & set(os.environ)
    assert not list(tmp_path.iterdir())


@pytest.mark.anyio
async def test_both_event_loops(anyio_backend: str) -> None:
    import anyio
    import sniffio

    assert sniffio.current_async_library() == anyio_backend
    with Simulator(IMAGE) as registry:
        status, _ = await anyio.to_thread.run_sync(get, registry.url, "/v2/")
    assert status == 200
