"""The endpoints of one repository: mirrors first, then the registry itself.

See containers-registries.conf(5), "Remapping and mirroring registries". Since content is verified by its digest, a
download that one endpoint began can be continued at another.
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
    """The repositories to read from, in order, and which of them is the current one.

    Every manifest and blob is requested from the current one first. After failures a later one becomes the current
    one, never an earlier one; the last is the registry itself. ``reference`` is the name that the user gave.
    """

    def __init__(self, reference: Reference, repositories: Sequence[Repository], report: Report) -> None:
        """``report`` gets a warning for each endpoint that is not used any more."""
        self.reference = reference
        self.repositories = tuple(repositories)
        self.report = report
        self.position = 0

    @property
    def current(self) -> Repository:
        """The repository that requests are sent to first."""
        return self.repositories[self.position]

    async def first_result(self, choose: Callable[[Repository], Call[T]], *, make_current: bool = True) -> T:
        """Make the call that ``choose`` returns for a repository, at each from the current one on, until one succeeds.

        Transient failures are retried, as the policy of the call says, before the next repository is tried. With
        ``make_current`` the repository that succeeds becomes the current one; otherwise it does so only if those
        before it had transient failures. Returns the result of the call. Raises the last repository's error, with the
        mirrors' errors in its message.
        """
        failures: list[tuple[Repository, PyskopeoError]] = []
        for position in range(self.position, len(self.repositories)):
            try:
                with self.repositories[position].session.redactor.redacted_errors():
                    answer = await choose(self.repositories[position])
            except PyskopeoError as error:
                failures.append((self.repositories[position], error))
                continue
            if make_current or all_transient(failures):
                self.move_to(position, failures)
            return answer
        raise combine_errors(failures)

    def move_to(self, position: int, failures: Sequence[tuple[Repository, PyskopeoError]]) -> None:
        """Make a later repository the current one, and report a warning for each of the ``failures`` before it."""
        if position <= self.position:
            return  # another download has done so already
        self.position = position
        for repository, error in failures:
            message = f"{repository.reference.name}: {error}; going on with {self.current.reference.name}"
            self.report(Warned(message))


def all_transient(failures: Sequence[tuple[Repository, PyskopeoError]]) -> bool:
    """Return whether all failures are transient, so that the endpoints are of no use for other blobs either."""
    return all(error.temporary for _, error in failures)


def combine_errors(failures: Sequence[tuple[Repository, PyskopeoError]]) -> PyskopeoError:
    """Return the last of these errors, the registry's own, with those of its mirrors in the message."""
    *mirrors, (primary, error) = failures
    if mirrors:
        reasons = " ".join(f"[{repository.reference}: {reason}]" for repository, reason in mirrors)
        error.args = (f"(Mirrors also failed: {reasons}): {primary.reference}: {error}", *error.args[1:])
    return error
