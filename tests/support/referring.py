"""Manifests that refer to others, and indexes of them."""

from __future__ import annotations

import json
from typing import Any

from .images import ArtifactSpec, BuiltImage, build, edited

INDEX = "application/vnd.oci.image.index.v1+json"
SBOM, SIGNATURE = "application/spdx+json", "application/vnd.example.signature"


def described(image: BuiltImage, **more: object) -> dict[str, Any]:
    """The descriptor of an image's root."""
    return {"mediaType": image.root.media_type, "digest": image.digest, "size": len(image.root.raw), **more}


def referring(subject: BuiltImage | dict[str, Any], kind: str = SBOM, content: bytes = b"{}", **more: str) -> BuiltImage:
    """An artifact of type ``kind`` with a subject; ``more`` are its annotations."""
    entry = subject if isinstance(subject, dict) else described(subject)
    return edited(build(ArtifactSpec(kind, content=content, annotations=more)), lambda made: made.update(subject=entry))


def index_of(*entries: dict[str, Any]) -> bytes:
    """The bytes of an index."""
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
