"""``sync`` of layouts."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pyskopeo.model.layout import LayoutIndex
from pyskopeo.storage import index_file
from pyskopeo.storage.partial_files import write_atomically
from tests.scenario.sync.running import DEST, MANY, SOURCE, Asked, expected, images
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import PYSKOPEO, environment
from tests.support.faults import Stall
from tests.support.images import build
from tests.support.outputs import write_dir, write_layout
from tests.support.processes import wait_until
from tests.support.simulator import Simulator


class TestLayouts:
    def test_there_and_back(self, registry: Simulator, tmp_path: Path) -> None:
        layout = tmp_path / "layout"
        words = ("sync", "--src", "docker", "--dest", "oci", SOURCE, f"{registry.host}/team/app", layout)
        succeed(pyskopeo_here(*words))
        entries = json.loads((layout / "index.json").read_bytes())["manifests"]
        assert sorted(e["annotations"]["org.opencontainers.image.ref.name"] for e in entries) == [
            f"app:v{n}" for n in range(6)
        ]
        asked = Asked(registry)
        succeed(pyskopeo_here(*words))
        assert asked.kinds == {"HEAD manifests": 6, "GET tags": 1}
        succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "dir", layout, tmp_path / "out"))
        assert images(tmp_path / "out") == expected(tmp_path / "want", {f"app:v{n}": i for n, i in enumerate(MANY)})
        with Simulator() as mirror:
            succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "docker", DEST, layout, f"{mirror.host}/m"))
            assert mirror.manifest("v5", "m/app").digest == MANY[5].digest  # type: ignore[union-attr]

    def test_what_was_converted_is_known_again(self, tmp_path: Path) -> None:
        with Simulator(build("docker"), "team/app", "v1") as registry:
            words = ("sync", "--src", "docker", "--dest", "oci", SOURCE, f"{registry.host}/team/app", tmp_path / "lay")
            succeed(pyskopeo_here(*words))
            asked = Asked(registry)
            succeed(pyskopeo_here(*words))
            assert asked.kinds == {"HEAD manifests": 1, "GET tags": 1}
            asked = Asked(registry)
            succeed(pyskopeo_here(*words, "--format=oci"))
            assert asked.kinds["GET manifests"] == 1, "asked for otherwise, it is looked at again"

    def test_from_directories(self, tmp_path: Path) -> None:
        write_dir(MANY[0], tmp_path / "root/a/app:1")
        succeed(pyskopeo_here("sync", "--src", "dir", "--dest", "oci", "--scoped", tmp_path / "root", tmp_path / "lay"))
        done = succeed(pyskopeo_here("sync", "--src", "dir", "--dest", "oci", "--scoped", tmp_path / "root", tmp_path / "lay"))
        assert "0 copied, 1 present" in done.stderr
        index = json.loads((tmp_path / "lay/index.json").read_bytes())
        assert index["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": "a/app:1"}

    def test_from_one_to_another(self, tmp_path: Path) -> None:
        write_layout(MANY[0], tmp_path / "one", tag="v1")
        write_layout(MANY[1], tmp_path / "one", tag="v2")
        succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "oci", tmp_path / "one", tmp_path / "two"))
        names = [
            e["annotations"]["org.opencontainers.image.ref.name"]
            for e in json.loads((tmp_path / "two/index.json").read_bytes())["manifests"]
        ]
        assert sorted(names) == ["v1", "v2"]


def names(layout: Path) -> list[str]:
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    return sorted(entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries)


class TestManyImages:
    """The index is read once and written a bounded number of times, however many images there are."""

    @pytest.fixture
    def work(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
        """How often an index was parsed and written."""
        counts = {"parsed": 0, "written": 0}
        parse = LayoutIndex.parse

        def parsed(raw: bytes, where: str = "index.json") -> LayoutIndex:
            counts["parsed"] += 1
            return parse(raw, where)

        def written(path: Path, raw: bytes, mode: int) -> None:
            counts["written"] += path.name == "index.json"
            write_atomically(path, raw, mode)

        monkeypatch.setattr(LayoutIndex, "parse", parsed)
        monkeypatch.setattr(index_file, "write_atomically", written)
        monkeypatch.setattr(index_file, "_INTERVAL", 1000)
        return counts

    def test_to_a_layout_and_from_one(self, tmp_path: Path, work: dict[str, int]) -> None:
        with Simulator() as registry:
            for number in range(60):
                registry.add(MANY[number % 6], "team/app", f"t{number}")
            words = ("sync", "--src", "docker", "--dest", "oci", SOURCE, f"{registry.host}/team/app", tmp_path / "lay")
            succeed(pyskopeo_here(*words))
            assert work == {"parsed": 0, "written": 1}
            assert names(tmp_path / "lay") == sorted(f"app:t{number}" for number in range(60))
            done = succeed(pyskopeo_here(*words))
            assert "0 copied, 60 present" in done.stderr
            assert work == {"parsed": 1, "written": 1}
        succeed(pyskopeo_here("sync", "--src", "oci", "--dest", "oci", tmp_path / "lay", tmp_path / "two"))
        assert work == {"parsed": 1 + 2, "written": 2}, "listed and read"
        assert names(tmp_path / "two") == names(tmp_path / "lay")

    @pytest.mark.usefixtures("work")
    def test_an_index_that_cannot_be_written(self, registry: Simulator, tmp_path: Path) -> None:
        (tmp_path / "lay" / "index.json").mkdir(parents=True)
        report = tmp_path / "report.json"
        words = ("--src", "docker", "--dest", "oci", SOURCE, f"{registry.host}/team/app", tmp_path / "lay")
        done = pyskopeo_here("sync", *words, "--report", report)
        assert done.code == 1
        assert json.loads(report.read_bytes())["failed"] == 6
        assert json.loads(report.read_bytes())["copied"] == 0

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_what_was_reported_as_copied_is_there_after_a_signal(
        self, registry: Simulator, tmp_path: Path, number: signal.Signals
    ) -> None:
        registry.on_blob(MANY[4].layer_digests()[1], Stall(1000), times=1)
        report, layout = tmp_path / "report.json", tmp_path / "lay"
        words = ("sync", "--src", "docker", "--dest", "oci", SOURCE, "--report", str(report))
        process = subprocess.Popen(
            [*PYSKOPEO, *words, f"{registry.host}/team/app", str(layout)], env=environment(), stderr=subprocess.PIPE
        )
        try:
            assert registry.stalling.wait(15)
            others = {digest for n in (0, 1, 2, 3, 5) for digest in MANY[n].manifests}
            assert wait_until(lambda: all((layout / "blobs/sha256" / digest[7:]).exists() for digest in others), 10)
            process.send_signal(number)
            process.communicate(timeout=10)
        finally:
            process.kill()
        copied = [one["destination"] for one in json.loads(report.read_bytes())["images"] if one["status"] == "copied"]
        assert len(copied) >= 4
        assert sorted(copied) == [f"oci:{layout}:{name}" for name in names(layout)]

    def test_two_processes_into_one_layout(self, tmp_path: Path) -> None:
        with Simulator() as registry:
            for number in range(100):
                registry.add(MANY[number % 6], "team/one", f"t{number}")
                registry.add(MANY[number % 6], "team/two", f"t{number}")
            processes = [
                subprocess.Popen(
                    [*PYSKOPEO, "sync", "--src", "docker", "--dest", "oci", SOURCE, f"{registry.host}/team/{name}",
                     str(tmp_path / "lay")], env=environment(), stderr=subprocess.DEVNULL,
                )
                for name in ("one", "two")
            ]  # fmt: skip
            try:
                assert [process.wait(120) for process in processes] == [0, 0]
            finally:
                for process in processes:
                    process.kill()
        assert names(tmp_path / "lay") == sorted(f"{name}:t{n}" for name in ("one", "two") for n in range(100))

    def test_a_signal_while_another_process_writes_the_layout(self, registry: Simulator, tmp_path: Path) -> None:
        """What was copied is written when the lock is free, and reported only then."""
        layout, report = tmp_path / "lay", tmp_path / "report.json"
        layout.mkdir()
        held = os.open(layout, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        words = ("sync", "--src", "docker", "--dest", "oci", SOURCE, "--report", str(report))
        process = subprocess.Popen(
            [*PYSKOPEO, *words, f"{registry.host}/team/app", str(layout)], env=environment(), stderr=subprocess.PIPE
        )
        try:
            everything = {digest for image in MANY for digest in image.manifests}
            assert wait_until(lambda: all((layout / "blobs/sha256" / digest[7:]).exists() for digest in everything), 20)
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
            os.close(held)
            process.communicate(timeout=20)
        finally:
            process.kill()
        assert names(layout) == [f"app:v{n}" for n in range(6)]
        assert json.loads(report.read_bytes())["copied"] == 6
