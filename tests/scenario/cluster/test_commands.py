"""``sync --cluster`` as a command: its plans, its report, what is remembered between runs, layouts."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest

from pyskopeo.cluster.copy_on_cluster import ClusterOptions
from pyskopeo.syncing.sync_request import ImageFinished, SyncEvent
from tests.scenario.cluster.running import name, plan, run
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.cluster import Cluster
from tests.support.faults import Delay, Refuse
from tests.support.images import build
from tests.support.simulator import Simulator

_PLAIN = ("--src-tls-verify=false", "--dest-tls-verify=false")


def _sync(cluster: Cluster, *words: object) -> Done:
    return pyskopeo_here("sync", "--cluster", cluster.address, *_PLAIN, *words)


def test_a_repository(cluster: Cluster, registry: Simulator, mirror: Simulator, tmp_path: Path) -> None:
    registry.on("/v2/team/app1/manifests/v6", Refuse(404), methods=("GET", "HEAD"))
    words = ("--src", "docker", "--dest", "docker", "--all", f"{registry.host}/team/app1", f"{mirror.host}/m")
    done = _sync(cluster, "--keep-going", "--report", tmp_path / "report.json", *words)
    assert done.code == 1
    assert "Traceback" not in done.stderr
    assert "distributed" not in done.stderr
    assert done.lines[-2].startswith("4 images: 3 copied, 0 present, 1 failed; ")
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["copied"], report["failed"], report["exitCode"]) == (3, 1, 1)
    registry.heal()
    assert "1 copied, 3 present" in succeed(_sync(cluster, *words)).lines[-1]


def test_a_plan(cluster: Cluster, registry: Simulator, mirror: Simulator, tmp_path: Path) -> None:
    source, plan_file = f"{registry.host}/team/app2", tmp_path / "plan.jsonl"
    succeed(pyskopeo_here("sync", "--src", "docker", "--dest", "docker", "--all", "--plan", plan_file, _PLAIN[0],
                          source, f"{mirror.host}/m"))  # fmt: skip
    assert "4 copied, 0 present" in succeed(_sync(cluster, "--run", plan_file)).lines[-1]
    assert mirror.incomplete == []
    plan_file.write_text(plan_file.read_text().replace("v8", "v7", 1))
    done = _sync(cluster, "--run", plan_file)
    assert done.code == 1
    assert "this plan was changed" in done.lines[-1]


def test_what_was_chosen_from_a_list_is_remembered_here(cluster: Cluster, registry: Simulator, mirror: Simulator) -> None:
    registry.add(build("oci-index"), "lists/one", "v1")
    words = ("--src", "docker", "--dest", "docker", "--platform", "linux/amd64", f"{registry.host}/lists/one", f"{mirror.host}/m")
    assert "1 copied" in succeed(_sync(cluster, *words)).lines[-1]
    before = len(registry.requests), len(mirror.requests)
    assert "1 present" in succeed(_sync(cluster, *words)).lines[-1]
    assert Counter(request.method for request in mirror.requests[before[1] :]) == {"HEAD": 1}
    assert Counter(r.method for r in registry.requests[before[0] :] if "/manifests/" in r.path) == {"HEAD": 1}


def test_a_layout_that_workers_share(
    cluster: Cluster, registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("--src", "registry", "--dest", "oci", "--all", registry.host, "mirror")
    assert "24 copied" in succeed(_sync(cluster, *words)).lines[-1]
    assert len(json.loads((tmp_path / "mirror" / "index.json").read_text())["manifests"]) == 24
    succeed(pyskopeo_here("layout", "verify", f"oci:{tmp_path}/mirror"))
    assert "0 copied, 24 present" in succeed(_sync(cluster, *words)).lines[-1]


def test_a_worker_that_is_told_to_stop(cluster: Cluster, registry: Simulator, mirror: Simulator) -> None:
    registry.on("/v2/*/manifests/*", Delay(0.1), methods=("HEAD", "GET"))
    leaving = cluster.add_worker()
    finished: list[str] = []

    def stop(event: SyncEvent) -> None:
        if isinstance(event, ImageFinished):
            finished.append(name(0))
            if len(finished) == 3:
                leaving.kill(signal.SIGTERM)

    report = run(plan(registry, mirror.host), ClusterOptions(cluster.address, jobs=1), stop)
    assert report.count("copied") + report.count("present") == 24
    assert mirror.incomplete == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--dry-run",), "--dry-run and --cluster exclude each other"),
        (("--sign-by-sigstore-private-key", "key"), "--sign-by-sigstore-private-key and --cluster exclude each other"),
        (("--src-cert-dir", "/x"), "--src-cert-dir and --cluster exclude each other: workers have their own"),
        (("--limit-rate", "5M"), "--limit-rate and --cluster exclude each other: workers have their own"),
        (("--dest-creds", "me:secret"), "--dest-creds and --cluster: workers have their own credentials"),
        (("--send-credentials",), "credentials are not sent to tcp://127.0.0.1:1, which is without TLS"),
        (("--cluster", "nowhere"), "want the address of a Dask scheduler"),
        (("--cluster", ""), "--cluster: want the address of a Dask scheduler"),
    ],
)
def test_refusals(words: tuple[str, ...], said: str) -> None:
    done = pyskopeo_here("sync", "--cluster", "tcp://127.0.0.1:1", "--src", "docker", "--dest", "docker", *words, "a/b", "c/d")
    assert done.code == 1
    assert said in done.lines[-1]
    assert "secret" not in done.stderr


def test_credentials_without_a_cluster() -> None:
    done = pyskopeo_here("sync", "--send-credentials", "--src", "docker", "--dest", "docker", "a/b", "c/d")
    assert "--send-credentials needs --cluster" in done.lines[-1]
