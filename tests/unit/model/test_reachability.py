"""What can be reached from entries, whatever refers to what."""

from __future__ import annotations

import json

import pytest

from pyskopeo.errors import TooLarge
from pyskopeo.model import mediatype, reachability
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.reachability import Reachability
from tests.support.images import BuiltImage, build


def descriptor_of(raw: bytes, media_type: str) -> Descriptor:
    return Descriptor(media_type, Digest.of(raw), len(raw))


def walk(graph: Reachability, documents: dict[Digest, bytes]) -> list[Digest]:
    """Read what there is; return what was missing."""
    missing = []
    while batch := graph.take_unread():
        for node in batch:
            raw = documents.get(node.descriptor.digest)
            if raw is None:
                missing.append(node.descriptor.digest)
            else:
                graph.add_manifest(node, Manifest.parse(raw, content_type=node.descriptor.media_type))
    return missing


def documents_of(image: BuiltImage) -> dict[Digest, bytes]:
    return {Digest.parse(digest): manifest.raw for digest, manifest in image.manifests.items()}


@pytest.mark.parametrize("kind", ["oci", "oci-index-attested", "nested-index", "index-with-artifact", "oci-repeated"])
def test_everything_of_an_image_once(kind: str) -> None:
    image, graph = build(kind), Reachability()
    root = image.root
    graph.add_root(Descriptor(root.media_type, Digest.parse(root.digest), len(root.raw)), "v1")
    assert walk(graph, documents_of(image)) == []
    assert set(map(str, graph.nodes)) == {*image.manifests, *image.blobs}
    kinds = {str(digest): node.kind for digest, node in graph.nodes.items()}
    assert {digest for digest, kind in kinds.items() if kind == "manifest"} == set(image.manifests)
    assert {kind for digest, kind in kinds.items() if digest in image.blobs} == {"config", "layer"}
    assert all(graph.names(node) == ("v1",) for node in graph.nodes.values())


def test_manifests_that_name_themselves_and_each_other_come_to_an_end() -> None:
    """A digest in a circle cannot be true; a hostile layout can state one nevertheless."""
    one, two = (Digest.of(text) for text in (b"one", b"two"))

    def index(*children: Digest) -> bytes:
        entries = [{"mediaType": mediatype.OCI_INDEX, "digest": str(child), "size": 1} for child in children]
        return json.dumps({"schemaVersion": 2, "manifests": entries}).encode()

    graph = Reachability()
    graph.add_root(Descriptor(mediatype.OCI_INDEX, one, 1), "a")
    walk(graph, {one: index(one, two), two: index(one, two)})
    assert set(graph.nodes) == {one, two}
    assert graph.names(graph.nodes[two]) == ("a",)


def test_a_shared_layer_is_needed_by_both() -> None:
    image, graph = build("oci-index"), Reachability()
    for name, digest in zip("ab", image.manifests, strict=False):
        manifest = image.manifests[digest]
        graph.add_root(Descriptor(manifest.media_type, Digest.parse(digest), len(manifest.raw)), name)
    walk(graph, documents_of(image))
    first, second = (set(image.layer_digests(digest)) for digest in list(image.manifests)[:2])
    (shared,) = first & second
    assert sorted(graph.names(graph.nodes[Digest.parse(shared)])) == ["a", "b"]


def test_the_subject_of_a_manifest() -> None:
    subject = build("oci")
    document = build("artifact").root.json | {
        "subject": {"mediaType": mediatype.OCI_MANIFEST, "digest": subject.digest, "size": len(subject.root.raw)}
    }
    raw = json.dumps(document).encode()
    documents = documents_of(subject) | {Digest.of(raw): raw}
    for subjects in (False, True):
        graph = Reachability(subjects=subjects)
        graph.add_root(descriptor_of(raw, mediatype.OCI_MANIFEST), "sbom")
        assert walk(graph, documents) == []
        reached = set(map(str, graph.nodes))
        assert (subject.digest in reached) == (set(subject.blobs) <= reached) == subjects
    graph = Reachability(subjects=True)
    graph.add_root(descriptor_of(raw, mediatype.OCI_MANIFEST), "sbom")
    assert list(map(str, walk(graph, {Digest.of(raw): raw}))) == [subject.digest]
    assert graph.nodes[Digest.parse(subject.digest)].is_subject


@pytest.mark.parametrize("subject", ["text", {"digest": "../../x", "size": 1, "mediaType": "a/b"}, {"size": -1}])
def test_a_subject_that_names_nothing(subject: object) -> None:
    raw = json.dumps(build("artifact").root.json | {"subject": subject}).encode()
    graph = Reachability(subjects=True)
    graph.add_root(descriptor_of(raw, mediatype.OCI_MANIFEST), "sbom")
    assert walk(graph, {Digest.of(raw): raw}) == []
    assert len(graph.nodes) == 3


def test_an_entry_of_unknown_type_may_be_a_manifest() -> None:
    image, graph = build("oci"), Reachability()
    graph.add_root(Descriptor("application/x-unknown", Digest.parse(image.digest), len(image.root.raw)), "x")
    (node,) = graph.take_unread()
    assert node.is_uncertain
    graph.add_manifest(node, None)
    assert (node.kind, graph.take_unread(), len(graph.nodes)) == ("blob", [], 1)
    graph = Reachability()
    graph.add_root(Descriptor("application/x-unknown", Digest.parse(image.digest), len(image.root.raw)), "x")
    walk(graph, documents_of(image))
    assert set(map(str, graph.nodes)) == {image.digest, *image.blobs}


def test_different_sizes_of_one_blob_are_kept() -> None:
    digest, graph = Digest.of(b"x"), Reachability()
    for size in (1, 2, 2):
        graph.add_root(Descriptor(mediatype.OCI_LAYER, digest, size), "x")
    assert graph.nodes[digest].descriptor.size == 1
    assert graph.nodes[digest].other_sizes == (2,)


def test_the_number_of_nodes_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "_LIMIT", 3)
    graph = Reachability()
    for number in (0, 1, 2, 1):
        graph.add_root(Descriptor(mediatype.OCI_LAYER, Digest.of(bytes([number])), 1), "x")
    with pytest.raises(TooLarge, match="more than 3 manifests and blobs"):
        graph.add_root(Descriptor(mediatype.OCI_LAYER, Digest.of(b"x"), 1), "x")
