"""Built images as the graphs of manifests that the planner reads."""

from __future__ import annotations

import json
from typing import Any

from pyskopeo.engine.plan import Graph
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.storage.layout_writer import LayoutWriter

from .images import BuiltImage

# What each kind of destination takes.
EVERYTHING = mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES
PLACES = {
    "registry": Accepts(EVERYTHING, foreign=True, compresses=True),
    "layout": LayoutWriter.accepts,
    "dir": Accepts(EVERYTHING),
    "archive": Accepts(mediatype.IMAGES, ordered=True, artifacts=False),
    # What a registry still takes when it has refused the others.
    "docker only": Accepts(
        frozenset({mediatype.DOCKER_MANIFEST, mediatype.DOCKER_LIST}), foreign=True, compresses=True
    ),
    "digest": Accepts(EVERYTHING, foreign=True, unchangeable="the destination is named by digest"),
}


# A configuration, of an image from `image_of`.
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()


def parsed(image: BuiltImage, digest: str | None = None) -> Manifest:
    built = image.manifests[digest or image.digest]
    return Manifest.parse(built.raw, content_type=built.media_type, expected=Digest.parse(built.digest))


def graph_of(image: BuiltImage, *, only: tuple[int, ...] | None = None, kept: tuple[int, ...] | None = None) -> Graph:
    """What the engine reads for ``--all``, or for the children at the positions ``only``."""
    root = parsed(image)
    if only is None:
        children = {Digest.parse(d): parsed(image, d) for d in image.manifests if d != image.digest}
    else:
        children = {root.manifests[n].digest: parsed(image, str(root.manifests[n].digest)) for n in only}
    configs = {Digest.parse(d): data for d, data in image.blobs.items() if data.startswith(b"{")}
    names = None if kept is None else frozenset(root.manifests[n].digest for n in kept)
    return Graph(root, children, configs, kept=names)


def index_of(*entries: dict[str, Any], media_type: str = mediatype.OCI_INDEX) -> Manifest:
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    return Manifest.parse(json.dumps(document).encode())


def entry(number: int, platform: str = "", media_type: str = mediatype.OCI_MANIFEST) -> dict[str, Any]:
    found: dict[str, Any] = {"mediaType": media_type, "digest": f"sha256:{number:064x}", "size": 5}
    if platform:
        names = ("os", "architecture", "variant")
        found["platform"] = dict(zip(names, platform.split("/"), strict=False))
    return found


def image_of(*layers: str | dict[str, Any], media_type: str | None = None, **more: Any) -> Manifest:
    """An image with these layers: by their type, and what else is said of them."""
    entries = [
        {"mediaType": layer, "digest": str(Digest.of(f"{n}".encode())), "size": 1} if isinstance(layer, str)
        else {"digest": str(Digest.of(f"{n}".encode())), "size": 1, **layer}
        for n, layer in enumerate(layers)
    ]  # fmt: skip
    docker = any(str(entry["mediaType"]).startswith(mediatype.DOCKER_LAYER[:24]) for entry in entries)
    kind = media_type or (mediatype.DOCKER_MANIFEST if docker else mediatype.OCI_MANIFEST)
    config = {
        "mediaType": mediatype.DOCKER_CONFIG if docker else mediatype.OCI_CONFIG,
        "digest": str(Digest.of(CONFIG)), "size": len(CONFIG), "unknown": "config",
    }  # fmt: skip
    document = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": entries, **more}
    return Manifest.parse(json.dumps(document).encode())


def graph(manifest: Manifest, **actual: str) -> Graph:
    """``actual`` says what the layer of that number, as in ``_0``, really is."""
    found = {manifest.layers[int(n[1:])].digest: media_type for n, media_type in actual.items()}
    return Graph(manifest, configs={Digest.of(CONFIG): CONFIG}, actual_types=found)
