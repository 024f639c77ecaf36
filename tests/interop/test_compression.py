"""Layers that we compress, read by the programs gzip and zstd."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pyskopeo.model.change import Change
from tests.support.compressed import LARGE, changed
from tests.support.require import require_peer


@pytest.mark.peer("gzip")
@pytest.mark.parametrize("format", ["gzip", "zstd"])
@pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["empty", "one", "large"])
def test_the_programs_read_it(format: str, data: bytes, tmp_path: Path) -> None:
    program = require_peer(format)
    content, _ = changed(data, Change(format))
    path = tmp_path / ("layer.gz" if format == "gzip" else "layer.zst")
    path.write_bytes(content)
    subprocess.run([program, "-t", str(path)], check=True, capture_output=True)
    assert subprocess.run([program, "-dc", str(path)], check=True, capture_output=True).stdout == data
    path.write_bytes(content[:-3])
    assert subprocess.run([program, "-t", str(path)], check=False, capture_output=True).returncode != 0
