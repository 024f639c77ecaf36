"""What a plan, a stream and a URL make of odd input: found by looking for trouble."""

from __future__ import annotations

import gzip
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyskopeo.engine.plan import Form, Graph
from pyskopeo.engine.planner import decide, plan_with_outcomes
from pyskopeo.errors import CannotPreserve, InvalidContent, PyskopeoError, UnsafeAddress
from pyskopeo.http.origin import Origin, resolve_url
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.change import Change, Outcome
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.reference import Reference
from pyskopeo.registry.sessions import open_session
from pyskopeo.streams.cancellation import Cancellation, Cancelled, on_cancel
from pyskopeo.streams.compress import RecompressingSink
from pyskopeo.streams.decompress import InflatingSink, is_gzip_or_zstd, load_zstd
from pyskopeo.streams.pump import MemorySink, NullSink
from tests.support.access import access_for
from tests.support.images import ArtifactSpec, BuiltImage, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build

DATA = bytes(range(256)) * 3000
LAYER = Descriptor(mediatype.OCI_LAYER_ZSTD, Digest.of(b"x"), 1)
SKIPPED = struct.pack("<II", 0x184D2A50, 10) + b"x" * 10
REGISTRY = Accepts(mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES, foreign=True, compresses=True)


# --- compressed in several pieces ---


def zstd(data: bytes) -> bytes:
    return bytes(load_zstd().compress(data))


def named(data: bytes) -> bytes:
    """With the name of a file, as the program gzip writes it (RFC 1952, section 2.3)."""
    return b"\x1f\x8b\x08\x08" + bytes(4) + b"\x00\xff" + b"layer.tar\x00" + gzip.compress(data)[10:]


WHOLE = {
    "zstd-skippable-first": (SKIPPED + zstd(DATA), DATA),
    "zstd-skippable-between": (zstd(DATA) + SKIPPED + zstd(DATA), DATA * 2),
    "zstd-skippable-last": (zstd(DATA) + SKIPPED * 2, DATA),
    "zstd-skippable-only": (SKIPPED, b""),
    "zstd-empty": (zstd(b""), b""),
    "gzip-members": (gzip.compress(DATA) * 3, DATA * 3),
    "gzip-empty-members": (gzip.compress(b"") * 3 + gzip.compress(DATA) + gzip.compress(b""), DATA),
    "gzip-padded": (gzip.compress(DATA) + bytes(700), DATA),
    "gzip-named": (named(DATA) * 2, DATA * 2),
    "nothing": (b"", b""),
    "less-than-a-magic-number": (b"\x1f\x8b\x08", b"\x1f\x8b\x08"),
}
BROKEN = {
    "zstd-skippable-cut": zstd(DATA) + SKIPPED[:-3],
    "zstd-cut": zstd(DATA)[:-3],
    "zstd-second-cut": zstd(DATA) + zstd(DATA)[:-1],
    "zstd-then-others": zstd(DATA) + b"others",
    "gzip-cut": gzip.compress(DATA)[:-3],
    "gzip-cut-in-its-name": named(DATA)[:14],
    "gzip-second-cut": gzip.compress(DATA) + gzip.compress(DATA)[:12],
    "gzip-then-others": gzip.compress(DATA) + b"others, and more of them",
    "gzip-wrong-sum": gzip.compress(DATA)[:-8] + b"\x01\x02\x03\x04" + gzip.compress(DATA)[-4:],
}


