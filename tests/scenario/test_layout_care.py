"""``layout verify``, ``repair``, ``gc`` and ``ls``, and ``verify`` of images anywhere."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import select
import signal
import struct
import subprocess
import tarfile
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.caches import build_cache
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.commands import PYSKOPEO, environment, pyskopeo, started
from tests.support.faults import Delay, Drip, Flip, Refuse, Stall
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, build, digest_of
from tests.support.outputs import blob_path, write_dir, write_layout, write_layout_archive
from tests.support.policies import REJECT, policy
from tests.support.pulling import ranges
from tests.support.simulator import Simulator
from tests.support.specs import PlatformSpec
from tests.support.terminal import Screen
from tests.support.trees import tree

ONE, TWO = (build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec(name)))) for name in ("one", "two"))
LAYER = ONE.layer_digests()[1]
LIST = build(IndexSpec(tuple(ImageSpec(platform=PlatformSpec(name)) for name in ("amd64", "s390x"))))


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    write_layout(ONE, tmp_path / "lay", tag="one")
    return write_layout(TWO, tmp_path / "lay", tag="two")


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(ONE) as running:
        running.add(LIST, "test/list", "latest")
        yield running


def report_of(done: Done, code: int = 1) -> dict[str, Any]:
    """The report on standard output of a command that ended with ``code``."""
    assert done.code == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def faults(done: Done, code: int = 1) -> list[tuple[str, str]]:
    return [(fault["kind"], fault["digest"] or fault["path"]) for fault in report_of(done, code)["faults"]]


def test_a_good_layout_is_one_line(layout: Path) -> None:
    done = succeed(pyskopeo_here("layout", "verify", f"oci:{layout}"))
    total = sum(len(content) for content in {**ONE.blobs, **TWO.blobs}.values())
    total += len(ONE.root.raw) + len(TWO.root.raw)
    assert done.stdout.decode() == f"oci:{layout}: 2 images, 5 blobs, {total / 1024:.1f} KiB verified: no faults\n"
    assert done.stderr == ""
    assert report_of(pyskopeo_here("layout", "verify", "--deep", "--json", f"oci:{layout}"), 0)["ok"] is True


def test_every_fault_is_a_line_and_all_are_in_the_report(layout: Path) -> None:
    blob_path(layout, LAYER).unlink()
    config = blob_path(layout, TWO.config_digest())
    config.write_bytes(config.read_bytes().swapcase())
    done = pyskopeo_here("layout", "verify", f"oci:{layout}")
    assert faults(done) == sorted([("missing", LAYER), ("digest", TWO.config_digest())], key=lambda one: one[1])
    lines = sorted(done.lines[:-1])
    assert lines[0].startswith(f"digest        config {TWO.config_digest()} of two: digest mismatch: ")
    assert lines[1].startswith(f"missing       layer {LAYER} of one: open {blob_path(layout, LAYER)}: no such file")
    assert f"oci:{layout}: 2 faults (1 digest, 1 missing) in 2 images, 3 blobs, " in done.lines[-1]
    assert "level=fatal" in done.lines[-1]
    quiet = pyskopeo_here("layout", "verify", "--json", f"oci:{layout}")
    assert faults(quiet) == faults(done)
    assert len(quiet.lines) == 1


def test_files_that_nothing_needs_are_listed(layout: Path) -> None:
    orphan = digest_of(b"orphan")
    blob_path(layout, orphan).write_bytes(b"orphan")
    done = succeed(pyskopeo_here("layout", "verify", f"oci:{layout}"))
    assert done.stdout.decode().splitlines()[1:] == [
        "1 file that no image needs, 6 B (layout gc removes blobs):", f"         6 B  blobs/sha256/{orphan[7:]}",
    ]  # fmt: skip


def test_names_cannot_control_the_terminal_in_reports(layout: Path) -> None:
    document = json.loads((layout / "index.json").read_bytes())
    document["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "\x1b[2Jname\nforged"}
    document["manifests"][1]["platform"] = {"os": "linux\nforged", "architecture": "\x1b[2Jamd64"}
    (layout / "index.json").write_text(json.dumps(document))
    blob_path(layout, LAYER).unlink()
    done = pyskopeo_here("layout", "verify", f"oci:{layout}")
    assert "\x1b" not in done.stderr
    assert r"[2Jname\nforged: open " in done.stderr
    assert b"\x1b" not in done.stdout
    listed = succeed(pyskopeo_here("layout", "ls", f"oci:{layout}")).stdout.decode()
    assert listed.replace("\n", "").isprintable()
    assert len(listed.splitlines()) == 3


@pytest.mark.parametrize("verb", [("verify",), ("repair", "--from", "oci:/nowhere"), ("gc",), ("ls",)])
def test_what_is_no_layout(verb: tuple[str, ...], tmp_path: Path) -> None:
    """One line says what is there instead, without a report, and nothing is made."""
    (tmp_path / "file").write_bytes(b"archive")
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun" / "blobs").mkdir(parents=True)
    said = {}
    for name in ("none", "file", "empty", "begun"):
        done = pyskopeo_here("layout", *verb, f"oci:{tmp_path / name}")
        assert not done.stdout
        said[name] = fatal(done).removeprefix(f"{tmp_path / name}: no OCI layout: ")
    assert said == {
        "none": "no such file or directory",
        "file": f"it is not a directory; the name of an archive is oci-archive:{tmp_path}/file or "
        f"docker-archive:{tmp_path}/file",
        "empty": "there is no index.json in this directory",
        "begun": "there is no index.json in this directory: a copy to it has not ended; run that again, or remove the "
        "directory",
    }
    assert sorted(os.listdir(tmp_path)) == ["begun", "empty", "file"]
    assert os.listdir(tmp_path / "empty") == []


def test_other_names_of_layouts(layout: Path, tmp_path: Path) -> None:
    said = fatal(pyskopeo_here("layout", "verify", "docker://example.com/a"))
    assert said.endswith(
        "want oci:PATH, oci-archive:PATH, docker-archive:PATH, dir:PATH; for an image elsewhere: "
        "pyskopeo verify docker://example.com/a"
    )
    assert 'no descriptor found for reference "three"' in fatal(pyskopeo_here("layout", "verify", f"oci:{layout}:three"), 2)
    for verb in ("gc", "ls"):
        assert "want oci:PATH" in fatal(pyskopeo_here("layout", verb, f"oci:{layout}:one"))
        assert "want oci:PATH" in fatal(pyskopeo_here("layout", verb, f"dir:{layout}"))
    assert "--from is required" in fatal(pyskopeo_here("layout", "repair", f"oci:{layout}"))
    assert "from docker, oci, oci-archive, dir, docker-archive only" in fatal(
        pyskopeo_here("layout", "repair", "--from", "tarball:x", f"oci:{layout}")
    )


def test_the_images_of_archives_and_directories(layout: Path, tmp_path: Path) -> None:
    """The same verification, whatever they are in."""
    archive = write_layout_archive(ONE, tmp_path / "a.tar")
    directory = write_dir(LIST, tmp_path / "files")
    succeed(pyskopeo_here("copy", f"oci:{layout}:one", f"docker-archive:{tmp_path}/b.tar:a/b:one"))
    for name, images in ((f"oci-archive:{archive}", 1), (f"dir:{directory}", 2), (f"docker-archive:{tmp_path}/b.tar", 1)):
        for words in (("layout", "verify"), ("verify",), ("verify", "--deep")):
            assert report_of(pyskopeo_here(*words, "--json", name), 0)["images"] == images
    (directory / "stranger").write_bytes(b"x")
    (directory / "signature-1").write_bytes(b"x")
    victim = LIST.config_digest(LIST.child(1).digest)
    (directory / victim[7:]).unlink()
    done = pyskopeo_here("verify", f"dir:{directory}")
    assert faults(done) == [("missing", victim)]
    assert [file["path"] for file in report_of(done)["unneeded"]] == ["stranger"]
    content = bytearray((tmp_path / "b.tar").read_bytes())
    at = content.index(b"\x7fELF" if b"\x7fELF" in content else b"no program")
    content[at] ^= 1
    (tmp_path / "b.tar").write_bytes(content)
    done = pyskopeo_here("verify", f"docker-archive:{tmp_path}/b.tar")
    assert [kind for kind, _ in faults(done)] == ["digest"]
    assert report_of(done)["faults"][0]["neededBy"] == ["docker.io/a/b:one"]


def test_archives_with_several_images(layout: Path, tmp_path: Path) -> None:
    """In one archive of ``docker save``, one image is broken and the other is not."""
    def member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))

    items = []
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for tag, image in (("a/one:v1", ONE), ("a/two:v1", TWO)):
            layers = [f"{tag[2:5]}/{n}.tar" for n, _ in enumerate(image.layer_digests())]
            for name, digest in zip(layers, image.layer_digests(), strict=True):
                member(tar, name, image.tars[digest] + (b"x" if name == "two/1.tar" else b""))
            member(tar, f"{tag[2:5]}.json", image.config())
            items.append({"Config": f"{tag[2:5]}.json", "RepoTags": [tag], "Layers": layers})
        items.append({"Config": "none.json", "RepoTags": ["a/none:v1"], "Layers": []})
        member(tar, "manifest.json", json.dumps(items).encode())
    done = pyskopeo_here("verify", f"docker-archive:{tmp_path}/a.tar")
    found = report_of(done)["faults"]
    assert [(fault["kind"], fault["path"], fault["neededBy"]) for fault in found] == [
        ("digest", "two/1.tar", ["a/two:v1"]), ("missing", "manifest.json", ["a/none:v1"]),
    ]  # fmt: skip
    assert report_of(pyskopeo_here("verify", "--json", f"docker-archive:{tmp_path}/a.tar:a/one:v1"), 0)["images"] == 1
    assert report_of(pyskopeo_here("verify", "--json", f"docker-archive:{tmp_path}/a.tar:@0"), 0)["images"] == 1


def remote(*words: object) -> Done:
    return pyskopeo_here("verify", "--tls-verify=false", "--retry-times=0", "--override-arch=amd64", *words)


def test_an_image_in_a_registry(registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte is read, and none is stored."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = succeed(remote("--deep", registry.name()))
    assert done.stdout.decode().startswith(f"{registry.name()}: 1 image, 3 blobs, ")
    assert list(tmp_path.iterdir()) == []
    asked = [line for line in registry.log if "/v2/test" in line]
    assert len(asked) == len(set(asked)) == 1 + len(ONE.blobs)


def test_one_platform_or_all_of_them(registry: Simulator) -> None:
    name = registry.name("test/list")
    assert report_of(remote("--json", name), 0)["images"] == 1
    assert sum("/blobs/" in line for line in registry.log) == len({*LIST.layer_digests(LIST.child(0).digest)}) + 1
    assert report_of(remote("--json", "--all", name), 0)["images"] == 2
    assert report_of(pyskopeo_here("verify", "--tls-verify=false", "--platform=linux/s390x", "--json", name), 0)["images"] == 1
    said = fatal(pyskopeo_here("verify", "--tls-verify=false", "--platform=linux/arm64", name))
    assert "there is: linux/amd64, linux/s390x" in said


def test_the_faults_of_an_image_in_a_registry(registry: Simulator) -> None:
    victim, other = ONE.layer_digests()
    registry.store.remove_blob("test/image", victim)
    registry.on_blob(other, Flip(100))
    registry.on_blob(ONE.config_digest(), Refuse(500))
    done = remote(registry.name())
    assert sorted(faults(done)) == sorted([
        ("missing", victim), ("digest", other), ("unreadable", ONE.config_digest()),
    ])  # fmt: skip
    child = LIST.child(1).digest
    registry.on(f"*/manifests/{child}", Refuse(404))
    assert faults(remote("--all", registry.name("test/list"))) == [("missing", child)]
    succeed(remote("--all", "--sparse", registry.name("test/list")))
    assert "manifest unknown" in fatal(remote(registry.name("test/image", "none")), 2)


def test_a_layout_is_repaired_from_a_registry(registry: Simulator, layout: Path, tmp_path: Path) -> None:
    before = tree(layout)
    blob_path(layout, LAYER).write_bytes(b"broken")
    blob_path(layout, ONE.digest).unlink()
    (layout / "oci-layout").unlink()
    done = succeed(pyskopeo_here(
        "layout", "repair", "--tls-verify=false", "--from", registry.name(), f"oci:{layout}"
    ))  # fmt: skip
    assert sorted(done.lines) == sorted([
        "repaired oci-layout", f"repaired manifest {ONE.digest} from {registry.name()}",
        f"repaired layer {LAYER} from {registry.name()}",
    ])  # fmt: skip
    assert done.stdout.decode().rstrip().endswith("verified: no faults left")
    assert tree(layout) == before
    asked = [line for line in registry.log if "/v2/test" in line]
    assert sorted(line.partition(" ")[2].rpartition("/")[2] for line in asked) == sorted([ONE.digest, LAYER])
    again = succeed(pyskopeo_here("layout", "repair", "--tls-verify=false", "--from", registry.name(), f"oci:{layout}"))
    assert again.stderr == ""
    assert [line for line in registry.log if "/v2/test" in line] == asked


def test_several_places_to_repair_from(registry: Simulator, layout: Path, tmp_path: Path) -> None:
    backup = write_layout(TWO, tmp_path / "backup", tag="two")
    before = tree(layout)
    for digest in (LAYER, TWO.layer_digests()[1]):
        blob_path(layout, digest).unlink()
    words = ["layout", "repair", "--tls-verify=false", "--from", f"oci:{backup}", "--from", registry.name(), "--json"]
    report = report_of(pyskopeo_here(*words, f"oci:{layout}"), 0)
    assert {one["digest"]: one["source"] for one in report["repaired"]} == {
        LAYER: registry.name(), TWO.layer_digests()[1]: f"oci:{backup}",
    }  # fmt: skip
    assert tree(layout) == before


def test_what_cannot_be_repaired_is_still_reported(registry: Simulator, layout: Path) -> None:
    blob_path(layout, TWO.layer_digests()[1]).unlink()
    blob_path(layout, LAYER).unlink()
    words = ["layout", "repair", "--tls-verify=false", "--retry-times=0", "--from", registry.name()]
    done = pyskopeo_here(*words, f"oci:{layout}")
    assert faults(done) == [("missing", TWO.layer_digests()[1])]
    assert f"not repaired: {registry.name()}: " in done.stderr
    assert blob_path(layout, LAYER).read_bytes() == ONE.blobs[LAYER]


def test_a_registry_that_the_policy_rejects_repairs_nothing(
    registry: Simulator, layout: Path, tmp_path: Path
) -> None:  # fmt: skip
    rules = policy(tmp_path / "policy.json", default=REJECT)
    blob_path(layout, LAYER).unlink()
    done = pyskopeo_here("layout", "repair", "--policy", rules, "--tls-verify=false", "--from", registry.name(), f"oci:{layout}")
    assert "Source image rejected" in fatal(done)
    assert not registry.requests


def test_garbage_is_listed_and_removed(layout: Path) -> None:
    succeed(pyskopeo_here("layout", "gc", f"oci:{layout}"))
    orphan = digest_of(b"orphan")
    blob_path(layout, orphan).write_bytes(b"orphan")
    done = succeed(pyskopeo_here("layout", "gc", "--dry-run", f"oci:{layout}"))
    assert done.stdout.decode() == (
        f"to remove             6 B  blobs/sha256/{orphan[7:]}\noci:{layout}: 1 file to remove, 6 B (6 bytes)\n"
    )
    assert blob_path(layout, orphan).exists()
    report = report_of(pyskopeo_here("layout", "gc", "--json", f"oci:{layout}"), 0)
    assert report == {
        "dryRun": False, "size": 6, "kept": [],
        "removed": [{"path": f"blobs/sha256/{orphan[7:]}", "size": 6, "leftover": False}],
    }  # fmt: skip
    assert not blob_path(layout, orphan).exists()
    blob_path(layout, ONE.digest).unlink()
    assert "so it is not known what else is needed: nothing is removed" in fatal(pyskopeo_here("layout", "gc", f"oci:{layout}"))


def test_what_is_in_a_layout(layout: Path) -> None:
    write_layout(LIST, layout, tag="all")
    lines = succeed(pyskopeo_here("layout", "ls", f"oci:{layout}")).stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "one", "two", "all"]
    assert LIST.digest in lines[3]
    assert "linux/amd64, linux/s390x" in lines[3]
    entries = report_of(pyskopeo_here("layout", "ls", "--json", f"oci:{layout}"), 0)["entries"]
    assert [entry["name"] for entry in entries] == ["one", "two", "all"]


def test_ls_says_why_an_image_is_incomplete(layout: Path) -> None:
    blob_path(layout, ONE.digest).unlink()
    done = succeed(pyskopeo_here("layout", "ls", f"oci:{layout}"))
    assert [line.split()[-1] for line in done.stdout.decode().splitlines()[1:2]] == ["incomplete"]
    (warning,) = done.stderr.splitlines()
    assert f"one is incomplete: open {blob_path(layout, ONE.digest)}: no such file or directory" in warning


def test_after_a_deletion_and_a_collection_the_other_image_is_whole(layout: Path, tmp_path: Path) -> None:
    succeed(pyskopeo_here("delete", f"oci:{layout}:one"))
    succeed(pyskopeo_here("layout", "gc", f"oci:{layout}"))
    report = report_of(pyskopeo_here("layout", "verify", "--json", "--deep", f"oci:{layout}"), 0)
    assert (report["images"], report["unneeded"]) == (1, [])
    succeed(pyskopeo_here("copy", f"oci:{layout}:two", f"dir:{tmp_path / 'copied'}"))


def test_blobs_shared_by_layouts(layout: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    succeed(pyskopeo_here("copy", "--dest-shared-blob-dir", shared, f"oci:{layout}:one", f"oci:{tmp_path}/lean:one"))
    lean = f"oci:{tmp_path / 'lean'}"
    assert report_of(pyskopeo_here("layout", "verify", "--json", "--shared-blob-dir", shared, lean), 0)["images"] == 1
    assert report_of(pyskopeo_here("verify", "--json", "--shared-blob-dir", shared, lean), 0)["images"] == 1
    (shared / "sha256" / LAYER[7:]).unlink()
    words = ("layout", "repair", "--shared-blob-dir", shared, "--from", f"oci:{layout}")
    succeed(pyskopeo_here(*words, lean))
    assert (shared / "sha256" / LAYER[7:]).read_bytes() == ONE.blobs[LAYER]
    before = tree(shared)
    succeed(pyskopeo_here("layout", "gc", "--shared-blob-dir", shared, lean))
    assert tree(shared) == before


def test_garbage_collection_waits_for_a_pull_in_another_process(registry: Simulator, tmp_path: Path) -> None:
    """The pull has found a blob that no entry names yet; it must not go."""
    layout = tmp_path / "lay"
    write_layout(TWO, layout, tag="two")
    blob_path(layout, LAYER).write_bytes(ONE.blobs[LAYER])  # as a pull that was killed leaves it
    registry.on_blob(ONE.config_digest(), Delay(3))
    with started("copy", "--src-tls-verify=false", registry.name(), f"oci:{layout}:one") as pull:
        for _ in range(1000):
            if any(ONE.config_digest() in line for line in registry.log):
                break
            time.sleep(0.01)
        done = succeed(pyskopeo("layout", "gc", f"oci:{layout}"))
        assert pull.wait(30) == 0
    assert b": 0 files removed" in done.stdout
    assert f"waiting for copies to oci:{layout} that are under way" in done.stderr
    assert report_of(pyskopeo_here("layout", "verify", "--json", f"oci:{layout}"), 0)["images"] == 2


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    size = 10 * 1024**3
    layout = write_layout(ONE, tmp_path / "lay")
    digest = "sha256:" + "5" * 64
    with blob_path(layout, digest).open("wb") as file:
        file.truncate(size)
    document: Any = ONE.root.json
    document["layers"][1] |= {"digest": digest, "size": size}
    raw = json.dumps(document).encode()
    blob_path(layout, digest_of(raw)).write_bytes(raw)
    index = json.loads((layout / "index.json").read_bytes())
    index["manifests"][0] |= {"digest": digest_of(raw), "size": len(raw)}
    (layout / "index.json").write_text(json.dumps(index))
    with started("layout", "verify", f"oci:{layout}") as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def on_a_terminal(*words: object) -> str:
    """What a command that succeeds writes to a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    more = {"TERM": "xterm-256color"}
    with subprocess.Popen([*PYSKOPEO, *map(str, words)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment(more)) as process:
        output = b""
        while process.poll() is None or select.select([ours], [], [], 0)[0]:
            if select.select([ours], [], [], 0.05)[0]:
                output += os.read(ours, 65536)
    os.close(ours)
    os.close(theirs)
    assert process.returncode in (0, 1)
    return output.decode(errors="replace")


def test_a_bar_on_a_terminal(registry: Simulator) -> None:
    registry.on("/v2/*/blobs/*", Drip(500, 0.1))
    output = on_a_terminal("verify", "--tls-verify=false", registry.name())
    assert "Verifying" in output
    assert "\u2501" in output
    shown = Screen(80)
    shown.write(output)
    (line,) = "".join(shown.lines).split("\n")
    assert line.startswith(f"{registry.name()}: 1 image, 3 blobs")
    assert "\u2501" not in line
    assert "Verifying" not in on_a_terminal("verify", "--quiet", "--tls-verify=false", registry.name())


def test_a_bar_of_single_blobs(registry: Simulator, tmp_path: Path) -> None:
    registry.on("/v2/*/blobs/*", Drip(500, 0.1))
    words = ("blob", "get", "--tls-verify=false", f"{registry.name().removeprefix('docker://').rpartition(':')[0]}@{LAYER}")
    output = on_a_terminal(*words, "-o", tmp_path / "layer")
    assert "Downloading" in output
    shown = Screen(80)
    shown.write(output)
    assert "".join(shown.lines).strip() == ""
    assert "Downloading" not in on_a_terminal(*words, "-o", "-")


def test_a_bar_says_what_is_done(registry: Simulator, tmp_path: Path) -> None:
    succeed(pyskopeo_here("copy", "-q", "--all", "--layers=none", "--src-tls-verify=false", registry.name(), f"oci:{tmp_path}/x"))
    registry.on("/v2/*/blobs/*", Drip(500, 0.1))
    output = on_a_terminal("layout", "complete", "--tls-verify=false", f"oci:{tmp_path}/x")
    assert "Completing" in output
    assert "Verifying" not in output


def test_on_a_terminal_faults_are_lines_alone(layout: Path) -> None:
    blob_path(layout, LAYER).unlink()
    output = on_a_terminal("layout", "verify", f"oci:{layout}")
    assert "missing       layer" in output
    assert '"faults"' not in output
    assert '"faults"' in on_a_terminal("layout", "verify", "--json", f"oci:{layout}")


def test_what_a_killed_pull_left_is_listed_and_collected(tmp_path: Path) -> None:
    """The part of a blob that has arrived is no fault, and no garbage before somebody says so."""
    image = build(ImageSpec(layers=(LayerSpec("large", size=2_000_000, base=True),)))
    layout = write_layout(TWO, tmp_path / "lay", tag="two")
    (large,) = image.layer_digests()
    with Simulator(image) as registry:
        registry.on_blob(large, Stall(1_000_000))
        with started("copy", "--src-tls-verify=false", registry.name(), f"oci:{layout}:one") as pull:
            for _ in range(3000):
                if any(path.stat().st_size > 500_000 for path in layout.glob("blobs/sha256/.*")):
                    break
                time.sleep(0.01)
            pull.kill()
            pull.wait(30)
    report = report_of(pyskopeo_here("layout", "verify", "--json", f"oci:{layout}"), 0)
    leftovers = [file for file in report["unneeded"] if file["leftover"]]
    assert len(leftovers) == 1
    assert leftovers[0]["size"] > 500_000
    removed = report_of(pyskopeo_here("layout", "gc", "--json", f"oci:{layout}"), 0)["removed"]
    assert leftovers[0] in removed
    assert {f"sha256:{path.name}" for path in (layout / "blobs" / "sha256").iterdir()} == {*TWO.blobs, *TWO.manifests}


def test_an_image_of_schema_1(tmp_path: Path) -> None:
    """Its manifest states neither the sizes of its layers nor their diff IDs."""
    image = build("docker-history")
    succeed(pyskopeo_here("copy", "--format=v2s1", f"dir:{write_dir(image, tmp_path / 'source')}", f"dir:{tmp_path / 'old'}"))
    report = report_of(pyskopeo_here("verify", "--deep", "--json", f"dir:{tmp_path / 'old'}"), 0)
    # Entries of the history without a layer have an empty one.
    assert (report["images"], report["blobs"]) == (1, len(image.layer_digests()) + 1)
    victim = image.layer_digests()[0]
    (tmp_path / "old" / victim[7:]).unlink()
    assert [kind for kind, _ in faults(pyskopeo_here("verify", f"dir:{tmp_path / 'old'}"))] == ["missing"]


@pytest.mark.parametrize("resume", [True, False])
def test_a_repair_that_was_killed_goes_on(resume: bool, tmp_path: Path) -> None:
    image = build(ImageSpec(layers=(LayerSpec("large", size=2_000_000, base=True),)))
    layout = write_layout(image, tmp_path / "lay")
    (large,) = image.layer_digests()
    blob_path(layout, large).unlink()
    words = ["layout", "repair", "--tls-verify=false", *([] if resume else ["--no-resume"])]
    with Simulator(image) as registry:
        registry.on_blob(large, Stall(1_000_000))
        with started(*words, "--from", registry.name(), f"oci:{layout}") as repair:
            for _ in range(3000):
                if any(path.stat().st_size > 500_000 for path in layout.glob("blobs/sha256/.*")):
                    break
                time.sleep(0.01)
            repair.kill()
            repair.wait(30)
        registry.heal()
        succeed(pyskopeo_here(*words, "--from", registry.name(), f"oci:{layout}"))
        again = ranges(registry, large)[-1]
    assert (again is not None and again.startswith("bytes=")) == resume
    assert blob_path(layout, large).read_bytes() == image.blobs[large]
    report = report_of(pyskopeo_here("layout", "verify", "--json", f"oci:{layout}"), 0)
    assert [file for file in report["unneeded"] if file["leftover"]] == []


def test_a_build_cache_in_a_registry(tmp_path: Path) -> None:
    with Simulator(build_cache()) as registry:
        for words in ((), ("--all",), ("--platform=linux/arm64",)):
            report = report_of(pyskopeo_here("verify", "--tls-verify=false", "--json", *words, registry.name()), 0)
            assert (report["images"], report["blobs"]) == (0, 4)


def test_pulls_deletions_and_collections_of_many_processes(tmp_path: Path) -> None:
    """Whatever comes first, in the end the layout has the images that were not deleted, whole, and nothing else."""
    images = [build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec(f"layer{n}")))) for n in range(3)]
    layout = write_layout(TWO, tmp_path / "lay", tag="two")
    with Simulator() as registry, ExitStack() as stack:
        for number, image in enumerate(images):
            registry.add(image, f"test/{number}", "latest")
        pulls = [
            stack.enter_context(started("copy", "--src-tls-verify=false", registry.name(f"test/{n}"), f"oci:{layout}:n{n}"))
            for n, _ in enumerate(images)
        ]
        while any(pull.poll() is None for pull in pulls):
            succeed(pyskopeo_here("layout", "gc", f"oci:{layout}"))
        assert [pull.returncode for pull in pulls] == [0, 0, 0]
        deletions = [stack.enter_context(started("delete", f"oci:{layout}:n{n}")) for n in (0, 1)]
        while any(deletion.poll() is None for deletion in deletions):
            succeed(pyskopeo_here("layout", "gc", f"oci:{layout}"))
        assert [deletion.returncode for deletion in deletions] == [0, 0]
    report = report_of(pyskopeo_here("layout", "verify", "--deep", "--json", f"oci:{layout}"), 0)
    assert (report["images"], report["unneeded"]) == (2, [])
    found = {f"sha256:{path.name}" for path in (layout / "blobs" / "sha256").iterdir()}
    assert found == {*TWO.blobs, *TWO.manifests, *images[2].blobs, *images[2].manifests}


