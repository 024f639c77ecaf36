"""Compression by several threads: bounded, given up at once, and no thread left."""

from __future__ import annotations

import mmap
import random
import threading
import time
import tracemalloc

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.model import mediatype
from pyskopeo.model.change import Change, Outcome
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.streams import compress, ordered_pool
from pyskopeo.streams.cancellation import Cancellation, Cancelled, on_cancel
from pyskopeo.streams.compress import RecompressingSink
from pyskopeo.streams.pump import MemorySink, NullSink
from tests.support.compressed import CONTENT, LARGE, LAYER, MIB, changed, in_steps, plain
from tests.support.threads import our_threads


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_many_layers_at_once(format: str) -> None:
    expected = changed(LARGE, Change(format))
    found: list[tuple[bytes, Outcome]] = []
    workers = [
        threading.Thread(target=lambda n=n: found.append(changed(LARGE, Change(format), 60_000 + n))) for n in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert found == [expected] * 8


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_results_do_not_pile_up(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing gets smaller, and the other side is slower than the compression."""
    monkeypatch.setattr(ordered_pool, "processors", lambda: 2)
    noise = memoryview(random.Random(3).randbytes(MIB))

    class Slow(NullSink):
        def write(self, buffer: memoryview) -> None:
            time.sleep(0.01)

    tracemalloc.start()
    try:
        sink = RecompressingSink(Slow(), Change(format, 1), LAYER, "x")
        for _ in range(24):
            sink.write(noise)
        sink.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * MIB


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_few_blocks_are_held(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the compression is, and however many layers there are."""
    monkeypatch.setattr(ordered_pool, "processors", lambda: 2)
    size = 512 * 1024 if format == "gzip" else MIB
    lock, held, most, go = threading.Lock(), 0, 0, threading.Event()

    class Counted:
        def __init__(self) -> None:
            nonlocal held, most
            with lock:
                held += 1
                most = max(most, held)

        def __del__(self) -> None:
            nonlocal held
            with lock:
                held -= 1

    original = mmap.mmap

    class Map(original):  # type: ignore[misc,valid-type]
        def __init__(self, *_: object) -> None:
            self.counted = Counted()

    codec = compress._Gzip if format == "gzip" else compress._Zstd
    job = codec.job

    def slow(self: object, block: memoryview) -> ordered_pool.Job:
        made = job(self, block)  # type: ignore[arg-type]

        def run() -> bytes:
            go.wait(10)
            return made()

        return run

    monkeypatch.setattr(codec, "job", slow)
    monkeypatch.setattr(mmap, "mmap", Map)
    found: list[bytes] = []
    data = bytes(size * 8)
    workers = [threading.Thread(target=lambda: found.append(changed(data, Change(format, 1))[0])) for _ in range(6)]
    for worker in workers:
        worker.start()
    time.sleep(0.2)
    go.set()
    for worker in workers:
        worker.join(30)
    assert [plain(content, format) for content in found] == [data] * 6
    # Each layer fills one; one for each thread and one more are being compressed. Those that have been compressed are
    # released a moment after the next ones are begun.
    assert 6 <= most <= 6 + 2 * 3
    assert held == 0


@pytest.mark.parametrize("format", ["gzip", "zstd", ""])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_error_below_comes_through_and_ends_all(after: int, format: str) -> None:
    class Failing(NullSink):
        left = after

        def write(self, buffer: memoryview) -> None:
            self.left -= 1
            if self.left < 0:
                raise OSError("the other side is gone")

    sink = RecompressingSink(Failing(), Change(format), LAYER, "x")

    def write() -> None:
        for start in range(0, len(LARGE), 100_000):
            sink.write(memoryview(LARGE[start : start + 100_000]))
        sink.finish()

    with pytest.raises(OSError, match="the other side is gone"):
        write()


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_an_error_while_compressing_comes_through(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(block: memoryview) -> bytes:
        raise MemoryError("no more")

    codec = compress._Gzip if format == "gzip" else compress._Zstd
    monkeypatch.setattr(codec, "job", lambda self, block: lambda: failing(block))
    with pytest.raises(MemoryError, match="no more"):
        changed(LARGE, Change(format))


@pytest.mark.parametrize("format", ["gzip", "zstd", "", None])
def test_cancelled_between_writes(format: str | None) -> None:
    cancellation = Cancellation()
    sink = RecompressingSink(MemorySink(), Change(format), LAYER, "x")

    def write() -> None:
        sink.write(memoryview(LARGE))
        cancellation.cancel()
        sink.write(memoryview(LARGE))

    if format:
        with pytest.raises(Cancelled):
            cancellation.run(write)
    else:
        cancellation.run(write)  # nothing here blocks
    sink.close()
    sink.close()
    if format:
        with pytest.raises(Cancelled):
            sink.write(memoryview(LARGE))


@pytest.mark.parametrize("format", ["gzip", "zstd"])
@pytest.mark.parametrize("where", ["write", "finish", "another-layer"])
def test_cancelling_frees_a_thread_that_waits(where: str, format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of zstd's highest level takes seconds: its thread is not waited for."""
    monkeypatch.setattr(ordered_pool, "processors", lambda: 1)
    go, began = threading.Event(), list[object]()
    codec = compress._Gzip if format == "gzip" else compress._Zstd

    def slow() -> bytes:
        began.append(None)
        assert go.wait(30)
        return b""

    monkeypatch.setattr(codec, "job", lambda *_: slow)
    errors = list[Exception]()
    sinks = [RecompressingSink(MemorySink(), Change(format), LAYER, "x") for _ in range(2)]
    sink = sinks[-1]
    cancellation = Cancellation()

    def work() -> None:
        if where == "another-layer":  # its blocks are what is waited for
            sinks[0].write(memoryview(LARGE)[: 2 * MIB])
        if where == "finish":
            sink.write(memoryview(LARGE)[: MIB // 4])
            sink.finish()
        else:
            sink.write(memoryview(LARGE))

    def pump() -> None:
        try:
            cancellation.run(work)
        except Exception as error:  # noqa: BLE001 - shown to the test
            errors.append(error)

    worker = threading.Thread(target=pump)
    worker.start()
    while not began:
        time.sleep(0.001)
    time.sleep(0.05)
    assert worker.is_alive(), "nothing waited"
    cancellation.cancel()
    worker.join(20)
    assert not worker.is_alive(), "it waits for a block"
    assert [type(error) for error in errors] == [Cancelled]
    for one in sinks:
        one.close()
    go.set()
    while our_threads():
        time.sleep(0.01)
    assert len(began) == 1, "what was not begun was done all the same"


def test_one_that_gives_up_does_not_disturb_the_others() -> None:
    target = MemorySink()
    staying = RecompressingSink(target, Change("gzip"), LAYER, "x")
    leaving = RecompressingSink(MemorySink(), Change("gzip"), LAYER, "y")
    for start in range(0, len(LARGE), MIB):
        leaving.write(memoryview(LARGE[start : start + MIB]))
        staying.write(memoryview(LARGE[start : start + MIB]))
        if start >= 2 * MIB:
            leaving.close()
            break
    staying.write(memoryview(LARGE[start + MIB :]))
    staying.finish()
    assert bytes(target.content) == changed(LARGE, Change("gzip"))[0]


def test_a_layer_given_up_before_its_first_block_needs_no_thread() -> None:
    sink = RecompressingSink(MemorySink(), Change("gzip"), LAYER, "x")
    sink.write(memoryview(b"hello"))
    assert our_threads() == []
    sink.close()


@pytest.mark.parametrize("format", ["gzip", "zstd"])
def test_only_the_callers_thread_writes(format: str) -> None:
    seen: set[int] = set()

    class Watched(MemorySink):
        def write(self, buffer: memoryview) -> None:
            seen.add(threading.get_ident())

    sink = RecompressingSink(Watched(), Change(format), LAYER, "x")
    for _ in range(3):
        sink.write(memoryview(LARGE))
    sink.finish()
    assert seen == {threading.get_ident()}


ZSTD_LAYER = Descriptor(mediatype.OCI_LAYER_ZSTD, Digest.of(b"x"), 1)


class Stuck(NullSink):
    """Takes nothing until it is told to give up."""

    def __init__(self) -> None:
        self.entered, self.woken = threading.Event(), threading.Event()

    def write(self, buffer: memoryview) -> None:
        with on_cancel(self.woken.set):
            self.entered.set()
            assert self.woken.wait(10)
            raise InvalidContent("woken")


@pytest.mark.parametrize("format", ["gzip", "zstd", "", None])
def test_a_cancellation_reaches_the_sink_below(format: str | None) -> None:
    """A `write` may be waiting for it."""
    below = Stuck()
    sink = RecompressingSink(below, Change(format), ZSTD_LAYER, "it")
    failures: list[BaseException] = []
    cancellation = Cancellation()

    def work() -> None:
        for piece in in_steps(CONTENT * 20, 1 << 20):
            sink.write(piece)
        sink.finish()

    def run() -> None:
        try:
            cancellation.run(work)
        except (Cancelled, InvalidContent) as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert below.entered.wait(10)
    sink.close()
    assert not below.woken.is_set()
    cancellation.cancel()
    thread.join(5)
    assert not thread.is_alive()
    assert below.woken.is_set()
    assert [type(error) for error in failures] == [Cancelled]
