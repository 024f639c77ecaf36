"""The last lines of a copy."""

from __future__ import annotations

import pytest

from pyskopeo.cli.copy_result import CopyNames, Tally
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import BlobFinished, CopyFinished, Placement

DIGEST = Digest.of(b"x")
MIB = 1024 * 1024
NAMES = CopyNames("docker://h/a:1", "oci:a:1")


@pytest.mark.parametrize(
    ("placements", "moved", "seconds", "line"),
    [
        ([], 0, 0.04, "no blobs in 0.0s"),
        ([(Placement.PRESENT, 0)], 0, 0.3, "1 blob: 1 present (1.0 MiB) in 0.3s"),
        ([(Placement.WRITTEN, 0)] * 2, 2 * MIB, 4.0, "2 blobs: 2 copied (2.0 MiB) in 4.0s (512.0 KiB/s)"),
        ([(Placement.WRITTEN, MIB // 2), (Placement.WRITTEN, 0)], 3 * MIB // 2, 61.0,
         "2 blobs: 2 copied (2.0 MiB, 512.0 KiB of it from an interrupted run) in 1m01s (25.2 KiB/s)"),
        ([(Placement.LINKED, 0), (Placement.MOUNTED, 0), (Placement.PRESENT, 0), (Placement.WRITTEN, 0)], MIB, 0.5,
         "4 blobs: 1 copied (1.0 MiB), 1 present (1.0 MiB), 1 mounted (1.0 MiB), 1 linked (1.0 MiB) in 0.5s"),
    ],
)  # fmt: skip
def test_where_the_bytes_came_from(
    placements: list[tuple[Placement, int]], moved: int, seconds: float, line: str
) -> None:
    tally = Tally()
    for number, (placement, kept) in enumerate(placements):
        tally.add(BlobFinished(Digest.of(b"%d" % number), MIB, placement, kept))
    assert tally.number == len(placements)
    finished = CopyFinished(DIGEST, moved, seconds)
    assert tally.lines(finished, NAMES) == [f"Wrote oci:a:1 {DIGEST}", line]
    assert tally.lines(finished, None) == [f"Copied {DIGEST}", line]
