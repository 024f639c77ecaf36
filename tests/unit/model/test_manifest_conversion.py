"""Docker manifests as OCI ones and the other way round, and manifests with other layers or children."""

import dataclasses
import json
from typing import Any

import pytest

from pyskopeo.errors import Unsupported
from pyskopeo.model import mediatype
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.manifest_conversion import (
    image_to_docker,
    image_to_oci,
    index_to_docker,
    index_to_oci,
    replace_children,
    replace_layers,
)
from pyskopeo.model.platform import Platform
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


@pytest.mark.parametrize("media_type", ["", "application/x", mediatype.OCI_LAYER_GZIP + "+encrypted", mediatype.DOCKER_CONFIG])
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


def oci(*layers: dict[str, Any], **more: Any) -> Manifest:
    config = {"mediaType": mediatype.OCI_CONFIG, "size": len(CONFIG), "digest": str(Digest.of(CONFIG)), "x": 1}
    document = {"schemaVersion": 2, "config": config, "layers": layers} | more
    return Manifest.parse(json.dumps(document).encode())


def test_an_image_for_docker() -> None:
    first = layer(mediatype.OCI_LAYER_GZIP, annotations={"a": "b"}, data="")
    first |= {"size": 0, "digest": str(Digest.of(b""))}
    foreign = layer(mediatype.OCI_NONDISTRIBUTABLE + "+gzip", urls=["https://example.com/?a=1&b=2"])
    manifest = image_to_docker(oci(first, foreign, layer(mediatype.OCI_LAYER), annotations={"x": "y"}))
    b = f"sha256:{'b' * 64}"
    assert manifest.raw.decode() == (
        '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",'
        f'"config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":{len(CONFIG)},'
        f'"digest":"{Digest.of(CONFIG)}"}},"layers":['
        f'{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":0,"digest":"{Digest.of(b"")}"}},'
        f'{{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","size":5,"digest":"{b}",'
        '"urls":["https://example.com/?a=1\\u0026b=2"]},'
        f'{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar","size":5,"digest":"{b}"}}]}}'
    )
    assert manifest.media_type == mediatype.DOCKER_MANIFEST
    assert image_to_docker(oci()).raw.endswith(b',"layers":[]}')


@pytest.mark.parametrize(
    ("media_type", "reason"),
    [
        (mediatype.OCI_LAYER_ZSTD, "zstd compression is not supported for docker images"),
        (mediatype.OCI_NONDISTRIBUTABLE + "+zstd", "zstd compression is not supported for docker images"),
        (mediatype.OCI_LAYER_GZIP + "+encrypted", "encrypted layers .* are not supported in docker images"),
        (mediatype.OCI_LAYER + "+encrypted", "encrypted layers"),
        ("", "unknown media type during manifest conversion"),
        ("application/x", "unknown media type"),
        ("x" * 10_000, "unknown media type"),
        (mediatype.OCI_CONFIG, "unknown media type"),
        (mediatype.OCI_MANIFEST, "unknown media type"),
        (mediatype.DOCKER_LAYER_ZSTD, "zstd"),
    ],
)
def test_a_layer_without_a_docker_name(media_type: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason) as caught:
        image_to_docker(oci(layer(mediatype.OCI_LAYER), layer(media_type)))
    assert len(str(caught.value)) < 300


def test_an_artifact_is_no_image_for_docker() -> None:
    artifact = Manifest.parse(build("artifact").root.raw)
    with pytest.raises(Unsupported, match=r"an artifact of type 'application/vnd\.oci\.empty\.v1\+json'"):
        image_to_docker(artifact)
    with pytest.raises(Unsupported, match="an artifact of type application/vnd.oci.image.index"):
        image_to_docker(Manifest.parse(build("oci-index").root.raw))


def test_an_index_for_docker() -> None:
    entries = [
        {"mediaType": mediatype.OCI_MANIFEST, "digest": "sha256:" + c * 64, "size": n, "annotations": {"a": c}, "x": 1}
        for n, c in enumerate("abc")
    ]
    platform = {"os": "w", "variant": "<", "os.features": ["f"], "architecture": "a", "os.version": "1"}
    entries[1] |= {"platform": platform, "urls": ["u"]}
    document = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": entries, "annotations": {"z": "1"}}
    source = Manifest.parse(json.dumps(document).encode())
    new = Descriptor(mediatype.DOCKER_MANIFEST, Digest.of(b"new"), 3, annotations={"n": "o"})
    index = index_to_docker(source, {source.manifests[0].digest: new}, Platform("linux", "amd64"))
    amd64 = '"platform":{"architecture":"amd64","os":"linux"}'
    assert index.raw.decode() == (
        f'{{"schemaVersion":2,"mediaType":"{mediatype.DOCKER_LIST}","manifests":['
        f'{{"mediaType":"{mediatype.DOCKER_MANIFEST}","size":3,"digest":"{new.digest}",{amd64}}},'
        f'{{"mediaType":"{mediatype.OCI_MANIFEST}","size":1,"digest":"sha256:{"b" * 64}","urls":["u"],"platform":'
        '{"architecture":"a","os":"w","os.version":"1","os.features":["f"],"variant":"\\u003c"}},'
        f'{{"mediaType":"{mediatype.OCI_MANIFEST}","size":2,"digest":"sha256:{"c" * 64}",{amd64}}}]}}'
    )
    here = index_to_docker(source, {}).manifests[2].platform
    assert here == Platform("linux", Platform.host().architecture)


