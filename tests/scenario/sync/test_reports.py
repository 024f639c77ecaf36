"""``report merge`` and ``report show``: what shards have done, as one report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scenario.sync.running import SOURCE
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.faults import Refuse
from tests.support.simulator import Simulator


@pytest.fixture
def reports(registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reports of three shards, of which one could not copy an image."""
    monkeypatch.chdir(tmp_path)
    words = ("--src", "docker", "--dest", "dir", SOURCE, f"{registry.host}/team/app", "out")
    succeed(pyskopeo_here("sync", *words, "--plan", "plan"))
    registry.on("*/blobs/*", Refuse(404), times=1, skip=3)
    names = [f"{number}.json" for number in (1, 2, 3)]
    for number, name in enumerate(names, 1):
        pyskopeo_here("sync", "--run", "plan", SOURCE, "--keep-going", f"--shard={number}/3", "--report", name)
    return names


def _merge(*words: object) -> Done:
    return pyskopeo_here("report", "merge", *words, "--output", "all.json")


def test_all_shards(reports: list[str]) -> None:
    done = _merge(*reports)
    assert done.code == 1, "that of the shard which failed"
    assert "5 copied, 0 present, 1 failed" in done.stderr
    merged = json.loads(Path("all.json").read_text())
    assert (len(merged["images"]), merged["failed"], merged["exitCode"]) == (6, 1, 1)
    shown = pyskopeo_here("report", "show", "all.json")
    failure, totals = shown.stdout.decode().splitlines()
    assert (shown.code, "5 copied, 0 present, 1 failed" in totals) == (1, True)
    assert "status 404" in failure
    assert failure.startswith("failed  dir:out/app:v")
    out = pyskopeo_here("report", "merge", *reports, "-o", "-")
    assert json.loads(out.stdout) == merged


def test_a_shard_without_a_report(reports: list[str]) -> None:
    done = _merge(*reports[:2])
    assert done.code == 1
    assert "no report of 1 shard: 3/3; run them again, then merge all reports" in done.stderr
    assert json.loads(Path("all.json").read_text())["exitCode"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["1.json", "1.json"], "1.json is given twice"),
        (["1.json", "copy.json"], "copy.json and 1.json are both of shard 1/3: want one report of each"),
        (["1.json", "plan"], "plan is not valid JSON"),
        (["1.json", "nowhere"], "reading the report nowhere: no such file or directory"),
    ],
)
def test_bad_reports_are_one_line(reports: list[str], words: list[str], message: str) -> None:
    Path("copy.json").write_bytes(Path(reports[0]).read_bytes())
    done = _merge(*words)
    (line,) = done.stderr.splitlines()
    assert (done.code, message in line) == (1, True), line
    assert not Path("all.json").exists()
