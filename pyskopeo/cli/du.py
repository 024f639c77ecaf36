"""``pyskopeo du``."""

from __future__ import annotations

from pathlib import Path

from ..fast_dataclass import dataclass
from ..transports import TRANSPORTS
from .command import Command
from .files_flags import FILES, FilesOptions
from .flags import Flag, Parsed, UsageError, integer
from .html_flag import HTML, check_page, html_path, write_page
from .verification_view import print_json
from .verify_flags import JSON

_DEPTH, _ROWS, _ROWS_OF_PAGE = 4, 25, 200


@dataclass(frozen=True, slots=True)
class DuOptions:
    """The options of ``du``. ``by`` is ``path`` or ``layer``, ``rows`` the maximum number of rows, None for all."""

    files: FilesOptions
    path: str
    by: str
    depth: int
    rows: int | None
    json: bool
    html: Path | None

    @classmethod
    def of(cls, parsed: Parsed) -> DuOptions:
        """Read the options; raises `InvalidInput`."""
        depth = parsed.get("depth", int)
        if depth < 0:
            raise UsageError("--depth: want 0 or more")
        return cls(
            FilesOptions.of(parsed),
            parsed.arguments[1] if len(parsed.arguments) > 1 else "",
            parsed.get("by", str),
            depth,
            shown_rows(parsed, _ROWS_OF_PAGE),
            parsed.get("json", bool),
            html_path(parsed),
        )


def shown_rows(parsed: Parsed, on_page: int) -> int | None:
    """Return the number that ``--rows`` gives, None for all, or its default; raises `UsageError`.

    ``on_page`` is the default for a page.
    """
    rows = parsed.get("rows", int)
    if "rows" not in parsed.given and parsed.values["html"]:
        return on_page
    if rows < 0:
        raise UsageError("--rows: want a number of rows, or 0 for all")
    return rows or None


async def run(options: DuOptions) -> int:
    """Print where the bytes are."""
    from ..api.usage import measure_image

    check_page(options.html)
    files = options.files
    with files.showing_progress() as advance:
        usage = await measure_image(
            files.name, options.path, depth=options.depth, layers=files.layers, platform=files.choice,
            access=files.access(), advance=advance,
        )  # fmt: skip
    if options.json:
        print_json(usage.to_json())
    elif options.html is not None:
        from .usage_page import usage_page

        await write_page(options.html, usage_page(usage, options.rows))
    else:
        from .usage_view import print_usage

        print_usage(usage, by=options.by, rows=options.rows)
    return 0


ROWS = Flag("rows", f"show at most this many rows, the largest; 0: all (default: {_ROWS}, on a page "
            f"{_ROWS_OF_PAGE})", value="NUMBER", read=integer, default=_ROWS, group="output")  # fmt: skip

COMMAND = Command(
    name="du",
    arguments="IMAGE-NAME [PATH]",
    description=(
        'Show where the bytes of "IMAGE-NAME" are: its largest directories and files, those below "PATH" only, or\n'
        "with --by layer its layers; and what is wasted: files that a later layer replaces or deletes, so that\n"
        "they are fetched and stored, and no container sees them. Sizes are those of files; a file with several\n"
        "hard links counts once.\n\n"
        "Layers are read, and verified, but nothing is stored, except that with --store what is in each layer is\n"
        "noted there, so that the next time no layer is read.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo du docker://docker.io/library/python:3.13",
        "pyskopeo du --by layer docker://docker.io/library/python:3.13",
        "pyskopeo du --depth 2 --html usage.html oci:images:app /usr",
    ),
    flags=(
        Flag("by", "path: directories and files; layer: the layers (default: path)", value="path|layer", default="path",
             choices=("path", "layer"), group="output"),
        Flag("depth", f"names below PATH that are shown; 0: only PATH itself (default: {_DEPTH})", value="NUMBER",
             read=integer, default=_DEPTH, group="output"),
        ROWS,
        JSON,
        HTML,
        *FILES,
    ),
    read=DuOptions.of,
    run=run,
    visits=lambda options: options.files.visits,
)  # fmt: skip
