"""`SingleFlight`: one value for each key, however many tasks ask for it, fail or are cancelled."""

from __future__ import annotations

import anyio
import pytest

from pyskopeo.errors import CredentialsFailed, InvalidInput, prefix_errors
from pyskopeo.streams.concurrency import SingleFlight

pytestmark = pytest.mark.anyio


class Maker:
    """Makes 1, 2, 3, ..., each after a moment, and fails with ``failures`` first, one after the other."""

    def __init__(self, *failures: Exception) -> None:
        self.calls = self.running = self.most = 0
        self._failures = list(failures)

    async def __call__(self) -> int:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        number = self.calls
        try:
            await anyio.sleep(0.01)
        finally:
            self.running -= 1
        if self._failures:
            raise self._failures.pop(0)
        return number


async def ask(flight: SingleFlight[str, int], make: Maker, times: int) -> list[int | str]:
    """Ask from ``times`` tasks at once; the values and errors, in the order they came in."""
    found: list[int | str] = []

    async def one() -> None:
        try:
            found.append(await flight.get("key", make))
        except (CredentialsFailed, InvalidInput) as error:
            found.append(str(error))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(times):
                tasks.start_soon(one)
    return found


@pytest.mark.parametrize("times", [1, 2, 30])
async def test_a_value_is_made_once_and_kept(times: int) -> None:
    flight, make = SingleFlight[str, int](), Maker()
    assert await ask(flight, make, times) == [1] * times
    assert await ask(flight, make, times) == [1] * times
    assert make.calls == 1
    assert flight.values == {"key": 1}


async def test_none_is_a_value() -> None:
    flight = SingleFlight[str, None]()
    calls = 0

    async def make() -> None:
        nonlocal calls
        calls += 1

    for _ in range(3):
        await flight.get("key", make)
    assert calls == 1
    assert flight.values == {"key": None}


async def test_keys_do_not_wait_for_each_other() -> None:
    flight, make = SingleFlight[int, int](), Maker()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(flight.get, number % 5, make)
    assert make.calls == make.most == 5
    assert sorted(flight.values) == [0, 1, 2, 3, 4]


async def test_after_a_failure_the_next_task_makes_the_value() -> None:
    flight, make = SingleFlight[str, int](), Maker(InvalidInput("one"), InvalidInput("two"))
    assert await ask(flight, make, 5) == ["one", "two", 3, 3, 3]
    assert (make.calls, make.most) == (3, 1)


async def test_failures_that_are_remembered() -> None:
    """Of the given type; others are not."""
    flight = SingleFlight[str, int](remembered=CredentialsFailed)
    make = Maker(InvalidInput("one"), CredentialsFailed("two"))
    assert await ask(flight, make, 5) == ["one", *["two"] * 4]
    assert await ask(flight, make, 2) == ["two"] * 2
    assert make.calls == 2
    assert flight.values == {}


async def test_what_a_caller_does_to_a_failure_is_not_remembered() -> None:
    flight, make = SingleFlight[str, int](remembered=CredentialsFailed), Maker(CredentialsFailed("no file"))
    for _ in range(3):
        with pytest.raises(CredentialsFailed, match="^reading: no file$"), prefix_errors("reading"):
            await flight.get("key", make)
    assert make.calls == 1


async def test_a_value_that_is_not_usable_is_made_again_once() -> None:
    flight, make = SingleFlight[str, int](), Maker()
    await flight.get("key", make)
    found: list[int] = []

    async def one() -> None:
        found.append(await flight.get("key", make, usable=lambda value: value > 1))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(one)
    assert found == [2] * 10
    assert make.calls == 2
    assert await flight.get("key", make) == 2


async def test_a_value_just_made_is_returned_whether_it_is_usable_or_not() -> None:
    """Such as one that has expired already: it is as good as any other that could be made."""
    flight, make = SingleFlight[str, int](), Maker()
    assert [await flight.get("key", make, usable=lambda value: False) for _ in range(3)] == [1, 2, 3]


async def test_when_the_first_task_is_cancelled_the_next_one_makes_the_value() -> None:
    flight, make = SingleFlight[str, int](), Maker()
    first = anyio.CancelScope()
    ended: list[str] = []

    async def impatient() -> None:
        with first:
            await flight.get("key", make)
        ended.append("cancelled" if first.cancelled_caught else "done")

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(impatient)
            while not make.running:
                await anyio.sleep(0)
            found: list[int | str] = []

            async def patient() -> None:
                found.extend(await ask(flight, make, 3))

            tasks.start_soon(patient)
            await anyio.sleep(0)
            first.cancel()
    assert ended == ["cancelled"]
    assert found == [2, 2, 2]
    assert (make.calls, make.most) == (2, 1)


async def test_a_task_cancelled_while_it_waits_disturbs_nobody() -> None:
    flight, make = SingleFlight[str, int](), Maker()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flight.get, "key", make)
            while not make.running:
                await anyio.sleep(0)
            with anyio.move_on_after(0) as waiting:
                await flight.get("key", make)
            assert waiting.cancelled_caught
            assert await flight.get("key", make) == 1
    assert make.calls == 1


def test_one_object_serves_one_event_loop_after_another() -> None:
    flight = SingleFlight[str, int](remembered=CredentialsFailed)

    async def run(key: str) -> int:
        """Leave a task behind that is cancelled while it makes a value."""
        with anyio.move_on_after(0.005):
            await flight.get(key, Maker())
        return await flight.get(key, Maker())

    for backend, key in (("asyncio", "a"), ("trio", "b"), ("asyncio", "c"), ("trio", "a")):
        assert anyio.run(run, key, backend=backend) == 1
    assert flight.values == {"a": 1, "b": 1, "c": 1}
