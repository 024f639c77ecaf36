"""Archives that cannot be read in place; directories that are gone afterwards; where output goes."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import stat
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from pyskopeo.access import Storage
from pyskopeo.errors import InvalidContent, PathNotFound, StorageFailed, TooLarge
from pyskopeo.storage.part_files import MIN_KEPT
from pyskopeo.storage.partial_files import partial_name
from pyskopeo.storage.scratch import create_directory, readable_archive, scratch_directory, temporary_directory
from pyskopeo.streams.pump import FileSink
from tests.support.zstd import zstd

pytestmark = pytest.mark.anyio
CONTENT = os.urandom(300_000) + bytes(100_000)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "gzip-members": lambda data: gzip.compress(data[:50_000]) + gzip.compress(data[50_000:]),
    "bzip2-streams": lambda data: bz2.compress(data[:50_000]) + bz2.compress(data[50_000:]),
    "xz-streams": lambda data: lzma.compress(data[:50_000]) + lzma.compress(data[50_000:]),
}


@pytest.fixture(scope="module")
def plain() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("x")
        member.size = len(CONTENT)
        archive.addfile(member, io.BytesIO(CONTENT))
    return out.getvalue()


async def read(path: Path, scratch: Path | None = None) -> bytes:
    async with readable_archive(path, scratch) as index:
        return index.content("x", len(CONTENT))


@contextmanager
def piped(data: bytes, directory: Path) -> Iterator[Path]:
    """A named pipe with a writer, which may be left with a part of the data."""
    pipe = directory / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with suppress(BrokenPipeError), pipe.open("wb", buffering=0) as out:
            view = memoryview(data)
            while view:
                view = view[out.write(view) :]

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    yield pipe
    writer.join(10)
    assert not writer.is_alive()


class TestReadableArchive:
    async def test_a_plain_one_is_read_in_place(self, plain: bytes, tmp_path: Path) -> None:
        path = tmp_path / "a.tar"
        path.write_bytes(plain)
        async with readable_archive(path, tmp_path / "nowhere") as index:
            assert index.path == path
            assert index.content("x", len(CONTENT)) == CONTENT

    @pytest.mark.parametrize("how", PACKERS)
    async def test_a_compressed_one_is_unpacked_and_gone_afterwards(
        self, how: str, plain: bytes, tmp_path: Path
    ) -> None:
        path, scratch = tmp_path / "a.tar.x", tmp_path / "scratch"
        scratch.mkdir()
        path.write_bytes(PACKERS[how](plain))
        async with readable_archive(path, scratch) as index:
            assert index.content("x", len(CONTENT)) == CONTENT
            assert index.path.parent.parent == scratch
            assert stat.S_IMODE(index.path.parent.stat().st_mode) == 0o700
        assert os.listdir(scratch) == []

    @pytest.mark.parametrize("how", PACKERS)
    async def test_one_cut_short(self, how: str, plain: bytes, tmp_path: Path) -> None:
        path = tmp_path / "a.tar.x"
        path.write_bytes(PACKERS[how](plain)[:-7])
        with pytest.raises(InvalidContent, match=r"a\.tar\.x: the (gzip|zstd|bzip2|xz) data is cut short"):
            await read(path, tmp_path)
        assert os.listdir(tmp_path) == ["a.tar.x"]

    @pytest.mark.parametrize("how", PACKERS)
    async def test_a_damaged_one(self, how: str, plain: bytes, tmp_path: Path) -> None:
        packed = bytearray(PACKERS[how](plain))
        packed[10_000:10_100] = bytes(100)
        path = tmp_path / "a.tar.x"
        path.write_bytes(packed)
        with pytest.raises(InvalidContent, match=r"a\.tar\.x: damaged (gzip|zstd|bzip2|xz) data"):
            await read(path, tmp_path)
        assert os.listdir(tmp_path) == ["a.tar.x"]

    async def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(PathNotFound, match=r"open .*none: no such file") as caught:
            await read(tmp_path / "none")
        assert caught.value.exit_code == 1

    async def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(StorageFailed, match="is a directory"):
            await read(tmp_path)

    async def test_no_room(self, plain: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.tar.gz").write_bytes(gzip.compress(plain))
        with pytest.raises(StorageFailed, match="creating .*none"):
            await read(tmp_path / "a.tar.gz", tmp_path / "none")

    @pytest.mark.parametrize("how", ["plain", "gzip", "xz", "bzip2", "zstd"])
    @pytest.mark.parametrize("first", [1, 5, 100_000])
    async def test_a_named_pipe_with_a_slow_writer(
        self, how: str, first: int, plain: bytes, tmp_path: Path
    ) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        data = PACKERS[how](plain) if how != "plain" else plain

        def write() -> None:
            time.sleep(0.1)
            with pipe.open("wb", buffering=0) as out:
                out.write(data[:first])
                time.sleep(0.1)
                view = memoryview(data)[first:]
                while view:
                    view = view[out.write(view) :]

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        with anyio.fail_after(20):
            assert await read(pipe, tmp_path) == CONTENT
        writer.join(10)
        assert os.listdir(tmp_path) == ["pipe"]

    @pytest.mark.parametrize("how", ["plain", "gzip"])
    async def test_a_stream_is_read_to_its_end(self, how: str, plain: bytes, tmp_path: Path) -> None:
        """What follows the archive is read, so that the writer of a pipe does not fail, and checksums are verified."""
        data = plain + bytes(3_000_000)
        with piped(gzip.compress(data) if how == "gzip" else data, tmp_path) as pipe:
            assert await read(pipe, tmp_path) == CONTENT

    @pytest.mark.parametrize("how", ["plain", "gzip"])
    @pytest.mark.parametrize("before", ["an archive", "nothing"])
    async def test_a_stream_without_end(self, how: str, before: str, plain: bytes, tmp_path: Path) -> None:
        data = (plain if before == "an archive" else b"") + bytes(80 * 1024 * 1024)
        with (
            piped(gzip.compress(data, 1) if how == "gzip" else data, tmp_path) as pipe,
            pytest.raises(TooLarge, match="pipe: over 67108864 bytes follow the end of the archive"),
        ):
            await read(pipe, tmp_path)
        assert os.listdir(tmp_path) == ["pipe"]

    @pytest.mark.parametrize("how", ["plain", "gzip"])
    @pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE, b"Z"])
    async def test_a_member_that_has_no_room(self, kind: bytes, how: str, tmp_path: Path) -> None:
        """What follows is not read: the sender may go on until the disk is full."""
        member = tarfile.TarInfo("layer.tar")
        member.size, member.type = 1 << 60, kind
        data = member.tobuf() + bytes(64 * 1024 * 1024)
        with (
            piped(gzip.compress(data, 1) if how == "gzip" else data, tmp_path) as pipe,
            pytest.raises(StorageFailed, match=r"pipe: its headers say that 11529215046\d+ bytes of it follow, for which "
                          f"{tmp_path} has no room; name a directory with more room with --tmpdir or [$]TMPDIR$") as caught,
        ):  # fmt: skip
            await read(pipe, tmp_path)
        assert caught.value.errno == errno.ENOSPC
        assert os.listdir(tmp_path) == ["pipe"]

    async def test_a_disk_that_is_full_meanwhile(
        self, plain: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(self: FileSink, buffer: memoryview) -> None:
            raise StorageFailed.of(OSError(errno.ENOSPC, "No space left on device"), f"writing {self.path}")

        monkeypatch.setattr(FileSink, "write", full)
        said = "no space left on device; name a directory with more room with --tmpdir or [$]TMPDIR$"
        with piped(plain, tmp_path) as pipe, pytest.raises(StorageFailed, match=said):
            await read(pipe, tmp_path)
        assert os.listdir(tmp_path) == ["pipe"]

    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
    async def test_a_device_without_end(self, device: str, tmp_path: Path) -> None:
        with pytest.raises((TooLarge, InvalidContent), match=f"{device}: over|{device} is not a tar archive"):
            await read(Path(device), tmp_path)
        assert os.listdir(tmp_path) == []

    async def test_waiting_for_a_writer_can_be_cancelled(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        started = time.monotonic()
        with anyio.move_on_after(0.1) as scope:
            await read(tmp_path / "pipe", tmp_path)
        assert scope.cancelled_caught
        assert time.monotonic() - started < 10
        assert os.listdir(tmp_path) == ["pipe"]

    async def test_waiting_for_standard_input_can_be_cancelled(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reading, writing = os.pipe()
        saved = os.dup(0)
        os.dup2(reading, 0)
        try:
            with anyio.move_on_after(0.1) as scope:
                await read(Path("-"), tmp_path)
        finally:
            os.dup2(saved, 0)
            for fd in (reading, writing, saved):
                os.close(fd)
        assert scope.cancelled_caught
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("how", ["plain", "gzip"])
    async def test_standard_input(self, how: str, plain: bytes, tmp_path: Path) -> None:
        data = PACKERS[how](plain) if how != "plain" else plain
        (tmp_path / "input").write_bytes(data)
        saved = os.dup(0)
        with (tmp_path / "input").open("rb") as given:
            os.dup2(given.fileno(), 0)
        try:
            assert await read(Path("-"), tmp_path) == CONTENT
        finally:
            os.dup2(saved, 0)
            os.close(saved)
        assert os.listdir(tmp_path) == ["input"]

    async def test_a_full_disk(self, plain: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import errno

        (tmp_path / "a.tar.xz").write_bytes(lzma.compress(plain))
        real = os.write

        def full(fd: int, data: bytes) -> int:
            if len(data) < 100:
                return real(fd, data)
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StorageFailed, match=r"writing .*archive\.tar: no space left"):
            await read(tmp_path / "a.tar.xz", tmp_path)
        assert os.listdir(tmp_path) == ["a.tar.xz"]


class TestScratchDirectory:
    def test_it_is_beside_and_not_made_before_it_is_used(self, tmp_path: Path) -> None:
        directory = scratch_directory(tmp_path / "image.tar", Storage())
        assert directory.path.parent == tmp_path
        assert os.listdir(tmp_path) == []
        directory.create()
        (directory.path / "file").write_bytes(bytes(MIN_KEPT))
        directory.close(failed=False)
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/5"])
    def test_beside_a_stream_means_where_temporary_files_are(self, name: str, tmp_path: Path) -> None:
        import tempfile

        directory = scratch_directory(Path(name), Storage())
        assert str(directory.path.parent) == tempfile.gettempdir()
        directory = scratch_directory(Path(name), Storage(scratch=tmp_path))
        assert directory.path.parent == tmp_path
        assert not directory.resumes

    @pytest.mark.parametrize("name", ["é" * 127, "-.hidden"])
    def test_names(self, name: str, tmp_path: Path) -> None:
        directory = scratch_directory(tmp_path / name, Storage())
        directory.create()
        assert os.listdir(tmp_path) == [directory.path.name]
        directory.close(failed=False)

    def test_each_output_has_its_own(self, tmp_path: Path) -> None:
        outputs = [tmp_path / "a" / "image.tar", tmp_path / "b" / "image.tar", tmp_path / "a" / f"{'i' * 99}1", tmp_path / "a" / f"{'i' * 99}2"]
        paths = {scratch_directory(output, Storage(scratch=tmp_path)).path for output in outputs}
        assert len(paths) == 4
        assert {path.parent for path in paths} == {tmp_path}

    def test_what_a_killed_run_left_is_removed_and_what_is_in_use_is_not(self, tmp_path: Path) -> None:
        left = tmp_path / partial_name("image.tar")
        left.mkdir()
        (left / "file").write_bytes(b"x")
        (tmp_path / partial_name("other.tar")).mkdir()
        first, second = (scratch_directory(tmp_path / "image.tar", Storage()) for _ in range(2))
        first.create()
        assert not left.exists()
        second.create()
        assert first.path.exists()
        for directory in (first, second):
            directory.close(failed=False)
        assert len(os.listdir(tmp_path)) == 1


def test_temporary_directories_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with temporary_directory(tmp_path) as directory:
            create_directory(directory)
            create_directory(directory)
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        kept = scratch_directory(tmp_path / "image.tar", Storage())
        kept.create()
        assert stat.S_IMODE(kept.path.stat().st_mode) == 0o700
        kept.close(failed=False)
    finally:
        os.umask(old)
    assert os.listdir(tmp_path) == []


def test_threads_create_it_once(tmp_path: Path) -> None:
    with temporary_directory(tmp_path) as directory:
        threads = [threading.Thread(target=create_directory, args=(directory,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert os.listdir(tmp_path) == [directory.name]
    assert os.listdir(tmp_path) == []
