"""Reports of runs: what is written is read, and those that belong together are merged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.errors import InvalidContent, InvalidInput
from pyskopeo.model.digest import Digest
from pyskopeo.syncing.earlier_runs import EarlierRuns
from pyskopeo.syncing.report_file import RunReport, merge_reports, missing_shards, read_report
from pyskopeo.syncing.shards import Shard
from pyskopeo.syncing.sync_request import ImageResult, Status, SyncImage, SyncReport

_SOURCE, _THERE = Digest.of(b"index"), Digest.of(b"image")
_OPTIONS: dict[str, Any] = {"images": "all"}


def image(number: int) -> SyncImage:
    return SyncImage(f"docker://a/app:{number}", f"docker://b/app:{number}")


def result(number: int, status: Status = "copied") -> ImageResult:
    error = "it is gone" if status == "failed" else ""
    return ImageResult(image(number), status, None if error else _THERE, 10, 0.5, error, None if error else _SOURCE)


def run(*results: ImageResult, shard: str = "", code: int = 0, seconds: float = 1.0) -> RunReport:
    report = SyncReport(results, 1, 0, seconds)
    plan = "p" if shard else ""
    return RunReport("docker:a/app", "docker:b", report, _OPTIONS, plan, Shard.parse(shard) if shard else None, False, code)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = run(result(1), result(2, "failed"), shard="1/2", code=1)
    (tmp_path / "report").write_text(json.dumps(written.to_json()))
    assert read_report(tmp_path / "report") == written


def test_shards_are_merged() -> None:
    merged = merge_reports([
        ("one", run(result(1), shard="1/2", seconds=5.0)),
        ("two", run(result(2, "failed"), shard="2/2", code=2)),
    ])  # fmt: skip
    assert merged.report.results == (result(1), result(2, "failed"))
    assert (merged.report.seconds, merged.report.moved, merged.report.sources) == (5.0, 20, 2)
    assert (merged.exit_code, merged.shard, merged.plan) == (2, None, "p")


def test_a_later_run_counts() -> None:
    merged = merge_reports([("one", run(result(1, "failed"), result(2), code=1)), ("two", run(result(1)))])
    assert merged.report.results == (result(1), result(2))


@pytest.mark.parametrize(("codes", "code"), [([0, 0], 0), ([0, 3, 3], 3), ([2, 3], 1)])
def test_the_exit_code_of_all(codes: list[int], code: int) -> None:
    named = [(str(n), run(shard=f"{n}/3", code=one)) for n, one in enumerate(codes, 1)]
    assert merge_reports(named).exit_code == code


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (replace(run(shard="2/2"), plan="q"), "two is of another plan than one"),
        (run(shard="1/2"), "two and one are both of shard 1/2: want one report of each"),
        (run(shard="2/3"), "two is of another number of shards than one"),
        (replace(run(shard="2/2"), source="docker:x"), "two is of another source than one"),
        (replace(run(shard="2/2"), destination="docker:x"), "two is of another destination than one"),
        (replace(run(shard="2/2"), options={}), "two is of other options than one"),
        (replace(run(shard="2/2"), dry_run=True), "two is of another kind"),
        (run(), "two is of another plan than one"),
    ],
)
def test_reports_that_do_not_belong_together(second: RunReport, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        merge_reports([("one", run(shard="1/2")), ("two", second)])


def test_missing_shards() -> None:
    reports = [run(shard="2/4"), run(shard="4/4")]
    assert list(map(str, missing_shards(reports))) == ["1/4", "3/4"]
    assert missing_shards([run()]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "a report of version 2, and this program reads version 1"),
        ({"version": True}, "is not a report"),
        ({"images": {}}, "is not a report"),
        ({"images": [1]}, "image 1: want a JSON object"),
        ({"images": [{"source": "a", "destination": "b", "status": []}]}, "image 1: status: want a string"),
        ({"images": [{"source": "a", "destination": "b", "status": "x"}]}, "image 1: status: want one of copied"),
        ({"options": 1}, "options: want a JSON object"),
        ({"exitCode": -1}, "exitCode: want a whole number"),
        ({"exitCode": 256}, "exitCode: want a number from 0 to 255"),
        ({"seconds": 10**400}, "seconds: want a number"),
        ({"shard": 5}, "shard: want a string"),
        ({"shard": "1/0"}, "invalid shard 1/0"),
    ],
)
def test_what_is_no_report(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidContent, match=f"^r.*{message}"):
        RunReport.from_json(run(result(1)).to_json() | change, "r")


def test_earlier_runs_know_what_they_left() -> None:
    named = [("one", run(result(1), result(2))), ("two", run(result(2, "failed")))]
    earlier = EarlierRuns.of(named, _OPTIONS)
    assert earlier.present(image(1), _SOURCE) == _THERE
    assert earlier.present(image(1), Digest.of(b"newer")) is None
    assert earlier.present(image(1), None) is None
    assert not earlier.knows(image(2)), "it failed since"
    with pytest.raises(InvalidInput, match="one does not say how images were copied"):
        EarlierRuns.of([("one", replace(run(), options=None))], _OPTIONS)
