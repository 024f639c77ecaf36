"""Docker manifests as OCI ones."""

import json
from typing import Any

import pytest

from pyskopeo.errors import Unsupported
from pyskopeo.model import mediatype
from pyskopeo.model.convert import image_to_oci, index_to_oci, replace_children
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from tests.support.images import build

CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"docker_version":"1"}'


def docker(*layers: dict[str, Any]) -> Manifest:
    config = {"mediaType": mediatype.DOCKER_CONFIG, "size": len(CONFIG), "digest": str(Digest.of(CONFIG))}
    document = {"schemaVersion": 2, "mediaType": mediatype.DOCKER_MANIFEST, "config": config, "layers": layers}
    return Manifest.parse(json.dumps(document).encode())


def layer(media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "size": 5, "digest": "sha256:" + "b" * 64} | more


def test_an_image() -> None:
    manifest, described, content = image_to_oci(docker(layer(mediatype.DOCKER_LAYER_GZIP, annotations={"a": "b"})), CONFIG)
    assert content == b'{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'
    assert described == Descriptor(mediatype.OCI_CONFIG, Digest.of(content), len(content))
    assert manifest.raw.decode() == (
        '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",'
        f'"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{Digest.of(content)}",'
        f'"size":{len(content)}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",'
        f'"digest":"sha256:{"b" * 64}","size":5}}]}}'
    )


def test_a_foreign_layer_keeps_its_addresses() -> None:
    foreign = layer(mediatype.DOCKER_FOREIGN_GZIP, urls=["https://example.com/?a=1&b=2"])
    manifest, _, _ = image_to_oci(docker(foreign), CONFIG)
    assert manifest.layers[0].urls == ("https://example.com/?a=1&b=2",)
    assert manifest.layers[0].media_type == "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    assert b"?a=1\\u0026b=2" in manifest.raw
    assert b'"size":5,"urls":[' in manifest.raw


@pytest.mark.parametrize("media_type", ["", "application/x", mediatype.OCI_LAYER_GZIP, mediatype.DOCKER_CONFIG])
def test_a_layer_without_an_oci_name(media_type: str) -> None:
    with pytest.raises(Unsupported, match="unknown media type during manifest conversion"):
        image_to_oci(docker(layer(media_type)), CONFIG)


def test_a_list_of_which_one_child_was_converted() -> None:
    # What skopeo writes for a list of which not all is copied: entries it leaves alone keep Docker's type.
    source = Manifest.parse(build("docker-list").root.raw)
    first = source.manifests[0]
    new = Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"new"), 3)
    index = index_to_oci(source, {first.digest: new})
    assert index.media_type == mediatype.OCI_INDEX
    assert list(index.document) == ["schemaVersion", "mediaType", "manifests"]
    assert index.document["manifests"][0] == {
        "mediaType": mediatype.OCI_MANIFEST,
        "digest": str(new.digest),
        "size": 3,
        "platform": {"architecture": "amd64", "os": "linux"},
    }
    for old, written in zip(source.manifests[1:], index.manifests[1:], strict=True):
        assert (written.media_type, written.digest, written.size) == (mediatype.DOCKER_MANIFEST, old.digest, old.size)
        assert written.platform == old.platform


def test_children_replaced_and_left_out_in_an_index_that_keeps_its_other_fields() -> None:
    entries = [
        {"digest": "sha256:" + c * 64, "size": 1, "mediaType": mediatype.DOCKER_MANIFEST, "x": c} for c in "abc"
    ]
    content = {"data": "", "digest": str(Digest.of(b"")), "size": 0, "mediaType": mediatype.OCI_MANIFEST, "x": "d"}
    document = {"annotations": {"z": "<1>", "a": "2"}, "schemaVersion": 2, "manifests": [*entries, content], "foo": None}
    source = Manifest.parse(json.dumps(document).encode(), content_type=mediatype.OCI_INDEX)
    new = Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"new"), 3)
    kept = frozenset(source.manifests[n].digest for n in (0, 2, 3))
    index = replace_children(source, {source.manifests[n].digest: new for n in (0, 3)}, kept)
    changed = {"digest": str(new.digest), "size": 3, "mediaType": mediatype.OCI_MANIFEST}
    assert index.document == document | {"manifests": [changed | {"x": "a"}, entries[2], changed | {"x": "d"}]}
    assert list(index.document) == ["annotations", "schemaVersion", "manifests", "foo"]
    assert index.media_type == mediatype.OCI_INDEX
