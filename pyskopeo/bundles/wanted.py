"""Which images a bundle is made of: image names, lists of them, YAML files as for ``sync``, and lock files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.selection import Selection
from ..errors import InvalidInput, InvalidName, PathNotFound, prefix_errors
from ..fast_dataclass import dataclass, replace
from ..model.bundle import is_bundled_name
from ..model.platform import Platform
from ..model.reference import Reference
from ..storage.files import is_there, read_bounded
from ..syncing import registry_queries
from ..syncing.listing import list_yaml_images
from ..transports import TRANSPORTS, parse_image_name

if TYPE_CHECKING:
    from ..access import Access
    from ..interfaces import ImageReference
    from ..model.lock_file import LockFile
    from ..syncing.registry_queries import Share
    from ..syncing.sync_request import SyncSink

LIST_LIMIT = 16 * 1024 * 1024
"""The maximum size in bytes of a list of image names."""
_YAML = frozenset({".yaml", ".yml"})
_LOCK = ".lock"
_LOCK_KEY = b'"lockVersion"'


@dataclass(frozen=True, slots=True)
class WantedImage:
    """An image for a bundle: its full ``name`` there, and where and how it is read."""

    name: str
    source: ImageReference
    selection: Selection
    access: Access


@dataclass(frozen=True, slots=True)
class FindOptions:
    """How images are found and read.

    ``selection`` chooses among the images of an index, also for those for which a file names platforms; None: these, or
    else the image for this machine's architecture, on Linux. ``share`` and ``report`` are those of a sync, ``guard``
    that of `SyncRequest`.
    """

    access: Access
    share: Share
    report: SyncSink
    selection: Selection | None = None
    guard: Callable[[], AbstractContextManager[None]] = nullcontext

    def select(self, platforms: Sequence[Platform] = ()) -> Selection:
        """Return the selection for an image for which a file names ``platforms``."""
        if self.selection is not None:
            return self.selection
        return Selection(Platform.host(), "platforms", tuple(platforms)) if platforms else Selection(Platform.host())


async def find_wanted(arguments: Sequence[str], options: FindOptions) -> list[WantedImage]:
    """Return the images that arguments stand for, sorted by their names in the bundle.

    An argument is an image name with its transport, or the path of a file: a lock file (by its content or its ending
    ``.lock``), a YAML file of images (``.yaml``), or a text with an image name in each line, which may be followed by
    the name in the bundle. Raises `InvalidInput` for what is none of these, for an image without a full name, and for
    two different images with one name; `PathNotFound`, and what reading the files and listing registries raises.
    """
    found: dict[str, WantedImage] = {}
    access = await options.share(options.access)
    options = replace(options, access=access)
    for argument in arguments:
        transport = argument.partition(":")[0]
        if transport in TRANSPORTS:
            images = [_named(argument, "", options)]
        else:
            images = await _read_file(argument, options)
        for image in images:
            known = found.setdefault(image.name, image)
            if str(known.source) != str(image.source):
                both = f"{known.source} and {image.source} would both be {image.name}"
                raise InvalidInput(f"{both}: give one of them another name, in a list")
    if not found:
        raise InvalidInput(f"no images in {', '.join(arguments)[:200]}")
    return [found[name] for name in sorted(found)]


async def _read_file(argument: str, options: FindOptions) -> list[WantedImage]:
    path = Path(argument)
    if not is_there(path):
        shown = ascii(argument)[1:-1][:200]
        raise PathNotFound(f"{shown}: no such file, and no image name: for an image want docker://{shown}")
    if path.suffix in _YAML:
        listed = await list_yaml_images(
            argument, options.access, registry_queries.list_tags, options.share, options.report, guard=options.guard
        )
        return [
            replace(_named(image.source, "", options, image.platforms), access=access) for access, image in listed
        ]
    content = b"" if path.suffix == _LOCK else read_bounded(path, LIST_LIMIT)
    if path.suffix == _LOCK or _LOCK_KEY in content[:4096]:
        from ..storage.lock_files import read_lock

        return list(_of_lock(read_lock(path), options))
    return list(_of_list(content, argument, options))


def _of_list(content: bytes, where: str, options: FindOptions) -> Iterator[WantedImage]:
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise InvalidInput(f"{where} is no list of images: it is not UTF-8") from None
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split() if not line.lstrip().startswith("#") else []
        if not words:
            continue
        with prefix_errors(f"{where}: line {number}"):
            if len(words) > 2:
                raise InvalidInput("want an image name, and the name in the bundle if that differs")
            image = words[0] if words[0].partition(":")[0] in TRANSPORTS else f"docker://{words[0]}"
            yield _named(image, words[1] if len(words) > 1 else "", options)


def _of_lock(lock: LockFile, options: FindOptions) -> Iterator[WantedImage]:
    from ..syncing.locked_source import LockedReference

    for name in sorted(lock.images):
        image = lock.images[name]
        selection = options.selection or Selection(
            Platform.host(), "platforms" if image.platforms else "all", image.platforms
        )
        yield WantedImage(_full_name(image.reference), LockedReference(lock, image), selection, options.access)


def _named(image: str, name: str, options: FindOptions, platforms: Sequence[Platform] = ()) -> WantedImage:
    """Return an image by its name with the transport; ``name`` is the one for the bundle, "": that of the image."""
    source = parse_image_name(image)
    if name:
        reference = Reference.parse(name)
    elif source.reference is not None:
        reference = source.reference
    else:
        reference = _local_name(source, image)
    return WantedImage(_full_name(reference), source, options.select(platforms), options.access)


def _local_name(source: ImageReference, image: str) -> Reference:
    """Return the reference that the name of an image in a layout or an archive is."""
    name = getattr(source, "name", "")
    try:
        if not isinstance(name, str) or not name:
            raise InvalidName("it has none")
        return Reference.parse(name)
    except InvalidName as error:
        raise InvalidInput(
            f"{image} needs a full name in the bundle: {error}; "
            f"name it in a list, in a line such as: {image} registry.example.com/team/app:1.0"
        ) from None


def _full_name(reference: Reference) -> str:
    """Return the name of an image in a bundle: with its tag, or else with its digest."""
    name = str(replace(reference, digest=None) if reference.tag else reference)
    if not is_bundled_name(name):
        raise InvalidInput(f"{ascii(name)[1:-1][:200]} cannot be the name of an image in a bundle")
    return name
