"""The transports that can be written to, and what a test has to know to hold each to the same laws."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from pyskopeo.engine.selection import Selection
from pyskopeo.interfaces import ImageReference
from pyskopeo.model.platform import Platform
from pyskopeo.storage.partial_files import PARTIAL, is_kept
from pyskopeo.transports import TRANSPORTS, parse_image_name
from tests.support.images import KINDS, IndexSpec

AMD64 = Selection(Platform("linux", "amd64"))
EVERYTHING = Selection(Platform("linux", "amd64"), "all")


@dataclass(frozen=True, slots=True)
class Place:
    """One transport. ``name`` is an image name, with the folder to work in, or a word for it, left open.

    ``indexes``: it can hold several platforms. ``artifacts``: what is no image, too. ``bytes_kept``: manifests
    and blobs come back as they went in. ``remembers``: a second copy finds the blobs of the first.
    ``whole_blobs_stay``: a failed copy may leave blobs, each of them whole. ``resumes``: the copy after one that
    failed fetches no blob again that was complete, nor the bytes of others that had arrived. ``replaces``: a second
    image takes the place of the first. ``in_files``: it lies in files of this machine. ``missing`` is
    what is said when there is nothing.
    """

    transport: str
    name: str
    indexes: bool = True
    artifacts: bool = True
    bytes_kept: bool = True
    remembers: bool = False
    whole_blobs_stay: bool = False
    resumes: bool = True
    replaces: bool = True
    in_files: bool = True
    missing: str = "no such file"

    def at(self, folder: Path) -> str:
        """The image name for a folder."""
        return self.name.format(folder if self.in_files else hashlib.md5(str(folder).encode()).hexdigest())

    def holds(self, kind: str) -> bool:
        """Whether one of `KINDS` can be written whole."""
        if isinstance(KINDS[kind], IndexSpec):
            return self.indexes
        return self.artifacts or kind != "artifact"


PLACES = (
    Place("dir", "dir:{}/image", remembers=True),
    Place("oci", "oci:{}/image:tag", remembers=True, whole_blobs_stay=True),
    Place("oci-archive", "oci-archive:{}/image.tar:tag"),
    Place(
        "docker-archive", "docker-archive:{}/image.tar:example.com/a/b:tag",
        indexes=False, artifacts=False, bytes_kept=False, replaces=False,
    ),
    Place(
        "docker-daemon", "docker-daemon:example.com/{}:tag",
        indexes=False, artifacts=False, bytes_kept=False, in_files=False, resumes=False,
        missing="reference does not exist",
    ),
)  # fmt: skip


def writable() -> set[str]:
    """The transports that say they can be written to."""
    names = {"docker": "docker://example.com/a", "docker-daemon": "docker-daemon:a:b"}
    return {
        transport
        for transport in TRANSPORTS
        if type(parse_image_name(names.get(transport, f"{transport}:/x"))).open_destination
        is not ImageReference.open_destination
    }


def everything(folder: Path) -> dict[str, bytes | str | None]:
    """All there is below a folder: content of files, targets of links, None for directories."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return found


def check_nothing_half_written(folder: Path, before: dict[str, bytes | str | None], place: Place) -> None:
    """After a failure: old content as it was, at most whole blobs are new, and no temporary files but those that the
    next run goes on with."""
    after = {name: content for name, content in everything(folder).items() if not any(map(is_kept, Path(name).parts))}
    assert not [name for name in after if PARTIAL in name]
    assert {name: after.get(name) for name in before} == before
    new = {name: content for name, content in after.items() if name not in before}
    if not place.whole_blobs_stay:
        assert new == {}
    check_whole(new, place)


def check_whole(found: dict[str, bytes | str | None], place: Place) -> None:
    """No file at all, or blobs only, and each of them whole."""
    for name, content in found.items():
        if content is None:
            continue
        assert place.whole_blobs_stay
        assert isinstance(content, bytes)
        *_, blobs, algorithm, encoded = name.split("/")
        assert blobs == "blobs"
        assert hashlib.new(algorithm, content).hexdigest() == encoded
