"""Layers that attack who extracts them: whatever they say, nothing outside the destination changes, and an error is one line.

Every row is tried as one layer, and as a layer on top of one with the same links; into a new directory, into an empty one and
into one with content and links of its own.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.filetrees import (
    Member,
    contents,
    directory,
    file,
    gone,
    hard,
    image,
    layer,
    link,
    member,
    opaque,
)
from tests.support.outputs import write_layout

SECRET = b"outside"


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory beside the destination, and the working directory, which nobody may touch."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("secret", "passwd", "f"):
        (folder / name).write_bytes(SECRET)
    (folder / "etc").mkdir()
    monkeypatch.chdir(folder)
    before = _state(folder)
    yield folder
    assert _state(folder) == before


def _state(folder: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns, content
    return found


def extract(tmp_path: Path, *tars: bytes, words: tuple[str, ...] = ()) -> Done:
    name = f"oci:{write_layout(image(*tars), tmp_path / 'layout')}:latest"
    return pyskopeo_here("extract", name, "--dest", tmp_path / "dest", *words)


def rows(out: str) -> dict[str, tuple[list[Member], dict[str, bytes | str] | str]]:
    """Layers, and what they become, or what is said of them. ``out`` is the path of a directory outside."""
    return {
        "absolute names": (
            [file(f"{out}/secret", b"new")],
            {**_parents(f"{out[1:]}/secret"), f"{out[1:]}/secret": b"new"},
        ),
        "names with ..": ([file("../outside/secret")], "leads out of its directory"),
        "names with .. inside": ([file("a/../../outside/secret")], "leads out of its directory"),
        "a link, then a file through it": (
            [link("l", out), file("l/secret", b"new")],
            {"l": f"-> {out}", **_parents(f"{out[1:]}/secret"), f"{out[1:]}/secret": b"new"},
        ),
        "a relative link, then a file through it": (
            [link("l", "../outside"), file("l/secret", b"new")],
            {"l": "-> ../outside", "outside": "directory", "outside/secret": b"new"},
        ),
        "a chain of links": (
            [link("a", "."), link("a/b", "a/a/.."), link("b/c", "../outside"), file("c/secret", b"new")],
            {"a": "-> .", "b": "-> a/a/..", "c": "-> ../outside", "outside": "directory", "outside/secret": b"new"},
        ),
        "a link in the place of a directory": (
            [directory("d"), link("d", out), file("d/secret", b"new"), directory("d/etc", mode=0o777)],
            {"d": f"-> {out}", **_parents(f"{out[1:]}/etc/x"), f"{out[1:]}/secret": b"new"},
        ),
        "links in a circle": ([link("a", "b"), link("b", "a"), file("a/x")], "symbolic links lead in a circle"),
        "a hard link out of the root": ([hard("h", "../outside/secret")], "leads out of its directory"),
        "a hard link to an absolute path": ([hard("h", f"{out}/secret")], "which is not there"),
        "a hard link through a link": ([link("l", out), hard("h", "l/secret")], "which is not there"),
        "a hard link to what is in the working directory": ([hard("h", "secret")], "which is not there"),
        "a hard link to a symbolic link, then a file in its place": (
            [link("l", f"{out}/secret"), hard("h", "l"), file("h", b"new")],
            {"l": f"-> {out}/secret", "h": b"new"},
        ),
        "a hard link to a symbolic link": (
            [link("l", f"{out}/secret"), hard("h", "l")],
            {"l": f"-> {out}/secret", "h": f"-> {out}/secret"},
        ),
        "a hard link to a directory": ([directory("d"), hard("h", "d")], "hard link to a directory"),
        "a file in the place of a link": ([link("f", f"{out}/f"), file("f", b"new")], {"f": b"new"}),
        "the root as a link": ([link(".", out)], "would replace the root directory"),
        "the root as a file": ([file("/")], "would replace the root directory"),
        "the root as a hard link": ([file("a"), hard("./", "a")], "would replace the root directory"),
        "a file below a file": ([file("a"), file("a/b")], "which is a file"),
        "a directory below a pipe": ([(member("p", tarfile.FIFOTYPE), b""), directory("p/d")], "which is a file"),
        "whiteout of ..": ([file(".wh...", b"")], "a whiteout of no file"),
        "whiteout of . below a directory": ([directory("a"), file("a/.wh..", b"")], "a whiteout of no file"),
        "whiteout of nothing": ([file(".wh.", b"")], "a whiteout of no file"),
        "whiteout through a link": (
            [link("l", out), gone("l/secret"), opaque("l")], {"l": f"-> {out}"},
        ),
        "an opaque directory outside": ([file("../outside/.wh..wh..opq", b"")], "leads out of its directory"),
        "a whiteout as a directory": ([directory(".wh.a"), file(".wh.a/b")], "the name of a whiteout"),
        "devices and pipes": (
            [(member("null", tarfile.CHRTYPE, devmajor=1, devminor=3), b""), (member("sda", tarfile.BLKTYPE, devmajor=8), b""),
             (member("pipe", tarfile.FIFOTYPE), b""), hard("other", "null"), file("f", b"new")],
            {"f": b"new"},
        ),
        "the same name again and again": ([file("a", b"%d" % n) for n in range(50)], {"a": b"49"}),
        "a file, a directory, a link and a file again": (
            [file("a"), directory("a"), file("a/b"), link("a", out), file("a", b"new")], {"a": b"new"},
        ),
        "names of one file in two cases": ([file("A", b"1"), file("a", b"2")], {"A": b"1", "a": b"2"}),
        "a deep path": ([file("d/" * 150 + "x", b"new")], {**_parents("d/" * 150 + "x"), "d/" * 150 + "x": b"new"}),
        "a path that is too deep": ([file("d/" * 250 + "x")], "directories deep"),
        "a path that is too long": ([file("d" * 250 + ("/" + "d" * 250) * 20)], "longer than 4096 bytes"),
        "a name that is too long": ([file("d" * 300)], "file name too long"),
        "a link that is too long": ([link("l", "d/" * 2500)], "longer than 4096 bytes"),
        "a link to nothing at all": ([link("l", "")], "target is empty"),
        "names that are no text": (
            [file("caf\udce9", b"1"), file("a\nb", b"2"), file("\x1b[31m", b"3"), file("-rf", b"4"), file("\\..\\x", b"5")],
            {"caf\udce9": b"1", "a\nb": b"2", "\x1b[31m": b"3", "-rf": b"4", "\\..\\x": b"5"},
        ),
        "an owner out of range": ([file("a", uid=2**40)], "an owner that is no number"),
        "a time out of range": ([file("a", b"new", mtime=10**30)], {"a": b"new"}),
        "a time that is no number": ([file("a", b"new", pax_headers={"mtime": "nan"})], {"a": b"new"}),
        "a sparse file": ([file("a", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})], "a sparse file"),
        "an old sparse file": ([(member("a", tarfile.GNUTYPE_SPARSE), b"")], "a sparse file"),
        "a name for others than us": ([file(".dest.0123456789ab.partial", b"x"), file("contents", b"x")],
                                      {".dest.0123456789ab.partial": b"x", "contents": b"x"}),
    }  # fmt: skip


def _parents(path: str) -> dict[str, bytes | str]:
    parts = path.split("/")
    return {"/".join(parts[:count]): "directory" for count in range(1, len(parts))}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("row", rows("/o"))
def test_a_layer_that_attacks(row: str, layers: int, tmp_path: Path, outside: Path) -> None:
    members, expected = rows(str(outside))[row]
    # Of two layers the lower one has the links, and the upper one what goes through them.
    first = [given for given in members if given[0].issym()] if layers == 2 else []
    second = [given for given in members if given not in first]
    if not first or not second:
        first, second = [], members
    done = extract(tmp_path, *(layer(*some) for some in (first, second) if some))
    if isinstance(expected, str):
        assert expected in fatal(done)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["layout", "outside"]
        return
    if done.code == 0:
        found = contents(tmp_path / "dest")
        assert found == expected or (layers == 2 and first and set(found) >= {m.name for m, _ in first if not m.name.count("/")})
    else:
        assert layers == 2, done.stderr
        fatal(done)


@pytest.mark.parametrize("kind", ["empty", "full"])
@pytest.mark.parametrize("row", rows("/o"))
def test_into_a_directory_that_is_there(row: str, kind: str, tmp_path: Path, outside: Path) -> None:
    """With links of its own that lead outside, by the names that the layer uses."""
    members, expected = rows(str(outside))[row]
    destination = tmp_path / "dest"
    destination.mkdir()
    if kind == "full":
        for name in ("l", "a", "d", "outside", outside.parts[1]):
            (destination / name).symlink_to(outside)
        for name in ("secret", "f", "h", "p", "A"):
            (destination / name).symlink_to(outside / "secret")
    before = contents(destination)
    done = extract(tmp_path, layer(*members), words=("--overwrite",) if kind == "full" else ())
    if isinstance(expected, dict) and done.code == 0:
        found = contents(destination)
        assert {name: found[name] for name in expected} == expected
    else:
        message = fatal(done)
        if isinstance(expected, str):
            assert expected in message
            assert contents(destination) == before
        else:
            assert kind == "full"
            assert "is there and is no directory" in message
    assert not [name for name in os.listdir(destination) if name.startswith(".dest.") and name not in str(expected)]


def test_without_a_flag_nothing_is_more_powerful_than_the_user(tmp_path: Path, outside: Path) -> None:
    bits = [file(f"m{mode:o}", mode=mode) for mode in (0o4755, 0o2755, 0o6777, 0o1777)]
    succeed(extract(tmp_path, layer(*bits, directory("d", mode=0o7777))))
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "dest").iterdir()}
    assert modes == {"m4755": 0o755, "m2755": 0o755, "m6777": 0o777, "m1777": 0o777, "d": 0o777}
    assert {path.stat().st_uid for path in (tmp_path / "dest").iterdir()} == {os.geteuid()}


def test_with_a_flag_the_directory_is_private(tmp_path: Path, outside: Path) -> None:
    """Or others on the machine could run what is in it (CVE-2021-41103)."""
    succeed(extract(tmp_path, layer(file("su", mode=0o4755), directory(".", mode=0o777)), words=("--preserve-setuid",)))
    assert (tmp_path / "dest" / "su").stat().st_mode & 0o7777 == 0o4755
    assert (tmp_path / "dest").stat().st_mode & 0o7777 == 0o700


def test_more_files_than_may_be(tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all layers together; the number bounds the memory."""
    import pyskopeo.filesystem.layer_sink as sinks

    monkeypatch.setattr(sinks, "_MOST_ENTRIES", 1000)
    some = layer(*(file(f"f{number}", b"") for number in range(600)))
    succeed(extract(tmp_path, some))
    (tmp_path / "dest").rename(tmp_path / "one")
    other = layer(*(file(f"g{number}", b"") for number in range(600)))
    assert "over 1000 files: refused" in fatal(extract(tmp_path, some, other))
    assert not (tmp_path / "dest").exists()


