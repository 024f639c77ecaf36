"""What a copy shows: one that converts, and one on a terminal that is resized while it runs."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from pyskopeo import run_copy
from pyskopeo.cli.copy_bars import Bars
from pyskopeo.cli.logged_events import warnings_only
from pyskopeo.model.events import BlobFinished, BlobStarted, CopyPlanned, Event
from tests.support.commands import PYSKOPEO, environment
from tests.support.faults import Drip
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_dir
from tests.support.simulator import Simulator
from tests.support.terminal import Screen, screen, terminal


@pytest.mark.parametrize("config", ["docker", "oci"])
def test_a_real_copy_that_converts(tmp_path: Path, config: str) -> None:
    """The converted configuration may be the source's own, byte for byte: it is still one blob."""
    source = write_dir(build(config), tmp_path / "source")
    if config == "oci":
        archive = tmp_path / "archive.tar"
        run_copy(f"dir:{source}", f"docker-archive:{archive}")
        name = f"docker-archive:{archive}"
    else:
        name = f"dir:{source}"
    events: list[Event] = []
    console, out = terminal(100)
    with Bars(warnings_only, None, console) as bars:

        def report(event: Event) -> None:
            events.append(event)
            bars(event)

        run_copy(name, f"oci:{tmp_path / 'layout'}:x", report=report)
    started = [event.digest for event in events if isinstance(event, BlobStarted)]
    finished = [event.digest for event in events if isinstance(event, BlobFinished)]
    (planned,) = (event for event in events if isinstance(event, CopyPlanned))
    assert len(started) == len(set(started)) == 4
    assert sorted(map(str, finished)) == sorted(map(str, started))
    # The configuration comes unplanned where it says what the layers, compressed on the way, have become.
    assert {blob.digest for blob in planned.blobs} <= set(started)
    assert len(planned.blobs) == (4 if config == "docker" else 3)
    assert screen(out.getvalue())[-2].startswith("Copied sha256:")
    assert screen(out.getvalue())[-1].startswith("4 blobs: ")


LARGE = build(ImageSpec(layers=tuple(LayerSpec(name, size=400_000, base=name == "a") for name in "abc")))


def shown_while_resized(words: list[str], widths: list[int]) -> tuple[Screen, list[list[str]]]:
    """Run a command on a terminal that changes its width; return the terminal, and its lines before each change."""
    ours, theirs = pty.openpty()
    shown, seen = Screen(widths[0]), list[list[str]]()
    decoder, output = codecs.getincrementaldecoder("utf-8")(), ""

    def resize(columns: int) -> None:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        shown.resize(columns)

    resize(widths.pop(0))
    process = subprocess.Popen(
        [*PYSKOPEO, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment({"TERM": "xterm-256color"})
    )
    try:
        while True:
            if select.select([ours], [], [], 0.03)[0]:
                output = decoder.decode(os.read(ours, 65536))
                shown.write(output)
                continue
            has_ended = process.poll() is not None
            is_drawn = output.endswith("\x1b[?7h")  # the whole of what it redraws
            bars = [line for line in shown.lines if "\u2501" in line]
            if widths and is_drawn and len(bars) > 2 and "   0%" not in bars[0]:
                seen.append(shown.lines)
                resize(widths.pop(0))
            if has_ended and not select.select([ours], [], [], 0)[0]:
                break
        assert process.returncode == 0, shown.lines
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
    return shown, seen


def test_a_copy_on_a_terminal_that_is_resized(tmp_path: Path) -> None:
    with Simulator(LARGE) as registry:
        registry.on("/v2/*/blobs/*", Drip(20_000, 0.1))
        words = ["copy", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/new"]
        shown, seen = shown_while_resized(words, [120, 70, 100])
    assert len(seen) == 2
    for lines in seen:
        assert [line.split()[0] for line in lines if "\u2501" in line][0] == "Total"
        assert sum(line.startswith("Total") for line in lines) == 1
    assert not [line for line in shown.lines if "\u2501" in line]
    text = "".join(shown.lines)
    assert text.startswith(f"{registry.name()} -> dir:{tmp_path}/new")
    assert text.count(f"Wrote dir:{tmp_path}/new sha256:") == 1
    assert "4 blobs: 4 copied (" in text


def test_a_sync_on_a_terminal_that_is_resized(tmp_path: Path) -> None:
    with Simulator(LARGE, tag="one") as registry:
        registry.add(build(ImageSpec(layers=(LayerSpec("d", size=400_000, base=True),))), "test/image", "two")
        registry.on("/v2/*/blobs/*", Drip(20_000, 0.1))
        words = ["sync", "--src=docker", "--dest=dir", "--src-tls-verify=false"]
        shown, seen = shown_while_resized([*words, f"{registry.host}/test/image", str(tmp_path / "new")], [120, 70])
    (lines,) = seen
    bars = [line for line in lines if "\u2501" in line]
    assert bars[0].startswith("Images")
    assert bars[0].endswith("%  0 of 2 images")
    assert len(bars) == 3
    assert not [line for line in shown.lines if "\u2501" in line or "Copying image ref" in line]
    assert [line.split()[0] for line in shown.lines if "copied  " in line] == ["copied", "copied"]
    assert "2 images: 2 copied, 0 present" in shown.lines[-1]
