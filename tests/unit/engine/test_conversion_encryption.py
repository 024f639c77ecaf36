"""Which layers are encrypted and decrypted, and what becomes of the manifests. No I/O."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pyskopeo.encryption.keys import Decryption, Encryption
from pyskopeo.engine.plan import Form, Graph, Plan
from pyskopeo.engine.planner import decide, plan_with_outcomes
from pyskopeo.errors import CannotPreserve, InvalidInput, PyskopeoError, Unsupported
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.change import Change, Outcome
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from tests.support.graphs import PLACES, graph, graph_of, image_of
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, build

OCI, OCI_GZIP, OCI_ZSTD = mediatype.OCI_LAYER, mediatype.OCI_LAYER_GZIP, mediatype.OCI_LAYER_ZSTD
DOCKER_GZIP, FOREIGN, ENCRYPTED = mediatype.DOCKER_LAYER_GZIP, mediatype.OCI_NONDISTRIBUTABLE, f"{OCI_GZIP}+encrypted"
KEYS, OPTIONS = (f"{mediatype.ENCRYPTION_ANNOTATIONS}{name}" for name in ("keys.jwe", "pubopts"))
ENCRYPT, DECRYPT = Form(encryption=Encryption(())), Form(decryption=Decryption(()))
LAYOUT = PLACES["layout"]


def chosen(*indexes: int) -> Form:
    return Form(encryption=Encryption((), indexes))


def ciphers(plan: Plan) -> list[tuple[str, str | None]]:
    return [(change.cipher, change.format) for _, change in plan.changes]


def settled(plan: Plan) -> Plan:
    """The plan when each layer has become what it was to become."""
    outcomes = {}
    for layer, change in plan.changes:
        plain = mediatype.decrypted(layer.media_type)
        new = plain if change.format is None else mediatype.with_compression(plain, change.format)
        assert new is not None
        annotations = {KEYS: "sealed", OPTIONS: "public"} if change.cipher == "encrypt" else {}
        new = mediatype.encrypted(new) if change.cipher == "encrypt" else new
        digest = Digest.of(f"{change.cipher} {layer.digest}".encode())
        described = replace(layer, media_type=new, digest=digest, size=9, annotations=annotations)
        outcomes[layer.digest] = Outcome(described, Digest.of(b"tar"))
    return plan_with_outcomes(plan, outcomes)


@pytest.mark.parametrize(
    ("indexes", "expected"),
    [((), {0, 1, 2}), ((0,), {0}), ((-1,), {2}), ((0, -1, 2), {0, 2}), ((-3, 1), {0, 1})],
)
def test_which_layers(indexes: tuple[int, ...], expected: set[int]) -> None:
    image = image_of(OCI_GZIP, OCI_ZSTD, OCI)
    plan = decide(graph(image), LAYOUT, chosen(*indexes))
    assert {layer.digest for layer, _ in plan.changes} == {image.layers[n].digest for n in expected}
    assert {blob.digest for blob in plan.blobs} >= {image.layers[n].digest for n in {0, 1, 2} - expected}
    new = settled(plan).root
    for number, (old, layer) in enumerate(zip(image.layers, new.layers, strict=True)):
        if number in expected:
            assert layer.media_type == f"{old.media_type}+encrypted"
            assert dict(layer.annotations) == {KEYS: "sealed", OPTIONS: "public"}
        else:
            assert layer == old
    assert new.config == image.config
    assert {blob.digest for blob in settled(plan).blobs} >= {layer.digest for n, layer in enumerate(image.layers) if n not in expected}


@pytest.mark.parametrize("index", [2, -3, 99])
def test_a_layer_that_is_not_there(index: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        decide(graph(image_of(OCI_GZIP, OCI)), LAYOUT, chosen(0, index))
    assert str(caught.value) == f"when choosing layers to encrypt, layer index {index} out of range (2 layers exist)"


def test_docker_becomes_oci_and_other_annotations_stay() -> None:
    plan = decide(graph(image_of(DOCKER_GZIP, DOCKER_GZIP)), PLACES["registry"], chosen(0))
    new = settled(plan).root
    assert new.media_type == mediatype.OCI_MANIFEST
    assert [layer.media_type for layer in new.layers] == [f"{OCI_GZIP}+encrypted", OCI_GZIP]
    assert new.layers[0].annotations[KEYS] == "sealed"
    layer = {"mediaType": OCI_GZIP, "annotations": {"z": "1", "a": "2"}, "urls": ["https://x"]}
    entry: Any = settled(decide(graph(image_of(layer)), LAYOUT, ENCRYPT)).root.document["layers"][0]
    assert list(entry["annotations"]) == ["a", KEYS, OPTIONS, "z"]
    assert "urls" not in entry


def test_compression_and_encryption() -> None:
    form = replace(ENCRYPT, compression="zstd")
    plan = decide(graph(image_of(OCI_GZIP, OCI_ZSTD, OCI)), LAYOUT, form)
    assert ciphers(plan) == [("encrypt", "zstd"), ("encrypt", None), ("encrypt", "zstd")]


def test_decryption() -> None:
    layer = {"mediaType": ENCRYPTED, "annotations": {KEYS: "sealed", OPTIONS: "public", "a": "b"}}
    image = image_of(layer, OCI_GZIP, {"mediaType": f"{OCI}+encrypted", "annotations": {KEYS: "x"}})
    plan = decide(graph(image), LAYOUT, DECRYPT)
    assert ciphers(plan) == [("decrypt", None)] * 2
    new = settled(plan).root
    assert [found.media_type for found in new.layers] == [OCI_GZIP, OCI_GZIP, OCI]
    assert [dict(found.annotations) for found in new.layers] == [{"a": "b"}, {}, {}]
    docker = settled(decide(graph(image), PLACES["registry"], replace(DECRYPT, format="v2s2"))).root
    assert docker.media_type == mediatype.DOCKER_MANIFEST
    assert decide(graph(image), LAYOUT, Form()).root == image
    assert decide(graph(image_of(OCI_GZIP)), LAYOUT, DECRYPT).root == image_of(OCI_GZIP)


def test_what_is_encrypted_stays_so() -> None:
    image = image_of(ENCRYPTED, OCI_GZIP)
    plan = decide(graph(image), LAYOUT, ENCRYPT)
    assert [layer.digest for layer, _ in plan.changes] == [image.layers[1].digest]
    assert settled(plan).root.layers[0] == image.layers[0]


def test_a_layer_that_two_platforms_share_is_encrypted_for_both() -> None:
    base = LayerSpec("base", base=True)
    first, second = ImageSpec(layers=(base, LayerSpec("a"))), ImageSpec(layers=(LayerSpec("b"), base))
    plan = decide(graph_of(build(IndexSpec((first, second)))), LAYOUT, chosen(0))
    assert len(plan.changes) == 2
    manifests = [manifest for manifest in settled(plan).manifests if not manifest.is_index]
    kinds = [[mediatype.is_encrypted(layer.media_type) for layer in manifest.layers] for manifest in manifests]
    assert sorted(kinds) == [[True, False], [True, True]]


@pytest.mark.parametrize(
    ("image", "place", "form", "kind", "message"),
    [
        (image_of(OCI_GZIP), "layout", replace(ENCRYPT, format="v2s2"), Unsupported, "encryption required together with format v2s2"),
        (image_of(OCI_GZIP), "layout", replace(ENCRYPT, format="v2s1"), Unsupported, "encryption required together with format v2s1"),
        (image_of(OCI_GZIP), "archive", ENCRYPT, Unsupported, "so it cannot hold encrypted ones: copy to a registry, oci: or dir:"),
        (image_of(ENCRYPTED), "archive", DECRYPT, Unsupported, "decrypt it into a registry, oci: or dir: first"),
        (image_of(OCI_GZIP), "layout", replace(ENCRYPT, preserve_digests=True), CannotPreserve, "encrypted layers have other digests"),
        (image_of(ENCRYPTED), "layout", replace(DECRYPT, preserve_digests=True), CannotPreserve, "should be decrypted, but we cannot modify the manifest"),
        (image_of("application/x"), "layout", ENCRYPT, Unsupported, "cannot be encrypted: no such operation for mediatype 'application/x'"),
        (image_of("application/x+encrypted"), "layout", DECRYPT, Unsupported, "cannot be decrypted: no such operation for mediatype"),
    ],
)  # fmt: skip
def test_what_is_refused(image: Any, place: str, form: Form, kind: type[PyskopeoError], message: str) -> None:
    with pytest.raises(kind) as caught:
        decide(graph(image), PLACES[place], form)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_images_are_encrypted() -> None:
    image = image_of(OCI_GZIP)
    document = dict(image.document) | {"config": dict(image.document["config"]) | {"mediaType": "application/x.y"}}
    artifact = Manifest.parse(json.dumps(document).encode())
    with pytest.raises(Unsupported, match="is of type application/x.y: only images are encrypted"):
        decide(Graph(artifact), LAYOUT, ENCRYPT)


def test_where_only_docker_is_taken() -> None:
    accepts = Accepts(frozenset({mediatype.DOCKER_MANIFEST}))
    with pytest.raises(Unsupported) as caught:
        decide(graph(image_of(DOCKER_GZIP)), accepts, ENCRYPT)
    assert str(caught.value) == (
        f"this destination takes nothing of type {mediatype.OCI_MANIFEST}, and encrypted layers require it: leave out "
        "--encryption-key"
    )


def test_layers_that_are_elsewhere_are_left_out() -> None:
    image = image_of({"mediaType": FOREIGN, "urls": ["https://x"]}, OCI_GZIP)
    plan = decide(graph(image), replace(PLACES["registry"], foreign=True), ENCRYPT)
    assert plan.changes == ((image.layers[1], Change(None, cipher="encrypt")),)
