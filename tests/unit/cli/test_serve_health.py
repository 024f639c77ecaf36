"""What /healthz says of the layout that is served."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyskopeo.cli.serve import layout_problem


def test_a_layout_that_can_be_served(tmp_path: Path) -> None:
    assert layout_problem(tmp_path, writable=True) == ""
    assert layout_problem(tmp_path / "none", writable=False) == "the layout is not there"


def test_a_full_disk_is_a_problem_for_pushes_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 100, 5, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr("pyskopeo.cli.serve.os.statvfs", lambda _path: full)
    assert layout_problem(tmp_path, writable=True) == "the disk is full"
    assert layout_problem(tmp_path, writable=False) == ""


def test_a_place_that_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.cli.serve.os.access", lambda _path, mode: mode != os.W_OK)
    assert layout_problem(tmp_path, writable=True) == "the layout cannot be written"
    assert layout_problem(tmp_path, writable=False) == ""
