"""``pyskopeo store ls|du|verify|prune``."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..access import Access
from ..fast_dataclass import dataclass
from ..http.printable import escaped_line
from .command import Command, CommandGroup
from .flags import Flag, Parsed, UsageError, age, byte_count
from .log import emit_notice
from .quantities import quantity, size
from .verification_view import print_json
from .verify_flags import DRY_RUN, JSON

if TYPE_CHECKING:
    from ..model.stored_content import Pruning, StoredFile, StoredImage


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The options of ``store ls`` and ``store du``. ``root`` is the directory of the store."""

    root: Path
    json: bool

    @classmethod
    def of(cls, parsed: Parsed) -> StoreOptions:
        """Read the options; raises `UsageError`."""
        return cls(_root(parsed), parsed.get("json", bool))


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of ``store verify``."""

    root: Path
    json: bool
    dry_run: bool

    @classmethod
    def of(cls, parsed: Parsed) -> VerifyOptions:
        """Read the options; raises `UsageError`."""
        return cls(_root(parsed), parsed.get("json", bool), parsed.get("dry-run", bool))


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """The options of ``store prune``. ``older_than`` is in seconds, ``max_size`` in bytes."""

    root: Path
    json: bool
    dry_run: bool
    older_than: float | None
    max_size: int | None

    @classmethod
    def of(cls, parsed: Parsed) -> PruneOptions:
        """Read the options; raises `UsageError`."""
        older_than, max_size = parsed.optional("older-than", float), parsed.optional("max-size", int)
        if older_than is None and max_size is None:
            raise UsageError("store prune: want --older-than or --max-size, or both")
        return cls(_root(parsed), parsed.get("json", bool), parsed.get("dry-run", bool), older_than, max_size)


def _root(parsed: Parsed) -> Path:
    given = parsed.path("store") if "store" in parsed.given else Access.from_environ(os.environ).storage.store
    if given is None:
        raise UsageError("no content store is given: use --store DIR, or set PYSKOPEO_STORE")
    return given


def list_images(options: StoreOptions) -> int:
    """Print the images in the store, one a line: digest, size, last use, name."""
    from ..api.store import list_store

    images = list_store(options.root)
    if options.json:
        print_json(list(map(_described, images)))
        return 0
    for image in images:
        note = "" if image.complete else "  (incomplete)"
        print(f"{image.digest}  {size(image.size):>10}  {_time(image.used)}  {escaped_line(image.name or '-')}{note}")
    sys.stdout.flush()
    return 0


def _described(image: StoredImage) -> dict[str, Any]:
    return {
        "name": image.name, "digest": str(image.digest), "mediaType": image.media_type, "size": image.size,
        "used": _time(image.used), "complete": image.complete,
    }  # fmt: skip


def measure(options: StoreOptions) -> int:
    """Print how much is in the store."""
    from ..api.store import measure_store

    found = measure_store(options.root)
    if options.json:
        print_json(asdict(found))
        return 0
    print(f"images:   {found.images}")
    print(f"files:    {found.files}")
    for name in ("size", "linked", "unnamed", "partial", *(["indexes"] if found.indexes else [])):
        count: int = getattr(found, name)
        print(f"{name + ':':<9} {size(count)} ({count} bytes)")
    sys.stdout.flush()
    return 0


async def verify(options: VerifyOptions) -> int:
    """Print the files whose content is wrong; the exit code is 1 if there are any."""
    from ..api.store import verify_store

    found = await verify_store(options.root, remove=not options.dry_run, on_wait=_say_waiting)
    if options.json:
        print_json({
            "files": found.files, "size": found.size, "wrong": _files(found.wrong), "removed": found.removed,
            "wrongIndexes": _files(found.wrong_indexes),
        })  # fmt: skip
    else:
        for file in found.wrong:
            print(f"wrong content: {file.digest}{', removed' if found.removed else ''}")
        for file in found.wrong_indexes:
            print(f"damaged index of layer {file.digest}{', removed' if found.removed else ''}")
        print(f"{quantity(found.files, 'file')}, {size(found.size)} ({found.size} bytes): {len(found.wrong)} wrong")
        sys.stdout.flush()
    return 1 if found.wrong or found.wrong_indexes else 0


async def prune(options: PruneOptions) -> int:
    """Print what was removed."""
    from ..api.store import prune_store

    done = await prune_store(
        options.root, older_than=options.older_than, max_size=options.max_size, dry_run=options.dry_run,
        on_wait=_say_waiting,
    )  # fmt: skip
    if options.json:
        print_json({
            "removed": _files(done.removed), "names": list(done.names), "files": done.files, "size": done.size,
            "indexes": _files(done.indexes), "dryRun": options.dry_run,
        })  # fmt: skip
    else:
        _print_pruning(done, "would remove" if options.dry_run else "removed")
    return 0


def _print_pruning(done: Pruning, verb: str) -> None:
    for name in done.names:
        print(f"{verb} image {escaped_line(name)}")
    total = sum(file.size for file in done.removed)
    print(f"{verb} {quantity(len(done.removed), 'file')}, {size(total)} ({total} bytes)")
    if done.indexes:
        total = sum(file.size for file in done.indexes)
        print(f"{verb} the indexes of {quantity(len(done.indexes), 'layer')}, {size(total)} ({total} bytes)")
    print(f"left: {quantity(done.files, 'file')}, {size(done.size)} ({done.size} bytes)")
    sys.stdout.flush()


def _say_waiting() -> None:
    emit_notice("waiting for copies that use the store")


def _files(files: tuple[StoredFile, ...]) -> list[dict[str, Any]]:
    return [{"digest": str(file.digest), "size": file.size, "used": _time(file.used)} for file in files]


def _time(seconds: float) -> str:
    """Format a time as in RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


