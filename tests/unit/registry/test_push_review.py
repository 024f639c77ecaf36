"""Pushes where several things come together: conversions and cancellation, lists that are there in part, other clients."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import anyio
import httpx
import pytest

import pyskopeo
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied, ConnectionFailed, InvalidContent, PyskopeoError, RegistryError
from pyskopeo.http.request_body import RequestBody
from pyskopeo.model.events import BlobProgress, Converted, CopyFinished
from pyskopeo.registry.challenge import widen_scope
from pyskopeo.streams.cancellation import Cancellation, Cancelled, on_cancel
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.httpd import HttpServer
from tests.support.images import (
    ArtifactSpec,
    BuiltImage,
    BuiltManifest,
    ImageSpec,
    IndexSpec,
    LayerSpec,
    PlatformSpec,
    build,
    digest_of,
)
from tests.support.publishing import EVERYTHING, Push
from tests.support.rootfs import compress
from tests.support.simulator import BearerGate, Pushing, Simulator
from tests.support.token_server import TokenServer

if TYPE_CHECKING:
    from http.client import HTTPConnection

pytestmark = pytest.mark.anyio

LARGE = build(ImageSpec(layers=(LayerSpec("large", size=3_000_000, compression="none"),)))
ONE_LOOP = pytest.mark.parametrize("anyio_backend", ["asyncio"])
ZSTD = pyskopeo.Form(compression="zstd", compress=True)
BODIES = ("PUT", "PATCH")


@pytest.fixture
def pushing() -> Pushing:
    return Pushing()


@pytest.fixture
def registry(pushing: Pushing) -> Iterator[Simulator]:
    with Simulator(pushing=pushing) as running:
        yield running


class Converting(Push):
    """Copies that change the layers."""

    form = ZSTD

    async def convert(self, form: pyskopeo.Form | None = None) -> dict[str, Any]:
        """Copy it in another form; answers with the manifest that is tagged then."""
        await pyskopeo.copy(
            self.source,
            self.registry.name(),
            selection=EVERYTHING,
            form=form or self.form,
            report=self.events.append,
            source_access=self.access,
            destination_access=self.access,
        )
        self.check()
        manifest = self.registry.manifest()
        assert manifest is not None
        return manifest.json


# --- cancelled while layers are compressed ---


@pytest.mark.parametrize("where", ["POST", "PATCH"])
async def test_cancelled_while_it_compresses_for_a_silent_registry(
    where: str, registry: Simulator, tmp_path: Path
) -> None:
    """It ends at once, not when the registry has been silent for too long."""
    push = Converting(registry, LARGE, tmp_path, access_for(tmp_path, stall_timeout=30.0))
    if where == "POST":
        registry.on_upload("POST", f.Delay(20))
        push.closes = False
    else:
        registry.on_upload("PATCH", u.StallUpload(100_000))
    started = anyio.current_time()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                while not any(r.method == where for r in registry.requests):
                    await anyio.sleep(0.02)
                await anyio.sleep(0.5)
                scope.cancel()

            tasks.start_soon(cancel)
            await push.convert()
    assert scope.cancelled_caught
    assert anyio.current_time() - started < 5
    push.check()
    with anyio.fail_after(5):
        while [thread for thread in threading.enumerate() if thread.name.startswith("pyskopeo")]:
            await anyio.sleep(0.02)


async def test_what_is_compressed_twice_counts_once(registry: Simulator, tmp_path: Path) -> None:
    """After a cut it starts anew; it is not further than it is large."""
    push = Converting(registry, LARGE, tmp_path)
    registry.on_upload("PATCH", u.CutUpload(2_000_000), times=2)
    await push.convert()
    assert len(push.retries) == 2
    size = len(LARGE.blobs[LARGE.layer_digests()[0]])
    (finished,) = [e for e in push.events if isinstance(e, CopyFinished)]
    assert max((e.done for e in push.events if isinstance(e, BlobProgress)), default=0) <= size
    assert finished.moved <= size + 10_000


# --- lists that are there in part ---


@pytest.mark.parametrize("pushing", [Pushing(checks_blobs=False)])
@pytest.mark.parametrize("kinds", ["oci-index", "nested-index", "docker-list"])
async def test_a_list_that_is_there_without_its_images(kinds: str, registry: Simulator, tmp_path: Path) -> None:
    """As a copy of one platform leaves it, or of the list alone, where registries allow that."""
    image = build(kinds)
    push = Push(registry, image, tmp_path)
    registry.store.add_manifest("test/image", "latest", image.root)
    registry.store.add_manifest("test/image", image.digest, image.root)
    await push.run()
    push.check_there()


# --- layers that several manifests share ---


def layer_of(image: BuiltImage, manifest: str | None = None) -> str:
    return image.layer_digests(manifest)[0]


SHARED = LayerSpec("shared", size=50_000, compressible=True)
AS_IMAGE, IN_DOCKER = ImageSpec("oci", (SHARED,)), ImageSpec("docker", (SHARED,), PlatformSpec("arm64"))
GZIPPED_TAR = "application/vnd.oci.image.layer.v1.tar+gzip"


def tar_in_an_artifact() -> ArtifactSpec:
    """What an image has as a layer."""
    image = build(AS_IMAGE)
    return ArtifactSpec(layer_type=GZIPPED_TAR, content=image.blobs[layer_of(image)])


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("form", [ZSTD, pyskopeo.Form(decompress=True)], ids=["zstd", "plain"])
async def test_a_layer_that_an_artifact_has_too(
    form: pyskopeo.Form, order: int, registry: Simulator, tmp_path: Path
) -> None:
    """The artifact stays what it is, and the image gets its layer in another form."""
    image = build(IndexSpec((AS_IMAGE, tar_in_an_artifact())[::order]))
    push = Converting(registry, image, tmp_path)
    root = await push.convert(form)
    artifact, changed = ((1, 0) if order == 1 else (0, 1))
    assert root["manifests"][artifact]["digest"] == image.child(artifact).digest
    there: Any = registry.store.manifests("test/image")[root["manifests"][changed]["digest"]].json
    (layer,) = there["layers"]
    assert layer["digest"] != layer_of(image, image.child(changed).digest)
    assert layer["mediaType"] == GZIPPED_TAR.replace("+gzip", "+zstd" if form is ZSTD else "")


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("form", [pyskopeo.Form(decompress=True), pyskopeo.Form("v2s2", decompress=True), ZSTD])
async def test_a_layer_of_an_oci_image_and_of_a_docker_image(
    form: pyskopeo.Form, order: int, registry: Simulator, tmp_path: Path
) -> None:
    """Made anew once; each manifest calls it by its own types."""
    image = build(IndexSpec((AS_IMAGE, IN_DOCKER)[::order]))
    push = Converting(registry, image, tmp_path)
    root = await push.convert(form)
    layers = set()
    for entry in root["manifests"]:
        manifest = registry.store.manifests("test/image")[entry["digest"]]
        family = manifest.media_type.partition("distribution")[0].partition("image")[0]
        parsed: Any = manifest.json
        (layer,) = parsed["layers"]
        assert layer["mediaType"].startswith(family), (manifest.media_type, layer)
        layers.add(layer["digest"])
    assert len(layers) == 1


# --- what a token is asked for ---

OURS = "repository:a/b:pull,push"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", OURS),
        ("repository:a/b:pull", OURS),
        ("repository:a/b:delete", f"{OURS},delete"),
        ("repository:a/b:*", f"{OURS},*"),
        ("repository:other:pull,push,delete", OURS),
        ("repository:a:pull", OURS),
        ("repository:a/b/c:pull", OURS),
        ("repository:a/b:delete repository:other:pull registry:catalog:*", f"{OURS},delete"),
        ("registry:a/b:*", OURS),
        ("aws", OURS),
        ("repository:a/b:", OURS),
        ("repository:a/b:DELETE,a&scope=x,\u00e9,,pull" + "x" * 100, OURS),
        (":::::", OURS),
    ],
)
def test_a_scope_grows_where_we_are_and_nowhere_else(asked: str, expected: str) -> None:
    assert widen_scope(OURS, asked) == expected
    mounting = f"{OURS} repository:from:pull"
    assert widen_scope(mounting, asked) == f"{expected} repository:from:pull"
    assert widen_scope(mounting, f"{asked} repository:from:push,delete") == f"{expected} repository:from:pull"


async def test_no_token_for_what_a_registry_has_no_business_with(token_server: TokenServer, tmp_path: Path) -> None:
    """It asks for the rights of the user in other repositories, for which it would get the token."""
    greedy = "repository:other/victim:pull,push,delete registry:catalog:*"

    class Greedy(BearerGate):
        def challenges(self, request: Request, scope: str) -> tuple[str, ...]:
            return tuple(
                value.replace(f'scope="{scope}"', f'scope="{scope} {greedy}"')
                for value in super().challenges(request, scope)
            )

    before = len(token_server.requests)
    with Simulator(gate=Greedy(token_server.realm, token_server.accepts)) as registry:
        registry.add(LARGE, "from/here", "v1")
        access = access_for(tmp_path, credentials=Credentials("user", "pass"))
        push = Push(registry, LARGE, tmp_path, access)
        await push.run(source=registry.name("from/here", "v1"))
        push.check_there()
    asked = {scope for request in token_server.requests[before:] for scope in request.query["scope"]}
    assert asked == {"repository:test/image:pull,push", "repository:from/here:pull"}


# --- secrets ---

ODD_PASSWORD = 'pa"ss/wo+rd\u00e9=='


class Echo(HttpServer):
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


@pytest.mark.parametrize("write", ["ascii", "utf-8", "slashes", "form"])
async def test_a_secret_is_hidden_however_it_is_written(write: str, tmp_path: Path) -> None:
    with Simulator() as unused, Echo(write) as echo:
        secret = Credentials("user", ODD_PASSWORD) if write != "form" else Credentials(identity_token=ODD_PASSWORD)
        push = Push(unused, LARGE, tmp_path, access_for(tmp_path, credentials=secret))
        with pytest.raises(AccessDenied, match=r"\*\*\*") as caught:
            await push.run(f"docker://{echo.host}/a/b:c")
    said = str(caught.value)
    assert "no: " in said
    for part in ("pa", "wo", "rd"):
        assert part not in said.partition("no: ")[2].partition("refresh_token=")[2 if write == "form" else 0], said


# --- a client that somebody brought ---


class Impatient(httpx.AsyncBaseTransport):
    """A registry that answers in the middle of a body and keeps the rest of the request waiting."""

    def __init__(self) -> None:
        self.kept: list[AsyncIterator[bytes]] = []
        self.pieces = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, headers={"Location": "/v2/a/b/blobs/uploads/1"})
        if request.method != "PATCH":
            return httpx.Response(201 if request.method == "PUT" else 404)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        body = aiter(request.stream)
        self.kept.append(body)
        await anext(body)
        self.pieces += 1
        await anyio.sleep(0.1)  # in which the next piece is there, and nobody takes it
        return httpx.Response(403, stream=httpx.ByteStream(b'{"errors":[{"code":"DENIED","message":"seen enough"}]}'))


async def test_an_answer_while_the_body_waits_to_be_taken(tmp_path: Path) -> None:
    transport = Impatient()
    with Simulator() as unused, anyio.fail_after(5):
        async with httpx.AsyncClient(transport=transport) as client:
            push = Push(unused, LARGE, tmp_path, access_for(tmp_path, client=client))
            with pytest.raises(AccessDenied, match="seen enough"):
                await push.run("docker://registry.example.com/a/b:c")
        for body in transport.kept:
            await body.aclose()  # type: ignore[attr-defined]
    assert transport.pieces == 1


# --- registries that lie about uploads ---


@pytest.mark.parametrize("claimed", [1_500_000, 2_999_999, None], ids=["more", "nearly-all", "all"])
async def test_a_status_that_claims_more_than_was_sent(
    claimed: int | None, registry: Simulator, tmp_path: Path
) -> None:
    """It cannot have it, so what it has cannot be known: the upload starts anew."""
    push = Push(registry, LARGE, tmp_path)
    size = len(LARGE.blobs[layer_of(LARGE)])
    registry.on_upload("PATCH", u.CutUpload(500_000), times=1)
    registry.on_upload("GET", f.SetHeaders({"Range": f"0-{(claimed or size) - 1}"}))
    await push.run()
    push.check_there()


@pytest.mark.parametrize("claimed", [10, 100_000])
async def test_an_answer_that_goes_backwards(claimed: int, registry: Simulator, tmp_path: Path) -> None:
    """Once: what was lost is sent again. The status says what is so."""
    push = Push(registry, LARGE, tmp_path)
    registry.on_upload("PATCH", f.SetHeaders({"Range": f"0-{claimed}"}), times=1)
    await push.run()
    push.check_there()


LEAST = ["-1", "0", "1e9", "999999999999999999999999", str(10**12), str(10**11), " 5", "0x10", "", "\u0663", "5, 7"]


@ONE_LOOP
@pytest.mark.parametrize("least", LEAST)
async def test_the_least_size_of_a_piece_is_absurd(least: str, registry: Simulator, tmp_path: Path) -> None:
    """With pieces, which is where it counts: bodies over a megabyte are refused."""
    push = Push(registry, LARGE, tmp_path)
    registry.on_upload("POST", f.SetHeaders({"OCI-Chunk-Min-Length": least.encode().decode("latin-1")}))
    registry.on_upload("PATCH", u.Early(413, over=1_100_000))
    if least != str(10**11):
        await push.run()
        push.check_there()
        return
    with pytest.raises(RegistryError, match="413"):  # it wants all at once, and takes no such thing
        await push.run()
    assert push.asked["PATCH upload"] < 5


@ONE_LOOP
@pytest.mark.parametrize(
    "location",
    [
        "/v2/test/image/blobs/uploads/" + "x" * 60_000,
        "/v2/test/image/blobs/uploads/" + "x" * 70_000,
        "/v2/\u00e9\u00ff/blobs",
        "//\u00e9xample.invalid/x",
        "//xn--/x",
        "//[::1/x",
        "//a..b/x",
        "//" + "a" * 300 + "/x",
        "/\x9b31mred",
        "//\x9b31mred/x",
        "//127.0.0.1:0/x",
        "//%31%32%37.0.0.1/x",
        "/x#y",
        "?",
        "..",
        "\\\\host\\x",
    ],
    ids=range(16),
)
async def test_locations_nobody_should_give(location: str, registry: Simulator, tmp_path: Path) -> None:
    """One clear line, in bounded time, and fit for a terminal."""
    push = Push(registry, LARGE, tmp_path)
    push.closes = False
    registry.on_upload("POST", f.SetHeaders({"Location": location}))
    with anyio.fail_after(10), pytest.raises(PyskopeoError) as caught:
        await push.run()
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable(), str(caught.value)
    assert push.names() == {}


@ONE_LOOP
async def test_an_upload_opened_after_a_redirect(registry: Simulator, tmp_path: Path) -> None:
    """What its Location is relative to is where it was opened, not where that was asked for."""
    with Simulator() as other:
        other.store, other.uploads = registry.store, registry.uploads
        registry.on_upload("POST", f.Redirect(f"{other.url}/v2/test/image/blobs/uploads/"))
        push = Push(registry, LARGE, tmp_path)
        await push.run()
        push.check_there()
        assert {r.method for r in other.requests} >= {"POST", "PATCH", "PUT"}


@ONE_LOOP
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_bodies_are_sent_round_and_round(method: str, registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, LARGE, tmp_path)
    registry.on_upload(method, f.Redirect("/v2/test/image/blobs/uploads/round?{name}"))
    with pytest.raises(PyskopeoError) as caught:
        await push.run()
    assert len(str(caught.value)) < 600
    assert push.asked[f"{method} upload"] < 25


@ONE_LOOP
@pytest.mark.parametrize("where", ["POST", "PATCH", "PUT", "manifest", "HEAD"])
async def test_an_error_that_never_ends(where: str, registry: Simulator, tmp_path: Path) -> None:
    push = Push(registry, LARGE, tmp_path)
    faults = (f.Refuse(400, body=b"no " * 100_000), f.Endless())
    if where == "manifest":
        registry.on("/v2/*/manifests/*", *faults, methods=("PUT",))
    else:
        registry.on("/v2/*/blobs/*", *faults, methods=(where,))
        push.closes = where != "HEAD"
    with anyio.fail_after(10):
        if where == "HEAD":
            await push.run()  # a HEAD has no body
        else:
            with pytest.raises(RegistryError, match="no no") as caught:
                await push.run()
            assert len(str(caught.value)) < 600


# --- layers of every kind in another form ---


def kinds_of_layers() -> dict[str, BuiltImage]:
    large = LayerSpec("large", size=1_500_000, compressible=True)
    return {
        "sha512": build(ImageSpec(layers=(large, LayerSpec("small")), algorithm="sha512")),
        "repeated": build("oci-repeated"),
        "none": build(ImageSpec(layers=())),
        "zstd": build("oci-zstd"),
        "plain": build("oci-uncompressed"),
    }


@pytest.mark.parametrize("kinds", ["sha512", "repeated", "none", "zstd", "plain"])
@pytest.mark.parametrize("form", [ZSTD, pyskopeo.Form(compression="gzip", compress=True), pyskopeo.Form(decompress=True)],
                         ids=["zstd", "gzip", "plain"])  # fmt: skip
async def test_the_tars_stay_what_they_are(
    form: pyskopeo.Form, kinds: str, registry: Simulator, tmp_path: Path
) -> None:
    image = kinds_of_layers()[kinds]
    push = Converting(registry, image, tmp_path)
    manifest = await push.convert(form)
    blobs = registry.blobs()
    wanted = [image.tars[digest] for digest in image.layer_digests()]
    assert [expanded(blobs[layer["digest"]]) for layer in manifest["layers"]] == wanted
    suffix = f"+{form.compression}" if form.compression else ""
    assert {layer["mediaType"] for layer in manifest["layers"]} <= {f"application/vnd.oci.image.layer.v1.tar{suffix}"}
    assert all(layer["size"] == len(blobs[layer["digest"]]) for layer in manifest["layers"])


def expanded(data: bytes) -> bytes:
    """Read by the libraries, not by us."""
    import gzip
    import sys

    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] != b"\x28\xb5\x2f\xfd":
        return data
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return bytes(zstd.decompress(data))


def custom(layer: bytes, media_type: str) -> BuiltImage:
    """An image with one layer of these very bytes, which need not be any good."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                         "rootfs": {"type": "layers", "diff_ids": [digest_of(b"")]}}).encode()  # fmt: skip
    described, entry = (
        {"mediaType": kind, "digest": digest_of(data), "size": len(data)}
        for kind, data in (("application/vnd.oci.image.config.v1+json", config), (media_type, layer))
    )
    oci = "application/vnd.oci.image.manifest.v1+json"
    raw = json.dumps({"schemaVersion": 2, "mediaType": oci, "config": described, "layers": [entry]}).encode()
    root = BuiltManifest(digest_of(raw), oci, raw)
    return BuiltImage(root, {root.digest: root}, {digest_of(config): config, digest_of(layer): layer}, {})


