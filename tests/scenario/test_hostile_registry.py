"""Registries that mean harm, over real connections: what has gone wrong elsewhere must not go wrong here.

Each test names what it is about; the CVEs are those of other clients.
"""

from __future__ import annotations

import json
import logging
import shutil
import socket
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest

import pyskopeo
from pyskopeo.access import Access
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import (
    AccessDenied,
    CertificateNotTrusted,
    ConnectionFailed,
    ContentMismatch,
    InvalidContent,
    InvalidDigest,
    NetworkError,
    NotFound,
    PyskopeoError,
    RegistryError,
    Stalled,
    TooLarge,
    UnsafeAddress,
    Unsupported,
)
from pyskopeo.http.connect import Connector, check_literal_address
from pyskopeo.http.origin import Origin, is_public
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from pyskopeo.http.transport import HTTPTransport
from pyskopeo.model.events import Event, to_json
from pyskopeo.model.platform import Platform
from pyskopeo.transports.docker import DockerSource
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.images import BuiltImage, BuiltManifest, ImageSpec, IndexSpec, LayerSpec, build, digest_of
from tests.support.pulling import Pull, check_layout
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.tls import Authority
from tests.support.token_server import TokenRules, TokenServer

pytestmark = pytest.mark.anyio

IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=100_000, compression="none"), LayerSpec("small"))))
LARGE, SMALL = IMAGE.layer_digests()
OCI = "application/vnd.oci.image"
# For long tables about what is decided and not about how one waits.
ONE_LOOP = pytest.mark.parametrize("anyio_backend", ["asyncio"])
PASSWORD = Credentials("user", "pass")
MIB = 1024 * 1024


def served(document: object, media_type: str = f"{OCI}.manifest.v1+json") -> BuiltImage:
    """An image whose root is this document and whose blobs are those of `IMAGE`."""
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    root = BuiltManifest(digest_of(raw), media_type, raw)
    return BuiltImage(root, MappingProxyType({root.digest: root}), IMAGE.blobs, MappingProxyType({}))


def asked_for_blobs(registry: Simulator) -> list[str]:
    return [line for line in registry.log if "/blobs/" in line]


async def pull(registry: Simulator, root: Path, access: Access | None = None, image: BuiltImage = IMAGE) -> Pull:
    done = Pull(registry, image, root / "layout", access or access_for(root))
    await done.run()
    return done


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[Simulator]:
    """Another server; its gate lets everybody pass, and it writes down what they bring."""
    with Simulator(IMAGE) as running:
        yield running


# --- documents ---

BAD_DIGESTS: dict[str, object] = {
    "traversal": "sha256:../../../etc/passwd",
    "traversal after hex": f"sha256:{'a' * 64}/../../x",
    "empty": "sha256:",
    "nothing": "",
    "no algorithm": "a" * 64,
    "upper case": "sha256:" + "A" * 64,
    "short": "sha256:" + "a" * 63,
    "NUL": "sha256:" + "a" * 63 + "\0",
    "newline": "sha256:" + "a" * 64 + "\n",
    "a megabyte": "sha256:" + "a" * MIB,
    "other digits": "sha256:" + "\u0661" * 64,
    "query": f"sha256:{'a' * 64}?x=",
    "number": 5,
    "null": None,
    "list": ["sha256:" + "a" * 64],
}


@ONE_LOOP
@pytest.mark.parametrize("name", BAD_DIGESTS)
@pytest.mark.parametrize("where", ["config", "layers", "manifests"])
async def test_digests_are_looked_at_before_anything_is_asked(where: str, name: str, tmp_path: Path) -> None:
    """CVE-2024-3727."""
    document: dict[str, Any] = json.loads(IMAGE.root.raw)
    media_type = IMAGE.root.media_type
    bad = {"mediaType": media_type, "digest": BAD_DIGESTS[name], "size": 100}
    if where == "manifests":
        media_type = f"{OCI}.index.v1+json"
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": [bad]}
    else:
        document[where] = bad if where == "config" else [*document["layers"], bad]
    with Simulator(served(document, media_type)) as registry:
        with pytest.raises(InvalidDigest, match="invalid digest") as caught:
            await pull(registry, tmp_path)
        assert len(str(caught.value)) < 300
        assert [line for line in registry.log if "/v2/test" in line] == ["GET /v2/test/image/manifests/latest"]
    assert not (tmp_path / "layout").exists()


