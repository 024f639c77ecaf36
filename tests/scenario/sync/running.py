"""Runs of ``sync``, and what they ask."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.support.cli import Done, pyskopeo_here
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir
from tests.support.simulator import Simulator
from tests.support.trees import tree

RECORD = ".pyskopeo-sync.json"
BASE = LayerSpec("base", base=True)
SOURCE, DEST = "--src-tls-verify=false", "--dest-tls-verify=false"


def numbered(number: int) -> BuiltImage:
    """Images that have their base in common and nothing else."""
    return build(ImageSpec(layers=(BASE, LayerSpec(f"data{number}", size=3000))))


MANY = [numbered(n) for n in range(6)]
COMMON = MANY[0].layer_digests()[0]


def to_dir(registry: Simulator, out: Path, *more: object, source: str = "team/app") -> Done:
    return pyskopeo_here("sync", "--src", "docker", "--dest", "dir", SOURCE, f"{registry.host}/{source}", out, *more)


def to_docker(registry: Simulator, mirror: Simulator, *more: object, source: str = "team/app", at: str = "m") -> Done:
    words = ("--src", "docker", "--dest", "docker", SOURCE, DEST, f"{registry.host}/{source}", f"{mirror.host}/{at}")
    return pyskopeo_here("sync", *words, *more)


def images(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(folder).items() if name != RECORD}


def expected(folder: Path, named: dict[str, BuiltImage]) -> dict[str, bytes]:
    for name, image in named.items():
        write_dir(image, folder / name)
    return tree(folder)


class Asked:
    """What a registry is asked from now on."""

    def __init__(self, registry: Simulator) -> None:
        self._registry, self._from = registry, len(registry.requests)

    @property
    def log(self) -> list[str]:
        return self._registry.log[self._from :]

    @property
    def kinds(self) -> Counter[str]:
        """Requests by method and kind of path, but for the questions whether there is https."""
        return Counter(
            f"{line.split()[0]} {kind}" for line in self.log
            for kind in [next((k for k in ("uploads", "blobs", "manifests", "tags") if f"/{k}/" in line), "")] if kind
        )  # fmt: skip
