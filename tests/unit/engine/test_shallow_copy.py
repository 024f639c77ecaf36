"""The plan of a copy without layers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyskopeo.engine.plan import Form, Graph
from pyskopeo.engine.planner import decide
from pyskopeo.engine.shallow_copy import only_configs, shallow_form, without_layers
from pyskopeo.errors import Unsupported
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, build
from tests.support.specs import PlatformSpec

ACCEPTS = Accepts(frozenset({mediatype.OCI_MANIFEST, mediatype.OCI_INDEX}), compresses=True, sparse=True)
LIST = build(IndexSpec(tuple(ImageSpec(platform=PlatformSpec(name)) for name in ("amd64", "s390x"))))


def graph_of(image: object) -> Graph:
    built = build("oci") if image is None else image
    manifests = {Digest.parse(d): Manifest.parse(m.raw) for d, m in built.manifests.items()}  # type: ignore[attr-defined]
    root = manifests.pop(Digest.parse(built.digest))  # type: ignore[attr-defined]
    return Graph(root, manifests)


def test_only_configurations_are_left() -> None:
    plan = without_layers(decide(graph_of(LIST), ACCEPTS, shallow_form(Form(), ACCEPTS)))
    assert {str(blob.digest) for blob in plan.blobs} == {LIST.config_digest(LIST.child(n).digest) for n in (0, 1)}
    assert plan.root.raw == LIST.root.raw
    assert {str(manifest.digest) for manifest in plan.manifests} == {LIST.child(n).digest for n in (0, 1)}


def test_uncompressed_layers_are_left_alone() -> None:
    image = build(ImageSpec(layers=(LayerSpec("plain", compression="none"),)))
    plan = without_layers(decide(graph_of(image), ACCEPTS, shallow_form(Form(), ACCEPTS)))
    assert plan.root.raw == image.root.raw


def test_layers_that_would_be_converted_are_refused() -> None:
    with pytest.raises(Unsupported, match="--layers none copies no layers"):
        without_layers(decide(graph_of(None), ACCEPTS, shallow_form(Form(compression="zstd"), ACCEPTS)))


def test_destinations_that_need_layers() -> None:
    with pytest.raises(Unsupported, match="dir:x: --layers none writes an OCI layout"):
        shallow_form(Form(), replace(ACCEPTS, sparse=False, called="dir:x"))


def test_what_is_looked_up_without_layers() -> None:
    graph = only_configs(graph_of(LIST))
    assert [blob for child in graph.children.values() for blob in child.layers] == []
    assert all(child.config is not None for child in graph.children.values())
