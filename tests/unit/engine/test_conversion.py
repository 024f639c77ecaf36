"""Which type a manifest gets, what becomes of artifacts, indexes and their entries, and what is refused. No I/O."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from pyskopeo.engine.plan import Form, Graph
from pyskopeo.engine.planner import decide
from pyskopeo.engine.target_types import image_type, index_type
from pyskopeo.errors import CannotPreserve, Unsupported
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from tests.support.caches import build_cache
from tests.support.graphs import PLACES, graph_of, index_of, parsed
from tests.support.images import ArtifactSpec, BuiltImage, ImageSpec, IndexSpec, PlatformSpec, build

OCI, DOCKER, OLD, SIGNED = (
    mediatype.OCI_MANIFEST, mediatype.DOCKER_MANIFEST, mediatype.SCHEMA1, mediatype.SCHEMA1_SIGNED,
)  # fmt: skip
INDEX, LIST = mediatype.OCI_INDEX, mediatype.DOCKER_LIST
EVERYTHING = mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES
AS_IT_IS, PRESERVED = Form(), Form(preserve_digests=True)
ZSTD, ZSTD_ANYWHERE = Form(compression="zstd"), Form(compression="zstd", compress=True)
REFUSED = ""


@pytest.mark.parametrize(
    ("place", "form", "oci", "docker", "old", "signed"),
    [
        ("registry", AS_IT_IS, OCI, DOCKER, OLD, SIGNED),
        ("registry", Form("oci"), OCI, OCI, OCI, OCI),
        ("registry", Form("v2s2"), DOCKER, DOCKER, DOCKER, DOCKER),
        # Signatures cannot be made, but they can stay.
        ("registry", Form("v2s1"), OLD, OLD, OLD, SIGNED),
        ("registry", ZSTD, OCI, OCI, OCI, OCI),
        ("registry", Form(compression="gzip"), OCI, DOCKER, OLD, SIGNED),
        ("registry", Form(compress=True), OCI, DOCKER, OLD, SIGNED),
        ("registry", Form(decompress=True), OCI, DOCKER, OLD, SIGNED),
        ("registry", PRESERVED, OCI, DOCKER, OLD, SIGNED),
        ("layout", AS_IT_IS, OCI, OCI, OCI, OCI),
        ("layout", ZSTD, OCI, OCI, OCI, OCI),
        ("layout", Form("v2s2"), DOCKER, DOCKER, DOCKER, DOCKER),
        ("layout", Form("v2s1"), REFUSED, REFUSED, REFUSED, REFUSED),
        ("layout", PRESERVED, OCI, DOCKER, OLD, SIGNED),
        ("dir", AS_IT_IS, OCI, DOCKER, OLD, SIGNED),
        # Nothing is compressed there, unless that is asked for.
        ("dir", ZSTD, OCI, DOCKER, OLD, SIGNED),
        ("dir", ZSTD_ANYWHERE, OCI, OCI, OCI, OCI),
        ("archive", AS_IT_IS, OCI, DOCKER, DOCKER, DOCKER),
        ("archive", Form("oci"), OCI, OCI, OCI, OCI),
        ("archive", Form("v2s1"), REFUSED, REFUSED, REFUSED, REFUSED),
        # Layers are plain there, whatever they were to be: no reason for another configuration.
        ("archive", ZSTD_ANYWHERE, OCI, DOCKER, DOCKER, DOCKER),
        ("docker only", AS_IT_IS, DOCKER, DOCKER, DOCKER, DOCKER),
        ("docker only", Form("oci"), REFUSED, REFUSED, REFUSED, REFUSED),
        ("docker only", ZSTD, REFUSED, REFUSED, REFUSED, REFUSED),
    ],
)
def test_types_of_images(place: str, form: Form, oci: str, docker: str, old: str, signed: str) -> None:
    for before, after in ((OCI, oci), (DOCKER, docker), (OLD, old), (SIGNED, signed)):
        if after:
            assert image_type(before, PLACES[place], form) == after
        else:
            with pytest.raises(Unsupported, match="this destination takes nothing of type application/vnd"):
                image_type(before, PLACES[place], form)


@pytest.mark.parametrize(
    ("place", "form", "index", "docker_list"),
    [
        ("registry", AS_IT_IS, INDEX, LIST),
        ("registry", Form("oci"), INDEX, INDEX),
        ("registry", Form("v2s2"), LIST, LIST),
        ("registry", ZSTD, INDEX, INDEX),
        ("registry", PRESERVED, INDEX, LIST),
        ("layout", AS_IT_IS, INDEX, INDEX),
        ("layout", PRESERVED, INDEX, LIST),
        ("layout", Form("v2s2"), LIST, LIST),
        ("dir", ZSTD, INDEX, LIST),
        ("dir", ZSTD_ANYWHERE, INDEX, INDEX),
        ("docker only", AS_IT_IS, LIST, LIST),
        ("docker only", ZSTD, REFUSED, REFUSED),
    ],
)
def test_types_of_indexes(place: str, form: Form, index: str, docker_list: str) -> None:
    for before, after in ((INDEX, index), (LIST, docker_list)):
        if after:
            assert index_type(before, PLACES[place], form) == after
        else:
            with pytest.raises(Unsupported, match="this destination takes nothing of type"):
                index_type(before, PLACES[place], form)


@pytest.mark.parametrize("before", [INDEX, LIST])
@pytest.mark.parametrize("place", PLACES)
def test_schema_1_has_no_lists(place: str, before: str) -> None:
    with pytest.raises(Unsupported, match="copy one platform, or choose --format v2s2 or oci"):
        index_type(before, PLACES[place], Form("v2s1"))


def test_a_refusal_names_each_type_once() -> None:
    with pytest.raises(Unsupported) as caught:
        image_type(DOCKER, Accepts(frozenset()), AS_IT_IS)
    assert str(caught.value) == f"this destination takes nothing of type {DOCKER} or {OCI}"


@pytest.mark.parametrize(
    ("place", "form", "before", "said"),
    [
        ("layout", Form("v2s1"), DOCKER, f"{OLD}: leave out --format v2s1, or choose oci or v2s2"),
        ("docker only", Form("oci"), DOCKER, f"{OCI}: leave out --format oci, or choose v2s2"),
        ("docker only", Form("oci"), LIST, f"{INDEX}: leave out --format oci, or choose v2s2"),
        ("archive", Form("v2s1"), OCI, f"{OLD}: leave out --format v2s1, or choose oci or v2s2"),
        ("docker only", ZSTD, OCI, f"{OCI}: leave out --dest-compress-format zstd"),
        ("docker only", ZSTD, INDEX, f"{INDEX}: leave out --dest-compress-format zstd"),
    ],
)
def test_a_refusal_names_the_destination_and_says_what_to_do(place: str, form: Form, before: str, said: str) -> None:
    chosen = image_type if before in (OCI, DOCKER) else index_type
    with pytest.raises(Unsupported) as caught:
        chosen(before, replace(PLACES[place], called="oci:there"), form)
    assert str(caught.value) == f"oci:there takes nothing of type {said}"


@pytest.mark.parametrize(
    ("kind", "said"),
    [("oci-index", "there holds single images: copy one platform"), ("artifact", "there holds images only, and this")],
)
def test_what_an_archive_refuses_names_it(kind: str, said: str) -> None:
    with pytest.raises(Unsupported, match=f"^docker-archive:{said}"):
        decide(graph_of(build(kind)), replace(PLACES["archive"], called="docker-archive:there"))


# --- what a whole image becomes ---


@pytest.mark.parametrize(
    ("kind", "format", "config"),
    [
        ("oci", "v2s2", mediatype.DOCKER_CONFIG),
        ("docker", "oci", mediatype.OCI_CONFIG),
        ("docker", "v2s2", mediatype.DOCKER_CONFIG),
        ("oci", "oci", mediatype.OCI_CONFIG),
    ],
)
def test_the_parts_go_with_the_manifest(kind: str, format: str, config: str) -> None:
    image = build(kind)
    plan = decide(graph_of(image), PLACES["registry"], Form(format))
    assert plan.root.config is not None
    assert plan.root.config.media_type == config
    family = "application/vnd.oci.image.layer" if format == "oci" else "application/vnd.docker.image.rootfs"
    assert all(layer.media_type.startswith(family) for layer in plan.root.layers)
    assert [str(layer.digest) for layer in plan.root.layers] == list(image.layer_digests())
    assert {str(blob.digest) for blob in plan.all_blobs} == {*image.layer_digests(), str(plan.root.config.digest)}
    # Docker reads OCI's configuration as it is, not the other way round.
    assert (str(plan.root.config.digest) == image.config_digest()) is not (kind == "docker" and format == "oci")


def test_from_docker_to_oci_and_on_to_schema_1_all_layers_move() -> None:
    image = build("docker-history")
    plan = decide(graph_of(image), PLACES["dir"], Form("v2s1"))
    assert plan.root.media_type == OLD
    moved = {blob.digest for blob in plan.all_blobs}
    # The one that is in no layer of the image stands for the steps that have none.
    assert moved == {layer.digest for layer in plan.root.layers}
    assert moved - set(map(Digest.parse, image.layer_digests())) == {plan.contents[0][0].digest}
    assert Digest.parse(image.config_digest()) not in moved


@pytest.mark.parametrize("form", [Form("oci"), ZSTD_ANYWHERE, Form(decompress=True), PRESERVED])
@pytest.mark.parametrize("place", ["registry", "layout", "dir", "digest"])
def test_artifacts_are_not_touched(place: str, form: Form) -> None:
    image = build(ArtifactSpec(layer_type=mediatype.OCI_LAYER_GZIP, annotations={"a": "<b>"}))
    plan = decide(graph_of(image), PLACES[place], form)
    assert plan.root.raw == image.root.raw
    assert (plan.manifests, plan.changes, plan.contents) == ((), (), ())
    assert {str(blob.digest) for blob in plan.blobs} == set(image.blobs)


@pytest.mark.parametrize("format", ["v2s2", "v2s1"])
@pytest.mark.parametrize("place", ["registry", "dir"])
def test_artifacts_have_no_other_format(place: str, format: str) -> None:
    """In skopeo's words."""
    kind = "application/vnd.example.sbom.v1+json"
    with pytest.raises(Unsupported, match=f'^unsupported image-specific operation on artifact with type "{re.escape(kind)}"'):
        decide(graph_of(build("artifact")), PLACES[place], Form(format))


