"""``dir:``: skopeo's files, and a swap that never destroys what is there."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo.errors import ContentMismatch, DestinationRefused, InvalidName, PathNotFound, StorageFailed
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import Event, Warned
from pyskopeo.storage.partial_files import REPLACED, kept_name
from tests.contract.places import EVERYTHING, everything
from tests.contract.reading import layout, read_back
from tests.support.images import build
from tests.support.nobody import folder_of_nobody
from tests.support.outputs import write_dir

pytestmark = pytest.mark.anyio
REFUSED = r"is not a containers image directory, don't want to overwrite important data"


@pytest.mark.parametrize("kind", ["oci", "docker", "oci-index", "oci-sha512", "oci-index-sha512", "nested-index"])
async def test_the_files_are_skopeos(kind: str, tmp_path: Path) -> None:
    image = build(kind)
    await pyskopeo.copy(layout(image, tmp_path), f"dir:{tmp_path / 'ours'}", selection=EVERYTHING)
    assert everything(tmp_path / "ours") == everything(write_dir(image, tmp_path / "expected"))


@pytest.mark.parametrize(("umask", "directory", "file"), [(0o077, 0o700, 0o600), (0o022, 0o755, 0o644)])
async def test_modes_are_what_the_umask_says(umask: int, directory: int, file: int, tmp_path: Path) -> None:
    source, old = layout(build("oci"), tmp_path), os.umask(umask)
    try:
        await pyskopeo.copy(source, f"dir:{tmp_path / 'a'}")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == directory
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").iterdir()} == {file}


async def test_a_corrupted_blob_of_the_same_size_is_written_again(tmp_path: Path) -> None:
    image = build("oci")
    source, events = layout(image, tmp_path), list[Event]()
    await pyskopeo.copy(source, f"dir:{tmp_path / 'a'}")
    path = tmp_path / "a" / image.layer_digests()[1][7:]
    path.write_bytes(bytes(path.stat().st_size))
    await pyskopeo.copy(source, f"dir:{tmp_path / 'a'}", report=events.append)
    await read_back(f"dir:{tmp_path / 'a'}", image)
    (warning,) = [event.message for event in events if isinstance(event, Warned)]
    assert warning.startswith(f"{path} has the size of blob {image.layer_digests()[1]} but other content")


async def test_the_version_is_not_needed_to_read(tmp_path: Path) -> None:
    image = build("oci")
    write_dir(image, tmp_path / "a")
    (tmp_path / "a" / "version").unlink()
    await read_back(f"dir:{tmp_path / 'a'}", image)


async def test_an_empty_directory_is_ours(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    image = build("oci")
    await pyskopeo.copy(layout(image, tmp_path), f"dir:{tmp_path / 'a'}")
    await read_back(f"dir:{tmp_path / 'a'}", image)


async def test_missing_directories_are_made(tmp_path: Path) -> None:
    image = build("oci")
    await pyskopeo.copy(layout(image, tmp_path), f"dir:{tmp_path / 'a' / 'b' / 'c'}")
    await read_back(f"dir:{tmp_path / 'a' / 'b' / 'c'}", image)


async def test_what_a_new_image_does_not_need_goes(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    await pyskopeo.copy(layout(build("oci-index"), tmp_path / "x"), f"dir:{tmp_path / 'a'}", selection=EVERYTHING)
    image = build("oci")
    await pyskopeo.copy(layout(image, tmp_path), f"dir:{tmp_path / 'a'}")
    assert everything(tmp_path / "a") == everything(write_dir(image, tmp_path / "expected"))


@pytest.mark.parametrize(
    "files",
    [
        {"important.txt": b"data"},
        {"version": b"1.1\n"},
        {"version": b"Directory Transport Version: 2.0\n"},
        {"version": b"x" * 5000},
        {"manifest.json": b"{}"},
    ],
)
async def test_what_is_not_ours_stays(files: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name, content in files.items():
        (tmp_path / "a" / name).write_bytes(content)
    source = layout(build("oci"), tmp_path)
    before = everything(tmp_path)
    with pytest.raises(DestinationRefused, match=REFUSED):
        await pyskopeo.copy(source, f"dir:{tmp_path / 'a'}")
    assert everything(tmp_path) == before


async def test_a_pipe_called_version_does_not_make_us_wait(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "version")
    with pytest.raises(DestinationRefused, match=REFUSED):
        await pyskopeo.copy(layout(build("oci"), tmp_path), f"dir:{tmp_path / 'a'}")


async def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(StorageFailed, match="a part of this path is a file; remove it, or choose another path"):
        await pyskopeo.copy(layout(build("oci"), tmp_path), f"dir:{tmp_path / 'a'}")
    assert (tmp_path / "a").read_bytes() == b"x"


async def test_through_a_link_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere/image")
    image = build("oci")
    for _ in range(2):
        await pyskopeo.copy(layout(image, tmp_path), f"dir:{tmp_path / 'link'}")
        assert (tmp_path / "link").is_symlink()
        assert os.listdir(tmp_path / "elsewhere") == ["image"]
    await read_back(f"dir:{tmp_path / 'link'}", image)


async def test_onto_itself(tmp_path: Path) -> None:
    image = build("oci-index")
    write_dir(image, tmp_path / "a")
    before = everything(tmp_path)
    await pyskopeo.copy(f"dir:{tmp_path / 'a'}", f"dir:{tmp_path / 'a'}", selection=EVERYTHING)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("failing", [1, 2])
async def test_a_rename_that_fails_brings_the_old_back(
    failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = build("oci")
    write_dir(image, tmp_path / "a")
    (tmp_path / "x").mkdir()
    source = layout(build("oci-history"), tmp_path / "x")
    before, real, calls = everything(tmp_path), Path.rename, list[int]()

    def fail(self: Path, target: Path) -> Path:
        calls.append(1)
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(StorageFailed, match=r"writing .*/a: no space left"):
        await pyskopeo.copy(source, f"dir:{tmp_path / 'a'}")
    monkeypatch.undo()
    assert everything(tmp_path) == before


class TestAPlaceThatCannotBeRenamed:
    """A mount point, or a directory in one that is not ours to write: `docker run -v` makes such."""

    @pytest.fixture(params=["mount point", "parent"])
    def there(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        with folder_of_nobody() as folder:
            (folder / "in" / "a").mkdir(parents=True)
            if request.param == "parent":
                (folder / "in").chmod(0o555)
            else:
                monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "a")
                monkeypatch.setattr(Path, "rename", refuse)
            yield folder / "in" / "a"

    async def test_its_files_are_replaced(self, there: Path) -> None:
        for kind in ("oci-index", "oci", "oci", "docker-list"):
            image = build(kind)
            with_all = write_dir(image, there.parents[1] / f"source-{kind}")
            await pyskopeo.copy(f"dir:{with_all}", f"dir:{there}", selection=EVERYTHING)
            assert everything(there) == everything(with_all)
            (there / "old").mkdir()
            (there / "old" / "file").write_bytes(b"x")
            (there / "link").symlink_to("nowhere")

    async def test_there_is_a_whole_image_at_every_moment(
        self, there: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = write_dir(build("oci"), there.parents[1] / "first")
        second = write_dir(build("oci-history"), there.parents[1] / "second")
        await pyskopeo.copy(f"dir:{first}", f"dir:{there}")
        roots = set()
        for name in ("replace", "unlink"):
            real = getattr(os, name)

            def watched(*arguments: object, real: Callable[..., object] = real, **more: object) -> None:
                real(*arguments, **more)
                manifest = json.loads((there / "manifest.json").read_bytes())
                roots.add(manifest["config"]["digest"])
                for blob in (manifest["config"], *manifest["layers"]):
                    assert (there / blob["digest"][7:]).stat().st_size == blob["size"]

            monkeypatch.setattr(os, name, watched)
        await pyskopeo.copy(f"dir:{second}", f"dir:{there}")
        monkeypatch.undo()
        assert len(roots) == 2
        assert everything(there) == everything(second)

    async def test_a_failure_leaves_the_old_image(self, there: Path) -> None:
        first = write_dir(build("oci"), there.parents[1] / "first")
        second = write_dir(build("docker-repeated"), there.parents[1] / "second")
        (second / build("docker-repeated").layer_digests()[1][7:]).write_bytes(b"x")
        await pyskopeo.copy(f"dir:{first}", f"dir:{there}")
        with pytest.raises(ContentMismatch):
            await pyskopeo.copy(f"dir:{second}", f"dir:{there}")
        assert everything(there) == everything(first)

    async def test_what_a_killed_copy_left_is_not_in_the_way(self, there: Path) -> None:
        (there / ".a.0123456789ab.partial").mkdir()
        (there / ".a.0123456789ab.partial" / "x").write_bytes(b"x")
        image = write_dir(build("oci"), there.parents[1] / "source")
        await pyskopeo.copy(f"dir:{image}", f"dir:{there}")
        assert everything(there) == everything(image)


def refuse(*_: object) -> None:
    raise OSError(errno.EBUSY, "Device or resource busy")


async def test_what_has_the_name_of_a_kept_directory_is_not_in_the_way(tmp_path: Path) -> None:
    """In a directory that others can write to, anybody can guess that name."""
    source, seen = layout(build("oci"), tmp_path), tmp_path / "seen"
    await pyskopeo.copy(source, f"dir:{tmp_path / 'a'}")
    before = everything(tmp_path / "a")
    key = Digest.of(os.fsencode(tmp_path / "a")).hex
    for name in (kept_name("a", key), f"{kept_name('a', key)}{REPLACED}"):
        (tmp_path / name).symlink_to(seen)
    seen.mkdir()
    await pyskopeo.copy(layout(build("oci-history"), tmp_path / "other"), f"dir:{tmp_path / 'a'}")
    await pyskopeo.copy(source, f"dir:{tmp_path / 'a'}")
    assert everything(tmp_path / "a") == before
    assert os.listdir(seen) == []


async def test_a_directory_is_not_moved_away_while_another_process_has_it_locked(tmp_path: Path) -> None:
    """Else that process, when it ends, could take what it has just written for a leftover and remove it."""
    image, waiting = tmp_path / "a", anyio.Event()

    def report(event: Event) -> None:
        if isinstance(event, Warned) and event.message == f"waiting for another process that replaces {image}":
            waiting.set()

    await pyskopeo.copy(layout(build("oci"), tmp_path), f"dir:{image}")
    before, lock = everything(image), os.open(image, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    other = layout(build("oci-history"), tmp_path / "other")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(pyskopeo.copy, other, f"dir:{image}", report=report))
        await waiting.wait()
        assert everything(image) == before
        os.close(lock)
    await read_back(f"dir:{image}", build("oci-history"))


async def test_blobs_that_are_there_are_second_names_until_the_old_ones_go(tmp_path: Path) -> None:
    image = build("oci")
    source = layout(image, tmp_path)
    await pyskopeo.copy(source, f"dir:{tmp_path / 'a'}")
    name = image.layer_digests()[0].partition(":")[2]
    inode = (tmp_path / "a" / name).stat().st_ino
    await pyskopeo.copy(source, f"dir:{tmp_path / 'a'}")
    status = (tmp_path / "a" / name).stat()
    assert (status.st_ino, status.st_nlink) == (inode, 1)


async def test_blobs_that_are_links_into_the_old_directory(tmp_path: Path) -> None:
    image = build("oci")
    write_dir(image, tmp_path / "a")
    name = image.layer_digests()[0].partition(":")[2]
    (tmp_path / "a" / name).rename(tmp_path / "a" / "other")
    (tmp_path / "a" / name).symlink_to("other")
    await pyskopeo.copy(layout(image, tmp_path), f"dir:{tmp_path / 'a'}")
    await read_back(f"dir:{tmp_path / 'a'}", image)


@pytest.mark.parametrize("what", ["manifest.json", "blob"])
async def test_what_is_missing(what: str, tmp_path: Path) -> None:
    image = build("oci")
    write_dir(image, tmp_path / "a")
    name = image.layer_digests()[0].partition(":")[2] if what == "blob" else what
    (tmp_path / "a" / name).unlink()
    with pytest.raises(pyskopeo.PyskopeoError, match=rf"open .*/a/{name}: no such file"):
        await pyskopeo.copy(f"dir:{tmp_path / 'a'}", f"dir:{tmp_path / 'b'}")
    assert not (tmp_path / "b").exists()


async def test_a_missing_directory_exits_with_one(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound) as caught:
        await pyskopeo.copy(f"dir:{tmp_path / 'none'}", f"dir:{tmp_path / 'b'}")
    assert caught.value.exit_code == 1


def test_names() -> None:
    with pytest.raises(InvalidName, match="want dir:path"):
        pyskopeo.parse_image_name("dir:")
    assert str(pyskopeo.parse_image_name("dir:a:b")) == "dir:a:b"
