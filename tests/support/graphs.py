"""Built images as the graphs of manifests that the planner reads."""

from __future__ import annotations

import json
from typing import Any

from pyskopeo.engine.plan import Graph
from pyskopeo.interfaces import Accepts
from pyskopeo.model import mediatype
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.storage.oci_layout import LayoutWriter

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