@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize("form", [ZSTD, pyskopeo.Form(decompress=True), pyskopeo.Form(preserve_digests=True)],
                         ids=["zstd", "plain", "same"])  # fmt: skip
async def test_a_layer_of_nothing(
    form: pyskopeo.Form, precompute: bool, registry: Simulator, tmp_path: Path
) -> None:
    """Compressed nothing is something, decompressed it is a blob of no bytes."""
    layer = compress(b"", "gzip")
    access = replace(access_for(tmp_path), writing=pyskopeo.Writing(precompute_digests=precompute))
    push = Converting(registry, custom(layer, GZIPPED_TAR), tmp_path, access)
    manifest = await push.convert(form)
    (entry,) = manifest["layers"]
    there = registry.blobs()[entry["digest"]]
    assert expanded(there) == b""
    assert len(there) == entry["size"]
    assert (there == b"") == form.decompress


@pytest.mark.parametrize("data", [b"", b"\0"], ids=["nothing", "one-byte"])
async def test_a_plain_layer_of_next_to_nothing(data: bytes, registry: Simulator, tmp_path: Path) -> None:
    image = custom(data, "application/vnd.oci.image.layer.v1.tar")
    push = Push(registry, image, tmp_path)
    await push.run()
    push.check_there()


@pytest.mark.parametrize("form", [ZSTD, pyskopeo.Form(decompress=True)], ids=["zstd", "plain"])
async def test_a_layer_that_ends_too_soon(form: pyskopeo.Form, registry: Simulator, tmp_path: Path) -> None:
    """Its digest is right, its content is not: nothing is named, nothing is left, and that is what is said."""
    whole = compress(bytes(3_000_000), "gzip") + compress(LARGE.tars[layer_of(LARGE)], "gzip")
    push = Converting(registry, custom(whole[:-9], GZIPPED_TAR), tmp_path)
    with pytest.raises(InvalidContent, match="cut short"):
        await push.convert(form)
    push.check()
    assert push.names() == {}
    assert push.retries == []