async def test_an_algorithm_nobody_can_check(tmp_path: Path) -> None:
    document = json.loads(IMAGE.root.raw)
    document["layers"][0]["digest"] = "blake3:" + "a" * 64
    with Simulator(served(document)) as registry:
        with pytest.raises(Unsupported, match="blake3"):
            await pull(registry, tmp_path)
        assert "blake3" not in "".join(asked_for_blobs(registry))


@ONE_LOOP
@pytest.mark.parametrize(
    "size", [-1, 2**63, 1e30, 1.5, "5", None, True, [5]], ids=lambda size: f"{type(size).__name__}"
)
async def test_sizes_are_sizes(size: object, tmp_path: Path) -> None:
    document = json.loads(IMAGE.root.raw)
    document["layers"][0]["size"] = size
    with Simulator(served(document)) as registry:
        with pytest.raises(InvalidContent, match="size"):
            await pull(registry, tmp_path)
        assert asked_for_blobs(registry) == []


@ONE_LOOP
@pytest.mark.parametrize("wrong", [0, 5, 10**12])
async def test_a_size_that_lies(wrong: int, tmp_path: Path) -> None:
    document = json.loads(IMAGE.root.raw)
    document["layers"][0]["size"] = wrong
    with Simulator(served(document)) as registry:
        with pytest.raises(ContentMismatch):
            await pull(registry, tmp_path)


async def test_a_pin_is_worth_more_than_a_header(registry: Simulator, tmp_path: Path) -> None:
    """CVE-2025-24882: other bytes, with a header that agrees with them."""
    other = IMAGE.root.raw + b"\n"
    registry.on_manifest(IMAGE.digest, f.Body(other), f.SetHeaders({"Docker-Content-Digest": digest_of(other)}))
    running = Pull(registry, IMAGE, tmp_path / "layout")
    with pytest.raises(ContentMismatch, match=f"want {IMAGE.digest}"):
        await running.run(f"docker://{registry.host}/test/image@{IMAGE.digest}")
    assert asked_for_blobs(registry) == []


async def test_a_header_is_worth_more_than_nothing(registry: Simulator, tmp_path: Path) -> None:
    registry.on_manifest("latest", f.SetHeaders({"Docker-Content-Digest": "sha256:" + "0" * 64}))
    with pytest.raises(ContentMismatch, match="Docker-Content-Digest"):
        await pull(registry, tmp_path)
    assert asked_for_blobs(registry) == []


async def test_a_child_is_verified(tmp_path: Path) -> None:
    """An index may name a manifest; what is then sent must be that manifest."""
    image = build(IndexSpec((ImageSpec(),)))
    other = build(ImageSpec(labels={"other": "image"}))
    with Simulator(image) as registry:
        registry.on_manifest(image.child(0).digest, f.Body(other.root.raw))
        registry.on_manifest(
            image.child(0).digest, f.SetHeaders({"Docker-Content-Digest": other.digest}), methods=("GET",)
        )
        with pytest.raises(ContentMismatch, match="manifest digest mismatch"):
            await pull(registry, tmp_path, image=image)


_MANIFEST = json.loads(IMAGE.root.raw)
AMBIGUOUS: dict[str, tuple[object, str]] = {
    "both kinds": ({**_MANIFEST, "manifests": []}, f"{OCI}.manifest.v1+json"),
    "both kinds, served as an index": ({**_MANIFEST, "manifests": []}, f"{OCI}.index.v1+json"),
    "schema 1 too": ({**_MANIFEST, "fsLayers": []}, f"{OCI}.manifest.v1+json"),
    "an index by mediaType": ({**_MANIFEST, "mediaType": f"{OCI}.index.v1+json"}, f"{OCI}.index.v1+json"),
    "mediaType is not Content-Type": (_MANIFEST, f"{OCI}.index.v1+json"),
    "mediaType is not Content-Type, by a little": (
        _MANIFEST,
        "application/vnd.docker.distribution.manifest.v2+json",
    ),
    "one name twice": (IMAGE.root.raw.replace(b'"layers":', b'"layers":[],"layers":'), f"{OCI}.manifest.v1+json"),
    "one name twice, escaped": (
        IMAGE.root.raw.replace(b'"layers":', b'"l\\u0061yers":[],"layers":'),
        f"{OCI}.manifest.v1+json",
    ),
    "not an object": ([_MANIFEST], f"{OCI}.manifest.v1+json"),
    "not JSON": (b"<html>", "text/html"),
    "very deep": (b'{"a":' * 100_000, f"{OCI}.manifest.v1+json"),
    "two documents": (IMAGE.root.raw + IMAGE.root.raw, f"{OCI}.manifest.v1+json"),
    "schemaVersion": ({**_MANIFEST, "schemaVersion": "2"}, f"{OCI}.manifest.v1+json"),
    "neither kind": ({"schemaVersion": 2}, ""),
}


