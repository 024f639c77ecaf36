"""``pyskopeo tree``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from ..transports import TRANSPORTS, parse_image_name
from .access_options import AUTHFILE, AccessOptions, access_flags
from .command import Command
from .flags import Flag, Parsed, boolean
from .html_flag import HTML, check_page, html_path, write_page
from .log import emit_notice, log
from .logged_events import warnings_only
from .network_options import NETWORK
from .platform_flags import CHOOSING, chosen_image, is_chosen
from .preconnect import visits_of
from .quantities import quantity
from .verification_view import print_json
from .verify_flags import JSON

if TYPE_CHECKING:
    from pathlib import Path

    from ..model.choice import Choice


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """The options of ``tree``. ``platform`` None is every image of a list; ``html`` is the file for the page."""

    name: str
    platform: Choice | None
    referrers: bool
    json: bool
    html: Path | None
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> TreeOptions:
        """Read the options; raises `InvalidInput`."""
        (name,) = parsed.arguments
        with prefix_errors(f'Error parsing image name "{name}"'):
            parse_image_name(name)
        platform = chosen_image(parsed) if is_chosen(parsed) else None
        referrers, as_json = not parsed.get("no-referrers", bool), parsed.get("json", bool)
        return cls(name, platform, referrers, as_json, html_path(parsed), AccessOptions.of(parsed))


async def run(options: TreeOptions) -> int:
    """Print the tree, or write it to a page."""
    from ..api.image_tree import image_tree

    check_page(options.html)
    access = options.access.access(warnings_only)
    tree = await image_tree(options.name, platform=options.platform, referrers=options.referrers, access=access)
    if options.html is not None:
        from .tree_page import tree_page

        await write_page(options.html, tree_page(tree))
    elif options.json:
        print_json(tree.to_json())
    else:
        from .text_output import TextOutput, print_lines
        from .tree_text import tree_lines

        print_lines(tree_lines(tree, TextOutput.of_stdout()))
    for problem in tree.problems:
        log("warning", f"{problem}; shown without it")
    if tree.unread:
        emit_notice(f"{quantity(tree.unread, 'referrer')} not looked into: too many, or too deep")
    return 0


COMMAND = Command(
    name="tree",
    arguments="IMAGE-NAME",
    description=(
        'Show what "IMAGE-NAME" consists of: the list of images with its platforms, the layers of each with their\n'
        "sizes and the build steps that made them, and what refers to any of these, such as signatures. Sizes are\n"
        "those of layers as they are stored. Manifests and configurations are read, and no layers.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo tree docker://docker.io/library/alpine",
        "pyskopeo tree --platform linux/arm64 docker://docker.io/library/python:3.12",
        "pyskopeo tree --html tree.html oci:images:app",
    ),
    flags=(
        Flag("no-referrers", "do not ask what refers to the image", read=boolean, default=False, group="output"),
        HTML,
        JSON,
        *CHOOSING,
        AUTHFILE,
        *access_flags(),
        *NETWORK,
    ),
    read=TreeOptions.of,
    run=run,
    visits=lambda options: visits_of(options.name, options.access),
)