def test_artifacts_do_not_go_where_images_only_go() -> None:
    with pytest.raises(Unsupported, match="this destination holds images only"):
        decide(graph_of(build("artifact")), PLACES["archive"])


# --- indexes ---


@pytest.mark.parametrize(("flavor", "format"), [("docker", "oci"), ("oci", "v2s2"), ("oci", "oci"), ("docker", "v2s2")])
def test_entries_keep_their_platform(flavor: Any, format: str) -> None:
    platforms = (
        PlatformSpec("arm64", variant="v8"),
        PlatformSpec("amd64", os="windows", os_version="10.0.1", os_features=("win32k",)),
        PlatformSpec("s390x"),
    )
    image = build(IndexSpec(tuple(ImageSpec(flavor, platform=platform) for platform in platforms), flavor))
    plan = decide(graph_of(image), PLACES["registry"], Form(format))
    written = {manifest.digest: manifest for manifest in plan.manifests}
    assert [entry["platform"] for entry in plan.root.document["manifests"]] == [p.as_json() for p in platforms]
    for entry in plan.root.manifests:
        child = written[entry.digest]
        assert (entry.media_type, entry.size) == (child.media_type, len(child.raw))
    assert plan.converted is (plan.root.media_type != image.root.media_type)


def test_an_index_that_stays_one_keeps_what_it_says() -> None:
    """Only the entry of the child that had to change is another, and in that only what had to change."""
    image = build(IndexSpec((ImageSpec("docker"), ImageSpec("oci", platform=PlatformSpec("arm64")))))
    docker, oci = (child.digest for child in parsed(image).manifests)
    more = {"urls": ["https://example.com/"], "annotations": {"b": "<"}, "unknown": 1, "platform": {"os": "x", "y": 2}}
    entries = [entry | more for entry in json.loads(image.root.raw)["manifests"]]
    document = json.loads(image.root.raw) | {"manifests": entries, "annotations": {"a": "&"}, "unknown": [1.50, {}]}
    graph = replace(graph_of(image), root=Manifest.parse(json.dumps(document).encode()))
    plan = decide(graph, PLACES["layout"])
    assert [manifest.media_type for manifest in plan.manifests] == [OCI, OCI]
    converted = next(manifest for manifest in plan.manifests if manifest.digest not in (docker, oci))
    new = {"mediaType": OCI, "digest": str(converted.digest), "size": len(converted.raw)}
    assert plan.root.document == document | {"manifests": [entries[0] | new, entries[1]]}


