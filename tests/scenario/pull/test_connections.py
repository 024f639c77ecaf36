"""Connections are kept, used again, and replaced when they are dead."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from pyskopeo.errors import NetworkError
from tests.scenario.pull.images import IMAGE
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.pulling import Pull
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio


async def test_connections_are_used_again(tmp_path: Path) -> None:
    image = build(ImageSpec(layers=tuple(LayerSpec(f"l{n}", size=20_000) for n in range(12))))
    with Simulator(image) as registry:
        await Pull(registry, image, tmp_path / "layout", access_for(tmp_path)).run(jobs=2)
        # One for the try with TLS, and one for each that is under way at a time.
        assert registry.connections_seen <= 1 + 3


async def test_a_connection_closed_while_idle_is_replaced_silently(pull: Pull, registry: Simulator) -> None:
    registry.on_blob("*", f.Drop(), times=1)
    await pull.run(jobs=1)  # so that the first blob is asked for on the manifest's connection
    assert pull.retries == []
    assert sum("/blobs/" in line for line in registry.log) == len(IMAGE.blobs) + 1


_COUNTER = itertools.count()


async def test_every_fault_in_turn_ends_in_a_network_error_or_an_image(tmp_path: Path) -> None:
    """The same registry, one fault after another: no state of one pull spoils the next."""
    faults: tuple[tuple[f.Fault, ...], ...] = (
        (f.Cut(1),),
        (f.Refuse(500),),
        (f.Drop(),),
        (f.Chunked(), f.Cut(5000)),
        (f.Refuse(503, retry_after=0),),
    )
    with Simulator(IMAGE) as registry:
        for some in faults:
            registry.on("*", *some, times=1)
            root = tmp_path / str(next(_COUNTER))
            try:
                await Pull(registry, IMAGE, root, access_for(tmp_path)).run()
            except NetworkError as error:
                pytest.fail(f"{some}: {error}")
