"""``pyskopeo layout missing|complete|assemble|merge``: bring the content of layouts together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass, replace
from .access_options import AUTHFILE, RESUME, AccessOptions, registry_flags, shared_blob_dir
from .command import Command
from .content_flags import REUSE, reuse
from .flags import Flag, Parsed, UsageError, boolean
from .log import emit_notice, log
from .logged_events import warnings_only
from .network_options import NETWORK, RANGES
from .output_flags import SOURCES, sources
from .quantities import quantity, size
from .verification_view import print_json, verifying
from .verify_flags import JSON, SPARSE

if TYPE_CHECKING:
    from ..access import Access, Reuse
    from ..model.completion import CompletionReport

# The next step where something is still missing.
_ELSEWHERE = "; add a place that has them: --from"
_LOCAL_FROM = Flag(
    "from", "place to take content from: oci:DIR, oci-archive:FILE, dir:DIR, a file, a directory, a blob index or "
    "store:DIR; can be repeated", value="PLACE", read=lambda text: [text], repeat=True, group="source",
)  # fmt: skip
_FROM = replace(_LOCAL_FROM, help=_LOCAL_FROM.help.replace(" or store:DIR", ", store:DIR or docker://HOST/NAME"))
_BASE = Flag("blob-root", "directory that relative paths in a blob index are in (default: the working directory)",
             value="DIR", group="source")  # fmt: skip
_OUT = Flag("out", "layout to write: oci:DIR, or oci:DIR:NAME for an image", value="LAYOUT", group="destination")
_QUIET = Flag("quiet", "show no progress", short="q", read=boolean, default=False, group="output")
_PLACES = (
    "Places, in the order in which they are asked: layouts (oci:DIR, oci-archive:FILE, dir:DIR); files that\n"
    "are blobs, and directories of such files; blob indexes (FILE.json with\n"
    '{"Blobs": {"sha256:...": "path"}}); lock files (FILE.lock), for the manifests in them; content stores\n'
    "(store:DIR)"
)


@dataclass(frozen=True, slots=True)
class MissingOptions:
    """The options of ``layout missing``; ``sources`` are HOST/REPOSITORY."""

    layout: str
    sources: tuple[str, ...]
    sparse: bool
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> MissingOptions:
        """Read the options; raises `InvalidInput`."""
        known = tuple(source.name for source in sources(parsed))
        return cls(parsed.arguments[0], known, parsed.get("sparse", bool), AccessOptions.without_registries(parsed))


async def missing(options: MissingOptions) -> int:
    """Print what is missing."""
    from ..api.layout_content import find_missing_content
    from .missing_view import report_missing

    report = await find_missing_content(
        options.layout, sources=options.sources, sparse=options.sparse, access=options.access.access(warnings_only)
    )
    return report_missing(options.layout, report.missing, "; layout complete brings them")


@dataclass(frozen=True, slots=True)
class CompleteOptions:
    """The options of ``layout complete``; ``base`` is ``--blob-root``."""

    layout: str
    places: tuple[str, ...]
    base: Path
    sparse: bool
    reuse: Reuse
    json: bool
    quiet: bool
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> CompleteOptions:
        """Read the options; raises `InvalidInput`."""
        return cls(
            parsed.arguments[0], parsed.repeated("from", str), parsed.path("blob-root") or Path(),
            parsed.get("sparse", bool), reuse(parsed), parsed.get("json", bool), parsed.get("quiet", bool),
            AccessOptions.of(parsed),
        )  # fmt: skip


async def complete(options: CompleteOptions) -> int:
    """Complete the layout; print what was added, or what is still missing."""
    from ..api.layout_content import complete_layout

    access = _writing(options.access, options.reuse)
    with verifying("Completing", quiet=options.quiet) as advance:
        report = await complete_layout(
            options.layout, options.places, base=options.base, sparse=options.sparse, access=access,
            # The shared directory is the layout's: the blobs of a place are its own.
            source_access=replace(access, storage=replace(access.storage, shared_blobs=None)), advance=advance,
        )  # fmt: skip
    return _print_report(options.layout, report, as_json=options.json)


@dataclass(frozen=True, slots=True)
class AssembleOptions:
    """The options of ``layout assemble``; ``root`` is a digest or the path of a file."""

    root: str
    out: str
    places: tuple[str, ...]
    base: Path
    sparse: bool
    reuse: Reuse
    json: bool
    quiet: bool
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> AssembleOptions:
        """Read the options; raises `InvalidInput`."""
        root, places = parsed.optional("root", str), parsed.repeated("from", str)
        if not root:
            raise UsageError("--root is required: the digest of an image, or a file with its manifest or descriptor")
        if not places:
            raise UsageError("--from is required: a place to take content from")
        return cls(
            root, _out(parsed), places, parsed.path("blob-root") or Path(), parsed.get("sparse", bool), reuse(parsed),
            parsed.get("json", bool), parsed.get("quiet", bool), AccessOptions.without_registries(parsed),
        )  # fmt: skip


async def assemble(options: AssembleOptions) -> int:
    """Write the layout; print what was added, or what is missing."""
    from ..api.layout_content import assemble_layout

    with verifying("Assembling", quiet=options.quiet) as advance:
        report = await assemble_layout(
            options.out, options.root, options.places, base=options.base, sparse=options.sparse,
            access=_writing(options.access, options.reuse), advance=advance,
        )  # fmt: skip
    return _print_report(options.out, report, as_json=options.json)


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """The options of ``layout merge``."""

    layouts: tuple[str, ...]
    out: str
    reuse: Reuse
    json: bool
    quiet: bool
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> MergeOptions:
        """Read the options; raises `InvalidInput`."""
        return cls(
            tuple(parsed.arguments), _out(parsed), reuse(parsed), parsed.get("json", bool), parsed.get("quiet", bool),
            AccessOptions.without_registries(parsed),
        )


async def merge(options: MergeOptions) -> int:
    """Write the layout; warn about what all of them lack."""
    from ..api.layout_content import merge_layouts

    with verifying("Merging", quiet=options.quiet) as advance:
        report = await merge_layouts(
            options.out, options.layouts, access=_writing(options.access, options.reuse), advance=advance
        )
    if options.json:
        print_json(report.to_json())
    else:
        _say(options.out, report)
    if report.missing:
        number = len(report.missing)
        blobs = f"{number} blob{'s are' if number != 1 else ' is'}"
        log("warning", f"{options.out}: {blobs} in none of the layouts; layout missing lists them")
    return 0


def _writing(options: AccessOptions, how: Reuse) -> Access:
    access = options.access(warnings_only)
    return replace(access, writing=replace(access.writing, reuse=how))


def _out(parsed: Parsed) -> str:
    out = parsed.optional("out", str)
    if not out:
        raise UsageError("--out is required: the layout to write, oci:DIR")
    return out


def _print_report(layout: str, report: CompletionReport, *, as_json: bool) -> int:
    """Print the result, as JSON if something is missing, and return the exit code: 3 then."""
    from .missing_view import missing_code, report_missing

    if as_json:
        print_json(report.to_json())
        return missing_code(layout, report.missing, _ELSEWHERE)
    if report.missing:
        return report_missing(layout, report.missing, _ELSEWHERE)
    _say(layout, report)
    return 0


def _say(layout: str, report: CompletionReport) -> None:
    added = f"{quantity(len(report.placed), 'blob')} added, {size(sum(one.descriptor.size for one in report.placed))}"
    emit_notice(f"{layout}: {added}; {report.present} {'was' if report.present == 1 else 'were'} there")


_SHARED = shared_blob_dir()
MISSING = Command(
    name="layout missing",
    arguments="LAYOUT",
    summary="List the blobs that a layout lacks",
    description=(
        'Print as JSON which manifests and blobs "LAYOUT", oci:DIR or oci:DIR:NAME, lacks of all that its\n'
        "entries lead to, with digest, size, media type, and the repositories they can be fetched from: the\n"
        "one that copy --layers none has recorded, and those of --source. What is there is read, unless it is\n"
        "known to be right. The exit code is 3 if something is missing."
    ),
    examples=(
        "pyskopeo layout missing oci:base",
        "pyskopeo layout missing --source library/debian@mirror.example.com oci:base:debian",
    ),
    flags=(SOURCES, SPARSE, _SHARED),
    read=MissingOptions.of,
    run=missing,
)
COMPLETE = Command(
    name="layout complete",
    arguments="LAYOUT",
    summary="Bring the blobs that a layout lacks into it",
    description=(
        'Bring into "LAYOUT", oci:DIR or oci:DIR:NAME, what it lacks of all that its entries lead to. What is\n'
        "there and right is not touched, nor fetched. Without --from, it is fetched from the repository that\n"
        "copy --layers none has recorded. What is still missing is listed as JSON, and the exit code is 3.\n\n"
        f"{_PLACES}; repositories of\nregistries (docker://HOST/NAME), after their mirrors."
    ),
    examples=(
        "pyskopeo layout complete oci:base",
        "pyskopeo layout complete --from oci:other --from blobs/ --from docker://docker.io/library/debian oci:base",
    ),
    flags=(
        _FROM, _BASE, SPARSE, REUSE, JSON, _QUIET, _SHARED, AUTHFILE, *registry_flags(), *NETWORK, *RANGES, *RESUME,
    ),
    read=CompleteOptions.of,
    run=complete,
)  # fmt: skip
ASSEMBLE = Command(
    name="layout assemble",
    arguments="",
    summary="Write a layout from blobs that lie in files and other layouts",
    description=(
        "Write an image, with all it needs, into the layout --out from the places --from. No request is sent.\n"
        "What is missing is listed as JSON, and the exit code is 3; the layout does not name the image then.\n\n"
        f"{_PLACES}."
    ),
    examples=(
        "pyskopeo layout assemble --root sha256:... --from oci:base --from layer.tar.gz --out oci:image:v1",
        "pyskopeo layout assemble --root manifest.json --from blobs.json --blob-root execroot --out oci:image",
    ),
    flags=(
        Flag("root", "digest of the image or list, or a file with its manifest, or with its descriptor",
             value="DIGEST|FILE", group="images"),
        _LOCAL_FROM, _BASE, _OUT, SPARSE, REUSE, JSON, _QUIET,
    ),
    read=AssembleOptions.of,
    run=assemble,
)  # fmt: skip
MERGE = Command(
    name="layout merge",
    arguments="LAYOUT...",
    summary="Write several layouts into one",
    description=(
        'Write the entries of each "LAYOUT", oci:DIR, and all they lead to into the layout --out, beside what is\n'
        "there. Each blob is taken from the first layout where it is right, so that two partial layouts can\n"
        "complete each other; what all of them lack is a warning. A name that refers to different images is an\n"
        "error, and nothing is written then."
    ),
    examples=("pyskopeo layout merge oci:one oci:two --out oci:both",),
    flags=(_OUT, REUSE, JSON, _QUIET),
    read=MergeOptions.of,
    run=merge,
)
