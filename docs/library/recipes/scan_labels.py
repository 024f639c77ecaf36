"""Print a label of many images, at most eight at a time: scan_labels.py LABEL < NAMES, one image name on each line."""

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
                    inspection = await client.inspect(name)
                    found[name] = (inspection.labels or {}).get(label, "")
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
        print(f"{name}\t{found[name]!r}")  # anybody may have written a label: no control characters on the terminal


if __name__ == "__main__":
    main(*sys.argv[1:])
