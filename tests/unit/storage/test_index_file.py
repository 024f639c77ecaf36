"""The index of a layout is parsed once, and written a bounded number of times, whoever else writes it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import InvalidContent, NotFound, StorageFailed
from pyskopeo.model.layout import REF_NAME, LayoutIndex
from pyskopeo.model.manifest import Manifest
from pyskopeo.storage import index_file
from pyskopeo.storage.index_file import IndexFile
from pyskopeo.storage.locks import locked
from pyskopeo.storage.partial_files import write_atomically
from tests.support.images import build

pytestmark = pytest.mark.anyio
ROOT = Manifest.parse(build("oci").root.raw)


def names(folder: Path) -> list[str]:
    entries = json.loads((folder / "index.json").read_bytes())["manifests"]
    return [entry.get("annotations", {}).get(REF_NAME, "") for entry in entries]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is parsed from now on."""
    found: list[str] = []
    real = LayoutIndex.parse

    def parse(raw: bytes, where: str = "") -> LayoutIndex:
        found.append(where)
        return real(raw, where)

    monkeypatch.setattr(LayoutIndex, "parse", parse)
    return found


async def test_a_new_layout(tmp_path: Path) -> None:
    index = IndexFile(tmp_path)
    with pytest.raises(NotFound):
        index.read()
    await index.put(ROOT, "a")
    await index.put(ROOT, "")
    assert names(tmp_path) == ["a", ""]
    assert (tmp_path / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'
    assert sorted(os.listdir(tmp_path)) == ["index.json", "oci-layout"]


async def test_ten_thousand_entries_are_parsed_once_and_written_twice(
    tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_file, "_INTERVAL", 1000)
    (tmp_path / "index.json").write_bytes(
        LayoutIndex.empty().with_images({f"n{number}": ROOT for number in range(10_000)}).raw
    )
    writes: list[Path] = []

    def watched(path: Path, raw: bytes, mode: int) -> None:
        writes.append(path)
        write_atomically(path, raw, mode)

    monkeypatch.setattr(index_file, "write_atomically", watched)
    index = IndexFile(tmp_path, deferred=True)
    for number in range(1000):
        assert index.read().positions(f"n{number}") == [number]
        await index.put(ROOT, f"new{number}")
        assert not index.due
    await index.flush()
    assert len(index.read().entries) == 11_000
    assert len(parsed) == 1
    assert [path.name for path in writes] == ["oci-layout", "index.json"]
    await index.flush()
    assert len(writes) == 2


async def test_what_others_write_meanwhile_is_kept(tmp_path: Path, parsed: list[str]) -> None:
    first, second = IndexFile(tmp_path, deferred=True), IndexFile(tmp_path)
    await first.put(ROOT, "a")
    await first.flush()
    await second.put(ROOT, "b")
    await first.put(ROOT, "c")
    await first.flush()
    assert names(tmp_path) == ["a", "b", "c"]
    assert len(parsed) == 2
    assert len(first.read().entries) == 3


async def test_the_order_is_not_that_of_time(tmp_path: Path) -> None:
    """What one run adds is sorted, over all its writes; what was there, and what others add, stays in its place."""
    others = IndexFile(tmp_path)
    for name in ("z", "c", "m"):
        await others.put(ROOT, name)
    run = IndexFile(tmp_path, deferred=True)
    for name in ("q", "b", "m", ""):
        await run.put(ROOT, name)
    await run.flush()
    assert names(tmp_path) == ["z", "c", "m", "b", "q", ""]
    await others.put(ROOT, "k")
    for name in ("a", "c"):
        await run.put(ROOT, name)
    await run.flush()
    assert names(tmp_path) == ["z", "c", "m", "a", "b", "q", "k", ""]


async def test_after_a_flush_everything_put_before_it_is_written(tmp_path: Path) -> None:
    index = IndexFile(tmp_path, deferred=True)

    async def put(name: str) -> None:
        await index.put(ROOT, name)
        await index.flush()
        assert name in names(tmp_path)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(put, f"n{number}")
    assert sorted(names(tmp_path)) == sorted(f"n{number}" for number in range(20))


async def test_what_was_put_is_written_after_a_cancelled_flush(tmp_path: Path) -> None:
    index = IndexFile(tmp_path, deferred=True)
    await index.put(ROOT, "a")
    await index.put(ROOT, "")
    async with locked(tmp_path):
        with anyio.move_on_after(0.05) as scope:
            await index.flush()
        assert scope.cancelled_caught
    await index.put(ROOT, "b")
    await index.flush()
    assert names(tmp_path) == ["a", "b", ""]


async def test_a_large_index_is_written_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    index = IndexFile(tmp_path, deferred=True)

    def slow(path: Path, raw: bytes, mode: int) -> None:
        now[0] += 1  # the layout file, then the index
        write_atomically(path, raw, mode)

    monkeypatch.setattr(index_file, "write_atomically", slow)
    await index.put(ROOT, "a")
    now[0] += 0.2
    assert index.due
    await index.flush()
    await index.put(ROOT, "b")
    now[0] += 30
    assert not index.due, "writing takes no more than a twentieth of the time"
    now[0] += 20
    assert index.due


async def test_a_damaged_index_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(b"{")
    with pytest.raises(InvalidContent, match="not valid JSON"):
        await IndexFile(tmp_path).put(ROOT, "a")
    assert (tmp_path / "index.json").read_bytes() == b"{"


async def test_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFailed):
        IndexFile(tmp_path / "file").read()
