"""``pyskopeo rebase``."""

from __future__ import annotations

from pathlib import Path

from ..errors import InvalidName
from ..fast_dataclass import dataclass
from ..model.choice import Choice
from ..transports import TRANSPORTS, parse_image_name
from .access_options import AUTHFILE, RESUME, AccessOptions, access_flags
from .command import Command
from .copy_result import CopyNames
from .flags import Flag, Parsed, boolean
from .network_options import NETWORK, RANGES
from .platform_flags import CHOOSING, chosen_image, refuse_choice
from .progress import PROGRESS, reporting


@dataclass(frozen=True, slots=True)
class RebaseOptions:
    """The options of ``rebase``; the bases are "" where the annotations of the image name them."""

    source: str
    destination: str
    old_base: str
    new_base: str
    choice: Choice
    all_platforms: bool
    source_access: AccessOptions
    destination_access: AccessOptions
    progress: str
    digestfile: Path | None

    @classmethod
    def of(cls, parsed: Parsed) -> RebaseOptions:
        """Read the options; raises `InvalidInput`."""
        source, destination = parsed.arguments
        for side, name in (("source", source), ("destination", destination)):
            try:
                parse_image_name(name)
            except InvalidName as error:
                raise InvalidName(f"Invalid {side} name {name}: {error}") from None
        every = parsed.get("all", bool)
        if every:
            refuse_choice(parsed, "--all")
        return cls(
            source,
            destination,
            parsed.optional("old-base", str) or "",
            parsed.optional("new-base", str) or "",
            chosen_image(parsed),
            every,
            AccessOptions.of(parsed, "src-"),
            AccessOptions.of(parsed, "dest-"),
            "none" if parsed.get("quiet", bool) else parsed.get("progress", str),
            parsed.path("digestfile"),
        )


async def run(options: RebaseOptions) -> int:
    """Rebase the image, and print its digest."""
    from ..api.rebase import rebase

    with reporting(options.progress, CopyNames(options.source, options.destination)) as report:
        digest = await rebase(
            options.source,
            options.destination,
            old_base=options.old_base,
            new_base=options.new_base,
            platform=options.choice,
            all_platforms=options.all_platforms,
            report=report,
            source_access=options.source_access.access(report),
            destination_access=options.destination_access.access(report),
        )
    if options.digestfile is not None:
        from ..storage.output_file import write_output

        what = f'Failed to write digest to file "{options.digestfile}"'
        write_output(options.digestfile, str(digest).encode(), what)
    print(digest)
    return 0


COMMAND = Command(
    name="rebase",
    arguments="SOURCE-IMAGE DESTINATION-IMAGE",
    description=(
        "Write an image with another base image: the layers of the old base are replaced by those of the new\n"
        "one, without building anything. Manifest and configuration are spliced; blobs are mounted in the\n"
        "registry, or copied. Refused unless the old base is what the image is built on.\n\n"
        "By default the annotations of the image name its bases: org.opencontainers.image.base.name and\n"
        "org.opencontainers.image.base.digest. Those of the result name the new base.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo rebase docker://registry.example.com/team/app:1 docker://registry.example.com/team/app:1-rebased",
        "pyskopeo rebase --old-base docker://debian:12.1 --new-base docker://debian:12.2 oci:app:1 oci:app:2",
    ),
    flags=(
        Flag("old-base", "image that the source is built on, or scratch (default: see above)", value="IMAGE-NAME",
             group="source"),
        Flag("new-base", "image to put it onto (default: see above)", value="IMAGE-NAME", group="source"),
        Flag("all", "rebase every image of a list, each onto the base of its platform", short="a", read=boolean,
             default=False, group="images"),
        *CHOOSING,
        AUTHFILE,
        *access_flags("src-"),
        *access_flags("dest-"),
        *NETWORK,
        *RANGES,
        *RESUME,
        Flag("digestfile", "write the digest of the new image to PATH", value="PATH", group="output"),
        Flag("quiet", "show no progress", short="q", read=boolean, default=False, group="output"),
        PROGRESS,
    ),
    read=RebaseOptions.of,
    run=run,
)  # fmt: skip
