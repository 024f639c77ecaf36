"""Docker archives that are interrupted: layers that were complete are not fetched again by the next run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyskopeo.storage.docker_archive import offset_prediction
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import started
from tests.support.faults import Cut, Stall
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.processes import any_file, wait_until
from tests.support.pulling import ranges
from tests.support.simulator import Simulator
from tests.support.trees import leftovers, tree

pytestmark = pytest.mark.usefixtures("unmeasured_processes")

SPECS = tuple(LayerSpec(f"layer {number}", size=300_000 + 50_000 * number) for number in range(6))
IMAGE = build(ImageSpec(layers=SPECS))
OTHER = build(ImageSpec(layers=(LayerSpec("of another", size=400_000), SPECS[4], LayerSpec("and another", size=200_000))))
LAYERS = IMAGE.layer_digests()
LARGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("large", size=3_000_000))))
LARGE_LAYER, AT = LARGE.layer_digests()[1], 2_000_000
COPY = ("copy", "--src-tls-verify=false")


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as simulator:
        simulator.add(OTHER, "test/other", "latest")
        yield simulator


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


def copy(registry: Simulator, folder: Path, *more: object, repository: str = "test/image") -> bytes:
    """Copy to a new archive, and return its bytes; nothing else is left."""
    succeed(pyskopeo_here(*COPY, *more, registry.name(repository), f"docker-archive:{folder}/new.tar:a:1"))
    assert leftovers(folder) == []
    assert list(tree(folder)) == ["new.tar"]
    return (folder / "new.tar").read_bytes()


def fresh(registry: Simulator, tmp_path: Path, repository: str = "test/image") -> bytes:
    (tmp_path / "fresh").mkdir()
    return copy(registry, tmp_path / "fresh", repository=repository)


def interrupt(registry: Simulator, folder: Path, layer: int, number: signal.Signals, *more: object) -> None:
    """A copy that is ended by a signal when all layers are complete but this one, and those that wait for it."""
    registry.on_blob(LAYERS[layer], Stall(100_000), times=1)
    with started(*more, *COPY, registry.name(), f"docker-archive:{folder}/new.tar:a:1") as process:
        assert registry.stalling.wait(15)
        assert wait_until(lambda: recorded(folder.parent) == len(LAYERS) - 1, 15)
        process.send_signal(number)
        process.wait(10)


def recorded(folder: Path) -> int:
    """The number of layers in the journal."""
    for path in folder.rglob("journal"):
        return len({line.split()[0] for line in path.read_text().splitlines() if line})
    return 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
@pytest.mark.parametrize("layer", [0, 3, 5])
def test_complete_layers_are_not_fetched_again(
    registry: Simulator, there: Path, tmp_path: Path, layer: int, number: signal.Signals
) -> None:
    interrupt(registry, there, layer, number)
    assert copy(registry, there) == fresh(registry, tmp_path)
    assert [len(ranges(registry, digest)) for digest in LAYERS] == [3 if n == layer else 2 for n in range(6)]


@pytest.mark.parametrize("size", [0, 10**9])
def test_layers_that_were_placed_at_predicted_offsets(
    registry: Simulator, there: Path, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offset_prediction, "_LARGE", size)
    # Not by their number: the end of a blob may be requested, too.
    registry.on_blob(LAYERS[1], Cut(100_000))
    assert pyskopeo_here(*COPY, "--retry-times=0", "--image-parallel-copies=1", registry.name(),
                         f"docker-archive:{there}/new.tar:a:1").code == 1  # fmt: skip
    assert recorded(there) == 1
    registry.heal()
    registry.on_blob(LAYERS[4], Cut(100_000))
    assert pyskopeo_here(*COPY, "--retry-times=0", registry.name(), f"docker-archive:{there}/new.tar:a:1").code == 1
    registry.heal()
    assert copy(registry, there) == fresh(registry, tmp_path)
    # The first layer was complete in the first run.
    assert len([request for request in ranges(registry, LAYERS[0]) if request is None]) == 2


def with_other_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for offset in range(1000, len(content), 100_000):
        content[offset] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "change", [with_other_bytes, lambda path: path.write_bytes(b""), Path.unlink], ids=["other bytes", "empty", "gone"]
)
def test_whatever_happened_to_what_was_kept(
    registry: Simulator, there: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    interrupt(registry, there, 3, signal.SIGKILL)
    for path in [path for path in there.rglob("*") if path.is_file() and path.name != "journal"]:
        change(path)
    assert copy(registry, there) == fresh(registry, tmp_path)
    assert len(ranges(registry, LAYERS[0])) == 3


def test_a_journal_that_makes_no_sense(registry: Simulator, there: Path, tmp_path: Path) -> None:
    interrupt(registry, there, 3, signal.SIGKILL)
    (journal,) = there.rglob("journal")
    lines = [f"{digest} {300_000 + 1000 * n} {n * 1000}" for n, digest in enumerate(LAYERS)]
    more = ["", "garbage", f"{LAYERS[0]} -1 5", f"{LAYERS[0]} {2**59} {2**59}", "sha256:../.. 5 -", "\0" * 100]
    journal.write_text("\n".join(lines + more))
    assert copy(registry, there) == fresh(registry, tmp_path)


def test_another_image_uses_the_layer_that_it_shares(registry: Simulator, there: Path, tmp_path: Path) -> None:
    interrupt(registry, there, 3, signal.SIGKILL)
    assert copy(registry, there, repository="test/other") == fresh(registry, tmp_path, "test/other")
    assert len(ranges(registry, LAYERS[4])) == 2


@pytest.fixture
def large() -> Iterator[Simulator]:
    with Simulator(LARGE) as simulator:
        yield simulator


def interrupt_large(registry: Simulator, folder: Path, number: signal.Signals) -> Path:
    """A copy that is ended by a signal when it has all but the last part of its large layer; returns what it has."""
    registry.on_blob(LARGE_LAYER, Stall(AT), times=1)
    with started(*COPY, registry.name(), f"docker-archive:{folder}/new.tar:a:1") as process:
        assert registry.stalling.wait(15)
        assert wait_until(lambda: any_file(part_files_below(folder), lambda file: file.st_size == AT), 10)
        process.send_signal(number)
        process.wait(10)
    (path,) = part_files_below(folder)
    return path


def part_files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.kept.partial") if LARGE_LAYER[7:47] in path.name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["INT", "TERM", "KILL"])
def test_the_layer_under_way_goes_on_where_it_was(
    large: Simulator, there: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """What was decompressed of it is made again from the compressed bytes, which are kept too."""
    interrupt_large(large, there, number)
    done = copy(large, there)
    assert [request for request in ranges(large, LARGE_LAYER) if request != "bytes=-4"][:2] == [None, f"bytes={AT}-"]
    assert done == fresh(large, tmp_path)


@pytest.mark.parametrize(
    "change", [with_other_bytes, lambda path: path.write_bytes(b"x" * 100_000)], ids=["other bytes", "garbage"]
)
def test_wrong_bytes_of_the_layer_under_way(
    large: Simulator, there: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    change(interrupt_large(large, there, signal.SIGKILL))
    assert copy(large, there) == fresh(large, tmp_path)


def test_without_resume(registry: Simulator, there: Path, tmp_path: Path) -> None:
    interrupt(registry, there, 3, signal.SIGKILL)
    assert copy(registry, there, "--no-resume") == fresh(registry, tmp_path)
    assert [len(ranges(registry, digest)) for digest in LAYERS] == [3] * 6


def test_in_another_directory_for_temporary_files(registry: Simulator, there: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    interrupt(registry, there, 3, signal.SIGKILL, "--tmpdir", scratch)
    assert recorded(scratch) == len(LAYERS) - 1
    succeed(pyskopeo_here("--tmpdir", scratch, *COPY, registry.name(), f"docker-archive:{there}/new.tar:a:1"))
    assert leftovers(tmp_path) == []
    assert (there / "new.tar").read_bytes() == fresh(registry, tmp_path)
    assert [len(ranges(registry, digest)) for digest in LAYERS] == [3 if n == 3 else 2 for n in range(6)]
