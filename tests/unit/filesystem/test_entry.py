"""Members of layers: what they stand for, and which are refused."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.filesystem.entry import Entry, Kind, Whiteout, read_member
from pyskopeo.storage.tar_headers import TarEntry, TarParser
from tests.support.filetrees import directory, file, hard, layer, link, member


def only(tar: bytes) -> TarEntry:
    """The first member of an archive."""
    stream, events = io.BytesIO(tar), TarParser("a").events()
    event: int | TarEntry = next(events)
    while isinstance(event, int):
        event = events.send(stream.read(event))
    return event


def read(given: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> Entry | Whiteout | None:
    return read_member(only(layer(given, format=format)), 3, 7, "layer 3")


def entry(given: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> Entry:
    found = read(given, format)
    assert isinstance(found, Entry)
    return found


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_a_member_says(format: int) -> None:
    found = entry(file("./usr//bin/x", b"abc", mode=0o104755, uid=1000, gid=100_000, mtime=1_700_000_000), format)
    assert found == Entry(
        "usr/bin/x", Kind.FILE, 0o4755, 1000, 100_000, 1_700_000_000 * 10**9, 3, "", (0, 0), (), 3, 7
    )  # fmt: skip
    assert found.key == (3, 7)


@pytest.mark.parametrize(
    ("name", "path"),
    [("/etc/passwd", "etc/passwd"), ("//etc//passwd", "etc/passwd"), ("./a/./b", "a/b"), ("a/", "a"), ("..a/b..", "..a/b.."),
     ("C:\\Windows", "C:\\Windows"), (" ", " "), ("a\nb", "a\nb"), ("\\..\\x", "\\..\\x")],
)  # fmt: skip
def test_names_are_paths_below_the_root(name: str, path: str) -> None:
    assert entry(file(name)).path == path


@pytest.mark.parametrize(
    "name", ["..", "../x", "/../x", "a/../b", "a/..", "./../../etc/passwd", ".wh...", ".wh..", ".wh.", "a/.wh...", "../.wh.a",
             "../.wh..wh..opq", ".wh.a/b", "a/" * 201 + "b", "x" * 4097, "d/" * 2100 + "x"],
)  # fmt: skip
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InvalidContent, match=r"^layer 3: '"):
        read(file(name))


def test_a_name_that_is_not_utf_8() -> None:
    found = entry(file(b"caf\xe9".decode("utf-8", "surrogateescape")))
    assert found.path.encode("utf-8", "surrogateescape") == b"caf\xe9"


@pytest.mark.parametrize("name", ["", ".", "/", "./", "//."])
def test_the_root_is_a_directory(name: str) -> None:
    if name:
        assert entry(directory(name, mode=0o700)).path == ""
    for other in (file(name), link(name, "/etc"), hard(name, "a"), (member(name, tarfile.FIFOTYPE), b"")):
        with pytest.raises(InvalidContent, match="would replace the root directory"):
            read(other)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".wh.a", Whiteout("a", opaque=False)),
        ("a/b/.wh.c", Whiteout("a/b/c", opaque=False)),
        ("a/.wh..wh..opq", Whiteout("a", opaque=True)),
        (".wh..wh..opq", Whiteout("", opaque=True)),
        ("a/.wh..b", Whiteout("a/.b", opaque=False)),
        (".wh..wh.aufs", None),
        (".wh..wh.plnk/12.34", None),
        ("a/.wh..wh.orph/x", None),
    ],
)
def test_whiteouts(name: str, expected: Whiteout | None) -> None:
    assert read(file(name, b"")) == expected


def test_a_name_with_wh_in_it_is_no_whiteout() -> None:
    assert entry(file("a.wh.b")).path == "a.wh.b"


class TestLinks:
    def test_a_symbolic_link_is_kept_as_it_is(self) -> None:
        for target in ("../../etc/passwd", "/etc", "a//b/", ".wh.x"):
            found = entry(link("l", target))
            assert (found.kind, found.link, found.size) == (Kind.SYMLINK, target, 0)

    def test_a_hard_link_is_to_a_path_below_the_root(self) -> None:
        assert entry(hard("l", "/usr/./bin/x")).link == "usr/bin/x"

    @pytest.mark.parametrize(
        "given", [hard("l", "../x"), hard("l", "/a/../../x"), hard("l", "."), hard("l", "/"), link("l", ""), link("l", "x" * 4096)],
        ids=["up", "up-from-the-root", "here", "the-root", "to-nothing", "too-long"],
    )  # fmt: skip
    def test_links_that_are_refused(self, given: tuple[tarfile.TarInfo, bytes]) -> None:
        with pytest.raises(InvalidContent, match=r"^layer 3: 'l'"):
            read(given)


class TestNumbers:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"mtime": 1.5}, 1_500_000_000),
            ({"mtime": -1.25}, -1_250_000_000),
            ({"mtime": 0}, 0),
            ({"mtime": 10**18}, 2**34 * 10**9),
            ({"mtime": -(10**18)}, -(2**31) * 10**9),
            ({"pax_headers": {"mtime": "9" * 40}}, 0),
            ({"pax_headers": {"mtime": "tomorrow"}}, 0),
            ({"pax_headers": {"mtime": "1.123456789999"}}, 1_123_456_789),
        ],
    )
    def test_times(self, fields: dict[str, Any], expected: int) -> None:
        assert entry(file("a", **fields)).mtime == expected

    def test_a_time_before_1970_in_base_256(self) -> None:
        assert entry(file("a", mtime=-5), tarfile.GNU_FORMAT).mtime == 0

    def test_owners(self) -> None:
        assert entry(file("a", uid=2**32 - 2, gid=8**7)).uid == 2**32 - 2
        assert entry(file("a", uid=2**21 + 1), tarfile.GNU_FORMAT).uid == 2**21 + 1
        for fields in ({"uid": 2**32 - 1}, {"gid": 2**40}, {"pax_headers": {"uid": "-1"}}):
            with pytest.raises(InvalidContent, match="an owner that is no number"):
                read(file("a", **fields))

    def test_devices(self) -> None:
        found = entry((member("null", tarfile.CHRTYPE, devmajor=1, devminor=3), b""))
        assert (found.kind, found.device) == (Kind.CHARACTER, (1, 3))
        assert entry((member("p", tarfile.FIFOTYPE, devmajor=1), b"")).device == (0, 0)

    def test_extended_attributes(self) -> None:
        found = entry(file("a", pax_headers={"SCHILY.xattr.user.b": "2", "SCHILY.xattr.user.a": "1", "comment": "x"}))
        assert found.xattrs == ((b"user.a", b"1"), (b"user.b", b"2"))


class TestKinds:
    @pytest.mark.parametrize("kind", [b"D", b"M", b"V", b"N", b"Z", b"\xff"])
    def test_types_that_are_not_supported(self, kind: bytes) -> None:
        header = bytearray(only(layer(file("a", b""))).header)
        header[156:157] = kind
        found = TarEntry("a", kind, "", 512, 0, header=bytes(header))
        with pytest.raises(InvalidContent, match="which is not supported"):
            read_member(found, 1, 0, "layer 1")

    def test_a_sparse_file(self) -> None:
        with pytest.raises(InvalidContent, match="a sparse file, which is not supported"):
            read(file("a", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}))
        info = member("a", tarfile.GNUTYPE_SPARSE)
        with pytest.raises(InvalidContent, match="a sparse file"):
            read((info, b""), tarfile.GNU_FORMAT)
