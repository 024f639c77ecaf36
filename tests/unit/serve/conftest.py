"""A layout to be served."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.streams.pump import BUFFER_SIZE
from tests.support.images import BuiltImage, build
from tests.support.outputs import write_layout
from tests.support.serving import REF_NAME, edit_index, put_blob


@pytest.fixture
def image() -> BuiltImage:
    return build("oci")


@pytest.fixture
def layout(tmp_path: Path, image: BuiltImage) -> Path:
    return write_layout(image, tmp_path / "layout", tag="v1")


@pytest.fixture
def other() -> BuiltImage:
    return build("docker")


@pytest.fixture
def big(layout: Path) -> tuple[str, bytes]:
    """A blob of several pieces and a bit."""
    content = hashlib.shake_128(b"big").digest(2 * BUFFER_SIZE + 12345)
    return put_blob(layout, content), content


@pytest.fixture
def many(layout: Path) -> Path:
    def change(entries: list[dict[str, Any]]) -> None:
        entries[:] = [entries[0] | {"annotations": {REF_NAME: tag}} for tag in ("b", "a", "C", "d", "B", "e")]

    edit_index(layout, change)
    return layout
