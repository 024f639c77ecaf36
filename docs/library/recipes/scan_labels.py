"""Print a label of many images: scan_labels.py LABEL < NAMES.

Each line of the input is an image name. Eight images are read at a time.
"""

import asyncio
import sys
from collections.abc import Iterable

import pyskopeo


async def scan(names: Iterable[str], label: str) -> dict[str, str]:
    """Return the label of each image, or why it could not be read."""
    found: dict[str, str] = {}
    at_once = asyncio.Semaphore(8)
    async with pyskopeo.Client() as client:

        async def read(name: str) -> None:
            async with at_once:
                try:
                    labels = (await client.inspect(name)).labels
                    found[name] = (labels or {}).get(label, "")
                except pyskopeo.PyskopeoError as error:
                    found[name] = f"error: {error}"

        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(read(name))
    return found


def main(label: str) -> None:
    names = [line.strip() for line in sys.stdin if line.strip()]
    found = asyncio.run(scan(names, label))
    for name in names:
        # Anybody may have written a label: !r shows control characters.
        print(f"{name}\t{found[name]!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