def test_longer_names_than_may_be(tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyskopeo.filesystem.layer_sink as sinks

    monkeypatch.setattr(sinks, "_MOST_BYTES", 10_000)
    assert "over 10000 bytes of names" in fatal(extract(tmp_path, layer(*(link(f"l{n}", "x" * 200) for n in range(60)))))


@pytest.mark.parametrize(
    "spoil",
    [lambda tar: tar[:700], lambda tar: tar[:1300], lambda tar: b"x" * 1024, lambda tar: tar[:1024] + b"y" * 512 + tar[1536:],
     lambda tar: tar[:124] + b"\xff" * 12 + tar[136:], lambda tar: tar[:124] + b"-0000000001\0" + tar[136:]],
    ids=["cut-in-content", "cut-in-a-header", "no-archive", "no-header", "negative-size", "negative-octal-size"],
)  # fmt: skip
def test_an_archive_that_is_damaged(spoil: object, tmp_path: Path, outside: Path) -> None:
    assert callable(spoil)
    tar = bytearray(spoil(layer(file("a", b"x" * 300), file("b", b"x" * 300))))
    if tar[:1] == b"a":
        tar[148:156] = b" " * 8
        tar[148:156] = b"%06o\0 " % sum(tar[:512])
    message = fatal(extract(tmp_path, bytes(tar)))
    assert "tar archive" in message
    assert "layer 1 (sha256:" in message
    assert not (tmp_path / "dest").exists()
