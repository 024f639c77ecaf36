"""Stores that were tampered with, that others can write to, that are full, read-only or on another file system."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.errors import DestinationRefused, StorageFailed
from pyskopeo.model.events import Event, Report, Warned
from pyskopeo.storage import place_blob, verified_links
from pyskopeo.storage.index_file import IndexFile
from tests.scenario.content_store.pulling import IMAGE, blob_requests, path_of, pinned, pull, same_file, stored, through
from tests.support.nobody import folder_of_nobody
from tests.support.pulling import check_layout
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
LAYER = IMAGE.layer_digests()[0]
CONTENT = IMAGE.blobs[LAYER]
OTHER = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def warnings() -> list[str]:
    return []


def into(warnings: list[str]) -> Report:
    def report(event: Event) -> None:
        if isinstance(event, Warned):
            warnings.append(event.message)

    return report


async def filled(registry: Simulator, store: Path, home: Path) -> None:
    """A store that was used long enough ago for its record."""
    await pull(registry.name(), f"oci:{home}/first:v1", through(store, home))
    for path in store.glob("blobs/sha256/*"):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10))
    await pull(registry.name(), f"oci:{home}/again:v1", through(store, home))


def edited_in_place(path: Path) -> None:
    path.write_bytes(OTHER)


def replaced(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(OTHER)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def shortened(path: Path) -> None:
    os.truncate(path, 1000)


def a_symbolic_link(path: Path) -> None:
    """To a file with the right content, which may have another one any time."""
    target = path.parents[3] / "elsewhere"
    target.write_bytes(CONTENT)
    path.unlink()
    path.symlink_to(target)


def a_link_to_wrong_content(path: Path) -> None:
    target = path.parents[3] / "elsewhere"
    target.write_bytes(OTHER)
    path.unlink()
    path.symlink_to(target)


def a_link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parents[3] / "nowhere")


def a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    [edited_in_place, replaced, shortened, a_symbolic_link, a_link_to_wrong_content, a_link_to_nothing, a_fifo],
    ids=lambda damage: damage.__name__,
)
@pytest.mark.parametrize("place", ["oci:{}/new:v1", "dir:{}/new", "docker-archive:{}/new"])
async def test_a_blob_that_was_changed_is_fetched_again(
    damage: Callable[[Path], None], place: str, store: Path, tmp_path: Path
) -> None:
    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        damage(path_of(store, LAYER))
        asked = len(registry.requests)
        await pull(pinned(registry, IMAGE), place.format(tmp_path), through(store, tmp_path))
        assert blob_requests(registry, asked) == [LAYER]
    status = os.lstat(path_of(store, LAYER))
    assert stat.S_ISREG(status.st_mode)
    check_layout(store)
    if place.startswith("oci"):
        check_layout(tmp_path / "new")
    if (elsewhere := tmp_path / "elsewhere").exists():
        assert elsewhere.stat().st_nlink == 1


async def test_a_layout_that_is_edited_in_place_spoils_no_later_pull(store: Path, tmp_path: Path) -> None:
    """Its files are hard links to the store's: what the user writes into them is in the store, too, until it is used."""
    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        path_of(tmp_path / "first", LAYER).write_bytes(OTHER)
        assert path_of(store, LAYER).read_bytes() == OTHER
        await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(store, tmp_path))
    check_layout(tmp_path / "new")
    check_layout(store)
    assert path_of(tmp_path / "first", LAYER).read_bytes() == OTHER


