"""``pyskopeo cat``."""

from __future__ import annotations

from contextlib import AsyncExitStack

from ..fast_dataclass import dataclass
from ..transports import TRANSPORTS
from .command import Command
from .files_flags import FILES, FilesOptions
from .flags import Parsed
from .standard_streams import write_bytes

_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CatOptions:
    """The options of ``cat``."""

    files: FilesOptions
    path: str

    @classmethod
    def of(cls, parsed: Parsed) -> CatOptions:
        """Read the options; raises `InvalidInput`."""
        return cls(FilesOptions.of(parsed), parsed.arguments[1])


async def run(options: CatOptions) -> int:
    """Print the file."""
    from ..api.files import open_file

    files = options.files
    async with AsyncExitStack() as stack:
        with files.showing_progress() as advance:
            file = await stack.enter_async_context(open_file(
                files.name, options.path, layers=files.layers, platform=files.choice, access=files.access(),
                advance=advance,
            ))  # fmt: skip
        while piece := file.read(_PIECE):
            write_bytes(piece)
    return 0


COMMAND = Command(
    name="cat",
    arguments="IMAGE-NAME PATH",
    description=(
        'Print the file "PATH" of "IMAGE-NAME" to standard output. Symbolic links are followed within the\n'
        "image. Only the layers that decide about the file are fetched, from the top; its content is\n"
        "verified before any of it is printed.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo cat docker://docker.io/library/alpine /etc/os-release",
        "pyskopeo cat oci:images:app etc/ssl/openssl.cnf",
    ),
    flags=FILES,
    read=CatOptions.of,
    run=run,
    visits=lambda options: options.files.visits,
)
