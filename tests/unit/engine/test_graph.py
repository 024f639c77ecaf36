"""Finding an image of an index, and reading the graph of its manifests."""

from __future__ import annotations

import pytest

from pyskopeo.engine.graph import find_image, read_graph
from pyskopeo.engine.plan import Form
from pyskopeo.engine.planner import decide
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import NoMatchingPlatform, NotFound, RegistryError, TooLarge, Unsupported
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.platform import Platform
from tests.support.caches import build_cache, entry_of, index_of_entries
from tests.support.graphs import PLACES
from tests.support.images import ImageSpec, build, digest_of
from tests.support.memory import AMD64, OCI, Source, nested

pytestmark = pytest.mark.anyio


class TestFindImage:
    async def test_in_the_second_of_two_indexes(self) -> None:
        source = Source(nested(("amd64", "arm64"), ("s390x", "ppc64le")))
        found = await find_image(source, await source.manifest(), Platform("linux", "ppc64le"))
        assert found.config is not None
        assert b"ppc64le" in source.image.blobs[str(found.config.digest)]

    async def test_nowhere_says_what_there_is_everywhere(self) -> None:
        source = Source(nested(("amd64", "arm64"), ("s390x",)))
        with pytest.raises(NoMatchingPlatform, match="there is: linux/amd64, linux/arm64, linux/s390x"):
            await find_image(source, await source.manifest(), Platform("linux", "386"))

    async def test_an_index_named_twice_is_read_once(self) -> None:
        source = Source(nested(("arm64",), ("arm64",)))
        with pytest.raises(NoMatchingPlatform):
            await find_image(source, await source.manifest(), AMD64)
        assert len(source.manifests) == len(set(source.manifests)) == 2

    async def test_an_image_is_itself(self) -> None:
        source = Source(build("oci"))
        root = await source.manifest()
        assert await find_image(source, root, Platform("windows", "386")) is root


