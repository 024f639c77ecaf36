"""Tar: reading in place what others wrote, hostile or not; writing the same bytes every time."""

from __future__ import annotations

import errno
import io
import os
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import InvalidContent, NotFound, StorageFailed, TooLarge
from pyskopeo.storage import tar_headers
from pyskopeo.storage.tar import TarIndex, TarWriter
from pyskopeo.storage.tar_encoding import header
from pyskopeo.streams.cancellation import Cancellation, Cancelled


def info(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.size = kind, link, size
    return found


def tar(
    path: Path, *members: tuple[tarfile.TarInfo, bytes] | tarfile.TarInfo, format: int = tarfile.PAX_FORMAT
) -> Path:
    with tarfile.open(path, "w", format=format) as archive:
        for member in members:
            one, content = member if isinstance(member, tuple) else (member, b"")
            one.size = len(content)
            archive.addfile(one, io.BytesIO(content))
    return path


def file(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return info(name), content


def sym(name: str, target: str) -> tarfile.TarInfo:
    return info(name, kind=tarfile.SYMTYPE, link=target)


def hard(name: str, target: str) -> tarfile.TarInfo:
    return info(name, kind=tarfile.LNKTYPE, link=target)


def sealed(block: bytearray) -> bytes:
    """A header block whose checksum is right again."""
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


class TestReading:
    @pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_members_lie_where_it_says(self, format: int, tmp_path: Path) -> None:
        long = "directory/" * 14 + "name.tar" if format != tarfile.USTAR_FORMAT else "d" * 90 + "/" + "n" * 60
        path = tar(
            tmp_path / "a.tar", info("blobs", kind=tarfile.DIRTYPE), file("blobs/x", b"one"), file(long, b"two" * 999),
            file("empty", b""), format=format,
        )  # fmt: skip
        index = TarIndex.read(path)
        assert index.content("blobs/x", 10) == b"one"
        assert index.content(long, 10_000) == b"two" * 999
        assert index.content("empty", 0) == b""
        location = index.locate("blobs/x")
        assert (location.path, location.size) == (path, 3)
        assert path.read_bytes()[location.offset : location.offset + 3] == b"one"
        assert "blobs/x" in index
        assert "blobs" not in index

    @pytest.mark.parametrize("stored", ["./a/b", "a/b", "/a/b", "a//b", "a/./b", "x/../a/b", "../a/b"])
    @pytest.mark.parametrize("asked", ["a/b", "./a/b", "/a/b"])
    def test_every_way_to_write_a_name(self, stored: str, asked: str, tmp_path: Path) -> None:
        assert TarIndex.read(tar(tmp_path / "a.tar", file(stored, b"x"))).content(asked, 5) == b"x"

    @pytest.mark.parametrize("content", [b"", b"same", b"x" * 3_000_000])
    @pytest.mark.parametrize("names", [("a", "a"), ("a", "./a"), ("./a", "b/../a", "/a")])
    def test_members_that_are_there_again(self, names: tuple[str, ...], content: bytes, tmp_path: Path) -> None:
        index = TarIndex.read(tar(tmp_path / "a.tar", *(file(name, content) for name in names)))
        assert index.content("a", len(content)) == content

    @pytest.mark.parametrize(
        "members",
        [
            [file("a", b"old"), file("a", b"new")],
            [file("a", b"old"), file("./a", b"longer")],
            [file("a", b"x" * 2_000_000 + b"1"), file("a", b"x" * 2_000_000 + b"2")],
            [file("a", b"1"), file("a", b"2"), file("a", b"1")],
            [file("a", b"1"), file("a", b"1"), file("a", b"2")],
            [file("a", b"1"), sym("a", "other")],
            [sym("a", "other"), sym("a", "one")],
            [hard("a", "other"), file("a", b"1")],
            [file("../a", b"1"), file("a", b"2")],
        ],
    )
    def test_members_of_one_name_that_differ(
        self, members: list[tuple[tarfile.TarInfo, bytes] | tarfile.TarInfo], tmp_path: Path
    ) -> None:
        index = TarIndex.read(
            tar(tmp_path / "a.tar", *members, file("other", b"x"), file("one", b"x"), sym("link", "a"))
        )
        for name in ("a", "link"):
            with pytest.raises(InvalidContent, match="'a' is in this archive more than once, with different content"):
                index.content(name, 5_000_000)
        assert index.content("other", 5) == b"x"
        assert "a" in index

    @pytest.mark.parametrize("kind", [sym, hard])
    def test_links_that_are_there_again(self, kind: Callable[[str, str], tarfile.TarInfo], tmp_path: Path) -> None:
        path = tar(tmp_path / "a.tar", kind("a", "other"), kind("a", "./other"), file("other", b"x"))
        assert TarIndex.read(path).content("a", 5) == b"x"

    @pytest.mark.parametrize(
        ("members", "asked"),
        [
            ([sym("d/link", "../x")], "d/link"),
            ([sym("d/link", "/x")], "d/link"),
            ([sym("d/link", "../../../x")], "d/link"),
            ([sym("a", "b"), sym("b", "c"), sym("c", "x")], "a"),
            ([hard("d/link", "x")], "d/link"),
            ([hard("d/link", "./x")], "d/link"),
            ([hard("h", "s"), sym("s", "x")], "h"),
        ],
    )
    def test_links_inside_are_followed(self, members: list[tarfile.TarInfo], asked: str, tmp_path: Path) -> None:
        index = TarIndex.read(tar(tmp_path / "a.tar", file("x", b"content"), *members))
        assert index.content(asked, 10) == b"content"
        assert asked in index

    @pytest.mark.parametrize(
        "members", [[sym("a", "a")], [sym("a", "b"), sym("b", "a")], [hard("a", "a")], [sym("a", "./b"), hard("b", "a")]]
    )
    def test_links_in_a_circle(self, members: list[tarfile.TarInfo], tmp_path: Path) -> None:
        with pytest.raises(InvalidContent, match="links lead in a circle at 'a'"):
            TarIndex.read(tar(tmp_path / "a.tar", *members)).find("a")

    def test_a_long_chain_of_links(self, tmp_path: Path) -> None:
        links = [sym(f"l{n}", f"l{n + 1}") for n in range(40)]
        index = TarIndex.read(tar(tmp_path / "a.tar", *links, file("l40", b"x")))
        assert index.content("l20", 5) == b"x"
        with pytest.raises(InvalidContent, match="circle"):
            index.find("l0")

    def test_links_lead_nowhere_outside(self, tmp_path: Path) -> None:
        index = TarIndex.read(tar(tmp_path / "a.tar", sym("a", "/etc/passwd"), sym("b", "../../etc/passwd")))
        for name in "ab":
            with pytest.raises(NotFound, match=rf"no '{name}' in this archive"):
                index.find(name)

    def test_devices_and_pipes_are_not_members(self, tmp_path: Path) -> None:
        path = tar(tmp_path / "a.tar", info("p", kind=tarfile.FIFOTYPE), info("c", kind=tarfile.CHRTYPE))
        assert "p" not in TarIndex.read(path)
        assert "c" not in TarIndex.read(path)

    def test_the_limit_of_small_members(self, tmp_path: Path) -> None:
        index = TarIndex.read(tar(tmp_path / "a.tar", file("a", b"12345")))
        assert index.content("a", 5) == b"12345"
        with pytest.raises(TooLarge, match="'a' is over the limit of 4 bytes"):
            index.content("a", 4)

    def test_a_member_over_eight_gibibytes(self, tmp_path: Path) -> None:
        size = 9 * 2**30
        for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            path = tmp_path / f"{format}.tar"
            with path.open("wb") as out:
                out.write(info("big", size=size).tobuf(format))
                out.seek(size, os.SEEK_CUR)  # sparse: nothing is written
                out.write(info("after", size=5).tobuf() + b"after".ljust(512, b"\0") + bytes(1024))
            index = TarIndex.read(path)
            assert index.find("big").size == size
            assert index.content("after", 5) == b"after"

    def test_the_number_of_members_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tar(tmp_path / "a.tar", *(file(f"f{n}", b"") for n in range(6)))
        monkeypatch.setattr(tar_headers, "MOST_MEMBERS", 6)
        TarIndex.read(path)
        monkeypatch.setattr(tar_headers, "MOST_MEMBERS", 5)
        with pytest.raises(TooLarge, match="over 5 members"):
            TarIndex.read(path)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "not a tar archive"),
            (b"x", "not a tar archive"),
            (b"PK\x03\x04" + bytes(2000), "not a tar archive"),
            (b'{"schemaVersion":2}'.ljust(1024), "not a tar archive"),
            (os.urandom(4096), "not a tar archive"),
        ],
    )
    def test_what_is_no_tar(self, content: bytes, reason: str, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(content)
        with pytest.raises(InvalidContent, match=reason):
            TarIndex.read(tmp_path / "a.tar")

    def test_blocks_of_zeros_are_an_archive_of_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a.tar").write_bytes(bytes(10240))
        assert "x" not in TarIndex.read(tmp_path / "a.tar")

    @pytest.mark.parametrize("cut", [513, 700, 1023, 512 + 4096 - 1])
    def test_an_archive_cut_in_a_member(self, cut: int, tmp_path: Path) -> None:
        path = tar(tmp_path / "a.tar", file("a", b"x" * 4096), file("b", b"y"))
        os.truncate(path, cut)
        with pytest.raises(InvalidContent, match="unexpected end of data"):
            TarIndex.read(path)

    def test_an_archive_cut_in_an_extended_header(self, tmp_path: Path) -> None:
        path = tar(tmp_path / "a.tar", file("a", b""), file("n" * 200, b"y"))
        os.truncate(path, 512 + 512 + 100)
        with pytest.raises(InvalidContent):
            TarIndex.read(path)

    def test_a_header_that_is_none(self, tmp_path: Path) -> None:
        path = tar(tmp_path / "a.tar", file("a", b"x"), file("b", b"y"))
        content = bytearray(path.read_bytes())
        content[1024:1536] = os.urandom(512)
        path.write_bytes(content)
        with pytest.raises(InvalidContent, match="damaged tar archive: no header at byte 1024"):
            TarIndex.read(path)

    @pytest.mark.parametrize("end", [0, 100, 512, 1024, 10240])
    def test_an_archive_may_end_as_it_likes(self, end: int, tmp_path: Path) -> None:
        path = tar(tmp_path / "a.tar", file("a", b"x"), file("b", b"y"))
        path.write_bytes(path.read_bytes()[:2048] + bytes(end))
        assert "b" in TarIndex.read(path)

    def test_members_of_negative_size(self, tmp_path: Path) -> None:
        block = bytearray(info("b").tobuf())
        block[124:136] = b"\xff" * 8 + struct.pack(">i", -1024)
        (tmp_path / "a.tar").write_bytes(info("a").tobuf() + sealed(block) + bytes(1024))
        with pytest.raises(InvalidContent, match="damaged"):
            TarIndex.read(tmp_path / "a.tar")

    def test_negative_sizes_in_extended_headers(self, tmp_path: Path) -> None:
        pax = info("b")
        pax.pax_headers = {"size": "-1024"}
        (tmp_path / "a.tar").write_bytes(info("a").tobuf() + pax.tobuf(tarfile.PAX_FORMAT) + bytes(1024))
        with pytest.raises(InvalidContent, match="damaged"):
            TarIndex.read(tmp_path / "a.tar")

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(StorageFailed, match="no such file"):
            TarIndex.read(tmp_path / "none.tar")

    @given(st.binary(max_size=1500), st.integers(0, 1500))
    def test_any_damage_is_one_of_our_errors(self, noise: bytes, at: int) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = tar(Path(folder) / "a.tar", file("a", b"x" * 600), sym("n" * 150, "a"), file("b", b""))
            content = bytearray(path.read_bytes())
            content[at : at + len(noise)] = noise
            path.write_bytes(content)
            refusal = ""
            try:
                TarIndex.read(path)
            except InvalidContent as error:
                refusal = str(error)
            assert refusal.isprintable()


class Written:
    """What a `TarWriter` wrote, read by Python's tarfile."""

    def __init__(self, path: Path, write: Callable[[TarWriter], None]) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            write(TarWriter.to(fd, path))
        finally:
            os.close(fd)
        self.path = path
        self.archive = tarfile.open(path, "r:")
        self.members = {member.name: member for member in self.archive}

    def content(self, name: str) -> bytes:
        found = self.archive.extractfile(name)
        assert found is not None
        with found:
            return found.read()


class TestWriting:
    def test_everything(self, tmp_path: Path) -> None:
        (tmp_path / "source").write_bytes(b"s" * 1000)

        def write(writer: TarWriter) -> None:
            writer.add_directory("blobs")
            writer.add_file("blobs/x", tmp_path / "source", 1000, 0o644)
            writer.add_bytes("json", b"{}", 0o444)
            writer.add_bytes("empty", b"", 0o444)
            writer.add_symlink("l/layer.tar", "../x.tar")
            writer.finish()

        with Written(tmp_path / "a.tar", write).archive as archive:
            members = {m.name: (m.type, m.mode, m.size, m.linkname) for m in archive}
        assert members == {
            "blobs": (tarfile.DIRTYPE, 0o755, 0, ""),
            "blobs/x": (tarfile.REGTYPE, 0o644, 1000, ""),
            "json": (tarfile.REGTYPE, 0o444, 2, ""),
            "empty": (tarfile.REGTYPE, 0o444, 0, ""),
            "l/layer.tar": (tarfile.SYMTYPE, 0, 0, "../x.tar"),
        }
        content = (tmp_path / "a.tar").read_bytes()
        assert len(content) % 512 == 0
        assert content.endswith(bytes(1024))

    def test_times_and_owners_are_nobodys(self, tmp_path: Path) -> None:
        written = Written(tmp_path / "a.tar", lambda writer: writer.add_bytes("x", b"x", 0o644))
        member = written.members["x"]
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
        assert (member.devmajor, member.devminor) == (0, 0)
        written.archive.close()

    @pytest.mark.parametrize(
        "name",
        ["x", "n" * 99, "n" * 100, "n" * 101, "n" * 255, "d/" * 120 + "f", "blobs/sha512/" + "a" * 128, "ü", "d/ü" * 60],
    )
    def test_names_of_any_length(self, name: str, tmp_path: Path) -> None:
        def write(writer: TarWriter) -> None:
            writer.add_bytes(name, b"content", 0o444)
            writer.add_symlink("link", name)
            writer.finish()

        written = Written(tmp_path / "a.tar", write)
        assert list(written.members) == [name, "link"]
        assert written.members["link"].linkname == name
        assert written.content(name) == b"content"
        assert TarIndex.read(tmp_path / "a.tar").content("link", 10) == b"content"
        # An extended header only where it takes one.
        assert ((tmp_path / "a.tar").read_bytes()[156:157] == b"x") == (len(name.encode()) > 100 or "ü" in name)
        written.archive.close()

    @pytest.mark.parametrize("size", [0, 1, 8**11 - 1, 8**11, 8**11 + 1, 2**40, 2**63 - 1])
    def test_sizes_in_headers(self, size: int) -> None:
        block = header("name", mode=0o444, size=size)
        assert len(block) % 512 == 0
        with tarfile.open(fileobj=io.BytesIO(block + bytes(1024)), mode="r:") as archive:
            assert archive.firstmember is not None  # type: ignore[attr-defined]
            member: tarfile.TarInfo = archive.firstmember  # type: ignore[attr-defined]
        assert (member.name, member.size, member.mode) == ("name", size, 0o444)
        if size < 8**11:
            expected = tarfile.TarInfo("name")
            expected.mode, expected.size = 0o444, size
            python = bytearray(expected.tobuf(tarfile.USTAR_FORMAT))
            python[329:345] = b"0000000\0" * 2  # device numbers, which Go writes for every member
            assert block == sealed(python)
        else:
            assert b"size=%d\n" % size in block

    def test_a_file_over_eight_gibibytes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        size = 8**11 + 12345
        source = tmp_path / "source"
        with source.open("wb") as out:
            out.truncate(size)
            out.seek(size - 3)
            out.write(b"end")

        def skip_holes(target: int, source: int, offset: int, count: int) -> int:
            """As the kernel would, without writing what is nothing."""
            step = min(count, max(1, size - 4096 - offset)) if offset < size - 4096 else count
            if offset + step <= size - 4096:
                os.lseek(target, step, os.SEEK_CUR)
                return step
            return real(target, source, offset, count)

        real = os.sendfile
        monkeypatch.setattr(os, "sendfile", skip_holes)

        def write(writer: TarWriter) -> None:
            writer.add_file("big", source, size, 0o644)
            writer.add_bytes("after", b"after", 0o644)
            writer.finish()

        written = Written(tmp_path / "a.tar", write)
        assert {name: m.size for name, m in written.members.items()} == {"big": size, "after": 5}
        with written.archive.extractfile("big") as big:  # type: ignore[union-attr]
            big.seek(size - 3)
            assert big.read() == b"end"
        assert written.content("after") == b"after"
        assert TarIndex.read(tmp_path / "a.tar").find("big").size == size
        written.archive.close()

    @pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSOCK])
    def test_where_the_kernel_cannot_send(self, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "source").write_bytes(bytes(range(256)) * 20_000)

        def refuse(*_: object) -> int:
            raise OSError(number, "no")

        monkeypatch.setattr(os, "sendfile", refuse)
        size = 256 * 20_000
        written = Written(tmp_path / "a.tar", lambda w: w.add_file("x", tmp_path / "source", size, 0o644))
        assert written.content("x") == (tmp_path / "source").read_bytes()
        written.archive.close()

    def test_systems_that_cannot_send(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "source").write_bytes(b"content")
        monkeypatch.delattr(os, "sendfile")
        written = Written(tmp_path / "a.tar", lambda w: w.add_file("x", tmp_path / "source", 7, 0o644))
        assert written.content("x") == b"content"
        written.archive.close()

    @pytest.mark.parametrize("sending", [True, False])
    def test_a_file_that_became_shorter(
        self, sending: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "source").write_bytes(b"short")
        if not sending:
            monkeypatch.delattr(os, "sendfile")
        with pytest.raises(StorageFailed, match=r"source became shorter"):
            Written(tmp_path / "a.tar", lambda w: w.add_file("x", tmp_path / "source", 6, 0o644))

    def test_a_file_that_became_longer_gives_what_was_promised(self, tmp_path: Path) -> None:
        (tmp_path / "source").write_bytes(b"longer than that")
        written = Written(tmp_path / "a.tar", lambda w: w.add_file("x", tmp_path / "source", 6, 0o644))
        assert written.content("x") == b"longer"
        written.archive.close()

    @pytest.mark.parametrize("after", [0, 1])
    def test_a_full_disk(self, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "source").write_bytes(bytes(100_000))
        real_send, real_write, sent = os.sendfile, os.write, list[int]()

        def full(*arguments: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def send(target: int, source: int, offset: int, count: int) -> int:
            if len(sent) < after:
                sent.append(real_send(target, source, offset, 1000))
                return sent[-1]
            return full()

        monkeypatch.setattr(os, "sendfile", send)
        monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data) if len(data) <= 512 else full())
        with pytest.raises(StorageFailed, match=r"writing .*/a\.tar: no space left on device"):
            Written(tmp_path / "a.tar", lambda w: w.add_file("x", tmp_path / "source", 100_000, 0o644))

    def test_it_can_be_stopped(self, tmp_path: Path) -> None:
        (tmp_path / "source").write_bytes(b"x")
        cancellation = Cancellation()

        def write(writer: TarWriter) -> None:
            cancellation.cancel()
            writer.add_file("x", tmp_path / "source", 1, 0o644)

        with pytest.raises(Cancelled):
            cancellation.run(lambda: Written(tmp_path / "a.tar", write))
