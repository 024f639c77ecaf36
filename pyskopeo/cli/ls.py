"""``pyskopeo ls``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from ..transports import TRANSPORTS
from .command import Command
from .files_flags import FILES, FilesOptions
from .flags import Parsed
from .verify_flags import JSON

if TYPE_CHECKING:
    from ..model.extracted_files import ImageFile

_LETTERS = {"file": "-", "directory": "d", "symlink": "l", "hardlink": "h", "character": "c", "block": "b", "fifo": "p"}
_PERMISSIONS = "rwxrwxrwx"
# Bits of a mode with the position of the letter that they change, and the letters with and without execution.
_SPECIAL = ((0o4000, 2, ("s", "S")), (0o2000, 5, ("s", "S")), (0o1000, 8, ("t", "T")))


@dataclass(frozen=True, slots=True)
class LsOptions:
    """The options of ``ls``; ``path`` is "" for all files."""

    files: FilesOptions
    path: str
    json: bool

    @classmethod
    def of(cls, parsed: Parsed) -> LsOptions:
        """Read the options; raises `InvalidInput`."""
        path = parsed.arguments[1] if len(parsed.arguments) > 1 else ""
        return cls(FilesOptions.of(parsed), path, parsed.get("json", bool))


async def run(options: LsOptions) -> int:
    """Print the files."""
    from ..api.files import list_files

    files = options.files
    with files.showing_progress() as advance:
        found = await list_files(
            files.name, options.path, layers=files.layers, platform=files.choice, access=files.access(), advance=advance
        )
    if options.json:
        import json

        # Names that are not UTF-8 stay apart from each other as escaped surrogates.
        print(json.dumps({"name": files.name, "files": [file.to_json() for file in found]}, indent=4))
        return 0
    _print_table(found)
    return 0


def _print_table(files: tuple[ImageFile, ...]) -> None:
    rows = [_row(file) for file in files]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for mode, layer, owner, size, mtime, path in rows:
        print(f"{mode:<{widths[0]}}  {layer:>{widths[1]}}  {owner:<{widths[2]}}  {size:>{widths[3]}}  {mtime}  {path}")


def _row(file: ImageFile) -> tuple[str, str, str, str, str, str]:
    size = str(file.size) if file.device is None else ",".join(map(str, file.device))
    link = f" -> {_printable(file.link)}" if file.link else ""
    layer = str(file.layer) if file.layer else "-"
    return _mode(file), layer, f"{file.uid}:{file.gid}", size, _time(file.mtime), _printable(file.path) + link


def _mode(file: ImageFile) -> str:
    letters = [letter if file.mode & (0o400 >> at) else "-" for at, letter in enumerate(_PERMISSIONS)]
    for bit, at, (both, alone) in _SPECIAL:
        if file.mode & bit:
            letters[at] = both if letters[at] != "-" else alone
    return _LETTERS[file.kind] + "".join(letters)


def _time(mtime: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(mtime // 10**9))


def _printable(text: str) -> str:
    """Return a name as it is, or escaped if it has characters that are not printable, such as line breaks."""
    return text if text.isprintable() else ascii(text)[1:-1]


COMMAND = Command(
    name="ls",
    arguments="IMAGE-NAME [PATH]",
    description=(
        'List the files of "IMAGE-NAME", as a container would see them, or those at and below "PATH": mode,\n'
        "number of the layer (1 is the base layer, - a directory that no layer names), owner, size in bytes,\n"
        "time and path. Layers are read, and verified, but nothing is stored.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo ls docker://docker.io/library/alpine",
        "pyskopeo ls docker://docker.io/library/alpine /etc/os-release",
        "pyskopeo ls --json oci:images:app usr/share",
    ),
    flags=(JSON, *FILES),
    read=LsOptions.of,
    run=run,
)
