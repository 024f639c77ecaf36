"""``pyskopeo referrers``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from ..http.printable import to_printable
from ..model.choice import Choice
from ..transports import parse_image_name
from .access_options import AUTHFILE, AccessOptions, access_flags
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean, utf8
from .log import emit_notice
from .logged_events import warnings_only
from .network_options import NETWORK
from .platform_flags import CHOOSING, chosen_image, is_chosen
from .preconnect import visits_of
from .quantities import size
from .verification_view import print_json
from .verify_flags import JSON

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.referrer import ReferredImage, Referrer, ReferrerReport


@dataclass(frozen=True, slots=True)
class ReferrersOptions:
    """The options of ``referrers``. ``platform`` None is the image or index itself and every image in it."""

    name: str
    types: tuple[str, ...]
    platform: Choice | None
    json: bool
    table: bool
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> ReferrersOptions:
        """Read the options; raises `InvalidInput`."""
        (name,) = parsed.arguments
        with prefix_errors(f'Error parsing image name "{name}"'):
            parse_image_name(name)
        as_json, as_table = parsed.get("json", bool), parsed.get("table", bool)
        if as_json and as_table:
            raise UsageError("--json and --table exclude each other")
        platform = chosen_image(parsed) if is_chosen(parsed) else None
        return cls(name, tuple(parsed.repeated("type", str)), platform, as_json, as_table, AccessOptions.of(parsed))


async def run(options: ReferrersOptions) -> int:
    """Print what refers to the image."""
    from ..api.referrers import list_referrers

    access = options.access.access(warnings_only)
    report = await list_referrers(options.name, types=options.types, platform=options.platform, access=access)
    if options.json:
        print_json(report.to_json())
    elif options.table:
        _print_table(report)
    else:
        print("\n".join(_tree(report)))
    if report.unread:
        plural = "s were" if report.unread != 1 else " was"
        emit_notice(f"{report.unread} manifest{plural} not looked into: too many, or too deep")
    return 0


def _tree(report: ReferrerReport) -> Iterator[str]:
    """Yield the lines of the tree; images of an index without referrers are left out."""
    root, *others = report.images
    shown = [image for image in others if image.referrers]
    yield f"{to_printable(report.name)}  {root.descriptor.digest}"
    yield from _branches(root.referrers, "", last=not shown)
    for image in shown:
        is_last = image is shown[-1]
        yield f"{'└── ' if is_last else '├── '}{_platform(image)}  {image.descriptor.digest}"
        yield from _branches(image.referrers, "    " if is_last else "│   ", last=True)
    if not root.referrers and not shown:
        yield "nothing refers to it"


def _branches(referrers: Sequence[Referrer], prefix: str, *, last: bool) -> Iterator[str]:
    for number, one in enumerate(referrers, 1):
        is_last = last and number == len(referrers)
        note = "  (see above)" if one.repeated else ""
        yield f"{prefix}{'└── ' if is_last else '├── '}{'  '.join(_cells(one))}{note}"
        yield from _branches(one.referrers, prefix + ("    " if is_last else "│   "), last=True)


def _print_table(report: ReferrerReport) -> None:
    rows = [("SUBJECT", "TYPE", "DIGEST", "SIZE", "FOUND BY")]
    for image in report.images:
        rows += _rows(image.descriptor, image.referrers)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for subject, kind, digest, bytes_, origin in rows:
        print(
            f"{subject:<{widths[0]}}  {kind:<{widths[1]}}  {digest:<{widths[2]}}  {bytes_:>{widths[3]}}  {origin}"
        )


def _rows(subject: Descriptor, referrers: Sequence[Referrer]) -> Iterator[tuple[str, str, str, str, str]]:
    for one in referrers:
        kind, digest, bytes_, origin = _cells(one)
        yield str(subject.digest), kind, digest, bytes_, origin
        yield from _rows(one.descriptor, one.referrers)


def _cells(one: Referrer) -> tuple[str, str, str, str]:
    kind = to_printable(one.artifact_type) or "-"
    origin = f"{one.origin} {to_printable(one.tag)}" if one.origin == "cosign tag" else one.origin
    return kind, str(one.descriptor.digest), size(one.descriptor.size), origin


def _platform(image: ReferredImage) -> str:
    platform = image.descriptor.platform
    return to_printable(platform) if platform is not None else to_printable(image.descriptor.media_type)


COMMAND = Command(
    name="referrers",
    arguments="IMAGE-NAME",
    description=(
        'List what refers to "IMAGE-NAME", docker://HOST/NAME, oci:DIR or oci-archive:FILE, to the images in\n'
        "its list, and what refers to that in turn: signatures, attestations, lists of packages. In a registry\n"
        "these are what its referrers API lists, or without it the index with the tag sha256-HEX, cosign's\n"
        "tags sha256-HEX.sig, .att and .sbom, and BuildKit's attestations, which are in the list of images\n"
        "itself; in a layout manifests with a subject, and entries with such names.\n\n"
        "Supported transports:\ndocker, oci, oci-archive"
    ),
    examples=(
        "pyskopeo referrers docker://registry.example.com/team/app:1.4",
        "pyskopeo referrers --type application/spdx+json --json docker://registry.example.com/team/app:1.4",
        "pyskopeo referrers --platform linux/arm64 --table oci:images:app",
    ),
    flags=(
        Flag("type", "list only referrers with this artifact type, and what refers to those; can be repeated",
             value="TYPE", read=utf8, repeat=True, group="images"),
        Flag("table", "print a table instead of a tree: subject, type, digest, size, and how it was found",
             read=boolean, default=False, group="output"),
        JSON,
        *CHOOSING,
        AUTHFILE,
        *access_flags(),
        *NETWORK,
    ),
    read=ReferrersOptions.of,
    run=run,
    visits=lambda options: visits_of(options.name, options.access),
)  # fmt: skip
