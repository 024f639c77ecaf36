"""Connect to registries while the modules of a command are still being loaded.

The words of the command line say which registry is asked first. Connecting takes two round trips and more, which are
over when the first request is ready. A connection is opened as the command would do it, by the same code: where
anything is uncertain, or forbidden, none is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from ..errors import InvalidName, PyskopeoError
from ..fast_dataclass import dataclass

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference
    from ..model.events import Report
    from ..registry.preconnections import Preconnections
    from .early_access import EarlyAccess


class Side(Protocol):
    """What is needed of `access_options.AccessOptions`."""

    @property
    def early(self) -> EarlyAccess:
        """Holds the access until the command begins."""
        ...

    def new_access(self, report: Report) -> Access:
        """Return the access that these options give."""
        ...


@dataclass(frozen=True, slots=True)
class Visit:
    """An image that a command begins with, and the options by which it is reached.

    With ``reading`` it is read, so perhaps from a mirror. With ``judged`` it is not used if the policy refuses it.
    ``connections`` is the number of those that it will probably need.
    """

    image: ImageReference
    options: Side
    reading: bool = True
    judged: bool = False
    connections: int = 1


def visits_of(name: str, options: Side, *, reading: bool = True, judged: bool = False) -> tuple[Visit, ...]:
    """Return the `Visit` of the image or repository ``name``; none if it is not in a registry, or is no name."""
    if not name.startswith("docker://"):
        return ()
    from ..transports import parse_image_name

    try:
        return (Visit(parse_image_name(name), options, reading, judged),)
    except InvalidName:  # the command says so
        return ()


@contextmanager
def preconnected(visits: Iterable[Visit]) -> Iterator[None]:
    """Open connections for the first requests, for the time of the context; close those that are not used."""
    visits = tuple(visits)
    if not any(visit.image.transport == "docker" for visit in visits):
        yield
        return
    from ..registry.preconnections import Preconnections

    connections = Preconnections()
    try:
        _open(visits, connections)
        yield
    finally:
        connections.close()


def _open(visits: Iterable[Visit], connections: Preconnections) -> None:
    """Open connections, or none at all if any of the visits is refused: the command says why."""
    try:
        for visit in visits:
            access = visit.options.early.make(visit.options.new_access, connections)
            if visit.judged:
                access.policy().judge(visit.image.subject(), visit.image.image_name)
            if visit.image.transport == "docker" and visit.image.reference is not None:
                found = visit.image.reference
                connections.plan(found, access, reading=visit.reading, connections=visit.connections)
    except (PyskopeoError, OSError):
        for visit in visits:
            visit.options.early.drop()
        return
    connections.begin()
