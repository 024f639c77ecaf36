"""Schema 1 from and to schema 2 and OCI, in the bytes that skopeo writes (its own are compared in the interop tests)."""

import gzip
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from pyskopeo.errors import InvalidContent, Unsupported
from pyskopeo.model import mediatype
from pyskopeo.model.change import Outcome
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.manifest_conversion import docker_image, replace_layers
from pyskopeo.model.schema1 import EMPTY_LAYER, EMPTY_LAYER_DESCRIPTOR, from_docker, non_empty_layers, to_docker, to_oci
from tests.support.schema1 import HISTORY, IDS, SUMS, document, dumped, signed

DIFF_IDS = [Digest.parse("sha256:" + digit * 64) for digit in "789"]


def outcomes(manifest: Manifest, **more: Any) -> list[Outcome]:
    layers = non_empty_layers(manifest)
    return [
        Outcome(replace(layer, size=10 + n, **more), diff_id)
        for n, (layer, diff_id) in enumerate(zip(layers, DIFF_IDS[: len(layers)], strict=True))
    ]


def schema1(*history: Any, **more: Any) -> Manifest:
    return Manifest.parse(dumped(document(*history, **more)))


TOP = {
    "id": IDS[1], "parent": IDS[0], "parent_id": "x", "layer_id": "y", "throwaway": False, "Size": 7, "os": "linux",
    "config": {"Cmd": ["<&>"], "unknown": 1.50}, "created": "2016-01-02T03:04:05.60Z", "author": "me", "z": None,
    "container_config": {"Cmd": ["/bin/sh", "-c", "a && b"]}, "comment": "top",
}  # fmt: skip
TOP_HISTORY = (
    '{"created":"2016-01-02T03:04:05.6Z","author":"me","created_by":"/bin/sh -c a \\u0026\\u0026 b","comment":"top"}'
)
BASE_HISTORY = '{"created":"0001-01-01T00:00:00Z"}'


def test_to_schema_2() -> None:
    source = schema1(HISTORY[0], TOP)
    manifest, described, config = to_docker(source, outcomes(source))
    assert config.decode() == (
        '{"author":"me","comment":"top","config":{"Cmd":["\\u003c\\u0026\\u003e"],"unknown":1.5},'
        '"container_config":{"Cmd":["/bin/sh","-c","a \\u0026\\u0026 b"]},"created":"2016-01-02T03:04:05.60Z",'
        f'"history":[{BASE_HISTORY},{TOP_HISTORY}],"os":"linux",'
        f'"rootfs":{{"type":"layers","diff_ids":["{DIFF_IDS[0]}","{DIFF_IDS[1]}"]}},"z":null}}'
    )
    assert described == Descriptor(mediatype.DOCKER_CONFIG, Digest.of(config), len(config))
    kind = mediatype.DOCKER_LAYER_GZIP
    assert manifest.raw.decode() == (
        f'{{"schemaVersion":2,"mediaType":"{mediatype.DOCKER_MANIFEST}",'
        f'"config":{{"mediaType":"{mediatype.DOCKER_CONFIG}","size":{len(config)},"digest":"{Digest.of(config)}"}},'
        f'"layers":[{{"mediaType":"{kind}","size":10,"digest":"{SUMS[0]}"}},'
        f'{{"mediaType":"{kind}","size":11,"digest":"{SUMS[1]}"}}]}}'
    )
    assert to_docker(Manifest.parse(signed(source.raw)), outcomes(source)) == (manifest, described, config)


def test_empty_layers_are_in_the_history_only() -> None:
    source = schema1(HISTORY[0] | {"throwaway": True}, HISTORY[1], HISTORY[2] | {"throwaway": True})
    manifest, _, config = to_docker(source, outcomes(source))
    assert [str(layer.digest) for layer in manifest.layers] == [SUMS[1]]
    read = json.loads(config)
    assert read["rootfs"]["diff_ids"] == [str(DIFF_IDS[0])]
    assert [step.get("empty_layer", False) for step in read["history"]] == [True, False, True]
    only = schema1(HISTORY[0] | {"throwaway": True})
    assert json.loads(to_docker(only, [])[2])["rootfs"] == {"type": "layers"}


def test_to_oci_and_with_other_bytes_for_its_layers() -> None:
    source = schema1(HISTORY[0], TOP)
    other = [Outcome(replace(o.descriptor, media_type=mediatype.DOCKER_LAYER_ZSTD), o.diff_id) for o in outcomes(source)]
    manifest, described, config = to_oci(source, other)
    assert [layer.media_type for layer in manifest.layers] == [mediatype.OCI_LAYER_ZSTD] * 2
    assert (manifest.media_type, manifest.config) == (mediatype.OCI_MANIFEST, described)
    assert list(json.loads(config)) == ["created", "author", "architecture", "os", "config", "rootfs", "history"]
    assert "unknown" not in json.loads(config)["config"]
    with pytest.raises(Unsupported, match="zstd compression is not supported for docker images: use the OCI format"):
        to_docker(source, other)


