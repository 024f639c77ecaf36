"""``copy`` of several images into one ``docker-archive:``."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..model.events import CopyFinished
from .copy_result import CopyNames
from .log import emit_notice
from .progress import registry_report, reporting
from .quantities import quantity
from .standard_streams import escape
from .terminal import has_cursor_control, has_rich

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..interfaces import ImageReference
    from ..model.events import Event, Report
    from .copy_options import CopyOptions


async def run_several(options: CopyOptions) -> int:
    """Copy the images, or print what a copy of each would do."""
    if options.dry_run:
        from .dry_run_several import plan_images

        return await plan_images(options)
    from ..api.several_images import copy_into_archive
    from .copy_options import engine_options, reading_access, writing_access

    with _ReportInTurn(options) as report:
        reading = reading_access(options, report.of_registries)
        writing = writing_access(options, report.of_registries)
        results = await copy_into_archive(
            options.sources,
            options.destination,
            engine_options(options, options.signing.signers(writing)),
            source_access=reading,
            destination_access=writing,
            report=report,
        )
    if options.progress in ("auto", "bars", "plain"):
        emit_notice(f"Wrote {escape(options.destination.image_name)}: {quantity(len(results), 'image')}")
    return 0


class _ReportInTurn:
    """Shows the progress of images that are copied one after another.

    It takes their events, of which `CopyFinished` is the last one of each; `of_registries` takes those of connections,
    at any time.
    """

    def __init__(self, options: CopyOptions) -> None:
        automatic = "bars" if has_cursor_control() else "plain"
        wanted = options.progress
        self._mode = automatic if wanted == "auto" or (wanted == "bars" and not has_rich()) else wanted
        self._rest: Sequence[ImageReference] = options.sources
        self._destination = options.destination.image_name
        self._shown = ExitStack()
        self._report: Report | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the progress of the image that is written; after an error it says how far that came."""
        if self._mode == "json":  # not with that image's names: the error may be about one that was read ahead
            from .json_events import printing_failure

            self._shown.enter_context(printing_failure())
        self._shown.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        report = self._report or self._next()
        report(event)
        if isinstance(event, CopyFinished):
            self._report = None
            self._shown.close()

    def of_registries(self, event: Event) -> None:
        """Take an event that belongs to no image, such as a request."""
        (self._report or registry_report(self._mode))(event)

    def _next(self) -> Report:
        source, *self._rest = self._rest
        if self._mode == "json":
            from .json_events import print_event

            self._report = partial(print_event, names=CopyNames(source.image_name, self._destination))
        else:  # without the destination, which gets its name only when all images are in it
            named = CopyNames(source.image_name, "")
            if self._mode == "plain":
                emit_notice(named.header)
            self._report = self._shown.enter_context(reporting(self._mode, named))
        return self._report
