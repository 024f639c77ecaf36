"""``copy --layers none``: layouts of manifests and configurations, what is read from them, and how they are completed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.faults import Flip
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, build
from tests.support.outputs import blob_path, write_dir, write_layout, write_layout_archive
from tests.support.policies import REJECT, policy
from tests.support.pulling import blobs
from tests.support.simulator import Pushing, Simulator
from tests.support.specs import PlatformSpec
from tests.support.trees import tree

LIST = build(IndexSpec(tuple(
    ImageSpec(layers=(LayerSpec(f"base-{name}", base=True), LayerSpec("shared")), platform=PlatformSpec(name))
    for name in ("amd64", "s390x")
)))  # fmt: skip
LAYERS = {digest for n in (0, 1) for digest in LIST.layer_digests(LIST.child(n).digest)}
AMD64 = LIST.child(0).digest


@pytest.fixture(autouse=True)
def _accepting(no_machine_policy: Path) -> None:
    """Nothing is asked of this machine."""


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(LIST, "team/app", "v1") as running:
        yield running


@pytest.fixture
def layout(registry: Simulator, tmp_path: Path) -> Path:
    """A shallow layout of all platforms, and no request is remembered."""
    succeed(copy("--all", "--layers", "none", registry.name("team/app", "v1"), f"oci:{tmp_path}/lay:v1"))
    return tmp_path / "lay"


def copy(*words: object) -> Done:
    return pyskopeo_here("copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", *words)


def missing(done: Done, code: int = 3) -> list[dict[str, Any]]:
    assert done.code == code, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["missing"]
    return found


def requested_blobs(registry: Simulator, since: int = 0) -> set[str]:
    return {
        request.path.rpartition("/")[2] for request in registry.requests[since:]
        if request.method == "GET" and "/blobs/sha" in request.path
    }  # fmt: skip


class TestCopy:
    def test_no_layer_is_requested_and_the_manifests_are_the_same(self, registry: Simulator, layout: Path) -> None:
        assert requested_blobs(registry) == {LIST.config_digest(LIST.child(n).digest) for n in (0, 1)}
        assert blobs(layout) == {*LIST.manifests, *LIST.blobs} - LAYERS
        entry = json.loads((layout / "index.json").read_bytes())["manifests"][0]
        assert entry["digest"] == LIST.digest
        assert entry["annotations"] == {
            f"containerd.io/distribution.source.{registry.host}": "team/app", "org.opencontainers.image.ref.name": "v1",
        }  # fmt: skip

    def test_an_archive(self, registry: Simulator, tmp_path: Path) -> None:
        words = (registry.name("team/app", "v1"), f"oci-archive:{tmp_path}/a.tar:v1")
        succeed(copy("--all", "--layers=none", *words))
        assert "missing" in pyskopeo_here("layout", "verify", "--json", f"oci-archive:{tmp_path}/a.tar").stdout.decode()
        succeed(pyskopeo_here("layout", "verify", "--layers=none", f"oci-archive:{tmp_path}/a.tar"))

    def test_a_later_full_copy_completes_it(self, registry: Simulator, layout: Path, tmp_path: Path) -> None:
        since = len(registry.requests)
        for target in (layout, tmp_path / "full"):
            succeed(copy("--all", registry.name("team/app", "v1"), f"oci:{target}:v1"))
        assert tree(layout) == tree(tmp_path / "full")
        assert requested_blobs(registry, since) >= LAYERS

    def test_uncompressed_layers_do_not_change_the_image(self, tmp_path: Path) -> None:
        image = build(ImageSpec("docker", layers=(LayerSpec("a", compression="none"),)))
        with Simulator(image) as registry:
            succeed(copy("--layers=none", "--format=v2s2", registry.name(), f"oci:{tmp_path}/lay:v1"))
        assert image.digest in blobs(tmp_path / "lay")

    @pytest.mark.parametrize("name", ["dir:{}/x", "docker-archive:{}/x", "docker://127.0.0.1:1/a/b:c"])
    def test_other_destinations(self, name: str, registry: Simulator, tmp_path: Path) -> None:
        said = fatal(copy("--layers=none", registry.name("team/app", "v1"), name.format(tmp_path)))
        assert "--layers none writes an OCI layout: want oci: or oci-archive:" in said
        assert list(tmp_path.iterdir()) == []

    def test_what_needs_the_layers_is_refused(self, registry: Simulator, tmp_path: Path) -> None:
        words = ("--layers=none", "--dest-compress-format=zstd", registry.name("team/app", "v1"), f"oci:{tmp_path}/x")
        assert "--layers none copies no layers" in fatal(copy(*words))
        assert not (tmp_path / "x").exists()

    def test_offline_it_needs_no_layers(self, registry: Simulator, tmp_path: Path) -> None:
        store = ("--store", tmp_path / "store")
        words = ("copy", "-q", "--all", "--layers=none", "--src-tls-verify=false", f"docker://{registry.host}/team/app@{LIST.digest}")
        succeed(pyskopeo_here(*store, *words, f"oci:{tmp_path}/one:v1"))
        succeed(pyskopeo_here(*store, "--offline", *words, f"oci:{tmp_path}/two:v1"))
        assert tree(tmp_path / "one") == tree(tmp_path / "two")
        done = pyskopeo_here(*store, "--offline", "copy", "-q", "--all", words[-1], f"oci:{tmp_path}/three:v1")
        assert done.code == 3


class TestVerify:
    def test_missing_layers_are_faults_unless_they_are_accepted(self, layout: Path) -> None:
        done = pyskopeo_here("layout", "verify", "--json", f"oci:{layout}")
        assert {fault["digest"] for fault in json.loads(done.stdout)["faults"]} == LAYERS
        done = succeed(pyskopeo_here("layout", "verify", "--layers=none", "--json", f"oci:{layout}"))
        assert set(json.loads(done.stdout)["leftOut"]) == LAYERS
        done = succeed(pyskopeo_here("layout", "verify", "--layers=none", f"oci:{layout}"))
        assert f"{len(LAYERS)} layers missing, as --layers none accepts" in done.stdout.decode()

    def test_layers_that_are_there_and_configurations_must_be_right(self, layout: Path) -> None:
        layer, config = min(LAYERS), LIST.config_digest(AMD64)
        blob_path(layout, layer).write_bytes(b"x")
        blob_path(layout, config).unlink()
        done = pyskopeo_here("layout", "verify", "--layers=none", "--json", f"oci:{layout}")
        assert done.code == 1
        assert {(fault["digest"], fault["kind"]) for fault in json.loads(done.stdout)["faults"]} == {
            (layer, "size"), (config, "missing"),
        }  # fmt: skip


    def test_other_care_of_such_a_layout(self, registry: Simulator, layout: Path) -> None:
        before = tree(layout)
        succeed(pyskopeo_here("layout", "gc", f"oci:{layout}"))
        assert tree(layout) == before
        done = succeed(pyskopeo_here("layout", "ls", "--json", f"oci:{layout}"))
        assert json.loads(done.stdout)["entries"][0]["problem"] == ""
        source = f"docker://{registry.host}/team/app:v1"
        words = ("layout", "repair", "--tls-verify=false", "--from", source)
        blob_path(layout, LIST.config_digest(AMD64)).unlink()
        succeed(pyskopeo_here(*words, "--layers=none", f"oci:{layout}"))
        assert tree(layout) == before
        succeed(pyskopeo_here(*words, f"oci:{layout}"))
        assert blobs(layout) == {*LIST.manifests, *LIST.blobs}


class TestPush:
    @pytest.mark.parametrize("form", ["layout", "archive", "without a record"])
    def test_to_a_registry_that_has_the_layers(self, form: str, layout: Path, tmp_path: Path) -> None:
        name = f"oci:{layout}:v1"
        if form == "archive":
            succeed(copy("--all", "--layers=none", name, f"oci-archive:{tmp_path}/a.tar:v1"))
            name = f"oci-archive:{tmp_path}/a.tar:v1"
        elif form == "without a record":
            shutil.rmtree(layout)
            write_layout(LIST, layout, tag="v1")
            for digest in LAYERS:
                blob_path(layout, digest).unlink()
        with Simulator() as target:
            for digest in LAYERS:
                target.store.add_blob("other/app", digest, LIST.blobs[digest])
            succeed(copy("--all", name, target.name("other/app", "v2")))
            found = target.manifest("v2", "other/app")
            assert found is not None
            assert found.raw == LIST.root.raw
            assert target.incomplete == []

    def test_layers_are_mounted_from_where_the_image_came_from(self, registry: Simulator, layout: Path) -> None:
        since = len(registry.requests)
        succeed(copy("--all", f"oci:{layout}:v1", registry.name("team/other", "v2")))
        assert registry.incomplete == []
        mounted = {request.query["mount"][0] for request in registry.requests[since:] if "mount" in request.query}
        assert mounted == LAYERS
        assert requested_blobs(registry, since) == set()

    @pytest.mark.parametrize("pushing", [Pushing(mounts=False)])
    def test_where_a_layer_is_nowhere(self, pushing: Pushing, layout: Path) -> None:
        with Simulator(pushing=pushing) as target:
            done = copy("--all", f"oci:{layout}:v1", target.name("other/app", "v2"))
            said = fatal(done, 2)
            assert "was left out of this layout, and the destination does not have it: layout complete fetches it" in said
            assert target.manifest("v2", "other/app") is None
            assert target.open_uploads == ()


class TestMissing:
    def test_each_layer_with_its_size_and_where_to_get_it(self, registry: Simulator, layout: Path) -> None:
        since = len(registry.requests)
        found = missing(pyskopeo_here("layout", "missing", f"oci:{layout}"))
        assert [one["digest"] for one in found] == sorted(LAYERS)
        assert {one["digest"]: one["size"] for one in found} == {digest: len(LIST.blobs[digest]) for digest in LAYERS}
        assert {tuple(one["sources"]) for one in found} == {(f"{registry.host}/team/app",)}
        words = ("--source", "team/app@mirror.example.com", f"oci:{layout}:v1")
        found = missing(pyskopeo_here("layout", "missing", *words))
        assert found[0]["sources"] == [f"{registry.host}/team/app", "mirror.example.com/team/app"]
        assert len(registry.requests) == since

    def test_nothing(self, tmp_path: Path) -> None:
        write_layout(LIST, tmp_path / "lay")
        assert missing(pyskopeo_here("layout", "missing", f"oci:{tmp_path}/lay"), 0) == []

    def test_images_of_a_list_that_were_left_out(self, tmp_path: Path) -> None:
        write_layout(LIST, tmp_path / "lay")
        blob_path(tmp_path / "lay", AMD64).unlink()
        assert [one["digest"] for one in missing(pyskopeo_here("layout", "missing", f"oci:{tmp_path}/lay"))] == [AMD64]
        assert missing(pyskopeo_here("layout", "missing", "--sparse", f"oci:{tmp_path}/lay"), 0) == []

    def test_wrong_content_is_missing(self, tmp_path: Path) -> None:
        write_layout(LIST, tmp_path / "lay")
        victim = min(LAYERS)
        blob_path(tmp_path / "lay", victim).write_bytes(bytes(len(LIST.blobs[victim])))
        assert [one["digest"] for one in missing(pyskopeo_here("layout", "missing", f"oci:{tmp_path}/lay"))] == [victim]

    def test_no_layout(self, tmp_path: Path) -> None:
        assert "no OCI layout" in fatal(pyskopeo_here("layout", "missing", f"oci:{tmp_path}/none"))
        assert "want oci:PATH" in fatal(pyskopeo_here("layout", "missing", f"dir:{tmp_path}"))


class TestComplete:
    def complete(self, *words: object) -> Done:
        return pyskopeo_here("layout", "complete", "--tls-verify=false", "--retry-delay=1ms", *words)

    def test_from_where_it_came_from(self, registry: Simulator, layout: Path) -> None:
        since = len(registry.requests)
        done = succeed(self.complete(f"oci:{layout}"))
        assert f"{len(LAYERS)} blobs added" in done.stderr
        assert requested_blobs(registry, since) == LAYERS
        succeed(pyskopeo_here("layout", "verify", "--deep", f"oci:{layout}"))
        since = len(registry.requests)
        succeed(self.complete(f"oci:{layout}"))
        assert len(registry.requests) == since

    def test_offline_from_a_second_layout_and_files(self, registry: Simulator, layout: Path, tmp_path: Path) -> None:
        other = write_layout(LIST, tmp_path / "other")
        one, *rest = sorted(LAYERS)
        shutil.copy(blob_path(other, one), tmp_path / "layer.tar.gz")
        blob_path(other, one).unlink()
        since = len(registry.requests)
        done = pyskopeo_here("--offline", "layout", "complete", "--from", f"oci:{other}", f"oci:{layout}")
        assert [found["digest"] for found in missing(done)] == [one]
        done = succeed(pyskopeo_here("--offline", "layout", "complete", "--json", "--from", tmp_path / "layer.tar.gz", f"oci:{layout}"))
        report = json.loads(done.stdout)
        assert [(found["digest"], found["placement"], found["source"]) for found in report["placed"]] == [
            (one, "written", str(tmp_path / "layer.tar.gz")),
        ]  # fmt: skip
        assert report["missing"] == []
        assert len(rest) == len(LAYERS) - 1
        assert len(registry.requests) == since

    def test_the_order_of_places_is_that_of_their_kinds(self, registry: Simulator, layout: Path, tmp_path: Path) -> None:
        """Layouts, files, blob indexes, stores, registries, in whatever order they are given."""
        order = sorted(LAYERS)
        whole = write_layout(LIST, tmp_path / "whole")
        places: list[str] = [f"docker://{registry.host}/team/app"]
        for number, kind in ((0, "layout"), (1, "file"), (2, "index")):
            for digest in order[number : number + 1]:
                source = blob_path(whole, digest)
                if kind == "layout":
                    target = blob_path(tmp_path / "first", digest)
                    target.parent.mkdir(parents=True)
                    shutil.copy(source, target)
                    places.append(f"oci:{tmp_path}/first")
                elif kind == "file":
                    places.append(str(shutil.copy(source, tmp_path / "file")))
                else:
                    (tmp_path / "index.json").write_text(json.dumps({"Blobs": {d: str(blob_path(whole, d)) for d in order}}))
                    places.append(str(tmp_path / "index.json"))
        places.append(f"store:{whole}")
        words = [word for place in places for word in ("--from", place)]
        since = len(registry.requests)
        report = json.loads(succeed(self.complete("--json", *words, f"oci:{layout}")).stdout)
        sources = {found["digest"]: found["source"] for found in report["placed"]}
        expected = [f"oci:{tmp_path}/first", str(tmp_path / "file"), *[str(tmp_path / "index.json")] * len(order)]
        assert [sources[digest] for digest in order] == expected[: len(order)]
        assert len(registry.requests) == since

    def test_a_registry_after_its_mirror(self, registry: Simulator, layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Simulator(LIST, "mirrored/app", "v1") as mirror:
            conf = tmp_path / "registries.conf"
            conf.write_text(
                f'[[registry]]\nlocation = "{registry.host}/team"\n[[registry.mirror]]\nlocation = "{mirror.host}/mirrored"\ninsecure = true\n'
            )
            monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
            since = len(registry.requests)
            succeed(self.complete("--from", f"docker://{registry.host}/team/app", f"oci:{layout}"))
            assert len(registry.requests) == since
            assert requested_blobs(mirror) == LAYERS

    def test_a_registry_with_wrong_bytes(self, registry: Simulator, layout: Path) -> None:
        victim = min(LAYERS)
        registry.on_blob(victim, Flip(3))
        done = self.complete(f"oci:{layout}")
        assert [found["digest"] for found in missing(done)] == [victim]
        assert "digest mismatch" in done.stderr
        assert not blob_path(layout, victim).exists()

    def test_offline_nothing_is_requested(self, registry: Simulator, layout: Path) -> None:
        since = len(registry.requests)
        done = pyskopeo_here("--offline", "layout", "complete", f"oci:{layout}")
        assert [found["digest"] for found in missing(done)] == sorted(LAYERS)
        assert len(done.lines) == 1
        assert len(registry.requests) == since

    def test_a_registry_that_cannot_be_reached_is_asked_once(self, layout: Path) -> None:
        words = ("--retry-times=0", "--from", "docker://127.0.0.1:1/team/app", f"oci:{layout}")
        done = self.complete(*words)
        assert [found["digest"] for found in missing(done)] == sorted(LAYERS)
        assert sum("docker://127.0.0.1:1/team/app: " in line for line in done.lines) <= len(LAYERS)
        assert "not used" in done.stderr

    def test_a_layout_that_does_not_say_where_it_is_from(self, tmp_path: Path) -> None:
        """That matters only if something is missing."""
        whole = write_layout(LIST, tmp_path / "lay")
        succeed(self.complete(f"oci:{tmp_path}/lay"))
        blob_path(whole, LIST.config_digest(AMD64)).unlink()
        assert "does not record where it is from" in fatal(self.complete(f"oci:{tmp_path}/lay"))

    @pytest.mark.parametrize("place", ["oci:{}/none", "{}/none", "store:{}/none", "tarball:{}/none", "docker-archive:{}/x"])
    def test_places_that_are_none(self, place: str, layout: Path, tmp_path: Path) -> None:
        done = self.complete("--from", place.format(tmp_path), f"oci:{layout}")
        assert (done.code, done.stdout) == (1, b"")
        assert len(done.lines) == 1

    def test_a_policy_is_asked(self, registry: Simulator, layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONTAINERS_POLICY_JSON", str(policy(tmp_path / "policy.json", REJECT)))
        since = len(registry.requests)
        assert "Source image rejected" in fatal(self.complete(f"oci:{layout}"))
        assert len(registry.requests) == since

    def test_the_blobs_of_a_directory_and_of_an_archive(self, layout: Path, tmp_path: Path) -> None:
        write_dir(LIST, tmp_path / "dir")
        archive = write_layout_archive(LIST, tmp_path / "a.tar")
        for place in (f"dir:{tmp_path}/dir", f"oci-archive:{archive}"):
            for digest in LAYERS:
                blob_path(layout, digest).unlink(missing_ok=True)
            succeed(self.complete("--from", place, f"oci:{layout}"))


class TestAssemble:
    def assemble(self, *words: object) -> Done:
        return pyskopeo_here("layout", "assemble", *words)

    @pytest.mark.parametrize("root", ["digest", "manifest", "descriptor"])
    def test_each_kind_of_root(self, root: str, tmp_path: Path) -> None:
        whole = write_layout(LIST, tmp_path / "whole")
        text = LIST.digest
        if root != "digest":
            described = {"mediaType": LIST.root.media_type, "digest": LIST.digest, "size": len(LIST.root.raw)}
            raw = LIST.root.raw if root == "manifest" else json.dumps(described).encode()
            (tmp_path / "root.json").write_bytes(raw)
            text = str(tmp_path / "root.json")
        if root == "manifest":
            blob_path(whole, LIST.digest).unlink()
        done = succeed(self.assemble("--root", text, "--from", f"oci:{whole}", "--out", f"oci:{tmp_path}/out:v1"))
        assert "added" in done.stderr
        succeed(pyskopeo_here("layout", "verify", "--deep", f"oci:{tmp_path}/out:v1"))

    def test_base_and_own_layers_as_a_build_rule_has_them(self, registry: Simulator, layout: Path, tmp_path: Path) -> None:
        """A shallow base, its blobs from an index of declared inputs, all of them symbolic links; no request."""
        inputs = tmp_path / "inputs"
        inputs.mkdir()
        whole = write_layout(LIST, tmp_path / "whole")
        for digest in LAYERS:
            (inputs / digest[7:19]).symlink_to(blob_path(whole, digest))
        (tmp_path / "index.json").write_text(json.dumps({"Blobs": {digest: digest[7:19] for digest in LAYERS}}))
        since = len(registry.requests)
        words = ("--root", LIST.digest, "--from", f"oci:{layout}", "--from", tmp_path / "index.json", "--blob-root", inputs)
        succeed(self.assemble(*words, "--out", f"oci:{tmp_path}/out"))
        assert len(registry.requests) == since
        shutil.rmtree(whole)
        succeed(pyskopeo_here("layout", "verify", "--deep", f"oci:{tmp_path}/out"))

    def test_what_is_missing(self, layout: Path, tmp_path: Path) -> None:
        done = self.assemble("--root", LIST.digest, "--from", f"oci:{layout}", "--out", f"oci:{tmp_path}/out")
        assert [found["digest"] for found in missing(done)] == sorted(LAYERS)
        assert f"oci:{tmp_path}/out: {len(LAYERS)} blobs missing" in done.stderr
        assert not (tmp_path / "out").exists()

    def test_one_platform_of_a_list(self, tmp_path: Path) -> None:
        whole = write_layout(LIST, tmp_path / "whole")
        for digest in (AMD64, LIST.config_digest(AMD64)):
            blob_path(whole, digest).unlink()
        words = ("--root", LIST.digest, "--from", f"oci:{whole}", "--out", f"oci:{tmp_path}/out")
        done = self.assemble(*words)
        assert [found["digest"] for found in missing(done)] == [AMD64]
        (size,) = [entry["size"] for entry in json.loads(LIST.root.raw)["manifests"] if entry["digest"] == AMD64]
        assert done.stderr.rstrip().endswith(f'/out: 1 blob missing, {size} B; add a place that has them: --from"')
        (tmp_path / "empty").mkdir()
        done = self.assemble("--root", AMD64, "--from", tmp_path / "empty", "--out", f"oci:{tmp_path}/out")
        assert [found["size"] for found in missing(done)] == [None]
        assert "/out: 1 blob missing, 1 of unknown size; add a place" in done.stderr
        succeed(self.assemble("--sparse", *words))
        succeed(pyskopeo_here("layout", "verify", "--sparse", f"oci:{tmp_path}/out"))

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--from", "x", "--out", "oci:x"], "--root is required"),
            (["--root", LIST.digest, "--out", "oci:x"], "--from is required"),
            (["--root", LIST.digest, "--from", "x"], "--out is required"),
            (["--root", LIST.digest, "--from", "docker://example.com/a", "--out", "oci:x"], "content is taken from oci, "),
            (["--root", "nothing", "--from", ".", "--out", "oci:x"], "no digest, and no such file"),
            (["--root", LIST.digest, "--from", ".", "--out", "dir:x"], "want oci:PATH"),
            (["--root", LIST.digest, "--from", "index.json", "--out", "oci:x"], "duplicate name"),
        ],
    )
    def test_mistakes(self, words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "index.json").write_text(f'{{"Blobs": {{"{LIST.digest}": "a", "{LIST.digest}": "b"}}}}')
        assert said in fatal(self.assemble(*words))
        assert not (tmp_path / "x").exists()

    def test_a_directory_of_declared_files(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        for number, content in enumerate((*LIST.blobs.values(), *(manifest.raw for manifest in LIST.manifests.values()))):
            (tmp_path / "in" / f"file{number}").write_bytes(content)
        succeed(self.assemble("--root", LIST.digest, "--from", tmp_path / "in", "--out", f"oci:{tmp_path}/out"))
        succeed(pyskopeo_here("layout", "verify", "--deep", f"oci:{tmp_path}/out"))


def test_merge(registry: Simulator, layout: Path, tmp_path: Path) -> None:
    """Two partial layouts become a whole one; what is still missing is a warning."""
    other = write_layout(LIST, tmp_path / "other", tag="v2")
    one, *_ = sorted(LAYERS)
    blob_path(other, one).unlink()
    done = succeed(pyskopeo_here("layout", "merge", f"oci:{layout}", f"oci:{other}", "--out", f"oci:{tmp_path}/out"))
    assert "1 blob is in none of the layouts" in done.stderr
    found = missing(pyskopeo_here("layout", "missing", f"oci:{tmp_path}/out:v1"))
    assert [(one["digest"], one["sources"]) for one in found] == [(one, [f"{registry.host}/team/app"])]
    succeed(pyskopeo_here("layout", "complete", "--tls-verify=false", f"oci:{tmp_path}/out"))
    succeed(pyskopeo_here("layout", "verify", "--deep", f"oci:{tmp_path}/out"))
    assert "v1 is sha256:" in fatal(
        pyskopeo_here("layout", "merge", f"oci:{write_layout(build('docker'), tmp_path / 'x', tag='v1')}", "--out", f"oci:{tmp_path}/out")
    )


@pytest.mark.parametrize("reuse", ["copy", "hardlink", "symlink", "reflink"])
@pytest.mark.parametrize("transport", ["oci", "dir"])
def test_reuse_of_the_files_of_a_layout(reuse: str, transport: str, tmp_path: Path) -> None:
    source = write_layout(LIST, tmp_path / "source", tag="v1")
    words = ("--all", "--progress=json", "--reuse", reuse, f"oci:{source}:v1", f"{transport}:{tmp_path}/out")
    done = succeed(pyskopeo_here("copy", *words))
    events = [json.loads(line) for line in done.stderr.splitlines()]
    placements = {event["placement"] for event in events if event["event"] == "BlobFinished"}
    assert placements == {"linked" if reuse in ("hardlink", "symlink") else "written"}
    for digest in LIST.blobs:
        path = blob_path(tmp_path / "out", digest) if transport == "oci" else tmp_path / "out" / digest[7:]
        assert path.read_bytes() == LIST.blobs[digest]
        assert path.is_symlink() == (reuse == "symlink")
        assert path.samefile(blob_path(source, digest)) == (reuse in ("hardlink", "symlink"))


def test_inputs_of_a_sandbox_are_copied_by_default(tmp_path: Path) -> None:
    """Every file of the source is a symbolic link, index.json too; nothing of the copy leads back to it."""
    real = write_layout(LIST, tmp_path / "real", tag="v1")
    for path in [path for path in real.rglob("*") if path.is_file()]:
        link = tmp_path / "sandbox" / path.relative_to(real)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    succeed(pyskopeo_here("copy", "-q", "--all", f"oci:{tmp_path}/sandbox:v1", f"oci:{tmp_path}/out:v1"))
    shutil.rmtree(tmp_path / "sandbox")
    shutil.rmtree(real)
    succeed(pyskopeo_here("layout", "verify", "--deep", f"oci:{tmp_path}/out"))


def test_links_to_the_store_stay_whatever_is_asked_for(registry: Simulator, tmp_path: Path) -> None:
    for reuse in ("copy", "symlink"):
        succeed(pyskopeo_here(
            "--store", tmp_path / "store", "copy", "-q", "--all", "--src-tls-verify=false", "--reuse", reuse,
            registry.name("team/app", "v1"), f"oci:{tmp_path}/{reuse}:v1",
        ))  # fmt: skip
        for digest in LAYERS:
            path = blob_path(tmp_path / reuse, digest)
            assert not path.is_symlink()
            assert path.samefile(blob_path(tmp_path / "store", digest))


class TestPlanAsJson:
    def plan(self, *words: object) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(succeed(copy("--dry-run", "--json", *words)).stdout)
        return found

    def test_the_whole_graph(self, registry: Simulator, tmp_path: Path) -> None:
        plan = self.plan("--all", registry.name("team/app", "v1"), f"oci:{tmp_path}/out:v1")
        assert plan["digest"] == plan["sourceDigest"] == LIST.digest
        assert [one["digest"] for one in plan["manifests"]][0] == LIST.digest
        assert {one["digest"]: one["size"] for one in plan["manifests"]} == {d: len(m.raw) for d, m in LIST.manifests.items()}
        child = next(one for one in plan["manifests"] if one["digest"] == AMD64)
        assert child["platform"] == {"architecture": "amd64", "os": "linux"}
        assert (child["config"], tuple(child["layers"])) == (LIST.config_digest(AMD64), LIST.layer_digests(AMD64))
        assert {one["digest"]: one["size"] for one in plan["blobs"]} == {d: len(c) for d, c in LIST.blobs.items()}
        assert {one["placement"] for one in plan["blobs"]} == {"written"}
        assert {tuple(one["sources"]) for one in plan["blobs"]} == {(f"{registry.host}/team/app",)}
        assert {one["digest"] for one in plan["blobs"] if one["kind"] == "layer"} == LAYERS
        assert plan["size"] == plan["toFetch"] == sum(map(len, LIST.blobs.values()))
        assert not (tmp_path / "out").exists()

    def test_places_and_what_is_there(self, registry: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_layout(LIST, tmp_path / "out")
        blob_path(tmp_path / "out", min(LAYERS)).unlink()
        conf = tmp_path / "registries.conf"
        conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\n[[registry.mirror]]\nlocation = "{registry.host}/hub"\n')
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
        plan = self.plan("--all", registry.name("team/app", "v1"), f"oci:{tmp_path}/out:v1")
        states = {one["digest"]: one["placement"] for one in plan["blobs"]}
        assert {digest for digest, state in states.items() if state == "written"} == {min(LAYERS)}
        assert plan["blobs"][0]["sources"] == [f"{registry.host}/hub/team/app", f"{registry.host}/team/app"]
        assert plan["toFetch"] == len(LIST.blobs[min(LAYERS)])

    def test_layers_that_are_converted(self, registry: Simulator, tmp_path: Path) -> None:
        words = ("--dest-compress-format=zstd", registry.name("team/app", "v1"), f"oci:{tmp_path}/out:v1")
        plan = self.plan("--override-arch=amd64", *words)
        assert plan["digest"] is None
        assert {one["kind"] for one in plan["blobs"] if one["converted"]} == {"layer"}

    def test_without_layers(self, registry: Simulator, tmp_path: Path) -> None:
        plan = self.plan("--all", "--layers=none", registry.name("team/app", "v1"), f"oci:{tmp_path}/out:v1")
        assert {one["kind"] for one in plan["blobs"]} == {"config"}

    def test_it_goes_with_a_dry_run(self, registry: Simulator, tmp_path: Path) -> None:
        done = copy("--json", registry.name("team/app", "v1"), f"oci:{tmp_path}/out:v1")
        assert "it goes with --dry-run" in fatal(done)
