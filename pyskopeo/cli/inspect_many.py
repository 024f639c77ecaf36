"""``inspect`` of several images: read concurrently, printed in the order of their names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import PyskopeoError
from ..gocompat.go_json import dumps
from ..streams.concurrency import work_off
from .inspect_reading import read_shown
from .log import log
from .ordered_output import OrderedOutput

if TYPE_CHECKING:
    from ..access import Access
    from .inspect_options import InspectOptions, NamedImage
    from .inspect_reading import Shown

_IMAGES_AT_ONCE = 16


async def inspect_images(options: InspectOptions, access: Access) -> int:
    """Print each image as a line of JSON, by the template, or as its summary; all of them share connections.

    Returns 0, or the exit code of the first image that cannot be read: the others are printed all the same.
    """
    from ..registry.sessions import sharing_connections

    async with sharing_connections(access) as shared:
        printer = _Printer(options)
        output: OrderedOutput[Shown | PyskopeoError] = OrderedOutput(printer.show)

        async def inspect(one: tuple[int, NamedImage]) -> None:
            position, image = one
            try:
                async with image.open(shared) as (source, root):
                    output.put(position, await read_shown(source, root, image, options))
            except PyskopeoError as error:
                output.put(position, error)

        await work_off(list(enumerate(options.images)), inspect, at_once=_IMAGES_AT_ONCE)
    return printer.exit_code


class _Printer:
    """Prints the results, and remembers the exit code of the first error."""

    def __init__(self, options: InspectOptions) -> None:
        self._options = options
        self.exit_code = 0

    def show(self, position: int, result: Shown | PyskopeoError) -> None:
        """Print the result of the image at ``position``, from 0."""
        name = self._options.images[position].name
        try:
            if isinstance(result, PyskopeoError):
                raise result
            self._print(name, result, first=not position)
        except PyskopeoError as error:  # also one of the template, about a field that this image does not have
            self._print_error(name, error)
        sys.stdout.flush()

    def _print(self, name: str, shown: Shown, *, first: bool) -> None:
        if shown.lines:
            from .text_output import print_lines

            print_lines(shown.lines if first else ("", *shown.lines))
        elif self._options.template is None:
            document = {"Config": shown.document} if shown.kind == "config" else shown.document
            print(dumps({"Image": name, **document}))
        else:
            from .inspect_format import formatted

            print(formatted(self._options.template, shown.document, shown.kind).removesuffix("\n"))

    def _print_error(self, name: str, error: PyskopeoError) -> None:
        self.exit_code = self.exit_code or error.exit_code
        log("error", str(error))
        if self._options.template is None and not self._options.summary:
            print(dumps({"Image": name, "Error": str(error)}))