@pytest.mark.parametrize(("version", "old"), [("1.8.2", True), ("1.8.0-rc2", True), ("1.8.3", False), ("1.10", False)])
def test_what_docker_before_1_8_3_left_out_is_filled_in(version: str, old: bool) -> None:
    source = schema1({"id": IDS[0], "docker_version": version, "config": {"Cmd": "x", "unknown": 1}})
    read = json.loads(to_docker(source, outcomes(source))[2])
    assert ("container_config" in read) == old
    assert read["config"].get("Hostname") == ("" if old else None)
    assert read["config"]["Cmd"] == (["x"] if old else "x")
    assert ("unknown" in read["config"]) != old


@pytest.mark.parametrize(
    ("top", "reason"),
    [
        ({"config": "x"}, "topmost v1Compatibility.config is not an object"),
        ({"config": {"Env": "x"}}, "config.Env is not a list"),
        ({"config": {"StopTimeout": 1.5}}, "config.StopTimeout is not a whole number"),
        ({"docker_version": 5}, "docker_version is not a string"),
        ({"os": []}, "os is not a string"),
    ],
)
def test_a_topmost_entry_that_is_no_configuration(top: dict[str, Any], reason: str) -> None:
    source = schema1({"id": IDS[0]} | top)
    with pytest.raises(InvalidContent, match=reason):
        to_docker(source, outcomes(source))


def test_as_many_outcomes_as_layers_with_files() -> None:
    source = schema1(HISTORY[0], HISTORY[1] | {"throwaway": True})
    with pytest.raises(ValueError, match="there are 1 layers with files, not 2"):
        to_docker(source, outcomes(schema1(*HISTORY[:2])))


def test_the_empty_layer() -> None:
    assert gzip.decompress(EMPTY_LAYER) == bytes(1024)
    assert (len(EMPTY_LAYER), EMPTY_LAYER_DESCRIPTOR.size) == (32, 32)
    assert str(EMPTY_LAYER_DESCRIPTOR.digest) == f"sha256:{hashlib.sha256(EMPTY_LAYER).hexdigest()}"
    assert EMPTY_LAYER_DESCRIPTOR.digest.hex == "a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"


def docker(config: dict[str, Any], *layers: Descriptor) -> tuple[Manifest, bytes]:
    raw = json.dumps(config).encode()
    return docker_image(Descriptor(mediatype.DOCKER_CONFIG, Digest.of(raw), len(raw)), layers), raw


LAYERS = [Descriptor(mediatype.DOCKER_LAYER_GZIP, Digest.parse(digest), 5) for digest in SUMS]
STEPS: list[dict[str, Any]] = [
    {"created": "2020-01-01T00:00:00.50Z", "created_by": "ADD <a>", "author": "me"},
    {"created_by": "ENV a", "comment": "c", "empty_layer": True},
    {"created_by": "top", "created": "2020-01-01T00:00:00Z"},
]
CONFIG = {"os": "linux", "architecture": "arm64", "rootfs": {}, "history": STEPS, "config": {"Env": ["<"]}, "x": 1.50}


