"""Copies that are interrupted, and the next run, which fetches only what is missing, whatever happened to what was kept."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pyskopeo.storage import part_files
from pyskopeo.storage.partial_files import is_kept, kept_name
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import PYSKOPEO, environment, started
from tests.support.faults import Body, Cut, Drip, RangeMode, Ranges, Stall
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.processes import wait_until
from tests.support.pulling import names, ranges
from tests.support.simulator import Simulator
from tests.support.trees import leftovers, tree

pytestmark = pytest.mark.usefixtures("unmeasured_processes")

IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("big", size=3_000_000), LayerSpec("other", size=500_000))))
OTHER = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("of another", size=400_000))))
BIG, SIZE = IMAGE.layer_digests()[1], len(IMAGE.blobs[IMAGE.layer_digests()[1]])
AT = 2_000_000
DESTINATIONS = ("oci:{}/new:x", "dir:{}/new", "oci-archive:{}/new.tar")
COPY = ("copy", "--src-tls-verify=false")


@pytest.fixture(params=DESTINATIONS, ids=lambda name: name.partition(":")[0])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    (tmp_path / "there").mkdir()
    return str(request.param).format(tmp_path / "there")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as simulator:
        simulator.add(OTHER, "test/other", "latest")
        yield simulator


def end(registry: Simulator, destination: str, there: Path, number: signal.Signals, *more: str) -> None:
    """A copy that is ended by a signal when it has all but the last part of the large layer."""
    registry.on_blob(BIG, Stall(AT), times=1)
    with started(*COPY, *more, registry.name(), destination) as process:
        assert registry.stalling.wait(15)
        assert wait_until(lambda: kept(there, AT) is not None, 10)
        process.send_signal(number)
        process.wait(10)


def kept(folder: Path, size: int | None = None) -> Path | None:
    """The part file of the large layer, once it has this size."""
    for path in folder.rglob("*.kept.partial"):
        if BIG[7:47] in path.name and (size is None or path.stat().st_size == size):
            return path
    return None


def copy(registry: Simulator, destination: str, *more: str, repository: str = "test/image") -> None:
    succeed(pyskopeo_here(*COPY, *more, registry.name(repository), destination))


def fresh(registry: Simulator, destination: str, tmp_path: Path, repository: str = "test/image") -> dict[str, bytes]:
    """What a copy that nothing interrupts writes."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    copy(registry, destination.replace(str(tmp_path / "there"), str(folder)), repository=repository)
    return tree(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["INT", "TERM", "KILL"])
def test_the_next_run_fetches_only_what_is_missing(
    registry: Simulator, destination: str, there: Path, tmp_path: Path, number: signal.Signals
) -> None:
    end(registry, destination, there, number)
    asked = len(registry.log)
    copy(registry, destination)
    assert ranges(registry, BIG) == [None, f"bytes={AT}-"]
    # The other layers were complete.
    assert len([line for line in registry.log[asked:] if "/blobs/" in line]) == 1
    assert leftovers(there) == []
    assert tree(there) == fresh(registry, destination, tmp_path)


def test_what_is_fetched_again_is_told(registry: Simulator, destination: str, there: Path) -> None:
    """The bytes of the interrupted run are not among those that were moved."""
    end(registry, destination, there, signal.SIGINT)
    done = succeed(pyskopeo_here(*COPY, "--progress=json", registry.name(), destination))
    events = [json.loads(line) for line in done.stderr.splitlines()]
    finished = {event["digest"]: event for event in events if event["event"] == "BlobFinished"}
    assert finished[BIG]["kept"] == AT
    assert sum(event["kept"] for event in finished.values()) == AT
    assert events[-1]["moved"] == finished[BIG]["size"] - AT


def test_a_network_that_drops_the_connection(registry: Simulator, destination: str, there: Path, tmp_path: Path) -> None:
    for at in (700_000, 600_000, 500_000):
        registry.on_blob(BIG, Cut(at), times=1)
        assert pyskopeo_here(*COPY, "--retry-times=0", registry.name(), destination).code == 1
    copy(registry, destination)
    assert ranges(registry, BIG) == [None, "bytes=700000-", "bytes=1300000-", "bytes=1800000-"]
    assert tree(there) == fresh(registry, destination, tmp_path)


