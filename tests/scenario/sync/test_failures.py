"""``sync`` when some of it fails, or is interrupted."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.scenario.sync.running import COMMON, MANY, SOURCE, Asked, expected, images, to_dir
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import PYSKOPEO, environment
from tests.support.faults import Refuse, SetHeaders, Stall
from tests.support.processes import wait_until
from tests.support.simulator import Simulator
from tests.support.trees import leftovers


class TestFailures:
    def test_a_list_of_tags_that_may_go_on(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on("*/tags/list", SetHeaders({"Link": "garbage"}))
        done = to_dir(registry, tmp_path / "out")
        assert done.code == 1
        assert 'msg="Tags may be missing"' in done.stderr
        assert len([*(tmp_path / "out").glob("app:*")]) == len(MANY)

    def test_the_first_failure_ends_it(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_manifest("v2", Refuse(404))
        done = to_dir(registry, tmp_path / "out", "--jobs=1")
        assert done.code == 1
        assert f'msg="Error copying ref \\"docker://{registry.host}/team/app:v2\\": initializing source ' in done.lines[-1]
        assert sorted(p.name for p in (tmp_path / "out").glob("app:*")) == ["app:v0", "app:v1"]
        assert "6 images: 2 copied, 0 present, 1 failed, 3 skipped;" in done.stderr
        assert leftovers(tmp_path) == []

    @pytest.mark.parametrize("destination", ["dir", "docker"])
    def test_a_tag_that_is_not_there_is_told_by_the_exit_code(
        self, registry: Simulator, tmp_path: Path, destination: str
    ) -> None:
        """As skopeo: 2, unless it goes on."""
        words = ("sync", "--src=docker", f"--dest={destination}", "--src-tls-verify=false", "--dest-tls-verify=false")
        target = str(tmp_path / "out") if destination == "dir" else f"{registry.host}/copies"
        done = pyskopeo_here(*words, f"{registry.host}/team/app:none", target)
        assert done.code == 2
        assert f'msg="Error copying ref \\"docker://{registry.host}/team/app:none\\": ' in done.stderr
        assert pyskopeo_here(*words, "--keep-going", f"{registry.host}/team/app:none", target).code == 1

    def test_the_rest_goes_on_if_it_is_to(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_manifest("v2", Refuse(404))
        registry.on_blob(MANY[3].layer_digests()[1], Refuse(404))
        done = to_dir(registry, tmp_path / "out", "--keep-going")
        assert done.code == 1
        assert "Sync failed due to previous reported error(s) for one or more images" in done.lines[-1]
        assert 'msg="Synced 4 images from 1 sources"' in done.stderr
        assert sorted(p.name for p in (tmp_path / "out").glob("app:*")) == ["app:v0", "app:v1", "app:v4", "app:v5"]
        assert leftovers(tmp_path) == []
        (line,) = [line for line in done.lines if "level=error" in line and "app:v2" in line]
        assert f'msg="Error copying ref \\"docker://{registry.host}/team/app:v2\\"" error="' in line

    def test_a_list_that_cannot_be_had_is_a_failure_of_the_run(self, registry: Simulator, tmp_path: Path) -> None:
        file = tmp_path / "sync.yml"
        file.write_text(f"{registry.host}:\n  tls-verify: false\n  images: {{team/none: [], team/app: [v1]}}\n")
        done = pyskopeo_here("sync", "--src", "yaml", "--dest", "dir", file, tmp_path / "out")
        assert done.code == 1
        assert (tmp_path / "out/app:v1/manifest.json").exists()
        assert 'msg="Error processing repo, skipping"' in done.stderr
        assert "1 image: 1 copied, 0 present, 1 of the sources not listed;" in done.stderr

    def test_the_blob_that_failed_for_one_is_fetched_for_the_next(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_blob(COMMON, Refuse(404), times=1)
        done = to_dir(registry, tmp_path / "out", "--keep-going")
        assert done.code == 1
        assert len(list((tmp_path / "out").glob("app:*"))) == 5

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
    def test_an_interrupted_run_goes_on_where_it_was(
        self, registry: Simulator, tmp_path: Path, number: signal.Signals
    ) -> None:
        registry.on_blob(MANY[4].layer_digests()[1], Stall(1000), times=1)
        out = tmp_path / "out"
        words = ("sync", "--src", "docker", "--dest", "dir", SOURCE, f"{registry.host}/team/app", str(out))
        process = subprocess.Popen([*PYSKOPEO, *words], env=environment(), stderr=subprocess.PIPE)
        try:
            assert wait_until(lambda: len(list(out.glob("app:*/manifest.json"))) == 5, 10)
            process.send_signal(number)
            _, said = process.communicate(timeout=5)
        finally:
            process.kill()
        assert process.returncode == (130 if number == signal.SIGINT else -9)
        assert not (out / "app:v4").exists()
        if number == signal.SIGINT:
            assert leftovers(out) == []
            assert b"6 images: 5 copied, 0 present, 1 skipped;" in said
        asked = Asked(registry)
        succeed(to_dir(registry, out))
        assert asked.kinds["GET manifests"] == 1
        assert asked.kinds["GET blobs"] <= 3
        assert leftovers(out) == []
        assert images(out) == expected(tmp_path / "want", {f"app:v{n}": i for n, i in enumerate(MANY)})
