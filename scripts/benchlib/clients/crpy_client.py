"""Pull with crpy: configuration and layers, one after the other, each in memory as it returns them."""

from __future__ import annotations

import asyncio
import os
import sys

from crpy.registry import RegistryInfo

host, repository, tag, folder = sys.argv[1:]


async def main() -> None:
    """Pull the image."""
    image = RegistryInfo.from_url(f"http://{host}/{repository}:{tag}", insecure=True)
    manifest = (await image.get_manifest()).json()
    for digest in {one["digest"] for one in (manifest["config"], *manifest["layers"])}:
        content = await image.pull_layer(digest, use_cache=False)
        with open(os.path.join(folder, digest.partition(":")[2]), "wb") as file:  # noqa: ASYNC230 - nothing else runs
            file.write(content)


asyncio.run(main())
