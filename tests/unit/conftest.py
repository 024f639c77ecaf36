"""A registry that is a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.scripted import Script

if TYPE_CHECKING:
    from pytest_httpx import HTTPXMock


@pytest.fixture
def script(httpx_mock: HTTPXMock, tmp_path: Path) -> Script:
    return Script(httpx_mock, tmp_path)
