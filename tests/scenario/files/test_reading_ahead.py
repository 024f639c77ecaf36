"""Layers that are read ahead of their turn change nothing but the time: files, receipts, refusals are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.filesystem import image_files, read_ahead
from tests.support.cli import pyskopeo_here, succeed
from tests.support.faults import Delay, Stall
from tests.support.filetrees import contents, directory, file, gone, hard, image, layer, link
from tests.support.images import BuiltImage, digest_of
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator

BASE = layer(
    directory("usr"), directory("usr/lib"), link("lib", "usr/lib"), file("usr/lib/one", b"1"), hard("usr/lib/uno", "usr/lib/one"),
    file("base", b"base"), file("gone"),
)  # fmt: skip
MIDDLE = layer(directory("usr"), directory("usr/lib"), file("usr/lib/two", b"2"), hard("usr/lib/zwei", "base"), gone("gone"))
TOP = layer(link("way", "usr/lib/two"), file("top", b"top"), file("base", b"new"))
IMAGE = image(BASE, MIDDLE, TOP, compression=("gzip", "zstd", "gzip"))
WRONG = image(BASE, MIDDLE, TOP, diff_ids=["sha256:" + "0" * 64, digest_of(MIDDLE), digest_of(TOP)])
Outcome = tuple[int, str, dict[str, bytes | str] | None, object]


def outcome(made: BuiltImage, folder: Path, path: str) -> Outcome:
    """The exit code of an extraction, its messages, the files, and the receipt."""
    source = f"oci:{write_layout(made, folder / 'layout')}:latest"
    receipt, dest = folder / "receipt.json", folder / "dest"
    done = pyskopeo_here("extract", source, "--dest", dest, "--receipt", receipt, "--path", path)
    said, told = (text.replace(str(folder), "") for text in (done.stderr, receipt.read_text() if receipt.exists() else ""))
    return done.code, said.partition(" msg=")[2], contents(dest) if dest.exists() else None, told


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the next layer ahead whenever there is one."""
    monkeypatch.setattr(read_ahead, "processors", lambda: 2)
    monkeypatch.setattr(read_ahead, "_BUSY_SHARE", 0)
    monkeypatch.setattr(read_ahead, "_PERIOD", 0)
    monkeypatch.setattr(image_files, "_LARGE", 0)


@pytest.mark.parametrize("made", [IMAGE, WRONG], ids=["sound", "wrong base layer"])
@pytest.mark.parametrize("path", ["top", "base", "lib/two", "usr/lib/one", "usr/lib/zwei", "usr", "way", "gone", "nothing"])
def test_the_same_as_one_after_the_other(
    made: BuiltImage, path: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    expected = outcome(made, tmp_path / "one", path)
    request.getfixturevalue("eager")
    assert outcome(made, tmp_path / "two", path) == expected


@pytest.mark.usefixtures("eager")
def test_what_turns_out_not_to_be_needed_is_not_waited_for(tmp_path: Path) -> None:
    top, middle = (IMAGE.layer_digests()[number] for number in (2, 1))
    with Simulator(IMAGE) as registry:
        registry.on(f"*/blobs/{top}", Delay(0.5))
        registry.on(f"*/blobs/{middle}", Stall(10))
        dest = tmp_path / "dest"
        succeed(pyskopeo_here("extract", registry.name(), "--tls-verify=false", "--dest", dest, "--path", "top"))
        asked = [request.path.rpartition("/")[2] for request in registry.requests if "/blobs/" in request.path]
    assert contents(dest) == {"top": b"top"}
    assert asked[0] == IMAGE.config_digest()
    assert sorted(asked[1:]) == sorted([top, middle])  # asked for at once, by two connections
    assert [path.name for path in tmp_path.iterdir()] == ["dest"]


@pytest.mark.parametrize(("size", "asked"), [(image_files._LARGE, 2), (image_files._LARGE - 200_000, 1)])
def test_only_while_a_large_layer_is_read(size: int, asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = image(layer(file("base")), layer(file("middle")), layer(file("top", bytes(size))), compression="none")
    monkeypatch.setattr(read_ahead, "processors", lambda: 2)
    monkeypatch.setattr(read_ahead, "_BUSY_SHARE", 0)
    with Simulator(made) as registry:
        registry.on(f"*/blobs/{made.layer_digests()[2]}", Delay(0.5))
        words = ("--tls-verify=false", "--dest", tmp_path / "dest", "--path", "top")
        succeed(pyskopeo_here("extract", registry.name(), *words))
        assert len([request for request in registry.requests if "/blobs/" in request.path]) == 1 + asked
