"""The diff IDs that configurations state for layers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pyskopeo.engine.layer_changes import stated_diff_ids
from pyskopeo.engine.plan import Form, Graph
from pyskopeo.engine.planner import decide
from pyskopeo.errors import InvalidContent, InvalidDigest
from pyskopeo.model.digest import Digest
from tests.support.graphs import PLACES, graph_of, parsed
from tests.support.images import build


def with_config(document: object) -> Graph:
    """An image whose configuration is this document, whatever its digest says."""
    graph = graph_of(build("docker"))
    assert graph.root.config is not None
    return replace(graph, configs={graph.root.config.digest: json.dumps(document).encode()})


@pytest.mark.parametrize("kind", ["oci", "docker", "docker-list", "docker-repeated"])
def test_those_of_all_images(kind: str) -> None:
    image = build(kind)
    assert stated_diff_ids(graph_of(image)) == {
        Digest.parse(layer): (Digest.of(tar),) for layer, tar in image.tars.items()
    }


def test_only_of_configurations_that_were_read() -> None:
    image = build("docker")
    assert stated_diff_ids(Graph(parsed(image))) == {}
    assert stated_diff_ids(graph_of(build("artifact"))) == {}


@pytest.mark.parametrize("document", [{}, {"rootfs": None}, {"rootfs": {"diff_ids": []}}])
def test_a_configuration_without_diff_ids_states_nothing(document: object) -> None:
    graph = with_config(document)
    assert stated_diff_ids(graph) == {}
    decide(graph, PLACES["registry"], Form(compression="gzip"))


@pytest.mark.parametrize("number", [1, 4])
def test_another_number_than_layers(number: int) -> None:
    graph = with_config({"rootfs": {"diff_ids": ["sha256:" + "a" * 64] * number}})
    with pytest.raises(InvalidContent, match=f"has 3 layers, its configuration names {number}"):
        decide(graph, PLACES["registry"], Form("oci"))


def test_what_is_no_digest() -> None:
    with pytest.raises(InvalidDigest):
        decide(with_config({"rootfs": {"diff_ids": ["x", "y"]}}), PLACES["registry"])


def test_two_images_that_contradict_each_other_about_a_layer() -> None:
    """The layer must have both diff IDs, which it cannot."""
    image = build("docker-repeated")
    graph = graph_of(image)
    assert graph.root.config is not None
    diff_ids = [f"sha256:{n:064x}" for n in range(len(graph.root.layers))]
    config = json.dumps({"rootfs": {"diff_ids": diff_ids}}).encode()
    found = stated_diff_ids(replace(graph, configs={graph.root.config.digest: config}))
    assert sum(map(len, found.values())) == len(graph.root.layers) > len(found)
