"""What an earlier run has transferred is counted where somebody counts it."""

from __future__ import annotations

from pyskopeo.streams.progress import KeptProgress, note_kept, uncounted


class Count(KeptProgress):
    def __call__(self, moved: int) -> None:
        pass


def test_kept_bytes_are_noted_where_they_are_counted() -> None:
    one, other = Count(), Count()
    note_kept(one, 5)
    note_kept(uncounted, 7)
    assert (one.kept, other.kept) == (5, 0)
    note_kept(one, 0)
    assert one.kept == 0
