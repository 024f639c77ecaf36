"""A connection whose other end is the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.lines import Line


@pytest.fixture
def line() -> Iterator[Line]:
    found = Line()
    yield found
    found.close()
