"""``pyskopeo ls``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from ..http.printable import escaped_line
from ..model.reference import Reference
from ..transports import TRANSPORTS
from .command import Command
from .files_flags import FILES, FilesOptions
from .flags import Flag, Parsed, UsageError, boolean
from .logged_events import warnings_only
from .main import supervise
from .tag_flags import FILTERS as TAG_FILTERS
from .tag_flags import TagsOptions, sort_flag, tag_filter
from .verify_flags import JSON

if TYPE_CHECKING:
    from ..model.extracted_files import ImageFile

_LETTERS = {"file": "-", "directory": "d", "symlink": "l", "hardlink": "h", "character": "c", "block": "b", "fifo": "p"}
_PERMISSIONS = "rwxrwxrwx"
# Bits of a mode with the position of the letter that they change, and the letters with and without execution.
_SPECIAL = ((0o4000, 2, ("s", "S")), (0o2000, 5, ("s", "S")), (0o1000, 8, ("t", "T")))


@dataclass(frozen=True, slots=True)
class LsOptions:
    """The options of ``ls``; ``path`` is "" for all files. ``tags`` are for a repository, None: files are listed."""

    files: FilesOptions
    path: str
    json: bool
    tags: TagsOptions | None
    timeout: float

    @classmethod
    def of(cls, parsed: Parsed) -> LsOptions:
        """Read the options; raises `InvalidInput`."""
        path = parsed.arguments[1] if len(parsed.arguments) > 1 else ""
        files = FilesOptions.of(parsed)
        lists_tags = not (path or files.layers or parsed.get("files", bool)) and _is_repository(files.name)
        tags = TagsOptions(tag_filter(parsed), parsed.get("long", bool)) if lists_tags else None
        given = next((name for name in ("filter", "semver") if name in parsed.given - parsed.inherited), None)
        if given and not lists_tags:
            raise UsageError(f"--{given} is for the tags of a repository: want docker://HOST/NAME alone")
        return cls(files, path, parsed.get("json", bool), tags, parsed.get("command-timeout", float))


def _is_repository(name: str) -> bool:
    """Return whether a valid image name is that of a repository in a registry: without tag and digest."""
    transport, _, details = name.partition(":")
    return transport == "docker" and not Reference.parse(details.removeprefix("//"), default_tag="").manifest_name


def run(options: LsOptions) -> int:
    """Print the files, or the tags."""
    if options.tags is None:
        return supervise(_list_files(options), options.timeout)
    from .ls_tags import list_repository

    files = options.files
    access = files.access_options.access(warnings_only)
    return list_repository(files.name, options.tags, access, files.choice, options.timeout, as_json=options.json)


async def _list_files(options: LsOptions) -> int:
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
    link = f" -> {escaped_line(file.link)}" if file.link else ""
    layer = str(file.layer) if file.layer else "-"
    return _mode(file), layer, f"{file.uid}:{file.gid}", size, _time(file.mtime), escaped_line(file.path) + link


def _mode(file: ImageFile) -> str:
    letters = [letter if file.mode & (0o400 >> at) else "-" for at, letter in enumerate(_PERMISSIONS)]
    for bit, at, (both, alone) in _SPECIAL:
        if file.mode & bit:
            letters[at] = both if letters[at] != "-" else alone
    return _LETTERS[file.kind] + "".join(letters)


def _time(mtime: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(mtime // 10**9))


COMMAND = Command(
    name="ls",
    arguments="IMAGE-NAME [PATH]",
    description=(
        'List the files of "IMAGE-NAME", as a container would see them, or those at and below "PATH": mode,\n'
        "number of the layer (1 is the base layer, - a directory that no layer names), owner, size in bytes,\n"
        "time and path. Layers are read, and verified, but nothing is stored, except that with --store what is in\n"
        "each layer is noted there, so that the next time no layer is read.\n\n"
        "A repository, docker://HOST/NAME without a tag, a digest and a PATH: list its tags, one a line, with --long\n"
        "also the digest and the platforms of each, and the size and the time of the image for one platform. That\n"
        "reads up to two manifests of each tag, which a registry may count as pulls. With --files: list the files of\n"
        "its image latest.\n\n"
        f"Supported transports:\n{', '.join(TRANSPORTS)}"
    ),
    examples=(
        "pyskopeo ls docker://docker.io/library/alpine:3.20",
        "pyskopeo ls docker://docker.io/library/alpine /etc/os-release",
        "pyskopeo ls --json oci:images:app usr/share",
        "pyskopeo ls docker://docker.io/library/alpine",
        "pyskopeo ls --long --semver '>= 3.19' docker://docker.io/library/alpine",
    ),
    flags=(
        JSON,
        Flag("files", "list the files of the image with the tag latest, where only a repository is named", read=boolean,
             default=False, group="files"),
        Flag("long", "list digests, sizes, times and platforms of tags", short="l", read=boolean, default=False,
             group="output"),
        *TAG_FILTERS,
        sort_flag("natural"),
        *FILES,
    ),
    read=LsOptions.of,
    run=run,
    visits=lambda options: options.files.visits,
)  # fmt: skip
