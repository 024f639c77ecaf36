"""``pyskopeo bundle ls|verify|diff``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from ..http.printable import escaped_line
from .access_options import AccessOptions
from .command import Command
from .flags import Flag, Parsed, boolean
from .log import emit_notice, log
from .logged_events import warnings_only
from .quantities import quantity, size
from .signature_flags import SIGNATURE_CHECKS, read_signature_checks
from .verification_view import print_json, verifying
from .verify_flags import JSON

if TYPE_CHECKING:
    from ..api.signature_verification import SignatureTrust
    from ..bundles.reading import OpenBundle
    from ..model.bundle_reports import BundleDifference, BundleSummary, BundleVerification
    from ..model.digest import Digest
    from ..signatures.report import SignatureReport

_SHOWN_FAULTS = 200
_SHORT_DIGEST = len("sha256:") + 12
_QUIET = Flag("quiet", "show no progress", short="q", read=boolean, default=False, group="output")
KEYS = tuple(flag for flag in SIGNATURE_CHECKS if flag.name != "signatures-only")
"""The flags by which the signatures of bundles are checked."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The options of ``bundle ls`` and ``bundle diff``: the files, and whether JSON is printed."""

    files: tuple[Path, ...]
    json: bool

    @classmethod
    def of(cls, parsed: Parsed) -> FileOptions:
        """Read the options."""
        return cls(tuple(map(Path, parsed.arguments)), parsed.get("json", bool))


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of ``bundle verify``.

    ``trust`` None: signatures are not checked; ``signatures_only``: nothing else is.
    """

    files: tuple[Path, ...]
    json: bool
    quiet: bool
    trust: SignatureTrust | None
    signatures_only: bool
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> VerifyOptions:
        """Read the options; raises `InvalidInput`."""
        return cls(
            tuple(map(Path, parsed.arguments)), parsed.get("json", bool), parsed.get("quiet", bool),
            read_signature_checks(parsed), parsed.get("signatures-only", bool),
            AccessOptions.without_registries(parsed),
        )  # fmt: skip


async def list_images(options: FileOptions) -> int:
    """Print the images in bundles, one a line below each bundle: digest and name."""
    from ..bundles.inspection import list_bundles
    from ..model.bundle import bundled_name

    found = await list_bundles(options.files)
    if options.json:
        print_json([one.to_json() for one in found])
        return 0
    for one in found:
        for line in _summary_lines(one):
            print(line)
        for entry in one.contents.images:
            print(f"  {_shown(entry.digest)}  {escaped_line(bundled_name(entry))}")
    sys.stdout.flush()
    return 0


def _shown(digest: Digest) -> str:
    """Return a digest as it is shown: on a terminal its beginning, so that lines stay short."""
    return str(digest)[:_SHORT_DIGEST] if sys.stdout.isatty() else str(digest)


def _summary_lines(bundle: BundleSummary) -> list[str]:
    contents = bundle.contents
    what = [
        quantity(len(contents.images), "image"), quantity(len(contents.blobs), "blob"), size(contents.size),
        quantity(bundle.signatures, "signature") if bundle.signatures else "not signed",
    ]  # fmt: skip
    if contents.referrers:
        what.insert(1, f"{len(contents.referrers)} with referrers")
    lines = [f"bundle {bundle.digest}: {', '.join(what)}"]
    if contents.bases:
        left_out = f"{quantity(len(contents.left_out), 'blob')}, {size(contents.left_out_size)}, left out"
        lines.append(f"  based on {', '.join(map(str, contents.bases))}: {left_out}")
    if bundle.parts > 1:
        here = bundle.parts - len(bundle.missing_parts)
        missing = f"; missing: {_numbers(bundle.missing_parts)}" if bundle.missing_parts else ""
        lines.append(f"  {here} of {bundle.parts} parts{missing}")
    return lines


def _numbers(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:20]))
    return f"{shown} and {len(numbers) - 20} more" if len(numbers) > 20 else shown


async def verify(options: VerifyOptions) -> int:
    """Check signatures, if that is wanted, verify the content of bundles, and print the result."""
    from ..bundles.verification import verify_bundles

    signatures = await _check_signatures(options)
    if options.signatures_only:
        _print_signatures(signatures, as_json=options.json)
        return 0
    with verifying(quiet=options.quiet or options.json) as advance:
        found = await verify_bundles(options.files, advance=advance)
    if options.json:
        by_digest = {one.root: one.to_json() for one in signatures}
        print_json([
            one.to_json() | ({"signatures": by_digest[one.bundle.digest]} if one.bundle.digest in by_digest else {})
            for one in found
        ])  # fmt: skip
    else:
        _print_signatures(signatures, as_json=False)
    failed = False
    for one in found:
        failed |= not _print_verification(one, quiet=options.json)
    sys.stdout.flush()
    return 1 if failed else 0


async def _check_signatures(options: VerifyOptions) -> list[SignatureReport]:
    """Return what was found out about the signatures of each bundle; raises `PolicyRejected`."""
    if options.trust is None:
        return []
    from ..bundles.part_names import find_files
    from ..bundles.reading import open_bundles
    from ..bundles.signed import check_bundle_signatures
    from ..streams.cancellation import run_in_thread

    bundles: list[OpenBundle] = await run_in_thread(lambda: open_bundles(find_files(options.files)))
    access = options.access.access(warnings_only)
    return [await check_bundle_signatures(bundle, options.trust, access) for bundle in bundles]


def _print_signatures(reports: list[SignatureReport], *, as_json: bool) -> None:
    if as_json:
        print_json([one.to_json() for one in reports])
        return
    from .signature_view import print_signatures

    for one in reports:
        print_signatures(one)


def _print_verification(found: BundleVerification, *, quiet: bool) -> bool:
    """Print what is wrong with a bundle, and whether anything is; returns whether nothing is."""
    bundle = found.bundle
    for fault in found.faults[:_SHOWN_FAULTS]:
        of = f" of {fault.image}" if fault.image else ""
        what = f"{fault.digest}{of}: " if fault.digest else ""
        emit_notice(escaped_line(f"{fault.file}: {what}{fault.message}"))
    if (more := len(found.faults) - _SHOWN_FAULTS) > 0:
        emit_notice(f"and {more} more")
    read = f"{quantity(found.blobs, 'blob')}, {size(found.size)} read"
    parts = ""
    if bundle.missing_parts:
        parts = f"; of {bundle.parts} parts these were not given: {_numbers(bundle.missing_parts)}"
    if found.faults:
        log("fatal", f"bundle {bundle.digest}: {quantity(len(found.faults), 'fault')}, {read}{parts}")
    elif not quiet:
        print(f"bundle {bundle.digest}: {quantity(len(bundle.contents.images), 'image')}, {read}: no faults{parts}")
    return found.ok


async def compare(options: FileOptions) -> int:
    """Print how two bundles differ."""
    from ..bundles.inspection import compare_bundles

    old, new = options.files
    found = await compare_bundles(old, new)
    if options.json:
        print_json(found.to_json())
    else:
        _print_difference(found)
    return 0


def _print_difference(found: BundleDifference) -> None:
    for name in found.removed:
        print(f"- {escaped_line(name)}")
    for name in found.added:
        print(f"+ {escaped_line(name)}")
    for one in found.changed:
        print(f"~ {escaped_line(one.name)}  {_shown(one.old)} -> {_shown(one.new)}")
    print(
        f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed, "
        f"{found.unchanged} unchanged"
    )
    print(f"new:     {quantity(found.new_blobs, 'blob')}, {size(found.new_size)}")
    print(f"dropped: {quantity(found.dropped_blobs, 'blob')}, {size(found.dropped_size)}")
    sys.stdout.flush()


_FILES = (
    "A bundle is given by its file, or by its parts in any order; the path without .part001 stands for all\n"
    "parts beside it."
)

LS = Command(
    name="bundle ls",
    arguments="FILE...",
    description=(
        f"List the images in bundles: digest, on a terminal the beginning of it, and name.\n\n{_FILES}"
    ),
    examples=("pyskopeo bundle ls images.bundle", "pyskopeo bundle ls --json images.bundle.part002"),
    flags=(JSON,),
    read=FileOptions.of,
    run=list_images,
    summary="List the images in bundles",
)

VERIFY = Command(
    name="bundle verify",
    arguments="FILE...",
    description=(
        "Verify bundles, or parts of them: every blob is read and compared with its digest and size, and the\n"
        "images with what is there. Of some parts, what is in them is verified. Each fault is a line; the exit\n"
        "code is 1 then.\n\n"
        "With --policy, --key or --certificate-identity the signatures of the bundle are checked first: they are\n"
        "for its contents, and so for all images in it.\n\n"
        f"{_FILES}"
    ),
    examples=(
        "pyskopeo bundle verify images.bundle",
        "pyskopeo bundle verify images.bundle.part002",
        "pyskopeo bundle verify --key cosign.pub images.bundle",
    ),
    flags=(*SIGNATURE_CHECKS, JSON, _QUIET),
    read=VerifyOptions.of,
    run=verify,
    summary="Verify every blob of bundles, and their signatures",
)

DIFF = Command(
    name="bundle diff",
    arguments="OLD NEW",
    description=(
        "Show how two bundles differ: images that were added (+), removed (-) or changed (~), and how much is\n"
        "new. Each is given by its file, by one of its parts, or by the small file PATH.manifest."
    ),
    examples=("pyskopeo bundle diff images.bundle.manifest update.bundle",),
    flags=(JSON,),
    read=FileOptions.of,
    run=compare,
    summary="Show how two bundles differ",
)
