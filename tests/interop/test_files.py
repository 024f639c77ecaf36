"""The files of images beside the programs that make them: umoci unpacks, Docker runs and exports, GNU tar reads what we export."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.filetrees import Member, contents, directory, file, gone, hard, image, layer, link, member, opaque
from tests.support.outputs import write_layout
from tests.support.peers import Dockerd
from tests.support.require import require_peer

BASE: list[Member] = [
    directory("."), directory("etc"), file("etc/a", b"a"), file("etc/b", b"b"), directory("usr"), directory("usr/lib"),
    directory("usr/share", mode=0o700), link("lib", "usr/lib"), link("abs", "/usr/lib"), file("usr/lib/one", b"1" * 3000),
    hard("usr/lib/uno", "usr/lib/one"), link("broken", "nowhere"), directory("d"), file("d/x", b"x"), directory("d/sub"),
    file("d/sub/deep", b"deep"), file("plain", b"plain", mode=0o600),
]  # fmt: skip
# Each is put on top of BASE, and of all before it.
TOPS: dict[str, list[Member]] = {
    "replaced": [directory("etc"), file("etc/a", b"new"), file("etc/c", b"c", mode=0o755)],
    "whiteouts": [directory("etc"), gone("etc/b"), directory("d"), gone("d/sub")],
    "opaque": [directory("d"), file("d/new", b"new"), opaque("d")],
    "opaque-first": [directory("d"), opaque("d"), file("d/newer", b"newer")],
    "a-file-for-a-directory": [file("d", b"no directory")],
    "a-directory-for-a-file": [directory("plain"), file("plain/x", b"x")],
    "a-directory-for-a-link": [directory("lib"), file("lib/own", b"own")],
    "a-link-for-a-directory": [link("usr/share", "lib")],
    "a-file-for-a-link": [file("broken", b"whole")],
    "through-a-link": [file("abs/two", b"2"), file("usr/share/three", b"3")],
    "hard-links": [hard("first", "usr/lib/one"), file("second", b"second"), hard("third", "second")],
    "a-hard-link-replaced": [file("usr/lib/one", b"another")],
    "twice": [file("twice", b"1"), file("twice", b"2"), directory("t"), file("t/x"), directory("t", mode=0o711)],
    "removed-and-made-again": [gone("d"), directory("etc"), gone("etc/a"), file("etc/a", b"again")],
    "long": [directory("long"), file("long/" + "n" * 200, b"long"), link("long/" + "l" * 150, "t" * 180)],
    "odd-names": [file("a b\tc", b"1"), file("\u00fc", b"2"), file("-x", b"3"), file("back\\slash", b"4")],
}


def steps() -> dict[str, list[bytes]]:
    """The layers of each case."""
    found, tars = {}, [layer(*BASE)]
    for name, members in TOPS.items():
        tars.append(layer(*members))
        found[name] = list(tars)
    return found


def attributes(root: Path) -> dict[str, tuple[int, int]]:
    """The permissions and times of all files and directories that a layer names."""
    found = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            status = os.lstat(os.path.join(folder, name))
            if not stat.S_ISLNK(status.st_mode):
                path = os.path.relpath(os.path.join(folder, name), root)
                found[path] = status.st_mode & 0o777, int(status.st_mtime) if stat.S_ISREG(status.st_mode) else 0
    return found


@pytest.mark.peer("umoci")
@pytest.mark.parametrize("case", TOPS)
def test_what_umoci_unpacks(case: str, tmp_path: Path) -> None:
    made = image(*steps()[case], config={"history": None})
    layout = write_layout(made, tmp_path / "layout", tag="x")
    command = [require_peer("umoci"), "unpack", "--rootless", "--image", f"{layout}:x", str(tmp_path / "bundle")]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    succeed(pyskopeo_here("extract", f"oci:{layout}:x", "--dest", tmp_path / "ours"))
    theirs = tmp_path / "bundle" / "rootfs"
    assert contents(tmp_path / "ours") == contents(theirs)
    assert attributes(tmp_path / "ours") == attributes(theirs)


@pytest.mark.parametrize("case", list(TOPS)[-1:])
def test_gnu_tar_reads_what_we_export(case: str, tmp_path: Path) -> None:
    special = layer(
        (member("pipe", tarfile.FIFOTYPE), b""), file("caf\udce9", b"latin"), file("old", b"o", mtime=5), file("late", b"l", mtime=2**30),
        file("fine", b"f", mtime=1_600_000_000.25), file("su", b"s", mode=0o4755), file("owned", b"o", uid=3_000_000, gid=100),
    )  # fmt: skip
    layout = write_layout(image(*steps()[case], special), tmp_path / "layout")
    succeed(pyskopeo_here("export", f"oci:{layout}:latest", tmp_path / "out.tar"))
    (tmp_path / "theirs").mkdir()
    command = ["tar", "-x", "-f", str(tmp_path / "out.tar"), "-C", str(tmp_path / "theirs"), "--no-same-owner"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    succeed(pyskopeo_here("extract", f"oci:{layout}:latest", "--dest", tmp_path / "ours", "--devices"))
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")
    for name in ("old", "late", "fine"):
        assert (tmp_path / "ours" / name).stat().st_mtime_ns == (tmp_path / "theirs" / name).stat().st_mtime_ns
    listed = subprocess.run(["tar", "-tv", "--numeric-owner", "-f", str(tmp_path / "out.tar")], capture_output=True, check=True)
    (owned,) = [line for line in listed.stdout.decode(errors="replace").splitlines() if line.endswith(" owned")]
    assert "3000000/100" in owned


# What Docker puts into every container.
_DOCKERS = (".dockerenv", "dev", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "sys")


@pytest.mark.peer("dockerd")
@pytest.mark.parametrize("case", ["through-a-link", "long"])
def test_what_docker_exports(case: str, dockerd: Dockerd, tmp_path: Path) -> None:
    # Docker applies no layer in which a path is twice.
    tars = [tar for tar in steps()[case] if tar != layer(*TOPS["twice"])]
    layout = write_layout(image(*tars), tmp_path / "layout")
    name = f"files:{case}"
    succeed(pyskopeo_here("copy", f"oci:{layout}:latest", f"docker-archive:{tmp_path}/image.tar:{name}"))
    dockerd.docker("load", "--input", f"{tmp_path}/image.tar")
    container = dockerd.docker("create", name, "/none").strip()
    dockerd.docker("export", "--output", f"{tmp_path}/theirs.tar", container)
    succeed(pyskopeo_here("export", f"oci:{layout}:latest", tmp_path / "ours.tar"))
    assert members(tmp_path / "ours.tar") == members(tmp_path / "theirs.tar")


def members(path: Path) -> dict[str, tuple[object, ...]]:
    """All that matters of the members of an archive, but for what Docker adds; hard links as what they lead to."""
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(path) as archive:
        for one in archive.getmembers():
            if one.name.startswith(tuple(f"{name}/" for name in _DOCKERS)) or one.name in _DOCKERS:
                continue
            opened = archive.extractfile(one) if one.isreg() or one.islnk() else io.BytesIO()
            assert opened is not None
            kind = "file" if one.isreg() or one.islnk() else one.type
            mode = 0 if one.issym() else one.mode & 0o7777
            times = int(one.mtime) if kind == "file" else 0  # Docker's directories are as old as what was put into them
            found[one.name] = kind, mode, one.uid, one.gid, times, one.linkname if one.issym() else "", opened.read()
    return found
