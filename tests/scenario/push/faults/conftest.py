"""The image of the pushes that go wrong."""

from __future__ import annotations

import pytest

from tests.support.images import BuiltImage

from .images import IMAGE, LARGE, SMALL


@pytest.fixture
def image() -> BuiltImage:
    return IMAGE


@pytest.fixture(params=["large", "small"])
def digest(request: pytest.FixtureRequest) -> str:
    return LARGE if request.param == "large" else SMALL
