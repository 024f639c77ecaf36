"""``pyskopeo copy``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

from ..transports import TRANSPORTS
from .access_options import AUTHFILE, RESUME, access_flags
from .command import Command
from .content_flags import LAYERS, PLAN_JSON, REUSE
from .copy_options import CopyOptions, engine_options, reading_access, writing_access
from .copy_result import CopyNames
from .encryption_flags import ENCRYPTION
from .flags import Flag, boolean, integer, listed
from .format_flags import FORM
from .layout_output_flags import LAYOUT_OUTPUT
from .network_options import NETWORK, RANGES
from .platform_flags import CHOOSING, COMMON_PLATFORMS
from .preconnect import Visit
from .progress import PROGRESS, reporting
from .receipt_flag import RECEIPT, recording, write_receipt
from .referrer_flags import REFERRERS
from .signing_flags import SIGN_IDENTITY, SIGNING

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
    Flag("keep-name", "name the image at the destination as at the source, in full, such as "
         "docker.io/library/alpine:3.20 (oci:, oci-archive:, docker-archive:)", read=boolean, default=False,
         group="destination"),
    *LAYOUT_OUTPUT,
    Flag("verify-existing", "verify the digests of blobs that exist at the destination", read=boolean, default=False,
         group="trust"),
)  # fmt: skip


# With these most images have one for each blob.
_CONNECTIONS = 9


def visits(options: CopyOptions) -> Iterator[Visit]:
    """Yield the images of a copy, unless what it needs may be at the destination."""
    source, destination = options.sources[0], options.destination
    pinned = source.reference is not None and source.reference.digest is not None
    in_directory = destination.transport in ("dir", "oci")
    is_new = in_directory and not os.path.exists(destination.details.partition(":")[0])
    if pinned and in_directory and not is_new:
        return
    reads_layers = options.layers and not options.dry_run and options.selection.mode != "index-only"
    reads_all = reads_layers and (is_new or destination.transport.endswith("-archive"))
    connections = min(options.jobs or _CONNECTIONS, _CONNECTIONS) if reads_all else 1
    yield Visit(source, options.source_access, judged=True, connections=connections)
    yield Visit(destination, options.destination_access, reading=False)


async def run(options: CopyOptions) -> int:
    """Copy the image, or print the plan for it; then write the digest file and the receipt."""
    if len(options.sources) > 1:
        from .copy_several import run_several

        return await run_several(options)
    from ..engine import run as engine

    (source,) = options.sources
    signatures, output = not options.form.remove_signatures, options.output
    split = "" if options.dry_run else output.split
    names = CopyNames(source.image_name, options.destination.image_name)
    with (
        reporting(options.progress, names, steps=options.steps, signatures=signatures) as shown,
        recording(options.receipt, shown) as (report, record),
        ExitStack() as stack,
    ):
        reading = reading_access(options, report)
        writing = writing_access(options, report)
        if split:
            from .split_copy import sharing_files, split_copied

            writing = stack.enter_context(sharing_files(writing))
        signers = options.signing.signers(writing)
        result = await engine.copy(
            source,
            options.destination,
            engine_options(options, signers, options.destination),
            source_access=reading,
            destination_access=writing,
            report=report,
        )
        if split:
            await split_copied(options.destination, result.digest, split, writing)
    if options.dry_run:
        from .plan_view import print_dry_run

        print_dry_run(result, source, options.destination, reading, signers, as_json=options.json)
        return 0
    if record is not None and options.receipt is not None:
        local = "store" if source.transport == "docker" else source.image_name
        write_receipt(options.receipt, record.receipt(source.image_name, result, local=local).to_json())
    if options.digestfile is not None:
        from ..storage.output_file import write_output

        what = f'Failed to write digest to file "{options.digestfile}"'
        write_output(options.digestfile, str(result.digest).encode(), what)
    return 0


COMMAND = Command(
    name="copy",
    arguments="SOURCE-IMAGE... DESTINATION-IMAGE",
    description=(
        "Copy an image, or with --all every image of a list. Each of the image names has the form\n"
        '"transport:details". What is at the destination already is not transferred, and the same\n'
        "command goes on where an interrupted one has stopped.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo copy docker://quay.io/skopeo/stable:latest oci:skopeo:latest",
        "pyskopeo copy docker://alpine docker-archive:alpine.tar:alpine:latest",
        "pyskopeo copy docker://alpine:3.20 docker://redis:7 docker-archive:images.tar",
        "pyskopeo copy --all --keep-name docker://alpine:3.20 oci-archive:alpine.tar",
        "pyskopeo copy oci:app:1.4 docker://registry.example.com/team/app:1.4",
        "pyskopeo copy --platform linux/arm64 --dry-run docker://alpine docker-daemon:alpine:latest",
        "pyskopeo copy --dry-run docker://alpine:3.20 docker://redis:7 oci:images",
    ),
    flags=_FLAGS,
    beyond=(
        "Several images go into one docker-archive:PATH, as docker save puts them there: each keeps its name, and\n"
        "layers that they share are stored once. The other way round it is sync --src docker-archive.\n\n"
        "With --dry-run several images go with any destination. Each is planned as if it was the only one, and is a\n"
        "row of the table, or with --json a line. One that cannot be planned does not stop the others, and the exit\n"
        "code is that of the first error."
    ),
    read=CopyOptions.of,
    run=run,
    visits=visits,
)