def v1_id(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def test_from_schema_2() -> None:
    source, config = docker(CONFIG, *LAYERS[:2])
    manifest, extra = from_docker(source, config, "library/x", "v1")
    base = v1_id("a" * 64, "")
    middle = v1_id(EMPTY_LAYER_DESCRIPTOR.digest.hex, base)
    top = v1_id("b" * 64, middle, config.decode())
    never = "0001-01-01T00:00:00Z"

    def command(text: str) -> str:
        return f'"container_config":{{"Cmd":["{text}"]}}'

    changed, old = "ENV a", "ADD \\u003ca\\u003e"
    texts = [
        f'{{"architecture":"arm64","config":{{"Env":["\\u003c"]}},"id":"{top}","os":"linux","parent":"{middle}","x":1.5}}',
        f'{{"id":"{middle}","parent":"{base}","comment":"c","created":"{never}",{command(changed)},"throwaway":true}}',
        f'{{"id":"{base}","created":"2020-01-01T00:00:00.5Z",{command(old)},"author":"me"}}',
    ]
    assert manifest.raw.decode() == (
        '{"name":"library/x","tag":"v1","architecture":"arm64","fsLayers":['
        + ",".join(f'{{"blobSum":"{d}"}}' for d in (SUMS[1], EMPTY_LAYER_DESCRIPTOR.digest, SUMS[0]))
        + '],"history":['
        + ",".join(f'{{"v1Compatibility":{json.dumps(text)}}}' for text in texts)
        + '],"schemaVersion":1}'
    )
    assert extra == ((EMPTY_LAYER_DESCRIPTOR, EMPTY_LAYER),)
    assert (manifest.media_type, manifest.digest) == (mediatype.SCHEMA1, Digest.of(manifest.raw))
    # The sizes are known, so that the blobs can be copied like any others.
    assert [(layer.digest, layer.size) for layer in manifest.layers] == [
        (LAYERS[0].digest, 5), (EMPTY_LAYER_DESCRIPTOR.digest, 32), (LAYERS[1].digest, 5),
    ]  # fmt: skip
    assert non_empty_layers(manifest) == tuple(replace(layer, size=-1) for layer in LAYERS[:2])


def test_an_image_whose_topmost_step_changed_no_file() -> None:
    source, config = docker(CONFIG | {"history": STEPS[:2], "throwaway": False}, LAYERS[0])
    manifest, _ = from_docker(source, config, "", "")
    assert '"throwaway":true' in manifest.document["history"][0]["v1Compatibility"]
    assert non_empty_layers(manifest) == (replace(LAYERS[0], size=-1),)


def test_no_empty_layer_where_none_is_needed() -> None:
    source, config = docker(CONFIG | {"history": STEPS[::2]}, *LAYERS[:2])
    assert from_docker(source, config, "", "")[1] == ()


def test_what_a_configuration_says_of_another_image_is_left_out() -> None:
    source, config = docker(CONFIG | {"history": STEPS[:1], "parent": "z", "throwaway": True, "id": "i"}, LAYERS[0])
    manifest, _ = from_docker(source, config, "", "")
    assert non_empty_layers(manifest) == (replace(LAYERS[0], size=-1),)
    read = json.loads(manifest.document["history"][0]["v1Compatibility"])
    assert read.keys() & {"parent", "throwaway", "rootfs", "history"} == set()
    assert read["id"] == v1_id("a" * 64, "", config.decode())


def test_foreign_layers_are_layers_like_any_others() -> None:
    """Schema 1 has no URLs: the blob has to be there."""
    foreign = replace(LAYERS[0], media_type=mediatype.DOCKER_FOREIGN_GZIP, urls=("https://example.com/",))
    source, config = docker(CONFIG | {"history": STEPS[:1]}, foreign)
    assert from_docker(source, config, "", "")[0].layers == (LAYERS[0],)


@pytest.mark.parametrize(
    ("changes", "layers", "error", "reason"),
    [
        ({"history": []}, [], Unsupported, "0 history entries"),
        ({"history": None}, LAYERS[:1], Unsupported, "0 history entries"),
        ({}, LAYERS[:1], InvalidContent, "tells of 2 layers, the manifest has 1"),
        ({}, LAYERS[:3], InvalidContent, "tells of 2 layers, the manifest has 3"),
        ({"history": {}}, [], InvalidContent, "history is not a list"),
        ({"history": [5]}, [], InvalidContent, "history is not an object"),
        ({"history": [{"created": "x"}]}, LAYERS[:1], InvalidContent, "not a time"),
        ({"architecture": 5}, LAYERS[:2], InvalidContent, "architecture is not a string"),
        ({}, [LAYERS[0], replace(LAYERS[1], media_type=mediatype.DOCKER_LAYER_ZSTD)], Unsupported, "zstd compression"),
    ],
)
def test_what_has_no_schema_1_form(
    changes: dict[str, Any], layers: list[Descriptor], error: type[Exception], reason: str
) -> None:
    source, config = docker(CONFIG | changes, *layers)
    with pytest.raises(error, match=reason):
        from_docker(source, config, "", "")


def test_there_and_back() -> None:
    """The history survives, and the layers."""
    source, config = docker(CONFIG, *LAYERS[:2])
    old, _ = from_docker(source, config, "x", "y")
    layers = [Outcome(replace(layer, size=5), diff_id) for layer, diff_id in zip(non_empty_layers(old), DIFF_IDS, strict=False)]
    manifest, _, made = to_docker(old, layers)
    assert manifest.layers == source.layers
    history = json.loads(made)["history"]
    assert [step.get("empty_layer", False) for step in history] == [False, True, False]
    assert [step.get("created_by") for step in history] == ["ADD <a>", "ENV a", None]


@pytest.mark.parametrize("sign", [False, True])
def test_other_bytes_for_layers(sign: bool) -> None:
    written = document(*HISTORY, sums=[SUMS[0], SUMS[1], SUMS[0]], unknown="<")
    written["fsLayers"][0]["x"] = 1
    source = Manifest.parse(signed(dumped(written)) if sign else dumped(written))
    new = Descriptor(mediatype.DOCKER_LAYER_GZIP, Digest.parse(SUMS[5]), 77)
    manifest = replace_layers(source, {Digest.parse(SUMS[0]): new})
    written["fsLayers"] = [{"blobSum": SUMS[5], "x": 1}, {"blobSum": SUMS[1]}, {"blobSum": SUMS[5]}]
    assert manifest.document == written
    assert (manifest.media_type, list(manifest.document)) == (mediatype.SCHEMA1, list(written))
    assert [layer.size for layer in manifest.layers] == [77, -1, 77]
