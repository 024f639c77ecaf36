"""One cluster of three workers for all tests, and registries for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scenario.cluster.running import fill
from tests.support.cluster import Cluster
from tests.support.simulator import Simulator


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        yield running


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator() as running:
        fill(running)
        yield running
        assert running.failures == []


@pytest.fixture
def mirror() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running
        assert running.failures == []
