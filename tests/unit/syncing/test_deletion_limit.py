"""How many images may be deleted."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.syncing.deletion_limit import NO_DELETION_LIMIT, DeletionLimit


@pytest.mark.parametrize(
    ("text", "number", "known", "allowed"),
    [
        ("0", 0, 10, True), ("0", 1, 10, False), ("5", 5, 5, True), ("5", 6, 100, False),
        ("10%", 10, 100, True), ("10%", 11, 100, False), ("0%", 0, 0, True), ("2.5%", 2, 80, True), ("100%", 3, 3, True),
    ],
)  # fmt: skip
def test_numbers_and_shares(text: str, number: int, known: int, allowed: bool) -> None:
    limit = DeletionLimit.parse(text)
    assert limit.allows(number, known) is allowed
    assert str(limit) == text


def test_no_limit() -> None:
    assert NO_DELETION_LIMIT.allows(10**9, 1)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "101%", "%", "x", "１０", "10 %"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="want a number of images, or a percentage"):
        DeletionLimit.parse(text)
