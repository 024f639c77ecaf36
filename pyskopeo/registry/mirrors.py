"""One repository read from several registries: mirrors first, and the next one where one fails.

Which bytes are right is said by digests, so that any of them may go on where another stopped
(containers-registries.conf(5), "Remapping and mirroring registries").
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from ..errors import InvalidContent, PyskopeoError
from ..model.events import Report, Warned
from .blob_download import BlobReader

if TYPE_CHECKING:
    from ..http.httpx_import import httpx
    from ..model.descriptor import Descriptor
    from ..model.reference import Reference
    from .repository_reader import Repository

T = TypeVar("T")


class Sources:
    """The same repository in one place or in several, ``repositories``, asked in their order.

    Where one answered, the next question goes first. ``reference`` is the name that was asked for.
    """

    def __init__(self, reference: Reference, repositories: Sequence[Repository], report: Report) -> None:
        """``report`` hears what is passed over; each repository has its own patience."""
        self.reference = reference
        self._repositories = tuple(repositories)
        self._report = report
        self._at = 0

    @property
    def current(self) -> Repository:
        """Where the image is read from, as far as known."""
        return self._repositories[self._at]

    async def first(self, ask: Callable[[Repository], Awaitable[T]], *, stay: bool = True) -> T:
        """The answer of the first repository that has one, from the current one on.

        With ``stay`` that one is current from now on. Raises what the last one raised, which is the
        registry itself, together with the mirrors' reasons.
        """
        failures: list[tuple[Repository, PyskopeoError]] = []
        for number in range(self._at, len(self._repositories)):
            repository = self._repositories[number]
            try:
                answer = await ask(repository)
            except PyskopeoError as error:
                failures.append((repository, error))
                continue
            if stay or all(error.temporary for _, error in failures):
                self._move_on(number, failures)
            return answer
        raise _with_reasons(failures)

    @asynccontextmanager
    async def blob(self, descriptor: Descriptor) -> AsyncIterator[BlobReader]:
        """A reader over a blob, which goes on elsewhere where one registry cannot.

        Raises `RegistryError` when none has it. When what was read turns out wrong, the error is
        ``temporary`` as long as there is another registry: from now on the blob is read from there.
        """
        serving = [self._at]

        async def open_at(offset: int) -> httpx.Response:
            async def ask(repository: Repository) -> httpx.Response:
                response = await repository.open_blob(descriptor, offset)
                serving.append(self._repositories.index(repository))
                return response

            if not offset:
                serving.clear()  # what came before is not part of it
            # One that lacks a blob may have the others; one that cannot be reached has none.
            return await self.first(ask, stay=False)

        def elsewhere(error: PyskopeoError) -> bool:
            return self._distrust(serving[-1], serving[-1] + 1, error)

        reader = BlobReader(
            descriptor, open_at, lambda: self._repositories[serving[-1]].retry, self._report, elsewhere
        )
        try:
            await reader.start()
            try:
                yield reader
            except InvalidContent as error:
                # Of bytes from several, any may be wrong: the last of them gets a chance to send them all.
                other = max(serving) + (len(set(serving)) == 1)
                error.temporary = self._distrust(min(serving), other, error)
                raise
        finally:
            await reader.close()

    def _distrust(self, number: int, other: int, error: PyskopeoError) -> bool:
        """Whether there is an ``other`` to go to, which is done."""
        if other < len(self._repositories):
            self._move_on(other, [(self._repositories[number], error)])
        return other < len(self._repositories)

    def _move_on(self, number: int, failures: Sequence[tuple[Repository, PyskopeoError]]) -> None:
        if number <= self._at:
            return  # another blob has been there before
        self._at = number
        for repository, error in failures:
            said = f"{repository.reference.name}: {error}; going on with {self.current.reference.name}"
            self._report(Warned(said))


def _with_reasons(failures: Sequence[tuple[Repository, PyskopeoError]]) -> PyskopeoError:
    *mirrors, (primary, error) = failures
    if mirrors:
        reasons = " ".join(f"[{repository.reference}: {reason}]" for repository, reason in mirrors)
        error.args = (f"(Mirrors also failed: {reasons}): {primary.reference}: {error}", *error.args[1:])
    return error
