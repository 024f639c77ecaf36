"""Real registries: plain, behind TLS, behind passwords and tokens, behind nginx."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.access import Access, Network
from pyskopeo.config.tls_details import TlsDetails
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import (
    AccessDenied,
    CertificateNotTrusted,
    ConnectionFailed,
    HandshakeFailed,
    NotFound,
    RegistryError,
)
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from pyskopeo.transports.docker import DockerSource
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.peers import Nginx, Registry, proxy_to, static_files
from tests.support.processes import wait_until
from tests.support.pulling import AMD64, blobs, check_layout, names
from tests.support.simulator import Simulator
from tests.support.tls import Authority, ServerCertificate
from tests.support.token_server import TokenRules, TokenServer

pytestmark = [pytest.mark.anyio, pytest.mark.peer("docker-registry")]

IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=200_000, compression="none"), LayerSpec("small"))))
PASSWORD = Credentials("user", "pass")
WRONG = Credentials("user", "hunter2-wrong")


async def pull(name: str, root: Path, access: Access, image: BuiltImage = IMAGE) -> None:
    """Copy ``name`` into a layout, and look at every byte of it."""
    layout = root / "layout"
    try:
        await pyskopeo.copy(
            name,
            f"oci:{layout}:v1",
            selection=Selection(AMD64.platform, "all"),
            form=pyskopeo.Form(preserve_digests=True),
            source_access=access,
            destination_access=access,
        )
    except BaseException:
        check_layout(layout)
        assert names(layout) == []
        raise
    check_layout(layout)
    assert {*image.blobs, *image.manifests} <= blobs(layout)


@pytest.mark.parametrize(
    "kind", ["docker", "oci", "docker-list", "oci-index-attested", "nested-index", "artifact", "oci-zstd"]
)
async def test_every_kind(kind: str, registry: Registry, tmp_path: Path) -> None:
    image = build(kind)
    registry.push(image, f"auth/{kind}")
    await pull(registry.name(f"auth/{kind}"), tmp_path, access_for(tmp_path), image)
    await pull(f"docker://{registry.host}/auth/{kind}@{image.digest}", tmp_path / "pinned", access_for(tmp_path), image)


async def test_by_digest_and_tags(registry: Registry, tmp_path: Path) -> None:
    for tag in ("v1", "v2", "v3"):
        registry.push(IMAGE, "auth/tags", tag)
    name = f"docker://{registry.host}/auth/tags"
    await pull(f"{name}:v2@{IMAGE.digest}", tmp_path, access_for(tmp_path))
    async with pyskopeo.open_source(f"{name}:v1", access_for(tmp_path)) as source:
        assert isinstance(source, DockerSource)
        assert await source.tags() == ["v1", "v2", "v3"]
        assert str(await source.endpoints.current.resolve("v3")) == IMAGE.digest


async def test_what_is_not_there(registry: Registry, tmp_path: Path) -> None:
    registry.push(IMAGE, "auth/there")
    for name in ("auth/there:other", "auth/nowhere:latest", f"auth/there@sha256:{'0' * 64}"):
        with pytest.raises(NotFound, match="manifest unknown") as caught:
            await pull(f"docker://{registry.host}/{name}", tmp_path, access_for(tmp_path))
        assert caught.value.exit_code == 2


# --- TLS ---


def cert_dir(folder: Path, authority: Authority) -> Path:
    folder.mkdir(parents=True)
    shutil.copy(authority.path, folder / "ca.crt")
    return folder


async def test_own_authority_by_cert_dir(tls_registry: Registry, authority: Authority, tmp_path: Path) -> None:
    tls_registry.push(IMAGE, "auth/tls")
    trust = Trust(cert_dir=cert_dir(tmp_path / "certs", authority))
    await pull(tls_registry.name("auth/tls"), tmp_path, access_for(tmp_path, trust=trust))


async def test_own_authority_by_certs_d(tls_registry: Registry, authority: Authority, tmp_path: Path) -> None:
    tls_registry.push(IMAGE, "auth/tls")
    cert_dir(tmp_path / "certs.d" / tls_registry.host, authority)
    cert_dir(tmp_path / "certs.d" / "other.example.com", Authority.create(tmp_path / "other"))
    trust = Trust(roots=(tmp_path / "none", tmp_path / "certs.d"))
    await pull(tls_registry.name("auth/tls"), tmp_path, access_for(tmp_path, trust=trust))


async def test_own_authority_by_environment(
    tls_registry: Registry, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls_registry.push(IMAGE, "auth/tls")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    await pull(tls_registry.name("auth/tls"), tmp_path, access_for(tmp_path, trust=Trust()))


async def test_an_authority_nobody_knows(tls_registry: Registry, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "other")
    for trust in (Trust(), Trust(cert_dir=cert_dir(tmp_path / "certs", other))):
        with pytest.raises(CertificateNotTrusted, match="--src-cert-dir") as caught:
            await pull(tls_registry.name("auth/tls"), tmp_path, access_for(tmp_path, trust=trust))
        assert caught.value.host == tls_registry.host
        assert str(caught.value).count(tls_registry.host) >= 1


async def test_verification_turned_off(tls_registry: Registry, tmp_path: Path) -> None:
    tls_registry.push(IMAGE, "auth/tls")
    await pull(tls_registry.name("auth/tls"), tmp_path, access_for(tmp_path, trust=Trust(insecure=True)))


@pytest.mark.peer("nginx")
@pytest.mark.parametrize("server", ["docker-registry", "nginx"])
async def test_plain_http_is_no_way_out_where_tls_refuses(server: str, authority: Authority, tmp_path: Path) -> None:
    """Both would answer that they want https."""
    wanting = authority.server("wanting", client_authority=authority.path)
    old = "ssl_protocols TLSv1.2; location / { return 200; }"
    with Registry(tls=wanting) if server == "docker-registry" else Nginx(old, tls=authority.server("old")) as peer:
        trust = Trust(insecure=True, details=TlsDetails("1.3"))
        with pytest.raises(HandshakeFailed, match=rf"{peer.host}: TLS: .*alert") as caught:
            await pull(f"docker://{peer.host}/a/b", tmp_path, access_for(tmp_path, trust=trust))
    assert ("protocol version" in str(caught.value)) == (server == "nginx")


async def test_plain_http_is_not_assumed(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match="--src-tls-verify=false"):
        await pull(registry.name("auth/tls"), tmp_path, access_for(tmp_path, trust=Trust()))


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"expired": True}, "expired"), ({"hosts": ("other.example.com",)}, "IP address mismatch|doesn't match")],
)
async def test_certificates_that_are_no_good(
    options: dict[str, object], reason: str, authority: Authority, tmp_path: Path
) -> None:
    bad: ServerCertificate = authority.server("bad", **options)  # type: ignore[arg-type]
    trust = Trust(cert_dir=cert_dir(tmp_path / "certs", authority))
    with Simulator(IMAGE, tls=bad) as registry:
        with pytest.raises(CertificateNotTrusted, match=reason):
            await pull(registry.name(), tmp_path, access_for(tmp_path, trust=trust))
        assert registry.requests == ()


# --- passwords ---


async def test_the_right_password(htpasswd_registry: Registry, tmp_path: Path) -> None:
    htpasswd_registry.push(IMAGE, "auth/basic")
    await pull(htpasswd_registry.name("auth/basic"), tmp_path, access_for(tmp_path, credentials=PASSWORD))


@pytest.mark.parametrize(
    ("credentials", "tried"), [(WRONG, "tried as user user"), (None, "tried without credentials")]
)
async def test_the_wrong_password(
    credentials: Credentials | None, tried: str, htpasswd_registry: Registry, tmp_path: Path
) -> None:
    with pytest.raises(AccessDenied, match=f"401, {tried}") as caught:
        await pull(htpasswd_registry.name("auth/basic"), tmp_path, access_for(tmp_path, credentials=credentials))
    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "layout").exists()


async def test_a_password_from_a_file(htpasswd_registry: Registry, tmp_path: Path) -> None:
    """``auth.json`` as ``podman login`` writes it; one for a namespace comes before one for the registry."""
    htpasswd_registry.push(IMAGE, "auth/basic")
    host = htpasswd_registry.host
    entries = {host: {"auth": "dXNlcjp3cm9uZw=="}, f"{host}/auth": {"auth": "dXNlcjpwYXNz"}}
    (tmp_path / "auth.json").write_text(json.dumps({"auths": entries}))
    access = Access.from_environ({"HOME": str(tmp_path), "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")})
    access = Access(keychain=access.keychain, trust=Trust(insecure=True), network=Network(retry=Retry(delay=0.01)))
    await pull(htpasswd_registry.name("auth/basic"), tmp_path, access)


# --- tokens ---


@pytest.mark.parametrize("credentials", [PASSWORD, Credentials(identity_token="identity")])
async def test_a_token(credentials: Credentials, token_registry: Registry, tmp_path: Path) -> None:
    token_registry.push(IMAGE, "private/x")
    await pull(token_registry.name("private/x"), tmp_path, access_for(tmp_path, credentials=credentials))


async def test_one_token_serves_the_whole_pull(
    token_registry: Registry, token_server: TokenServer, tmp_path: Path
) -> None:
    token_registry.push(IMAGE, "private/x")
    before = len(token_server.requests)
    await pull(token_registry.name("private/x"), tmp_path, access_for(tmp_path, credentials=PASSWORD))
    (asked,) = token_server.requests[before:]
    assert asked.query["scope"] == ["repository:private/x:pull"]


async def test_a_token_for_everybody(token_registry: Registry, tmp_path: Path) -> None:
    token_registry.push(IMAGE, "public/x")
    await pull(token_registry.name("public/x"), tmp_path, access_for(tmp_path))


async def test_a_token_that_is_given(token_registry: Registry, token_server: TokenServer, tmp_path: Path) -> None:
    token_registry.push(IMAGE, "private/x")
    token = token_server.token_for("repository:private/x:pull")
    before = len(token_server.requests)
    await pull(token_registry.name("private/x"), tmp_path, access_for(tmp_path, registry_token=token))
    assert len(token_server.requests) == before


@pytest.mark.parametrize(
    ("credentials", "tried"),
    [
        (None, "tried without credentials"),
        (WRONG, "incorrect username or password .401, tried as user user"),
        (Credentials(identity_token="hunter2"), "tried an identity token"),
    ],
)
async def test_no_token_for_strangers(
    credentials: Credentials | None, tried: str, token_registry: Registry, tmp_path: Path
) -> None:
    token_registry.push(IMAGE, "private/x")
    with pytest.raises(AccessDenied, match=tried) as caught:
        await pull(token_registry.name("private/x"), tmp_path, access_for(tmp_path, credentials=credentials))
    assert "hunter2" not in str(caught.value)


async def test_a_token_that_has_expired_is_replaced(
    token_registry: Registry, token_server: TokenServer, tmp_path: Path
) -> None:
    token_registry.push(IMAGE, "private/x")
    with TokenServer(tmp_path / "tokens") as stranger:
        useless = json.dumps({"token": stranger.token_for("repository:private/x:pull"), "expires_in": 300})
    token_server.faults.append(f.Body(useless.encode()))
    before = len(token_server.requests)
    await pull(token_registry.name("private/x"), tmp_path, access_for(tmp_path, credentials=PASSWORD))
    assert len(token_server.requests) == before + 2


async def test_tokens_that_have_always_expired(tmp_path: Path) -> None:
    """A token server whose clock is wrong: the end is a refusal, and it comes soon."""
    with TokenServer(tmp_path / "tokens", TokenRules(expires_in=-600)) as tokens, Registry(token=tokens) as registry:
        with pytest.raises(AccessDenied, match="401, tried as user user"):
            await pull(registry.name("private/x"), tmp_path, access_for(tmp_path, credentials=PASSWORD))
        assert len(tokens.requests) <= 3


# --- nginx ---


@pytest.fixture
def blob_store(tmp_path: Path) -> Iterator[Nginx]:
    """Serves the blobs as files, as object storage does, to those who do not say who they are."""
    folder = tmp_path / "blobs"
    folder.mkdir()
    for digest, data in IMAGE.blobs.items():
        (folder / digest).write_bytes(data)
    with Nginx(static_files(folder, "/signed/", "if ($http_authorization) { return 400; }")) as nginx:
        yield nginx


@pytest.mark.peer("nginx")
@pytest.mark.parametrize("kind", ["open", "password", "token"])
async def test_nginx_redirects_blobs(
    kind: str,
    blob_store: Nginx,
    registry: Registry,
    htpasswd_registry: Registry,
    token_registry: Registry,
    tmp_path: Path,
) -> None:
    behind = {"open": registry, "password": htpasswd_registry, "token": token_registry}[kind]
    behind.push(IMAGE, "private/redirected")
    moved = f'    location ~ "^/v2/.*/blobs/(sha256:[0-9a-f]+)$" {{ return 307 {blob_store.url}/signed/$1?signature=x; }}'
    with Nginx(f"{proxy_to(behind.url)}\n{moved}") as front:
        name = f"docker://{front.host}/private/redirected:latest"
        await pull(name, tmp_path, access_for(tmp_path, credentials=None if kind == "open" else PASSWORD))
        # nginx writes its log after it has answered.
        assert wait_until(lambda: front.access_log.count(" 307 ") == len(IMAGE.blobs), 5)
        assert wait_until(lambda: blob_store.access_log.count(" 200 ") == len(IMAGE.blobs), 5)


@pytest.mark.peer("nginx")
async def test_a_blob_store_that_has_lost_one(blob_store: Nginx, registry: Registry, tmp_path: Path) -> None:
    registry.push(IMAGE, "auth/lost")
    (tmp_path / "blobs" / IMAGE.layer_digests()[0]).unlink()
    moved = f'    location ~ "^/v2/.*/blobs/(sha256:[0-9a-f]+)$" {{ return 302 {blob_store.url}/signed/$1; }}'
    with Nginx(f"{proxy_to(registry.url)}\n{moved}") as front:
        with pytest.raises(RegistryError, match=f"blob {IMAGE.layer_digests()[0]}.*404"):
            await pull(f"docker://{front.host}/auth/lost:latest", tmp_path, access_for(tmp_path))


@pytest.mark.peer("nginx")
async def test_nginx_without_a_registry(tmp_path: Path) -> None:
    """502 for a while, then the registry is there."""
    with Registry() as registry:
        registry.push(IMAGE, "auth/late")
        with Nginx(proxy_to("http://127.0.0.1:1")) as front:
            access = access_for(tmp_path, retry=Retry(times=1, delay=0.01))
            with pytest.raises(RegistryError, match="502") as caught:
                await pull(f"docker://{front.host}/auth/late:latest", tmp_path, access)
            assert caught.value.temporary
