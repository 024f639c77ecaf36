"""``extract``: the files of an image as a container would see them, in a directory."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import pyskopeo as pyskopeo_library
from pyskopeo.storage.partial_files import PARTIAL
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.commands import pyskopeo
from tests.support.filetrees import TIME, contents, directory, file, gone, hard, image, layer, link, member, opaque
from tests.support.images import BuiltImage
from tests.support.outputs import blob_path, write_layout
from tests.support.rootfs import Compression
from tests.support.simulator import Simulator

BASE = layer(
    directory("."), directory("etc"), file("etc/os-release", b"old\n"), file("etc/shadow", b"s", mode=0o600), directory("usr"),
    directory("usr/lib"), link("lib", "usr/lib"), file("usr/lib/one", b"1"), hard("usr/lib/uno", "usr/lib/one"),
    directory("proc", mode=0o555), directory("var"), directory("var/cache"), file("var/cache/old", b"old"),
)  # fmt: skip
MIDDLE = layer(directory("etc"), file("etc/os-release", b"middle\n"), gone("etc/shadow"), file("lib/two", b"2"))
TOP = layer(
    directory("etc"), file("etc/os-release", b"new\n"), directory("var/cache", mode=0o750), opaque("var/cache"),
    file("var/cache/new", b"new"),
)  # fmt: skip
MERGED = {
    "etc": "directory", "etc/os-release": b"new\n", "lib": "-> usr/lib", "proc": "directory", "usr": "directory",
    "usr/lib": "directory", "usr/lib/one": b"1", "usr/lib/two": b"2", "usr/lib/uno": b"1", "var": "directory",
    "var/cache": "directory", "var/cache/new": b"new",
}  # fmt: skip
IMAGE = image(BASE, MIDDLE, TOP)


@pytest.fixture
def name(tmp_path: Path) -> str:
    return f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"


def extract(name: str, tmp_path: Path, *words: object) -> Done:
    return pyskopeo_here("extract", name, "--dest", tmp_path / "dest", *words)


def extracted(name: str, tmp_path: Path, *words: object) -> dict[str, bytes | str]:
    succeed(extract(name, tmp_path, *words))
    found = contents(tmp_path / "dest")
    assert [path.name for path in tmp_path.rglob("*") if PARTIAL in path.name] == []
    return found


def test_layers_are_merged(name: str, tmp_path: Path) -> None:
    assert extracted(name, tmp_path) == MERGED


@pytest.mark.parametrize(
    ("compression", "family"),
    [("gzip", "oci"), ("zstd", "oci"), ("none", "oci"), (("none", "zstd", "gzip"), "oci"), ("gzip", "docker"), ("none", "docker")],
)  # fmt: skip
def test_every_kind_of_layer(compression: Compression | Sequence[Compression], family: str, tmp_path: Path) -> None:
    types = ["application/vnd.docker.image.rootfs.diff.tar" + (".gzip" if compression == "gzip" else "")] * 3
    made = image(BASE, MIDDLE, TOP, compression=compression, media_types=types if family == "docker" else ())
    assert extracted(f"oci:{write_layout(made, tmp_path / 'layout')}:latest", tmp_path) == MERGED


def test_files_have_their_modes_and_times_and_are_the_users(name: str, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        succeed(extract(name, tmp_path))
    finally:
        os.umask(old)
    destination = tmp_path / "dest"
    modes = {path: stat.S_IMODE((destination / path).lstat().st_mode) for path in MERGED if path != "lib"}
    assert modes == {
        path: {"proc": 0o555, "var/cache": 0o750}.get(path, 0o755 if MERGED[path] == "directory" else 0o644) for path in modes
    }  # fmt: skip
    assert destination.stat().st_mode & 0o7777 == 0o755
    assert {(destination / path).lstat().st_mtime for path in MERGED} == {TIME}
    assert destination.stat().st_mtime == TIME
    assert (destination / "usr/lib/one").samefile(destination / "usr/lib/uno")
    assert {(destination / path).lstat().st_uid for path in MERGED} == {os.geteuid()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owners_and_devices_on_request(tmp_path: Path) -> None:
    made = image(layer(
        file("a", b"x", uid=1000, gid=2000, mode=0o6755), (member("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666), b""),
        (member("pipe", tarfile.FIFOTYPE, mode=0o600), b""), (link("l", "a")[0], b""), directory("d", uid=7),
    ))  # fmt: skip
    source = f"oci:{write_layout(made, tmp_path / 'layout')}:latest"
    succeed(extract(source, tmp_path, "--preserve-owner", "--devices", "--preserve-setuid"))
    found = {path.name: path.lstat() for path in (tmp_path / "dest").iterdir()}
    assert (found["a"].st_uid, found["a"].st_gid, found["a"].st_mode & 0o7777) == (1000, 2000, 0o6755)
    assert found["d"].st_uid == 7
    assert stat.S_ISCHR(found["null"].st_mode)
    assert (os.major(found["null"].st_rdev), os.minor(found["null"].st_rdev)) == (1, 3)
    assert found["null"].st_mode & 0o777 == 0o666
    assert stat.S_ISFIFO(found["pipe"].st_mode)


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    made = image(layer(file("a"), (member("pipe", tarfile.FIFOTYPE), b"")))
    done = succeed(extract(f"oci:{write_layout(made, tmp_path / 'layout')}:latest", tmp_path))
    assert "Left out 1 device or named pipe, which --devices makes: 'pipe'" in done.stderr


class TestPaths:
    @pytest.mark.parametrize(
        ("patterns", "expected"),
        [
            (["etc/os-release"], {"etc", "etc/os-release"}),
            (["/usr/lib/"], {"usr", "usr/lib", "usr/lib/one", "usr/lib/two", "usr/lib/uno"}),
            (["usr/lib/uno"], {"usr", "usr/lib", "usr/lib/uno"}),
            (["lib/one"], {"lib", "usr", "usr/lib", "usr/lib/one"}),
            (["**/o*"], {"etc", "etc/os-release", "usr", "usr/lib", "usr/lib/one"}),
            (["lib", "var/cache"], {"lib", "var", "var/cache", "var/cache/new"}),
            (["/"], set(MERGED)),
        ],
    )
    def test_chosen_files(self, patterns: list[str], expected: set[str], name: str, tmp_path: Path) -> None:
        found = extracted(name, tmp_path, *(f"--path={pattern}" for pattern in patterns))
        assert found == {path: MERGED[path] for path in expected}

    @pytest.mark.parametrize("pattern", ["etc/shadow", "var/cache/old", "nothing", "usr/*.so"])
    def test_what_is_not_there(self, pattern: str, name: str, tmp_path: Path) -> None:
        assert "no file" in fatal(extract(name, tmp_path, "--path", pattern), 2)
        assert not (tmp_path / "dest").exists()

    def test_a_way_out_is_refused(self, name: str, tmp_path: Path) -> None:
        assert "leads out of its directory" in fatal(extract(name, tmp_path, "--path", "../x"))


class TestLayers:
    @pytest.mark.parametrize(
        ("layers", "expected"),
        [
            (["1"], {"etc/os-release": b"old\n", "var/cache/old": b"old", "etc/shadow": b"s"}),
            (["-1"], {"etc/os-release": b"new\n", "var/cache/new": b"new"}),
            (["2"], {"etc/os-release": b"middle\n", "lib/two": b"2"}),
            (["1", "2"], {"etc/os-release": b"middle\n", "usr/lib/two": b"2", "var/cache/old": b"old"}),
            (["-2", "3"], {"etc/os-release": b"new\n", "lib/two": b"2", "var/cache/new": b"new"}),
        ],
    )
    def test_by_number(self, layers: list[str], expected: dict[str, bytes], name: str, tmp_path: Path) -> None:
        found = extracted(name, tmp_path, *(f"--layer={number}" for number in layers))
        assert {path: content for path, content in found.items() if isinstance(content, bytes) and path in expected} == expected
        assert "etc/shadow" not in found or layers == ["1"]

    def test_by_digest_and_by_diff_id(self, name: str, tmp_path: Path) -> None:
        middle = IMAGE.layer_digests()[1]
        diff_id = f"sha256:{hashlib.sha256(MIDDLE).hexdigest()}"
        first = extracted(name, tmp_path, "--layer", middle)
        (tmp_path / "dest").rename(tmp_path / "other")
        assert extracted(name, tmp_path, "--layer", diff_id) == first

    @pytest.mark.parametrize("wrong", ["0", "4", "-4", "top", "sha256:" + "0" * 64, "1.5", "9" * 30, "\u00b2"])
    def test_layers_that_are_not_there(self, wrong: str, name: str, tmp_path: Path) -> None:
        assert "this image has no layer" in fatal(extract(name, tmp_path, f"--layer={wrong}"))

    @pytest.mark.parametrize(
        "kind", ["application/vnd.stacker.image.layer.squashfs+zstd+verity", "application/vnd.oci.image.layer.v1.tar+encrypted",
                 "text/plain", ""],
    )  # fmt: skip
    def test_what_is_no_archive_is_named(self, kind: str, tmp_path: Path) -> None:
        gzip = "application/vnd.oci.image.layer.v1.tar+gzip"
        made = image(BASE, MIDDLE, media_types=(gzip, kind))
        source = f"oci:{write_layout(made, tmp_path / 'layout')}:latest"
        message = fatal(extract(source, tmp_path))
        assert f"layer 2 ({made.layer_digests()[1]}) is of type {kind}, which is no tar archive that can be read" in message
        assert extracted(source, tmp_path, "--layer", "1")["etc/os-release"] == b"old\n"

    def test_a_layer_that_is_there_twice(self, tmp_path: Path) -> None:
        made = image(BASE, TOP, BASE)
        found = extracted(f"oci:{write_layout(made, tmp_path / 'layout')}:latest", tmp_path)
        assert found["etc/os-release"] == b"old\n"
        assert found["var/cache/new"] == b"new"


class TestDestination:
    def test_an_empty_directory_is_filled(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "dest").mkdir(mode=0o700)
        inode = (tmp_path / "dest").stat().st_ino
        assert extracted(name, tmp_path) == MERGED
        assert (tmp_path / "dest").stat().st_ino == inode
        assert (tmp_path / "dest").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "dest" / "proc").stat().st_mode & 0o777 == 0o555

    def test_the_working_directory(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "dest").mkdir()
        monkeypatch.chdir(tmp_path / "dest")
        succeed(pyskopeo_here("extract", name, "--dest", "."))
        assert contents(tmp_path / "dest") == MERGED

    def test_one_with_content_is_refused(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "dest").mkdir()
        (tmp_path / "dest" / "mine").write_text("mine")
        assert "is not empty: choose a new directory, or replace files in this one with --overwrite" in fatal(extract(name, tmp_path))
        assert contents(tmp_path / "dest") == {"mine": b"mine"}

    def test_or_added_to_on_request(self, name: str, tmp_path: Path) -> None:
        target = tmp_path / "dest"
        (target / "etc").mkdir(parents=True)
        (target / "etc/mine").write_text("mine")
        (target / "etc/os-release").write_text("mine")
        assert extracted(name, tmp_path, "--overwrite") == {**MERGED, "etc/mine": b"mine"}
        assert extracted(name, tmp_path, "--overwrite") == {**MERGED, "etc/mine": b"mine"}

    @pytest.mark.parametrize("path", ["etc/os-release", "lib"])
    def test_a_directory_is_not_replaced_by_a_file(self, path: str, name: str, tmp_path: Path) -> None:
        (tmp_path / "dest" / path).mkdir(parents=True)
        assert f"{path} is there and is a directory, unlike in the image" in fatal(extract(name, tmp_path, "--overwrite"))

    @pytest.mark.parametrize("existing", ["file", "link-to-nothing", "no-parent", "link-to-a-file"])
    def test_what_is_no_place(self, existing: str, name: str, tmp_path: Path) -> None:
        target = tmp_path / "dest"
        if existing == "file":
            target.write_text("mine")
        elif existing == "link-to-nothing":
            target.symlink_to("nothing")
        elif existing == "link-to-a-file":
            (tmp_path / "mine").write_text("mine")
            target.symlink_to("mine")
        words = ("extract", name, "--dest", target / "below" if existing == "no-parent" else target)
        before = contents(tmp_path)
        fatal(pyskopeo_here(*words))
        assert contents(tmp_path) == before

    def test_a_link_to_a_directory_is_the_users_own_choice(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "dest").symlink_to("real")
        succeed(extract(name, tmp_path))
        assert contents(tmp_path / "real") == MERGED

    def test_it_is_required(self, name: str) -> None:
        assert "--dest is required" in fatal(pyskopeo_here("extract", name))

    def test_a_file_system_that_ignores_case(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from pyskopeo.filesystem.extraction import Extraction

        monkeypatch.setattr(Extraction, "_ignores_case", lambda _: True)
        made = image(layer(directory("D"), file("D/a"), file("d")))
        message = fatal(extract(f"oci:{write_layout(made, tmp_path / 'other')}:latest", tmp_path))
        assert "does not tell D and d apart" in message
        assert not (tmp_path / "dest").exists()
        assert extracted(name, tmp_path) == MERGED


class TestFailures:
    @pytest.mark.parametrize("existing", [False, True])
    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_a_layer_with_other_content_is_refused(self, which: int, existing: bool, tmp_path: Path) -> None:
        """Whether its blob is not what its digest says, or its archive not what the diff ID says."""
        layout = write_layout(IMAGE, tmp_path / "layout")
        if existing:
            (tmp_path / "dest").mkdir()
        path = blob_path(layout, IMAGE.layer_digests()[which])
        spoiled = bytearray(path.read_bytes())
        spoiled[-1] ^= 1
        path.write_bytes(spoiled)
        fatal(extract(f"oci:{layout}:latest", tmp_path))
        assert not (tmp_path / "dest").exists() or list((tmp_path / "dest").iterdir()) == []
        wrong = image(BASE, MIDDLE, TOP, diff_ids=[hashed if n == which else _diff_id(tar) for n, tar in enumerate((BASE, MIDDLE, TOP))])
        message = fatal(extract(f"oci:{write_layout(wrong, tmp_path / 'wrong')}:latest", tmp_path))
        assert "the image configuration says sha256:" in message
        assert not (tmp_path / "dest").exists() or list((tmp_path / "dest").iterdir()) == []

    def test_an_image_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        message = fatal(extract(f"oci:{tmp_path}/nothing", tmp_path))
        assert message == f"reading oci:{tmp_path}/nothing: open {tmp_path}/nothing/index.json: no such file or directory"

    def test_another_number_of_layers_than_the_configuration_says(self, tmp_path: Path) -> None:
        wrong = image(BASE, MIDDLE, diff_ids=[_diff_id(BASE)])
        message = fatal(extract(f"oci:{write_layout(wrong, tmp_path / 'wrong')}:latest", tmp_path))
        assert "has 2 layers, its configuration names 1" in message

    def test_nothing_is_left_of_what_failed(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where directories that must not be written to were made already."""
        real, calls = os.rename, []

        def rename(source: str, target: str, **fds: int) -> None:
            calls.append(target)
            if len(calls) == 5:
                raise OSError(28, "No space left on device")
            real(source, target, **fds)

        monkeypatch.setattr(os, "rename", rename)
        assert "no space left on device" in fatal(extract(name, tmp_path))
        assert [path.name for path in tmp_path.iterdir()] == ["layout"]

    def test_too_much_when_it_is_decompressed(self, name: str, tmp_path: Path) -> None:
        assert "--max-inflated" in fatal(extract(name, tmp_path, "--max-inflated", "1K"))

    def test_a_policy_is_honoured(self, name: str, tmp_path: Path) -> None:
        policy = tmp_path / "policy.json"
        policy.write_text('{"default": [{"type": "reject"}]}')
        done = pyskopeo_here("--policy", policy, "extract", name, "--dest", tmp_path / "dest")
        assert "Source image rejected" in fatal(done)


