"""A layer that is written in pieces of any size: the same entries and contents, and one error for what is damaged."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from random import Random

import pytest

from pyskopeo.errors import InvalidContent, TooLarge
from pyskopeo.filesystem import layer_sink
from pyskopeo.filesystem.contents import ContentDirectory
from pyskopeo.filesystem.entry import Entry, Kind, Whiteout
from pyskopeo.filesystem.layer_sink import EntryTotal, LayerSink
from tests.support.filetrees import directory, file, gone, hard, layer, link

TAR = layer(
    directory("d"), file("d/empty", b""), file("d/short", b"abc"), gone("d/old"), file("d/block", b"x" * 512),
    file("d/" + "long" * 60, bytes(range(256)) * 11), link("l", "d"), hard("h", "d/short"),
)  # fmt: skip


def everything(_: Entry) -> bool:
    return True


def written(tar: bytes, step: int, sink: LayerSink) -> LayerSink:
    view = memoryview(tar)
    for at in range(0, len(tar), step):
        sink.write(view[at : at + step])
    sink.finish()
    return sink


@pytest.mark.parametrize("step", [1, 100, 511, 512, 513, 4096, 10**6])
def test_pieces_of_any_size(step: int, tmp_path: Path) -> None:
    contents = ContentDirectory(tmp_path, hashed=True)
    sink = written(TAR, step, LayerSink(2, "layer 2", EntryTotal(), everything, contents))
    contents.close()
    long = "d/" + "long" * 60
    assert [entry.path for entry in sink.layer.entries] == ["d", "d/empty", "d/short", "d/block", long, "l", "h"]
    assert sink.layer.whiteouts == [Whiteout("d/old", opaque=False)]
    found = {entry.path: (tmp_path / contents.name(entry.key)).read_bytes() for entry in sink.layer.entries
             if entry.kind is Kind.FILE}  # fmt: skip
    assert found == {"d/empty": b"", "d/short": b"abc", "d/block": b"x" * 512, long: bytes(range(256)) * 11}
    assert len(list(tmp_path.iterdir())) == len(contents.digests) == 4


def test_only_what_is_wanted_is_kept(tmp_path: Path) -> None:
    contents = ContentDirectory(tmp_path)
    sink = LayerSink(1, "layer 1", EntryTotal(), lambda entry: entry.path == "d/short", contents)
    written(TAR, 700, sink)
    contents.close()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"abc"]
    assert (1, 2) in contents
    assert (1, 1) not in contents


def test_it_may_begin_again(tmp_path: Path) -> None:
    """What another mirror sends after wrong bytes."""
    contents = ContentDirectory(tmp_path)
    sink = LayerSink(1, "layer 1", EntryTotal(), everything, contents)
    sink.write(memoryview(layer(file("wrong", b"wrong" * 1000)))[:2000])
    sink.restart()
    written(TAR, 10_000, sink)
    contents.close()
    assert sink.layer.entries[0].path == "d"
    assert (1, 0) not in contents
    assert (1, 2) in contents


@pytest.mark.parametrize("tar", [b"", bytes(512), bytes(1024), bytes(10240)])
def test_a_layer_without_files(tar: bytes) -> None:
    assert written(tar, 1000, LayerSink(1, "layer 1", EntryTotal(), everything)).layer.entries == []


def test_what_follows_the_end_is_ignored() -> None:
    sink = written(TAR.rstrip(b"\0") + bytes(2048) + b"anything", 1000, LayerSink(1, "layer 1", EntryTotal(), everything))
    assert len(sink.layer.entries) == 7


@pytest.mark.parametrize("cut", [1, 511, 513, 700, 1025, 1400, 2047])
def test_what_is_cut_short(cut: int) -> None:
    tar = layer(file("a", b"x" * 300), file("b", b"x" * 300))
    with pytest.raises(InvalidContent, match="tar archive"):
        written(tar[:cut], 100, LayerSink(1, "layer 1", EntryTotal(), everything))


def test_all_layers_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_sink, "_MOST_ENTRIES", 10)
    total = EntryTotal()
    written(TAR, 1000, LayerSink(1, "layer 1", total, everything))
    again = LayerSink(1, "layer 1", total, everything)  # the same layer does not count twice
    written(TAR, 1000, again)
    with pytest.raises(TooLarge, match="the layers of this image have over 10 files: refused"):
        written(TAR, 1000, LayerSink(2, "layer 2", total, everything))


def test_one_layer_is_counted_while_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer of ten million files is refused long before its end."""
    monkeypatch.setattr(layer_sink, "_MOST_ENTRIES", 3000)
    sink, piece = LayerSink(1, "layer 1", EntryTotal(), everything), memoryview(layer(file("a", b""))[:512])


    def write_ten_million() -> None:
        for _ in range(10_000_000):
            sink.write(piece)

    with pytest.raises(TooLarge):
        write_ten_million()
    assert len(sink.layer.entries) <= 3000


def test_the_memory_of_an_entry() -> None:
    """The limit of the number of files is one of memory, too."""
    tar = layer(*(file(f"usr/share/{number}", b"") for number in range(5000)))
    tracemalloc.start()
    try:
        sink = written(tar, 100_000, LayerSink(1, "layer 1", EntryTotal(), everything))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(sink.layer.entries) == 5000
    assert used / 5000 < 500


def test_random_archives_are_read_as_tarfile_wrote_them(tmp_path: Path) -> None:
    random = Random(7)
    files = {f"{n}/" + "n" * random.randrange(1, 200): random.randbytes(random.choice([0, 1, 511, 512, 513, 3000]))
             for n in range(60)}  # fmt: skip
    contents = ContentDirectory(tmp_path)
    sink = LayerSink(1, "layer 1", EntryTotal(), everything, contents)
    tar, at = memoryview(layer(*(file(*pair) for pair in files.items()))), 0
    while at < len(tar):
        step = random.randrange(1, 2000)
        sink.write(tar[at : at + step])
        at += step
    sink.finish()
    contents.close()
    found = {entry.path: (tmp_path / contents.name(entry.key)).read_bytes() for entry in sink.layer.entries}
    assert found == files
