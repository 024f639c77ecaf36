"""Manifests: what they are taken for, and everything that is refused."""

import json
from typing import Any

import pytest

from pyskopeo.errors import ContentMismatch, InvalidContent, InvalidDigest, TooLarge, Unsupported
from pyskopeo.model import mediatype
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from tests.support.images import KINDS, build

DIGEST = "sha256:" + "a" * 64
CONFIG = {"mediaType": mediatype.OCI_CONFIG, "digest": DIGEST, "size": 2}
LAYER = {"mediaType": mediatype.OCI_LAYER_GZIP, "digest": "sha256:" + "b" * 64, "size": 3}
IMAGE = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}
DOCKER = {
    "schemaVersion": 2,
    "mediaType": mediatype.DOCKER_MANIFEST,
    "config": CONFIG | {"mediaType": mediatype.DOCKER_CONFIG},
    "layers": [LAYER | {"mediaType": mediatype.DOCKER_LAYER_GZIP}],
}
INDEX = {"schemaVersion": 2, "manifests": [{"mediaType": mediatype.OCI_MANIFEST, "digest": DIGEST, "size": 9}]}


def dumped(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_image(kind: str) -> None:
    image = build(kind)
    for digest, built in image.manifests.items():
        manifest = Manifest.parse(built.raw, content_type=built.media_type, expected=Digest.parse(digest))
        assert manifest.raw == built.raw
        assert str(manifest.digest) == digest
        assert manifest.media_type == built.media_type
        assert manifest.descriptor.size == len(built.raw)
        assert manifest.is_index == ("manifests" in built.json)
        if manifest.is_index:
            with pytest.raises(Unsupported, match="an index has no blobs of its own: choose one of its images"):
                _ = manifest.blobs
        else:
            assert tuple(str(blob.digest) for blob in manifest.blobs) == (
                *image.layer_digests(digest),
                image.config_digest(digest),
            )
            assert manifest.is_image == ("artifactType" not in built.json)


@pytest.mark.parametrize("kind", ["oci", "docker", "oci-index", "docker-list", "oci-without-media-type", "artifact"])
def test_the_kind_is_found_without_a_content_type(kind: str) -> None:
    root = build(kind).root
    document = {name: value for name, value in root.json.items() if name != "mediaType"}
    assert Manifest.parse(root.raw).media_type == root.media_type
    assert Manifest.parse(dumped(document)).media_type == root.media_type


@pytest.mark.parametrize("served", ["", "application/json", "text/plain; charset=utf-8", mediatype.OCI_MANIFEST + ";x"])
def test_content_types_that_say_nothing_else(served: str) -> None:
    assert Manifest.parse(dumped(IMAGE), content_type=served).media_type == mediatype.OCI_MANIFEST


@pytest.mark.parametrize(
    ("document", "served", "found"),
    [
        (IMAGE | {"mediaType": mediatype.OCI_MANIFEST}, mediatype.DOCKER_MANIFEST, mediatype.OCI_MANIFEST),
        (DOCKER, mediatype.OCI_MANIFEST, mediatype.DOCKER_MANIFEST),
        (DOCKER, mediatype.OCI_MANIFEST.upper() + "; charset=utf-8", mediatype.DOCKER_MANIFEST),
        (DOCKER, mediatype.SCHEMA1_SIGNED, mediatype.DOCKER_MANIFEST),
        (INDEX | {"mediaType": mediatype.OCI_INDEX}, mediatype.DOCKER_LIST, mediatype.OCI_INDEX),
        (INDEX | {"mediaType": mediatype.DOCKER_LIST}, mediatype.OCI_INDEX, mediatype.DOCKER_LIST),
        # Without a mediaType it is no manifest of Docker's.
        (IMAGE, mediatype.DOCKER_MANIFEST, mediatype.OCI_MANIFEST),
        (IMAGE, mediatype.SCHEMA1, mediatype.OCI_MANIFEST),
    ],
)
def test_what_the_document_states_counts(document: Any, served: str, found: str) -> None:
    manifest = Manifest.parse(dumped(document), content_type=served)
    assert manifest.media_type == found
    assert manifest.served_as == mediatype.essence(served)
    assert manifest == Manifest.parse(dumped(document))
    assert Manifest.parse(dumped(document), content_type=found).served_as == ""


def test_unknown_fields_survive_in_the_document() -> None:
    raw = dumped(IMAGE | {"subject": {"digest": DIGEST}, "x": 1})
    assert Manifest.parse(raw).document["x"] == 1
    assert Manifest.parse(raw).raw == raw


def test_an_index_may_be_empty_and_an_image_without_layers() -> None:
    assert Manifest.parse(dumped({"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX})).manifests == ()
    assert Manifest.parse(dumped({"schemaVersion": 2, "config": CONFIG, "layers": None})).layers == ()


@pytest.mark.parametrize(
    ("document", "content_type", "error", "reason"),
    [
        (IMAGE | {"manifests": []}, "", InvalidContent, "more than one kind"),
        (INDEX | {"config": CONFIG}, "", InvalidContent, "more than one kind"),
        (INDEX | {"layers": []}, mediatype.OCI_INDEX, InvalidContent, "more than one kind"),
        (IMAGE | {"fsLayers": []}, "", InvalidContent, "more than one kind"),
        (IMAGE | {"history": []}, "", InvalidContent, "more than one kind"),
        (INDEX | {"signatures": []}, "", InvalidContent, "more than one kind"),
        (IMAGE | {"mediaType": mediatype.OCI_INDEX}, "", InvalidContent, "keys say otherwise"),
        (INDEX | {"mediaType": mediatype.OCI_MANIFEST}, "", InvalidContent, "keys say otherwise"),
        (INDEX, mediatype.OCI_MANIFEST, InvalidContent, "keys say otherwise"),
        (IMAGE, mediatype.DOCKER_LIST, InvalidContent, "keys say otherwise"),
        (IMAGE | {"mediaType": mediatype.DOCKER_MANIFEST}, mediatype.OCI_MANIFEST, InvalidContent, "served as"),
        (DOCKER | {"mediaType": mediatype.OCI_MANIFEST}, mediatype.DOCKER_MANIFEST, InvalidContent, "served as"),
        (DOCKER | {"mediaType": mediatype.SCHEMA1}, mediatype.DOCKER_MANIFEST, InvalidContent, "served as"),
        (DOCKER, mediatype.DOCKER_LIST, InvalidContent, "served as"),
        (INDEX | {"mediaType": mediatype.OCI_INDEX}, mediatype.OCI_MANIFEST, InvalidContent, "served as"),
        (IMAGE | {"mediaType": "x/y"}, mediatype.OCI_MANIFEST, InvalidContent, "served as"),
        (IMAGE | {"mediaType": "x/y"}, "", Unsupported, "unsupported manifest type 'x/y'"),
        (IMAGE | {"mediaType": 5}, "", InvalidContent, "mediaType is not a string"),
        ({"schemaVersion": 2}, "", InvalidContent, "neither config nor manifests"),
        ({"schemaVersion": 2, "layers": []}, "", InvalidContent, "neither config nor manifests"),
        ({"schemaVersion": 2, "config": "x"}, "", InvalidContent, "neither config nor manifests"),
        ({"schemaVersion": 2, "layers": []}, mediatype.OCI_MANIFEST, InvalidContent, "config is not a descriptor"),
        ({"schemaVersion": 2, "manifests": {}}, mediatype.OCI_INDEX, InvalidContent, "manifests is not a list"),
        ({"schemaVersion": 2, "manifests": [5]}, "", InvalidContent, r"manifests\[0\] is not a descriptor"),
        (IMAGE | {"layers": "x"}, "", InvalidContent, "layers is not a list"),
        (IMAGE | {"layers": [LAYER, 5]}, "", InvalidContent, r"layers\[1\] is not a descriptor"),
        (IMAGE | {"layers": [LAYER] * 20_001}, "", InvalidContent, "at most 20000"),
        (IMAGE | {"layers": [LAYER | {"size": -1}]}, "", InvalidContent, r"layers\[0\]\.size"),
        (IMAGE | {"layers": [LAYER | {"digest": "sha256:../../etc"}]}, "", InvalidDigest, "invalid digest"),
        (IMAGE | {"config": CONFIG | {"digest": ""}}, "", InvalidDigest, "invalid digest"),
        (IMAGE | {"schemaVersion": 3}, "", InvalidContent, "schemaVersion is 3"),
        (IMAGE | {"schemaVersion": "2"}, "", InvalidContent, "schemaVersion is '2'"),
        (IMAGE | {"schemaVersion": 2.0}, "", InvalidContent, "schemaVersion is 2.0"),
        (IMAGE | {"mediaType": False}, "", InvalidContent, "mediaType is not a string"),
        ({"config": CONFIG}, "", InvalidContent, "schemaVersion is None"),
        ({"schemaVersion": 1, "fsLayers": [], "history": []}, "", InvalidContent, "0 fsLayers and 0 history"),
        ({"schemaVersion": 1}, "", InvalidContent, "fsLayers is not a list"),
        (INDEX, mediatype.SCHEMA1_SIGNED, InvalidContent, "served as"),
        ([], "", InvalidContent, "not a JSON object"),
    ],
)
def test_what_is_refused(document: Any, content_type: str, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason) as caught:
        Manifest.parse(dumped(document), content_type=content_type)
    assert "\n" not in str(caught.value)


def test_two_equal_names_are_refused() -> None:
    with pytest.raises(InvalidContent, match="duplicate name 'config'"):
        Manifest.parse(b'{"schemaVersion":2,"config":{},"config":{}}')


@pytest.mark.parametrize(
    "document",
    [
        IMAGE | {"Layers": []},
        IMAGE | {"LAYERS": None},
        IMAGE | {"layer\u017f": []},
        IMAGE | {"MANIFESTS": []},
        IMAGE | {"FsLayers": []},
        IMAGE | {"SchemaVersion": 1},
        IMAGE | {"MediaType": mediatype.OCI_INDEX},
        IMAGE | {"config": CONFIG | {"Digest": DIGEST}},
        IMAGE | {"layers": [LAYER | {"Size": 4}]},
        IMAGE | {"subject": {"digest": DIGEST, "Digest": DIGEST}},
        INDEX | {"Manifests": []},
        INDEX | {"manifests": [{"digest": DIGEST, "size": 9, "platform": {"os": "linux", "Os": "windows"}}]},
        {"schemaVersion": 2, "config": CONFIG, "Layers": [LAYER]},
        {"schemaVersion": 2, "Manifests": INDEX["manifests"]},
    ],
)
def test_names_that_go_takes_for_a_field(document: dict[str, Any]) -> None:
    """Programs in Go would read another image in the same bytes than others; a single one in another case, too."""
    with pytest.raises(InvalidContent, match="by case only"):
        Manifest.parse(dumped(document))


def test_names_in_maps_and_unknown_fields_are_free() -> None:
    annotations = {"Layers": "x", "layers": "y", "a": None, "A": "2"}
    raw = dumped(IMAGE | {"annotations": annotations, "x-Layers": [], "x": {"layers": 1, "Layers": 2}, "X": 3})
    assert Manifest.parse(raw).annotations == annotations | {"a": ""}


def test_over_four_mebibytes() -> None:
    raw = dumped(IMAGE)
    limit = 4 * 1024 * 1024
    Manifest.parse(raw.ljust(limit))
    with pytest.raises(TooLarge, match="manifest is over the limit of 4194304 bytes"):
        Manifest.parse(raw.ljust(limit + 1))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_digest_asked_for(algorithm: str) -> None:
    raw = dumped(IMAGE)
    wanted = Digest.of(raw, algorithm)
    assert Manifest.parse(raw, expected=wanted).digest == wanted
    # Before it is even parsed: what was not asked for is not looked at.
    with pytest.raises(ContentMismatch, match="manifest digest mismatch") as caught:
        Manifest.parse(b"not even JSON", expected=wanted)
    assert caught.value.expected == str(wanted)


def test_an_algorithm_nobody_can_check() -> None:
    with pytest.raises(Unsupported, match="cannot be verified"):
        Manifest.parse(dumped(IMAGE), expected=Digest("md5", "0" * 32))


@pytest.mark.parametrize("media_type", [[], {}, 1, None])
def test_a_configuration_whose_type_is_no_text(media_type: object) -> None:
    """The type of a manifest that states none is taken from that of its configuration."""
    raw = json.dumps({"schemaVersion": 2, "config": {"mediaType": media_type}, "layers": []}).encode()
    with pytest.raises(InvalidContent):
        _ = Manifest.parse(raw).layers, Manifest.parse(raw).config
