"""Progress for programs: every event is one JSON object, as the schema says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from pyskopeo.access import Access
from pyskopeo.cli.copy_result import CopyNames
from pyskopeo.cli.json_events import print_plan_finished, print_sync_event, print_sync_finished
from pyskopeo.cli.log import set_debugging
from pyskopeo.cli.progress import reporting
from pyskopeo.cli.sync_view import show_end, viewing
from pyskopeo.errors import PyskopeoError
from pyskopeo.model.events import Event, Explained, Warned
from pyskopeo.syncing.planning import PlanTotals
from pyskopeo.syncing.sync_request import (
    ImageEvent,
    ImageFinished,
    ImageGroup,
    ImageResult,
    ImagesListed,
    ImageStarted,
    ImageWaiting,
    Listing,
    LogMessage,
    SyncEvent,
    SyncImage,
    SyncReport,
)
from tests.support.copy_events import CONFIG, EVENTS, GZIP, MIB, A, B, C
from tests.support.event_schema import PATH, events, fields, kinds

NAMES = CopyNames("docker://h/a:1", "oci:a")
TWO_NAMES = {"image": "docker://h/a:1", "destination": "oci:a"}
IMAGE = SyncImage("docker://h/a:1", "oci:a")
SCHEMA: dict[str, dict[str, object]] = {
    "CopyPlanned": {"digest": str(C), "total": 40 * MIB + 512, "images": 1, "blobs": [
        {"digest": str(A), "size": 40 * MIB, "mediaType": GZIP}, {"digest": str(B), "size": 512, "mediaType": CONFIG}]},
    "Converted": {"source": str(A), "digest": str(C)},
    "ReferrersPlanned": {"digests": [str(B)], "total": 300, "blobs": [{"digest": str(C), "size": 300, "mediaType": GZIP}]},
    "BlobStarted": {"digest": str(A), "size": 40 * MIB, "kind": "layer"},
    "BlobProgress": {"digest": str(A), "done": 10 * MIB, "size": 40 * MIB, "kept": 0},
    "Retrying": {"what": "reading blob", "reason": "cut", "delay": 1.25},
    "Warned": {"message": "something odd"},
    "Requested": {"method": "GET", "url": "https://r.example/v2/", "status": 401, "seconds": 0.0126},
    "Explained": {"message": "the policy is in /p.json"},
    "BlobFinished": {"digest": str(B), "size": 512, "placement": "present", "kept": 0},
    "ManifestWritten": {"digest": str(A), "size": 300, "root": False},
    "SignaturesWritten": {"digest": str(C), "count": 2, "made": ["Signing image using a sigstore signature"], "root": True},
    "CopyFinished": {"digest": str(C), "moved": 40 * MIB, "seconds": 12.34},
}  # fmt: skip


SYNC_EVENTS: dict[str, tuple[SyncEvent, dict[str, Any]]] = {
    "ImagesListed": (ImagesListed(Listing((ImageGroup((IMAGE,), Access.from_environ({})),), 1)),
                     {"images": [TWO_NAMES], "failures": 1}),
    "ImageStarted": (ImageStarted(IMAGE, 1, 2), TWO_NAMES | {"position": 1, "total": 2}),
    "ImageWaiting": (ImageWaiting(IMAGE, 3), TWO_NAMES | {"blobs": 3}),
    "ImageFinished": (ImageFinished(ImageResult(IMAGE, "copied", A, 5, 0.25)), TWO_NAMES | {
        "status": "copied", "digest": str(A), "moved": 5, "seconds": 0.25, "error": None}),
    "LogMessage": (LogMessage("error", "bad", (("ref", "x"),)), {"level": "error", "message": "bad", "fields": {"ref": "x"}}),
    "Warned": (ImageEvent(IMAGE, Warned("odd")), TWO_NAMES | {"message": "odd"}),
}  # fmt: skip


@pytest.fixture
def debugging() -> Iterator[None]:
    """As with ``--debug``."""
    set_debugging(True)
    yield
    set_debugging(False)


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The events that were printed, without what all have in common."""
    captured = capsys.readouterr()
    assert captured.out == ""
    found = events(captured.err.splitlines())
    for event in found:
        assert event.pop("version") == 1
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event.pop("time"))
    return found