def test_a_captive_portal_does_not_spoil_what_was_fetched(registry: Simulator, destination: str) -> None:
    registry.on_blob(BIG, Cut(AT), times=1)
    assert pyskopeo_here(*COPY, "--retry-times=0", registry.name(), destination).code == 1
    registry.on_blob(BIG, Ranges("ignored"), Body(b"<html>Please log in</html>"))
    assert pyskopeo_here(*COPY, "--retry-times=0", registry.name(), destination).code == 1
    registry.heal()
    copy(registry, destination)
    assert ranges(registry, BIG)[-1] == f"bytes={AT}-"


@pytest.mark.parametrize(
    "mode", ["ignored", "refused-403", "refused-416", "without-content-range", "wrong-start", "wrong-total", "from-zero", "one-byte"]
)
def test_a_server_that_knows_no_ranges(
    registry: Simulator, tmp_path: Path, mode: RangeMode
) -> None:
    registry.on_blob(BIG, Cut(SIZE - 50), times=1)
    assert pyskopeo_here(*COPY, "--retry-times=0", registry.name(), f"oci:{tmp_path}/new:x").code == 1
    registry.on_blob(BIG, Ranges(mode))
    copy(registry, f"oci:{tmp_path}/new:x")
    assert leftovers(tmp_path) == []
    assert tree(tmp_path)[f"new/blobs/sha256/{BIG[7:]}"] == IMAGE.blobs[BIG]


def spoil(change: Callable[[bytearray], None]) -> Callable[[Path], None]:
    def spoiled(path: Path) -> None:
        content = bytearray(path.read_bytes())
        change(content)
        path.write_bytes(content)

    return spoiled


def tail_lost(content: bytearray) -> None:
    content[1_000_000:] = bytes(len(content) - 1_000_000)


def first_byte(content: bytearray) -> None:
    content[0] ^= 1


def longer(content: bytearray) -> None:
    content += bytes(2 * SIZE)


def become_a_link(path: Path) -> None:
    target = path.parent.parent / "victim"
    path.rename(target)
    path.symlink_to(target)


@pytest.mark.parametrize("change", [spoil(tail_lost), spoil(first_byte), spoil(longer), become_a_link],
                         ids=["tail", "first byte", "longer", "link"])  # fmt: skip
