"""``sync --watch`` and ``--metrics``."""

from __future__ import annotations

import signal
import urllib.request
from pathlib import Path

import pytest

from tests.scenario.sync.running import DEST, SOURCE, numbered, to_docker
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.commands import started
from tests.support.processes import free_port
from tests.support.simulator import Simulator


def values(text: str) -> dict[str, float]:
    """The samples of metrics in Prometheus' text format."""
    return {name: float(value) for name, _, value in (
        line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")
    )}  # fmt: skip


def test_runs_go_on_until_a_signal(registry: Simulator) -> None:
    with Simulator() as mirror:
        port = free_port()
        words = ("sync", "--src", "docker", "--dest", "docker", SOURCE, DEST, "--watch", "1s", "--metrics",
                 f"127.0.0.1:{port}", f"{registry.host}/team/app", f"{mirror.host}/m")  # fmt: skip
        with started(*words) as process:
            assert process.stderr is not None
            first = process.stderr.readline().decode()
            assert "Run 1 done at " in first
            assert ": 6 copied, 0 present; " in first
            registry.add(numbered(50), "team/app", "new")
            lines = iter(process.stderr.readline, b"")
            later = next(line.decode() for line in lines if b"1 copied, 6 present" in line)
            assert later.startswith("Run ")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=15) as response:
                found = values(response.read().decode())
            assert found['pyskopeo_sync_images_total{result="copied"}'] == 7
            assert found['pyskopeo_sync_rounds_total{result="success"}'] >= 2
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read().decode()
            assert process.wait(timeout=15) == 143
            assert 'level=fatal msg="terminated' in rest


class TestMetrics:
    def test_in_a_file(self, registry: Simulator, tmp_path: Path) -> None:
        path = tmp_path / "pyskopeo.prom"
        with Simulator() as mirror:
            succeed(to_docker(registry, mirror, "--metrics", path))
            found = values(path.read_text())
            assert found['pyskopeo_sync_images_total{result="copied"}'] == 6
            assert found['pyskopeo_sync_last_run_images{result="failed"}'] == 0
            assert not [name for name in found if "_created" in name]
            assert found["pyskopeo_sync_copied_bytes_total"] > 1000
            assert found["pyskopeo_sync_last_success_timestamp_seconds"] > 1.6e9
            requests = {name: value for name, value in found.items() if name.startswith("pyskopeo_sync_requests_total{")}
            answered = [value for name, value in requests.items() if registry.host in name and '"none"' not in name]
            assert sum(answered) == len(registry.requests)
        assert "team/app" not in path.read_text()
        assert list(tmp_path.iterdir()) == [path]

    def test_of_a_run_that_fails(self, registry: Simulator, tmp_path: Path) -> None:
        path = tmp_path / "pyskopeo.prom"
        with Simulator() as mirror:
            assert to_docker(registry, mirror, "--metrics", path, source="team/none").code == 1
        found = values(path.read_text())
        assert found['pyskopeo_sync_rounds_total{result="failure"}'] == 1
        assert found["pyskopeo_sync_last_success_timestamp_seconds"] == 0

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("--metrics", "nowhere/pyskopeo.prom"), "writing nowhere/pyskopeo.prom"),
            (("--metrics", "localhost:99999"), "the port is not between 1 and 65535"),
            (("--metrics", "203.0.113.7:9000"), "listening at 203.0.113.7:9000"),
            (("--metrics", "a..b:9000"), "a..b is no name of a host"),
            (("--metrics", ""), "want FILE or HOST:PORT"),
            (("--watch", "0s"), "--watch: want 1s or more"),
            (("--watch", "soon"), "want a duration"),
            (("--watch", "10m", "--dry-run"), "--watch and --dry-run exclude each other"),
            (("--watch", "10m"), "Invalid source directory specified"),
        ],
    )
    def test_what_cannot_be(self, words: tuple[str, ...], message: str) -> None:
        done = pyskopeo_here("sync", "--src", "dir", "--dest", "oci", "no-such", "b", *words)
        assert message in fatal(done, done.code)
        assert done.code
