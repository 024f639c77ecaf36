from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.measurement import unmeasured


@pytest.fixture(autouse=True)
def _unmeasured() -> Iterator[None]:
    """These tests are not measured for coverage: there are hundreds of copies, of which other tests measure the code."""
    with unmeasured():
        yield
