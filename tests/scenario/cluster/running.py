"""Runs on a cluster, and what they do at the registries."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

from pyskopeo.access import Access
from pyskopeo.cluster.copy_on_cluster import ClusterOptions, copy_on_cluster
from pyskopeo.engine.selection import Selection
from pyskopeo.model.choice import Choice
from pyskopeo.syncing.plan_file import PlanHeader, PlannedImage
from pyskopeo.syncing.plan_options import PlanOptions
from pyskopeo.syncing.sync_request import SyncEvent, SyncReport, ignore
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator

_BASE = LayerSpec("base", base=True)


def image(number: int) -> BuiltImage:
    """All have their base in common, and three their second layer."""
    return build(ImageSpec(layers=(_BASE, LayerSpec(f"shared{number // 3}", size=2000), LayerSpec(f"own{number}", size=500))))


IMAGES = [image(number) for number in range(24)]
BLOBS = {digest for one in IMAGES for digest in one.blobs}


def name(number: int) -> str:
    """``REPOSITORY:TAG``: four images of each repository."""
    return f"app{number // 4}:v{number}"


def fill(registry: Simulator, count: int = len(IMAGES)) -> None:
    for number in range(count):
        repository, _, tag = name(number).partition(":")
        registry.add(IMAGES[number], f"team/{repository}", tag)


def plan(registry: Simulator, mirror: str, count: int = len(IMAGES)) -> tuple[PlanHeader, list[PlannedImage]]:
    options = PlanOptions(Selection(Choice(), "all"))
    header = PlanHeader(f"docker://{registry.host}/team", f"docker://{mirror}/m", options)
    return header, [
        PlannedImage(f"docker://{registry.host}/team/{name(number)}", f"docker://{mirror}/m/{name(number)}")
        for number in range(count)
    ]


Planned: TypeAlias = tuple[PlanHeader, Sequence[PlannedImage]]


async def start(
    planned: Planned, options: ClusterOptions | str, report: Callable[[SyncEvent], None] = ignore
) -> SyncReport:
    access = Access.from_environ()
    access = replace(access, trust=replace(access.trust, insecure=True))
    options = ClusterOptions(options) if isinstance(options, str) else options
    return await copy_on_cluster(*planned, options, source_access=access, destination_access=access, report=report)


def run(
    planned: Planned, options: ClusterOptions | str, report: Callable[[SyncEvent], None] = ignore
) -> SyncReport:
    return asyncio.run(start(planned, options, report))


def uploads(mirror: Simulator, start: int = 0) -> Counter[str]:
    """How often each blob was uploaded as a whole, by the requests from number ``start`` on."""
    found: Counter[str] = Counter()
    methods = ("PUT", "POST") if mirror.pushing.whole_posts else ("PUT",)  # else a POST's body is ignored
    for request in mirror.requests[start:]:
        if request.method in methods and "/blobs/uploads/" in request.path and not request.cut:
            found.update(parse_qs(urlsplit(request.target).query).get("digest", ()))
    return found