def test_one_platform_that_was_copied_with_its_list(tmp_path: Path) -> None:
    """The others were left out on purpose: each is a fault unless that is said."""
    source = write_layout(LIST, tmp_path / "source")
    layout = f"oci:{tmp_path / 'lay'}"
    succeed(pyskopeo_here("copy", "--multi-arch=linux/amd64", f"oci:{source}", layout))
    done = pyskopeo_here("layout", "verify", layout)
    assert faults(done) == [("missing", LIST.child(1).digest)]
    assert "--sparse accepts images of a list that were left out" in done.lines[0]
    done = succeed(pyskopeo_here("layout", "verify", "--sparse", layout))
    assert done.stdout.decode().splitlines()[1:] == ["1 image of a list missing as a whole, as --sparse accepts"]
    assert "--sparse accepts images of an index that are missing" in fatal(pyskopeo_here("layout", "gc", layout))
    assert b"0 files removed" in succeed(pyskopeo_here("layout", "gc", "--sparse", layout)).stdout
    succeed(pyskopeo_here("layout", "repair", "--from", f"oci:{source}", layout))
    succeed(pyskopeo_here("layout", "verify", layout))


def test_a_content_store_is_neither_read_nor_written_to(registry: Simulator, tmp_path: Path) -> None:
    """What it has says nothing about the registry."""
    store = tmp_path / "store"
    words = ("--store", store, "--tls-verify=false", "--retry-times=0")
    succeed(pyskopeo_here("verify", *words, registry.name()))
    assert not store.exists()
    succeed(pyskopeo_here("copy", "--store", store, "--src-tls-verify=false", registry.name(), f"dir:{tmp_path / 'files'}"))
    before = tree(store)
    registry.on_blob(LAYER, Flip(100))
    assert faults(pyskopeo_here("verify", *words, registry.name())) == [("digest", LAYER)]
    assert tree(store) == before


