"""Push files as an artifact, and pull them again.

push_artifact.py docker://HOST/NAME:TAG FILE...
"""

import sys
from pathlib import Path

import pyskopeo

TYPES = {".json": "application/json", ".txt": "text/plain"}
OTHER = "application/octet-stream"


def main(name: str, *files: str) -> None:
    typed = {Path(one): TYPES.get(Path(one).suffix, OTHER) for one in files}
    with pyskopeo.SyncClient() as client:
        manifest = client.push_artifact(
            name,
            typed,
            artifact_type="application/vnd.example.bundle",
            annotations={"org.example.purpose": "recipe"},
        )
        print(f"pushed {manifest.digest}")
        for pulled in client.pull_artifact(name, Path("pulled")):
            content = pulled.descriptor
            print(f"{pulled.path}: {content.size} bytes, {content.media_type}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except pyskopeo.PyskopeoError as error:
        sys.exit(f"error: {error}")
