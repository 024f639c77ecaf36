"""Numbers as people read them."""

from __future__ import annotations

import pytest

from pyskopeo.cli.quantities import part_of, quantity, size, span

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (MIB, "1.0 MiB"), (3 * 1024 * MIB, "3.00 GiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (59.4, "59s"), (59.6, "1m00s"), (61, "1m01s"), (3661, "1h01m")])
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 blobs"), (1, "1 blob"), (2, "2 blobs")])
def test_a_quantity(count: int, text: str) -> None:
    assert quantity(count, "blob") == text


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (0, 0, "0 of 0 B"), (7, 512, "  7 of 512 B"), (512, 2048, "0.5 of 2.0 KiB"), (3 * MIB, 40 * MIB, " 3.0 of 40.0 MiB"),
        (MIB, 3 * 1024 * MIB, "0.00 of 3.00 GiB"), (40 * MIB, 40 * MIB, "40.0 of 40.0 MiB"),
    ],
)  # fmt: skip
def test_a_part_has_the_unit_of_the_whole(done: int, total: int, text: str) -> None:
    assert part_of(done, total) == text
