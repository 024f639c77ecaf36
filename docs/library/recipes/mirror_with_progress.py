"""Copy an image with a progress bar: mirror_with_progress.py FROM TO."""

import asyncio
import sys

import pyskopeo


class Bar:
    """Draws one line from the events of a copy."""

    def __init__(self) -> None:
        self.total = 0
        self.done: dict[pyskopeo.Digest, int] = {}

    def __call__(self, event: pyskopeo.Event) -> None:
        match event:
            case pyskopeo.CopyPlanned(total=total):
                self.total = total
            case pyskopeo.BlobProgress(digest=digest, done=done):
                self.done[digest] = done
            case pyskopeo.BlobFinished(digest=digest, size=size):
                self.done[digest] = size
            case pyskopeo.Warned(message=message):
                sys.stderr.write(f"\nwarning: {message}\n")
            case _:
                return
        self.draw()

    def draw(self) -> None:
        part = sum(self.done.values()) / self.total if self.total else 1.0
        sys.stderr.write(f"\r[{'#' * int(30 * part):30}] {part:4.0%}")
        sys.stderr.flush()


async def main(source: str, target: str) -> None:
    async with pyskopeo.Client() as client:
        digest = await client.copy(
            source, target, all_platforms=True, report=Bar()
        )
    print(f"\n{digest}")


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except pyskopeo.PyskopeoError as error:
        sys.exit(f"error: {error}")