_WHERE = "The store is that of --store DIR, or else of $PYSKOPEO_STORE."

COMMAND = CommandGroup(
    name="store",
    description=(
        "List, measure, verify or prune the content store: the blobs and manifests that copies with --store\n"
        f"have fetched. It is an OCI layout. {_WHERE}"
    ),
    commands=(
        Command(
            name="store ls",
            arguments="",
            description=f"List the images in the content store: digest, size, last use and name.\n\n{_WHERE}",
            examples=("pyskopeo store ls --store /srv/images", "pyskopeo store ls --store /srv/images --json"),
            flags=(JSON,),
            read=StoreOptions.of,
            run=list_images,
            summary="List the images in the store",
        ),
        Command(
            name="store du",
            arguments="",
            description=(
                "Print how much is in the content store. Of its size, 'linked' is what layouts have hard links to, so\n"
                "that removing it frees no space, and 'unnamed' what belongs to no image that was pulled completely;\n"
                "'partial' are downloads that are running or were interrupted. Besides, 'indexes' say what is in\n"
                f"layers, so that du, diff and ls need not read these again.\n\n{_WHERE}"
            ),
            examples=("pyskopeo store du --store /srv/images",),
            flags=(JSON,),
            read=StoreOptions.of,
            run=measure,
            summary="Print how much is in the store",
        ),
        Command(
            name="store verify",
            arguments="",
            description=(
                "Read every file in the content store and compare it with its digest. Files that are wrong are\n"
                "removed, so that the next copy that needs them fetches them again; the exit code is 1 then.\n\n"
                f"{_WHERE}"
            ),
            examples=(
                "pyskopeo store verify --store /srv/images",
                "pyskopeo store verify --store /srv/images --dry-run",
            ),
            flags=(JSON, DRY_RUN),
            read=VerifyOptions.of,
            run=verify,
            summary="Compare every file in the store with its digest",
        ),
        Command(
            name="store prune",
            arguments="",
            description=(
                "Remove from the content store what no copy has used for a time, then what was used least recently,\n"
                "until the rest fits. Waits for copies that use the store: nothing they need is removed. What layouts\n"
                f"have hard links to stays there.\n\n{_WHERE}"
            ),
            examples=(
                "pyskopeo store prune --store /srv/images --older-than 30d",
                "pyskopeo store prune --store /srv/images --older-than 30d --max-size 20G --dry-run",
            ),
            flags=(
                JSON, DRY_RUN,
                Flag("older-than", "remove what was not used for this time, such as 12h, 30d or 2w", value="DURATION",
                     read=age, group="images"),
                Flag("max-size", "remove the least recently used until the store has at most this many bytes",
                     value="SIZE", read=byte_count, group="images"),
            ),
            read=PruneOptions.of,
            run=prune,
            summary="Remove what was not used for a time, or exceeds a size",
        ),
    ),
)  # fmt: skip