@pytest.mark.parametrize("place", ["docker-archive:{}/new", "oci:{}/new:v1"])
async def test_a_disk_that_changes_bytes_is_noticed_where_they_are_read(
    place: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file looks as it was when it was verified, but what is read from it is something else."""
    monkeypatch.setattr(verified_links, "link_verified", lambda *_: False)  # as on another file system
    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        path = path_of(store, LAYER)
        before = path.stat()
        path.write_bytes(OTHER)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        asked = len(registry.requests)
        await pull(pinned(registry, IMAGE), place.format(tmp_path), through(store, tmp_path))
        assert blob_requests(registry, asked) == [LAYER]
    check_layout(store)
    if place.startswith("oci"):
        check_layout(tmp_path / "new")


@pytest.mark.parametrize("mode", [0o664, 0o646])
async def test_a_file_that_others_can_write_to_is_copied_and_not_linked(mode: int, store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        path_of(store, LAYER).chmod(mode)
        asked = len(registry.requests)
        await pull(pinned(registry, IMAGE), f"oci:{tmp_path}/new:v1", through(store, tmp_path))
        assert blob_requests(registry, asked) == []
    assert not same_file(path_of(tmp_path / "new", LAYER), path_of(store, LAYER))
    check_layout(tmp_path / "new")


async def test_a_file_that_others_can_write_to_is_read_again_when_its_inode_has_changed(
    store: Path, tmp_path: Path
) -> None:
    """They could set its time to what it was."""
    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        path = path_of(store, LAYER)
        path.chmod(0o666)
        await pull(registry.name(), f"oci:{tmp_path}/again:v1", through(store, tmp_path))
        before = path.stat()
        path.write_bytes(OTHER)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(store, tmp_path))
    check_layout(tmp_path / "new")


async def test_files_of_the_store_can_be_written_to_by_their_owner_only(store: Path, tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        with Simulator(IMAGE) as registry:
            await pull(registry.name(), f"oci:{tmp_path}/first:v1", through(store, tmp_path))
    finally:
        os.umask(mask)
    assert {stat.S_IMODE(path_of(store, digest).stat().st_mode) for digest in IMAGE.blobs} == {0o644}
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (store, *store.rglob("*"))}
    assert {path.name: mode for path, mode in modes.items() if mode not in (0o644, 0o755)} == {}


async def test_a_file_that_is_swapped_while_it_is_linked(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check and the link: the link is taken back, and nothing wrong gets a final name."""
    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        link = os.link

        def swap(source: Path, *more: Any, **options: Any) -> None:
            if Path(source) == path_of(store, LAYER):
                monkeypatch.setattr(os, "link", link)
                replaced(path_of(store, LAYER))
            link(source, *more, **options)

        monkeypatch.setattr(os, "link", swap)
        try:
            await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(store, tmp_path))
        except Exception:  # noqa: BLE001 - it may fail, but not be wrong
            assert not path_of(tmp_path / "new", LAYER).exists()
    if (tmp_path / "new").exists():
        check_layout(tmp_path / "new")


