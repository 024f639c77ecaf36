"""Archives that the program tar writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.storage.tar import TarIndex


def test_sparse_members_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as out:
        out.truncate(2**20)
        out.seek(2**19)
        out.write(b"x")
    for kind in ("gnu", "posix"):
        path = tmp_path / f"{kind}.tar"
        os.spawnlp(os.P_WAIT, "tar", "tar", "-C", str(tmp_path), f"--format={kind}", "-Scf", str(path), "holes")
        with pytest.raises(InvalidContent, match=r"sparse member '.*holes' is not supported"):
            TarIndex.read(path)


def gnu_tar(*words: str) -> None:
    assert os.spawnlp(os.P_WAIT, "tar", "tar", *words) == 0


@pytest.mark.parametrize("format", ["v7", "oldgnu", "gnu", "ustar", "posix"])
@pytest.mark.parametrize("more", [(), ("--label=some-label",), ("--listed-incremental=STATE",), ("--xattrs",)], ids=str)
def test_all_that_tar_writes_is_read(format: str, more: tuple[str, ...], tmp_path: Path) -> None:
    if format in ("v7", "ustar") and more:
        more = ()  # GNU tar refuses these together
    files = tmp_path / "files"
    long = "d" * 60 + "/" + "n" * (30 if format == "v7" else 80)
    contents = {"a": b"", "ü" if format != "v7" else "u": b"x" * 600, long: b"long", "blobs/sha256/0": b"0" * 100_000}
    if format not in ("v7", "ustar"):
        contents["very" + "/long" * 60 + "/name"] = b"very long"
    for name, content in contents.items():
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_bytes(content)
        os.utime(files / name, ns=(1_500_000_000_123_456_789, 1_500_000_000_123_456_789))
    (files / "link").symlink_to("blobs/sha256/0")
    os.link(files / "a", files / "hard")
    options = [word.replace("STATE", str(tmp_path / "state")) for word in more]
    gnu_tar("-C", str(files), f"--format={format}", *options, "-cf", str(tmp_path / "a.tar"), ".")
    index = TarIndex.read(tmp_path / "a.tar")
    for name, content in {**contents, "link": contents["blobs/sha256/0"], "hard": b""}.items():
        assert index.content(name, 200_000) == content
