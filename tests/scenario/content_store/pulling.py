"""Pulling through a content store: the access with one, and what it holds."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pyskopeo
from pyskopeo.access import Access
from tests.support.access import access_for
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator

LAYERS = tuple(LayerSpec(f"layer-{n}", size=200_000) for n in range(3))
IMAGE = build(ImageSpec("oci", layers=LAYERS))
# Shares two of its layers with the other.
NEXT = build(ImageSpec("oci", layers=(*LAYERS[:2], LayerSpec("new", size=200_000)), env=("NEXT=1",)))


def through(store: Path | None, home: Path, *, offline: bool = False) -> Access:
    """An access with a content store, and with a cache directory in ``home``."""
    access = access_for(home)
    storage = replace(access.storage, store=store, cache=home / "cache")
    return replace(access, storage=storage, network=replace(access.network, offline=offline))


async def pull(source: str, destination: str, access: Access, **more: object) -> pyskopeo.Digest:
    """Copy with the same access on both sides."""
    return await pyskopeo.copy(source, destination, source_access=access, destination_access=access, **more)  # type: ignore[arg-type]


def pinned(registry: Simulator, image: BuiltImage, repository: str = "test/image") -> str:
    """The image's name by its digest."""
    return f"docker://{registry.host}/{repository}@{image.digest}"


def path_of(layout: Path, digest: str) -> Path:
    """The path of a blob in a layout or a store."""
    return layout / "blobs" / digest.replace(":", "/")


def stored(store: Path) -> set[str]:
    """The digests of what is in the store."""
    return {f"{path.parent.name}:{path.name}" for path in store.glob("blobs/*/*") if not path.name.startswith(".")}


def same_file(first: Path, second: Path) -> bool:
    """Whether these are two names of one file."""
    return os.path.samefile(first, second)


def blob_requests(registry: Simulator, since: int = 0) -> list[str]:
    """The digests of the blobs that were requested, one for each request."""
    return [r.path.rpartition("/")[2] for r in registry.requests[since:] if "/blobs/" in r.path and r.method == "GET"]
