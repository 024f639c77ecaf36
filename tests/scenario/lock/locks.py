"""Registries with images to lock, the list that names them, and what is asked while they are locked and fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.cli import Done, pyskopeo_here
from tests.support.images import BuiltImage, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.simulator import Simulator

BASE = LayerSpec("base", base=True)
APP = build(ImageSpec(layers=(BASE, LayerSpec("app", size=3000))))
TOOL = build(ImageSpec("docker", layers=(BASE, LayerSpec("tool", size=3000))))


def multi(version: str) -> BuiltImage:
    """An image for two platforms, with attestations; only the layer of amd64 differs between versions."""
    amd64 = ImageSpec(layers=(BASE, LayerSpec(f"amd64-{version}", size=2000)))
    arm64 = ImageSpec(layers=(LayerSpec("arm64", size=2000),), platform=PlatformSpec("arm64", variant="v8"))
    return build(IndexSpec((amd64, arm64), attestations=True))


MULTI, MOVED = multi("1"), multi("2")
EVERY = (APP, TOOL, MULTI)
BLOBS = {digest: content for image in EVERY for digest, content in image.blobs.items()}


def listing(registry: Simulator) -> str:
    """A list of the three images: by tag, with a name and platforms, and by tag and digest."""
    return f"""
{registry.host}:
  tls-verify: false
  images:
    team/app: ["1.0"]
    team/multi:
      - tag: "2.0"
        name: multi
        platforms: [linux/amd64, linux/arm64/v8]
    team/tool: ["3.0@{TOOL.digest}"]
"""


def serving() -> Simulator:
    """A registry with the three images."""
    registry = Simulator(APP, "team/app", "1.0")
    registry.add(MULTI, "team/multi", "2.0")
    registry.add(TOOL, "team/tool", "3.0")
    return registry


def lock(folder: Path, *words: object) -> Done:
    """``lock images.yaml WORDS`` in ``folder``."""
    return pyskopeo_here("lock", folder / "images.yaml", *words)


def prefetch(folder: Path, *words: object) -> Done:
    """``prefetch images.lock WORDS`` in ``folder``."""
    return pyskopeo_here("prefetch", "--tls-verify=false", folder / "images.lock", *words)


def read(folder: Path) -> dict[str, Any]:
    """The lock as JSON."""
    found: dict[str, Any] = json.loads((folder / "images.lock").read_bytes())
    return found


def change(folder: Path, old: str, new: str) -> None:
    """Replace a text everywhere in the lock."""
    path = folder / "images.lock"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def files(layout: Path) -> set[str]:
    """The digests of what is in a layout or a store."""
    return {f"{path.parent.name}:{path.name}" for path in layout.glob("blobs/*/*") if not path.name.startswith(".")}


def names(layout: Path) -> dict[str, str]:
    """The names in the index of a layout, with their digests."""
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    return {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries}
