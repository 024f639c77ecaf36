"""``manifest-digest`` of files and streams."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, said
from tests.support.commands import pyskopeo
from tests.support.images import build


def test_digests_of_streams(tmp_path: Path) -> None:
    raw = build("oci").root.raw
    for content in (raw, b"", b"x" * (4 * 1024 * 1024), b'{"signatures":' + b"x" * 5_000_000):
        path = tmp_path / "manifest"
        path.write_bytes(content)
        expected = subprocess.run(["sha256sum", path], capture_output=True, check=True).stdout[:64]
        assert pyskopeo_here("manifest-digest", path).stdout == b"sha256:" + expected + b"\n"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(raw))
    writer.start()
    assert pyskopeo("manifest-digest", fifo).stdout.decode() == f"{build('oci').digest}\n"
    writer.join()


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_input_without_end(device: str) -> None:
    done = pyskopeo_here("manifest-digest", device)
    assert (done.code, done.stdout) == (1, b"")
    assert said(done.stderr) == f"Error reading manifest from {device}: over 67108864 bytes, which is no manifest"


@pytest.mark.parametrize(("name", "reason"), [("missing", "no such file or directory"), (".", "is a directory")])
def test_no_file(name: str, reason: str, tmp_path: Path) -> None:
    done = pyskopeo_here("manifest-digest", tmp_path / name)
    assert (done.code, done.stdout) == (1, b"")
    assert said(done.stderr) == f"Error reading manifest from {tmp_path / name}: {reason}"


def test_a_broken_signature(tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    path.write_bytes(b'{"schemaVersion":1,"signatures":[{"protected":"!!"}]}')
    done = pyskopeo_here("manifest-digest", path)
    assert (done.code, done.stdout) == (1, b"")
    assert said(done.stderr).startswith("Error computing digest: signed manifest: ")
