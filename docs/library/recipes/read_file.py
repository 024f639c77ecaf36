"""Read one file of an image: read_file.py IMAGE PATH."""

import shutil
import sys

import pyskopeo


def main(image: str, path: str) -> None:
    with (
        pyskopeo.SyncClient() as client,
        client.open_file(image, path) as file,
    ):
        shutil.copyfileobj(file, sys.stdout.buffer)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except pyskopeo.PyskopeoError as error:
        sys.exit(f"error: {error}")