def test_a_layout_is_repaired_from_a_content_store(registry: Simulator, layout: Path, tmp_path: Path) -> None:
    """What an earlier pull has fetched is not fetched again, and without a network it is enough."""
    store = tmp_path / "store"
    succeed(pyskopeo_here("copy", "--store", store, "--src-tls-verify=false", registry.name(), f"dir:{tmp_path / 'files'}"))
    before, asked = tree(layout), len(registry.log)
    for digest in (LAYER, ONE.digest):
        blob_path(layout, digest).unlink()
    words = ("layout", "repair", "--offline", "--store", store, "--from", registry.name())
    succeed(pyskopeo_here(*words, f"oci:{layout}"))
    assert tree(layout) == before
    assert len(registry.log) == asked
    blob_path(layout, TWO.layer_digests()[1]).unlink()
    done = pyskopeo_here(*words, f"oci:{layout}")
    assert faults(done, 3) == [("missing", TWO.layer_digests()[1])]
    assert "--offline" in done.stderr


def test_offline_only_what_is_here_is_verified(registry: Simulator, layout: Path) -> None:
    succeed(pyskopeo_here("layout", "verify", "--offline", f"oci:{layout}"))
    done = pyskopeo_here("verify", "--offline", "--tls-verify=false", registry.name())
    assert done.code == 3
    assert not registry.requests


