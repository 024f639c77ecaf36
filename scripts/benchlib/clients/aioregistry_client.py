"""Pull with aioregistry: all blobs of the manifest at once, each streamed to its file."""

from __future__ import annotations

import asyncio
import os
import sys

import aioregistry

host, repository, tag, folder = sys.argv[1:]


async def main() -> None:
    """Pull the image."""
    registry = aioregistry.Registry(host=host.partition(":")[0], port=int(host.partition(":")[2]), prot="http")
    path = repository.split("/")
    async with aioregistry.AsyncRegistryClient() as client:
        image = aioregistry.RegistryManifestRef(registry=registry, repo=path, ref=tag)
        manifest = await client.manifest_download(image)

        async def fetch(digest: str) -> None:
            blob = aioregistry.RegistryBlobRef(registry=registry, repo=path, ref=digest)
            _, content = await client.ref_content_stream(blob)
            with open(os.path.join(folder, digest.partition(":")[2]), "wb") as file:  # noqa: ASYNC230 - as its documentation does
                async for chunk in content:
                    file.write(chunk)

        await asyncio.gather(*map(fetch, {manifest.config.digest, *(layer.digest for layer in manifest.layers)}))


asyncio.run(main())
