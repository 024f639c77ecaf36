"""Files below an open directory: nothing that is there is followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyskopeo.errors import DestinationRefused, InvalidContent
from pyskopeo.filesystem.contents import Attributes, ContentDirectory
from pyskopeo.filesystem.entry import Kind
from pyskopeo.filesystem.tree_writer import TreeWriter, check_case
from tests.support.filetrees import contents
from tests.support.layer_rows import view


def write(root: Path, *rows: str) -> None:
    """Write the files of one layer, whose contents are their paths."""
    made = view(rows)
    private = root.with_name("private")
    private.mkdir(exist_ok=True)
    kept = ContentDirectory(private, attributes=Attributes())
    for _, node in made.walk():
        if node.entry is not None and node.entry.kind is Kind.FILE and node.entry.key not in kept:
            opened = kept.keep(node.entry)
            opened.write(memoryview(node.entry.path.encode()))
            opened.finish()
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        TreeWriter(fd, kept, Attributes()).write(list(made.walk()))
    finally:
        os.close(fd)
        kept.close()
    assert list(private.iterdir()) == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("outside")
    return tmp_path / "root"


def test_a_tree(root: Path) -> None:
    write(root, "d a", "f a/x", "d a/b", "d a/b/c", "f a/b/c/d", "f b/z", "l l /etc", "h h a/x", "h a/b/h a/x")
    assert contents(root) == {
        "a": "directory", "a/x": b"a/x", "a/b": "directory", "a/b/c": "directory", "a/b/c/d": b"a/b/c/d", "a/b/h": b"a/x",
        "b": "directory", "b/z": b"b/z", "l": "-> /etc", "h": b"a/x",
    }  # fmt: skip
    assert (root / "a/x").stat().st_nlink == 3
    assert (root / "b").stat().st_mode & 0o777 == 0o755
    assert (root / "b").stat().st_mtime == 0


def test_links_that_are_there_are_replaced(root: Path) -> None:
    (root / "x").symlink_to("../outside/x")
    (root / "l").symlink_to("../outside")
    write(root, "f x", "l l elsewhere")
    assert contents(root) == {"x": b"x", "l": "-> elsewhere"}


@pytest.mark.parametrize("existing", ["link", "file", "pipe"])
def test_what_is_no_directory_is_not_entered(existing: str, root: Path) -> None:
    if existing == "link":
        (root / "a").symlink_to("../outside")
    elif existing == "file":
        (root / "a").write_text("mine")
    else:
        os.mkfifo(root / "a")
    with pytest.raises(DestinationRefused, match="a is there and is no directory, as it is in the image"):
        write(root, "d a", "f a/x")
    assert contents(root.with_name("outside")) == {"x": b"outside"}


def test_a_directory_that_no_layer_names_keeps_its_mode_if_it_is_there(root: Path) -> None:
    (root / "a").mkdir(mode=0o700)
    write(root, "f a/x")
    assert (root / "a").stat().st_mode & 0o777 == 0o700
    write(root, "d a", "f a/x")
    assert (root / "a").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("rows", "clash"),
    [(("f a", "f A"), "A and a"), (("d d", "f d/x", "f D"), "D and d"), (("f \u00e9", "f e\u0301"), "xe9"), (("f stra\u00dfe", "f STRASSE"), "STRASSE"),
     (("f a", "f b", "d c", "f c/a"), "")],
)  # fmt: skip
def test_names_that_differ_in_case(rows: tuple[str, ...], clash: str) -> None:
    nodes = list(view(rows).walk())
    if not clash:
        check_case(nodes, "dest")
        return
    with pytest.raises(InvalidContent, match="dest is on a file system that does not tell") as caught:
        check_case(nodes, "dest")
    assert clash in str(caught.value)
