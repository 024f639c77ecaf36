"""``copy --dry-run`` of several images: a row or a line of JSON each, in the order of their names."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ..engine.run import copy
from ..errors import PyskopeoError
from ..model.events import Placement
from ..streams.concurrency import work_off
from .copy_options import engine_options, reading_access, writing_access
from .log import log
from .logged_events import warnings_only
from .ordered_output import OrderedOutput
from .plan_view import dry_run_document, total_line
from .quantities import quantity, size
from .text_output import TextOutput
from .text_rows import TextRows

if TYPE_CHECKING:
    from ..access import Access
    from ..engine.run import CopyResult
    from ..interfaces import ImageReference
    from ..model.digest import Digest
    from ..signatures.signer import Signer
    from .copy_options import CopyOptions
    from .text_output import Tone

_IMAGES_AT_ONCE = 16
_SIZE = 10  # columns, as `size` needs at most
_WITH_DIGESTS = 80  # columns of the narrowest terminal on which there are digests
_ANY_DIGEST = "sha256:" + 64 * "0"


async def plan_images(options: CopyOptions) -> int:
    """Print what a copy of each image would do; returns 0, or the exit code of the first one that cannot be planned.

    The others are printed all the same, and each is planned as if it was the only one. But images for one
    ``docker-archive:`` share layers, and the first that cannot be planned is raised, as it would be by the copy.
    """
    reading, writing = reading_access(options, warnings_only), writing_access(options, warnings_only)
    signers = options.signing.signers(writing)
    view = _View(options, reading, signers)
    if options.destination.transport == "docker-archive":
        from ..api.several_images import copy_into_archive

        results = await copy_into_archive(
            options.sources, options.destination, engine_options(options, signers),
            source_access=reading, destination_access=writing, report=warnings_only,
        )  # fmt: skip
        for position, result in enumerate(results):
            view.show(position, result)
    else:
        await _plan_each(options, reading, writing, signers, OrderedOutput(view.show))
    view.finish()
    return view.exit_code


async def _plan_each(
    options: CopyOptions, reading: Access, writing: Access, signers: tuple[Signer, ...],
    output: OrderedOutput[CopyResult | PyskopeoError],
) -> None:  # fmt: skip
    """Plan every image for its destination, each as if it was the only one; their connections are shared."""
    from ..registry.sessions import sharing_connections

    async with sharing_connections(reading) as pulling, sharing_connections(writing, actions="pull,push") as pushing:

        async def plan(one: tuple[int, ImageReference, ImageReference]) -> None:
            position, source, destination = one
            try:
                result = await copy(
                    source, destination, engine_options(options, signers, destination),
                    source_access=pulling, destination_access=pushing, report=warnings_only,
                )  # fmt: skip
            except PyskopeoError as error:
                output.put(position, error)
            else:
                output.put(position, result)

        copies = zip(range(len(options.sources)), options.sources, options.destinations, strict=True)
        await work_off(list(copies), plan, at_once=_IMAGES_AT_ONCE)


class _View:
    """Prints a row or a line of JSON for each image, and at the end the sums, in which each blob counts once."""

    def __init__(self, options: CopyOptions, reading: Access, signers: tuple[Signer, ...]) -> None:
        self._options, self._reading, self._signers = options, reading, signers
        self._rows, self._out = TextRows(), TextOutput.of_stdout()
        self._blobs: dict[Digest, tuple[int, Placement]] = {}
        self._rows_printed = self._images = self._referrers = self._failed = 0
        self.exit_code = 0

    def show(self, position: int, result: CopyResult | PyskopeoError) -> None:
        """Print what a copy of the image at ``position``, from 0, would do, or why it cannot be planned."""
        source, destination = self._options.sources[position], self._options.destinations[position]
        if isinstance(result, PyskopeoError):
            self.exit_code = self.exit_code or result.exit_code
            self._failed += 1
            known = source.image_name in str(result)  # an error of the destination does not say which image it is about
            log("error", str(result) if known else f"{source.image_name}: {result}")
            if self._options.json:
                _print_line({"source": source.image_name, "destination": destination.image_name, "error": str(result)})
        elif self._options.json:
            _print_line(dry_run_document(result, source, destination, self._reading, self._signers))
        else:
            self._show_row(source.image_name, result)
        sys.stdout.flush()

    def finish(self) -> None:
        """Print the sums below the rows, if there are any, and who would sign."""
        if not self._rows_printed:
            return
        for signer in self._signers:
            self._rows.line(f"to sign by {signer.called}")
        if self._referrers:
            self._rows.line(f"with {quantity(self._referrers, 'referrer')}")
        missing = f"; not planned: {quantity(self._failed, 'image name')}" if self._failed else ""
        self._rows.line(total_line(self._images, self._blobs.values()) + missing)
        sys.stdout.flush()

    def _show_row(self, name: str, result: CopyResult) -> None:
        if not self._rows_printed:
            self._row("SIZE", "TO FETCH", "DIGEST", "IMAGE", tone="dim")
        self._rows_printed += 1
        plan, placements = result.plan, result.placements
        blobs = {blob.digest: (blob.size, placements[blob.digest]) for blob in plan.all_blobs}
        fetched = sum(length for length, placement in blobs.values() if placement is Placement.WRITTEN)
        digest = "known later" if plan.changes else self._out.digest(plan.root.digest)
        self._row(size(plan.total), size(fetched), digest, name)
        self._images += plan.images
        self._referrers += len(result.referrers)
        for one, placed in blobs.items():  # that of the first: into an archive, it is there for those after it
            self._blobs.setdefault(one, placed)

    def _row(self, whole: str, fetched: str, digest: str, name: str, tone: Tone = "plain") -> None:
        cells = [f"{whole:>{_SIZE}}", f"{fetched:>{_SIZE}}"]
        if self._out.width is None or self._out.width >= _WITH_DIGESTS:
            cells.append(f"{digest:<{len(self._out.digest(_ANY_DIGEST))}}")
        self._rows.row([self._rows.painted(cell, tone) for cell in cells], name, tone, keep_end=True)


def _print_line(document: dict[str, Any]) -> None:
    print(json.dumps(document, ensure_ascii=False))
