"""What signs with certificates: the services, and an image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.sigstore_services import SigstoreServices


@pytest.fixture
def services() -> Iterator[SigstoreServices]:
    with SigstoreServices() as running:
        yield running


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_dir(build("oci"), tmp_path / "source")
