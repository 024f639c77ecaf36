"""The images that are read and written, and a folder for what is kept for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def image() -> BuiltImage:
    return build(ImageSpec("oci", layers=(LayerSpec("first", size=100_000), LayerSpec("second", size=1000))))


@pytest.fixture(scope="module")
def large() -> BuiltImage:
    return build(ImageSpec("oci", layers=tuple(LayerSpec(f"large-{n}", size=1_500_000) for n in range(3))))
