"""What the program makes of the messages of workers, in any order, from anybody."""

from __future__ import annotations

from typing import Any

import pytest

from pyskopeo.cluster.attempts import Attempts
from pyskopeo.cluster.messages import encode_result
from pyskopeo.cluster.topics import Message, pack, unpack
from pyskopeo.syncing.sync_request import ImageFinished, ImageResult, ImageStarted, LogMessage, SyncEvent, SyncImage

IMAGES = [SyncImage(f"docker://a/b:{n}", f"docker://c/d:{n}") for n in range(4)]


class _Run:
    def __init__(self) -> None:
        self.events: list[SyncEvent] = []
        self.told: list[tuple[str, str, Message]] = []
        self.attempts = Attempts(
            IMAGES, [[0, 1], [2, 3]], self.events.append, lambda *message: self.told.append(message)
        )

    def begin(self, name: str, group: int = 0, worker: str = "w1") -> Any:
        return self.attempts.begin(name, {"kind": "hello", "group": group, "worker": worker})


def _done(position: int, status: Any = "copied") -> dict[str, Any]:
    return {"kind": "finished", **encode_result(ImageResult(IMAGES[position], status), position, None)}


def test_the_result_of_an_image_counts_once() -> None:
    run = _Run()
    run.begin("one")
    run.attempts.take("one", [{"kind": "started", "image": 1}, _done(1)])
    again = run.begin("two", worker="w2")
    assert run.attempts.done_positions(again.group) == [1]
    assert run.told == [("w1", "one", {"kind": "cancel"})], "the task runs elsewhere now"
    run.attempts.take("two", [{"kind": "started", "image": 1}, _done(1, "present"), {"kind": "started", "image": 0}])
    assert [event.position for event in run.events if isinstance(event, ImageStarted)] == [1, 2]
    assert [event.result.status for event in run.events if isinstance(event, ImageFinished)] == ["copied"]
    run.attempts.take("one", [_done(0)])
    assert run.attempts.finished == {1}, "nobody listens to an attempt that was replaced"


def test_a_worker_that_is_gone_gives_its_blobs_to_others() -> None:
    run = _Run()
    run.begin("one")
    run.begin("two", group=1, worker="w2")
    run.attempts.take("one", [{"kind": "claim", "digest": "x"}])
    run.attempts.take("two", [{"kind": "claim", "digest": "x"}])
    assert run.told == [("w1", "one", {"kind": "blob", "digest": "x"})]
    run.attempts.keep_workers({"w2"})
    assert run.told[1:] == [("w2", "two", {"kind": "blob", "digest": "x"})]
    run.attempts.take("two", [{"kind": "placed", "digest": "x", "host": "h", "repository": "r"}])
    run.begin("three")
    run.attempts.take("three", [{"kind": "claim", "digest": "x"}])
    assert run.told[-1] == ("w1", "three", {"kind": "blob", "digest": "x", "host": "h", "repository": "r"})


def test_one_warning_each_time_that_the_last_worker_is_gone() -> None:
    run = _Run()
    for workers in ({"w1"}, set(), set(), {"w2"}, set()):
        run.attempts.keep_workers(workers)
    assert run.events == [LogMessage("warning", "no workers are left: waiting for new ones")] * 2


def test_a_group_that_has_ended_does_not_begin_again() -> None:
    run = _Run()
    run.begin("one")
    run.attempts.end_group(0)
    assert run.attempts.running == ()
    assert run.begin("late") is None
    assert run.told == [("w1", "late", {"kind": "cancel"})]


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "finished"},
        {"kind": "finished", "image": 99},
        {"kind": "finished", **(_done(0) | {"image": {}})},
        {"kind": "copy", "image": 0, "event": "x"},
        {"kind": "copy", "image": "0", "event": {"event": "BlobStarted"}},
        {"kind": "copy", "image": 0, "event": {"event": "CopyPlanned", "digest": "x", "blobs": [], "total": 1}},
        {"kind": "claim"},
        {"kind": "placed", "digest": "x"},
        {"kind": "log", "level": "x", "text": 1, "fields": 5},
        {"kind": "never heard of", "image": 0},
    ],
)
def test_messages_that_are_none(message: dict[str, Any]) -> None:
    run = _Run()
    run.begin("one")
    run.attempts.take("one", [message])
    run.attempts.take("nobody", [message])
    assert run.events == []
    assert run.told == []


@pytest.mark.parametrize("hello", [{}, {"group": 7, "worker": "w"}, {"group": "0", "worker": "w"}, {"group": 0}])
def test_introductions_that_are_none(hello: dict[str, Any]) -> None:
    run = _Run()
    assert run.attempts.begin("one", hello) is None
    assert run.attempts.running == ()


@pytest.mark.parametrize(
    "event",
    [None, 5, "text", (1.0, "nothing"), (1.0, "[]"), (1.0, '{"run": 1}'), (1.0, None), (1.0, "[" * 100_000),
     (1.0, '{"run": "r", "attempt": "a", "messages": 5}')],
)  # fmt: skip
def test_events_of_a_topic_that_are_none(event: object) -> None:
    assert unpack(event) == ("", "", [])


def test_events_of_a_topic() -> None:
    assert unpack((1.0, pack("r", "a", [{"kind": "x"}, {"no": "kind"}]))) == ("r", "a", [{"kind": "x"}])