hashed = "sha256:" + "1" * 64


def _diff_id(tar: bytes) -> str:
    return f"sha256:{hashlib.sha256(tar).hexdigest()}"


class TestReceipt:
    def test_it_says_what_was_extracted(self, name: str, tmp_path: Path) -> None:
        receipt = tmp_path / "receipt.json"
        extracted(name, tmp_path, "--receipt", receipt)
        found = json.loads(receipt.read_bytes())
        assert (found["receiptVersion"], found["requested"], found["digest"]) == (1, name, IMAGE.digest)
        assert {entry["path"]: entry["sha256"] for entry in found["files"]} == {
            path: hashlib.sha256(content).hexdigest() for path, content in MERGED.items() if isinstance(content, bytes)
        }
        assert [blob["digest"] for blob in found["blobs"]] == [IMAGE.config_digest(), *IMAGE.layer_digests()]
        assert {blob["source"] for blob in found["blobs"]} == {name}
        first = receipt.read_bytes()
        (tmp_path / "dest").rename(tmp_path / "other")
        extracted(name, tmp_path, "--receipt", receipt)
        assert receipt.read_bytes() == first

    def test_a_hard_link_that_is_read_again_is_hashed(self, name: str, tmp_path: Path) -> None:
        receipt = tmp_path / "receipt.json"
        extracted(name, tmp_path, "--receipt", receipt, "--path", "usr/lib/uno")
        (entry,) = json.loads(receipt.read_bytes())["files"]
        assert (entry["path"], entry["sha256"]) == ("usr/lib/uno", hashlib.sha256(b"1").hexdigest())

    def test_a_place_that_cannot_be_written_to_is_found_early(self, name: str, tmp_path: Path) -> None:
        assert "Failed to write receipt" in fatal(extract(name, tmp_path, "--receipt", tmp_path / "none" / "receipt"))
        assert not (tmp_path / "dest").exists()


