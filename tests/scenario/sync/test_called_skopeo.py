"""``sync`` where the program is called ``skopeo``: it prints skopeo's lines, and compresses plain layers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from pyskopeo.cli.main import main
from tests.scenario.sync.running import DEST, SOURCE, images, to_dir, to_docker
from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.simulator import Simulator
from tests.support.terminal import Terminal

PLAIN = build("docker-uncompressed")


@pytest.fixture
def plain() -> Iterator[Simulator]:
    with Simulator(PLAIN, "team/app", "v1") as running:
        yield running


@pytest.fixture
def called_skopeo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/skopeo"])


def layer_types(mirror: Simulator) -> set[str]:
    manifest = mirror.manifest("v1", "m/app")
    assert manifest is not None
    return {layer["mediaType"] for layer in json.loads(manifest.raw)["layers"]}


@pytest.mark.usefixtures("called_skopeo")
def test_layers_for_a_registry_are_compressed(plain: Simulator, tmp_path: Path) -> None:
    with Simulator() as mirror:
        succeed(to_docker(plain, mirror))
        assert layer_types(mirror) == {"application/vnd.docker.image.rootfs.diff.tar.gzip"}
    with Simulator() as mirror:
        write_dir(PLAIN, tmp_path / "root/app:v1")
        succeed(pyskopeo_here("sync", "--src=dir", "--dest=docker", DEST, tmp_path / "root", f"{mirror.host}/m"))
        assert layer_types(mirror) == {"application/vnd.docker.image.rootfs.diff.tar.gzip"}


@pytest.mark.usefixtures("called_skopeo")
def test_layers_for_a_directory_stay(plain: Simulator, tmp_path: Path) -> None:
    succeed(to_dir(plain, tmp_path / "out"))
    write_dir(PLAIN, tmp_path / "wanted/app:v1")
    assert images(tmp_path / "out") == images(tmp_path / "wanted")


@pytest.mark.usefixtures("called_skopeo")
def test_the_second_run_copies_nothing(plain: Simulator) -> None:
    with Simulator() as mirror:
        succeed(to_docker(plain, mirror))
        before = len(mirror.log)
        done = succeed(to_docker(plain, mirror))
        assert not [line for line in mirror.log[before:] if not line.startswith("HEAD") and "/app/" in line]
    assert done.stdout.decode().splitlines() == [
        "Getting image source signatures", "Skipping: image already present at destination",
    ]  # fmt: skip


@pytest.mark.usefixtures("called_skopeo")
def test_steps_on_standard_output_and_no_summary(registry: Simulator, tmp_path: Path) -> None:
    done = succeed(to_dir(registry, tmp_path / "out"))
    steps = done.stdout.decode().splitlines()
    starts = [at for at, line in enumerate(steps) if line == "Getting image source signatures"]
    assert len(starts) == 6
    for start, end in zip(starts, [*starts[1:], len(steps)], strict=True):
        one = steps[start:end]
        assert one[-1] == "Writing manifest to image destination"
        assert all(line.startswith(("Copying blob sha256:", "Copying config sha256:")) for line in one[1:-1])
        assert len(one) == 5
    assert all(" level=info msg=" in line for line in done.lines)


@pytest.mark.usefixtures("called_skopeo")
def test_on_a_terminal_there_is_a_summary(
    registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bars leave out what skopeo logs."""
    monkeypatch.setenv("TERM", "xterm")
    words = ("sync", "--src=docker", "--dest=dir", SOURCE, f"{registry.host}/team/app", str(tmp_path / "out"))
    with redirect_stdout(Terminal()) as out, redirect_stderr(Terminal()) as screen:
        assert main(words) == 0
    assert "6 images: 6 copied" in screen.getvalue()
    assert out.getvalue() == ""


@pytest.mark.usefixtures("called_skopeo")
def test_a_dry_run_prints_no_steps(registry: Simulator, tmp_path: Path) -> None:
    assert succeed(to_dir(registry, tmp_path / "out", "--dry-run")).stdout == b""


def test_pyskopeo_keeps_plain_layers_and_standard_output(plain: Simulator) -> None:
    with Simulator() as mirror:
        done = succeed(to_docker(plain, mirror))
        assert layer_types(mirror) == {"application/vnd.docker.image.rootfs.diff.tar"}
    assert done.stdout == b""
    assert "1 image: 1 copied" in done.stderr