# --- registries that do not take every kind of manifest ---

OCI_MANIFEST, OCI_INDEX = (f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))
DOCKER_MANIFEST, DOCKER_LIST = (f"application/vnd.docker.distribution.manifest.{kind}v2+json" for kind in ("", "list."))
AS_IT_IS = pyskopeo.Form()


def refusing(*kinds: str, status: int = 400, code: str = "MANIFEST_INVALID") -> Pushing:
    return Pushing(refused_types=frozenset(kinds), refused_as=(status, code))


@pytest.mark.parametrize(("status", "code"), [(400, "MANIFEST_INVALID"), (400, "TAG_INVALID"), (400, "UNSUPPORTED"),
                                          (415, "UNSUPPORTED")])  # fmt: skip
async def test_an_image_in_another_format(status: int, code: str, tmp_path: Path) -> None:
    image = build("oci")
    with Simulator(pushing=refusing(OCI_MANIFEST, status=status, code=code)) as registry:
        push = Converting(registry, image, tmp_path)
        manifest = await push.convert(AS_IT_IS)
    assert manifest["mediaType"] == DOCKER_MANIFEST
    assert [layer["digest"] for layer in manifest["layers"]] == list(image.layer_digests())
    assert push.asked["PUT manifest"] == 2
    assert push.asked["POST upload"] == len(image.blobs)  # nothing is sent twice
    (told,) = [event for event in push.events if isinstance(event, Converted)]
    stored = registry.manifest()
    assert stored is not None
    assert (str(told.source), str(told.digest)) == (image.digest, stored.digest)