@pytest.mark.parametrize("kind", ["index-with-artifact", "oci-index-attested"])
def test_what_a_docker_list_cannot_name_is_named(kind: str) -> None:
    """An artifact, and an attestation of BuildKit, which is an image but for its layer."""
    image = build(kind)
    refused = next(
        entry for entry in parsed(image).manifests
        if entry.artifact_type or (entry.platform and entry.platform.is_attestation)
    )  # fmt: skip
    with pytest.raises(Unsupported, match=f"^entry {refused.digest} of the index, of type '{re.escape(OCI)}': "):
        decide(graph_of(image), PLACES["registry"], Form("v2s2"))
    # The platforms alone can be converted.
    plan = decide(graph_of(image, only=(0,), kept=(0,)), PLACES["registry"], Form("v2s2"))
    assert [entry.media_type for entry in plan.root.manifests] == [DOCKER]


def cache_graph(image: BuiltImage) -> Graph:
    root = parsed(image)
    return Graph(root, entry_blobs={entry.digest: entry for entry in root.manifests})


@pytest.mark.parametrize("form", [Form(), Form("oci"), ZSTD_ANYWHERE, Form(decompress=True), PRESERVED])
@pytest.mark.parametrize("place", ["registry", "layout", "dir", "digest"])
def test_a_build_cache_is_copied_as_it_is(place: str, form: Form) -> None:
    image = build_cache()
    plan = decide(cache_graph(image), PLACES[place], form)
    assert plan.root.raw == image.root.raw
    assert {str(blob.digest) for blob in plan.blobs} == set(image.blobs)
    assert (plan.manifests, plan.changes, plan.contents) == ((), (), ())


