"""``pyskopeo copy``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access, Writing
from ..engine.plan import Form
from ..engine.selection import Selection, parse_selection
from ..errors import InvalidName
from ..fast_dataclass import dataclass
from ..interfaces import ImageReference
from ..model.events import Report
from ..model.reference import parse_additional_tag
from ..transports import TRANSPORTS, parse_image_name
from .access_options import AUTHFILE, RESUME, AccessOptions, access_flags
from .command import Command, program
from .content_flags import LAYERS, PLAN_JSON, REUSE, layers, plan_as_json, reuse
from .copy_result import CopyNames
from .encryption_flags import ENCRYPTION, with_encryption
from .flags import Flag, Parsed, UsageError, boolean, integer, listed
from .format_flags import FORM, form
from .layout_output_flags import LAYOUT_OUTPUT, LayoutOutput
from .network_options import NETWORK, RANGES
from .platform_flags import CHOOSING, COMMON_PLATFORMS, chosen_image, refuse_choice
from .progress import PROGRESS, reporting
from .receipt_flag import RECEIPT, recording, write_receipt
from .referrer_flags import REFERRERS, wanted_referrers
from .signing_flags import SIGN_IDENTITY, SIGNING, SigningOptions

if TYPE_CHECKING:
    from ..model.referrer import WantedReferrers

_FLAGS = (
    Flag("additional-tag", "additional tag for the image (docker:, docker-archive:, docker-daemon:)",
         value="[NAME:]TAG", read=listed, repeat=True, group="destination"),
    Flag("all", "copy every image of a list, not only that of one platform", short="a", read=boolean, default=False,
         group="images"),
    Flag("multi-arch", "images of a list to copy: system, all, index-only, or OS/ARCH[/VARIANT],... (default: system)",
         value="CHOICE", offered=("system", "all", "index-only", *COMMON_PLATFORMS), group="images"),
    Flag("strip-removed-platforms", "remove platforms from the list that are not copied", read=boolean, default=False,
         group="images"),
    *CHOOSING,
    AUTHFILE,
    *access_flags("src-"),
    *access_flags("dest-"),
    *FORM,
    *ENCRYPTION,
    *REFERRERS,
    *SIGNING,
    SIGN_IDENTITY,
    Flag("dest-precompute-digests", "compress layers to temporary files first, and do not upload those that exist",
         read=boolean, default=False, group="destination"),
    *NETWORK,
    *RANGES,
    *RESUME,
    Flag("digestfile", "write the digest of the copied image to PATH", value="PATH", group="output"),
    RECEIPT,
    Flag("quiet", "show no progress", short="q", read=boolean, default=False, group="output"),
    PROGRESS,
    Flag("dry-run", "print what would be copied, without copying it", read=boolean, default=False, group="output"),
    PLAN_JSON,
    LAYERS,
    REUSE,
    Flag("image-parallel-copies", "maximum number of blobs copied in parallel (default: 6, and 18 small ones)",
         value="N", read=integer, default=0, group="network"),
    *LAYOUT_OUTPUT,
    Flag("verify-existing", "verify the digests of blobs that exist at the destination", read=boolean, default=False,
         group="trust"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """The options of ``copy``.

    ``jobs`` is the maximum number of blobs in parallel, None: the default. ``steps`` is whether standard output is
    for skopeo's lines, ``json`` whether the plan of a dry run is printed as JSON.
    """

    source: ImageReference
    destination: ImageReference
    selection: Selection
    form: Form
    writing: Writing
    output: LayoutOutput
    signing: SigningOptions
    source_access: AccessOptions
    destination_access: AccessOptions
    jobs: int | None
    progress: str
    steps: bool
    layers: bool
    dry_run: bool
    json: bool
    digestfile: Path | None
    receipt: Path | None
    referrers: WantedReferrers | None

    @classmethod
    def of(cls, parsed: Parsed) -> CopyOptions:
        """Read the options; raises `InvalidInput`."""
        additional_tags = parsed.repeated("additional-tag", str)
        source, destination = _parse_names(parsed.arguments, additional_tags)
        dry_run = parsed.get("dry-run", bool)
        selection = _selection(parsed)
        output = LayoutOutput.of(parsed, parsed.arguments[1], several=selection.mode != "system")
        return cls(
            source=source,
            destination=destination,
            selection=selection,
            form=with_encryption(output.form(form(parsed, parsed.arguments[1])), parsed),
            output=output,
            signing=SigningOptions.of(parsed, dry_run=dry_run),
            writing=Writing(
                additional_tags=additional_tags,
                verify_existing=parsed.get("verify-existing", bool),
                precompute_digests=parsed.get("dest-precompute-digests", bool),
                reuse=reuse(parsed),
                platforms=program() != "skopeo",
                tag_platforms=output.tags,
            ),
            source_access=AccessOptions.of(parsed, "src-"),
            destination_access=AccessOptions.of(parsed, "dest-"),
            jobs=_jobs(parsed),
            progress="none" if dry_run or parsed.get("quiet", bool) else parsed.get("progress", str),
            steps=program() == "skopeo" and not _is_standard_output(parsed.arguments[1]),
            layers=layers(parsed),
            dry_run=dry_run,
            json=plan_as_json(parsed),
            digestfile=parsed.path("digestfile"),
            receipt=None if dry_run else parsed.path("receipt"),
            referrers=wanted_referrers(parsed),
        )


async def run(options: CopyOptions) -> int:
    """Copy the image, or print the plan for it; then write the digest file and the receipt."""
    from ..engine import run as engine

    signatures, output = not options.form.remove_signatures, options.output
    split = "" if options.dry_run else output.split
    names = CopyNames(options.source.image_name, options.destination.image_name)
    with (
        reporting(options.progress, names, steps=options.steps, signatures=signatures) as shown,
        recording(options.receipt, shown) as (report, record),
        ExitStack() as stack,
    ):
        reading = _reading(options, report)
        writing = replace(options.destination_access.access(report), writing=options.writing)
        if split:
            from .split_copy import sharing_files, split_copied

            writing = stack.enter_context(sharing_files(writing))
        signers = options.signing.signers(writing)
        result = await engine.copy(
            options.source,
            options.destination,
            engine.CopyOptions(
                options.selection, options.form, options.jobs, options.dry_run, options.layers,
                output.wrap(options.destination), signers, options.signing.identity,
                options.referrers,
            ),
            source_access=reading,
            destination_access=writing,
            report=report,
        )
        if split:
            await split_copied(options.destination, result.digest, split, writing)
    if options.dry_run:
        from .plan_view import print_dry_run

        print_dry_run(result, options.source, options.destination, reading, signers, as_json=options.json)
        return 0
    if record is not None and options.receipt is not None:
        local = "store" if options.source.transport == "docker" else options.source.image_name
        write_receipt(options.receipt, record.receipt(options.source.image_name, result, local=local).to_json())
    if options.digestfile is not None:
        from ..storage.output_file import write_output

        what = f'Failed to write digest to file "{options.digestfile}"'
        write_output(options.digestfile, str(result.digest).encode(), what)
    return 0


def _reading(options: CopyOptions, report: Report) -> Access:
    access = options.source_access.access(report)
    return replace(access, storage=replace(access.storage, max_inflated=options.form.max_inflated))


def _parse_names(names: Sequence[str], tags: Sequence[str]) -> tuple[ImageReference, ImageReference]:
    """Parse the two image names and check the additional tags; raises `InvalidName`, with skopeo's messages."""
    parsed = []
    for side, name in zip(("source", "destination"), names, strict=True):
        try:
            parsed.append(parse_image_name(name))
        except InvalidName as error:
            raise InvalidName(f"Invalid {side} name {name}: {error}") from None
    source, destination = parsed
    for tag in tags:
        from ..transports import docker, docker_archive

        try:
            if isinstance(destination, docker.DockerReference):
                parse_additional_tag(tag, destination.reference)
            else:
                docker_archive.parse_tag(tag)
        except InvalidName as error:
            raise InvalidName(f"error parsing additional-tag '{tag}': {error}") from None
    return source, destination


