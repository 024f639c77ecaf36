"""Layouts from a lock file and files that are blobs: the lock has the manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.errors import InvalidContent, NotFound
from pyskopeo.model.descriptor import UNKNOWN_SIZE, Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.lock_file import LockFile
from pyskopeo.model.locked_image import LockedImage
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.reference import Reference
from pyskopeo.storage.locked_content import open_lock
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.images import BuiltImage, build
from tests.support.outputs import blob_path

LIST = build("docker-list")


def lock_of(image: BuiltImage, entries: int) -> LockFile:
    """A lock of the first entries of a list."""
    manifests = {Digest.parse(name): Manifest.parse(found.raw) for name, found in image.manifests.items()}
    root = Manifest.parse(image.root.raw)
    locked = LockedImage(
        "app", Reference.parse(f"example.com/a@{image.digest}"), ("example.com/a",), entries=root.manifests[:entries]
    )
    return LockFile({"app": locked}, manifests)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "images.lock"
    path.write_bytes(lock_of(LIST, 2).to_bytes())
    return path


def blobs(image: BuiltImage, folder: Path, entries: int) -> list[str]:
    """The blobs of the first entries in files of no special names, as words of a command line."""
    words = []
    folder.mkdir()
    for position in range(entries):
        child = image.child(position).digest
        for number, digest in enumerate((image.config_digest(child), *image.layer_digests(child))):
            path = folder / f"{position}-{number}"
            path.write_bytes(image.blobs[digest])
            words += ["--from", str(path)]
    return words


def test_a_layout_of_what_is_locked(lock: Path, tmp_path: Path) -> None:
    words = ("layout", "assemble", "--root", LIST.digest, "--from", lock, "--sparse")
    succeed(pyskopeo_here(*words, *blobs(LIST, tmp_path / "files", 2), "--out", f"oci:{tmp_path}/layout:x"))
    succeed(pyskopeo_here("layout", "verify", "--sparse", f"oci:{tmp_path}/layout:x"))
    assert blob_path(tmp_path / "layout", LIST.digest).read_bytes() == LIST.root.raw
    assert not blob_path(tmp_path / "layout", LIST.child(2).digest).exists()


def test_its_blobs_are_elsewhere(lock: Path, tmp_path: Path) -> None:
    words = ("layout", "assemble", "--root", LIST.digest, "--from", lock, "--sparse")
    done = pyskopeo_here(*words, *blobs(LIST, tmp_path / "files", 1), "--out", f"oci:{tmp_path}/layout:x")
    assert done.code == 3
    assert LIST.layer_digests(LIST.child(1).digest)[0].encode() in done.stdout


@pytest.mark.anyio
async def test_what_a_lock_has(lock: Path) -> None:
    content = open_lock(lock)
    assert content is not None
    child = LIST.child(1)
    wanted = Descriptor(child.media_type, Digest.parse(child.digest), UNKNOWN_SIZE)
    assert (await content.manifest(wanted)).raw == child.raw
    assert await content.blobs(wanted) == []
    with pytest.raises(NotFound, match="images.lock: there is no sha256:"):
        await content.manifest(Descriptor("", Digest.parse(LIST.child(3).digest), UNKNOWN_SIZE))


@pytest.mark.parametrize(("name", "content"), [("x.lock", b"no lock at all"), ("x.json", b'{"lockVersion": 1}')])
def test_what_is_no_lock(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert open_lock(tmp_path / name) is None
    assert open_lock(tmp_path / "missing.lock") is None


def test_a_lock_that_says_one_thing_and_means_another(lock: Path, tmp_path: Path) -> None:
    lock.write_bytes(lock.read_bytes().replace(b'"size": ', b'"size": 1', 1))
    with pytest.raises(InvalidContent, match="want"):
        open_lock(lock)
    done = pyskopeo_here("layout", "assemble", "--root", LIST.digest, "--from", lock, "--out", f"oci:{tmp_path}/x")
    assert str(lock) in fatal(done)