class TestReadGraph:
    async def test_manifests_are_read_once_and_several_at_a_time(self) -> None:
        source = Source(build("oci-index-attested"))
        graph = await read_graph(source, Selection(AMD64, "all"), OCI)
        assert {str(digest) for digest in graph.children} == set(source.image.manifests) - {source.image.digest}
        assert len(source.manifests) == len(set(source.manifests))
        assert 2 < source.most_at_once <= 8
        assert source.opened == []

    async def test_configurations_only_where_they_are_converted(self) -> None:
        source = Source(build("docker-list"))
        graph = await read_graph(source, Selection(AMD64, "all"), OCI)
        assert len(graph.configs) == len(source.opened) == 6
        for options in (Form(preserve_digests=True), Form()):
            source.opened.clear()
            accepts = OCI if options.preserve_digests else Accepts(mediatype.MANIFESTS)
            assert (await read_graph(source, Selection(AMD64, "all"), accepts, options)).configs == {}
            assert source.opened == []

    async def test_what_the_destination_does_not_take_is_no_fault_of_the_source(self) -> None:
        source = Source(build("docker"))
        graph = await read_graph(source, Selection(AMD64), OCI, Form("v2s2"))
        assert graph.configs == {}
        assert source.opened == []
        with pytest.raises(Unsupported, match="takes nothing of type"):
            decide(graph, OCI, Form("v2s2"))

    async def test_only_what_is_wanted_is_read(self) -> None:
        source = Source(build("oci-index"))
        await read_graph(source, Selection(AMD64, "index-only"), OCI)
        assert source.manifests == [source.image.digest]
        await read_graph(source, Selection(AMD64), OCI)
        assert source.manifests[1:] == [source.image.digest, source.image.child(0).digest]

    async def test_what_fails_is_raised_as_it_is(self) -> None:
        image = build("oci-index")

        class Broken(Source):
            async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
                if descriptor is not None and str(descriptor.digest) == image.child(3).digest:
                    raise NotFound("not here")
                return await super().manifest(descriptor)

        with pytest.raises(NotFound, match="not here"):
            await read_graph(Broken(image), Selection(AMD64, "all"), OCI)

    @pytest.mark.parametrize("mode", ["all", "system"])
    async def test_entries_that_are_blobs(self, mode: str) -> None:
        """BuildKit's cache has no image to choose, so it is copied as a whole."""
        image = build_cache()
        source = Source(image)
        graph = await read_graph(source, Selection(AMD64, mode), OCI)
        assert source.manifests == [image.digest]
        assert {str(digest) for digest in graph.entry_blobs} == set(image.blobs)
        assert (graph.children, graph.chosen_from) == ({}, None)

    async def test_an_entry_of_an_unknown_type_may_be_either(self) -> None:
        child, content = build("oci"), b'{"x":1}'
        entries = [entry_of(child.root.raw, "application/vnd.new+json"), entry_of(content, "application/vnd.new+json")]
        image = index_of_entries(entries, {digest_of(content): content}, child)

        class Missing(Source):
            async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
                if descriptor is not None and str(descriptor.digest) not in image.manifests:
                    raise RegistryError("unknown", status=404)
                return await super().manifest(descriptor)

        graph = await read_graph(Missing(image), Selection(AMD64, "all"), OCI)
        assert [str(digest) for digest in graph.children] == [child.digest]
        assert [str(digest) for digest in graph.entry_blobs] == [digest_of(content)]

    async def test_a_platform_is_chosen_beside_blobs(self) -> None:
        child = build("oci")
        entries = [
            entry_of(child.root.raw, child.root.media_type, platform={"os": "linux", "architecture": "amd64"}),
            entry_of(b"layer", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ]
        source = Source(index_of_entries(entries, {digest_of(b"layer"): b"layer"}, child))
        assert str((await read_graph(source, Selection(AMD64), OCI)).root.digest) == child.digest
        with pytest.raises(NoMatchingPlatform, match="there is: linux/amd64"):
            await read_graph(source, Selection(Platform("linux", "s390x")), OCI)

    async def test_no_image_for_a_platform_in_a_cache(self) -> None:
        source = Source(build_cache())
        with pytest.raises(NoMatchingPlatform, match="4 blobs and no manifest, as in a build cache .*cacheconfig.v0"):
            await find_image(source, await source.manifest(), AMD64)

    @pytest.mark.parametrize(
        ("size", "lowered", "said"),
        [(3_900_000, "", "67108864 bytes"), (20, "_MAX_DOCUMENTS", "20 documents"), (20, "_MAX_DESCRIPTORS", "20 layers")],
    )
    async def test_manifests_in_total_are_limited(
        self, size: int, lowered: str, said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if lowered:
            monkeypatch.setattr(f"pyskopeo.engine.children.{lowered}", 20)
        images = [build(ImageSpec(annotations={"n": f"{n}", "x": "y" * size})) for n in range(45)]
        entries = [entry_of(image.root.raw, image.root.media_type) for image in images]
        source = Source(index_of_entries(entries, {}, *images))
        with pytest.raises(TooLarge, match=f"limit of {said}.* in total: copy some of its platforms"):
            await read_graph(source, Selection(AMD64, "all"), OCI)
        assert len(source.manifests) < 40

    @pytest.mark.parametrize(
        ("accepts", "form", "read"),
        [
            (PLACES["registry"], Form(compression="zstd"), 6),
            (PLACES["layout"], Form(decompress=True), 6),
            (PLACES["registry"], Form(compression="gzip"), 0),
            (PLACES["dir"], Form(compression="zstd"), 0),
            (PLACES["registry"], Form("v2s2"), 0),
        ],
    )
    async def test_configurations_of_layers_that_are_recompressed(self, accepts: Accepts, form: Form, read: int) -> None:
        """They state the diff IDs that the decompressed layers must have."""
        source = Source(build("oci-index"))
        graph = await read_graph(source, Selection(AMD64, "all"), accepts, form)
        assert len(graph.configs) == len(source.opened) == read

    async def test_the_configuration_of_an_image_whose_layers_are_stored_decompressed(self) -> None:
        source = Source(build("docker"))
        graph = await read_graph(source, Selection(AMD64), PLACES["archive"], Form(preserve_digests=True))
        assert len(graph.configs) == 1