def _is_standard_output(name: str) -> bool:
    """Return whether the image is an archive that is written to standard output, which then has nothing else."""
    return name.partition(":")[2].partition(":")[0] in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def _selection(parsed: Parsed) -> Selection:
    platform = chosen_image(parsed)
    choice, every = parsed.optional("multi-arch", str), parsed.get("all", bool)
    if every and choice is not None:
        raise UsageError("Cannot use --all and --multi-arch flags together")
    if every or choice not in (None, "system"):
        refuse_choice(parsed, "--all or --multi-arch")
    strip = parsed.get("strip-removed-platforms", bool)
    return parse_selection("all" if every else choice or "system", platform=platform, strip=strip)


def _jobs(parsed: Parsed) -> int | None:
    jobs = parsed.get("image-parallel-copies", int)
    if jobs < 0:
        raise UsageError("--image-parallel-copies: want 0 or more")
    return jobs or None


COMMAND = Command(
    name="copy",
    arguments="SOURCE-IMAGE DESTINATION-IMAGE",
    description=(
        "Copy an image, or with --all every image of a list. Each of the image names has the form\n"
        '"transport:details". What is at the destination already is not transferred, and the same\n'
        "command goes on where an interrupted one has stopped.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo copy docker://quay.io/skopeo/stable:latest oci:skopeo:latest",
        "pyskopeo copy docker://alpine docker-archive:alpine.tar:alpine:latest",
        "pyskopeo copy --all docker://alpine oci-archive:alpine.tar",
        "pyskopeo copy oci:app:1.4 docker://registry.example.com/team/app:1.4",
        "pyskopeo copy --platform linux/arm64 --dry-run docker://alpine docker-daemon:alpine:latest",
    ),
    flags=_FLAGS,
    read=CopyOptions.of,
    run=run,
)
