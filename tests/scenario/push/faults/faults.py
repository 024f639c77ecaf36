"""Faults of the bodies of uploads, and how a push must fail."""

from __future__ import annotations

import pytest

from pyskopeo.errors import PyskopeoError
from tests.scenario.push.faults.images import BODIES
from tests.support import faults as f
from tests.support.publishing import Push
from tests.support.simulator import Simulator


def on_bodies(registry: Simulator, fault: f.Fault, *, times: int | None = None, skip: int = 0) -> None:
    registry.on("/v2/*/blobs/uploads/*", fault, times=times, skip=skip, methods=BODIES)


async def fails_then_works(push: Push, error: type[PyskopeoError], match: str = "[a-z]") -> PyskopeoError:
    """The push fails in one clear line, leaves nothing (see `Push.run`), and works once the fault is gone."""
    with pytest.raises(error, match=match) as caught:
        await push.run()
    assert isinstance(caught.value, error)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert push.names() == {}
    push.registry.heal()
    push.closes = False
    await push.run()
    push.check_there()
    return caught.value
