"""A registry with several images that share a layer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.simulator import Simulator

from .running import MANY


@pytest.fixture
def registry() -> Iterator[Simulator]:
    """``team/app`` with the tags v0 to v5."""
    with Simulator() as running:
        for n, image in enumerate(MANY):
            running.add(image, "team/app", f"v{n}")
        yield running
        assert running.failures == []
