"""What of an image is on this machine: manifests at the destination, and blobs that need no request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyskopeo.engine.graph import read_graph
from pyskopeo.engine.local_content import LocalManifests, check_available
from pyskopeo.engine.plan import Graph
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import Offline
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.streams.locations import LocalFile, RegistryBlob
from pyskopeo.streams.pump import Blob
from tests.support.images import build
from tests.support.memory import AMD64, Destination, Source

pytestmark = pytest.mark.anyio
IMAGE = build("oci")
ROOT = Manifest.parse(IMAGE.root.raw)
REGISTRY = RegistryBlob("registry.example", "a/b")


class At(Source):
    """A source whose blobs are in a registry, except for those ``stored``."""

    stored: tuple[Digest, ...] = ()
    location: RegistryBlob | LocalFile = REGISTRY

    def blob(self, descriptor: Descriptor) -> Blob:
        return replace(super().blob(descriptor), locations=(self.location,))

    async def is_stored(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self.stored


class Having(Destination):
    """A destination that has ``there`` and ``blobs_there``."""

    there: dict[Digest, Manifest]
    blobs_there: tuple[Digest, ...] = ()

    def local_manifest(self, digest: Digest, media_type: str) -> Manifest | None:
        return self.there.get(digest)

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self.blobs_there


def having(*manifests: Manifest) -> Having:
    destination = Having()
    destination.there = {manifest.digest: manifest for manifest in manifests}
    return destination


async def test_manifests_are_read_where_they_are() -> None:
    image = build("oci-index")
    root = Manifest.parse(image.root.raw)
    source = At(image)

    async def forbidden(descriptor: Descriptor | None = None) -> Manifest:
        pytest.fail("read from the source")

    children = [Manifest.parse(image.child(n).raw) for n in range(len(root.manifests))]
    source.manifest = forbidden  # type: ignore[method-assign]
    graph = await read_graph(
        LocalManifests(source, having(root, *children), root.digest), Selection(AMD64, "all"), Destination().accepts
    )
    assert graph.children.keys() == {child.digest for child in children}


async def test_those_that_are_not_there_are_read_from_the_source() -> None:
    found = await LocalManifests(At(IMAGE), having(), ROOT.digest).manifest()
    assert found.raw == IMAGE.root.raw


async def test_all_that_is_missing_is_listed() -> None:
    source, destination = At(IMAGE), having()
    config, *layers = ROOT.blobs[-1], *ROOT.layers
    source.stored = (layers[0].digest,)
    with pytest.raises(Offline) as caught:
        await check_available(Graph(ROOT), source, destination)
    assert set(caught.value.missing) == {str(config.digest), *(str(layer.digest) for layer in layers[1:])}
    destination.blobs_there = tuple(blob.digest for blob in ROOT.blobs if blob.digest != layers[0].digest)
    await check_available(Graph(ROOT), source, destination)


async def test_local_blobs_are_not_missing(tmp_path: object) -> None:
    source = At(IMAGE)
    source.location = LocalFile(None)  # type: ignore[arg-type]
    await check_available(Graph(ROOT), source, having())


def test_several_errors_are_one() -> None:
    errors = [Offline(f"{name} is not here", missing=(name,)) for name in ("a", "b", "c")]
    one = Offline.of(errors)
    assert str(one) == "a is not here; also missing: b, c"
    assert one.missing == ("a", "b", "c")
    assert Offline.of(errors[:1]) is errors[0]
