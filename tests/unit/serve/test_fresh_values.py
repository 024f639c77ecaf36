"""What is asked for again after a time, and kept while nobody answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import pytest

from pyskopeo.errors import (
    AccessDenied,
    CertificateNotTrusted,
    ConnectionFailed,
    NotFound,
    PyskopeoError,
    RegistryError,
)
from pyskopeo.serve.fresh_values import FreshValues, is_outage

pytestmark = pytest.mark.anyio


@dataclass
class Source:
    """Answers with numbers that grow, or fails; its clock is moved by the test."""

    now: float = 0.0
    count: int = 0
    error: PyskopeoError | None = None
    stored: dict[str, int] = field(default_factory=dict)
    hangs: bool = False

    async def ask(self, _key: str) -> int:
        await anyio.sleep(0)
        if self.hangs:
            await anyio.sleep_forever()
        self.count += 1
        if self.error is not None:
            raise self.error
        return self.count

    async def find(self, key: str) -> int | None:
        return self.stored.get(key)

    def values(self, fresh: float = 60.0, limit: int = 10) -> FreshValues[str, int]:
        return FreshValues(fresh, self.ask, self.find, limit=limit, clock=lambda: self.now)


async def test_upstream_that_hangs_is_not_waited_for_where_something_is_known() -> None:
    source = Source(stored={"b": 7}, hangs=True)
    values = FreshValues(60, source.ask, source.find, limit=10, patience=0.01, clock=lambda: source.now)
    with anyio.fail_after(15):
        found = await values.get("b")
    assert (found.value, found.problem) == (7, "no answer within 0.01 s")
    source.hangs = False
    assert (await values.get("b")).value == 7
    source.now = 11
    assert (await values.get("b")).value == 1
    source.hangs, source.now = True, 100
    with anyio.fail_after(15):
        assert (await values.get("b")).value == 1


async def test_it_is_asked_for_once_in_a_while() -> None:
    source = Source()
    values = source.values()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(values.get, "a")
    assert source.count == 1
    source.now = 59
    assert (await values.get("a")).value == 1
    source.now = 61
    assert (await values.get("a")).value == 2
    assert (await values.get("b")).value == 3


async def test_what_is_known_is_kept_during_an_outage() -> None:
    source = Source()
    values = source.values()
    await values.get("a")
    source.now, source.error = 100, ConnectionFailed("no route")
    for _ in range(3):
        found = await values.get("a")
        assert (found.value, found.problem) == (1, "no route")
    assert source.count == 2, "one that failed is not asked at once again"
    source.now, source.error = 111, None
    assert (await values.get("a")).problem == ""


async def test_what_is_stored_serves_where_nothing_is_known() -> None:
    source = Source(error=ConnectionFailed("no route"), stored={"a": 7})
    values = source.values()
    assert (await values.get("a")).value == 7
    with pytest.raises(ConnectionFailed):
        await values.get("b")


async def test_what_is_refused_is_not_kept() -> None:
    source = Source()
    values = source.values(fresh=0)
    await values.get("a")
    source.error = RegistryError("gone", status=404)
    with pytest.raises(RegistryError):
        await values.get("a")


async def test_their_number_is_limited() -> None:
    source = Source()
    values = source.values(limit=3)
    for key in "abc":
        await values.get(key)
    assert (await values.get("a")).value == 1
    await values.get("d")
    assert (await values.get("a")).value == 5


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionFailed("x"), True), (CertificateNotTrusted("x", host="h"), True), (RegistryError("x", status=503), True),
        (RegistryError("x", status=429), True), (RegistryError("x", status=404), False), (NotFound("x"), False),
        (AccessDenied("x", status=401), False), (ValueError("x"), False),
    ],
)  # fmt: skip
async def test_outages(error: Exception, expected: bool) -> None:
    assert is_outage(error) is expected
