"""A registry that takes pushes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.serving import client


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "registry"


@pytest.fixture
async def http(layout: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client(layout, writable=True) as made:
        yield made
