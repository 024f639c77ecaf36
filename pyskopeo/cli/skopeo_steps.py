"""skopeo's lines about a copy, for scripts that read them from its standard output."""

from __future__ import annotations

from collections.abc import Callable

from ..model.events import BlobStarted, CopyPlanned, Event, ManifestWritten, Report, SignaturesWritten, ignore
from .standard_streams import notice

WRITING = "Writing manifest to image destination"


def getting_line(event: CopyPlanned) -> str:
    """Return the line about the signatures of the source."""
    return f"Getting image {'source' if event.images == 1 else 'list'} signatures"


def signature_lines(event: SignaturesWritten, *, is_list: bool) -> list[str]:
    """Return the lines about signatures that were made and written, with ``is_list`` those of a list."""
    several = len(event.made) > 1
    lines = [
        f"Creating signature {number}: {method}" if several else f"Creating signature: {method}"
        for number, method in enumerate(event.made, 1)
    ]
    return [*lines, "Storing list signatures" if is_list else "Storing signatures"]


class Steps:
    """Prints skopeo's lines about a copy, to standard output as skopeo does, and hands all events on to ``report``.

    The line about a configuration follows those about layers, although it may be copied before them.
    """

    def __init__(
        self, report: Report = ignore, write: Callable[[str], None] = notice, *, signatures: bool = True
    ) -> None:
        self._report, self._write, self._signatures = report, write, signatures
        self._is_list = False
        self._configs: list[str] = []
        self._signatures_of_root: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, CopyPlanned):
            self._is_list = event.images != 1
            if self._signatures:
                self._write(getting_line(event))
        elif isinstance(event, BlobStarted) and event.kind == "config":
            self._configs.append(f"Copying config {event.digest}")
        elif isinstance(event, BlobStarted):
            self._write(f"Copying blob {event.digest}")
        elif isinstance(event, ManifestWritten):
            self._write_all(self._configs)
            self._write(WRITING.replace("manifest", "manifest list") if event.root and self._is_list else WRITING)
            if event.root:
                self._write_all(self._signatures_of_root)
        elif isinstance(event, SignaturesWritten) and event.root:
            # skopeo writes them after the manifest has its name.
            self._signatures_of_root = signature_lines(event, is_list=self._is_list)
        elif isinstance(event, SignaturesWritten):
            self._write_all(signature_lines(event, is_list=False))
        self._report(event)

    def _write_all(self, lines: list[str]) -> None:
        while lines:
            self._write(lines.pop(0))