def test_an_entry_of_a_list_without_a_platform() -> None:
    entry = {"mediaType": mediatype.DOCKER_MANIFEST, "digest": "sha256:" + "a" * 64, "size": 1}
    document = {"schemaVersion": 2, "mediaType": mediatype.DOCKER_LIST, "manifests": [entry]}
    index = index_to_oci(Manifest.parse(json.dumps(document).encode()), {})
    assert index.document["manifests"] == [entry | {"platform": {"architecture": "", "os": ""}}]


@pytest.mark.parametrize("make", [docker, oci])
def test_other_bytes_for_layers(make: Any) -> None:
    chunked, toc = "io.github.containers.zstd-chunked.manifest-position", "containerd.io/snapshot/stargz/toc.digest"
    old = layer(mediatype.OCI_LAYER_ZSTD, urls=["u"], annotations={"<a>": "&", chunked: "1", toc: "2"}, unknown=[1])
    only = layer(mediatype.OCI_LAYER_ZSTD, annotations={chunked: "1"}, digest="sha256:" + "c" * 64)
    kept = layer("application/x", digest="sha256:" + "d" * 64, annotations={chunked: "1"}, urls=["u"])
    empty = {"mediaType": "x", "digest": str(Digest.of(b"")), "size": 0, "data": ""}
    source = make(old, kept, only, old, empty)
    source = Manifest.parse(json.dumps(dict(source.document) | {"annotations": {"z": "<"}, "unknown": 1.0}).encode())
    new = Descriptor("application/new", Digest.of(b"new"), 3, annotations={"not": "taken"}, urls=("nor this",))
    changed = {source.layers[n].digest: new for n in (0, 2, 4)}
    manifest = replace_layers(source, changed)
    written = {"mediaType": "application/new", "size": 3, "digest": str(new.digest)}
    first = written | {"annotations": {"<a>": "&"}, "unknown": [1]}
    assert manifest.document == dict(source.document) | {"layers": [first, kept, written, first, written]}
    assert list(manifest.document) == list(source.document)
    assert manifest.media_type == source.media_type
    assert b'"z":"\\u003c"},"unknown":1' in manifest.raw
    assert [one.size for one in manifest.layers] == [3, 5, 3, 3, 3]
    # Digests that are not in the manifest change nothing but the way it is written.
    assert replace_layers(source, {new.digest: new}).document == source.document


def test_what_is_known_of_layers_that_stay_is_not_forgotten() -> None:
    source = oci(layer(mediatype.OCI_LAYER_GZIP), layer(mediatype.OCI_LAYER, digest="sha256:" + "c" * 64))
    known = dataclasses.replace(source.layers[0], media_type=mediatype.OCI_LAYER_ZSTD)
    new = Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"new"), 3)
    manifest = replace_layers(
        dataclasses.replace(source, layers=(known, source.layers[1])), {source.layers[1].digest: new}
    )
    assert manifest.layers == (known, new)


def test_an_image_without_layers_has_none_to_replace() -> None:
    assert replace_layers(oci(layers=None), {}).document["layers"] == []


MIXED = (
    mediatype.DOCKER_LAYER_GZIP, mediatype.OCI_LAYER_GZIP, mediatype.DOCKER_LAYER, mediatype.OCI_NONDISTRIBUTABLE,
    mediatype.DOCKER_FOREIGN_GZIP,
)  # fmt: skip


def test_layers_and_a_config_of_the_other_family() -> None:
    """Some build tools write Docker's types into an OCI manifest, or the other way round: they are equivalent."""
    source = oci(*map(layer, MIXED))
    made = image_to_docker(source)
    gzip, foreign = mediatype.DOCKER_LAYER_GZIP, mediatype.DOCKER_FOREIGN
    assert [one.media_type for one in made.layers] == [gzip, gzip, mediatype.DOCKER_LAYER, foreign, foreign + ".gzip"]
    config = dict(source.document["config"]) | {"mediaType": mediatype.DOCKER_CONFIG}
    again = image_to_docker(oci(*map(layer, MIXED), config=config))
    assert again.raw == made.raw
    back, *_ = image_to_oci(docker(*map(layer, (*MIXED, mediatype.OCI_LAYER_ZSTD))), CONFIG)
    gzip, foreign = mediatype.OCI_LAYER_GZIP, mediatype.OCI_NONDISTRIBUTABLE
    types = [gzip, gzip, mediatype.OCI_LAYER, foreign, foreign + "+gzip", mediatype.OCI_LAYER_ZSTD]
    assert [one.media_type for one in back.layers] == types
