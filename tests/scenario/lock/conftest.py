"""A registry with three images, and a folder with the list of them; or with their lock, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import succeed
from tests.support.simulator import Simulator

from .locks import listing, lock, serving


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with serving() as running:
        yield running
        assert running.failures == []


@pytest.fixture
def folder(registry: Simulator, tmp_path: Path) -> Path:
    """A folder with ``images.yaml``."""
    (tmp_path / "images.yaml").write_text(listing(registry))
    return tmp_path


@pytest.fixture
def locked(folder: Path) -> Path:
    """A folder with ``images.yaml`` and ``images.lock``."""
    succeed(lock(folder))
    return folder
