"""``export``, ``ls`` and ``cat``: the files of an image in an archive, in a list, and one of them."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.commands import pyskopeo
from tests.support.filetrees import TIME, contents, directory, file, gone, hard, image, layer, link, member, opaque
from tests.support.images import BuiltImage
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator

LONG = "usr/" + "long-name/" * 20 + "\u00fcmlaut"
BASE = layer(
    directory("."), directory("usr"), directory("usr/lib"), link("lib", "usr/lib"), file("usr/lib/one", b"one", uid=7, gid=8),
    file("su", b"s" * 5000, mode=0o4755), link("abs", "/usr/lib/one"), link("rel", "./lib/../lib/one"), link("out", "../../etc"),
    link("ahead", "attributes"),
    file("gone", b"gone"), file(LONG, b"long"), (member("null", tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
    (member("pipe", tarfile.FIFOTYPE), b""), file("caf\udce9", b"latin"), hard("usr/uno", "usr/lib/one"),
    file("attributes", b"x", pax_headers={"SCHILY.xattr.user.a": "1"}, mtime=1_600_000_000.5, uid=3_000_000),
)  # fmt: skip
TOP = layer(gone("gone"), file("lib/two", b"two"), file("new/x", b"x"), directory("usr/empty"), opaque("usr/empty"))
IMAGE = image(BASE, TOP, compression=("zstd", "gzip"))


@pytest.fixture
def name(tmp_path: Path) -> str:
    return f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", errors="surrogateescape") as tar:
        found = tar.getmembers()
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


class TestExport:
    def export(self, name: str, tmp_path: Path, *words: object) -> bytes:
        succeed(pyskopeo_here("export", name, tmp_path / "out.tar", *words))
        assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []
        return (tmp_path / "out.tar").read_bytes()

    def test_everything_is_in_it(self, name: str, tmp_path: Path) -> None:
        archive = self.export(name, tmp_path)
        found = members(archive)
        assert list(found) == sorted(found, key=lambda path: path.split("/"))
        assert set(found) >= {"usr/lib/one", "usr/lib/two", "new", "new/x", LONG, "null", "pipe", "caf\udce9"}
        assert "gone" not in found
        one, su = found["usr/lib/one"], found["su"]
        assert (one.uid, one.gid, one.mode, one.mtime, one.size) == (7, 8, 0o644, TIME, 3)
        assert su.mode == 0o4755
        assert (found["null"].type, found["null"].devmajor, found["null"].devminor) == (tarfile.CHRTYPE, 1, 3)
        assert found["pipe"].isfifo()
        assert found["usr/uno"].islnk()
        assert found["usr/uno"].linkname == "usr/lib/one"
        attributes = found["attributes"]
        assert (attributes.uid, attributes.mtime, attributes.pax_headers["SCHILY.xattr.user.a"]) == (3_000_000, 1_600_000_000.5, "1")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for path, content in (("usr/lib/two", b"two"), (LONG, b"long"), ("su", b"s" * 5000)):
                opened = tar.extractfile(path)
                assert opened is not None
                assert opened.read() == content

    def test_sound_links_are_exported_as_they_are(self, name: str, tmp_path: Path) -> None:
        found = members(self.export(name, tmp_path))
        targets = {path: found[path].linkname for path in ("lib", "abs", "rel", "out")}
        assert targets == {"lib": "usr/lib", "abs": "/usr/lib/one", "rel": "./lib/../lib/one", "out": "../../etc"}

    def test_the_same_bytes_every_time(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = self.export(name, tmp_path)
        os.chmod(tmp_path / "out.tar", 0o600)
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        old = os.umask(0o077)
        try:
            assert self.export(name, tmp_path) == first
        finally:
            os.umask(old)
        done = succeed(pyskopeo("export", name, "-", env={"LC_ALL": "C", "TZ": "America/New_York"}))
        assert done.stdout == first
        assert done.stderr == ""

    def test_what_is_exported_is_what_is_extracted(self, name: str, tmp_path: Path) -> None:
        """As tar sees it, which makes the files by a way of its own."""
        archive = self.export(name, tmp_path)
        with tarfile.open(fileobj=io.BytesIO(archive), errors="surrogateescape") as tar:
            # An attribute: the first releases of Python 3.11 know no argument for it.
            tar.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
            for one in tar.getmembers():
                if not one.isdev():
                    tar.extract(one, tmp_path / "theirs", set_attrs=False)
        succeed(pyskopeo_here("extract", name, "--dest", tmp_path / "ours"))
        assert contents(tmp_path / "theirs") == contents(tmp_path / "ours")

    def test_some_paths_and_layers(self, name: str, tmp_path: Path) -> None:
        assert set(members(self.export(name, tmp_path, "--path", "usr/lib", "--layer", "1"))) == {"usr", "usr/lib", "usr/lib/one"}

    def test_a_file_that_is_there_stays_if_it_fails(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "out.tar").write_text("old")
        fatal(pyskopeo_here("export", name, tmp_path / "out.tar", "--path", "nothing"), 2)
        assert (tmp_path / "out.tar").read_text() == "old"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["layout", "out.tar"]

    def test_a_directory_is_no_file(self, name: str, tmp_path: Path) -> None:
        assert "is a directory" in fatal(pyskopeo_here("export", name, tmp_path))

    def test_a_hard_link_to_nothing(self, tmp_path: Path) -> None:
        made = image(layer(hard("a", "b")))
        source = f"oci:{write_layout(made, tmp_path / 'broken')}:latest"
        assert "a is a hard link to b, which is not there" in fatal(pyskopeo_here("export", source, tmp_path / "out.tar"))


class TestLs:
    def listed(self, *words: object) -> dict[str, dict[str, object]]:
        document = json.loads(succeed(pyskopeo_here("ls", "--json", *words)).stdout)
        return {entry["path"]: entry for entry in document["files"]}

    def test_json(self, name: str) -> None:
        found = self.listed(name)
        assert found["usr/lib/one"] == {
            "path": "usr/lib/one", "type": "file", "mode": "0644", "uid": 7, "gid": 8, "size": 3, "mtime": TIME * 10**9, "layer": 1,
        }  # fmt: skip
        assert found["su"]["mode"] == "4755"
        assert (found["lib"]["type"], found["lib"]["link"]) == ("symlink", "usr/lib")
        assert (found["null"]["type"], found["null"]["device"]) == ("character", [1, 3])
        assert found["usr/uno"]["layer"] == 1
        assert found["usr/lib/two"]["layer"] == 2
        assert (found["new"]["type"], found["new"]["layer"]) == ("directory", 0)
        assert "caf\udce9" in found
        assert "gone" not in found
        assert list(found) == sorted(found, key=lambda path: path.split("/"))

    def test_a_table(self, tmp_path: Path) -> None:
        made = image(layer(
            directory("d", mode=0o1777), file("d/a", b"x" * 1234, uid=1000, gid=100), link("l", "d/a"), file("s", mode=0o6711),
            file("a\nb"), file("x/y", mode=0o2604),
        ))  # fmt: skip
        out = succeed(pyskopeo_here("ls", f"oci:{write_layout(made, tmp_path / 'layout')}:latest")).stdout.decode()
        assert out == (
            "-rw-r--r--  1  0:0          1  2023-11-14T22:13:20Z  a\\nb\n"
            "drwxrwxrwt  1  0:0          0  2023-11-14T22:13:20Z  d\n"
            "-rw-r--r--  1  1000:100  1234  2023-11-14T22:13:20Z  d/a\n"
            "lrw-r--r--  1  0:0          0  2023-11-14T22:13:20Z  l -> d/a\n"
            "-rws--s--x  1  0:0          1  2023-11-14T22:13:20Z  s\n"
            "drwxr-xr-x  -  0:0          0  1970-01-01T00:00:00Z  x\n"
            "-rw---Sr--  1  0:0          1  2023-11-14T22:13:20Z  x/y\n"
        )

    def test_an_image_without_files(self, tmp_path: Path) -> None:
        source = f"oci:{write_layout(image(layer()), tmp_path / 'layout')}:latest"
        assert succeed(pyskopeo_here("ls", source)).stdout == b""

    @pytest.mark.parametrize(
        ("path", "expected"),
        [("/usr/lib", ["usr/lib", "usr/lib/one", "usr/lib/two"]), ("usr/lib/one", ["usr/lib/one"]), ("lib", ["lib"]),
         ("lib/one", ["lib", "usr/lib/one"]), ("usr/empty/", ["usr/empty"])],
    )  # fmt: skip
    def test_below_a_path(self, path: str, expected: list[str], name: str) -> None:
        assert list(self.listed(name, path)) == expected

    def test_a_path_is_no_pattern(self, tmp_path: Path) -> None:
        source = f"oci:{write_layout(image(layer(file('a*'), file('ab'))), tmp_path / 'layout')}:latest"
        assert list(self.listed(source, "a*")) == ["a*"]

    def test_what_is_not_there(self, name: str) -> None:
        assert "no file 'gone' in this image" in fatal(pyskopeo_here("ls", name, "gone"), 2)

    def test_one_layer(self, name: str) -> None:
        assert list(self.listed(name, "--layer", "-1")) == ["lib", "lib/two", "new", "new/x", "usr", "usr/empty"]

    def test_too_many_arguments(self, name: str) -> None:
        assert "At most 2 arguments expected" in pyskopeo_here("ls", name, "a", "b").stderr
        assert "At least one argument expected" in pyskopeo_here("ls").stderr


class TestCat:
    def test_a_link_back_to_what_was_read_before(self) -> None:
        """The layer is read again for it."""
        with Simulator(IMAGE) as registry:
            assert succeed(pyskopeo_here("cat", "--tls-verify=false", registry.name(), "abs")).stdout == b"one"
            assert len([request for request in registry.requests if "/blobs/" in request.path]) == 4

    @pytest.mark.parametrize(
        ("path", "content"),
        [("usr/lib/one", b"one"), ("/usr/lib/one", b"one"), ("lib/one", b"one"), ("lib/two", b"two"), ("abs", b"one"), ("rel", b"one"),
         ("usr/uno", b"one"), ("su", b"s" * 5000), (LONG, b"long")],
    )  # fmt: skip
    def test_a_file(self, path: str, content: bytes, name: str) -> None:
        assert succeed(pyskopeo_here("cat", name, path)).stdout == content

    @pytest.mark.parametrize(
        ("path", "code", "reason"),
        [("gone", 2, "no file 'gone' in this image"), ("out", 2, "no file"), ("usr", 1, "is a directory, want a regular file"),
         ("lib", 1, "is a directory"), ("null", 1, "is a character"), ("pipe", 1, "is a fifo"), ("/", 1, "is the root directory"),
         ("new", 1, "is a directory"), ("usr/../../etc/passwd", 1, "leads out of its directory")],
    )  # fmt: skip
    def test_what_is_no_file(self, path: str, code: int, reason: str, name: str) -> None:
        assert reason in fatal(pyskopeo_here("cat", name, path), code)

    def test_links_in_a_circle(self, tmp_path: Path) -> None:
        source = f"oci:{write_layout(image(layer(link('a', 'b'), link('b', 'a'))), tmp_path / 'layout')}:latest"
        assert "circle" in fatal(pyskopeo_here("cat", source, "a"))

    def test_nothing_is_printed_of_a_layer_that_is_wrong(self, tmp_path: Path) -> None:
        """Its first bytes, with the file, are as they should be."""
        wrong = image(layer(file("a", b"content"), file("b")), diff_ids=["sha256:" + "0" * 64])
        fatal(pyskopeo_here("cat", f"oci:{write_layout(wrong, tmp_path / 'layout')}:latest", "a"))

    @pytest.mark.parametrize(("path", "layers"), [("lib/two", 1), ("new/x", 1), ("usr/lib/one", 2), ("ahead", 2)])
    def test_only_layers_that_decide_are_fetched(self, path: str, layers: int) -> None:
        with Simulator(IMAGE) as registry:
            succeed(pyskopeo_here("cat", "--tls-verify=false", registry.name(), path))
            fetched = [request.path for request in registry.requests if "/blobs/" in request.path]
        assert len(fetched) == 1 + layers

    def test_a_link_of_the_top_layer_leads_to_a_lower_one(self) -> None:
        made: BuiltImage = image(BASE, layer(file("target", b"t")), layer(link("way", "target")))
        with Simulator(made) as registry:
            assert succeed(pyskopeo_here("cat", "--tls-verify=false", registry.name(), "way")).stdout == b"t"
            assert len([request for request in registry.requests if "/blobs/" in request.path]) == 3
