"""The lock of a directory, between processes."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import anyio
import pytest

from pyskopeo.storage.locks import locked

pytestmark = pytest.mark.anyio


def _count_up(directory: str, times: int) -> None:
    async def run() -> None:
        path = Path(directory) / "count"
        for _ in range(times):
            async with locked(Path(directory)):
                number = int(path.read_text())
                await anyio.sleep(0.0005)
                path.write_text(str(number + 1))

    anyio.run(run)


def test_between_processes(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_count_up, args=(str(tmp_path), 40)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert (tmp_path / "count").read_text() == "120"
    assert os.listdir(tmp_path) == ["count"]
