"""The same work for many things."""

from __future__ import annotations

import anyio
import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.together import each

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("number", "at_once", "most"), [(0, 3, 0), (1, 3, 1), (10, 1, 1), (10, 3, 3), (2, 8, 2)])
async def test_so_many_at_a_time(number: int, at_once: int, most: int) -> None:
    running = highest = 0
    done: list[int] = []

    async def work(item: int) -> None:
        nonlocal running, highest
        running += 1
        highest = max(highest, running)
        await anyio.sleep(0.001)
        running -= 1
        done.append(item)

    await each(range(number), work, at_once=at_once)
    assert sorted(done) == list(range(number))
    assert highest == most


async def test_the_first_failure_ends_the_rest() -> None:
    ended: list[int] = []

    async def work(item: int) -> None:
        try:
            await anyio.sleep(0 if item == 2 else 60)
        finally:
            ended.append(item)
        raise InvalidInput(f"{item} is no good")

    with anyio.fail_after(5), pytest.raises(InvalidInput, match="2 is no good"):
        await each(range(5), work, at_once=5)
    assert sorted(ended) == [0, 1, 2, 3, 4]


async def test_cancelled() -> None:
    ended = 0

    async def work(_: int) -> None:
        nonlocal ended
        try:
            await anyio.sleep(60)
        finally:
            ended += 1

    with anyio.move_on_after(0.05) as scope:
        await each(range(4), work, at_once=2)
    assert scope.cancelled_caught
    assert ended == 2