async def test_a_store_on_another_file_system(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    """Files are copied, in the kernel or by reading them."""
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        monkeypatch.setattr(os, "link", refuse)
        asked = len(registry.requests)
        for number, kernel in enumerate((True, False)):
            if not kernel:
                monkeypatch.setattr(os, "copy_file_range", refuse)
            await pull(registry.name(), f"oci:{tmp_path}/new{number}:v1", through(store, tmp_path), report=into(warnings))
            check_layout(tmp_path / f"new{number}")
            assert not same_file(path_of(tmp_path / f"new{number}", LAYER), path_of(store, LAYER))
        assert blob_requests(registry, asked) == []
    assert warnings == []


async def test_a_file_system_that_shares_blocks(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where hard links are impossible: the clone is not read."""
    import fcntl

    cloned: list[int] = []

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))

    def clone(fd: int, request: int, source: int) -> int:
        assert request == verified_links._FICLONE
        os.sendfile(fd, source, 0, os.fstat(source).st_size)
        cloned.append(os.fstat(fd).st_size)
        return 0

    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        monkeypatch.setattr(os, "link", refuse)
        monkeypatch.setattr(fcntl, "ioctl", clone)
        monkeypatch.setattr(place_blob, "copy_range", lambda *_, **__: pytest.fail("copied"))
        await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(store, tmp_path))
    assert sorted(cloned) == sorted(len(blob) for blob in IMAGE.blobs.values())
    check_layout(tmp_path / "new")


async def test_a_full_store(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str]) -> None:
    """The image arrives all the same, with one warning, and nothing half-written stays in the store."""
    write = os.write

    def full(fd: int, content: Any) -> int:
        if str(store) in os.readlink(f"/proc/self/fd/{fd}") and os.fstat(fd).st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, content[:100_000])

    store.mkdir()
    await IndexFile(store).update(lambda index: index.without(()))
    with Simulator(IMAGE) as registry:
        monkeypatch.setattr(os, "write", full)
        await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(store, tmp_path), report=into(warnings))
    check_layout(tmp_path / "new")
    check_layout(store)
    (warning,) = warnings
    assert "no space left on device: nothing more is added to the store" in warning
    assert not stored(store) & set(IMAGE.layer_digests())


async def test_a_read_only_store_is_used_as_it_is(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    real_open, rename = os.open, os.replace

    def refuse(path: Any) -> None:
        if str(store) in str(path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def read_only(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            refuse(path)
        return real_open(path, flags, *more, **options)

    def replace_read_only(source: Any, target: Any) -> None:
        refuse(target)
        rename(source, target)

    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        path_of(store, LAYER).unlink()
        before = {path: path.stat().st_ino for path in store.rglob("*")}
        monkeypatch.setattr(os, "open", read_only)
        monkeypatch.setattr(os, "replace", replace_read_only)
        monkeypatch.setattr(os, "utime", lambda path, *_, **__: refuse(path))
        asked = len(registry.requests)
        await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(store, tmp_path), report=into(warnings))
        assert blob_requests(registry, asked) == [LAYER]
    monkeypatch.undo()
    check_layout(tmp_path / "new")
    assert {path: path.stat().st_ino for path in store.rglob("*")} == before
    assert len(warnings) == 1, warnings
    assert "read-only file system" in warnings[0]


@pytest.mark.parametrize("closed", ["..", ".", "blobs", "blobs/sha256"])
async def test_a_store_of_another_user_that_cannot_be_entered(closed: str, warnings: list[str]) -> None:
    with folder_of_nobody() as home, Simulator(IMAGE) as registry:
        store = home / "theirs" / "store"
        await filled(registry, store, home)
        (store / closed).resolve().chmod(0)
        name = f"docker://{registry.host}/test/image@{IMAGE.digest}"
        await pull(name, f"oci:{home}/new:v1", through(store, home), report=into(warnings))
        check_layout(home / "new")
        assert warnings
        assert all("permission denied" in warning for warning in warnings)


async def test_a_store_that_cannot_be_created(tmp_path: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    store, mkdir = tmp_path / "a" / "store", os.mkdir

    def refuse(path: Any, *more: Any, **options: Any) -> None:
        if str(tmp_path / "a") in str(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        mkdir(path, *more, **options)

    monkeypatch.setattr(os, "mkdir", refuse)
    with Simulator(IMAGE) as registry:
        await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(store, tmp_path), report=into(warnings))
    check_layout(tmp_path / "new")
    assert len(warnings) == 1, warnings
    assert "permission denied" in warnings[0]


async def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("x")
    with Simulator(IMAGE) as registry:
        with pytest.raises(StorageFailed, match="opening the store .*/file: not a directory"):
            await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(tmp_path / "file", tmp_path))
        with pytest.raises(DestinationRefused, match="/home is not empty and no content store: choose an empty"):
            await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(tmp_path / "home", tmp_path))
        assert not registry.requests
    assert os.listdir(tmp_path / "home") == ["letter"]
    assert not (tmp_path / "new").exists()


async def test_a_damaged_index_of_the_store_is_a_warning(store: Path, tmp_path: Path, warnings: list[str]) -> None:
    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        (store / "index.json").write_text("no JSON")
        await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(store, tmp_path), report=into(warnings))
    check_layout(tmp_path / "new")
    assert len(warnings) == 1
    assert (store / "index.json").read_text() == "no JSON"


async def test_a_manifest_that_was_changed_is_requested_again(store: Path, tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        await filled(registry, store, tmp_path)
        path = path_of(store, IMAGE.digest)
        path.write_bytes(path.read_bytes().replace(b"sha256", b"sha265"))
        asked = len(registry.requests)
        await pull(pinned(registry, IMAGE), f"oci:{tmp_path}/new:v1", through(store, tmp_path))
        assert registry.log[asked:] == [f"GET /v2/test/image/manifests/{IMAGE.digest}"]
    check_layout(store)


async def test_a_cancelled_pull_releases_the_store(store: Path, tmp_path: Path) -> None:
    from pyskopeo.storage.locks import locked
    from tests.support.faults import Stall

    with Simulator(IMAGE) as registry:
        registry.on_blob(LAYER, Stall())
        with anyio.move_on_after(0.5):
            await pull(registry.name(), f"oci:{tmp_path}/new:v1", through(store, tmp_path))
        with anyio.fail_after(5):
            async with locked(store / "blobs"):
                pass
    assert not (stored(store) - set(IMAGE.blobs) - {IMAGE.digest})
