"""``pyskopeo lock``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..fast_dataclass import dataclass
from .access_options import AUTHFILE, AccessOptions, registry_flags
from .command import Command
from .flags import Flag, Parsed, UsageError, boolean
from .log import emit_notice
from .logged_events import warnings_only
from .network_options import NETWORK
from .platform_flags import overridden
from .regex_timeout import bounded

if TYPE_CHECKING:
    from ..model.lock_file import LockFile
    from ..syncing.locking import LockChange

_FLAGS = (
    Flag("output", "path of the lock file, - for standard output (default: IMAGES.yaml with .lock for its ending)",
         short="o", value="PATH", group="output"),
    Flag("check", "write nothing: print what has moved since it was locked; the exit code is 1 if anything has",
         read=boolean, default=False, group="output"),
    Flag("update", "look up again the images NAME..., or all without a name; by default what is locked is kept",
         read=boolean, default=False, group="images"),
    Flag("referrers", "also record what refers to each image: signatures, attestations", read=boolean, default=False,
         group="images"),
    Flag("format", "also print the lock for another tool: nix, an attribute set; buildozer, commands that set digests "
         "in MODULE.bazel (default: json, which prints nothing)", value="FORMAT", default="json",
         choices=("json", "nix", "buildozer"), group="output"),
    AUTHFILE,
    *registry_flags(),
    *NETWORK,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LockOptions:
    """The options of ``lock``.

    ``output`` is the path of the lock, None for standard output. ``update`` are the names of images to look up again,
    None for all.
    """

    source: str
    output: Path | None
    check: bool
    update: tuple[str, ...] | None
    referrers: bool
    format: str
    access: AccessOptions

    @classmethod
    def of(cls, parsed: Parsed) -> LockOptions:
        """Read the options; raises `InvalidInput`."""
        source, *names = parsed.arguments
        check, update = parsed.get("check", bool), parsed.get("update", bool)
        output = parsed.optional("output", str)
        if check and (update or output == "-"):
            raise UsageError("--check compares a lock file and writes nothing: it goes without --update and -o -")
        if overridden(parsed):
            raise UsageError(f"--override-os, -arch and -variant choose one image: name platforms in {source}")
        if names and not update:
            raise UsageError(f"names of images are for --update: lock --update {source} {' '.join(names)}")
        path = Path(source).with_suffix(".lock") if not output else Path(output)
        if str(path) == source:
            raise UsageError(f"{source} cannot be both the list of images and the lock: want -o PATH")
        if output == "-" and parsed.get("format", str) != "json":
            raise UsageError("--format prints to standard output, so the lock cannot go there: want -o PATH")
        return cls(
            source=source,
            output=None if output == "-" else path,
            check=check,
            update=tuple(names) or None if update else (),
            referrers=parsed.get("referrers", bool),
            format=parsed.get("format", str),
            access=AccessOptions.of(parsed),
        )


async def run(options: LockOptions) -> int:
    """Write the lock if it is a new one, or compare it; the exit code is 1 if it has to be updated."""
    from ..storage.lock_files import read_lock
    from ..syncing.locking import check_lock, lock_images

    access, guard = options.access.access(warnings_only), partial(bounded, "choosing images")
    path = options.output
    if options.check:
        assert path is not None
        lock = read_lock(path)
        changes = await check_lock(options.source, lock, access=access, report=warnings_only, guard=guard)
        _print_changes(changes, path, len(lock.images))
        return 1 if changes else 0
    previous = read_lock(path) if path is not None and path.is_file() else None
    lock = await lock_images(
        options.source, previous, update=options.update, referrers=options.referrers, access=access,
        report=warnings_only, guard=guard,
    )  # fmt: skip
    if path is None:
        sys.stdout.write(lock.to_bytes().decode("ascii"))
    else:
        _write(path, lock, previous)
    if options.format != "json":
        from ..model import lock_formats

        print_lock = {"nix": lock_formats.to_nix, "buildozer": lock_formats.to_buildozer}[options.format]
        sys.stdout.write(print_lock(lock))
    sys.stdout.flush()
    return 0


def _write(path: Path, lock: LockFile, previous: LockFile | None) -> None:
    from ..storage.lock_files import write_lock

    known = {} if previous is None else previous.images
    changed = sum(name in known and known[name].digest != image.digest for name, image in lock.images.items())
    new, removed = len(lock.images.keys() - known.keys()), len(known.keys() - lock.images.keys())
    counts = f"{new} new, {changed} changed, {removed} removed" if write_lock(path, lock) else "unchanged"
    emit_notice(f"{path}: {len(lock.images)} images, {counts}")


def _print_changes(changes: tuple[LockChange, ...], path: Path, number: int) -> None:
    for change in changes:
        print(f"{change.name}: {change.text}")
        if change.before is not None and change.after is not None:
            print(f"  {change.reference}: {change.before} is now {change.after}")
        for detail in change.details:
            print(f"  {detail}")
    if not changes:
        print(f"{path}: {number} images, as locked")
    sys.stdout.flush()


COMMAND = Command(
    name="lock",
    arguments="IMAGES.yaml [NAME...]",
    description=(
        "Write a lock file: the digests, sizes and media types of all that belongs to the images which\n"
        "IMAGES.yaml names, where to get it, and the bytes of the manifests. It is JSON, sorted, with an entry a\n"
        "line, and the same for the same images. pyskopeo prefetch fetches what is in it, and nothing else.\n\n"
        "IMAGES.yaml is a file for sync --src yaml, as in skopeo-sync(1). In addition a registry may have\n"
        "platforms, and an image may be a mapping of tag, digest, name and platforms:\n\n"
        "  docker.io:\n"
        "    platforms: [linux/amd64, linux/arm64]\n"
        "    images:\n"
        "      library/alpine: ['3.20']\n"
        "      library/redis: [{tag: '7.4', name: cache}]\n\n"
        "An image that is locked is kept as it is, without a request, until --update looks it up again."
    ),
    examples=(
        "pyskopeo lock images.yaml -o images.lock",
        "pyskopeo lock --check images.yaml -o images.lock",
        "pyskopeo lock --update images.yaml cache",
        "pyskopeo lock --format nix images.yaml > images.nix",
    ),
    flags=_FLAGS,
    read=LockOptions.of,
    run=run,
)
