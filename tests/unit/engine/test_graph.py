"""Finding an image of an index, and reading the graph of its manifests."""

from __future__ import annotations

import pytest

from pyskopeo.engine.graph import find_image, read_graph
from pyskopeo.engine.plan import Form
from pyskopeo.engine.planner import decide
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import NoMatchingPlatform, NotFound, Unsupported
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.platform import Platform
from tests.support.images import build
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
