"""The files with the indexes of layers: what is read of them, and what is not believed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.storage import layer_index_files
from pyskopeo.storage.layer_index_files import LayerIndexFiles, keep_index

LAYER, OTHER = Digest.of(b"layer"), Digest.of(b"other")
CONTENT = b'{"entries":[]}' * 50


@pytest.fixture
def files(tmp_path: Path) -> LayerIndexFiles:
    (tmp_path / "blobs").mkdir()
    return LayerIndexFiles(tmp_path)


def test_what_is_written_is_read(files: LayerIndexFiles) -> None:
    assert files.read(LAYER) is None
    assert list(files.files()) == []
    files.write(LAYER, CONTENT)
    assert files.read(LAYER) == CONTENT
    assert files.read(OTHER) is None
    (file,) = files.files()
    assert (file.digest, file.size) == (LAYER, files.path(LAYER).stat().st_size)
    assert file.size < len(CONTENT) / 2
    files.remove(LAYER)
    files.remove(LAYER)
    assert files.read(LAYER) is None


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def _flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[30] ^= 1  # in the checksum
    path.write_bytes(raw)


def _older(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"index 1\n", b"index 0\n"))


def _linked(path: Path) -> None:
    target = path.with_name("target")
    path.rename(target)
    path.symlink_to(target)


@pytest.mark.parametrize("spoil", [
    _cut, _flip, _older, _linked,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(path.read_bytes()[:60] + b"no deflated data"),
    lambda path: path.chmod(0o664),
    lambda path: path.chmod(0o646),
])  # fmt: skip
def test_an_index_that_is_damaged_or_that_others_may_write_to_is_none(
    files: LayerIndexFiles, spoil: Callable[[Path], object]
) -> None:
    files.write(LAYER, CONTENT)
    spoil(files.path(LAYER))
    assert files.read(LAYER) is None
    files.write(LAYER, CONTENT)  # in its place
    assert files.read(LAYER) == CONTENT


def test_the_index_of_one_layer_is_not_that_of_another(files: LayerIndexFiles) -> None:
    files.write(LAYER, CONTENT)
    files.path(LAYER).rename(files.path(OTHER))
    assert files.read(OTHER) is None


def test_an_index_inflates_to_a_limit_only(files: LayerIndexFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(LAYER, CONTENT)
    monkeypatch.setattr(layer_index_files, "LARGEST", len(CONTENT) - 1)
    assert files.read(LAYER) is None
    files.write(OTHER, CONTENT)
    assert not files.path(OTHER).exists()


def test_no_store_is_made_for_an_index_and_a_failure_is_said(tmp_path: Path) -> None:
    files = LayerIndexFiles(tmp_path / "store")
    assert keep_index(files, LAYER, CONTENT) == ""
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "store" / "blobs").mkdir(parents=True)
    files.root.write_text("a file in its place")
    assert "layer-index" in keep_index(files, LAYER, CONTENT)
