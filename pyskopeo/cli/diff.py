"""``pyskopeo diff``."""

from __future__ import annotations

from pathlib import Path

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from ..transports import TRANSPORTS, parse_image_name
from .command import Command
from .du import shown_rows
from .files_flags import FILES, FilesOptions
from .flags import Flag, Parsed, boolean, integer
from .html_flag import HTML, check_page, html_path, write_page
from .platform_flags import is_chosen
from .verification_view import print_json
from .verify_flags import JSON

_ROWS, _ROWS_OF_PAGE = 50, 1000


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """The options of ``diff``. ``chosen`` is whether a platform was asked for, ``rows`` is None for all files."""

    common: FilesOptions
    second: str
    chosen: bool
    files: bool
    times: bool
    rows: int | None
    json: bool
    html: Path | None

    @classmethod
    def of(cls, parsed: Parsed) -> DiffOptions:
        """Read the options; raises `InvalidInput`."""
        second = parsed.arguments[1]
        with prefix_errors(f'Error parsing image name "{second}"'):
            parse_image_name(second)
        parsed.values["layer"] = []
        return cls(
            FilesOptions.of(parsed), second, is_chosen(parsed), not parsed.get("no-files", bool),
            parsed.get("times", bool), shown_rows(parsed, _ROWS_OF_PAGE), parsed.get("json", bool), html_path(parsed),
        )  # fmt: skip


async def run(options: DiffOptions) -> int:
    """Print how the images differ; the exit code is 1 if they do."""
    from ..api.comparison import compare_images

    common = options.common
    with COMMAND.coding_errors():
        check_page(options.html)
        with common.showing_progress() as advance:
            found = await compare_images(
                common.name, options.second, platform=common.choice, every_platform=not options.chosen,
                files=options.files, times=options.times, access=common.access(), advance=advance,
            )  # fmt: skip
        if options.json:
            print_json(found.to_json())
        elif options.html is not None:
            from .comparison_page import comparison_page

            await write_page(options.html, comparison_page(found, options.rows))
        else:
            from .comparison_view import print_comparison

            print_comparison(found, options.rows)
    return 0 if found.is_same else 1


COMMAND = Command(
    name="diff",
    arguments="IMAGE-NAME IMAGE-NAME",
    description=(
        "Compare two images: the platforms of two lists, annotations, configurations, layers, and the files\n"
        "that a container would see: which were added, changed and removed. The images may be of different\n"
        "transports. From each list the image for this machine's platform is compared, or the one that flags\n"
        "choose; then the platforms of the lists are not compared.\n\n"
        "A file has changed if its type, its content (by sha256), its mode, its owner, its extended attributes,\n"
        "or the target of a link has. Layers are the same if the configurations state the same diff ID for them:\n"
        "how manifests and layers are stored makes no difference. For an image that you do not trust, verify --deep\n"
        "finds out whether its layers have these diff IDs.\n\n"
        "Layers are read, once each, and verified, unless all are the same; those of a base that both images have\n"
        "are not read if the layers above have files of the same names. Nothing is stored, except that with\n"
        "--store what is in each layer is noted there, so that the next time no layer is read.\n\n"
        "The exit code is 0 if the images are the same, 1 if they differ, and 2 if something went wrong.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo diff docker://docker.io/library/python:3.13.1 docker://docker.io/library/python:3.13.2",
        "pyskopeo diff oci:images:app docker://registry.example.com/app:v1 --platform linux/arm64",
        "pyskopeo diff oci:build1:app oci:build2:app --no-files --json",
    ),
    flags=(
        Flag("no-files", "compare no files, so that no layer is read", read=boolean, default=False, group="output"),
        Flag("times", "show files that differ only in the time of their last change, too", read=boolean, default=False,
             group="output"),
        Flag("rows", f"show at most this many files; 0: all (default: {_ROWS}, on a page {_ROWS_OF_PAGE})",
             value="NUMBER", read=integer, default=_ROWS, group="output"),
        JSON,
        HTML,
        *(flag for flag in FILES if flag.name != "layer"),
    ),
    read=DiffOptions.of,
    run=run,
    error_code=2,
)  # fmt: skip
