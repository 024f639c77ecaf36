"""``sync --plan`` and ``--run``: what is planned, by which requests, and that shards do all of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyskopeo import SyncClient
from pyskopeo.access import Access
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import InvalidInput
from pyskopeo.model.choice import Choice
from pyskopeo.syncing.planning import plan_sync
from pyskopeo.syncing.sync_request import SyncRequest
from tests.scenario.sync.running import DEST, MANY, SOURCE, Asked, numbered, to_docker
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.faults import Refuse
from tests.support.images import build
from tests.support.pushing import Pushing
from tests.support.simulator import Simulator


def make_plan(registry: Simulator, mirror: Simulator | str, file: Path, *more: object, source: str = "team/app") -> Done:
    at = mirror if isinstance(mirror, str) else f"{mirror.host}/m"
    words = ("--src", "docker", "--dest", "docker", SOURCE, f"{registry.host}/{source}", at)
    return pyskopeo_here("sync", *words, "--plan", file, *more)


def run_plan(file: Path, *more: object) -> Done:
    return pyskopeo_here("sync", "--run", file, SOURCE, DEST, *more)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


class TestMaking:
    def test_a_plan_has_digests_and_sizes_and_needs_a_request_an_image(
        self, registry: Simulator, tmp_path: Path
    ) -> None:
        done = succeed(make_plan(registry, "mirror.example.com/m", tmp_path / "plan"))
        header, *images, end = lines(tmp_path / "plan")
        assert header["source"] == f"docker://{registry.host}/team/app"
        assert header["destination"] == "docker://mirror.example.com/m"
        assert [image["digest"] for image in images] == [image.digest for image in MANY]
        assert images[2]["destination"] == "docker://mirror.example.com/m/app:v2"
        assert images[2]["bytes"] == sum(map(len, MANY[2].blobs.values()))
        assert len({image["base"] for image in images}) == 1
        assert (end["images"], end["bytes"]) == (6, sum(image["bytes"] for image in images))
        assert Asked(registry).kinds == {}
        assert sum("/manifests/" in line for line in registry.log) == 6
        assert "6 images planned" in done.stderr

    def test_one_image_of_a_list_is_the_measure_of_all_in_a_repository(self, tmp_path: Path) -> None:
        index = build("oci-index")
        with Simulator(index, "team/app", "v0") as registry:
            for n in range(1, 4):
                registry.add(build("oci-index"), "team/app", f"v{n}")
            succeed(make_plan(registry, "mirror.example.com/m", tmp_path / "plan"))
            _, *images, _ = lines(tmp_path / "plan")
            assert {image["digest"] for image in images} == {index.digest}
            assert all(image["bytes"] > 0 for image in images)
            assert sum("/manifests/" in line for line in registry.log) == 5
            one = images[0]["bytes"]
            succeed(make_plan(registry, "mirror.example.com/m", tmp_path / "plan", "--all"))
            assert lines(tmp_path / "plan")[1]["bytes"] > one

    def test_a_list_of_tags_with_digests_needs_no_request_more(self, registry: Simulator, tmp_path: Path) -> None:
        listed = {image.digest: {"tag": [f"v{n}"], "imageSizeBytes": "1000"} for n, image in enumerate(MANY)}
        document = {"tags": [f"v{n}" for n in range(6)], "manifest": listed}
        registry.routes["/v2/team/app/tags/list"] = Response(200, (), json.dumps(document).encode())
        succeed(make_plan(registry, "mirror.example.com/m", tmp_path / "plan"))
        _, *images, _ = lines(tmp_path / "plan")
        assert [image["digest"] for image in images] == [image.digest for image in MANY]
        assert {image["bytes"] for image in images} == {1000}
        assert not any("/manifests/" in line for line in registry.log)

    def test_a_plan_that_cannot_be_made_leaves_no_file(self, registry: Simulator, tmp_path: Path) -> None:
        registry.on_manifest("v3", Refuse(404))
        done = make_plan(registry, "mirror.example.com/m", tmp_path / "plan")
        assert done.code == 1
        assert "planning docker://" in done.stderr
        assert not list(tmp_path.iterdir())
        kept = make_plan(registry, "mirror.example.com/m", tmp_path / "plan", "--keep-going")
        assert kept.code == 1
        assert "1 failure: not everything is in the plan" in kept.stderr
        assert len(lines(tmp_path / "plan")) == 7

    def test_a_plan_goes_to_standard_output(self, registry: Simulator) -> None:
        done = succeed(make_plan(registry, "mirror.example.com/m", Path("-")))
        assert len(done.stdout.splitlines()) == 8

    def test_progress_as_json(self, registry: Simulator, tmp_path: Path) -> None:
        done = succeed(make_plan(registry, "mirror.example.com/m", tmp_path / "plan", "--progress", "json"))
        last = json.loads(done.stderr.splitlines()[-1])
        assert (last["event"], last["images"], last["failures"]) == ("PlanFinished", 6, 0)

    def test_two_images_with_one_name(self, registry: Simulator, tmp_path: Path) -> None:
        registry.add(MANY[0], "other/app", "v1")
        words = ("--src", "registry", "--dest", "docker", SOURCE, registry.host, "mirror.example.com")
        registry.routes["/v2/_catalog"] = Response(200, (), b'{"repositories": ["other/app", "team/app"]}')
        done = pyskopeo_here("sync", *words, "--plan", tmp_path / "plan", "--map", "^.*/=all/")
        assert done.code == 1
        assert "another image would both be written to docker://mirror.example.com/all/app:v1" in done.stderr
        assert not list(tmp_path.iterdir())


class TestRunning:
    def test_shards_do_all_of_a_plan_once(self, registry: Simulator, tmp_path: Path) -> None:
        with Simulator() as mirror:
            succeed(make_plan(registry, mirror, tmp_path / "plan"))
            reports = [tmp_path / f"{number}.json" for number in (1, 2, 3)]
            for number, report in enumerate(reports, 1):
                succeed(run_plan(tmp_path / "plan", "--shard", f"{number}/3", "--report", report))
            assert {mirror.manifest(f"v{n}", "m/app").digest for n in range(6)} == {i.digest for i in MANY}  # type: ignore[union-attr]
            documents = [json.loads(report.read_text()) for report in reports]
            assert [len(document["images"]) for document in documents] == [2, 2, 2]
            assert len({document["plan"] for document in documents}) == 1
            assert [document["shard"] for document in documents] == ["1/3", "2/3", "3/3"]
            here, there = Asked(registry), Asked(mirror)
            succeed(run_plan(tmp_path / "plan"))
            assert here.kinds == {}
            assert there.kinds == {"HEAD manifests": 6}, "nothing is done twice"

    def test_a_run_goes_on_where_one_has_failed(self, registry: Simulator, tmp_path: Path) -> None:
        with Simulator() as mirror:
            succeed(make_plan(registry, mirror, tmp_path / "plan"))
            registry.on_manifest(MANY[3].digest, Refuse(500), times=1)
            failed = run_plan(tmp_path / "plan", "--keep-going", "--retry-times=0", "--report", tmp_path / "one.json")
            assert failed.code == 1
            assert json.loads((tmp_path / "one.json").read_text())["exitCode"] == 1
            done = succeed(run_plan(tmp_path / "plan"))
            assert "1 copied, 5 present" in done.stderr

    def test_a_plan_from_standard_input(self, registry: Simulator, tmp_path: Path) -> None:
        with Simulator() as mirror:
            succeed(make_plan(registry, mirror, tmp_path / "plan"))
            plan = (tmp_path / "plan").read_text()
            done = succeed(pyskopeo_here("sync", "--run", "-", SOURCE, DEST, "--shard=1/2", stdin=plan))
            assert "3 copied" in done.stderr

    def test_to_a_layout(self, registry: Simulator, tmp_path: Path) -> None:
        out, plan = tmp_path / "out", tmp_path / "plan"
        words = ("--src", "docker", "--dest", "oci", SOURCE, f"{registry.host}/team/app", out)
        succeed(pyskopeo_here("sync", *words, "--plan", plan))
        assert "6 copied" in succeed(pyskopeo_here("sync", "--run", plan, SOURCE)).stderr
        assert "0 copied, 6 present" in succeed(pyskopeo_here("sync", *words)).stderr, "sync knows them"

    def test_a_local_source_that_has_changed(self, registry: Simulator, tmp_path: Path) -> None:
        out, plan = tmp_path / "out", tmp_path / "plan"
        words = ("--src", "docker", "--dest", "dir", SOURCE)
        succeed(pyskopeo_here("sync", *words, f"{registry.host}/team/app:v0", out))
        with Simulator() as mirror:
            back = ("--src", "dir", "--dest", "docker", DEST, out, f"{mirror.host}/m")
            succeed(pyskopeo_here("sync", *back, "--plan", plan))
            assert "1 copied" in succeed(pyskopeo_here("sync", "--run", plan, DEST)).stderr
            registry.add(numbered(77), "team/app", "v0")
            succeed(pyskopeo_here("sync", *words, f"{registry.host}/team/app:v0", out))
            done = pyskopeo_here("sync", "--run", plan, DEST)
            assert done.code == 1
            assert f"and was {MANY[0].digest} when it was planned: make a new plan" in done.stderr


class TestSince:
    def test_what_a_report_says_to_be_there_is_not_asked_for(self, registry: Simulator, tmp_path: Path) -> None:
        plan, report = tmp_path / "plan", tmp_path / "report.json"
        with Simulator() as mirror:
            succeed(to_docker(registry, mirror, "--report", report))
            registry.add(numbered(78), "team/app", "v4")
            here = Asked(registry)
            done = succeed(make_plan(registry, mirror, plan, "--since", report))
            assert here.kinds == {"GET tags": 1, "HEAD manifests": 6, "GET manifests": 1}
            assert "6 images planned, 5 of them unchanged" in done.stderr
            here, there = Asked(registry), Asked(mirror)
            done = succeed(run_plan(plan, "--report", report))
            assert "1 copied, 5 present" in done.stderr
            assert here.kinds["GET manifests"] == 1
            assert not any(f"manifests/v{n}" in line for n in (0, 1, 2, 3, 5) for line in here.log + there.log)
            here, there = Asked(registry), Asked(mirror)
            succeed(make_plan(registry, mirror, plan, "--since", report))
            succeed(run_plan(plan))
            assert here.kinds == {"GET tags": 1, "HEAD manifests": 6}, "nothing changed: one request an image"
            assert there.kinds == {}

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (["--all"], "is of a run with other platforms, formats or referrers: plan without it"),
            (["--referrers"], "a report does not say what refers to an image"),
        ],
    )
    def test_a_report_that_does_not_fit(
        self, registry: Simulator, tmp_path: Path, more: Sequence[str], message: str
    ) -> None:
        report = tmp_path / "report.json"
        with Simulator(pushing=Pushing()) as mirror:
            succeed(to_docker(registry, mirror, "--report", report, *more[1:]))
            if "--referrers" in more:
                document = json.loads(report.read_text())
                document["options"]["referrers"] = {"copied": True, "types": [], "cosignTags": False, "required": []}
                report.write_text(json.dumps(document))
            done = make_plan(registry, mirror, tmp_path / "plan", "--since", report, *more)
            assert (done.code, message in done.stderr) == (1, True), done.stderr
            assert not (tmp_path / "plan").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run", "plan", "a", "b"], "No arguments expected with --run, got 2"),
        (["--run", "plan", "--all"], "--all and --run exclude each other: what is copied, and how, is in the plan"),
        (["--run", "plan", "--src=docker"], "--src and --run exclude each other"),
        (["--plan", "x", "--report", "y", "--src=docker", "--dest=dir", "a", "b"], "--report and --plan exclude"),
        (["--shard", "1/2", "--src=docker", "--dest=dir", "a", "b"], "--shard needs --run"),
        (["--since", "x", "--src=docker", "--dest=dir", "a", "b"], "--since needs --plan"),
        (["--run", "plan", "--shard", "3/2"], "there is no shard 3/2: shards are numbered from 1/2 to 2/2"),
        (["--run", "plan", "--shard", "x"], "want I/N, such as 1/4"),
        (["--run", ""], "--run: want the name of a file, or -"),
        (["--run", "nowhere"], "reading the plan nowhere: no such file or directory"),
        (["--run", "empty"], "empty is empty: want a file of pyskopeo sync --plan"),
        (["--run", "short"], "short ends after line 3, which is not its end"),
        (["--run", "changed", "--shard=1/2"], "changed: line 8: this plan was changed after it was made"),
    ],
)
def test_bad_input_is_one_line(
    registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    succeed(make_plan(registry, "127.0.0.1:1/m", Path("plan")))
    whole = Path("plan").read_text().splitlines(keepends=True)
    Path("empty").touch()
    Path("short").write_text("".join(whole[:3]))
    Path("changed").write_text("".join((*whole[:3], whole[4], whole[3], *whole[5:])))
    done = pyskopeo_here("sync", *words)
    assert done.code == 1
    last = [line for line in done.stderr.splitlines() if "level=fatal" in line]
    assert len(last) == 1
    assert message in last[0].replace('\\"', '"')


def test_a_plan_is_written_while_repositories_are_listed(tmp_path: Path) -> None:
    count = 60
    with Simulator() as registry:
        names = [f"team/app{n}" for n in range(count)]
        for n, name in enumerate(names):
            digest = f"sha256:{n:064x}"
            document = {"tags": ["v1"], "manifest": {digest: {"tag": ["v1"], "imageSizeBytes": "5"}}}
            registry.routes[f"/v2/{name}/tags/list"] = Response(200, (), json.dumps(document).encode())
        registry.routes["/v2/_catalog"] = Response(200, (), json.dumps({"repositories": names}).encode())
        access = Access.from_environ()
        access = replace(access, trust=replace(access.trust, insecure=True))
        request = SyncRequest("registry", registry.host, "docker", "mirror.example.com", Selection(Choice(), "all"))
        listed: list[int] = []
        written: list[bytes] = []

        async def write(content: bytes) -> None:
            listed.append(sum("/tags/list" in line for line in registry.log))
            written.append(content)

        totals = asyncio.run(plan_sync(request, write, source_access=access))
    assert (totals.images, totals.size, totals.repositories) == (count, 5 * count, count)
    assert listed[0] < count, "the first line was written before the last repository was listed"
    images = [json.loads(line) for line in b"".join(written).splitlines()[1:-1]]
    assert [image["destination"] for image in images] == [f"docker://mirror.example.com/{name}:v1" for name in names]


def test_digests_in_the_list_and_a_report_need_no_request_an_image(registry: Simulator, tmp_path: Path) -> None:
    listed = {image.digest: {"tag": [f"v{n}"]} for n, image in enumerate(MANY)}
    document = {"tags": [f"v{n}" for n in range(6)], "manifest": listed}
    registry.routes["/v2/team/app/tags/list"] = Response(200, (), json.dumps(document).encode())
    plan, report = tmp_path / "plan", tmp_path / "report.json"
    with Simulator() as mirror:
        succeed(make_plan(registry, mirror, plan))
        succeed(run_plan(plan, "--report", report))
        here, there = Asked(registry), Asked(mirror)
        succeed(make_plan(registry, mirror, plan, "--since", report))
        assert "0 copied, 6 present" in succeed(run_plan(plan)).stderr
        assert (here.kinds, there.kinds) == ({"GET tags": 1}, {})


def test_the_library(registry: Simulator, tmp_path: Path) -> None:
    with Simulator() as mirror, SyncClient(insecure=True) as client:
        source, destination = f"docker://{registry.host}/team/app", f"docker://{mirror.host}/m"
        totals = client.write_plan(tmp_path / "plan", source, destination, include=["v[0-3]"])
        assert (totals.images, totals.failures) == (4, 0)
        reports = [client.run_plan(tmp_path / "plan", shard=f"{number}/2") for number in (1, 2)]
        assert [report.count("copied") for report in reports] == [2, 2]
        assert client.run_plan(tmp_path / "plan").count("present") == 4
    with SyncClient(credentials=("robot", "secret")) as client:
        with pytest.raises(InvalidInput, match="for one registry, not for all in a plan"):
            client.run_plan(tmp_path / "plan")
