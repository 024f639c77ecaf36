"""A registry with images for bundles, and one that bundles are applied to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.simulator import Simulator

from .making import DIVIDED, IMAGES, LISTED


@pytest.fixture(autouse=True)
def _machine(no_machine_policy: Path) -> None:
    """What the machine says is not asked."""


@pytest.fixture
def registry() -> Iterator[Simulator]:
    """``team/app`` with the tags v0 to v3, ``team/listed:1`` for several platforms, ``team/large:1``."""
    with Simulator() as running:
        for n, built in enumerate(IMAGES):
            running.add(built, "team/app", f"v{n}")
        running.add(LISTED, "team/listed", "1")
        running.add(DIVIDED, "team/large", "1")
        yield running
        assert running.failures == []


@pytest.fixture
def mirror() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running
        assert running.failures == []
