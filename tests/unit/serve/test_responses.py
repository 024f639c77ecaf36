"""Answers of the registry."""

from __future__ import annotations

import pytest

from pyskopeo.serve.responses import byte_range

pytestmark = pytest.mark.anyio


def test_byte_range_of_nothing() -> None:
    assert byte_range("bytes=0-", 0) is None
    assert byte_range("bytes=1-", 1) == range(0)
