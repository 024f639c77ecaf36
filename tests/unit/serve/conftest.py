"""A layout to be served."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.images import BuiltImage, build
from tests.support.outputs import write_layout


@pytest.fixture
def image() -> BuiltImage:
    return build("oci")


@pytest.fixture
def layout(tmp_path: Path, image: BuiltImage) -> Path:
    return write_layout(image, tmp_path / "layout", tag="v1")
