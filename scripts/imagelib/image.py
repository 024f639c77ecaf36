"""Layers, configuration and manifest of the image, and how pyskopeo itself makes images and lists of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyskopeo

from .python_runtime import USER
from .tree import EPOCH, Tree

HOME = "home/pyskopeo"
_PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
_CREATED = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Layer:
    """The files of one layer, and the line about it in the image's history."""

    tree: Tree
    comment: str


@dataclass(frozen=True, slots=True)
class Product:
    """What the image says about itself: the version of pyskopeo, and the platform."""

    version: str
    architecture: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels, which are the manifest's annotations, too (image specification, annotations)."""
        prefix = "org.opencontainers.image"
        return {
            f"{prefix}.title": "pyskopeo",
            f"{prefix}.description": "Copy container images without a daemon",
            f"{prefix}.licenses": "Apache-2.0",
            f"{prefix}.version": self.version,
        }


def write_blobs(folder: Path, layers: Sequence[Layer], product: Product) -> Path:
    """Write layers and configuration into ``folder``, each file a blob, and return the path of the manifest there."""
    diff_ids, descriptors = [], []
    for number, layer in enumerate(layers):
        path = folder / f"layer{number}.tar"
        layer.tree.write_tar(path)
        descriptor = _descriptor(_LAYER, path)
        descriptors.append(descriptor)
        diff_ids.append(descriptor["digest"])
    config = folder / "config.json"
    config.write_text(json.dumps({
        "created": _CREATED,
        "architecture": product.architecture,
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "Env": [f"PATH={_PATH}", f"HOME=/{HOME}", "LANG=C.UTF-8"],
            "Entrypoint": ["/usr/local/bin/pyskopeo"],
            "Cmd": ["--help"],
            "WorkingDir": f"/{HOME}",
            "Labels": product.labels,
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [
            {"created": _CREATED, "created_by": "scripts/build_image", "comment": layer.comment} for layer in layers
        ],
    }))  # fmt: skip
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({
        "schemaVersion": 2, "mediaType": _MANIFEST, "config": _descriptor(_CONFIG, config), "layers": descriptors,
        "annotations": product.labels,
    }))  # fmt: skip
    return manifest


def _descriptor(media_type: str, path: Path) -> dict[str, object]:
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": path.stat().st_size}


async def make_image(manifest: Path, work: Path, base: str, destination: str, form: pyskopeo.Form) -> None:
    """Make an image of the blobs beside ``manifest``, on ``base``, or on none if it is ``scratch``.

    Both names are those of pyskopeo, such as ``oci:PATH:NAME``; ``work`` is a directory for what is in between.
    """
    plain = f"oci:{work / 'plain'}:image"
    await pyskopeo.assemble_layout(plain, str(manifest), [str(manifest.parent)])
    if base == "scratch":
        await pyskopeo.copy(plain, destination, form=form)
        return
    architecture = json.loads((manifest.parent / "config.json").read_bytes())["architecture"]
    await pyskopeo.rebase(
        *(plain, destination), old_base="scratch", new_base=base, form=form,
        platform=pyskopeo.Platform("linux", architecture),
    )  # fmt: skip
