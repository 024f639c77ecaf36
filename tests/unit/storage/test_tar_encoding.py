"""Headers that we write, read by Python's tarfile: every field comes back."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyskopeo.storage.tar_encoding import MemberAttributes, header, padding

NAMES = st.text(st.sampled_from("ab/. éü漢\U0001f600\udce9"), min_size=1, max_size=150).filter(
    lambda name: name.strip("/") == name
)
BIG = st.one_of(st.integers(0, 3000), st.sampled_from([8**7 - 1, 8**7, 2**31, 2**32 - 2]))


def read(block: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(block + bytes(1024)), mode="r:", errors="surrogateescape") as archive:
        found = archive.next()
    assert found is not None
    return found


@settings(max_examples=300)
@given(
    name=NAMES, link=st.one_of(st.just(""), NAMES), mode=st.integers(0, 0o7777), uid=BIG, gid=BIG,
    mtime=st.one_of(st.integers(-(10**10), 9 * 10**9).map(lambda s: s * 10**9), st.integers(0, 10**19)),
    kind=st.sampled_from([b"0", b"1", b"2", b"5", b"6"]),
    xattrs=st.lists(st.tuples(st.binary(min_size=1, max_size=8).filter(lambda key: not set(key) & set(b"=\n\0")), st.binary(max_size=20)),
                    max_size=2, unique_by=lambda pair: pair[0]),
)  # fmt: skip
def test_what_is_written_is_what_is_read(
    name: str, link: str, mode: int, uid: int, gid: int, mtime: int, kind: bytes, xattrs: list[tuple[bytes, bytes]]
) -> None:
    link = link if kind in b"12" else ""
    attributes = MemberAttributes(uid, gid, mtime, (0, 0), tuple(xattrs))
    found = read(header(name, mode=mode, kind=kind, link=link, attributes=attributes))
    assert (found.name, found.linkname, found.mode, found.type) == (name, link, mode, kind)
    assert (found.uid, found.gid) == (uid, gid)
    assert found.mtime == pytest.approx(mtime / 10**9)
    stated = {key: value for key, value in found.pax_headers.items() if key.startswith("SCHILY")}
    assert stated == {
        f"SCHILY.xattr.{key.decode('utf-8', 'surrogateescape')}": value.decode("utf-8", "surrogateescape") for key, value in xattrs
    }  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 8**11 - 1, 8**11, 2**50])
def test_sizes(size: int) -> None:
    assert read(header("a", mode=0o644, size=size)).size == size


def test_devices() -> None:
    found = read(header("null", mode=0o666, kind=b"3", attributes=MemberAttributes(device=(1, 8**7 - 1))))
    assert (found.devmajor, found.devminor) == (1, 8**7 - 1)


def test_the_same_arguments_give_the_same_bytes() -> None:
    many = MemberAttributes(xattrs=((b"b", b"2"), (b"a", b"1")))
    other = MemberAttributes(xattrs=((b"a", b"1"), (b"b", b"2")))
    assert header("x", mode=0, attributes=many) == header("x", mode=0, attributes=other)


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 511), (512, 0), (513, 511)])
def test_padding(size: int, expected: int) -> None:
    assert padding(size) == bytes(expected)