async def test_an_image_whose_layers_were_changed_in_another_format(tmp_path: Path) -> None:
    """What was made of them once is used again."""
    image = build("oci-zstd")
    with Simulator(pushing=refusing(OCI_MANIFEST)) as registry:
        push = Converting(registry, image, tmp_path)
        manifest = await push.convert(pyskopeo.Form(compression="gzip"))
        assert manifest["mediaType"] == DOCKER_MANIFEST
        assert [expanded(registry.blobs()[layer["digest"]]) for layer in manifest["layers"]] == [
            image.tars[digest] for digest in image.layer_digests()
        ]
    assert push.asked["POST upload"] == len(manifest["layers"]) + 1
    assert len([event for event in push.events if isinstance(event, Converted)]) == 1


@pytest.mark.parametrize("kinds", ["oci-index", "nested-index"])
@pytest.mark.parametrize(
    "refused", [(OCI_INDEX,), (OCI_MANIFEST,), (OCI_MANIFEST, OCI_INDEX)], ids=["list", "image", "both"]
)
async def test_a_list_in_another_format(refused: tuple[str, ...], kinds: str, tmp_path: Path) -> None:
    image = build(kinds)
    with Simulator(pushing=refusing(*refused)) as registry:
        push = Converting(registry, image, tmp_path)
        root = await push.convert(AS_IT_IS)
        kinds_there = {manifest.media_type for manifest in registry.store.manifests("test/image").values()}
    assert root["mediaType"] == (DOCKER_LIST if OCI_INDEX in refused else OCI_INDEX)
    assert not kinds_there & set(refused)
    assert len(root["manifests"]) == len(image.root.json["manifests"])  # type: ignore[arg-type]


