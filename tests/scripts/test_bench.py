"""What `scripts/bench` computes of its runs: the fastest other program, ratios, limits, the tables, the chart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest

from scripts.benchlib import chart, report
from scripts.benchlib.bench import Bench
from scripts.benchlib.cases import BEST, CASES, FLOOR, OURS, Case, Unit
from scripts.benchlib.contenders import Contender, Job
from scripts.benchlib.environment import Environment
from scripts.benchlib.images import Image
from scripts.benchlib.measure import Run, RunError
from scripts.benchlib.peers import PEERS, crane, floor, regctl
from scripts.benchlib.places import PLACES, Place, PlaceError, directory, filesystem
from scripts.benchlib.results import Result
from scripts.benchlib.target import InitialState
from scripts.benchlib.traffic import Traffic, read_traffic
from tests.support.peers import Registry

MACHINE = {
    "cpus": "2", "cpu": "a processor", "kernel": "6.1", "python": "3.11.2",
    "skopeo": "1.22.0", "crane": "0.20.7", "regctl": "-",
}  # fmt: skip
CASE = Case("many80-http", "80 layers to `oci:`", "many80", "oci", 1.0, baseline=BEST)


def result(seconds: dict[str, tuple[float, ...]], case: Case = CASE, place: Place = Place.DISK) -> Result:
    """Runs of programs with these wall times, half as much CPU time and 40 MiB."""
    made = Result(case, place=place)
    for name, times in seconds.items():
        for took in times:
            made.add(name, Run(took, took / 2, 40), None)
    return made


def test_the_best_other_has_the_least_median() -> None:
    found = result({"pyskopeo": (2, 2, 2), "floor": (1, 1, 1), "skopeo": (3, 1, 3), "crane": (2.5, 2.5, 2.5)})
    assert (found.best_peer, found.baseline) == ("crane", "crane")


@pytest.mark.parametrize(
    ("runs", "ratio"),
    [
        ({"pyskopeo": (1, 4, 3), "skopeo": (2, 4, 2)}, 1.0),  # of 0.5, 1 and 1.5
        ({"pyskopeo": (2, 2), "skopeo": (4, 4), "crane": (8, 8)}, 0.5),
        ({"pyskopeo": (2, 2), "floor": (4, 4)}, None),
    ],
)
def test_ratios_are_medians_of_pairs(runs: dict[str, tuple[float, ...]], ratio: float | None) -> None:
    found = result(runs)
    assert found.value(OURS) == found.ratio(OURS, found.best_peer) == ratio
    assert found.in_limit is (None if ratio is None else True)


def test_a_limit_may_refer_to_the_floor() -> None:
    found = result({"pyskopeo": (9.0,), "floor": (10.0,), "crane": (6.0,)}, replace(CASE, baseline=FLOOR, limit=0.85))
    assert (found.value(OURS), found.in_limit, found.best_peer) == (0.9, False, "crane")
    row = report.rows([found])[0]
    assert row[4:8] == ("6.00 s (crane)", "1.50", "0.85 of the floor: 0.90", "over")


def test_a_row_names_the_fastest_other_and_the_cpu_time() -> None:
    found = result({"pyskopeo": (1.2,), "skopeo": (2.4,), "crane": (1.5,)})
    row = ("80 layers to `oci:`", "1.20 s", "600 ms", "40 of 64", "1.50 s (crane)", "0.80", "1.00", "ok")
    assert report.rows([found]) == [row]


def test_the_others_have_a_table_of_their_own() -> None:
    both = result({"pyskopeo": (1.2,), "crane": (1.5,), "skopeo": (2.4,)})
    both.leave_out("regctl", "exit code 1")
    variant = result({"pyskopeo": (1.0,), "one by one": (9.0,)}, replace(CASE, title="100 images"))
    alone = result({"pyskopeo": (1.0,)})
    assert report.others([both, variant, alone]) == [
        ("case", "skopeo", "crane", "regctl", "others"),
        ("80 layers to `oci:`", "2.40 s, CPU 1.20 s, 40 MiB", "1.50 s, CPU 750 ms, 40 MiB", "failed", "-"),
        ("100 images", "-", "-", "-", "one by one 9.00 s, CPU 4.50 s, 40 MiB"),
    ]


def test_what_fails_leaves_no_runs_to_compare_with() -> None:
    found = result({"pyskopeo": (1, 1), "crane": (2,), "skopeo": (3, 3)})
    found.leave_out("crane", "exit code 1")
    assert (found.best_peer, found.ratio(OURS, "crane")) == ("skopeo", None)


@pytest.mark.parametrize("fails", ["crane", OURS])
def test_only_other_programs_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """In the second of three rounds, the first being the warm-up."""
    rounds: dict[str, int] = {}

    def run_once(bench: Bench, case: Case, name: str, contender: Contender) -> tuple[Run, None]:
        rounds[name] = rounds.get(name, 0) + 1
        if name == fails and rounds[name] == 2:
            raise RunError(f"{name}: exit code 3: boom")
        return Run(1, 1, 1), None

    monkeypatch.setattr(Bench, "_run_once", run_once)
    target = SimpleNamespace(storage=tmp_path / "target")
    environment = cast("Environment", SimpleNamespace(scratch=tmp_path / "work", target=target))
    image = Image("bench/x", {"sha256:aa": 1}, "sha256:aa", 3)
    contenders = {name: crane(name) for name in (OURS, "skopeo", "crane")}
    bench = Bench(environment, {"many80": image}, contenders)
    if fails == OURS:
        with pytest.raises(RunError, match="boom"):
            bench.measure(CASE, 2)
        return
    found = bench.measure(CASE, 2)
    assert {name: len(runs.runs) for name, runs in found.runs.items()} == {OURS: 2, "skopeo": 2}
    assert found.failed == {"crane": "crane: exit code 3: boom"}
    assert (rounds["crane"], found.best_peer) == (2, "skopeo")


@pytest.mark.parametrize(
    ("unit", "limit", "value", "within"),
    [
        (Unit.MILLISECONDS, 150, 150.0, True),
        (Unit.MILLISECONDS, 149, 150.0, False),
        (Unit.BLOB_REQUESTS, 7, 7, True),
        (Unit.BLOB_REQUESTS, 6, 7, False),
        (Unit.SHARE, 0.25, 0.25, True),
        (Unit.OTHER_BYTES, 0, 30, False),
        (Unit.HEADS, 3, 3, True),
    ],
)
def test_limits_in_other_units(unit: Unit, limit: float, value: float, within: bool) -> None:
    found = Result(replace(CASE, unit=unit, limit=limit, baseline=None), needed_bytes=20, image_bytes=200)
    found.add(OURS, Run(0.15, 0.1, 30), Traffic({"HEAD": 3}, blob_requests=7, blob_bytes=50))
    assert found.value(OURS) == pytest.approx(value)
    assert found.in_limit is within


def test_memory_has_its_own_limit() -> None:
    found = Result(CASE)
    found.add(OURS, Run(1, 1, 65), None)
    assert not found.in_memory
    assert report.rows([found])[0][3:8] == ("65 of 64", "-", "-", "1.00", "not judged, memory over")


def test_tables_for_each_place() -> None:
    found = [result({"pyskopeo": (1.0,), "crane": (2.0,)}, place=place) for place in (Place.TMPFS, Place.DISK)]
    said = report.markdown(found, MACHINE, 5, quick=False)
    assert [line for line in said.splitlines() if line.startswith("###")] == ["### Written to disk", "### Written to tmpfs"]
    assert said.count("| 80 layers to `oci:` | 1.00 s | 500 ms |") == 2
    assert "Compared with skopeo 1.22.0 and crane 0.20.7. Not installed: regctl." in said
    assert report.QUICK in report.markdown(found, MACHINE, 5, quick=True)
    lines = report.text(found, MACHINE).splitlines()
    assert lines[:3] == [
        "Written to disk:",
        "case         ours    CPU     peak MiB  best other      ratio  limit",
        "many80-http  1.00 s  500 ms  40 of 64  2.00 s (crane)  0.50   1.00   ok",
    ]
    assert lines[3:6] == ["    crane 2.00 s, CPU 1.00 s, 40 MiB", "", "Written to tmpfs:"]


def test_tables_are_replaced_where_the_page_has_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n<!-- bench -->\nold\n<!-- /bench -->\nend\n")
    for tables in ("new\n", "newer\n"):
        report.save_markdown(page, tables)
        assert page.read_text() == f"# Title\n<!-- bench -->\n{tables}<!-- /bench -->\nend\n"
    other = tmp_path / "other.md"
    other.write_text("of an earlier run\n")
    for path in (other, tmp_path / "new.md"):
        report.save_markdown(path, "new\n")
        assert path.read_text() == "new\n"


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({}, "Compared with no other program. Not installed: skopeo, crane and regctl."),
        ({"crane": "unknown"}, "Compared with crane unknown. Not installed: skopeo and regctl."),
        ({"skopeo": "1.22.0", "crane": "0.21.9", "regctl": "0.11.5"},
         "Compared with skopeo 1.22.0, crane 0.21.9 and regctl 0.11.5."),
    ],
)  # fmt: skip
def test_the_table_says_what_it_compares_with(versions: dict[str, str], said: str) -> None:
    assert report.compared_with({**dict.fromkeys(PEERS, "-"), **versions}) == said


def test_an_old_skopeo_is_not_quoted_as_skopeo() -> None:
    assert "not to be quoted as skopeo's speed" in report.compared_with({**MACHINE, "skopeo": "1.9.3"})


def test_the_chart_is_of_one_place_and_relative_to_the_best_other() -> None:
    found = [
        result({"pyskopeo": (1.0,), "crane": (2.0,), "skopeo": (3.0,)}, place=Place.DISK),
        result({"pyskopeo": (9.0,), "crane": (2.0,)}, place=Place.TMPFS),
        result({"pyskopeo": (9.0,), "crane": (0.1,)}, replace(CASE, name="inspect")),
        result({"pyskopeo": (9.0,)}, replace(CASE, name="push8")),
    ]
    results: dict[str, Any] = json.loads(report.as_json(found, MACHINE, 1, quick=False))
    bars = chart.read_bars(results, "disk")
    assert bars == [chart.Bars("80 layers to oci:", {"pyskopeo": 0.5, "skopeo": 1.5, "crane": 1.0})]
    drawn = ET.fromstring(chart.draw(bars, chart.legend_of(results["machine"])))
    words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert words[:2] == [chart.TITLE, "whole commands, start-up included; the dashed line is the fastest other"]
    assert {"80 layers to oci:", "0.50", "1.50", "1.00", "pyskopeo", "skopeo 1.22.0", "crane 0.20.7"} <= set(words)
    widths = [float(bar.attrib["width"]) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[1] == pytest.approx(3 * widths[0], abs=0.2)


def test_charted_cases_exist_and_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert set(chart.CHARTED) <= set(names)
    assert len(set(names)) == len(names)


def test_what_hardly_depends_on_the_place_is_measured_once() -> None:
    twice = {case.name for case in CASES if len(case.belongs_to(PLACES["both"])) == 2}
    assert twice >= {*chart.CHARTED, "again", "push80-far", "extract-one"}
    assert not twice & {"inspect", "inspect100", "version", "promote", "push-again", "huge1-limited", "libraries8"}
    assert all(case.belongs_to(PLACES["tmpfs"]) == (Place.TMPFS,) for case in CASES)


MOUNTS = ["/dev/vda / ext4 rw 0 0", "tmpfs /dev/shm tmpfs rw 0 0", "tmpfs /a\\040b tmpfs rw 0 0", "/dev/vdb /a\\040b xfs rw 0 0"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/srv/x", "ext4"), ("/dev/shm", "tmpfs"), ("/dev/shm/x", "tmpfs"), ("/dev/shmx", "ext4"), ("/a b/c", "xfs")],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert filesystem(Path(path), MOUNTS) == kind
    assert filesystem(Path(path), []) == ""


def test_a_place_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    monkeypatch.setattr("scripts.benchlib.places._MOUNTS", mounts)
    mounts.write_text("tmpfs / tmpfs rw 0 0\n")
    with pytest.raises(PlaceError, match="is in memory: name a directory on a disk with --cache"):
        directory(Place.DISK, tmp_path)
    with pytest.raises(PlaceError, match="there is no tmpfs with .* GB free"):
        directory(Place.TMPFS, tmp_path, needed=1 << 62)
    mounts.write_text("/dev/vda / ext4 rw 0 0\n")
    assert directory(Place.DISK, tmp_path) == tmp_path
    with pytest.raises(PlaceError, match="measure --on disk"):
        directory(Place.TMPFS, tmp_path, needed=0)


def job(tmp_path: Path, kind: str) -> Job:
    image = Image("bench/x", {"sha256:aa": 1, "sha256:bb": 2}, "sha256:aa", 3)
    registry = cast("Registry", SimpleNamespace(tls=None, url="http://127.0.0.1:1"))
    return Job(kind, registry, "127.0.0.1:1", image, tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("oci", ["pull", "--format=oci", "--insecure", "127.0.0.1:1/bench/x:1"]),
        ("inspect", ["manifest", "--insecure", "127.0.0.1:1/bench/x:1"]),
        ("version", ["version"]),
        ("docker-archive", None),
        ("zstd", None),
        ("sync", None),
    ],
)
def test_a_peer_takes_part_where_it_has_the_job(tmp_path: Path, kind: str, words: list[str] | None) -> None:
    command = crane("/x/crane")(job(tmp_path, kind))
    assert (command is None) == (words is None)
    if command and words:
        assert command.argv == ["/x/crane", *words, *([str(tmp_path / "out")] if kind == "oci" else [])]
    theirs = regctl("/x/regctl")(job(tmp_path, kind))
    assert (theirs is None) == (words is None)
    assert (floor(job(tmp_path, kind)) is None) == (kind != "oci")


def test_traffic_of_a_log() -> None:
    line = '127.0.0.1 - - [30/Nov/2026:04:00:00 +0000] "{} HTTP/1.1" {} {} "" "x"'
    lines = [
        line.format("HEAD /v2/a/manifests/1", 200, 0),
        line.format("GET /v2/a/blobs/sha256:aa", 206, 100),
        line.format("POST /v2/a/blobs/uploads/", 202, 0),
        line.format("PUT /v2/a/blobs/uploads/1?digest=sha256%3Abb", 201, 0),
        "not a request",
    ]
    assert read_traffic(lines, {"sha256:bb": 7}) == Traffic({"HEAD": 1, "GET": 1, "POST": 1, "PUT": 1}, 3, 107)
    with pytest.raises(RunError, match="sha256:bb, which is not the image's"):
        read_traffic(lines, {})


def test_the_initial_states_that_cases_name_are_known() -> None:
    assert {case.initial for case in CASES} == set(InitialState)
