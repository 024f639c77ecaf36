"""One repository that can be read from several registries: mirrors first, then the registry itself.

Digests say which bytes are right, so that any of them may continue where another stopped
(containers-registries.conf(5), "Remapping and mirroring registries").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..errors import PyskopeoError
from ..model.events import Report, Warned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..http.retry import Call
    from ..model.reference import Reference
    from .repository_reader import Repository

T = TypeVar("T")


class Endpoints:
    """The places to read one repository from, ``repositories``, in order, and which of them is current.

    The current one is asked first, for every manifest and blob. It only ever moves towards the last,
    which is the registry itself. ``reference`` is the name that the user gave.
    """

    def __init__(self, reference: Reference, repositories: Sequence[Repository], report: Report) -> None:
        """``report`` gets a warning for each endpoint that is left."""
        self.reference = reference
        self.repositories = tuple(repositories)
        self.report = report
        self.position = 0

    @property
    def current(self) -> Repository:
        """The repository that is asked first."""
        return self.repositories[self.position]

    async def first(self, choose: Callable[[Repository], Call[T]], *, stay: bool = True) -> T:
        """Make the call that ``choose`` returns for a repository, at one after the other from the current one on.

        Transient failures are retried, as each call's policy says, before the next repository is asked. With
        ``stay`` the one that answered is the current one from now on; without it, only if the others could not be
        reached. Raises the last repository's error, with the mirrors' errors in its message.
        """
        failures: list[tuple[Repository, PyskopeoError]] = []
        for position in range(self.position, len(self.repositories)):
            call, attempt = choose(self.repositories[position]), 0
            while True:
                try:
                    answer = await call.once()
                except PyskopeoError as error:
                    if not call.retry.applies_to(error, attempt):
                        failures.append((self.repositories[position], error))
                        break
                    await call.retry.pause(error, attempt, call.what, self.report)
                    attempt += 1
                    continue
                if stay or unreachable(failures):
                    self.move_to(position, failures)
                return answer
        raise with_reasons(failures)

    def move_to(self, position: int, failures: Sequence[tuple[Repository, PyskopeoError]]) -> None:
        """Make a later repository the current one, and report why: what failed at those before it."""
        if position <= self.position:
            return  # another download has moved it already
        self.position = position
        for repository, error in failures:
            message = f"{repository.reference.name}: {error}; going on with {self.current.reference.name}"
            self.report(Warned(message))


def unreachable(failures: Sequence[tuple[Repository, PyskopeoError]]) -> bool:
    """Whether all these failures are transient: an endpoint without one blob may have others, one that does
    not respond has none."""
    return all(error.temporary for _, error in failures)


def with_reasons(failures: Sequence[tuple[Repository, PyskopeoError]]) -> PyskopeoError:
    """The last of these errors, the registry's own, with those of its mirrors in the message."""
    *mirrors, (primary, error) = failures
    if mirrors:
        reasons = " ".join(f"[{repository.reference}: {reason}]" for repository, reason in mirrors)
        error.args = (f"(Mirrors also failed: {reasons}): {primary.reference}: {error}", *error.args[1:])
    return error