async def test_no_format_is_taken(tmp_path: Path) -> None:
    image = build("oci")
    with Simulator(pushing=refusing(OCI_MANIFEST, DOCKER_MANIFEST)) as registry:
        push = Converting(registry, image, tmp_path)
        with pytest.raises(RegistryError, match="attempted the following formats") as caught:
            await push.convert(AS_IT_IS)
        push.check()
        assert push.names() == {}
    assert OCI_MANIFEST in str(caught.value)
    assert DOCKER_MANIFEST in str(caught.value)
    assert caught.value.status == 400


@pytest.mark.parametrize("form", [pyskopeo.Form("oci"), pyskopeo.Form(preserve_digests=True), ZSTD])
@pytest.mark.parametrize("kinds", ["oci", "oci-index"])
async def test_no_other_format_may_be_tried(form: pyskopeo.Form, kinds: str, tmp_path: Path) -> None:
    """The registry's own refusal is what is said."""
    with Simulator(pushing=refusing(OCI_MANIFEST)) as registry:
        push = Converting(registry, build(kinds), tmp_path)
        with pytest.raises(RegistryError, match="is not accepted here") as caught:
            await push.convert(form)
        assert push.names() == {}
        push.check()
    assert "attempted" not in str(caught.value)


async def test_an_artifact_has_no_other_format(tmp_path: Path) -> None:
    """Nor has the image beside it: the list would have to do without the artifact."""
    image = build("index-with-artifact")
    with Simulator(pushing=refusing(OCI_MANIFEST)) as registry:
        push = Converting(registry, image, tmp_path)
        with pytest.raises(RegistryError, match="is not accepted here"):
            await push.convert(AS_IT_IS)
        assert push.names() == {}
        assert push.asked["PUT manifest"] <= 2
        push.check()


