"""``pyskopeo index``: make lists of images."""

from __future__ import annotations

from pathlib import Path

from ..errors import prefix_errors
from ..fast_dataclass import dataclass
from ..transports import TRANSPORTS, parse_image_name
from .access_options import AUTHFILE, RESUME, AccessOptions, access_flags
from .command import Command, CommandGroup
from .copy_result import CopyNames
from .flags import Flag, Parsed, UsageError, boolean
from .format_flags import manifest_format
from .network_options import NETWORK, RANGES
from .platform_flags import annotation
from .progress import PROGRESS, reporting


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """The options of ``index create``."""

    destination: str
    images: tuple[str, ...]
    annotations: tuple[tuple[str, str], ...]
    format: str
    source_access: AccessOptions
    destination_access: AccessOptions
    digestfile: Path | None
    progress: str

    @classmethod
    def of(cls, parsed: Parsed) -> CreateOptions:
        """Read the options; raises `InvalidInput`."""
        destination, *images = parsed.arguments
        for name in parsed.arguments:
            with prefix_errors(f'Error parsing image name "{name}"'):
                parse_image_name(name)
        wanted = manifest_format(parsed)
        if wanted == "v2s1":
            raise UsageError("Docker's schema 1 has no lists: want oci or v2s2")
        return cls(
            destination=destination,
            images=tuple(images),
            annotations=tuple(parsed.repeated("annotation", tuple)),
            format=wanted,
            source_access=AccessOptions.of(parsed, "src-"),
            destination_access=AccessOptions.of(parsed, "dest-"),
            digestfile=parsed.path("digestfile"),
            progress="none" if parsed.get("quiet", bool) else parsed.get("progress", str),
        )


async def create(options: CreateOptions) -> int:
    """Make the list, and print its digest to standard error."""
    from ..api.index_creation import create_index
    from ..engine.plan import Form

    names = CopyNames(", ".join(options.images), options.destination)
    with reporting(options.progress, names) as report:
        digest = await create_index(
            options.destination,
            options.images,
            annotations=dict(options.annotations),
            form=Form(format=options.format),
            report=report,
            source_access=options.source_access.access(report),
            destination_access=options.destination_access.access(report),
        )
    if options.digestfile is not None:
        from ..storage.output_file import write_output

        write_output(options.digestfile, str(digest).encode(), f'Failed to write digest to file "{options.digestfile}"')
    return 0


_CREATE = Command(
    name="index create",
    arguments="DESTINATION-IMAGE IMAGE-NAME...",
    summary="Make a list of images, one for each platform",
    description=(
        'Make a list (an image index) of the images "IMAGE-NAME" at "DESTINATION-IMAGE". Each entry states the\n'
        "platform of its image, from the list or the layout that the image is in, else from its configuration.\n"
        "A list among the images adds all its entries, attestations included. The images are copied to the\n"
        "destination if they are not there, without tags; blobs are mounted inside a registry.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo index create oci:app:1.4 oci:app:1.4-linux-amd64 oci:app:1.4-linux-arm64",
        "pyskopeo index create docker://registry.example.com/app:1 docker://registry.example.com/app:1-amd64 oci:arm",
    ),
    flags=(
        Flag("annotation", "annotation of the list; can be repeated", value="NAME=VALUE", read=annotation, repeat=True,
             group="form"),
        Flag("format", "manifest type to write: oci or v2s2 (default: that of the images, if the destination accepts "
             "it)", short="f", value="TYPE", offered=("oci", "v2s2"), group="form"),
        AUTHFILE,
        *access_flags("src-"),
        *access_flags("dest-"),
        *NETWORK,
        *RANGES,
        *RESUME,
        Flag("digestfile", "write the digest of the list to PATH", value="PATH", group="output"),
        Flag("quiet", "show no progress", short="q", read=boolean, default=False, group="output"),
        PROGRESS,
    ),
    read=CreateOptions.of,
    run=create,
)  # fmt: skip
COMMAND = CommandGroup(
    name="index", description="Make lists of images (OCI image indexes).", commands=(_CREATE,)
)  # fmt: skip
