"""The compressed bytes of a layer that is decompressed: kept from a slow source, and only from one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.storage.docker_archive import kept_blob
from pyskopeo.storage.docker_archive.kept_blob import KeptBlob
from pyskopeo.storage.part_files import open_part
from tests.support.trees import tree

pytestmark = pytest.mark.anyio
PIECE = 1024 * 1024
CONTENT = bytes(range(256)) * (8 * PIECE // 256)
BLOB = Descriptor("", Digest.of(CONTENT), len(CONTENT))


class Clocks:
    """The time that passes, and the processor's time of it, for each piece."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, thread: float, process: float) -> None:
        self.now = 0.0
        for name, share in (("monotonic", 1.0), ("thread_time", thread), ("process_time", process)):
            monkeypatch.setattr(time, name, lambda share=share: self.now * share)


@pytest.fixture
def one_processor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(kept_blob, "processors", lambda: 1)
    return iter(())


@pytest.mark.usefixtures("one_processor")
@pytest.mark.parametrize(
    ("thread", "process", "kept"),
    [
        (0.1, 0.1, True),  # a slow network
        (0.9, 0.9, False),  # decompression takes all the time
        (0.4, 0.9, False),  # others do, and this one waits for its turn
        (0.1, 0.4, False),
        (0.1, 0.3, True),
    ],
)
async def test_what_is_kept(thread: float, process: float, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch, thread, process)
    with suppress(RuntimeError):
        async with open_part(tmp_path / "blob", BLOB, resume=True) as part:
            sink = KeptBlob(part)
            for start in range(0, 6 * PIECE, PIECE):
                sink.write(memoryview(CONTENT[start : start + PIECE]))
                clocks.now += 1.0
            raise RuntimeError
    assert [len(content) for content in tree(tmp_path).values()] == ([6 * PIECE] if kept else [])


@pytest.mark.usefixtures("one_processor")
async def test_what_was_kept_by_an_earlier_run_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was slow then, and is not written twice."""
    clocks = Clocks(monkeypatch, 1.0, 1.0)
    for number in range(2):
        with suppress(RuntimeError):
            async with open_part(tmp_path / "blob", BLOB, resume=True) as part:
                sink = KeptBlob(part)
                assert sink.kept == number * 2 * PIECE
                for _ in range(2):
                    sink.write(memoryview(CONTENT[:PIECE]))
                    clocks.now += 1.0
                raise RuntimeError
    assert [len(content) for content in tree(tmp_path).values()] == [4 * PIECE]


@pytest.mark.usefixtures("one_processor")
async def test_parts_from_a_fast_source_are_found_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source may become slow later."""
    clocks = Clocks(monkeypatch, 1.0, 1.0)
    with suppress(RuntimeError):
        async with open_part(tmp_path / "blob", BLOB, resume=True) as part:
            sink = KeptBlob(part)
            for start in range(0, 5 * PIECE, PIECE):
                sink.write(memoryview(CONTENT[start : start + PIECE]))
                clocks.now += 1.0
            sink.write_at(memoryview(CONTENT[6 * PIECE : 7 * PIECE]), 6 * PIECE)
            sink.part_written(6 * PIECE, 7 * PIECE)
            sink.skip_to(7 * PIECE)
            raise RuntimeError
    async with open_part(tmp_path / "blob", BLOB, resume=True) as part:
        assert (part.kept, part.parts) == (0, ((6 * PIECE, 7 * PIECE),))
