"""Calls to one endpoint after the other: how often each is asked, which one is asked next, what is reported."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from pyskopeo.errors import ConnectionFailed, InvalidContent, NotFound, PyskopeoError, RegistryError
from pyskopeo.http.redactor import Redactor
from pyskopeo.http.retry import Call, Retry
from pyskopeo.model.events import Event, Retrying, Warned
from pyskopeo.model.reference import Reference
from pyskopeo.registry.mirrors import Endpoints
from pyskopeo.registry.repository_reader import Repository

if TYPE_CHECKING:
    from pyskopeo.registry.session import Session

pytestmark = pytest.mark.anyio
NAMES = ("mirror.example/a", "second.example/a", "registry.example/a")
DOWN, MISSING, WRONG = ConnectionFailed("down"), RegistryError("not here", status=404), InvalidContent("wrong")


class Asked:
    """Three endpoints with one retry each, that fail with ``failures`` in turn and then answer with their names."""

    def __init__(self, *failures: list[PyskopeoError]) -> None:
        self.events: list[Event] = []
        self.log: list[str] = []
        self.failures = {name: list(errors) for name, errors in zip(NAMES, failures, strict=False)}
        retry = Retry(times=1, delay=0.001)
        session = cast("Session", SimpleNamespace(redactor=Redactor()))  # nothing is sent
        repositories = [Repository(Reference.parse(name), session, retry, self.events.append) for name in NAMES]
        self.endpoints = Endpoints(Reference.parse(NAMES[-1]), repositories, self.events.append)

    def choose(self, repository: Repository) -> Call[str]:
        name = repository.reference.name

        async def once() -> str:
            self.log.append(name)
            if self.failures.get(name):
                raise self.failures[name].pop(0)
            return name

        return Call(f"asking {name}", once, repository.retry, self.events.append)

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]


@pytest.mark.parametrize(
    ("failures", "log", "stays", "moves"),
    [
        ([], [0], 0, 0),
        ([[DOWN]], [0, 0], 0, 0),
        ([[DOWN, DOWN]], [0, 0, 1], 1, 1),
        # One that lacks something may have the rest.
        ([[MISSING]], [0, 1], 1, 0),
        ([[WRONG]], [0, 1], 1, 0),
        ([[DOWN, MISSING], [DOWN]], [0, 0, 1, 1], 1, 0),
        ([[DOWN, DOWN], [DOWN, DOWN]], [0, 0, 1, 1, 2], 2, 2),
        ([[DOWN, DOWN], [MISSING]], [0, 0, 1, 2], 2, 0),
    ],
)
async def test_the_first_that_answers(failures: list[list[PyskopeoError]], log: list[int], stays: int, moves: int) -> None:
    for stay, position in ((True, stays), (False, moves)):
        asked = Asked(*failures)
        assert await asked.endpoints.first_result(asked.choose, make_current=stay) == NAMES[log[-1]]
        assert asked.log == [NAMES[number] for number in log]
        assert asked.endpoints.position == position
        assert len(asked.warnings) == position
        whats = [event.what for event in asked.events if isinstance(event, Retrying)]
        assert whats == [f"asking {name}" for before, name in zip(asked.log, asked.log[1:], strict=False) if name == before]


async def test_the_next_question_goes_to_the_current_one() -> None:
    asked = Asked([MISSING])
    await asked.endpoints.first_result(asked.choose)
    await asked.endpoints.first_result(asked.choose)
    assert asked.log == [NAMES[0], NAMES[1], NAMES[1]]
    assert asked.warnings == [f"{NAMES[0]}: not here; going on with {NAMES[1]}"]
    assert asked.endpoints.current.reference.name == NAMES[1]


async def test_the_registrys_own_error_with_the_mirrors_reasons() -> None:
    asked = Asked([DOWN, DOWN], [WRONG], [NotFound("no such image")])
    with pytest.raises(NotFound) as caught:
        await asked.endpoints.first_result(asked.choose)
    mirrors = f"[{NAMES[0]}:latest: down] [{NAMES[1]}:latest: wrong]"
    assert str(caught.value) == f"(Mirrors also failed: {mirrors}): {NAMES[2]}:latest: no such image"
    assert asked.endpoints.position == 0


async def test_one_alone_fails_with_its_own_error() -> None:
    asked = Asked([], [], [WRONG])
    asked.endpoints.move_to(2, [])
    with pytest.raises(InvalidContent, match="^wrong$"):
        await asked.endpoints.first_result(asked.choose)


async def test_endpoints_only_move_on() -> None:
    asked = Asked()
    repository = asked.endpoints.current
    asked.endpoints.move_to(2, [(repository, DOWN)])
    asked.endpoints.move_to(1, [(repository, DOWN)])
    assert asked.endpoints.position == 2
    assert asked.warnings == [f"{NAMES[0]}: down; going on with {NAMES[2]}"]


async def test_a_call_is_retried_when_it_is_awaited_and_parsed_within() -> None:
    """What cannot be parsed is a failure of the endpoint, as what does not come is."""
    asked = Asked([DOWN, DOWN])

    def parse(name: str) -> int:
        if name == NAMES[1]:
            raise InvalidContent("not parsed")
        return len(name)

    with pytest.raises(ConnectionFailed):
        await asked.choose(asked.endpoints.current)
    assert len(asked.log) == 2
    assert await asked.choose(asked.endpoints.current).then(parse) == len(NAMES[0])
    asked = Asked([MISSING])
    assert await asked.endpoints.first_result(lambda repository: asked.choose(repository).then(parse)) == len(NAMES[2])
    assert asked.log == list(NAMES)