@ONE_LOOP
@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_a_manifest_is_one_thing(name: str, tmp_path: Path) -> None:
    """CVE-2021-41190."""
    with Simulator(served(*AMBIGUOUS[name])) as registry:
        with pytest.raises(InvalidContent) as caught:
            await pull(registry, tmp_path)
        assert len(str(caught.value).splitlines()) == 1
        assert asked_for_blobs(registry) == []


@pytest.mark.parametrize("content_type", [f"{OCI}.manifest.v1+json; charset=utf-8", "application/json", ""])
async def test_content_types_that_say_little(content_type: str, registry: Simulator, tmp_path: Path) -> None:
    registry.on_manifest("latest", f.SetHeaders({"Content-Type": content_type or None}))
    await pull(registry, tmp_path)


@pytest.mark.parametrize("fault", [f.Padded(4 * MIB + 1), f.Endless()])
@pytest.mark.parametrize("framing", [None, f.Chunked(60_000), f.UntilClose()])
async def test_a_manifest_has_a_limit(
    fault: f.Fault, framing: f.Fault | None, registry: Simulator, tmp_path: Path
) -> None:
    registry.on_manifest("latest", *([framing] if framing else []), fault)
    with pytest.raises(TooLarge, match="limit of 4194304 bytes"):
        await pull(registry, tmp_path)


async def test_a_manifest_at_its_limit(tmp_path: Path) -> None:
    image = served(IMAGE.root.raw.ljust(4 * MIB))
    with Simulator(image) as registry:
        await pull(registry, tmp_path, image=image)


@pytest.mark.parametrize("status", [400, 401, 404])
@pytest.mark.parametrize("path", ["*/manifests/latest", f"*/blobs/{LARGE}"])
async def test_an_error_without_end(status: int, path: str, registry: Simulator, tmp_path: Path) -> None:
    registry.on(path, f.Refuse(status, body=b"no! " * 1000), f.Endless())
    with pytest.raises((RegistryError, NotFound), match="no! no!") as caught:
        await pull(registry, tmp_path)
    assert len(str(caught.value)) < 400


@ONE_LOOP
@pytest.mark.parametrize("mode", ["system", "all"])
@pytest.mark.parametrize(("depth", "good"), [(8, True), (9, False), (30, False)])
async def test_nested_indexes_come_to_an_end(depth: int, good: bool, mode: str, tmp_path: Path) -> None:
    spec: ImageSpec | IndexSpec = ImageSpec()
    for _ in range(depth):
        spec = IndexSpec((spec,))
    image = build(spec)
    with Simulator(image) as registry:

        async def copy() -> None:
            await pyskopeo.copy(
                registry.name(),
                f"oci:{tmp_path}/layout:v1",
                selection=Selection(Platform("linux", "amd64"), mode),
                source_access=access_for(tmp_path),
                destination_access=access_for(tmp_path),
            )

        if good:
            await copy()
        else:
            with pytest.raises(InvalidContent, match="nested more than 8 deep"):
                await copy()
            assert asked_for_blobs(registry) == []
    check_layout(tmp_path)