@pytest.mark.parametrize(
    ("path", "layers"),
    [("etc/os-release", {2}), ("var/cache/new", {2}), ("etc/shadow", {2, 1}), ("var/cache/old", {2}), ("lib/two", {2, 1}),
     ("usr/lib/one", {2, 1, 0}), ("etc", {2, 1, 0}), ("etc/os-*", {2, 1, 0})],
)  # fmt: skip
def test_only_layers_that_decide_are_fetched(path: str, layers: set[int], tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        done = extract(registry.name(), tmp_path, "--tls-verify=false", "--path", path)
        assert done.code == (2 if path in ("etc/shadow", "var/cache/old") else 0)
        fetched = [request.path.rpartition("/")[2] for request in registry.requests if "/blobs/" in request.path]
    wanted = {IMAGE.layer_digests()[number] for number in layers}
    assert sorted(fetched) == sorted({IMAGE.config_digest(), *wanted})


def test_a_directory_that_no_layer_read_names_is_one(tmp_path: Path) -> None:
    """The file is at the path that was asked for, whether that leads through a link of a lower layer or not."""
    with Simulator(IMAGE) as registry:
        found = extracted(registry.name(), tmp_path, "--tls-verify=false", "--path", "lib/two")
    assert found == {"lib": "directory", "lib/two": b"2"}


def test_a_layer_is_read_again_for_what_turned_out_to_be_needed(tmp_path: Path) -> None:
    """Of a hard link to a file that was not asked for, and of a file that came by way of a link."""
    with Simulator(IMAGE) as registry:
        assert extracted(registry.name(), tmp_path, "--tls-verify=false", "--path", "usr/lib")["usr/lib/two"] == b"2"
        fetched = [request.path.rpartition("/")[2] for request in registry.requests if "/blobs/" in request.path]
    assert sorted(fetched) == sorted((*IMAGE.blobs, IMAGE.layer_digests()[1]))


@pytest.mark.anyio
async def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    source = f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"
    await pyskopeo_library.extract_files(
        source, tmp_path / "dest", platform=pyskopeo_library.Platform("linux", "amd64"), advance=lambda *pair: told.append(pair)
    )
    sizes = sum(len(IMAGE.blobs[digest]) for digest in IMAGE.layer_digests())
    assert told
    assert {total for _, total in told} == {sizes}
    assert all(0 <= done <= sizes for done, _ in told)


def test_each_layer_is_fetched_once(tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        assert extracted(registry.name(), tmp_path, "--tls-verify=false") == MERGED
        fetched = [request.path.rpartition("/")[2] for request in registry.requests if "/blobs/" in request.path]
    assert sorted(fetched) == sorted(IMAGE.blobs)


def test_a_killed_run_leaves_nothing_that_the_next_does_not_remove(tmp_path: Path) -> None:
    """As a process of its own, in another directory, without a home."""
    (tmp_path / ".dest.0123456789ab.partial").mkdir()
    layout = write_layout(IMAGE, tmp_path / "layout")
    succeed(pyskopeo("extract", f"oci:{layout}:latest", "--dest", "dest", cwd=tmp_path, env={"HOME": "/nowhere"}))
    assert contents(tmp_path / "dest") == MERGED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dest", "layout"]


def test_an_index_has_the_image_of_a_platform(tmp_path: Path) -> None:
    from tests.support.images import BuiltManifest, digest_of

    images: dict[str, BuiltImage] = {arch: image(layer(file("arch", arch.encode())), architecture=arch) for arch in ("amd64", "arm64")}
    entries = [
        {"mediaType": made.root.media_type, "digest": made.digest, "size": len(made.root.raw),
         "platform": {"os": "linux", "architecture": arch}} for arch, made in images.items()
    ]  # fmt: skip
    kind = "application/vnd.oci.image.index.v1+json"
    raw = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
    root = BuiltManifest(digest_of(raw), kind, raw)
    manifests = {root.digest: root} | {made.digest: made.root for made in images.values()}
    blobs = {digest: data for made in images.values() for digest, data in made.blobs.items()}
    source = f"oci:{write_layout(BuiltImage(root, manifests, blobs, {}), tmp_path / 'layout')}:latest"
    assert extracted(source, tmp_path, "--platform", "linux/arm64") == {"arch": b"arm64"}
