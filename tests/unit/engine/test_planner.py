"""What a copy will do: every mode of choice, every conversion, every refusal. No I/O anywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pyskopeo.engine.plan import Form, Graph
from pyskopeo.engine.planner import decide
from pyskopeo.engine.selection import check_depth
from pyskopeo.errors import CannotPreserve, InvalidContent, Unsupported
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.platform import Platform
from tests.support.graphs import graph_of, index_of, parsed
from tests.support.images import KINDS, ArtifactSpec, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, Spec, build

AMD64 = Platform("linux", "amd64")
OCI = Accepts(frozenset({mediatype.OCI_MANIFEST, mediatype.OCI_INDEX}), foreign=True)
ANYTHING = Accepts(mediatype.MANIFESTS)
SINGLE = Accepts(mediatype.IMAGES)
DOCKER = [kind for kind in KINDS if kind.startswith("docker")]


class TestNothingHasToChange:
    @pytest.mark.parametrize("kind", KINDS)
    def test_everything_goes_as_it_is(self, kind: str) -> None:
        image = build(kind)
        plan = decide(graph_of(image), ANYTHING)
        assert plan.root.raw == image.root.raw
        assert not plan.converted
        assert plan.contents == ()
        assert {str(m.digest): m.raw for m in (*plan.manifests, plan.root)} == {
            digest: manifest.raw for digest, manifest in image.manifests.items()
        }
        assert {str(blob.digest): blob.size for blob in plan.blobs} == {d: len(b) for d, b in image.blobs.items()}
        assert plan.total == sum(map(len, image.blobs.values()))
        assert plan.images == sum("manifests" not in m.json for m in image.manifests.values())

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in DOCKER])
    def test_oci_into_oci(self, kind: str) -> None:
        assert decide(graph_of(build(kind)), OCI).root.raw == build(kind).root.raw

    @pytest.mark.parametrize("kind", DOCKER)
    def test_docker_into_oci_when_digests_are_preserved(self, kind: str) -> None:
        image = build(kind)
        plan = decide(graph_of(image), OCI, Form(preserve_digests=True))
        assert plan.root.raw == image.root.raw
        assert {m.raw for m in plan.manifests} == {m.raw for d, m in image.manifests.items() if d != image.digest}
        assert plan.contents == ()

    def test_children_come_before_the_index_that_names_them(self) -> None:
        image = build("nested-index")
        plan = decide(graph_of(image), OCI)
        seen: set[Digest] = set()
        for manifest in (*plan.manifests, plan.root):
            assert {child.digest for child in manifest.manifests} <= seen
            seen.add(manifest.digest)
        assert plan.images == 4

    def test_artifacts_are_never_touched(self) -> None:
        config = {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": "sha256:" + "a" * 64, "size": 2}
        document = {"schemaVersion": 2, "mediaType": mediatype.DOCKER_MANIFEST, "config": config, "layers": []}
        raw = json.dumps(document).encode()
        plan = decide(Graph(Manifest.parse(raw)), OCI)
        assert plan.root.raw == raw
        assert [blob.size for blob in plan.blobs] == [2]


class TestDockerIntoOci:
    @pytest.mark.parametrize("kind", [kind for kind in DOCKER if kind != "docker-list"])
    def test_an_image(self, kind: str) -> None:
        image = build(kind)
        plan = decide(graph_of(image), OCI)
        assert plan.converted
        assert plan.source == Digest.parse(image.digest)
        assert plan.root.media_type == mediatype.OCI_MANIFEST
        assert [str(layer.digest) for layer in plan.root.layers] == list(image.layer_digests())
        assert all(layer.media_type.startswith(mediatype.OCI_LAYER) for layer in plan.root.layers)
        # The old configuration is not fetched, the new one is made.
        assert {str(blob.digest) for blob in plan.blobs} == set(image.layer_digests())
        ((descriptor, content),) = plan.contents
        assert plan.root.config == descriptor
        assert descriptor.digest == Digest.of(content)
        assert b"docker_version" not in content
        assert plan.all_blobs == (*plan.blobs, descriptor)
        assert plan.total == sum(blob.size for blob in plan.blobs) + len(content)

    def test_a_list(self) -> None:
        image = build("docker-list")
        plan = decide(graph_of(image), OCI)
        assert plan.root.media_type == mediatype.OCI_INDEX
        source = parsed(image)
        written = {m.digest: m for m in plan.manifests}
        assert len(plan.root.manifests) == len(source.manifests) == plan.images
        for old, new in zip(source.manifests, plan.root.manifests, strict=True):
            assert new.platform == old.platform
            assert new.media_type == mediatype.OCI_MANIFEST
            assert new.digest != old.digest
            assert new.size == len(written[new.digest].raw)
        assert len(plan.contents) == len(source.manifests)

    def test_a_list_of_which_little_is_copied(self) -> None:
        image = build("docker-list")
        plan = decide(graph_of(image, only=(1,)), OCI)
        types = [child.media_type for child in plan.root.manifests]
        assert types == [
            mediatype.OCI_MANIFEST if position == 1 else mediatype.DOCKER_MANIFEST for position in range(len(types))
        ]
        assert [m.digest for m in plan.manifests] == [plan.root.manifests[1].digest]
        assert plan.images == 1

    def test_only_the_list(self) -> None:
        image = build("docker-list")
        plan = decide(graph_of(image, only=()), OCI)
        assert (plan.manifests, plan.blobs, plan.images, plan.total) == ((), (), 0, 0)
        assert [c.digest for c in plan.root.manifests] == [c.digest for c in parsed(image).manifests]

    def test_a_docker_image_in_an_oci_index_changes_the_index_and_nothing_else(self) -> None:
        spec = IndexSpec(
            (ImageSpec("docker", platform=PlatformSpec("amd64")), ImageSpec("oci", platform=PlatformSpec("arm64"))),
            annotations={"a": "<b>"},
        )
        image = build(spec)
        plan = decide(graph_of(image), OCI)
        before, after = json.loads(image.root.raw), json.loads(plan.root.raw)
        assert after["manifests"][1:] == before["manifests"][1:]
        assert after["manifests"][0]["mediaType"] == mediatype.OCI_MANIFEST
        assert after["manifests"][0]["platform"] == before["manifests"][0]["platform"]
        assert {**after, "manifests": 0} == {**before, "manifests": 0}

    def test_a_list_inside_an_index(self) -> None:
        inner = IndexSpec((ImageSpec("docker"),), "docker")
        image = build(IndexSpec((inner, ImageSpec("oci", platform=PlatformSpec("arm64")))))
        plan = decide(graph_of(image), OCI)
        types = {m.digest: m.media_type for m in plan.manifests}
        assert set(types.values()) == {mediatype.OCI_INDEX, mediatype.OCI_MANIFEST}
        assert types[plan.root.manifests[0].digest] == mediatype.OCI_INDEX

    def test_the_types_a_source_corrects_are_the_ones_written(self) -> None:
        image = build("docker-uncompressed")
        graph = graph_of(image)
        actual = {Digest.parse(image.layer_digests()[0]): mediatype.DOCKER_LAYER_GZIP}
        plan = decide(replace(graph, actual_types=actual), OCI)
        assert [layer.media_type for layer in plan.root.layers] == [mediatype.OCI_LAYER_GZIP, mediatype.OCI_LAYER]

    def test_a_layer_that_has_no_name_in_oci(self) -> None:
        image = build("docker")
        actual = {Digest.parse(image.layer_digests()[0]): "application/x"}
        with pytest.raises(Unsupported, match="application/x"):
            decide(replace(graph_of(image), actual_types=actual), OCI)

    def test_a_configuration_that_another_image_still_wants_is_fetched(self) -> None:
        docker = build(ImageSpec("docker"))
        document = json.loads(docker.root.raw)
        config = document["config"] | {"mediaType": mediatype.OCI_CONFIG}
        other = document | {"mediaType": mediatype.OCI_MANIFEST, "config": config}
        raw = json.dumps(other).encode()
        first, second = parsed(docker), Manifest.parse(raw)
        children = {first.digest: first, second.digest: second}
        root = index_of(*(child.descriptor.to_json() for child in children.values()))
        configs = {Digest.parse(docker.config_digest()): docker.config()}
        plan = decide(Graph(root, children, configs), OCI)
        assert Digest.parse(docker.config_digest()) in {blob.digest for blob in plan.blobs}
        assert len(plan.contents) == 1

    def test_a_configuration_that_comes_out_the_same_moves_once(self) -> None:
        docker = build(ImageSpec("docker"))
        content = decide(graph_of(docker), OCI).contents[0][1]
        config = {"mediaType": mediatype.DOCKER_CONFIG, "digest": str(Digest.of(content)), "size": len(content)}
        document = json.loads(docker.root.raw) | {"config": config}
        manifest = Manifest.parse(json.dumps(document).encode())
        plan = decide(Graph(manifest, configs={Digest.of(content): content}), OCI)
        assert [blob.digest for blob in plan.all_blobs].count(Digest.of(content)) == 1


class TestStrip:
    def test_only_the_kept_entries_stay(self) -> None:
        image = build("oci-index-attested")
        plan = decide(graph_of(image, only=(0, 2), kept=(0, 2)), OCI)
        entries = json.loads(image.root.raw)["manifests"]
        assert json.loads(plan.root.raw)["manifests"] == [entries[0], entries[2]]
        assert plan.converted
        assert plan.images == 2

    def test_together_with_a_conversion(self) -> None:
        plan = decide(graph_of(build("docker-list"), only=(1,), kept=(1,)), OCI)
        assert [child.media_type for child in plan.root.manifests] == [mediatype.OCI_MANIFEST]
        assert plan.root.manifests[0].digest == plan.manifests[0].digest

    def test_into_a_place_that_takes_docker_lists(self) -> None:
        plan = decide(graph_of(build("docker-list"), only=(1,), kept=(1,)), ANYTHING)
        assert plan.root.media_type == mediatype.DOCKER_LIST
        assert len(plan.root.manifests) == 1

    def test_nothing_to_strip_changes_nothing(self) -> None:
        image = build("nested-index")
        plan = decide(graph_of(image, kept=(0, 1)), OCI, Form(preserve_digests=True))
        assert plan.root.raw == image.root.raw

    def test_it_cannot_be_had_with_preserved_digests(self) -> None:
        with pytest.raises(CannotPreserve, match="--strip-removed-platforms changes the index"):
            decide(graph_of(build("oci-index"), only=(0,), kept=(0,)), OCI, Form(preserve_digests=True))

    def test_a_nested_index_stays_whole(self) -> None:
        image = build("nested-index")
        plan = decide(graph_of(image, kept=(0,)), OCI)
        inner = plan.root.manifests[0].digest
        assert next(m for m in plan.manifests if m.digest == inner).raw == image.manifests[str(inner)].raw


class TestRefusals:
    @pytest.mark.parametrize("kind", ["oci-index", "docker-list", "nested-index"])
    def test_an_index_where_only_images_go(self, kind: str) -> None:
        with pytest.raises(Unsupported, match="copy one platform, without --all"):
            decide(graph_of(build(kind)), SINGLE)

    def test_one_digest_with_two_sizes(self) -> None:
        layer = {"mediaType": mediatype.OCI_LAYER, "digest": "sha256:" + "b" * 64, "size": 3}
        config = {"mediaType": mediatype.OCI_CONFIG, "digest": "sha256:" + "a" * 64, "size": 2}
        document = {"schemaVersion": 2, "config": config, "layers": [layer, layer | {"size": 4}]}
        with pytest.raises(InvalidContent, match=r"sha256:bbb\w+ is said to have 3 bytes and 4 bytes"):
            decide(Graph(Manifest.parse(json.dumps(document).encode())), OCI)

    def test_the_same_in_two_images(self) -> None:
        images = []
        for size in (3, 4):
            config = {"mediaType": mediatype.OCI_CONFIG, "digest": "sha256:" + "a" * 64, "size": size}
            images.append(Manifest.parse(json.dumps({"schemaVersion": 2, "config": config, "layers": []}).encode()))
        root = index_of(*(image.descriptor.to_json() for image in images))
        with pytest.raises(InvalidContent, match="3 bytes and 4 bytes"):
            decide(Graph(root, {image.digest: image for image in images}), OCI)

    def test_depth(self) -> None:
        check_depth(8)
        with pytest.raises(InvalidContent, match="nested more than 8 deep"):
            check_depth(9)


class TestForeignLayers:
    @staticmethod
    def graph(media_type: str, **more: Any) -> Graph:
        config = {"mediaType": mediatype.OCI_CONFIG, "digest": "sha256:" + "a" * 64, "size": 2}
        layer = {"mediaType": media_type, "digest": "sha256:" + "b" * 64, "size": 3} | more
        return Graph(Manifest.parse(json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode()))

    @pytest.mark.parametrize(
        ("media_type", "urls", "accepts", "moved"),
        [
            (mediatype.OCI_NONDISTRIBUTABLE, ["https://x"], OCI, False),
            (mediatype.OCI_NONDISTRIBUTABLE + "+gzip", ["https://x"], OCI, False),
            (mediatype.OCI_NONDISTRIBUTABLE, ["https://x"], ANYTHING, True),
            (mediatype.OCI_NONDISTRIBUTABLE, ["https://x"], SINGLE, True),
            (mediatype.OCI_NONDISTRIBUTABLE, [], OCI, True),
            (mediatype.OCI_LAYER, ["https://x"], OCI, True),
        ],
    )
    def test_which_of_them_move(self, media_type: str, urls: list[str], accepts: Accepts, moved: bool) -> None:
        plan = decide(self.graph(media_type, urls=urls), accepts)
        assert len(plan.blobs) == (2 if moved else 1)


def test_blobs_shared_and_repeated_move_once_and_in_order() -> None:
    image = build("oci-repeated")
    plan = decide(graph_of(image), OCI)
    assert [str(blob.digest) for blob in plan.blobs] == list(
        dict.fromkeys((*image.layer_digests(), image.config_digest()))
    )


@pytest.mark.parametrize(
    "spec",
    [
        IndexSpec((ImageSpec(), ImageSpec())),
        IndexSpec((ArtifactSpec(), ImageSpec(layers=(LayerSpec("x"),)))),
        IndexSpec((IndexSpec((ImageSpec(),)), IndexSpec((ImageSpec(),)))),
    ],
)
def test_a_manifest_named_twice_is_written_once(spec: Spec) -> None:
    plan = decide(graph_of(build(spec)), OCI)
    digests = [m.digest for m in (*plan.manifests, plan.root)]
    assert len(digests) == len(set(digests))
