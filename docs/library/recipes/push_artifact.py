"""Push files as an artifact, and pull them again: push_artifact.py docker://HOST/NAME:TAG FILE..."""

import sys
from pathlib import Path

import pyskopeo

TYPES = {".json": "application/json", ".txt": "text/plain", ".tar": "application/x-tar"}


def main(name: str, *files: str) -> None:
    typed = {Path(file): TYPES.get(Path(file).suffix, "application/octet-stream") for file in files}
    with pyskopeo.SyncClient() as client:
        manifest = client.push_artifact(
            name, typed, artifact_type="application/vnd.example.bundle", annotations={"org.example.purpose": "recipe"}
        )
        print(f"pushed {manifest.digest}")
        for pulled in client.pull_artifact(name, Path("pulled")):
            print(f"{pulled.path}: {pulled.descriptor.size} bytes of {pulled.descriptor.media_type}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except pyskopeo.PyskopeoError as error:
        sys.exit(f"error: {error}")
