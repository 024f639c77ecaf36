"""Copy several images into one archive for ``docker load``, as ``docker save a b`` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..access import Access
from ..engine import run as engine
from ..engine.plan import DEFAULT_FORM, Form
from ..engine.run import CopyOptions, CopyResult
from ..errors import InvalidInput, InvalidName, first_error
from ..fast_dataclass import replace
from ..model.events import Report, Warned, ignore
from ..transports import parse_image_name
from ..transports.docker_archive import DockerArchiveReference
from .image_turns import ArchivedImage, Turn
from .names_in_archives import names_in_archive

if TYPE_CHECKING:
    from ..engine.selection import Selection
    from ..interfaces import ImageReference
    from ..model.digest import Digest
    from ..model.reference import Reference
    from ..storage.docker_archive.writer import DockerArchiveDestination

# Images that are open at once: one is written, the manifests of the others are read meanwhile.
_AT_ONCE = 4
_PLANNED_AT_ONCE = 16  # in a dry run


async def copy_images(
    sources: Sequence[str],
    destination: str,
    *,
    selection: Selection | None = None,
    form: Form = DEFAULT_FORM,
    jobs: int | None = None,
    report: Report = ignore,
    source_access: Access | None = None,
    destination_access: Access | None = None,
) -> tuple[Digest, ...]:
    """Copy images (``transport:details``) into one new archive, ``docker-archive:PATH``; return their digests there.

    Each keeps its name, as ``docker load`` and ``podman load`` give it; layers that they share are stored once. Nothing
    is at ``PATH`` before all are complete, and a run after an interruption goes on with the layers that are. The
    events of one image follow those of the one before; ``CopyFinished`` is the last of each. All else is as for `copy`.

    Raises `InvalidInput` for another destination, and for two images with the same name; else what `copy` raises.
    """
    reading, writing = (
        replace(access or Access.from_environ(), report=report) for access in (source_access, destination_access)
    )
    results = await copy_into_archive(
        [parse_image_name(source) for source in sources], parse_image_name(destination),
        CopyOptions(selection, form, jobs), source_access=reading, destination_access=writing, report=report,
    )  # fmt: skip
    return tuple(result.digest for result in results)


async def copy_into_archive(
    sources: Sequence[ImageReference],
    destination: ImageReference,
    options: CopyOptions,
    *,
    source_access: Access,
    destination_access: Access,
    report: Report = ignore,
) -> tuple[CopyResult, ...]:
    """Copy images into one archive, see `copy_images`, by parsed image names; returns the result of each, in order."""
    from ..registry.sessions import sharing_connections

    if not isinstance(destination, DockerArchiveReference):
        raise InvalidInput(f"several images are copied into one docker-archive:PATH, not to {destination.image_name}")
    if destination.name is not None or destination.position is not None:
        raise InvalidName(f"{destination.image_name}: several images keep their own names: docker-archive:PATH")
    named = await _named(sources, destination, source_access)
    results: list[CopyResult] = []
    async with (
        sharing_connections(source_access) as reading,
        destination.open_destination(destination_access) as archive,
    ):
        run = _Run(destination, archive, options, reading=reading, writing=destination_access, report=report)
        await run.copy_all(named, results)
    return tuple(results)


async def _named(
    sources: Sequence[ImageReference], destination: ImageReference, access: Access
) -> list[tuple[ImageReference, tuple[Reference, ...]]]:
    """Return each image with its names in the archive; raises `InvalidInput` for images that share one."""
    owners: dict[Reference, ImageReference] = {}
    named = []
    for source in sources:
        names = await names_in_archive(source, access)
        for name in names:
            other = owners.setdefault(name, source)
            if other.image_name != source.image_name:
                raise InvalidInput(
                    f"{other.image_name} and {source.image_name} would both be {name} in {destination.image_name}"
                )
        named.append((source, names))
    return named


class _Run:
    """Copies images into an archive that is open, one after another, and reads ahead."""

    def __init__(
        self, destination: DockerArchiveReference, archive: DockerArchiveDestination, options: CopyOptions, *,
        reading: Access, writing: Access, report: Report,
    ) -> None:  # fmt: skip
        self._destination, self._archive, self._options = destination, archive, options
        self._reading, self._writing, self._report = reading, writing, report
        self._planned: set[Digest] = set()

    async def copy_all(
        self, named: Sequence[tuple[ImageReference, tuple[Reference, ...]]], results: list[CopyResult]
    ) -> None:
        """Append the result of each image to ``results``, in order; the first failure cancels the rest."""
        from anyio import Semaphore, create_task_group

        room = Semaphore(_PLANNED_AT_ONCE if self._options.dry_run else _AT_ONCE)
        turn: Turn | None = None

        async def copy_one(source: ImageReference, names: tuple[Reference, ...], turn: Turn) -> None:
            results.append(await self._copy(source, names, turn))
            room.release()
            turn.ended.set()

        with first_error():
            async with create_task_group() as tasks:
                for source, names in named:
                    await room.acquire()
                    turn = Turn(self._report, turn)
                    tasks.start_soon(copy_one, source, names, turn)

    async def _copy(self, source: ImageReference, names: tuple[Reference, ...], turn: Turn) -> CopyResult:
        if not names:
            reason = "has no name that the archive could list: docker load tells its ID only"
            turn.report(Warned(f"{source.image_name} {reason}"))
        result = await engine.copy(
            source,
            ArchivedImage(self._destination, self._archive, names, turn, self._planned),
            self._options,
            source_access=self._reading,
            destination_access=self._writing,
            report=turn.report,
        )
        await turn.wait()
        self._planned.update(blob.digest for blob in result.plan.all_blobs)
        return result
