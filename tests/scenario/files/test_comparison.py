"""``diff``: how two images differ, and its exit codes."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Done, pyskopeo_here, said, succeed
from tests.support.filetrees import TIME, directory, file, gone, hard, image, layer, link, member
from tests.support.images import BuiltImage, ImageSpec, IndexSpec, build
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator
from tests.support.specs import PlatformSpec

BASE = layer(
    directory("usr"), file("usr/same", b"same"), file("usr/longer", b"a"), file("usr/other", b"one"), file("usr/mode", b"m"),
    file("usr/owner", b"o"), link("usr/link", "one"), file("usr/kind", b"k"), file("usr/time", b"t"), directory("old"),
    file("old/a", b"a" * 10), file("old/b", b"b" * 20), (member("null", tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
    file("usr/x", b"x", pax_headers={"SCHILY.xattr.user.a": "1"}), hard("usr/twin", "usr/same"),
)  # fmt: skip
TOP = layer(
    file("usr/longer", b"longer"), file("usr/other", b"two"), file("usr/mode", b"m", mode=0o755), file("usr/owner", b"o", uid=5),
    link("usr/link", "two"), link("usr/kind", "k"), file("usr/time", b"t", mtime=TIME + 1), gone("old"), directory("new"),
    file("new/\x1b[1mone", b"n" * 7), (member("null", tarfile.CHRTYPE, devmajor=1, devminor=5), b""), file("usr/x", b"x"),
    file("usr/twin", b"same"),
)  # fmt: skip
CONFIG = {"config": {"Env": ["PATH=/bin", "GONE=1"], "Labels": {"version": "1"}, "Cmd": ["a"]}, "author": "me"}
CHANGED = {"config": {"Env": ["NEW=x", "PATH=/usr/bin"], "Labels": {"version": "1"}, "User": "app"}, "author": "me"}
FIRST = image(BASE, config=CONFIG)
SECOND = image(BASE, TOP, config=CHANGED, compression=("zstd", "gzip"), annotations={"note": "<i>"})
ASPECTS = {
    "usr/kind": ["type"], "usr/link": ["link"], "usr/longer": ["content"], "usr/mode": ["mode"], "usr/other": ["content"],
    "usr/owner": ["owner"], "usr/x": ["xattrs"], "null": ["device"],
}  # fmt: skip


def layout(built: BuiltImage, path: Path) -> str:
    return f"oci:{write_layout(built, path)}:latest"


@pytest.fixture
def names(tmp_path: Path) -> tuple[str, str]:
    return layout(FIRST, tmp_path / "first"), layout(SECOND, tmp_path / "second")


def compared(*words: object, code: int = 1) -> dict[str, Any]:
    done = pyskopeo_here("diff", "--json", *words)
    assert done.code == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["same"] is (code == 0)
    return found


def test_everything_that_differs(names: tuple[str, str]) -> None:
    found = compared(*names)
    assert [(one["key"], one.get("first"), one.get("second")) for one in found["config"]] == [
        ("config.Cmd", ["a"], None), ("config.Env.GONE", "1", None), ("config.Env.NEW", None, "x"),
        ("config.Env.PATH", "/bin", "/usr/bin"), ("config.User", None, "app"),
    ]  # fmt: skip
    assert found["annotations"] == [{"key": "note", "change": "added", "second": "<i>"}]
    assert [(one["first"], one["second"]) for one in found["layers"]] == [(1, 1), (None, 2)]
    files = {one["path"]: one for one in found["files"]}
    assert list(files) == sorted(files, key=lambda path: path.split("/"))
    assert {path: one["aspects"] for path, one in files.items() if one["change"] == "changed"} == ASPECTS
    assert {path: one["change"] for path, one in files.items() if one["change"] != "changed"} == {
        "new": "added", "new/\x1b[1mone": "added", "old": "removed", "old/a": "removed", "old/b": "removed",
    }  # fmt: skip
    assert files["usr/longer"]["first"]["size"], files["usr/longer"]["second"]["size"] == (1, 6)
    assert found["touched"] == 1


def test_times_are_compared_if_that_is_asked_for(names: tuple[str, str]) -> None:
    files = {one["path"]: one.get("aspects") for one in compared("--times", *names)["files"]}
    assert files["usr/time"] == ["mtime"]


def test_text(names: tuple[str, str]) -> None:
    done = pyskopeo_here("diff", *names)
    assert (done.code, done.stderr) == (1, "")
    text = done.stdout.decode()
    assert "\x1b" not in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "- config.Env.GONE 1", "~ config.Env.PATH", "- /bin", "+ /usr/bin", "+ note <i>",
        "Files: 2 added (+7 B), 8 changed (+4 B), 3 removed (-30 B), 1 with another time only",
        "+ +7 B /new/ (1 file)", "- -30 B /old/ (2 files)", "~ +5 B /usr/longer (content)",
        "~ /usr/mode (mode 0644 became 0755)", "~ /usr/owner (owner 0:0 became 5:0)", "~ /usr/link (link to one became two)",
        "~ -1 B /usr/kind (file became symlink)", "~ /null (device 1,3 became 1,5)",
    ):  # fmt: skip
        assert line in lines
    backwards = pyskopeo_here("diff", *reversed(names), "--rows", "1").stdout.decode()
    assert "and 9 more; --rows 0 shows all" in backwards


def test_a_page(names: tuple[str, str], tmp_path: Path) -> None:
    done = pyskopeo_here("diff", *names, "--html", tmp_path / "page.html")
    assert (done.code, done.stdout) == (1, b"")
    page = (tmp_path / "page.html").read_text()
    assert "&lt;i&gt;" in page
    assert "<i>" not in page
    assert "mode 0644 became 0755" in page
    assert pyskopeo_here("diff", names[0], names[0], "--html", tmp_path / "page.html").code == 0
    assert "the images are the same" in (tmp_path / "page.html").read_text()


def test_how_an_image_is_stored_makes_no_difference(names: tuple[str, str], tmp_path: Path) -> None:
    first, second = names
    assert compared(first, first, code=0)["files"] == []
    zstd = ("--dest-compress-format", "zstd", "--dest-force-compress-format", f"oci:{tmp_path}/zstd:a")
    for copy in (("--format", "v2s2", f"dir:{tmp_path}/docker"), zstd):
        succeed(pyskopeo_here("copy", first, *copy))
        done = succeed(pyskopeo_here("diff", first, copy[-1]))
        assert b"the images are the same: only how their manifests and layers are stored differs" in done.stdout


def test_only_the_order_of_layers_differs(tmp_path: Path) -> None:
    one, other = layer(file("a", b"1")), layer(file("b", b"2"))
    first, second = layout(image(one, other), tmp_path / "first"), layout(image(other, one), tmp_path / "second")
    found = compared(first, second)
    assert [(layer["first"], layer["second"]) for layer in found["layers"]] == [(2, 1), (1, 2)]
    assert found["files"] == []


def test_a_layout_and_a_registry_read_shared_layers_once(names: tuple[str, str], tmp_path: Path) -> None:
    with Simulator(FIRST) as registry:
        registry.add(SECOND, "test/image", "second")

        def blobs(since: int) -> list[str]:
            found = (request.path.rpartition("/")[2] for request in registry.requests[since:] if "/blobs/" in request.path)
            configs = {json.loads(built.manifests[built.digest].raw)["config"]["digest"] for built in (FIRST, SECOND)}
            return sorted(digest for digest in found if digest not in configs)

        words = ("--tls-verify=false", f"docker://{registry.host}/test/image:second")
        expected = compared(*names)["files"]
        assert compared(names[0], *words)["files"] == expected
        assert len(blobs(0)) <= 2
        since = len(registry.requests)
        compared("--no-files", names[0], *words)
        compared(names[1], *words, code=0)
        assert blobs(since) == []
        since = len(registry.requests)
        assert compared(f"docker://{registry.host}/test/image", *words)["files"] == expected
        assert len(blobs(since)) == 2  # the base layer by one of its two digests
        store = ("--store", tmp_path / "store")
        assert compared(*store, f"docker://{registry.host}/test/image", *words)["files"] == expected
        since = len(registry.requests)
        assert compared(*store, f"docker://{registry.host}/test/image", *words)["files"] == expected
        assert blobs(since) == []


def test_a_base_that_both_have_is_read_only_if_that_is_needed() -> None:
    def built(*members: tuple[tarfile.TarInfo, bytes]) -> BuiltImage:
        return image(BASE, layer(directory("usr"), directory("app"), *members))

    twice = built(file("usr/other", b"1"), file("app/a", b"1")), built(file("usr/other", b"2"), file("app/a", b"1"))
    more = built(file("usr/other", b"2"), file("app/a", b"1"), gone("old"))
    base = twice[0].layer_digests()[0]
    with Simulator(twice[0]) as registry:
        names = [f"docker://{registry.host}/test/image:{tag}" for tag in ("latest", "second", "more")]
        for one, tag in ((twice[1], "second"), (more, "more")):
            registry.add(one, "test/image", tag)
        found = compared("--tls-verify=false", *names[:2])
        assert [(one["path"], one["change"]) for one in found["files"]] == [("usr/other", "changed")]
        assert not any(request.path.endswith(base) for request in registry.requests)
        found = compared("--tls-verify=false", names[0], names[2])
        assert [one["path"] for one in found["files"]] == ["old", "old/a", "old/b", "usr/other"]
        assert sum(request.path.endswith(base) for request in registry.requests) == 1


def test_lists_of_images(tmp_path: Path) -> None:
    specs = [ImageSpec(platform=PlatformSpec(name), env=("N=1",)) for name in ("amd64", "arm64", "s390x")]
    changed = ImageSpec(platform=PlatformSpec("arm64"), env=("N=7",))
    first = layout(build(IndexSpec(tuple(specs[:2]))), tmp_path / "first")
    second = layout(build(IndexSpec((specs[0], changed, specs[2]))), tmp_path / "second")
    words = (first, second, "--override-arch", "amd64")
    assert compared(*words, code=0)["platforms"] == []
    found = compared("--no-files", "--json", first, second)
    assert [(one["key"], one["change"]) for one in found["platforms"]] == [("linux/arm64", "changed"), ("linux/s390x", "added")]
    assert compared(first, second, "--platform", "linux/arm64")["config"][0]["key"] == "config.Env.N"
    single = layout(build(specs[0]), tmp_path / "single")
    assert compared(first, single, "--platform", "linux/amd64", code=0)["first"]["root"] != ""


@pytest.mark.parametrize(("words", "message"), [
    (["oci:none", "oci:none"], "no such file"),
    (["oci:none", "nowhere:x"], 'Error parsing image name \\"nowhere:x\\"'),
    (["oci:none", "oci:none", "--rows", "-2"], "--rows: want a number of rows"),
    (["oci:none", "oci:none", "--html", "/no/such/place"], "no directory"),
    (["oci:none"], "Exactly two arguments expected"),
    (["oci:none", "oci:none", "--layer", "1"], "unknown flag: --layer"),
])  # fmt: skip
def test_trouble_is_no_difference(words: list[str], message: str) -> None:
    done: Done = pyskopeo_here("diff", *words)
    assert done.code == 2
    assert done.stdout == b""
    assert message in said(done.stderr) or message in done.stderr
