"""`scripts/bench --growth`: its registry, the commands that it measures, what it computes, the tables and the chart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from anyio.from_thread import start_blocking_portal

from pyskopeo.model.digest import Digest
from scripts.benchlib import growth_report as report
from scripts.benchlib.growth import Growth, choose_series
from scripts.benchlib.growth_chart import draw_growth
from scripts.benchlib.growth_content import Repository
from scripts.benchlib.growth_registry import GrowthRegistry, start_server
from scripts.benchlib.growth_series import QUICK, SERIES, Place, Series
from scripts.benchlib.measure import Run
from tests.support.cli import pyskopeo_here, succeed

MACHINE = {"cpus": "2", "cpu": "a processor", "kernel": "6.1", "python": "3.11.2"}
SERIES_BY_NAME = {series.name: series for series in SERIES}


def growth(name: str, *runs: tuple[int, float, float]) -> Growth:
    """Runs as (size, seconds of processor time, MiB)."""
    sizes, seconds, peaks = zip(*runs, strict=True)
    return Growth(
        SERIES_BY_NAME[name], sizes, tuple(Run(2 * cpu, cpu, peak) for cpu, peak in zip(seconds, peaks, strict=True))
    )


LINEAR = growth("images-oci", (10, 0.5, 40), (110, 1.0, 50), (1010, 5.5, 60), (5010, 25.5, 100))
QUADRATIC = growth("images-dir", (10, 0.5, 40), (110, 1.0, 50), (1010, 10.5, 60), (5010, 75.5, 60))
SHORT = growth("list-tags", (10, 0.3, 30), (1000, 0.31, 30), (100_010, 0.5, 40))


@pytest.mark.parametrize(
    ("found", "costs", "factor", "within"),
    [
        (LINEAR, [0.005, 0.005, 0.005], 1.0, True),
        (QUADRATIC, [0.005, 0.01, 0.015], 2.0, False),
        (SHORT, [None, 0.000002], None, True),
    ],
    ids=["linear", "quadratic", "short"],
)
def test_the_cost_of_a_unit(found: Growth, costs: list[float | None], factor: float | None, within: bool) -> None:
    assert found.cpu_per_unit == [None if cost is None else pytest.approx(cost) for cost in costs]
    assert (found.factor, found.in_limit) == (None if factor is None else pytest.approx(factor), within)


def test_the_memory_of_a_unit_is_without_buffers_that_all_runs_have() -> None:
    assert LINEAR.memory_per_unit == pytest.approx(50 * 1024 / 4900)


def test_series_are_chosen_by_name_or_kind() -> None:
    assert choose_series("") == list(SERIES)
    assert [series.name for series in choose_series("plan,layers-oci")] == ["layers-oci", "plan"]
    assert {series.name for series in choose_series("tags")} == {"list-tags", "plan"}
    with pytest.raises(ValueError, match=r"no such case: x; there are images, images-by-store, .*plan"):
        choose_series("plan,x")


def test_a_table_for_each_kind_of_unit() -> None:
    said = report.markdown([LINEAR, QUADRATIC, SHORT], MACHINE, quick=True)
    assert "| case | 10 images | 110 images | 1,010 images | 5,010 images | growth | KiB per image |" in said
    assert "| `sync` to `oci:` | 1.0 s, 40 MiB | 2.0 s, 50 MiB, 5.0 ms each |" in said
    assert "| 151.0 s, 60 MiB, 15.0 ms each | 2.00, over 1.5 | 2.1 |" in said
    assert "| 1.0 s, 40 MiB, 2.0 µs each | - | 0.1 |" in said
    assert report.QUICK in said
    text = report.text([LINEAR, SHORT])
    assert text.count("\n\n") == 1
    assert text.startswith("case          10 images      110 images")


def test_the_chart_has_a_line_for_each_series() -> None:
    results: dict[str, Any] = json.loads(report.as_json([LINEAR, QUADRATIC, SHORT], MACHINE, quick=False))
    svg = "{http://www.w3.org/2000/svg}"
    drawn = ET.fromstring(draw_growth(results["growth"]))
    curves = [curve.attrib["points"].split() for curve in drawn.iter(f"{svg}polyline")]
    assert [len(points) for points in curves] == [3, 4, 3, 4, 1, 3]
    heights = [float(point.partition(",")[2]) for point in curves[0]]
    assert max(heights) - min(heights) < 0.2, "linear growth is a level line"
    rising = [float(point.partition(",")[2]) for point in curves[2]]
    assert rising == sorted(rising, reverse=True)
    words = {text.text for text in drawn.iter(f"{svg}text")}
    assert {"sync to oci:", "list-tags", "5,010", "images", "tags", "1 ms", "10 ms", "1 µs", "100 MiB"} <= words


def test_content_is_what_its_digests_say() -> None:
    made = Repository("images-3")
    assert made.tags == ["t0", "t1", "t2"]
    assert len({digest for digest, _ in made.manifests.values()}) == 3
    assert len(made.blobs) == 3 + 1 + 3  # configs, the layer that all share, those of their own
    for digest, content in [*made.manifests.values(), *made.blobs.items()]:
        assert str(Digest.of(content)) == digest
    assert len(json.loads(Repository("layers-4").manifests["t0"][1])["layers"]) == 4
    assert len({raw for _, raw in Repository("tags-12").manifests.values()}) == 1
    assert Repository("tags-12").tags[-1] == "t11"
    with pytest.raises(ValueError, match="none of layers-NUMBER, tags-NUMBER, images-NUMBER"):
        Repository("images-x")


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v2/", 200),
        ("GET", "/v2/tags-3/tags/list", 200),
        ("GET", "/v2/tags-3/manifests/t3", 404),
        ("GET", "/v2/tags-3/blobs/sha256:00", 404),
        ("GET", "/v2/other/tags/list", 404),
        ("GET", "/elsewhere", 404),
        ("HEAD", "/v2/pushed/1/blobs/sha256:00", 404),
        ("HEAD", "/v2/pushed/1/manifests/t", 404),
        ("DELETE", "/v2/pushed/1/blobs/uploads/1", 204),
    ],
)
def test_what_the_registry_answers(method: str, target: str, status: int) -> None:
    assert GrowthRegistry().answer(method, target, "", b"").status == status


def test_tags_come_in_pages() -> None:
    registry = GrowthRegistry()
    first = registry.answer("GET", "/v2/tags-2500/tags/list?n=2000", "", b"")
    assert len(json.loads(first.body)["tags"]) == 1000
    assert first.fields["Link"] == '</v2/tags-2500/tags/list?n=1000&last=t0999>; rel="next"'
    last = registry.answer("GET", "/v2/tags-2500/tags/list?n=1000&last=t1999", "", b"")
    assert json.loads(last.body)["tags"][-1] == "t2499"
    assert "Link" not in last.fields


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with start_blocking_portal("asyncio") as portal:
        server = portal.call(start_server)
        yield "{}:{}".format(*server.sockets[0].getsockname())
        portal.call(server.close)


@pytest.mark.parametrize("series", SERIES, ids=SERIES_BY_NAME)
def test_each_command_does_its_work(series: Series, host: str, tmp_path: Path) -> None:
    size = min(QUICK[series.kind])
    place = Place(host, tmp_path, f"pushed/{series.name}")
    if series.prepare is not None:
        succeed(pyskopeo_here(*series.prepare(place, size)))
    done = succeed(pyskopeo_here(*series.command(place, size)))
    if series.name == "list-tags":
        assert len(json.loads(done.stdout)["Tags"]) == size
    elif series.name.endswith("-registry"):
        repository = place.pushed + (f"/images-{size}" if series.kind == "images" else "")
        done = succeed(pyskopeo_here("inspect", "--tls-verify=false", "--raw", f"docker://{host}/{repository}:t0"))
        assert len(json.loads(done.stdout)["layers"]) == (size if series.kind == "layers" else 2)
    else:
        assert any(tmp_path.iterdir())