def test_a_build_cache_as_a_docker_list() -> None:
    image = build_cache()
    first = parsed(image).manifests[0]
    with pytest.raises(Unsupported, match=f"^entry {first.digest} of the index is no image but of type '{re.escape(first.media_type)}'"):
        decide(cache_graph(image), PLACES["registry"], Form("v2s2"))
    with pytest.raises(Unsupported, match="holds images, and this index lists blobs only, as a build cache does"):
        decide(cache_graph(image), PLACES["archive"])


def test_what_is_in_a_list_but_not_copied_is_named_as_before() -> None:
    image = build("docker-list")
    plan = decide(graph_of(image, only=(2,)), PLACES["registry"], Form("oci"))
    before = [entry.digest for entry in parsed(image).manifests]
    assert [n for n, entry in enumerate(plan.root.manifests) if entry.digest != before[n]] == [2]
    assert (plan.images, len(plan.manifests)) == (1, 1)


# --- what may not change ---


INSTRUCTED = "Instructed to preserve digests"
BY_DIGEST = "the destination is named by digest"


@pytest.mark.parametrize(
    ("kind", "place", "form", "sentence"),
    [
        ("docker", "dir", Form("oci", preserve_digests=True), f'Manifest must be converted to type "{OCI}"|{INSTRUCTED}'),
        ("oci", "dir", Form("v2s2", preserve_digests=True), f'Manifest must be converted to type "{DOCKER}"|{INSTRUCTED}'),
        ("oci", "dir", Form("v2s1", preserve_digests=True), f'Manifest must be converted to type "{OLD}"|{INSTRUCTED}'),
        ("docker-list", "dir", Form("oci", preserve_digests=True), f'Manifest list must be converted to type "{INDEX}"|{INSTRUCTED}'),
        ("oci-index", "dir", Form("v2s2", preserve_digests=True), f'Manifest list must be converted to type "{LIST}"|{INSTRUCTED}'),
        ("docker", "digest", Form("oci"), f'Manifest must be converted to type "{OCI}"|{BY_DIGEST}'),
        ("oci-index", "digest", Form("v2s2"), f'Manifest list must be converted to type "{LIST}"|{BY_DIGEST}'),
    ],
)
def test_a_conversion_that_is_forbidden(kind: str, place: str, form: Form, sentence: str) -> None:
    """In skopeo's words."""
    what, reason = sentence.split("|")
    with pytest.raises(CannotPreserve) as caught:
        decide(graph_of(build(kind)), PLACES[place], form)
    assert str(caught.value) == f'{what} to be written to destination, but we cannot modify it: "{reason}"'


@pytest.mark.parametrize(("kind", "format"), [("docker", "v2s2"), ("oci", "oci"), ("oci-index", "oci"), ("docker-list", "v2s2")])
@pytest.mark.parametrize("place", ["dir", "digest"])
def test_a_format_that_the_image_has_is_no_conversion(kind: str, format: str, place: str) -> None:
    image = build(kind)
    plan = decide(graph_of(image), PLACES[place], Form(format, preserve_digests=place == "dir"))
    assert (plan.root.raw, plan.converted) == (image.root.raw, False)


def test_a_child_that_would_have_to_change_forbids_it_all() -> None:
    image = build(IndexSpec((ImageSpec("oci"), ImageSpec("docker", platform=PlatformSpec("arm64")))))
    with pytest.raises(CannotPreserve, match="^Manifest must be converted to type"):
        decide(graph_of(image), PLACES["dir"], Form("oci", preserve_digests=True))
    # Where it is not copied, it need not change.
    assert decide(graph_of(image, only=(0,)), PLACES["dir"], Form("oci", preserve_digests=True)).root.raw == image.root.raw


def test_an_index_without_entries() -> None:
    plan = decide(Graph(index_of(media_type=LIST)), PLACES["layout"])
    assert json.loads(plan.root.raw) == {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
