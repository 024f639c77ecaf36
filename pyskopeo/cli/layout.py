"""``pyskopeo layout``: care for OCI layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidName
from ..fast_dataclass import dataclass, replace
from ..http.printable import escaped_line
from .access_options import AUTHFILE, RESUME, AccessOptions, registry_flags, shared_blob_dir
from .command import Command, CommandGroup, program
from .flags import Flag, Parsed, UsageError
from .layout_completion import ASSEMBLE, COMPLETE, MERGE, MISSING
from .layout_options import LayoutOptions
from .layout_output_flags import PROFILES
from .layout_split import LINK_NAMES, SPLIT
from .log import log
from .logged_events import warnings_only
from .network_options import NETWORK
from .quantities import size
from .verification_view import print_json, print_report, verifying
from .verify_flags import DRY_RUN, JSON, SPARSE, VERIFYING, VerifyFlags

if TYPE_CHECKING:
    from ..model.verification import GarbageReport, LayoutEntry

_LOCAL = ("oci", "oci-archive", "docker-archive", "dir")


@dataclass(frozen=True, slots=True)
class LayoutVerifyOptions:
    """The options of ``layout verify``."""

    layout: LayoutOptions
    verifying: VerifyFlags
    profile: str

    @classmethod
    def of(cls, parsed: Parsed) -> LayoutVerifyOptions:
        """Read the options; raises `InvalidName`."""
        layout = LayoutOptions.of(parsed)
        transport = layout.name.partition(":")[0]
        if transport not in _LOCAL:
            is_elsewhere = transport.startswith("docker")
            hint = f"; for an image elsewhere: {program()} verify {layout.name}" if is_elsewhere else ""
            wanted = ", ".join(f"{local}:PATH" for local in _LOCAL)
            raise InvalidName(f'Invalid layout name "{layout.name}": want {wanted}{hint}')
        profile = parsed.optional("profile", str) or ""
        if profile and (transport != "oci" or ":" in layout.name.removeprefix("oci:")):
            raise UsageError("--profile checks a whole layout: want oci:DIR")
        return cls(layout, VerifyFlags.of(parsed), profile)


async def verify(options: LayoutVerifyOptions) -> int:
    """Verify the layout, and print the result."""
    from ..api.verification import verify

    flags = options.verifying
    with verifying(quiet=flags.quiet) as advance:
        report = await verify(
            options.layout.name,
            deep=flags.deep,
            sparse=flags.sparse,
            layers=flags.layers,
            max_inflated=flags.max_inflated,
            profile=options.profile,
            access=options.layout.access(),
            advance=advance,
        )
    return print_report(report, as_json=flags.json)


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """The options of ``layout repair``."""

    layout: LayoutOptions
    sources: tuple[str, ...]
    verifying: VerifyFlags
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> RepairOptions:
        """Read the options; raises `InvalidInput`."""
        sources = parsed.repeated("from", str)
        if not sources:
            raise UsageError("--from is required: the image to fetch from, docker://... or oci:...")
        return cls(LayoutOptions.of(parsed), sources, VerifyFlags.of(parsed), AccessOptions.of(parsed))


async def repair(options: RepairOptions) -> int:
    """Repair the layout, and print the result."""
    from ..api.layouts import repair_layout

    flags, reading = options.verifying, options.access.access(warnings_only)
    with verifying(quiet=flags.quiet) as advance:
        report = await repair_layout(
            options.layout.name,
            options.sources,
            deep=flags.deep,
            sparse=flags.sparse,
            layers=flags.layers,
            max_inflated=flags.max_inflated,
            access=options.layout.access(),
            # The shared directory is the layout's: the blobs of a source are its own.
            source_access=replace(reading, storage=replace(reading.storage, shared_blobs=None)),
            advance=advance,
        )
    return print_report(report, as_json=flags.json)


@dataclass(frozen=True, slots=True)
class GarbageOptions:
    """The options of ``layout gc``."""

    layout: LayoutOptions
    sparse: bool
    dry_run: bool

    @classmethod
    def of(cls, parsed: Parsed) -> GarbageOptions:
        """Read the options."""
        return cls(LayoutOptions.of(parsed), parsed.get("sparse", bool), parsed.get("dry-run", bool))


async def collect(options: GarbageOptions) -> int:
    """Remove what nothing needs, and print what that was."""
    from ..api.layouts import collect_garbage

    layout = options.layout
    report = await collect_garbage(
        layout.name, sparse=options.sparse, dry_run=options.dry_run, access=layout.access()
    )  # fmt: skip
    if layout.json:
        print_json(report.to_json())
    else:
        _print_garbage(layout.name, report)
    return 0


def _print_garbage(name: str, report: GarbageReport) -> None:
    verb = "to remove" if report.dry_run else "removed"
    for files, state in ((report.removed, verb), (report.kept, "no blob, kept")):
        for file in files:
            print(f"{state:<13}  {size(file.size):>10}  {file.path}")
    number = len(report.removed)
    print(f"{name}: {number} file{'s' * (number != 1)} {verb}, {size(report.size)} ({report.size} bytes)")


async def list_entries(options: LayoutOptions) -> int:
    """Print the entries of the layout."""
    from ..api.layouts import list_layout

    entries = await list_layout(options.name, access=options.access())
    if options.json:
        print_json({"name": options.name, "entries": [entry.to_json() for entry in entries]})
        return 0
    rows = [("NAME", "DIGEST", "PLATFORM", "SIZE"), *map(_row, entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        print(f"{'  '.join(cells)}  {row[3]:>10}")
    for row, entry in zip(rows[1:], entries, strict=True):
        if entry.problem:
            log("warning", f"{row[0]} is incomplete: {entry.problem}")
    return 0


def _row(entry: LayoutEntry) -> tuple[str, str, str, str]:
    name = entry.name or f"@{entry.position}"
    platform = ", ".join(entry.platforms) or entry.artifact_type or "-"
    shown = "incomplete" if entry.size is None else size(entry.size)
    return escaped_line(name), str(entry.digest), escaped_line(platform), shown


_SHARED = shared_blob_dir()
_VERIFY = Command(
    name="layout verify",
    arguments="LAYOUT",
    summary="Verify every blob and file of a layout",
    description=(
        'Verify "LAYOUT": oci:DIR, or one image of it, oci:DIR:NAME. Everything that an entry of index.json\n'
        "leads to must be there, with its digest, size and media type; index.json and oci-layout must be\n"
        "valid. Blobs that no entry leads to, and temporary files, are listed; they are no faults, and may\n"
        "belong to a copy that is under way.\n"
        "Images in oci-archive:FILE, docker-archive:FILE and dir:DIR are verified in the same way.\n\n"
        "With --profile, what umoci, or the importers of docker-library, would refuse is a fault, too.\n\n"
        "Each fault is a line on standard error; the exit code is 1 then. The report with all faults is\n"
        "printed as JSON to standard output, unless that is a terminal; with --json in any case."
    ),
    examples=(
        "pyskopeo layout verify oci:mirror",
        "pyskopeo layout verify --deep oci:mirror:app",
        "pyskopeo layout verify --json oci-archive:app.tar",
    ),
    flags=(
        *VERIFYING,
        Flag("profile", "also check what this program demands of a layout: umoci or docker-library", value="PROFILE",
             choices=PROFILES, group="trust"),
        _SHARED,
    ),
    read=LayoutVerifyOptions.of,
    run=verify,
)  # fmt: skip
_REPAIR = Command(
    name="layout repair",
    arguments="LAYOUT",
    summary="Fetch the blobs of a layout that are broken or missing",
    description=(
        'Verify "LAYOUT", oci:DIR or oci:DIR:NAME, and fetch exactly what is broken or missing from the\n'
        "images given with --from, in their order; of these nothing else is read. What is there and good\n"
        "stays as it is. An entry of index.json that is missing, or in an index that cannot be read, is\n"
        "written again for oci:DIR:NAME. The exit code is 1 if faults are left.\n\n"
        "Transports for --from:\ndocker, oci, oci-archive, dir, docker-archive (configuration, plain layers)"
    ),
    examples=(
        "pyskopeo layout repair --from docker://quay.io/team/app oci:mirror",
        "pyskopeo layout repair --from oci:/backup/mirror --from docker://quay.io/team/app oci:mirror:app",
    ),
    flags=(
        Flag("from", "image to fetch from, for example docker://HOST/NAME or oci:DIR; can be repeated",
             value="IMAGE-NAME", read=lambda text: [text], repeat=True, group="source"),
        *VERIFYING, _SHARED, AUTHFILE, *registry_flags(), *NETWORK, *RESUME,
    ),
    read=RepairOptions.of,
    run=repair,
)  # fmt: skip
_GC = Command(
    name="layout gc",
    arguments="LAYOUT",
    summary="Remove the blobs of a layout that no image needs",
    description=(
        'Remove from "LAYOUT", oci:DIR, the blobs that no entry of index.json leads to, and the temporary\n'
        "files of copies that were killed. Waits for copies to the layout that are under way; programs other\n"
        "than pyskopeo must not write to it meanwhile. Blobs that layouts share are never removed, nor is\n"
        "anything if a manifest is broken or missing, since it is not known then what is needed."
    ),
    examples=("pyskopeo layout gc --dry-run oci:mirror", "pyskopeo layout gc oci:mirror"),
    flags=(
        DRY_RUN, SPARSE, JSON, _SHARED,
    ),
    read=GarbageOptions.of,
    run=collect,
)  # fmt: skip
_LS = Command(
    name="layout ls",
    arguments="LAYOUT",
    summary="List the images of a layout",
    description=(
        'List the entries of "LAYOUT", oci:DIR: name, digest, platforms, and the size of all that the entry\n'
        "needs. An entry without a name is @N, its position, as in oci:DIR:@N."
    ),
    examples=("pyskopeo layout ls oci:mirror", "pyskopeo layout ls --json oci:mirror"),
    flags=(JSON, _SHARED),
    read=LayoutOptions.of,
    run=list_entries,
)
COMMAND = CommandGroup(
    name="layout",
    description="Verify, repair, complete, merge, split, clean up and list OCI layouts.",
    commands=(_VERIFY, _REPAIR, _GC, _LS, MISSING, COMPLETE, ASSEMBLE, MERGE, SPLIT, LINK_NAMES),
)
