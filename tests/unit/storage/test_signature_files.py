"""Signatures in numbered files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.errors import InvalidContent, StorageFailed, TooLarge
from pyskopeo.model.signature import MAX_SIGNATURES, Signature
from pyskopeo.storage.signature_files import LookasideFiles

FILES = LookasideFiles()


def signature(number: int) -> Signature:
    return Signature("simple", bytes([0x90, number]))


def test_they_are_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "a/b@sha256=0"
    assert FILES.read(folder) == ()
    FILES.write(folder, [signature(number) for number in range(3)])
    assert FILES.read(folder) == tuple(signature(number) for number in range(3))
    assert [one.where for one in FILES.read(folder)] == [f"{folder}/signature-{number}" for number in (1, 2, 3)]
    FILES.write(folder, [signature(7)])
    assert FILES.read(folder) == (signature(7),)
    assert [path.name for path in folder.iterdir()] == ["signature-1"]


def test_more_than_can_be_meant(tmp_path: Path) -> None:
    FILES.write(tmp_path, [signature(1)] * MAX_SIGNATURES)
    assert len(FILES.read(tmp_path)) == MAX_SIGNATURES
    FILES.write(tmp_path, [signature(1)] * (MAX_SIGNATURES + 1))
    with pytest.raises(TooLarge, match="more than 128 signatures"):
        FILES.read(tmp_path)


def test_more_in_total_than_can_be_meant(tmp_path: Path) -> None:
    large = Signature("simple", b"\x90" * (4 * 1024 * 1024))
    FILES.write(tmp_path, [large] * 4)
    assert len(FILES.read(tmp_path)) == 4
    FILES.write(tmp_path, [large] * 4 + [signature(1)])
    with pytest.raises(TooLarge, match="signature-5: the signatures of one image are over 16777216 bytes"):
        FILES.read(tmp_path)


def test_what_is_no_signature(tmp_path: Path) -> None:
    (tmp_path / "signature-1").write_text("<html>")
    with pytest.raises(InvalidContent, match="signature-1: unrecognized signature format"):
        FILES.read(tmp_path)
    (tmp_path / "signature-1").unlink()
    (tmp_path / "signature-1").mkdir()
    with pytest.raises(StorageFailed, match="signature-1"):
        FILES.read(tmp_path)


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(StorageFailed, match=f"^creating {tmp_path}/a/b: "):
        FILES.write(tmp_path / "a/b", [signature(1)])
