"""A registry with one image, and a pull of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.access import access_for
from tests.support.pulling import Pull
from tests.support.simulator import Simulator

from .images import IMAGE, SIZES


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as running:
        yield running


@pytest.fixture
def pull(registry: Simulator, tmp_path: Path) -> Pull:
    return Pull(registry, IMAGE, tmp_path / "layout", access_for(tmp_path))


@pytest.fixture(params=["large", "small"])
def digest(request: pytest.FixtureRequest) -> str:
    return SIZES[request.param]
