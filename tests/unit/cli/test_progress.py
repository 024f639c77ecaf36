"""What a copy shows: lines in a pipe, one JSON object an event, bars on a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from pyskopeo.cli.copy_bars import Bars
from pyskopeo.cli.log import set_debugging
from pyskopeo.cli.logged_events import warnings_only
from pyskopeo.cli.progress import Lines, reporting
from pyskopeo.model.events import (
    BlobFinished,
    BlobProgress,
    BlobStarted,
    CopyPlanned,
    Explained,
    ManifestWritten,
    Placement,
    Requested,
    Retrying,
    SignaturesWritten,
)
from tests.support.copy_events import EVENTS, MIB, A, B, C
from tests.support.terminal import Terminal

SIGNED = ("Creating signature: Signing image using a sigstore signature", "Storing signatures")
@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock of the test's own; calling it lets so many seconds pass."""
    now = [1000.0]
    monkeypatch.setattr("pyskopeo.cli.progress.time.monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""  # standard output is for results
    return [re.sub(r'^time="[^"]+" ', "", line) for line in captured.err.splitlines()]


DETAILS = [
    'level=debug msg="GET https://r.example/v2/: 401 after 13 ms"',
    'level=debug msg="the policy is in /p.json"',
]


@pytest.mark.parametrize("mode", ["plain", "json", "none", "bars"])
def test_details_are_for_those_who_debug(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    details = [event for event in EVENTS if isinstance(event, Requested | Explained)]
    with reporting(mode) as report:
        for event in details:
            report(event)
    assert "".join(said(capsys)) == ""
    set_debugging(True)
    try:
        with reporting(mode) as report:
            for event in details:
                report(event)
    finally:
        set_debugging(False)
    told = [re.sub(r'^time="[^"]+" ', "", line) for line in said(capsys) if line]
    if mode == "json":
        assert [json.loads(line)["event"] for line in told] == ["Requested", "Explained"]
    else:
        assert told == DETAILS


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting("plain") as report:
        for event in EVENTS:
            report(event)
    assert said(capsys) == [
        "Getting image source signatures",
        "Copying 2 blobs, 40.0 MiB",
        f"Converting {A} for the destination: its digest becomes {C}",
        'level=warning msg="reading blob: failed, retrying in 1.2s. Error: cut"',
        'level=warning msg="something odd"',
        f"Copying config {B} skipped: already exists",
        f"Copying blob {A} done, 40.0 MiB",
        "Copying 1 referrer too: 1 blob, 300 B",
        "Writing manifest to image destination",
        *SIGNED,
        f"Copied {C}: 40.0 MiB in 12.3s",
    ]


def test_what_an_interrupted_run_has_left_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting("plain") as report:
        report(BlobStarted(A, 40 * MIB, "layer"))
        report(BlobFinished(A, 40 * MIB, Placement.WRITTEN, 30 * MIB))
    assert said(capsys) == [f"Copying blob {A} done, 40.0 MiB, 30.0 MiB of it from an interrupted run"]


def test_a_long_blob_gets_a_line_every_ten_seconds(
    capsys: pytest.CaptureFixture[str], ticking: Callable[[float], None]
) -> None:
    lines = Lines()
    lines(BlobStarted(A, 100 * MIB, "layer"))
    for second in range(1, 26):
        ticking(1)
        lines(BlobProgress(A, second * MIB, 100 * MIB))
    assert said(capsys) == [
        f"Copying blob {A} 10.0 MiB of 100.0 MiB, 1.0 MiB/s, 1m30s left",
        f"Copying blob {A} 20.0 MiB of 100.0 MiB, 1.0 MiB/s, 1m20s left",
    ]


def test_a_blob_that_has_not_begun_after_ten_seconds(
    capsys: pytest.CaptureFixture[str], ticking: Callable[[float], None]
) -> None:
    lines = Lines()
    lines(BlobStarted(A, 5, "layer"))
    ticking(10)
    lines(BlobProgress(A, 0, 5))
    assert said(capsys) == [f"Copying blob {A} 0 B of 5 B, 0 B/s"]


def test_quiet_is_not_mute(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting("none") as report:
        for event in EVENTS:
            report(event)
    assert said(capsys) == [
        'level=warning msg="reading blob: failed, retrying in 1.2s. Error: cut"',
        'level=warning msg="something odd"',
    ]


def test_steps_of_skopeo_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    for images in (1, 2):
        with reporting("auto", steps=True) as report:
            for event in EVENTS:
                report(replace(event, images=images) if isinstance(event, CopyPlanned) else event)
    captured = capsys.readouterr()
    blobs = [f"Copying blob {A}", f"Copying config {B}"]
    manifest, manifest_list = "Writing manifest to image destination", "Writing manifest list to image destination"
    assert captured.out.splitlines() == [
        "Getting image source signatures", *blobs, manifest, manifest, *SIGNED,
        "Getting image list signatures", *blobs, manifest, manifest_list, SIGNED[0], "Storing list signatures",
    ]  # fmt: skip
    assert [line.partition("msg=")[2] for line in captured.err.splitlines()] == [
        '"reading blob: failed, retrying in 1.2s. Error: cut"', '"something odd"',
    ] * 2  # fmt: skip


def test_steps_of_several_signatures(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting("auto", steps=True) as report:
        for event in (
            EVENTS[0], ManifestWritten(A, 300, False), SignaturesWritten(A, 1, (), False),
            SignaturesWritten(C, 3, ("one", "two"), True), ManifestWritten(C, 300, True),
        ):  # fmt: skip
            report(event)
    assert capsys.readouterr().out.splitlines() == [
        "Getting image source signatures",
        "Writing manifest to image destination", "Storing signatures",
        "Writing manifest to image destination", "Creating signature 1: one", "Creating signature 2: two", "Storing signatures",
    ]  # fmt: skip


def test_the_step_of_the_configuration_is_after_those_of_layers(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting("auto", steps=True, signatures=False) as report:
        report(EVENTS[0])
        for event in (BlobStarted(B, 512, "config"), BlobStarted(A, 5, "layer"), BlobFinished(B, 512, Placement.WRITTEN)):
            report(event)
        assert capsys.readouterr().out == f"Copying blob {A}\n"
        report(ManifestWritten(C, 300, root=True))
    assert capsys.readouterr().out == f"Copying config {B}\nWriting manifest to image destination\n"


@pytest.mark.parametrize("mode", ["plain", "json", "none"])
def test_only_auto_prints_steps(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(mode, steps=True) as report:
        for event in EVENTS:
            report(event)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("term", "mode"), [("xterm", "bars"), ("dumb", "plain"), (None, "plain")])
def test_a_terminal_without_cursor_control_gets_lines(
    term: str | None, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.delenv("TERM", raising=False)
    if term:
        monkeypatch.setenv("TERM", term)
    with reporting("auto") as report:
        assert isinstance(report, Bars if mode == "bars" else Lines)


def test_auto_is_lines_where_there_is_no_terminal() -> None:
    with reporting("auto") as report:
        assert isinstance(report, Lines)


def test_lines_say_the_speed_of_this_run(
    capsys: pytest.CaptureFixture[str], ticking: Callable[[float], None]
) -> None:
    lines = Lines()
    lines(BlobStarted(A, 100 * MIB, "layer"))
    ticking(10)
    lines(BlobProgress(A, 90 * MIB, 100 * MIB, kept=80 * MIB))
    assert said(capsys) == [f"Copying blob {A} 90.0 MiB of 100.0 MiB, 1.0 MiB/s, 10s left"]


def test_a_reason_that_says_what_failed_is_not_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    warnings_only(Retrying("reading blob x", "reading blob x: refused (status 503)", 0.5))
    assert said(capsys) == [
        'level=warning msg="reading blob x: failed, retrying in 0.5s. Error: refused (status 503)"'
    ]