async def test_an_index_that_names_itself(tmp_path: Path) -> None:
    """No document can hold its own digest; one that is served for it again and again is found out."""
    child = "sha256:" + "0" * 64
    index = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.index.v1+json",
        "manifests": [{"mediaType": f"{OCI}.index.v1+json", "digest": child, "size": 500}],
    }
    image = served(index, f"{OCI}.index.v1+json")
    with Simulator(image) as registry:
        registry.routes[f"/v2/test/image/manifests/{child}"] = Response(
            200, (("Content-Type", f"{OCI}.index.v1+json"),), image.root.raw
        )
        for mode in ("system", "all"):
            with pytest.raises(PyskopeoError):
                await pyskopeo.copy(
                    registry.name(),
                    f"oci:{tmp_path}/layout:v1",
                    selection=Selection(Platform("linux", "amd64"), mode),
                    source_access=access_for(tmp_path),
                    destination_access=access_for(tmp_path),
                )
        assert len(registry.log) < 10


# --- secrets stay at home ---


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
        registry.on(path, Only(f.Redirect(target)))
        await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        assert registry.secrets_seen
    assert len(elsewhere.requests) == 1
    assert elsewhere.secrets_seen == []


class Only:
    """A fault for those who have shown who they are."""

    def __init__(self, fault: f.Fault) -> None:
        self.fault = fault

    def apply(self, request: Request, response: Response) -> Response:
        return self.fault.apply(request, response) if request.header("Authorization") else response


async def test_another_name_of_the_same_server_is_another_origin(tmp_path: Path) -> None:
    with Simulator(IMAGE, gate=BasicGate({"user": "pass"})) as registry:
        registry.on_blob(LARGE, Only(f.Redirect(f"http://localhost:{registry.port}/storage/{{name}}")))
        await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        (there,) = (request for request in registry.requests if request.path.startswith("/storage/"))
    assert there.header("Host") == f"localhost:{registry.port}"
    assert there.header("Authorization") is None


async def test_another_scheme_is_another_origin(registry: Simulator, authority: Authority, tmp_path: Path) -> None:
    with Simulator(IMAGE, tls=authority.server("scheme")) as secure:
        registry.gate = BasicGate({"user": "pass"})
        registry.on_blob(LARGE, Only(f.Redirect(f"{secure.url}/storage/{{name}}")))
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
        registry.on_blob(LARGE, Only(f.Redirect(f"{place.url}/storage/{{name}}")))
        with pytest.raises(AccessDenied) as caught:
            await pull(registry, tmp_path, access_for(tmp_path, credentials=PASSWORD))
    assert str(caught.value).endswith(f": the link has expired ({status}, {said.format(host=elsewhere.host)})")
    assert elsewhere.secrets_seen == []


