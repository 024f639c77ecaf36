"""``pyskopeo bundle create``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.selection import Selection
from ..fast_dataclass import dataclass
from .access_options import AUTHFILE, RESUME, AccessOptions, access_flags
from .command import Command
from .copy_result import CopyNames
from .flags import Flag, Parsed, UsageError, boolean, byte_count, integer
from .log import emit_notice
from .network_options import NETWORK, RANGES
from .platform_flags import CHOOSING, chosen_image, is_chosen, refuse_choice
from .progress import PROGRESS, registry_report
from .quantities import quantity, size
from .referrer_flags import REFERRERS, wanted_referrers
from .regex_timeout import bounded
from .signing_flags import SIGNING, SigningOptions
from .standard_streams import escape
from .verify_flags import JSON

if TYPE_CHECKING:
    from ..bundles.writing import WrittenBundle
    from ..model.referrer import WantedReferrers

_SHOWN = 3
_FLAGS = (
    Flag("output", "path of the bundle, - for standard output", short="o", value="PATH", group="output"),
    Flag("since", "leave out what this earlier bundle has: the bundle, or the file PATH.manifest that was written "
         "beside it; can be repeated", value="PATH", repeat=True, group="images"),
    Flag("max-size", "divide the bundle into files PATH.part001 and so on, each smaller than SIZE, as in 4G or 700M",
         value="SIZE", read=byte_count, group="output"),
    Flag("all", "take every image of a list, not only that of one platform", short="a", read=boolean, default=False,
         group="images"),
    *CHOOSING,
    *REFERRERS,
    Flag("jobs", "number of images to fetch in parallel, which share one limit on blobs (default: 8)", value="N",
         read=integer, default=8, group="network"),
    *SIGNING,
    Flag("sign-identity", "the name to sign the bundle as, REGISTRY/REPOSITORY:TAG", value="REFERENCE", group="trust"),
    JSON,
    PROGRESS,
    AUTHFILE,
    *access_flags(),
    *NETWORK,
    *RANGES,
    *RESUME,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """The options of ``bundle create``. ``selection`` None: platforms that files name, or else that of this machine."""

    images: tuple[str, ...]
    output: Path
    since: tuple[Path, ...]
    max_size: int | None
    selection: Selection | None
    referrers: WantedReferrers | None
    jobs: int
    signing: SigningOptions
    json: bool
    progress: str
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> CreateOptions:
        """Read the options; raises `InvalidInput`."""
        output = parsed.path("output")
        if output is None:
            raise UsageError("bundle create: want -o PATH, the file to write")
        jobs = parsed.get("jobs", int)
        if jobs < 1:
            raise UsageError("--jobs: want 1 or more")
        as_json = parsed.get("json", bool)
        if str(output) == "-" and as_json:
            raise UsageError("--json prints to standard output, so the bundle cannot go there: want -o PATH")
        return cls(
            images=tuple(parsed.arguments),
            output=output,
            since=tuple(map(Path, parsed.repeated("since", str))),
            max_size=parsed.optional("max-size", int),
            selection=_selection(parsed),
            referrers=wanted_referrers(parsed),
            jobs=jobs,
            signing=SigningOptions.of(parsed, dry_run=False),
            json=as_json,
            progress=parsed.get("progress", str),
            access=AccessOptions.of(parsed),
        )


def _selection(parsed: Parsed) -> Selection | None:
    if parsed.get("all", bool):
        refuse_choice(parsed, "--all")
        return Selection(chosen_image(parsed), "all")
    return Selection(chosen_image(parsed)) if is_chosen(parsed) else None


async def run(options: CreateOptions) -> int:
    """Make the bundle, and say what is in it."""
    from ..bundles.creation import BundleRequest, make_bundle
    from .sync_view import viewing

    access = options.access.access(registry_report(options.progress))
    request = BundleRequest(
        images=options.images,
        output=options.output,
        since=options.since,
        selection=options.selection,
        referrers=options.referrers,
        max_size=options.max_size,
        signers=options.signing.signers(access),
        sign_identity=options.signing.identity,
        jobs=options.jobs,
        guard=partial(bounded, "choosing images"),
    )
    shown = ", ".join(options.images[:_SHOWN])
    more = f" and {len(options.images) - _SHOWN} more" if len(options.images) > _SHOWN else ""
    names = CopyNames(shown + more, str(options.output))
    with viewing(options.progress, names) as show:
        written = await make_bundle(request, access=access, report=show)
    if options.json:
        from .verification_view import print_json

        print_json(_described(written))
    elif options.progress not in ("json", "none"):
        _show(written)
    return 0


def _described(written: WrittenBundle) -> dict[str, object]:
    from ..model.bundle_reports import BundleSummary

    summary = BundleSummary(
        written.digest, tuple(map(str, written.files)), written.contents, len(written.files),
        signatures=written.signatures,
    )  # fmt: skip
    files = [{"path": str(path), "size": count} for path, count in zip(written.files, written.sizes, strict=True)]
    manifest = None if written.manifest_file is None else str(written.manifest_file)
    return summary.to_json() | {"files": files, "manifestFile": manifest}


def _show(written: WrittenBundle) -> None:
    """Say what was written; the bundle itself may be on standard output."""
    contents = written.contents
    if str(written.files[0]) != "-":
        for path, number in zip(written.files, written.sizes, strict=True):
            sys.stdout.write(f"{escape(str(path))}  {size(number)} ({number} bytes)\n")
        sys.stdout.flush()
    what = f"{quantity(len(contents.images), 'image')}, {quantity(len(contents.blobs), 'blob')}, {size(contents.size)}"
    emit_notice(f"Bundle {written.digest}: {what}")
    if contents.left_out:
        left_out = f"{quantity(len(contents.left_out), 'blob')}, {size(contents.left_out_size)}"
        emit_notice(f"Left out, since the base has it: {left_out}; based on {contents.describe_bases()}")
    if written.manifest_file is not None:
        emit_notice(f"For the next bundle, keep {escape(str(written.manifest_file))}: --since takes it")


CREATE = Command(
    name="bundle create",
    arguments="IMAGE|FILE...",
    description=(
        "Make a bundle of images: one OCI archive, in which each blob is once, for machines without a network.\n"
        "What to put into it is given by image names with their transport, and by files: a lock file, a YAML\n"
        "file of repositories as for sync, or a text with an image name in each line, which may be followed by\n"
        "the name in the bundle. Of a list of images the one for this machine is taken, unless --all or\n"
        "--platform is given, or a file names platforms. Digests stay as they are.\n\n"
        "Beside the bundle, the small file PATH.manifest is written. Kept on this side, it stands for the bundle\n"
        "when the next one is made: with --since, blobs that it has are left out. The same images make the same\n"
        "bytes. What an interrupted run has fetched is not fetched again."
    ),
    examples=(
        "pyskopeo bundle create images.yaml -o images.bundle --max-size 4G",
        "pyskopeo bundle create images.lock -o update.bundle --since images.bundle.manifest",
        "pyskopeo bundle create docker://alpine:3.20 docker://nginx:1.27 -o two.bundle --all",
        "pyskopeo bundle create list.txt -o images.bundle --sign-by FINGERPRINT --sign-identity example.com/images:1",
    ),
    flags=_FLAGS,
    read=CreateOptions.of,
    run=run,
    summary="Make a bundle of images",
)
