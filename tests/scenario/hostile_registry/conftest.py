"""A registry that means harm, and another server that it may send its clients to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.simulator import Simulator

from .images import IMAGE


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[Simulator]:
    """Another server; its gate lets everybody pass, and it writes down what they bring."""
    with Simulator(IMAGE) as running:
        yield running
