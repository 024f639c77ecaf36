"""``pyskopeo extract``."""

from __future__ import annotations

from pathlib import Path

from ..fast_dataclass import dataclass
from ..filesystem.contents import Attributes
from ..transports import TRANSPORTS
from .command import Command
from .files_flags import FILES, PATHS, FilesOptions
from .flags import Flag, Parsed, UsageError, boolean
from .log import log
from .quantities import size

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """The options of ``extract``."""

    files: FilesOptions
    destination: Path
    paths: tuple[str, ...]
    attributes: Attributes
    overwrite: bool
    receipt: Path | None

    @classmethod
    def of(cls, parsed: Parsed) -> ExtractOptions:
        """Read the options; raises `InvalidInput`."""
        destination = parsed.path("dest")
        if destination is None:
            raise UsageError("--dest is required: the directory to extract to")
        return cls(
            FilesOptions.of(parsed),
            destination,
            parsed.repeated("path", str),
            Attributes(
                owner=parsed.get("preserve-owner", bool),
                special_bits=parsed.get("preserve-setuid", bool),
                devices=parsed.get("devices", bool),
            ),
            parsed.get("overwrite", bool),
            parsed.path("receipt"),
        )


async def run(options: ExtractOptions) -> int:
    """Extract the files, and write the receipt."""
    from ..api.files import extract_files
    from ..storage.output_file import check_output, write_output

    what = f'Failed to write receipt to file "{options.receipt}"'
    if options.receipt is not None:
        check_output(options.receipt, what)
    with options.files.showing_progress() as advance:
        done = await extract_files(
            options.files.name,
            options.destination,
            paths=options.paths,
            layers=options.files.layers,
            platform=options.files.choice,
            attributes=options.attributes,
            overwrite=options.overwrite,
            hashed=options.receipt is not None,
            access=options.files.access(),
            advance=advance,
        )
    if options.receipt is not None:
        from ..model.receipt import receipt_bytes

        write_output(options.receipt, receipt_bytes(done.to_json()), what)
    if done.left_out:
        some = ", ".join(map(ascii, done.left_out[:_SHOWN])) + (", ..." if len(done.left_out) > _SHOWN else "")
        what = "device or named pipe" if len(done.left_out) == 1 else "devices and named pipes"
        log("warning", f"Left out {len(done.left_out)} {what}, which --devices makes: {some}")
    total = sum(count for _, count, _ in done.files)
    print(f"{options.destination}: {len(done.files)} file{'s' * (len(done.files) != 1)}, {size(total)} ({total} bytes)")
    return 0


COMMAND = Command(
    name="extract",
    arguments="IMAGE-NAME",
    description=(
        'Extract files of "IMAGE-NAME" to a directory, which must be new or empty: the layers are applied in\n'
        "their order, with their whiteouts, and verified by digest and diff ID. For a --path without\n"
        "wildcards, only the upper layers that decide about it are fetched.\n\n"
        "The files belong to you, have the permissions and times that the image says, and no set-user-ID,\n"
        "set-group-ID or sticky bits. Devices, named pipes and extended attributes are left out. Symbolic\n"
        "links are written as they are and never followed.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo extract docker://docker.io/library/busybox --dest rootfs",
        "pyskopeo extract docker://docker.io/library/alpine --path etc/os-release --path 'usr/**/*.txt' --dest out",
        "pyskopeo extract oci:images:app --layer -1 --dest app --receipt app.json",
    ),
    flags=(
        Flag("dest", "directory to extract to (required)", value="DIR", group="destination"),
        PATHS,
        Flag("overwrite", "allow a directory with content: files of the same names are replaced", read=boolean,
             default=False, group="destination"),
        Flag("preserve-owner", "give the files the numbers of user and group that the image says (for root)",
             read=boolean, default=False, group="destination"),
        Flag("preserve-setuid", "keep set-user-ID, set-group-ID and sticky bits; a new directory is private then",
             read=boolean, default=False, group="destination"),
        Flag("devices", "make devices (for root) and named pipes", read=boolean, default=False, group="destination"),
        Flag("receipt", "write what was extracted to PATH: the digests of the image, its layers and each file, as JSON",
             value="PATH", group="output"),
        *FILES,
    ),
    read=ExtractOptions.of,
    run=run,
    visits=lambda options: options.files.visits,
)  # fmt: skip
