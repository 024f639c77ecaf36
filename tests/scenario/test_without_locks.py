"""File systems without locks, such as some network file systems: copies work there, and say what must not happen."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator
from tests.support.trees import leftovers, tree

IMAGE = build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec("other", size=300_000))))
COPY = ("copy", "--src-tls-verify=false")
DESTINATIONS = ("oci:{}/new:x", "oci-archive:{}/new.tar", "docker-archive:{}/new.tar:a:1", "dir:{}/new")


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(IMAGE) as simulator:
        yield simulator


def no_locks(fd: object, how: int) -> None:
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_copies_work(registry: Simulator, destination: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one warning, for a layout, which others may write to."""
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    succeed(pyskopeo_here(*COPY, registry.name(), destination.format(tmp_path / "with")))
    monkeypatch.setattr(fcntl, "flock", no_locks)
    done = succeed(pyskopeo_here(*COPY, registry.name(), destination.format(tmp_path / "without")))
    assert done.stderr.count("level=warning") == destination.startswith("oci:")
    assert ("nobody may write to" in done.stderr) == destination.startswith("oci:")
    assert leftovers(tmp_path) == []
    assert tree(tmp_path / "without") == tree(tmp_path / "with")


def test_a_sync_warns_once(registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.add(IMAGE, "test/image", "second")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    words = ("sync", "--src=docker", "--dest=oci", "--src-tls-verify=false", f"{registry.host}/test/image")
    done = succeed(pyskopeo_here(*words, tmp_path / "mirror"))
    assert done.stderr.count("nobody may write to") == 1


@pytest.mark.parametrize("words", [("layout", "gc", "{}"), ("delete", "{}:x")], ids=["gc", "delete"])
def test_nothing_is_removed(
    registry: Simulator, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy may be about to use it."""
    succeed(pyskopeo_here(*COPY, registry.name(), f"oci:{tmp_path}/new:x"))
    before = tree(tmp_path)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert "locking" in fatal(pyskopeo_here(*(word.format(f"oci:{tmp_path}/new") for word in words)))
    assert tree(tmp_path) == before
