"""``pyskopeo export``."""

from __future__ import annotations

from pathlib import Path

from ..fast_dataclass import dataclass
from ..transports import TRANSPORTS
from .command import Command
from .files_flags import FILES, PATHS, FilesOptions
from .flags import Parsed


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The options of ``export``; ``path`` is the archive, ``-`` standard output."""

    files: FilesOptions
    path: Path
    paths: tuple[str, ...]

    @classmethod
    def of(cls, parsed: Parsed) -> ExportOptions:
        """Read the options; raises `InvalidInput`."""
        return cls(FilesOptions.of(parsed), Path(parsed.arguments[1]), parsed.repeated("path", str))


async def run(options: ExportOptions) -> int:
    """Write the archive."""
    from ..api.files import export_files

    with options.files.showing_progress() as advance:
        await export_files(
            options.files.name,
            options.path,
            paths=options.paths,
            layers=options.files.layers,
            platform=options.files.choice,
            access=options.files.access(),
            advance=advance,
        )
    return 0


COMMAND = Command(
    name="export",
    arguments="IMAGE-NAME FILE",
    description=(
        'Write the files of "IMAGE-NAME", as a container would see them, to "FILE" as one tar archive; "-" is\n'
        "standard output. Layers are verified first, their contents take temporary space beside the file or\n"
        "in --tmpdir. The same image gives the same bytes.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo export docker://docker.io/library/alpine rootfs.tar",
        "pyskopeo export oci:images:app - | tar -tv",
    ),
    flags=(PATHS, *FILES),
    read=ExportOptions.of,
    run=run,
    visits=lambda options: options.files.visits,
)
