"""The journal of complete layers: what it says of them, and what of it is believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.storage.docker_archive.layer_journal import KeptLayer, LayerJournal

ONE, TWO = Digest.of(b"one"), Digest.of(b"two", "sha512")
SIZE = 64 * 1024


def read(path: Path) -> dict[Digest, KeptLayer]:
    journal = LayerJournal(path)
    journal.read()
    assert journal.written == bool(journal.layers)
    return journal.layers


def test_what_was_added_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    for number in range(2):  # one run after the other
        journal = LayerJournal(path)
        assert not journal.written
        journal.add(ONE, KeptLayer(SIZE, None))
        journal.add(TWO, KeptLayer(SIZE + 1, 512 + number))
        assert journal.written
        journal.close()
    assert read(path) == {ONE: KeptLayer(SIZE, None), TWO: KeptLayer(SIZE + 1, 513)}


def test_the_last_place_of_a_layer_counts(tmp_path: Path) -> None:
    journal = LayerJournal(tmp_path / "journal")
    journal.add(ONE, KeptLayer(SIZE, None))
    journal.add(ONE, KeptLayer(SIZE, 1024))
    journal.close()
    assert read(journal.path) == {ONE: KeptLayer(SIZE, 1024)}


def test_small_layers_need_no_file(tmp_path: Path) -> None:
    journal = LayerJournal(tmp_path / "journal")
    journal.add(ONE, KeptLayer(SIZE - 1, None))
    journal.close()
    assert not journal.written
    assert os.listdir(tmp_path) == []
    assert read(journal.path) == {}


@pytest.mark.parametrize(
    "line", ["", "garbage", f"{ONE} {SIZE}", f"{ONE} -1 -", f"{ONE} {SIZE} -1", f"{ONE} {SIZE} ٣", f"sha256:.. {SIZE} -", "\0" * 99,
             f"{ONE} {'9' * 99} 0"]
)  # fmt: skip
def test_lines_that_are_no_records_are_ignored(line: str, tmp_path: Path) -> None:
    (tmp_path / "journal").write_text(f"{line}\n{TWO} {SIZE} 0\n")
    assert read(tmp_path / "journal") == {TWO: KeptLayer(SIZE, 0)}


def test_a_line_that_was_cut_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text(f"{ONE} {SIZE}")
    journal = LayerJournal(tmp_path / "journal")
    journal.add(TWO, KeptLayer(SIZE, 0))
    journal.close()
    assert read(journal.path) == {TWO: KeptLayer(SIZE, 0)}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(f"{ONE} {SIZE} -\n")
    (tmp_path / "journal").symlink_to("elsewhere")
    assert read(tmp_path / "journal") == {}
