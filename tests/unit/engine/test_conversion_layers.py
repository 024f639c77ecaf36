"""What becomes of the layers of an image, and what manifests then say. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyskopeo.engine.plan import Form, Plan
from pyskopeo.engine.planner import decide, plan_with_outcomes
from pyskopeo.errors import CannotPreserve, Unsupported
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.change import Change, Outcome
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from tests.support.graphs import CONFIG, PLACES, graph, graph_of, image_of, parsed
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build

OCI, OCI_GZIP, OCI_ZSTD = mediatype.OCI_LAYER, mediatype.OCI_LAYER_GZIP, mediatype.OCI_LAYER_ZSTD
DOCKER, DOCKER_GZIP, DOCKER_ZSTD = mediatype.DOCKER_LAYER, mediatype.DOCKER_LAYER_GZIP, mediatype.DOCKER_LAYER_ZSTD
FOREIGN, DOCKER_FOREIGN = mediatype.OCI_NONDISTRIBUTABLE, mediatype.DOCKER_FOREIGN
ENCRYPTED = f"{OCI_GZIP}+encrypted"
ELSEWHERE = ("https://example.com/layer",)
CHUNKED = "io.github.containers.zstd-chunked.manifest-position"


def settled(plan: Plan) -> Plan:
    """The plan when each layer has become what it was to become."""
    outcomes = {}
    for layer, change in plan.changes:
        assert change.format is not None
        new = mediatype.with_compression(layer.media_type, change.format)
        assert new is not None
        content = f"{layer.digest} as {change}".encode()
        outcomes[layer.digest] = Outcome(Descriptor(new, Digest.of(content), len(content)), Digest.of(b"tar"))
    return plan_with_outcomes(plan, outcomes)


GZIP, ZSTD, PLAIN = Change("gzip"), Change("zstd"), Change("")
LEFT = None


# --- layers ---


@pytest.mark.parametrize(
    ("place", "wanted", "plain", "gzip", "zstd"),
    [
        # A manifest that calls a layer plain is right, unless compression is asked for.
        ("registry", Form(), LEFT, LEFT, LEFT),
        ("layout", Form(), LEFT, LEFT, LEFT),
        ("registry", Form(level=9), LEFT, LEFT, LEFT),
        ("registry", Form(compress=True), GZIP, LEFT, LEFT),
        ("layout", Form(compress=True, level=9), Change("gzip", 9), LEFT, LEFT),
        ("registry", Form(compression="gzip"), GZIP, LEFT, GZIP),
        ("registry", Form(compression="gzip", level=1), Change("gzip", 1), LEFT, Change("gzip", 1)),
        ("layout", Form(compression="zstd"), ZSTD, ZSTD, LEFT),
        ("layout", Form(compression="zstd", level=19), Change("zstd", 19), Change("zstd", 19), LEFT),
        ("layout", Form(compression="zstd", keep_plain=True), LEFT, ZSTD, LEFT),
        ("layout", Form(compress=True, keep_plain=True), LEFT, LEFT, LEFT),
        ("registry", Form(decompress=True), LEFT, PLAIN, PLAIN),
        ("registry", Form(compression="zstd", decompress=True), LEFT, PLAIN, PLAIN),
        # dir: takes everything as it is, unless told.
        ("dir", Form(), LEFT, LEFT, LEFT),
        ("dir", Form(compression="zstd"), LEFT, LEFT, LEFT),
        ("dir", Form(compress=True), GZIP, LEFT, LEFT),
        ("dir", Form(compress=True, compression="zstd"), ZSTD, ZSTD, LEFT),
        ("dir", Form(decompress=True), LEFT, PLAIN, PLAIN),
        # An archive makes them plain itself.
        ("archive", Form(), LEFT, LEFT, LEFT),
        ("archive", Form(compress=True, compression="zstd"), LEFT, LEFT, LEFT),
        ("archive", Form(decompress=True), LEFT, LEFT, LEFT),
        # Of what must not change nothing does.
        ("digest", Form(compress=True, compression="zstd"), LEFT, LEFT, LEFT),
        ("digest", Form(decompress=True), LEFT, LEFT, LEFT),
        ("registry", Form(preserve_digests=True), LEFT, LEFT, LEFT),
    ],
)
def test_what_is_done_to_layers(
    place: str, wanted: Form, plain: Change | None, gzip: Change | None, zstd: Change | None
) -> None:
    changes = [change for change in (plain, gzip, zstd) if change is not LEFT]
    # An archive refuses those that are encrypted.
    unknown = (f"{OCI}+bzip2" if place == "archive" else ENCRYPTED, "application/x", f"{OCI}+xz")
    manifest = image_of(OCI, OCI_GZIP, OCI_ZSTD, *unknown)
    plan = decide(graph(manifest), PLACES[place], wanted)
    assert [change for _, change in plan.changes] == changes
    done = {layer.digest for layer, _ in plan.changes}
    expected = zip(manifest.layers, (plain, gzip, zstd, LEFT, LEFT, LEFT), strict=True)
    assert [layer.digest in done for layer in manifest.layers] == [change is not LEFT for _, change in expected]
    # The others move as they are.
    assert {layer.digest for layer in manifest.layers} == {blob.digest for blob in plan.all_blobs} - {Digest.of(CONFIG)}
    assert done.isdisjoint({blob.digest for blob in plan.blobs})


@pytest.mark.parametrize("place", ["registry", "layout"])
def test_what_comes_out_of_an_archive_is_compressed_again(place: str) -> None:
    """Its manifest, made up from what it was once, says gzip; its layers are plain."""
    manifest = image_of(DOCKER_GZIP, DOCKER)
    plan = decide(graph(manifest, _0=DOCKER, _1=DOCKER), PLACES[place])
    assert [(layer.digest, change) for layer, change in plan.changes] == [(manifest.layers[0].digest, GZIP)]
    plan = decide(graph(manifest, _0=DOCKER, _1=DOCKER), PLACES[place], Form(keep_plain=True))
    assert plan.changes == ()


@pytest.mark.parametrize(
    ("place", "urls", "changed"),
    [("registry", ELSEWHERE, False), ("layout", ELSEWHERE, False), ("dir", ELSEWHERE, True), ("layout", (), True)],
)
@pytest.mark.parametrize("kind", [FOREIGN, FOREIGN + "+gzip", DOCKER_FOREIGN])
def test_foreign_layers(kind: str, place: str, urls: tuple[str, ...], changed: bool) -> None:
    """Those that stay elsewhere stay what they are, wherever the others are changed; their URLs stay too."""
    manifest = image_of({"mediaType": kind, "urls": list(urls)}, OCI_ZSTD if kind != DOCKER_FOREIGN else DOCKER_ZSTD)
    wanted = Form(compress=True, compression="gzip") if kind in (FOREIGN, DOCKER_FOREIGN) else Form(decompress=True)
    plan = decide(graph(manifest), PLACES[place], wanted)
    assert [layer.digest for layer, _ in plan.changes] == [layer.digest for layer in manifest.layers[not changed :]]
    after = settled(plan)
    assert (manifest.layers[0].digest in {blob.digest for blob in after.all_blobs}) is False
    assert after.root.layers[0].urls == (() if changed else urls)
    assert mediatype.is_foreign(after.root.layers[0].media_type)


# --- manifests ---


@pytest.mark.parametrize(
    ("layers", "place", "wanted", "after", "kind"),
    [
        ((OCI, OCI_GZIP, OCI_ZSTD), "registry", Form(compression="gzip"), (OCI_GZIP, OCI_GZIP, OCI_GZIP), mediatype.OCI_MANIFEST),
        ((OCI, OCI_GZIP, OCI_ZSTD), "registry", Form(compression="zstd"), (OCI_ZSTD, OCI_ZSTD, OCI_ZSTD), mediatype.OCI_MANIFEST),
        ((OCI, OCI_GZIP, OCI_ZSTD), "dir", Form(decompress=True), (OCI, OCI, OCI), mediatype.OCI_MANIFEST),
        ((DOCKER, DOCKER_GZIP), "registry", Form(compress=True), (DOCKER_GZIP, DOCKER_GZIP), mediatype.DOCKER_MANIFEST),
        ((DOCKER, DOCKER_GZIP), "registry", Form(compression="zstd"), (OCI_ZSTD, OCI_ZSTD), mediatype.OCI_MANIFEST),
        ((DOCKER_ZSTD,), "registry", Form(compression="gzip"), (DOCKER_GZIP,), mediatype.DOCKER_MANIFEST),
        ((DOCKER, DOCKER_GZIP), "layout", Form(compress=True), (OCI_GZIP, OCI_GZIP), mediatype.OCI_MANIFEST),
        ((DOCKER, DOCKER_GZIP), "layout", Form(decompress=True), (OCI, OCI), mediatype.OCI_MANIFEST),
        # What Docker's manifests have no name for, is something else when they are written.
        ((OCI, OCI_GZIP, OCI_ZSTD), "registry", Form("v2s2", "gzip"), (DOCKER_GZIP,) * 3, mediatype.DOCKER_MANIFEST),
        ((OCI, OCI_GZIP, OCI_ZSTD), "dir", Form("v2s2", decompress=True), (DOCKER,) * 3, mediatype.DOCKER_MANIFEST),
        ((OCI, ENCRYPTED, "application/x"), "layout", Form(compression="zstd"), (OCI_ZSTD, ENCRYPTED, "application/x"), mediatype.OCI_MANIFEST),
    ],
)  # fmt: skip
def test_types_of_layers(layers: tuple[str, ...], place: str, wanted: Form, after: tuple[str, ...], kind: str) -> None:
    first = decide(graph(image_of(*layers)), PLACES[place], wanted)
    plan = settled(first)
    assert plan.root.media_type == kind
    assert tuple(layer.media_type for layer in plan.root.layers) == after
    assert plan.changes == ()
    assert plan.converted
    # Until it is known what the layers become, nothing else is said to be written.
    assert first.root.raw == image_of(*layers).raw


@pytest.mark.parametrize("layers", [(OCI_ZSTD,), (OCI_GZIP, ENCRYPTED), (OCI, "application/x")])
@pytest.mark.parametrize("format", ["v2s2", "v2s1"])
def test_what_docker_has_no_name_for(format: str, layers: tuple[str, ...]) -> None:
    with pytest.raises(Unsupported, match="media type|not supported"):
        decide(graph(image_of(*layers)), PLACES["dir"], Form(format))


def test_what_else_a_manifest_says_stays() -> None:
    annotated: dict[str, Any] = {"annotations": {"a": "<b>"}, "unknown": {"n": 1.50}}
    manifest = image_of(
        {"mediaType": OCI_ZSTD, **annotated}, {"mediaType": OCI_GZIP, **annotated}, subject={"x": 1}, **annotated
    )
    plan = settled(decide(graph(manifest), PLACES["registry"], Form(compression="gzip")))
    new = plan.root.layers[0]
    entries = manifest.document["layers"]
    made = entries[0] | {"mediaType": OCI_GZIP, "digest": str(new.digest), "size": new.size}
    assert plan.root.document == dict(manifest.document) | {"layers": [made, entries[1]]}
    assert list(plan.root.document) == list(manifest.document)


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        (Form(), {CHUNKED: "1:2", "n": "1"}),  # the same bytes, so all of it still holds
        (Form(compression="zstd"), {CHUNKED: "1:2", "n": "1"}),  # they are zstd already
        (Form(compression="gzip"), {"n": "1"}),
        (Form(decompress=True), {"n": "1"}),
        (Form("v2s2", "gzip"), {}),  # Docker's manifests have no annotations
    ],
)
def test_tables_of_contents_go_with_the_bytes(wanted: Form, kept: dict[str, str]) -> None:
    manifest = image_of({"mediaType": OCI_ZSTD, "annotations": {CHUNKED: "1:2", "n": "1"}})
    plan = settled(decide(graph(manifest), PLACES["registry"], wanted))
    assert dict(plan.root.layers[0].annotations) == kept
    assert plan.converted is (wanted != Form() and wanted.compression != "zstd")


def test_an_index_names_what_its_images_became() -> None:
    """And keeps its platforms; a layer that two of them have is made once."""
    shared = LayerSpec("shared")
    spec = IndexSpec((ImageSpec(layers=(shared,)), ImageSpec(layers=(shared, LayerSpec("b")), platform=PlatformSpec("arm64", variant="v8"))))
    image = build(spec)
    first = decide(graph_of(image), PLACES["registry"], Form(compression="zstd"))
    assert len(first.changes) == 2
    plan = settled(first)
    written = {manifest.digest: manifest for manifest in plan.manifests}
    assert [entry.platform for entry in plan.root.manifests] == [entry.platform for entry in parsed(image).manifests]
    one, other = (written[entry.digest] for entry in plan.root.manifests)
    assert one.layers[0] == other.layers[0]
    assert {layer.media_type for layer in (*one.layers, *other.layers)} == {OCI_ZSTD}
    assert {str(blob.digest) for blob in plan.blobs} == {image.config_digest(child.digest) for child in (image.child(0), image.child(1))}


# --- what does not go together ---


@pytest.mark.parametrize("format", ["v2s1", "v2s2"])
@pytest.mark.parametrize("place", PLACES)
def test_zstd_is_for_oci(place: str, format: str) -> None:
    with pytest.raises(Unsupported) as caught:
        decide(graph(image_of(OCI_GZIP)), PLACES[place], Form(format, "zstd"))
    assert str(caught.value) == f"--format {format} has no layers compressed with zstd: choose oci, or gzip"


@pytest.mark.parametrize("wanted", [{"compression": "gzip"}, {"compress": True}, {"decompress": True}])
def test_other_compressions_have_other_digests(wanted: dict[str, Any]) -> None:
    with pytest.raises(CannotPreserve) as caught:
        decide(graph(image_of(OCI_GZIP)), PLACES["dir"], Form(preserve_digests=True, **wanted))
    assert str(caught.value) == "layers in another compression have other digests, and --preserve-digests forbids that"


@pytest.mark.parametrize("wanted", [Form(), Form("oci"), Form("v2s2"), Form(preserve_digests=True)])
@pytest.mark.parametrize("place", PLACES)
def test_archives_refuse_what_nobody_can_decompress(place: str, wanted: Form) -> None:
    image = graph(image_of(OCI_GZIP, ENCRYPTED))
    if place == "archive":
        with pytest.raises(Unsupported) as caught:
            decide(image, replace(PLACES[place], called="docker-archive:there"), wanted)
        assert str(caught.value) == (
            f"docker-archive:there holds layers decompressed, and this image has encrypted layers ('{ENCRYPTED}'): "
            "copy it to a registry, oci: or dir:, which keep them as they are"
        )
    elif place in ("registry", "layout", "dir") and wanted == Form():
        assert decide(image, PLACES[place], wanted).root == image.root


def test_where_only_docker_is_taken_zstd_is_refused() -> None:
    accepts = Accepts(frozenset({mediatype.DOCKER_MANIFEST}), compresses=True)
    with pytest.raises(Unsupported, match="takes nothing of type application/vnd.oci.image.manifest"):
        decide(graph(image_of(DOCKER_GZIP)), accepts, Form(compression="zstd"))
