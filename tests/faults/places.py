"""The sources and the destinations of the matrix: how each is made, named, and looked at."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests.support.archives import archive_of
from tests.support.images import BuiltImage
from tests.support.outputs import write_dir, write_layout

from .images import NEW, NEXT, OLD
from .states import Shape

Write: TypeAlias = Callable[[Path], None]


def _nothing(folder: Path) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Source:
    """``name`` has ``{here}`` for the folder or ``{host}`` for the registry; ``sync_name`` is that for a sync.

    ``write`` makes it in a folder; the registry is made by `Scene`.
    """

    name: str
    write: Write = _nothing
    sync_name: str = ""

    @property
    def local(self) -> bool:
        """Whether it is in files."""
        return "{here}" in self.name


def _layout(folder: Path) -> None:
    for image, tag in ((NEW, "new"), (NEXT, "next")):
        write_layout(image, folder / "layout", tag=tag)


def _directories(folder: Path) -> None:
    for image, name in ((NEW, "image:new"), (NEXT, "image:next")):
        write_dir(image, folder / "images" / name)


def _archive(transport: str, *, packed: bool = False) -> Write:
    content = archive_of(NEW, transport)

    def write(folder: Path) -> None:
        (folder / "image.tar").write_bytes(gzip.compress(content, 1) if packed else content)

    return write


SOURCES: Mapping[str, Source] = {
    "docker": Source("docker://{host}/test/image:new", sync_name="{host}/test/image"),
    "oci": Source("oci:{here}/layout:new", _layout, "{here}/layout"),
    "dir": Source("dir:{here}/images/image:new", _directories, "{here}/images"),
    "oci-archive": Source("oci-archive:{here}/image.tar", _archive("oci-archive")),
    "oci-archive-gz": Source("oci-archive:{here}/image.tar", _archive("oci-archive", packed=True)),
    "docker-archive": Source("docker-archive:{here}/image.tar:a:1", _archive("docker-archive")),
}


@dataclass(frozen=True, slots=True)
class Destination:
    """``name`` has ``{there}`` for the folder or ``{host}`` for the registry. ``write`` makes what is there before.

    ``syncs`` is the transport of a sync, "" for a copy. ``remembers``: a blob that
    any image has there is not fetched again. ``replaces``: a copy to what is there already succeeds. ``shared`` is the directory of blobs that several
    layouts share.
    """

    name: str
    write: Write = _nothing
    shape: Shape = Shape()
    syncs: str = ""
    remembers: bool = True
    replaces: bool = True
    shared: str = ""

    @property
    def local(self) -> bool:
        """Whether it is in files."""
        return "{there}" in self.name


def _old_layout(folder: Path) -> None:
    write_layout(OLD, folder / "image", tag="old")


def _old_shared(folder: Path) -> None:
    write_layout(OLD, folder / "kept", tag="old")
    shutil.move(folder / "kept" / "blobs", folder / "shared")
    (folder / "kept" / "blobs").mkdir()


def _old_directory(folder: Path) -> None:
    write_dir(OLD, folder / "image")


def _other_directory(folder: Path) -> None:
    write_dir(OLD, folder / "mirror" / "image:old")


def _old_file(name: str, content: bytes) -> Write:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


_LAYOUT = Shape(layouts=("image",), blobs=("image/blobs",))

DESTINATIONS: Mapping[str, Destination] = {
    "oci": Destination("oci:{there}/image:new", _old_layout, _LAYOUT),
    "oci-shared": Destination(
        "oci:{there}/image:new", _old_shared, Shape(layouts=("image", "kept"), blobs=("shared",)), shared="shared"
    ),
    "dir": Destination("dir:{there}/image", _old_directory, Shape(directories=("image",))),
    "oci-archive": Destination(
        "oci-archive:{there}/image.tar:new", _old_file("image.tar", archive_of(OLD, "oci-archive"))
    ),
    # An archive that is there is never replaced: another one beside it must stay.
    "docker-archive": Destination(
        "docker-archive:{there}/image.tar:example.com/a/b:new",
        _old_file("old.tar", archive_of(OLD, "docker-archive")),
        replaces=False,
    ),
    "docker": Destination("docker://{host}/test/image:new"),
    "sync-oci": Destination("{there}/image", _old_layout, _LAYOUT, "oci"),
    "sync-dir": Destination(
        "{there}/mirror", _other_directory, Shape(directories=("mirror/*",)), "dir", remembers=False
    ),
    "sync-docker": Destination("{host}/test", syncs="docker"),
}

# Which source is copied to which destination: each to each, and syncs from what they can read.
PAIRS = tuple(
    (source, destination)
    for source in SOURCES
    for destination, place in DESTINATIONS.items()
    if not place.syncs or (SOURCES[source].sync_name and not source == "dir" == place.syncs)
)


def images_of(destination: Destination) -> tuple[BuiltImage, ...]:
    """The images that are copied."""
    return (NEW, NEXT) if destination.syncs else (NEW,)
