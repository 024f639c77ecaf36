"""``sync --delete``: what a sync has copied is deleted when it is gone at the source, and nothing else is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyskopeo
from tests.scenario.sync.running import DEST, MANY, RECORD, SOURCE, numbered, to_dir, to_docker
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.exchange import Response
from tests.support.faults import Refuse
from tests.support.outputs import write_dir
from tests.support.pushing import Pushing
from tests.support.simulator import Simulator

TAGS = [f"v{n}" for n in range(6)]


@pytest.fixture(params=[Pushing(deletes_tags=True), Pushing()], ids=["tags can be deleted", "manifests only"])
def mirror(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with Simulator(pushing=request.param) as running:
        yield running


def tags(registry: Simulator, repository: str = "m/app") -> list[str]:
    return sorted(name for name in registry.store.manifests(repository) if ":" not in name)


def lose(registry: Simulator, *names: str, repository: str = "team/app") -> None:
    for name in names:
        assert registry.store.remove_manifest(repository, name)


def deletions(registry: Simulator) -> list[str]:
    return [request.path for request in registry.requests if request.method == "DELETE"]


class TestFromARegistry:
    def test_what_is_gone_goes_and_is_shown_first(self, registry: Simulator, mirror: Simulator) -> None:
        succeed(to_docker(registry, mirror))
        lose(registry, "v1", "v4")
        shown = succeed(to_docker(registry, mirror, "--delete", "--dry-run"))
        assert deletions(mirror) == []
        for tag in ("v1", "v4"):
            name = f"docker://{mirror.host}/m/app:{tag}"
            assert f"Would delete {name}: docker://{registry.host}/team/app:{tag} is gone" in shown.stderr
        done = succeed(to_docker(registry, mirror, "--delete"))
        assert "0 copied, 4 present, 2 deleted" in done.stderr
        assert tags(mirror) == ["v0", "v2", "v3", "v5"]
        again = succeed(to_docker(registry, mirror, "--delete"))
        assert "4 present;" in again.stderr, "nothing is deleted twice"
        assert len(deletions(mirror)) == (2 if mirror.pushing.deletes_tags else 3)

    def test_without_the_flag_it_stays(self, registry: Simulator, mirror: Simulator) -> None:
        succeed(to_docker(registry, mirror))
        lose(registry, "v1")
        succeed(to_docker(registry, mirror))
        assert tags(mirror) == TAGS

    def test_what_is_only_not_selected_stays(self, registry: Simulator, mirror: Simulator) -> None:
        succeed(to_docker(registry, mirror))
        lose(registry, "v1")
        succeed(to_docker(registry, mirror, "--delete", "--exclude", "v5", "--latest", "1"))
        assert tags(mirror) == ["v0", "v2", "v3", "v4", "v5"]

    def test_what_others_have_put_there_stays(self, registry: Simulator, mirror: Simulator) -> None:
        succeed(to_docker(registry, mirror))
        mirror.add(numbered(90), "m/app", "theirs")
        mirror.add(numbered(90), "m/app", "v2")  # instead of ours
        lose(registry, "v1", "v2")
        done = succeed(to_docker(registry, mirror, "--delete"))
        assert tags(mirror) == ["theirs", "v0", "v2", "v3", "v4", "v5"]
        assert "v2 is gone at the source, but is sha256:" in done.stderr
        assert "it stays" in done.stderr

    def test_a_tag_that_shares_its_manifest(self, registry: Simulator, mirror: Simulator) -> None:
        registry.add(MANY[1], "team/app", "also")
        succeed(to_docker(registry, mirror))
        lose(registry, "v1")
        done = succeed(to_docker(registry, mirror, "--delete"))
        if mirror.pushing.deletes_tags:
            assert "v1" not in tags(mirror)
        else:
            assert "cannot delete a tag alone, and also would go with it: it stays" in done.stderr
            assert "v1" in tags(mirror)
        lose(registry, "also")
        succeed(to_docker(registry, mirror, "--delete"))
        assert tags(mirror) == ["v0", "v2", "v3", "v4", "v5"]

    def test_cosigns_tags_go_with_the_image(self, registry: Simulator, mirror: Simulator) -> None:
        signature = f"sha256-{MANY[1].digest[7:]}.sig"
        other = f"sha256-{MANY[2].digest[7:]}.sig"
        registry.add(numbered(90), "team/app", signature)
        registry.add(numbered(91), "team/app", other)
        succeed(to_docker(registry, mirror, "--cosign-tags"))
        assert signature in tags(mirror)
        lose(registry, "v1", signature)
        succeed(to_docker(registry, mirror, "--cosign-tags", "--delete"))
        assert tags(mirror) == [other, "v0", "v2", "v3", "v4", "v5"]
        assert mirror.manifest(MANY[1].digest, "m/app") is None

    @pytest.mark.parametrize("flag", ["--max-delete=1", "--max-delete=20%"])
    def test_more_than_is_allowed(self, registry: Simulator, mirror: Simulator, flag: str) -> None:
        succeed(to_docker(registry, mirror))
        lose(registry, "v1", "v4")
        registry.add(numbered(90), "team/app", "new")
        message = fatal(to_docker(registry, mirror, "--delete", flag))
        assert f"2 of 7 images that were copied to {mirror.host}/m are gone at the source: more than --max-delete" in message
        assert tags(mirror) == ["new", *TAGS], "what is new is copied"
        succeed(to_docker(registry, mirror, "--delete", "--max-delete=2"))
        assert tags(mirror) == ["new", "v0", "v2", "v3", "v5"]

    def test_a_deletion_that_fails(self, registry: Simulator, mirror: Simulator, tmp_path: Path) -> None:
        succeed(to_docker(registry, mirror))
        lose(registry, "v1", "v4")
        name = "v1" if mirror.pushing.deletes_tags else MANY[1].digest
        mirror.on_manifest(name, Refuse(403), methods=("DELETE",))
        report = tmp_path / "report.json"
        done = to_docker(registry, mirror, "--delete", "--keep-going", "--report", report)
        assert done.code == 1
        assert tags(mirror) == ["v0", "v1", "v2", "v3", "v5"]
        found = json.loads(report.read_text())
        assert (found["deleted"], found["failed"], found["present"]) == (1, 1, 4)
        mirror.heal()
        succeed(to_docker(registry, mirror, "--delete"))
        assert tags(mirror) == ["v0", "v2", "v3", "v5"], "the next run goes on"


class TestWhatIsNoProof:
    @pytest.mark.parametrize("answer", [Refuse(500), Refuse(401), Refuse(403)], ids=repr)
    def test_a_registry_that_does_not_say_so(self, registry: Simulator, answer: Refuse) -> None:
        with Simulator(pushing=Pushing(deletes_tags=True)) as mirror:
            succeed(to_docker(registry, mirror))
            lose(registry, "v1")
            registry.on_manifest("v1", answer, methods=("HEAD",))
            done = succeed(to_docker(registry, mirror, "--delete", "--retry-times=0"))
            assert "cannot be confirmed" in done.stderr
            assert tags(mirror) == TAGS

    def test_a_list_that_lacks_something(self, registry: Simulator) -> None:
        with Simulator(pushing=Pushing(deletes_tags=True)) as mirror:
            succeed(to_docker(registry, mirror))
            registry.routes["/v2/team/app/tags/list"] = Response(200, (), b'{"name":"team/app","tags":["v0"]}')
            done = succeed(to_docker(registry, mirror, "--delete"))
            assert "v5 is not in the list of the source, but it is there: its copy stays" in done.stderr
            assert tags(mirror) == TAGS

    def test_a_repository_that_cannot_be_listed(self, registry: Simulator) -> None:
        words = ("sync", "--src", "registry", "--dest", "docker", SOURCE, DEST, registry.host)
        with Simulator(pushing=Pushing(deletes_tags=True)) as mirror:
            registry.add(MANY[0], "gone", "x")
            registry.add(MANY[0], "refused", "x")
            succeed(pyskopeo_here(*words, f"{mirror.host}/m"))
            lose(registry, "v1")
            registry.store.remove_repository("gone")
            registry.routes["/v2/refused/tags/list"] = Response(403, (), b"{}")
            done = pyskopeo_here(*words, f"{mirror.host}/m", "--delete", "--keep-going")
            assert done.code == 1
            assert "1 deleted" not in done.stderr
            assert tags(mirror, "m/team/app") == ["v0", "v2", "v3", "v4", "v5"]
            assert tags(mirror, "m/gone") == [], "the catalog does not have it any more, and the registry says 404"
            assert tags(mirror, "m/refused") == ["x"]

    def test_one_image_is_no_list(self, registry: Simulator) -> None:
        with Simulator(pushing=Pushing(deletes_tags=True)) as mirror:
            succeed(to_docker(registry, mirror))
            lose(registry, "v1")
            succeed(to_docker(registry, mirror, "--delete", source="team/app:v0"))
            assert tags(mirror) == TAGS


def to_oci(source: Path | str, out: Path, *more: object, src: str = "dir") -> Done:
    return pyskopeo_here("sync", "--src", src, "--dest", "oci", SOURCE, source, out, *more)


class TestLocally:
    def test_a_layout(self, registry: Simulator, tmp_path: Path) -> None:
        out = tmp_path / "layout"
        source = f"{registry.host}/team/app"
        succeed(to_oci(source, out, src="docker"))
        before = len(list((out / "blobs/sha256").iterdir()))
        lose(registry, "v0", "v3")
        succeed(to_oci(source, out, "--delete", "--dry-run", src="docker"))
        assert len(list((out / "blobs/sha256").iterdir())) == before
        done = succeed(to_oci(source, out, "--delete", src="docker"))
        assert "4 present, 2 deleted" in done.stderr
        index = json.loads((out / "index.json").read_text())
        names = {entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]}
        assert names == {"app:v1", "app:v2", "app:v4", "app:v5"}
        assert len(list((out / "blobs/sha256").iterdir())) == before - 6, "the base is still needed"
        succeed(pyskopeo_here("layout", "verify", f"oci:{out}"))

    def test_directories(self, registry: Simulator, tmp_path: Path) -> None:
        succeed(to_dir(registry, tmp_path, "--scoped"))
        host = tmp_path / registry.host / "team"
        (host / "app:v2/notes.txt").write_text("mine")
        lose(registry, "v1", "v2")
        done = succeed(to_dir(registry, tmp_path, "--scoped", "--delete"))
        assert sorted(os.listdir(host)) == ["app:v0", "app:v2", "app:v3", "app:v4", "app:v5"]
        assert "has files that belong to no image, such as 'notes.txt': it stays" in done.stderr
        (host / "app:v2/notes.txt").unlink()
        succeed(to_dir(registry, tmp_path, "--scoped", "--delete"))
        assert "app:v2" not in os.listdir(host)

    def test_from_a_directory(self, tmp_path: Path) -> None:
        source, out = tmp_path / "source", tmp_path / "out"
        for n in range(3):
            write_dir(MANY[n], source / f"team/v{n}")
        succeed(to_oci(source, out, "--scoped"))
        for file in (source / "team/v1").iterdir():
            file.unlink()
        done = succeed(to_oci(source, out, "--scoped", "--delete"))
        assert "2 present, 1 deleted" in done.stderr
        for file in source.rglob("*.json"):
            file.unlink()
        assert "No images to sync found" in fatal(to_oci(source, out, "--scoped", "--delete")), "not mounted, perhaps"
        assert len(json.loads((out / "index.json").read_text())["manifests"]) == 2

    def test_a_record_that_leads_elsewhere(self, registry: Simulator, tmp_path: Path) -> None:
        out, victim = tmp_path / "out", tmp_path / "victim"
        succeed(to_dir(registry, out))
        write_dir(MANY[1], victim)
        record = json.loads((out / RECORD).read_text())
        record["images"] |= {"../victim": record["images"].pop("app:v1"), ".": record["images"]["app:v2"]}
        (out / RECORD).write_text(json.dumps(record))
        lose(registry, "v1", "v2")
        succeed(to_dir(registry, out, "--delete"))
        assert (victim / "manifest.json").exists()
        assert (out / "app:v1/manifest.json").exists(), "not known to be a copy any more"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--max-delete", "3"), "want --delete, too"),
        (("--delete", "--max-delete", "many"), "want a number of images, or a percentage"),
        (("--delete", "--max-delete", "101%"), "want a number of images, or a percentage"),
        (("--delete", "--max-delete", "-1"), "want a number of images, or a percentage"),
    ],
)
def test_limits_that_are_none(flags: tuple[str, ...], message: str) -> None:
    assert message in fatal(pyskopeo_here("sync", "--src", "dir", "--dest", "oci", "a", "b", *flags))


@pytest.mark.anyio
async def test_by_the_library(registry: Simulator, tmp_path: Path) -> None:
    out = f"oci:{tmp_path / 'layout'}"
    async with pyskopeo.Client(insecure=True) as client:
        await client.sync(f"registry:{registry.host}", out, renaming={"^[^/]*/team/": ""})
        lose(registry, "v1", "v2")
        with pytest.raises(pyskopeo.SyncFailed, match="more than --max-delete 1 allows"):
            await client.sync(f"registry:{registry.host}", out, renaming={"^[^/]*/team/": ""}, delete=True, max_delete=1)
        report = await client.sync(f"registry:{registry.host}", out, renaming=["^[^/]*/team/="], delete=True)
    assert report.count("deleted") == 2
    index = json.loads((tmp_path / "layout/index.json").read_text())
    assert len(index["manifests"]) == 4
