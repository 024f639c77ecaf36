"""A file of an image to extract: one from the middle of its layers, which none above it has."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import BinaryIO, cast
from urllib.request import ProxyHandler, build_opener

from tests.support.peers import Registry

from .images import Image


def sample_file(image: Image, registry: Registry, cache: Path) -> str:
    """Return the path of the file; it is looked for once, by reading all layers, and then kept in ``cache``."""
    path = cache / "samples.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if image.config not in known:
        known[image.config] = _find_sample(image, registry)
        path.write_text(json.dumps(known))
    return known[image.config]


def _find_sample(image: Image, registry: Registry) -> str:
    layers = [_names(image, registry, digest) for digest in image.blobs if digest != image.config]
    middle = len(layers) // 2
    # By its name alone: other files of that name may be the same one, through links that a lower layer may have.
    bases = Counter(name.rpartition("/")[2] for names in layers[middle:] for name in names)
    for name in layers[middle]:
        *folders, base = name.split("/")
        if bases[base] == 1 and not any(bases[folder] for folder in folders):
            return name
    raise SystemExit(f"bench: no file of {image.repository} has a name of its own")


def _names(image: Image, registry: Registry, digest: str) -> list[str]:
    url = f"{registry.url}/v2/{image.repository}/blobs/{digest}"
    with (
        build_opener(ProxyHandler({})).open(url, timeout=300) as response,
        tarfile.open(fileobj=cast("BinaryIO", response), mode="r|gz") as tar,
    ):
        return [member.name for member in tar]
