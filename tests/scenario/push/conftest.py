"""A registry to push to, and a push of the image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.access import access_for
from tests.support.images import BuiltImage
from tests.support.publishing import Push
from tests.support.simulator import Pushing, Simulator

from .images import IMAGE


@pytest.fixture
def pushing() -> Pushing:
    return Pushing()


@pytest.fixture
def registry(pushing: Pushing) -> Iterator[Simulator]:
    with Simulator(pushing=pushing) as running:
        yield running


@pytest.fixture
def image() -> BuiltImage:
    """What `push` pushes."""
    return IMAGE


@pytest.fixture
def push(registry: Simulator, image: BuiltImage, tmp_path: Path) -> Push:
    return Push(registry, image, tmp_path, access_for(tmp_path))
