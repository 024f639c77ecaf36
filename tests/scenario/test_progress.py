"""What a copy that converts shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo import run_copy
from pyskopeo.cli.progress import Bars
from pyskopeo.model.events import BlobFinished, BlobStarted, CopyPlanned, Event
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.terminal import screen, terminal


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
    with Bars(console) as bars:

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
    assert screen(out.getvalue())[-1].startswith("Copied sha256:")