def test_files_that_garbage_collection_leaves_are_not_said_to_go(layout: Path) -> None:
    (layout / "blobs" / "sha256" / "readme").write_text("x")
    said = succeed(pyskopeo_here("layout", "verify", f"oci:{layout}")).stdout.decode()
    assert "1 file that no image needs, 1 B:" in said
    (layout / "blobs" / "sha256" / ("0" * 64)).write_text("x")
    said = succeed(pyskopeo_here("layout", "verify", f"oci:{layout}")).stdout.decode()
    assert "2 files that no image needs, 2 B (layout gc removes blobs):" in said


def test_a_repair_that_would_need_a_request(layout: Path) -> None:
    """What is missing is listed, and the exit code says why."""
    blob_path(layout, LAYER).unlink()
    done = pyskopeo_here("layout", "repair", "--offline", "--from", "docker://localhost:1/a", f"oci:{layout}")
    assert f"--offline allows no request. Missing: {LAYER}" in done.lines[-1]
    assert faults(done, 3) == [("missing", LAYER)]
    done = pyskopeo_here("layout", "repair", "--offline", "--from", "docker://localhost:1/a", f"oci:{layout}:three")
    assert "no descriptor found" in fatal(done, 3)


def test_a_repair_from_a_docker_archive(layout: Path, tmp_path: Path) -> None:
    """It has the configuration, and layers that are not compressed in the layout either."""
    succeed(pyskopeo_here("copy", f"oci:{layout}:one", f"docker-archive:{tmp_path}/a.tar:a/b:one"))
    config = ONE.config_digest()
    blob_path(layout, config).unlink()
    blob_path(layout, ONE.layer_digests()[0]).unlink()
    done = pyskopeo_here("layout", "repair", "--from", f"docker-archive:{tmp_path}/a.tar", f"oci:{layout}:one")
    assert blob_path(layout, config).read_bytes() == ONE.blobs[config]
    assert [kind for kind, _ in faults(done)] == ["missing"]
    assert "in this image" in done.stderr


def test_a_copy_that_waits_says_for_what(layout: Path) -> None:
    with ExitStack() as stack:
        lock = os.open(layout / "blobs", os.O_RDONLY)
        stack.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = stack.enter_context(started("copy", f"oci:{layout}:one", f"oci:{layout}:again"))
        assert process.stderr is not None
        said = "".join(process.stderr.readline().decode() for _ in range(3))
        assert f"waiting for {layout}/blobs, which is locked by a program that removes blobs from it" in said