async def test_a_blob_that_vanished_is_no_matter_of_formats(registry: Simulator, tmp_path: Path) -> None:
    """HEAD found it, and then it was gone: the manifest is refused as it is, and nothing is named."""
    digest = layer_of(LARGE)
    registry.on(f"/v2/*/blobs/{digest}", f.Refuse(200, body=LARGE.blobs[digest]), methods=("HEAD",))
    push = Converting(registry, LARGE, tmp_path)
    with pytest.raises(RegistryError, match="blob unknown"):
        await push.convert(AS_IT_IS)
    assert push.names() == {}
    assert push.asked["PUT manifest"] == 1
    registry.heal()
    await push.convert(AS_IT_IS)
    push.check_there()


# --- smaller things ---


@pytest.mark.parametrize("pushing", [Pushing(mounts=False)])
async def test_a_registry_that_fails_at_mounts(registry: Simulator, tmp_path: Path) -> None:
    """500 each time; a plain upload works."""
    registry.add(LARGE, "from/here", "v1")

    class OnMounts:
        def apply(self, request: Request, response: Response) -> Response:
            return f.Refuse(500).apply(request, response) if "mount" in request.query else response

    registry.on_upload("POST", OnMounts())
    push = Push(registry, LARGE, tmp_path)
    push.closes = False  # the simulator opens an upload, and then says that it did not
    await push.run(source=registry.name("from/here", "v1"))
    push.check_there()
    assert set(push.placements.values()) == {"written"}


