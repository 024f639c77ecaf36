"""Which file each blob is written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.cli.flags import UsageError
from pyskopeo.cli.output_flags import outputs
from pyskopeo.errors import InvalidName
from pyskopeo.model.digest import Digest

A, B = Digest.of(b"a"), Digest.of(b"b", "sha512")
NAMES = (f"example.com/x@{A}", f"example.com/y@{B}")


def test_one_file() -> None:
    assert outputs("a/b", NAMES[:1]) == {NAMES[0]: Path("a/b")}
    assert outputs("-", NAMES[:1]) == {NAMES[0]: Path("-")}


@pytest.mark.parametrize("there", [False, True])
def test_a_directory(there: bool, tmp_path: Path) -> None:
    text = str(tmp_path) if there else f"{tmp_path}/new/"
    directory = tmp_path if there else tmp_path / "new"
    assert outputs(text, NAMES) == {NAMES[0]: directory / A.hex, NAMES[1]: directory / B.hex}


def test_a_pattern() -> None:
    found = outputs("blobs/{algorithm}/{hex}", NAMES)
    assert list(found.values()) == [Path("blobs/sha256") / A.hex, Path("blobs/sha512") / B.hex]


@pytest.mark.parametrize("text", ["file", "-", "{algorithm}"])
def test_several_for_one_file(text: str) -> None:
    names = (f"example.com/x@{A}", f"example.com/x@{Digest.of(b'b')}")
    with pytest.raises(UsageError, match="several blobs for one file"):
        outputs(text, names)


def test_the_same_blob_twice_is_one_file() -> None:
    names = (f"example.com/x@{A}", f"docker://example.com/x@{A}")
    assert outputs("file", names) == {names[0]: Path("file")}
    assert outputs("-", names) == {names[0]: Path("-")}


@pytest.mark.parametrize("name", ["example.com/x", "example.com/x:tag", "x@sha256:abc", ""])
def test_names_without_a_digest(name: str) -> None:
    with pytest.raises(InvalidName):
        outputs("file", (name,))
