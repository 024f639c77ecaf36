"""Files of images when something goes wrong: signals, disks, registries; and the content store in between."""

from __future__ import annotations

import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.commands import started
from tests.support.faults import Cut, Flip, Stall
from tests.support.filetrees import contents, directory, file, image, layer, member
from tests.support.images import BuiltImage
from tests.support.nobody import folder_of_nobody
from tests.support.outputs import write_layout
from tests.support.processes import wait_until
from tests.support.simulator import Simulator
from tests.support.trees import leftovers

IMAGE = image(
    layer(directory("a", mode=0o555), file("a/x", b"x" * 3000)), layer(file("big", os.urandom(2_000_000)), file("last", b"last"))
)
BIG = IMAGE.layer_digests()[1]


@pytest.mark.parametrize("command", ["extract", "export", "cat", "ls"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(command: str, number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    given: dict[str, list[object]] = {
        "extract": ["--dest", tmp_path / "dest"], "export": [tmp_path / "out.tar"], "cat": ["a/x"], "ls": [],
    }  # fmt: skip
    words = given[command]
    with Simulator(IMAGE) as registry:
        registry.on_blob(BIG, Stall(1_000_000))
        with started(command, "--tls-verify=false", registry.name(), *words) as process:
            assert registry.stalling.wait(15)
            if command != "ls":
                assert wait_until(lambda: any(".partial" in str(path) for path in tmp_path.rglob("*")), 10)
            process.send_signal(number)
            out, said = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert out == b""
    assert b"Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_download_that_breaks_off_goes_on(tmp_path: Path) -> None:
    """The layer that is read as a stream goes on where it was, and no file has anything twice."""
    with Simulator(IMAGE) as registry:
        registry.on_blob(BIG, Cut(700_000), times=2)
        done = pyskopeo_here("extract", "--tls-verify=false", "--retry-delay=0s", registry.name(), "--dest", tmp_path / "dest")
    succeed(done)
    found = contents(tmp_path / "dest")
    assert found == {"a": "directory", "a/x": b"x" * 3000, "big": found["big"], "last": b"last"}
    big = found["big"]
    assert isinstance(big, bytes)
    assert big in IMAGE.tars[BIG]
    assert len(big) == 2_000_000


def test_wrong_bytes_of_a_registry_are_refused(tmp_path: Path) -> None:
    with Simulator(IMAGE) as registry:
        registry.on_blob(BIG, Flip(1_900_000))
        words = ("extract", "--tls-verify=false", "--retry-times=0", registry.name(), "--dest", tmp_path / "dest")
        fatal(pyskopeo_here(*words))
    assert list(tmp_path.iterdir()) == []


def test_through_the_content_store(tmp_path: Path) -> None:
    """What is there is not fetched, and offline nothing is."""
    with Simulator(IMAGE) as registry:
        words = ("--store", tmp_path / "store", "extract", "--tls-verify=false", registry.name())
        succeed(pyskopeo_here(*words, "--dest", tmp_path / "one"))
        asked = len(registry.requests)
        succeed(pyskopeo_here(*words, "--dest", tmp_path / "two"))
        assert [request.path for request in registry.requests[asked:] if "/blobs/" in request.path] == []
        asked = len(registry.requests)
        succeed(pyskopeo_here("--offline", *words, "--dest", tmp_path / "three"))
        assert len(registry.requests) == asked
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "three")
    assert leftovers(tmp_path) == []


def test_offline_without_it_is_said(tmp_path: Path) -> None:
    done = pyskopeo_here("--offline", "--store", tmp_path / "store", "extract", "docker://example.com/a", "--dest", tmp_path / "dest")
    assert done.code == 3
    assert not (tmp_path / "dest").exists()


class TestAsSomebodyWithoutPower:
    """Whom permissions bind: in a directory that must not be written to, files are made before it gets that mode."""

    @pytest.fixture
    def folder(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        with folder_of_nobody() as folder:
            monkeypatch.setenv("HOME", str(folder))
            monkeypatch.setenv("TMPDIR", str(folder))
            yield folder

    def extract(self, folder: Path, *words: object, made: BuiltImage = IMAGE) -> Done:
        name = f"oci:{write_layout(made, folder / 'layout')}:latest"
        return pyskopeo_here("extract", name, "--dest", folder / "dest", *words)

    @pytest.mark.parametrize("existing", [False, True])
    def test_directories_that_must_not_be_written_to(self, existing: bool, folder: Path) -> None:
        if existing:
            (folder / "dest").mkdir()
        succeed(self.extract(folder))
        assert (folder / "dest/a").stat().st_mode & 0o777 == 0o555
        assert (folder / "dest/a/x").read_bytes() == b"x" * 3000
        assert sorted(path.name for path in folder.iterdir()) == ["dest", "layout"]

    def test_the_root_may_be_such_a_directory(self, folder: Path) -> None:
        succeed(self.extract(folder, made=image(layer(directory(".", mode=0o500), file("x")))))
        assert (folder / "dest").stat().st_mode & 0o777 == 0o500

    def test_they_are_removed_after_a_failure(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.rename

        def rename(source: str, target: bytes, **fds: int) -> None:
            if target == b"last":
                raise OSError(28, "No space left on device")
            real(source, target, **fds)

        monkeypatch.setattr(os, "rename", rename)
        assert "no space left on device" in fatal(self.extract(folder))
        assert [path.name for path in folder.iterdir()] == ["layout"]

    def test_where_nothing_can_be_written(self, folder: Path) -> None:
        (folder / "dest").mkdir(mode=0o555)
        assert "permission denied" in fatal(self.extract(folder))
        name = f"oci:{folder}/layout:latest"
        assert "permission denied" in fatal(pyskopeo_here("extract", name, "--dest", folder / "dest" / "more"))

    def test_files_cannot_be_given_away(self, folder: Path) -> None:
        done = self.extract(folder, "--preserve-owner", made=image(layer(file("x", uid=1))))
        assert "setting the attributes of x: operation not permitted" in fatal(done)
        assert [path.name for path in folder.iterdir()] == ["layout"]

    def test_devices_cannot_be_made(self, folder: Path) -> None:
        made = image(layer((member("null", tarfile.CHRTYPE, devmajor=1, devminor=3), b"")))
        assert "writing null: operation not permitted" in fatal(self.extract(folder, "--devices", made=made))
        assert [path.name for path in folder.iterdir()] == ["layout"]


@pytest.mark.parametrize("call", ["open", "mkdir", "fchmod", "utime"])
def test_a_disk_that_fails(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each kind of call in turn, somewhere in the middle: one line, and nothing is left."""
    name = f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"
    real = getattr(os, call)

    def fail(path: object, *more: object, **named: object) -> object:
        # Of descriptors and names relative to one, and not of what others do with paths.
        if ("dir_fd" in named and path in (b"a", "2.0")) or (isinstance(path, int) and call in ("fchmod", "utime")):
            raise OSError(5, "Input/output error")
        return real(path, *more, **named)

    monkeypatch.setattr(os, call, fail)
    assert "input/output error" in fatal(pyskopeo_here("extract", name, "--dest", tmp_path / "dest"))
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["layout"]


def test_a_destination_that_appears_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not replaced; of two runs one says so."""
    from pyskopeo.filesystem.tree_writer import TreeWriter

    name = f"oci:{write_layout(IMAGE, tmp_path / 'layout')}:latest"
    real = TreeWriter.write

    def write(writer: TreeWriter, *arguments: object) -> None:
        real(writer, *arguments)  # type: ignore[arg-type]
        (tmp_path / "dest").mkdir()
        (tmp_path / "dest" / "theirs").write_text("theirs")

    monkeypatch.setattr(TreeWriter, "write", write)
    assert "directory not empty" in fatal(pyskopeo_here("extract", name, "--dest", tmp_path / "dest"))
    assert contents(tmp_path / "dest") == {"theirs": b"theirs"}
    assert leftovers(tmp_path) == []