@pytest.mark.parametrize("credentials", [PASSWORD, Credentials(identity_token="identity")])
async def test_a_stranger_that_asks_gets_nothing(
    credentials: Credentials, elsewhere: Simulator, token_server: TokenServer, tmp_path: Path
) -> None:
    """A 401 after a redirect is the end of it: no token is fetched for, or sent to, the other origin."""
    elsewhere.gate = BearerGate(token_server.realm, token_server.accepts)
    before = len(token_server.requests)
    with Simulator(IMAGE, gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
        registry.on_blob(LARGE, Only(f.Redirect(f"{elsewhere.url}/v2/test/image/blobs/{{name}}")))
        with pytest.raises(AccessDenied):
            await pull(registry, tmp_path, access_for(tmp_path, credentials=credentials))
    assert elsewhere.secrets_seen == []
    assert len(elsewhere.requests) == 1
    assert len(token_server.requests) == before + 1


async def test_a_foreign_layer_takes_no_secret_along(
    authority: Authority, token_server: TokenServer, tmp_path: Path
) -> None:
    """CVE-2020-15157: the host of a layer's URL asks who we are."""
    document = json.loads(IMAGE.root.raw)
    with (
        Simulator(IMAGE, tls=authority.server("foreign"), gate=BasicGate({"user": "pass"})) as vendor,
        Simulator(IMAGE, gate=BasicGate({"user": "pass"})) as registry,
    ):
        document["layers"][0] |= {"urls": [f"{vendor.url}/v2/test/image/blobs/{LARGE}", f"{vendor.url}/storage/x"]}
        registry.add(served(document), "test/foreign", "latest")
        registry.on_blob(LARGE, f.Refuse(404))
        running = Pull(registry, IMAGE, tmp_path / "layout", access_for(tmp_path, credentials=PASSWORD))
        with pytest.raises(RegistryError, match="neither the registry nor the manifest's URLs"):
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
                with pytest.raises(RegistryError, match="308"):
                    await pull(registry, tmp_path, access_for(tmp_path, credentials=credentials))
    assert elsewhere.requests == ()


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
        registry.on("*/tags/list", Only(f.SetHeaders({"Link": f'<{target}>; rel="next"'})), times=2)
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


# --- TLS ---


def certificates(folder: Path, authority: Authority, client: str = "") -> Trust:
    """A ``certs.d`` directory that trusts ``authority``, perhaps with a client's certificate."""
    folder.mkdir()
    shutil.copy(authority.path, folder / "ca.crt")
    if client:
        pair = authority.client(client)
        shutil.copy(pair.certificate, folder / "client.cert")
        shutil.copy(pair.key, folder / "client.key")
    return Trust(cert_dir=folder)


async def test_https_never_becomes_http(elsewhere: Simulator, authority: Authority, tmp_path: Path) -> None:
    trust = certificates(tmp_path / "certs", authority)
    with Simulator(IMAGE, tls=authority.server("downgrade")) as registry:
        for path in ("*/manifests/latest", f"*/blobs/{LARGE}"):
            registry.on(path, f.Redirect(f"{elsewhere.url}/storage/{{name}}"), times=1)
            with pytest.raises(UnsafeAddress, match="redirects to plain http"):
                await pull(registry, tmp_path, access_for(tmp_path, trust=trust))
        await pull(registry, tmp_path, access_for(tmp_path, trust=trust))
    assert elsewhere.requests == ()


@pytest.mark.parametrize("credentials", [PASSWORD, None])
async def test_a_token_is_not_fetched_over_http(
    credentials: Credentials | None, token_server: TokenServer, authority: Authority, tmp_path: Path
) -> None:
    """Not even from the registry's own host."""
    trust = certificates(tmp_path / "certs", authority)
    gate = BearerGate(token_server.realm, token_server.accepts)
    before = len(token_server.requests)
    with Simulator(IMAGE, tls=authority.server("realm"), gate=gate) as registry:
        with pytest.raises(UnsafeAddress, match="over plain http"):
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


# --- this machine and its network are nobody's business ---

PRIVATE = {
    "loopback": "127.0.0.2",
    "any": "0.0.0.0",
    "link-local": "169.254.169.254",
    "ten": "10.0.0.1",
    "172": "172.16.0.1",
    "192": "192.168.0.1",
    "shared": "100.64.0.1",
    "IPv6 loopback": "[::1]",
    "IPv6 link-local": "[fe80::1]",
    "IPv6 unique local": "[fd00:ec2::254]",
    "mapped": "[::ffff:127.0.0.2]",
    "decimal": "2130706434",
    "hexadecimal": "0x7f000002",
    "octal": "0177.0.0.2",
    "short": "127.2",
    "localhost": "localhost",
    "a name for loopback": "loopback.example.com",
    "a name for metadata": "metadata.example.com",
    "a name for IPv6": "six.example.com",
    "a name for both": "both.example.com",
}
# What is an address to some and a bad name to others is refused either way.
REFUSED = (UnsafeAddress, InvalidContent)
NAMES = {
    "localhost": ["127.0.0.2"],
    "loopback.example.com": ["127.0.0.2"],
    "metadata.example.com": ["169.254.169.254"],
    "six.example.com": ["::1"],
    "both.example.com": ["169.254.169.254", "127.0.0.1"],
}


@pytest.fixture
def on_the_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 counts as public, so that a simulator is a registry on the internet; everything else is as it is."""

    def pretend(address: str) -> bool:
        return address == "127.0.0.1" or is_public(address)

    real = socket.getaddrinfo

    def resolve(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        found = [entry for name in NAMES.get(host, [host]) for entry in real(name, port, *more, **named)]
        return list(found)

    monkeypatch.setattr("pyskopeo.registry.session.is_public", pretend)
    monkeypatch.setattr("pyskopeo.http.connect.is_public", pretend)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@ONE_LOOP
@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("what", ["manifest", "blob", "second hop"])
@pytest.mark.usefixtures("on_the_internet")
async def test_a_registry_on_the_internet_redirects_to_no_private_address(
    what: str, name: str, registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    target = f"http://{PRIVATE[name]}:{elsewhere.port}/storage/{{name}}"
    registry.on("/hop/*", f.Redirect(target))
    path = "*/manifests/latest" if what == "manifest" else f"*/blobs/{LARGE}"
    registry.on(path, f.Redirect("/hop/{name}" if what == "second hop" else target))
    with pytest.raises(REFUSED, match="private address|not a URL"):
        await pull(registry, tmp_path)
    assert elsewhere.connections_seen == 0


@ONE_LOOP
@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.usefixtures("on_the_internet")
async def test_a_registry_on_the_internet_has_no_private_realm(
    name: str, registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    registry.gate = BearerGate(f"http://{PRIVATE[name]}:{elsewhere.port}/token", lambda token, scope: False)
    with pytest.raises(REFUSED, match="private address|not a URL"):
        await pull(registry, tmp_path)
    assert elsewhere.connections_seen == 0


@ONE_LOOP
@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.usefixtures("on_the_internet")
async def test_a_layer_has_no_private_url(name: str, elsewhere: Simulator, tmp_path: Path) -> None:
    document = json.loads(IMAGE.root.raw)
    document["layers"][0]["urls"] = [f"https://{PRIVATE[name]}:{elsewhere.port}/storage/{LARGE}"]
    with Simulator(served(document)) as registry:
        registry.on_blob(LARGE, f.Refuse(404))
        with pytest.raises(REFUSED, match="private address|not a URL"):
            await pull(registry, tmp_path)
    assert elsewhere.connections_seen == 0


@ONE_LOOP
@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.usefixtures("on_the_internet")
async def test_the_next_page_is_at_no_private_address(
    name: str, registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    registry.on(
        "*/tags/list", f.SetHeaders({"Link": f'<http://{PRIVATE[name]}:{elsewhere.port}/tags>; rel="next"'})
    )
    async with pyskopeo.open_source(registry.name(), access_for(tmp_path)) as source:
        assert isinstance(source, DockerSource)
        with pytest.raises(UnsafeAddress):
            await source.tags()
    assert elsewhere.connections_seen == 0


@pytest.mark.usefixtures("on_the_internet")
async def test_a_registry_on_the_internet_redirects_on_the_internet(
    registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    registry.on_blob(LARGE, f.Redirect(f"{elsewhere.url}/storage/{{name}}"))
    await pull(registry, tmp_path)
    assert elsewhere.log == [f"GET /storage/{LARGE}"]


async def test_a_local_registry_redirects_locally(
    registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    registry.on_blob(LARGE, f.Redirect(f"http://localhost:{elsewhere.port}/storage/{{name}}"))
    await pull(registry, tmp_path)
    assert elsewhere.log == [f"GET /storage/{LARGE}"]


def wire(**options: Any) -> HTTPTransport:
    def no_context(origin: Origin) -> Any:
        raise AssertionError(origin)

    return HTTPTransport(Connector(no_context, lambda origin: None, **options))


async def test_a_name_is_looked_up_once(elsewhere: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the address that was checked is the one that is used."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    real, asked = socket.getaddrinfo, []

    def resolve(host: str, port: int, *more: Any) -> list[Any]:
        asked.append(host)
        return [entry for address in answers.pop(0) for entry in real(address, port, *more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr("pyskopeo.http.connect.is_public", lambda address: address == "127.0.0.1")
    url = f"http://rebinding.example.com:{elsewhere.port}/storage/{LARGE}"
    async with wire() as transport:
        response = await transport.handle_async_request(
            httpx.Request("GET", url, extensions={"public_only": True})
        )
        assert response.status_code == 200
        assert response.extensions["peer"] == "127.0.0.1"
        await response.aclose()
        assert asked == ["rebinding.example.com"]
        with pytest.raises(UnsafeAddress, match="rebinding.example.com is at 127.0.0.2"):
            await transport.handle_async_request(httpx.Request("GET", url, extensions={"public_only": True}))


async def test_a_connection_is_not_shared_with_those_who_may_go_anywhere(elsewhere: Simulator) -> None:
    """A private address that the registry itself is reached by is no way in for what it sends us to."""
    url = f"{elsewhere.url}/storage/{SMALL}"
    async with wire() as transport:
        response = await transport.handle_async_request(httpx.Request("GET", url))
        await response.aread()
        await response.aclose()
        with pytest.raises(UnsafeAddress):
            await transport.handle_async_request(httpx.Request("GET", url, extensions={"public_only": True}))
    assert len(elsewhere.requests) == 1


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1", "127.0.0.1.", "[::1]", "[::ffff:10.0.0.1]"]
    + ["2130706433", "0x7f.1", "0177.1", "127.1", "0", "169.254.169.254", "10.0.0.1"],
)
def test_through_a_proxy_addresses_are_read(host: str) -> None:
    """There the proxy resolves names, but what is plainly an address is seen."""
    with pytest.raises(UnsafeAddress, match="private address"):
        check_literal_address(Origin.of(f"https://{host}/"))


@pytest.mark.parametrize("host", ["example.com", "1.1.1.1", "[2606:4700::1111]", "16843009", "localhost.example.com"])
def test_through_a_proxy_others_pass(host: str) -> None:
    check_literal_address(Origin.of(f"https://{host}/"))


# --- what is said ---

SECRETS = ("hunter2", "SIGNATURE")


class Speech:
    """Everything that anybody could read of a pull: errors, their chains, logs, events, representations."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.parts: list[str] = []
        self.caplog = caplog
        caplog.set_level(logging.DEBUG)

    def error(self, error: BaseException) -> None:
        chain: BaseException | None = error
        while chain is not None:
            self.parts += [str(chain), repr(chain), repr(getattr(chain, "__dict__", {}))]
            chain = chain.__cause__ or chain.__context__
        self.parts += traceback.format_exception(error)

    def event(self, event: Event) -> None:
        self.parts += [repr(event), json.dumps(to_json(event))]

    def check(self, *secrets: str) -> None:
        text = "\n".join((*self.parts, self.caplog.text))
        assert text
        for secret in (*SECRETS, *secrets):
            assert secret not in text, text[max(0, text.index(secret) - 300) : text.index(secret) + 100]


class Echo:
    """Refuses, and repeats what it was sent."""

    def __init__(self, status: int) -> None:
        self.status = status

    def apply(self, request: Request, response: Response) -> Response:
        said = f"you sent {request.header('Authorization')}"
        body = json.dumps({"errors": [{"code": "DENIED", "message": said}]}).encode()
        return f.Refuse(self.status, body=body).apply(request, response)


class Repeat:
    """Warns with what it was sent."""

    def apply(self, request: Request, response: Response) -> Response:
        return response.with_header("Warning", f'299 - "you sent {request.header("Authorization")}"')


SIGNED = "{url}/storage/{name}?X-Signature=SIGNATURE"


def signed(*faults: f.Fault) -> Callable[[Simulator, Simulator], None]:
    """Blobs are elsewhere, by a URL that is a secret itself, and there these faults happen."""

    def set_up(registry: Simulator, elsewhere: Simulator) -> None:
        registry.on_blob(LARGE, f.Redirect(SIGNED.replace("{url}", elsewhere.url)))
        elsewhere.on("/storage/*", *faults)

    return set_up


def blob(*faults: f.Fault) -> Callable[[Simulator, Simulator], None]:
    return lambda registry, elsewhere: registry.on_blob(LARGE, *faults)


def manifest(*faults: f.Fault) -> Callable[[Simulator, Simulator], None]:
    return lambda registry, elsewhere: registry.on_manifest("latest", *faults)


def moved(location: str) -> Callable[[Simulator, Simulator], None]:
    return blob(f.Redirect(location))


SCENES: dict[str, tuple[Callable[[Simulator, Simulator], None], type[PyskopeoError] | None]] = {
    "nothing": (blob(), None),
    "warning": (blob(Only(Repeat())), None),
    "dropped": (blob(f.Drop()), ConnectionFailed),
    "cut": (blob(f.Cut(10)), ConnectionFailed),
    "stalled": (blob(f.Stall(10)), Stalled),
    "refused": (blob(Only(Echo(403))), AccessDenied),
    "refused for now": (blob(Only(Echo(503))), RegistryError),
    "no manifest": (manifest(Only(Echo(404))), RegistryError),
    "never enough": (manifest(f.Challenge(('Basic realm="x"',))), AccessDenied),
    "other bytes": (blob(f.Flip(3)), ContentMismatch),
    "size": (blob(f.Short()), ContentMismatch),
    "encoded": (blob(f.Gzipped()), InvalidContent),
    "ambiguous": (manifest(f.SetHeaders({"Content-Type": f"{OCI}.index.v1+json"})), InvalidContent),
    "too large": (manifest(f.Endless()), TooLarge),
    "nonsense": (moved("http://user:hunter2@a b/?X-Signature=SIGNATURE"), UnsafeAddress),
    "userinfo": (moved("http://user:hunter2@localhost/?s=SIGNATURE"), UnsafeAddress),
    "not http": (moved("ftp://localhost/?s=SIGNATURE"), UnsafeAddress),
    "not a URL": (moved("http://999.1.1.1/?s=SIGNATURE"), InvalidContent),
    "no host": (moved("http://[::1?s=SIGNATURE"), UnsafeAddress),
    "circle": (moved("?s=SIGNATURE"), InvalidContent),
    "signed": (signed(), None),
    "signed, refused": (signed(f.Refuse(403, body=b"denied")), AccessDenied),
    "signed, missing": (signed(f.Refuse(404, body=b"")), RegistryError),
    "signed, dropped": (signed(f.Drop()), ConnectionFailed),
    "signed, cut": (signed(f.Cut(50)), ConnectionFailed),
    "signed, stalled": (signed(f.Stall(50)), Stalled),
    "signed, in trouble": (signed(f.Refuse(500)), RegistryError),
    "signed, and on": (signed(f.Redirect("gopher://x/?X-Signature=SIGNATURE")), UnsafeAddress),
    "signed, other bytes": (signed(f.Flip(50)), ContentMismatch),
}


@ONE_LOOP
@pytest.mark.parametrize("gate", ["basic", "bearer", "identity", "given"])
@pytest.mark.parametrize("scene", SCENES)
async def test_no_secret_is_ever_said(
    scene: str, gate: str, elsewhere: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """GHSA-5jhf-2qmf-m8c5."""
    set_up, expected = SCENES[scene]
    speech = Speech(caplog)
    rules = TokenRules(users={"user": "hunter2-password"}, refresh_tokens={"hunter2-identity": "user"})
    with TokenServer(tmp_path / "tokens", rules) as tokens, Simulator(IMAGE) as registry:
        given = tokens.token_for("repository:test/image:pull") if gate == "given" else ""
        registry.gate = (
            BasicGate({"user": "hunter2-password"}) if gate == "basic" else BearerGate(tokens.realm, tokens.accepts)
        )
        set_up(registry, elsewhere)
        who = Credentials(identity_token="hunter2-identity") if gate == "identity" else None
        access = replace(
            access_for(
                tmp_path,
                credentials=None if given else who or Credentials("user", "hunter2-password"),
                registry_token=given,
                stall_timeout=0.2,
                retry=Retry(times=1, delay=0.01),
            ),
            report=speech.event,
        )
        running = Pull(registry, IMAGE, tmp_path / "layout", access)
        if expected is None:
            await running.run()
        else:
            with pytest.raises(expected) as caught:
                await running.run()
            speech.error(caught.value)
        for event in running.events:
            speech.event(event)
        speech.parts += [repr(access), str(access), repr(access.keychain)]
        sent = {value.partition(" ")[2] for value in registry.secrets_seen}
        assert sent or gate == "identity"  # which is of no use to a registry that wants a password
        speech.check(*sent)


@ONE_LOOP
@pytest.mark.parametrize(
    "fault", [f.Refuse(401), f.Body(b"{}"), f.Drop(), f.Padded(200_000), f.Redirect("/?s=SIGNATURE"), Echo(400)]
)
async def test_no_secret_is_said_of_token_servers(
    fault: f.Fault, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    speech = Speech(caplog)
    with TokenServer(tmp_path / "tokens", TokenRules(users={"user": "hunter2-password"})) as tokens:
        tokens.faults += [fault] * 20
        with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            access = access_for(
                tmp_path, credentials=Credentials("user", "hunter2-password"), retry=Retry(times=1, delay=0.01)
            )
            running = Pull(registry, IMAGE, tmp_path / "layout", access)
            with pytest.raises(NetworkError if not isinstance(fault, (f.Body, f.Padded)) else InvalidContent) as caught:
                await running.run()
            speech.error(caught.value)
            for event in running.events:
                speech.event(event)
        speech.check(*(value.partition(" ")[2] for value in tokens.secrets_seen))