async def test_who_gives_up_a_whole_body_may_cut_the_connection() -> None:
    """Its end may not fit into the connection any more, and would then be waited for."""
    entered, cut = threading.Event(), threading.Event()

    class Full:
        def sendall(self, data: bytes) -> None:
            entered.set()
            assert cut.wait(5)

    body, cancellation, ended = RequestBody(), Cancellation(), list[type[BaseException]]()

    def carry() -> None:
        with on_cancel(cut.set):
            body.transmit(cast("HTTPConnection", SimpleNamespace(sock=Full())), chunked=True)

    def run() -> None:
        try:
            cancellation.run(carry)
        except BaseException as error:  # noqa: BLE001 - shown to the test
            ended.append(type(error))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        body.finish()
        assert entered.wait(5)
        cancellation.cancel()
    finally:
        cut_by_it = cut.is_set()
        cut.set()
        thread.join(5)
    assert cut_by_it
    assert ended == [Cancelled]


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_cancellation_breaks_off_a_body_in_order(chunked: bool) -> None:
    """The connection is not cut under the hands of the thread that ends the body."""
    near, far = socket.socketpair()
    body, cancellation, cut = RequestBody(), Cancellation(), threading.Event()

    def carry() -> None:
        with on_cancel(cut.set):
            body.transmit(cast("HTTPConnection", SimpleNamespace(sock=near)), chunked=chunked)

    def run() -> None:
        with pytest.raises((Cancelled, ConnectionFailed)):
            cancellation.run(carry)

    thread = threading.Thread(target=run)
    with near, far:
        thread.start()
        body.write(memoryview(b"piece"))
        cancellation.cancel()
        with pytest.raises(ConnectionFailed):
            body.write(memoryview(b"more"))
        thread.join(5)
        expected = b"5\r\npiece\r\n0\r\n\r\n" if chunked else b"piece"
        assert far.recv(100) == expected
    assert not thread.is_alive()
    assert not cut.is_set()


@ONE_LOOP
async def test_a_realm_is_not_repeated_at_length(tmp_path: Path) -> None:
    class NoTokens(HttpServer):
        def answer(self, request: Request) -> Response:
            if request.path.startswith("/token"):
                return Response(200, (), b"{}")
            realm = f"{self.url}/token/{'x' * 5000}?key=signed"
            return Response(401, (("WWW-Authenticate", f'Bearer realm="{realm}"'),))

    with Simulator() as unused, NoTokens() as server:
        push = Push(unused, LARGE, tmp_path)
        with pytest.raises(InvalidContent, match="holds no token") as caught:
            await push.run(f"docker://{server.host}/a/b:c")
        assert server.url in str(caught.value)
    assert len(str(caught.value)) < 300
    assert "signed" not in str(caught.value)
