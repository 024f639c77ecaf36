"""Layers that several manifests of an index share, changed once."""

from __future__ import annotations

import pytest

from pyskopeo.engine.plan import Form, Graph
from pyskopeo.engine.planner import decide, plan_with_outcomes
from pyskopeo.errors import CannotPreserve
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.change import Outcome
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from tests.support.graphs import graph_of
from tests.support.images import ArtifactSpec, BuiltImage, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build

REGISTRY = Accepts(mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES, foreign=True, compresses=True)


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