def test_whatever_happened_to_what_was_kept(
    registry: Simulator, destination: str, there: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """After a power failure a file may have any content."""
    end(registry, destination, there, signal.SIGKILL)
    path = kept(there)
    assert path is not None
    change(path)
    copy(registry, destination)
    assert ranges(registry, BIG)[-1] is None
    wanted = fresh(registry, destination, tmp_path)
    assert {name: content for name, content in tree(there).items() if name in wanted} == wanted


def test_complete_blobs_that_were_kept_are_verified(
    registry: Simulator, destination: str, there: Path, tmp_path: Path
) -> None:
    end(registry, destination, there, signal.SIGKILL)
    other = IMAGE.layer_digests()[2]
    (path,) = there.rglob(other[7:])
    path.write_bytes(bytes(path.stat().st_size))
    copy(registry, destination)
    assert ranges(registry, other) == [None, None]
    assert tree(there) == fresh(registry, destination, tmp_path)


def test_without_resume(registry: Simulator, destination: str, there: Path) -> None:
    end(registry, destination, there, signal.SIGTERM, "--no-resume")
    assert leftovers(there) == []
    end(registry, destination, there, signal.SIGTERM)
    copy(registry, destination, "--no-resume")
    assert ranges(registry, BIG) == [None, None, None]
    assert leftovers(there) == []


def test_another_image_has_nothing_of_it(
    registry: Simulator, destination: str, there: Path, tmp_path: Path
) -> None:
    end(registry, destination, there, signal.SIGTERM)
    copy(registry, destination, repository="test/other")
    wanted = fresh(registry, destination, tmp_path, "test/other")
    if destination.startswith("oci:"):  # a layout keeps blobs, and what has arrived of one, for whoever wants them
        assert {name: content for name, content in tree(there).items() if name in wanted} == wanted
        assert names(there / "new") == ["x"]
        assert kept(there, AT) is not None
    else:
        assert tree(there) == wanted


def test_what_nobody_wants_any_more(registry: Simulator, destination: str, there: Path, tmp_path: Path) -> None:
    end(registry, destination, there, signal.SIGKILL)
    before = leftovers(there)
    for path in (path for name in before for path in (there / name, (there / name).parent)):
        os.utime(path, (path.stat().st_mtime - 3000,) * 2)
    # Into the same directory, or layout.
    copy(registry, destination.replace("/new", "/new2") if "oci:" not in destination else destination + "2",
         "--partial-age=2h", repository="test/other")  # fmt: skip
    assert leftovers(there) == before
    (there / "new2.tar").unlink(missing_ok=True)
    copy(registry, destination.replace("/new", "/new2") if "oci:" not in destination else destination + "2",
         "--partial-age=40m", repository="test/other")  # fmt: skip
    assert leftovers(there) == []


def test_sync_goes_on_too(registry: Simulator, tmp_path: Path) -> None:
    registry.on_blob(BIG, Cut(AT), times=1)
    words = ("sync", "--src=docker", "--dest=oci", "--src-tls-verify=false", f"{registry.host}/test/image", tmp_path / "mirror")
    assert pyskopeo_here(*words, "--retry-times=0").code == 1
    succeed(pyskopeo_here(*words))
    assert ranges(registry, BIG) == [None, f"bytes={AT}-"]
    assert leftovers(tmp_path) == []


@contextmanager
def copying(*destinations: str, registry: Simulator) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A process for each destination."""
    with ExitStack() as stack:
        commands = [[*PYSKOPEO, *COPY, registry.name(), destination] for destination in destinations]
        processes = [stack.enter_context(subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE)) for command in commands]
        try:
            yield processes
        finally:
            for process in processes:
                process.kill()


def test_four_processes_fetch_each_blob_once(registry: Simulator, tmp_path: Path) -> None:
    registry.on_blob(BIG, Drip(300_000, 0.1))
    tags = ["a", "b", "c", "d"]
    with copying(*(f"oci:{tmp_path}/new:{tag}" for tag in tags), registry=registry) as processes:
        assert [process.wait(30) for process in processes] == [0] * 4
    assert {digest: len(ranges(registry, digest)) for digest in IMAGE.layer_digests()} == dict.fromkeys(IMAGE.layer_digests(), 1)
    assert sorted(names(tmp_path / "new")) == tags
    assert leftovers(tmp_path) == []


def test_one_that_waits_takes_over_from_one_that_is_killed(registry: Simulator, tmp_path: Path) -> None:
    registry.on_blob(BIG, Stall(AT), times=1)
    with copying(f"oci:{tmp_path}/new:a", registry=registry) as (first,):
        assert registry.stalling.wait(15)
        assert wait_until(lambda: kept(tmp_path, AT) is not None, 10)
        with copying(f"oci:{tmp_path}/new:b", registry=registry) as (second,):
            asked = len(registry.log)
            assert wait_until(lambda: any("/manifests/" in line for line in registry.log[asked:]), 10)
            first.kill()
            assert second.wait(15) == 0
    assert ranges(registry, BIG) == [None, f"bytes={AT}-"]
    assert names(tmp_path / "new") == ["b"]
    assert leftovers(tmp_path) == []


def test_what_is_kept_is_hidden_and_known_by_its_name(
    registry: Simulator, destination: str, there: Path
) -> None:
    end(registry, destination, there, signal.SIGTERM)
    assert leftovers(there) != []
    for name in tree(there):
        parts = Path(name).parts
        assert any(map(is_kept, parts)) or parts[:3] == ("new", "blobs", "sha256")


def test_with_blobs_that_several_layouts_share(registry: Simulator, tmp_path: Path) -> None:
    shared = f"--dest-shared-blob-dir={tmp_path}/blobs"
    registry.on_blob(BIG, Cut(AT), times=1)
    assert pyskopeo_here(*COPY, shared, "--retry-times=0", registry.name(), f"oci:{tmp_path}/a:x").code == 1
    copy(registry, f"oci:{tmp_path}/b:x", shared)
    copy(registry, f"oci:{tmp_path}/a:x", shared)
    assert ranges(registry, BIG) == [None, f"bytes={AT}-"]
    assert leftovers(tmp_path) == []


def test_four_processes_into_layouts_that_share_blobs(registry: Simulator, tmp_path: Path) -> None:
    registry.on_blob(BIG, Drip(300_000, 0.1))
    words = [(f"--dest-shared-blob-dir={tmp_path}/blobs", registry.name(), f"oci:{tmp_path}/{name}:x") for name in "abcd"]
    with ExitStack() as stack:
        processes = [stack.enter_context(started(*COPY, *each)) for each in words]
        assert [process.wait(30) for process in processes] == [0] * 4
    assert [len(ranges(registry, digest)) for digest in IMAGE.layer_digests()] == [1] * len(IMAGE.layer_digests())
    assert leftovers(tmp_path) == []


def test_a_copy_that_finds_everything_removes_what_is_left_of_it(registry: Simulator, tmp_path: Path) -> None:
    """Another run, which had not waited any more, may have fetched the blob that was interrupted."""
    end(registry, f"oci:{tmp_path}/new:x", tmp_path, signal.SIGKILL)
    left = kept(tmp_path)
    assert left is not None
    content = left.read_bytes()
    copy(registry, f"oci:{tmp_path}/new:x")
    left.write_bytes(content)
    copy(registry, f"oci:{tmp_path}/new:x")
    assert leftovers(tmp_path) == []


_KILLED_IN_ASSEMBLY = """
import os, sys
from pyskopeo.storage.tar import TarWriter
add = TarWriter.add_file

def dies(self, name, *more):
    if name.endswith(sys.argv[1]):
        self._write(b"x" * 1000)  # as if it was killed in the middle of a member
        os.kill(os.getpid(), 9)
    add(self, name, *more)

TarWriter.add_file = dies
from pyskopeo.cli.main import main
main(sys.argv[2:])
"""


@pytest.mark.parametrize("member", [max(digest[7:] for digest in IMAGE.blobs), "index.json", "oci-layout"])
def test_an_archive_that_was_being_assembled(registry: Simulator, there: Path, tmp_path: Path, member: str) -> None:
    """Files are removed when they are in the archive: they are taken from there."""
    there.mkdir()
    destination = f"oci-archive:{there}/new.tar"
    command = [sys.executable, "-c", _KILLED_IN_ASSEMBLY, member, *COPY, registry.name(), destination]
    assert subprocess.run(command, env=environment(), check=False).returncode == -signal.SIGKILL
    asked = len(registry.log)
    copy(registry, destination)
    assert [line for line in registry.log[asked:] if "/blobs/" in line] == []
    assert leftovers(there) == []
    assert tree(there) == fresh(registry, destination, tmp_path)


def test_an_archive_that_was_being_assembled_and_is_spoiled(registry: Simulator, there: Path, tmp_path: Path) -> None:
    there.mkdir()
    destination = f"oci-archive:{there}/new.tar"
    command = [sys.executable, "-c", _KILLED_IN_ASSEMBLY, "index.json", *COPY, registry.name(), destination]
    assert subprocess.run(command, env=environment(), check=False).returncode == -signal.SIGKILL
    (left,) = (path for path in there.glob("*.partial") if path.is_file())
    content = bytearray(left.read_bytes())
    at = content.index(IMAGE.blobs[BIG])
    content[at + 1_000_000] ^= 1
    left.write_bytes(content)
    copy(registry, destination)
    assert ranges(registry, BIG) == [None, None]
    assert leftovers(there) == []
    assert tree(there) == fresh(registry, destination, tmp_path)


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_what_is_kept_is_said(
    registry: Simulator, destination: str, there: Path, number: signal.Signals, word: str
) -> None:
    registry.on_blob(BIG, Stall(AT), times=1)
    with started(*COPY, registry.name(), destination) as process:
        assert registry.stalling.wait(15)
        assert wait_until(lambda: kept(there, AT) is not None, 10)
        process.send_signal(number)
        _, said = process.communicate(timeout=10)
    last = said.decode().splitlines()[-1]
    found = re.search(rf"{word}: ([0-9.]+) MiB of what was transferred are kept, and the same command goes on there", last)
    assert found
    assert AT / 2**20 - 0.1 <= float(found[1]) <= (AT + 600_000) / 2**20  # other blobs are complete


def test_without_resume_nothing_is_said(registry: Simulator, destination: str) -> None:
    registry.on_blob(BIG, Stall(AT), times=1)
    with started(*COPY, "--no-resume", registry.name(), destination) as process:
        assert registry.stalling.wait(15)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert said.decode().splitlines()[-1].endswith('interrupted"')


def test_a_process_that_does_nothing_is_waited_for_once(
    registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has locked the part files of two blobs, and one warning says so."""
    monkeypatch.setattr(part_files, "_PATIENCE", 0.5)
    folder = tmp_path / "new" / "blobs" / "sha256"
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        for digest in IMAGE.layer_digests()[1:]:
            file = stack.enter_context((folder / kept_name(digest[7:], digest[7:])).open("xb"))
            fcntl.flock(file, fcntl.LOCK_EX)
        done = succeed(pyskopeo_here(*COPY, registry.name(), f"oci:{tmp_path}/new:x"))
    assert done.stderr.count("is locked by a process that writes nothing to it") == 1
