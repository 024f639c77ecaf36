"""``sync`` of all repositories of a registry, with other names, and ``catalog``, which lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario.sync.running import DEST, MANY, SOURCE, images
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.faults import Refuse
from tests.support.simulator import Simulator

NAMES = ("team/app", "team/tool", "other/app", "lib/app10", "lib/app9")


@pytest.fixture
def registry() -> Iterator[Simulator]:
    """Five repositories on three pages, with the tags v0 and v1 each."""
    with Simulator(page_size=2) as running:
        for name in NAMES:
            for n in (0, 1):
                running.add(MANY[n], name, f"v{n}")
        yield running


def sync(registry: Simulator, mirror: Simulator, *more: object, below: str = "") -> Done:
    words = ("sync", "--src", "registry", "--dest", "docker", SOURCE, DEST, registry.host + below, f"{mirror.host}/m")
    return pyskopeo_here(*words, *more)


def names(mirror: Simulator) -> set[str]:
    done = succeed(pyskopeo_here("catalog", "--tls-verify=false", mirror.host))
    return set(done.stdout.decode().split())


def test_repositories_keep_their_paths(registry: Simulator) -> None:
    with Simulator() as mirror:
        succeed(sync(registry, mirror))
        assert names(mirror) == {f"m/{name}" for name in NAMES}
        assert mirror.manifest("v1", "m/lib/app9").digest == MANY[1].digest  # type: ignore[union-attr]
        assert mirror.incomplete == []


@pytest.mark.parametrize(
    ("words", "below", "found"),
    [
        (("--include-repository", "^lib/"), "", {"m/lib/app10", "m/lib/app9"}),
        (("--exclude-repository", "app", "--exclude-repository", "x"), "", {"m/team/tool"}),
        ((), "/team", {"m/team/app", "m/team/tool"}),
        (("--map", "^[^/]+/lib/(.*):v(.)=apps/\\1:\\2", "--include-repository=9", "--exclude", "v1"), "", {"m/apps/app9"}),
        (("--map", "^[^/]*/other/=o/", "--exclude-repository", "lib|team/app"), "", {"m/o/app", "m/team/tool"}),
    ],
)
def test_a_choice_of_repositories_and_names(
    registry: Simulator, words: tuple[str, ...], below: str, found: set[str]
) -> None:
    with Simulator() as mirror:
        succeed(sync(registry, mirror, *words, below=below))
        assert names(mirror) == found
    excluded = set(NAMES) - {"lib/app10", "lib/app9"}
    if words[:2] == ("--include-repository", "^lib/"):
        assert not [r for r in registry.requests for name in excluded if f"/{name}/tags/" in r.path], "never asked for"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--map", "^.*$=same:1"), "would both be written to"),
        (("--map", "v0$=../../v0"), "is renamed to"),
        (("--map", "app=App"), "is renamed to"),
        (("--map", "no rule"), "want REGEX=REPLACEMENT"),
        (("--include-repository", "["), "error parsing regexp"),
        (("--include-repository", "nothing"), "No images to sync found"),
    ],
)
def test_nothing_is_copied_where_names_cannot_be(registry: Simulator, words: tuple[str, ...], message: str) -> None:
    with Simulator() as mirror:
        assert message in fatal(sync(registry, mirror, *words))
        assert not [request for request in mirror.requests if request.method in ("PUT", "POST")]


def test_one_repository_that_cannot_be_listed_is_a_failure_of_its_own(registry: Simulator) -> None:
    registry.routes["/v2/other/app/tags/list"] = Response(403, (), b"{}")
    with Simulator() as mirror:
        done = sync(registry, mirror)
        assert done.code == 1
        assert names(mirror) == {f"m/{name}" for name in NAMES if name != "other/app"}
        assert "Error processing repo, skipping" in done.stderr


def test_a_repository_without_tags_any_more_is_passed_over(registry: Simulator) -> None:
    registry.routes["/v2/other/app/tags/list"] = Response(404, (), b'{"errors":[{"code":"NAME_UNKNOWN"}]}')
    with Simulator() as mirror:
        done = succeed(sync(registry, mirror))
        assert "other/app has no list of tags" in done.stderr
        assert len(names(mirror)) == 4


def test_a_catalog_that_is_refused_ends_the_run(registry: Simulator) -> None:
    registry.on("/v2/_catalog", Refuse(403))
    with Simulator() as mirror:
        assert "listing the repositories of" in fatal(sync(registry, mirror))


def test_names_for_directories(registry: Simulator, tmp_path: Path) -> None:
    words = ("--src", "registry", "--dest", "dir", SOURCE, f"{registry.host}/team", tmp_path, "--map", "^[^/]*/team/=")
    succeed(pyskopeo_here("sync", *words))
    assert {name.partition("/")[0] for name in images(tmp_path)} == {"app:v0", "app:v1", "tool:v0", "tool:v1"}


class TestCatalog:
    @pytest.mark.parametrize(
        ("words", "found"),
        [
            ((), ["lib/app9", "lib/app10", "other/app", "team/app", "team/tool"]),
            (("--include", "^t", "--include", "9"), ["lib/app9", "team/app", "team/tool"]),
            (("--exclude", "lib|tool"), ["other/app", "team/app"]),
        ],
    )
    def test_names_in_natural_order(self, registry: Simulator, words: tuple[str, ...], found: list[str]) -> None:
        done = succeed(pyskopeo_here("catalog", "--tls-verify=false", registry.host, *words))
        assert done.stdout.decode().splitlines() == found
        assert done.stderr == ""

    def test_json(self, registry: Simulator) -> None:
        done = succeed(pyskopeo_here("catalog", "--tls-verify=false", f"docker://{registry.host}/team", "--json"))
        assert json.loads(done.stdout) == {"registry": registry.host, "repositories": ["team/app", "team/tool"]}

    def test_no_repositories_are_no_error(self) -> None:
        with Simulator() as registry:
            assert succeed(pyskopeo_here("catalog", "--tls-verify=false", registry.host)).stdout == b""

    def test_what_is_no_registry(self) -> None:
        assert "is no registry: want HOST" in fatal(pyskopeo_here("catalog", "host/team:1"))


def test_the_report_is_a_page_if_its_name_says_so(registry: Simulator, tmp_path: Path) -> None:
    page, report, again = tmp_path / "report.html", tmp_path / "report.json", tmp_path / "again.html"
    with Simulator() as mirror:
        succeed(sync(registry, mirror, "--report", page))
        succeed(sync(registry, mirror, "--report", report))
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert page.read_text().count(">copied</span>") == 10
    succeed(pyskopeo_here("report", "show", "--html", again, report))
    assert again.read_text().count(">present</span>") == 10
