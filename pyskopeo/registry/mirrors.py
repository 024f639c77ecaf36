"""The endpoints of one repository: mirrors first, then the registry itself.

See containers-registries.conf(5), "Remapping and mirroring registries". Since content is verified by its digest, a
download that one endpoint began can be continued at another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from ..errors import PyskopeoError
from ..model.events import Report, Warned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..http.messages import Response
    from ..http.retry import Call, Retry
    from ..model.descriptor import Descriptor
    from ..model.reference import Reference
    from .repository_reader import Repository

T = TypeVar("T")


class BlobEndpoint(Protocol):
    """One place that blobs can be read from; ``name`` is for messages, ``retry`` the policy for its requests."""

    retry: Retry

    @property
    def name(self) -> str: ...

    @property
    def range_host(self) -> str:
        """The host that parts of blobs are requested from, "" if none can be."""
        ...

    async def request_blob(
        self, descriptor: Descriptor, offset: int, what: str, until: int | None = None
    ) -> Response:
        """GET a blob from byte ``offset`` on, without retries: a 200 from byte 0 on, or a 206 from ``offset`` on.

        ``until`` is the end of the bytes that are needed, None: all. ``what`` begins the messages of errors. Raises
        `NetworkError`, `NotFound` and `InvalidContent`.
        """
        ...

    async def request_part(self, descriptor: Descriptor, start: int, end: int, etag: str, what: str) -> Response:
        """GET the bytes from ``start`` up to ``end`` of a blob, as `Repository.request_part`."""
        ...


class BlobEndpoints(Protocol):
    """The endpoints of a blob, in order, as `Endpoints` has them."""

    report: Report

    @property
    def repositories(self) -> Sequence[BlobEndpoint]: ...

    @property
    def position(self) -> int:
        """The index of the endpoint to begin with."""
        ...

    def move_to(self, position: int, failures: Sequence[tuple[BlobEndpoint, PyskopeoError]]) -> None:
        """Use a later endpoint from now on, since those before it had ``failures``."""
        ...


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

    def last(self) -> Endpoints:
        """Return the registry itself, without its mirrors."""
        return Endpoints(self.reference, self.repositories[-1:], self.report)

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

    def move_to(self, position: int, failures: Sequence[tuple[BlobEndpoint, PyskopeoError]]) -> None:
        """Make a later repository the current one, and report a warning for each of the ``failures`` before it."""
        if position <= self.position:
            return  # another download has done so already
        self.position = position
        for repository, error in failures:
            message = f"{repository.name}: {error}; going on with {self.current.name}"
            self.report(Warned(message))


def all_transient(failures: Sequence[tuple[BlobEndpoint, PyskopeoError]]) -> bool:
    """Return whether all failures are transient, so that the endpoints are of no use for other blobs either."""
    return all(error.temporary for _, error in failures)


def combine_errors(failures: Sequence[tuple[BlobEndpoint, PyskopeoError]]) -> PyskopeoError:
    """Return the last of these errors, the registry's own, with those of its mirrors in the message."""
    *mirrors, (primary, error) = failures
    if mirrors:
        reasons = " ".join(f"[{repository}: {reason}]" for repository, reason in mirrors)
        error.args = (f"(Mirrors also failed: {reasons}): {primary}: {error}", *error.args[1:])
    return error
