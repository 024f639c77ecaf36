"""Images put somewhere for a test, and read back from wherever they were copied to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyskopeo
from tests.support.images import BuiltImage, digest_of
from tests.support.outputs import write_layout


def insecure() -> pyskopeo.Access:
    """Plain http, and no second try."""
    access = pyskopeo.Access.from_environ({})
    network = pyskopeo.Network(retry=pyskopeo.Retry(times=0))
    return replace(access, trust=pyskopeo.Trust(insecure=True), network=network)


def layout(image: BuiltImage, folder: Path) -> str:
    return f"oci:{write_layout(image, folder / 'source')}:latest"


async def read_back(name: str, image: BuiltImage) -> None:
    """The image at ``name``, whatever transport it is, is ``image`` to the byte."""
    async with pyskopeo.open_source(name) as source:
        root = await source.manifest()
        assert root.raw == image.root.raw
        waiting, seen = [root], {}
        while waiting:
            manifest = waiting.pop()
            # A place may know the root by another algorithm's digest than its registry.
            seen[image.digest if manifest is root else str(manifest.digest)] = manifest.raw
            waiting += [await source.manifest(child) for child in manifest.manifests]
            for blob in () if manifest.is_index else manifest.blobs:
                assert await source.blob(blob).read(10_000_000) == image.blobs[str(blob.digest)]
    assert seen == {digest: manifest.raw for digest, manifest in image.manifests.items()}


async def read_layers(name: str, image: BuiltImage, manifest: str | None = None) -> None:
    """The image at ``name`` has the configuration and the layers, decompressed, of ``image``."""
    tars = [image.tars[digest] for digest in image.layer_digests(manifest)]
    async with pyskopeo.open_source(name) as source:
        root = await source.manifest()
        assert root.config is not None
        assert await source.blob(root.config).read(10_000_000) == image.config(manifest)
        assert [await source.blob(layer).read(10_000_000) for layer in root.layers] == tars
        assert [str(layer.digest) for layer in root.layers] == list(map(digest_of, tars))


async def see(name: str) -> None:
    async with pyskopeo.open_source(name) as source:
        await source.manifest()
