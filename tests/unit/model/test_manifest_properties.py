"""Manifests of any shape are one thing or refused; what is taken has the digest of its bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import ContentMismatch, PyskopeoError
from pyskopeo.model import mediatype
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.manifest_conversion import image_to_docker, image_to_oci

CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"history":[]}'
digests = st.binary(max_size=3).map(lambda content: str(Digest.of(content)))
sizes = st.integers(0, 2**40)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
layers = st.fixed_dictionaries(
    {
        "mediaType": st.sampled_from([mediatype.OCI_LAYER, mediatype.OCI_LAYER_GZIP, mediatype.OCI_LAYER_ZSTD]),
        "digest": digests,
        "size": sizes,
    },
    optional={"annotations": st.dictionaries(texts, texts, max_size=2), "unknown": texts},
)
configs = st.fixed_dictionaries({"mediaType": st.just(mediatype.OCI_CONFIG), "digest": digests, "size": sizes})
images = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "config": configs, "layers": st.lists(layers, max_size=4)},
    optional={"mediaType": st.just(mediatype.OCI_MANIFEST), "annotations": st.dictionaries(texts, texts), "other": texts},
)
entries = st.fixed_dictionaries(
    {"mediaType": st.sampled_from(sorted(mediatype.MANIFESTS)), "digest": digests, "size": sizes},
    optional={"platform": st.fixed_dictionaries({"architecture": texts, "os": texts}, optional={"variant": texts})},
)
indexes = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "mediaType": st.just(mediatype.OCI_INDEX), "manifests": st.lists(entries, max_size=4)}
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts, digests),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
fields = st.sampled_from([
    "schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "urls", "data", "platform",
    "annotations", "fsLayers", "history", "signatures", "artifactType", "subject",
])  # fmt: skip


def written(document: object) -> bytes:
    return json.dumps(document).encode()


@given(st.one_of(images, indexes))
def test_what_is_sound_is_taken_and_keeps_its_bytes(document: dict[str, Any]) -> None:
    raw = written(document)
    manifest = Manifest.parse(raw, expected=Digest.of(raw))
    assert (manifest.raw, manifest.digest, manifest.document) == (raw, Digest.of(raw), document)
    assert [str(layer.digest) for layer in manifest.layers] == [e["digest"] for e in document.get("layers", ())]
    assert [entry.size for entry in manifest.manifests] == [e["size"] for e in document.get("manifests", ())]
    with pytest.raises(ContentMismatch):
        Manifest.parse(raw + b" ", expected=Digest.of(raw))


@given(images, indexes)
def test_nothing_is_an_image_and_an_index(image: dict[str, Any], index: dict[str, Any]) -> None:
    """CVE-2021-41190."""
    for document in (image | index, index | image):
        with pytest.raises(PyskopeoError):
            Manifest.parse(written(document))


@given(images)
def test_to_docker_and_back(document: dict[str, Any]) -> None:
    """The layers stay the same, in order; zstd has no name there."""
    manifest = Manifest.parse(written(document))
    try:
        docker = image_to_docker(manifest)
    except PyskopeoError:
        assert any(layer.media_type == mediatype.OCI_LAYER_ZSTD for layer in manifest.layers)
        return
    assert docker.media_type == mediatype.DOCKER_MANIFEST
    back, _, _ = image_to_oci(docker, CONFIG)
    kept = [(layer.media_type, layer.digest, layer.size) for layer in manifest.layers]
    assert [(layer.media_type, layer.digest, layer.size) for layer in back.layers] == kept


@given(
    st.one_of(images, indexes),
    st.dictionaries(fields, st.one_of(values, st.lists(st.dictionaries(fields, values)), st.dictionaries(fields, values))),
    st.sampled_from(["", "application/json", *sorted(mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES)]),
)
def test_whatever_is_changed_is_taken_or_refused_in_one_line(
    document: dict[str, Any], changes: dict[str, Any], content_type: str
) -> None:
    raw = written(document | changes)
    try:
        manifest = Manifest.parse(raw, content_type=content_type)
    except PyskopeoError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 1000
    else:
        assert manifest.raw == raw