@pytest.mark.usefixtures("debugging")
def test_every_event_of_a_copy(capsys: pytest.CaptureFixture[str]) -> None:
    assert {type(event).__name__ for event in EVENTS} == {kind.__name__ for kind in get_args(Event)} == set(SCHEMA)
    with reporting("json", NAMES) as report:
        for event in EVENTS:
            report(event)
    found = printed(capsys)
    assert len(found) == len(EVENTS)
    first: dict[str, Any] = {}
    for one in found:
        first.setdefault(one["event"], one)
    assert first == {name: {"event": name} | TWO_NAMES | fields for name, fields in SCHEMA.items()}


@pytest.mark.parametrize("kind", SYNC_EVENTS)
def test_every_event_of_a_sync(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    event, wanted = SYNC_EVENTS[kind]
    with viewing("json", NAMES) as show:
        show(event)
    assert printed(capsys) == [{"event": kind} | wanted]


def test_the_end_of_a_sync(capsys: pytest.CaptureFixture[str]) -> None:
    results = ImageResult(IMAGE, "copied", A, 5), ImageResult(IMAGE, "copied", A, 6), ImageResult(IMAGE, "failed")
    show_end("json", SyncReport(results, 1, 2, 1.5))
    counts = {"copied": 2, "failed": 1, "present": 0, "planned": 0, "skipped": 0, "deleted": 0, "obsolete": 0}
    assert printed(capsys) == [
        {"event": "SyncFinished"} | counts | {"listingFailures": 2, "moved": 11, "seconds": 1.5}
    ]


def test_the_end_of_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan_finished(PlanTotals(9, 3, 2, 1000, 1, 70, 4))
    counts = {"images": 9, "unchanged": 3, "repositories": 2, "bytes": 1000, "unsized": 1, "requests": 70, "failures": 4}
    assert printed(capsys) == [{"event": "PlanFinished"} | counts]


def test_an_error_is_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    message = "https://user:secret@h/v2/: refused"
    for context in (reporting("json", NAMES), viewing("json", NAMES)):
        with pytest.raises(PyskopeoError), context:
            raise PyskopeoError(message)
    failed = {"event": "Failed", "message": "https://***@h/v2/: refused"}
    assert printed(capsys) == [failed | TWO_NAMES, failed]


def test_the_schema_has_no_other_events_and_fields() -> None:
    seen = SCHEMA | {kind: wanted for kind, (_, wanted) in SYNC_EVENTS.items() if kind != "Warned"}
    assert set(kinds()) == set(seen) | {"SyncFinished", "PlanFinished", "Failed"}
    for kind, has in seen.items():
        assert fields(kind) == set(has) | {"event", "version", "time", "image", "destination"}


def test_the_page_has_every_event_and_a_valid_example() -> None:
    page = PATH.with_suffix("").with_suffix(".md").read_text()
    (example,) = events([line for line in page.splitlines() if line.startswith("{")])
    assert example["event"] == "BlobProgress"
    assert set(re.findall(r"^\| `([A-Z]\w+)` \|", page, re.MULTILINE)) == set(kinds())


def test_details_are_for_those_who_debug(capsys: pytest.CaptureFixture[str]) -> None:
    print_sync_event(ImageEvent(None, Explained("x")))
    assert printed(capsys) == []


def test_a_program_that_reads_json_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """That ends a copy under way; one that is complete is no failure."""

    def gone(_: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("pyskopeo.cli.json_events.emit", gone)
    with reporting("json") as report:
        with pytest.raises(BrokenPipeError):
            report(EVENTS[0])
        report(EVENTS[-1])
    print_sync_finished(SyncReport((), 0))