@pytest.fixture(params=["isal", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "zlib":
        monkeypatch.setitem(__import__("sys").modules, "isal", None)


def in_steps(data: bytes, step: int) -> Iterator[memoryview]:
    return (memoryview(data)[at : at + step] for at in range(0, len(data), step))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", WHOLE)
def test_all_of_what_is_there_is_expanded(name: str, step: int) -> None:
    packed, expected = WHOLE[name]
    found = MemorySink()
    sink = InflatingSink(found, "it")
    for piece in in_steps(packed, step):
        sink.write(piece)
    sink.finish()
    assert found.content == expected
    assert sink.digest == Digest.of(expected)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("format", ["gzip", "zstd", "", None])
def test_what_is_broken_is_made_into_nothing(format: str | None, name: str, step: int) -> None:
    sink = RecompressingSink(MemorySink(), Change(format), LAYER, "it")

    def run() -> None:
        for piece in in_steps(BROKEN[name], step):
            sink.write(piece)
        sink.finish()

    with pytest.raises(InvalidContent, match="^it: ") as caught:
        run()
    assert "\n" not in str(caught.value)
    with pytest.raises(AssertionError):
        _ = sink.outcome


def test_a_frame_to_be_skipped_is_no_tar() -> None:
    assert is_gzip_or_zstd(SKIPPED)
    assert is_gzip_or_zstd(b"\x5f\x2a\x4d\x18")
    assert not is_gzip_or_zstd(b"\x60\x2a\x4d\x18")
    assert not is_gzip_or_zstd(b"P.txt\0")
    sink = RecompressingSink(into := MemorySink(), Change("gzip"), LAYER, "it")
    sink.write(memoryview(SKIPPED + zstd(DATA)))
    sink.finish()
    assert gzip.decompress(bytes(into.content)) == DATA
    assert sink.outcome.diff_id == Digest.of(DATA)


# --- giving up ---


class Stuck(NullSink):
    """Takes nothing until it is told to give up."""

    def __init__(self) -> None:
        self.entered, self.woken = threading.Event(), threading.Event()

    def write(self, buffer: memoryview) -> None:
        with on_cancel(self.woken.set):
            self.entered.set()
            assert self.woken.wait(10)
            raise InvalidContent("woken")


@pytest.mark.parametrize("format", ["gzip", "zstd", "", None])
def test_a_cancellation_reaches_the_sink_below(format: str | None) -> None:
    """A `write` may be waiting for it."""
    below = Stuck()
    sink = RecompressingSink(below, Change(format), LAYER, "it")
    failures: list[BaseException] = []
    cancellation = Cancellation()

    def work() -> None:
        for piece in in_steps(DATA * 20, 1 << 20):
            sink.write(piece)
        sink.finish()

    def run() -> None:
        try:
            cancellation.run(work)
        except (Cancelled, InvalidContent) as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert below.entered.wait(10)
    sink.close()
    assert not below.woken.is_set()
    cancellation.cancel()
    thread.join(5)
    assert not thread.is_alive()
    assert below.woken.is_set()
    assert [type(error) for error in failures] == [Cancelled]


# --- plans ---


def graph_of(image: BuiltImage) -> Graph:
    parsed = {
        Digest.parse(digest): Manifest.parse(m.raw, expected=Digest.parse(digest))
        for digest, m in image.manifests.items()
    }
    root = parsed.pop(Digest.parse(image.digest))
    configs = {Digest.parse(digest): data for digest, data in image.blobs.items()}
    return Graph(root, parsed, configs)


def outcomes_of(graph: Graph, accepts: Accepts, form: Form) -> dict[Digest, Outcome]:
    """As if each change had made other bytes."""
    found = {}
    for descriptor, change in decide(graph, accepts, form).changes:
        assert change.format is not None
        media_type = mediatype.with_compression(descriptor.media_type, change.format)
        assert media_type is not None
        made = Descriptor(media_type, Digest.of(str(descriptor.digest).encode()), 7)
        found[descriptor.digest] = Outcome(made, Digest.of(b"plain"))
    return found


SHARED = LayerSpec("shared", size=2000)


def sharing(*specs: ImageSpec | ArtifactSpec) -> BuiltImage:
    return build(IndexSpec(specs))


def an_artifact() -> ArtifactSpec:
    image = build(ImageSpec(layers=(SHARED,)))
    return ArtifactSpec(layer_type=mediatype.OCI_LAYER_GZIP, content=image.blobs[image.layer_digests()[0]])


@pytest.mark.parametrize("order", [1, -1])
def test_what_an_artifact_keeps_moves_besides(order: int) -> None:
    image = sharing(*(ImageSpec(layers=(SHARED,)), an_artifact())[::order])
    graph, form = graph_of(image), Form(compression="zstd", compress=True)
    plan = decide(graph, REGISTRY, form)
    (layer,) = {Digest.parse(d) for m in image.manifests if m != image.digest for d in image.layer_digests(m)}
    assert [descriptor.digest for descriptor, _ in plan.changes] == [layer]
    assert layer in {blob.digest for blob in plan.blobs}
    settled = plan_with_outcomes(plan, outcomes_of(graph, REGISTRY, form))
    assert layer in {blob.digest for blob in settled.blobs}
    named = [blob.digest for manifest in settled.manifests for blob in manifest.layers]
    assert sorted(map(str, named)) == sorted(map(str, (layer, Digest.of(str(layer).encode()))))


@pytest.mark.parametrize("form", [Form("oci"), Form("v2s2"), Form(decompress=True), Form("oci", decompress=True)])
@pytest.mark.parametrize("order", [1, -1])
def test_each_manifest_calls_a_layer_by_its_own_type(order: int, form: Form) -> None:
    """Also where nothing is changed: what a source says of a blob is said of the bytes, not of one manifest."""
    docker = ImageSpec("docker", (SHARED,), PlatformSpec("arm64"))
    image = sharing(*(ImageSpec(layers=(SHARED,)), docker)[::order])
    graph = graph_of(image)
    said = {layer.digest: layer.media_type for child in graph.children.values() for layer in child.layers}
    graph = Graph(graph.root, graph.children, graph.configs, said)
    plan = plan_with_outcomes(decide(graph, REGISTRY, form), outcomes_of(graph, REGISTRY, form))
    for manifest in plan.manifests:
        family = "vnd.oci" if manifest.media_type == mediatype.OCI_MANIFEST else "vnd.docker"
        assert all(family in layer.media_type for layer in manifest.layers)
        assert {mediatype.compression(layer.media_type) for layer in manifest.layers} == {
            "" if form.decompress else "gzip"
        }


def test_one_that_is_encrypted_in_another_manifest_stays_there() -> None:
    image = sharing(ImageSpec(layers=(SHARED,)), ImageSpec(layers=(SHARED,), platform=PlatformSpec("arm64")))
    graph = graph_of(image)
    first, second = graph.children
    encrypted = Descriptor(mediatype.OCI_LAYER_GZIP + "+encrypted", *[
        (layer.digest, layer.size) for layer in graph.children[second].layers
    ][0])  # fmt: skip
    children = dict(graph.children)
    raw = children[second].raw.replace(
        f'{{"mediaType":"{mediatype.OCI_LAYER_GZIP}"'.encode(), f'{{"mediaType":"{encrypted.media_type}"'.encode()
    )
    children[second] = Manifest.parse(raw)
    graph = Graph(graph.root, children, graph.configs)
    form = Form(decompress=True)
    plan = plan_with_outcomes(decide(graph, REGISTRY, form), outcomes_of(graph, REGISTRY, form))
    assert encrypted.digest in {blob.digest for blob in plan.blobs}
    kinds = {layer.media_type for manifest in plan.manifests for layer in manifest.layers}
    assert kinds == {encrypted.media_type, mediatype.OCI_LAYER}
    assert first not in {manifest.digest for manifest in plan.manifests}


def test_what_turns_out_to_be_plain_is_left_alone() -> None:
    """Its manifest says gzip, its bytes are a tar: they are there by their own digest, and are not sent again."""
    image = build(ImageSpec(layers=(SHARED,)))
    graph, form = graph_of(image), Form(decompress=True)
    plan = decide(graph, REGISTRY, form)
    (layer,) = graph.root.layers
    plain = Outcome(Descriptor(mediatype.OCI_LAYER, layer.digest, layer.size), layer.digest)
    settled = plan_with_outcomes(plan, {layer.digest: plain})
    assert settled.root.raw == graph.root.raw
    assert not settled.changes


def test_archives_change_layers_themselves() -> None:
    accepts = Accepts(frozenset({mediatype.DOCKER_MANIFEST}), ordered=True, compresses=True)
    for form in (Form(decompress=True), Form(compression="gzip", compress=True)):
        assert not decide(graph_of(build("oci")), accepts, form).changes


@pytest.mark.parametrize("kinds", ["docker", "docker-list"])
def test_what_must_not_change_is_refused_at_once(kinds: str) -> None:
    """Before a byte has moved, not when the layers are known."""
    accepts = Accepts(mediatype.MANIFESTS, unchangeable="the destination is named by digest")
    kind = "Manifest list" if kinds == "docker-list" else "Manifest"
    with pytest.raises(CannotPreserve, match=f'^{kind} must be converted to type .*"the destination is named by digest"$'):
        decide(graph_of(build(kinds)), accepts, Form("oci"))
    plan = decide(graph_of(build(kinds)), accepts, Form(decompress=True))
    assert not plan.changes
    assert not plan.converted


# --- addresses ---

ODD = ["http://\x9b31m.example/x", "http://exa\u202emple.org/", "http://a\u200bb.org/", "http://a\ud800b.org/"]


@pytest.mark.parametrize("url", ODD)
def test_a_host_that_cannot_be_printed_is_none(url: str) -> None:
    with pytest.raises(UnsafeAddress) as caught:
        Origin.of(url)
    assert str(caught.value).isprintable()
    with pytest.raises(UnsafeAddress):
        resolve_url("http://example.org/", url)
    with pytest.raises(UnsafeAddress):
        resolve_url("http://example.org/", "/path/" + url[7:])


@pytest.mark.anyio
@pytest.mark.parametrize("url", [*ODD, "http://xn--/x", "http://127.0.0.1:1/\ud800", "http://xn--a/x"])
async def test_an_address_in_a_manifest_that_is_none(url: str, tmp_path: Path) -> None:
    """A foreign layer's; it is no crash."""
    async with open_session(Reference.parse("127.0.0.1:1/a/b:c"), access_for(tmp_path)) as session:
        with pytest.raises(PyskopeoError) as caught:
            await session.request_external("GET", url)
    assert str(caught.value).isprintable()
