"""How images lie in the layouts that we write: a name for each platform, a layout for each, lists joined again."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.model.layout_profiles import PROFILES
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, build
from tests.support.outputs import write_dir, write_layout
from tests.support.simulator import Simulator
from tests.support.specs import PlatformSpec, platforms
from tests.support.trees import tree

REF_NAME = "org.opencontainers.image.ref.name"
ATTESTED = build("oci-index-attested")
TAGS = ["linux-amd64", "linux-arm-v6", "linux-arm-v7", "linux-arm64-v8", "linux-s390x", "windows-amd64-10.0.20348.2113"]
PULL = ("copy", "-q", "--src-tls-verify=false")


def entries(layout: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((layout / "index.json").read_bytes())["manifests"]
    return {entry.get("annotations", {}).get(REF_NAME, ""): entry for entry in found}


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(ATTESTED) as running:
        yield running


class TestTagPlatforms:
    @pytest.mark.parametrize(("name", "prefix"), [(":app", "app-"), ("", "")])
    def test_each_image_has_a_name(self, name: str, prefix: str, registry: Simulator, tmp_path: Path) -> None:
        succeed(pyskopeo_here(*PULL, "--all", "--tag-platforms", registry.name(), f"oci:{tmp_path}/a{name}"))
        found = entries(tmp_path / "a")
        assert sorted(found) == sorted([name[1:], *(prefix + tag for tag in TAGS)])
        assert found[name[1:]]["digest"] == ATTESTED.digest
        listed = json.loads(ATTESTED.root.raw)["manifests"]
        for tag, entry in zip(TAGS, listed, strict=False):
            assert found[prefix + tag]["digest"] == entry["digest"]
            assert found[prefix + tag]["platform"] == entry["platform"]
        succeed(pyskopeo_here("layout", "verify", f"oci:{tmp_path}/a"))

    def test_names_of_bashbrew(self, registry: Simulator, tmp_path: Path) -> None:
        flags = ("--all", "--tag-platforms", "--platform-names=bashbrew")
        succeed(pyskopeo_here(*PULL, *flags, registry.name(), f"oci:{tmp_path}/a:app"))
        assert {"app-amd64", "app-arm32v6", "app-arm32v7", "app-arm64v8", "app-s390x"} < set(entries(tmp_path / "a"))

    def test_in_an_archive(self, registry: Simulator, tmp_path: Path) -> None:
        succeed(pyskopeo_here(*PULL, "--all", "--tag-platforms", registry.name(), f"oci-archive:{tmp_path}/a.tar:app"))
        succeed(pyskopeo_here("copy", "-q", f"oci-archive:{tmp_path}/a.tar:app-linux-s390x", f"dir:{tmp_path}/d"))

    def test_some_platforms(self, registry: Simulator, tmp_path: Path) -> None:
        flags = ("--multi-arch=linux/amd64,linux/s390x", "--strip-removed-platforms", "--tag-platforms")
        succeed(pyskopeo_here(*PULL, *flags, registry.name(), f"oci:{tmp_path}/a:app"))
        assert sorted(entries(tmp_path / "a")) == ["app", "app-linux-amd64", "app-linux-s390x"]

    def test_images_without_a_platform_in_a_list_have_it_in_their_configuration(self, tmp_path: Path) -> None:
        write_layout(build("index-without-platform"), tmp_path / "source")
        succeed(pyskopeo_here("copy", "-q", "--all", "--tag-platforms", f"oci:{tmp_path}/source", f"oci:{tmp_path}/a:app"))
        assert sorted(entries(tmp_path / "a")) == ["app", "app-linux-amd64"]

    def test_images_of_lists_in_lists(self, tmp_path: Path) -> None:
        write_layout(build("nested-index"), tmp_path / "source")
        succeed(pyskopeo_here("copy", "-q", "--all", "--tag-platforms", f"oci:{tmp_path}/source", f"oci:{tmp_path}/a:x"))
        assert sorted(entries(tmp_path / "a")) == ["x", *(f"x-{tag}" for tag in TAGS[:4])]


class TestSplitPlatforms:
    def test_nothing_is_fetched_twice_and_nothing_read_twice(self, registry: Simulator, tmp_path: Path) -> None:
        succeed(pyskopeo_here(*PULL, "--all", "--split-platforms", registry.name(), f"oci:{tmp_path}/a:app"))
        asked = [request.path.rpartition("/")[2] for request in registry.requests if request.path != "/v2/"]
        assert len(asked) == len(set(asked)) == len(ATTESTED.blobs) + len(ATTESTED.manifests)
        assert set(os.listdir(tmp_path / "a")) == {*TAGS, "artifacts", "blobs", "index.json", "oci-layout", "platforms.json"}
        before, number = tree(tmp_path / "a"), len(registry.requests)
        succeed(pyskopeo_here(*PULL, "--all", "--split-platforms", registry.name(), f"oci:{tmp_path}/a:app"))
        assert tree(tmp_path / "a") == before
        assert not [request for request in registry.requests[number:] if "/blobs/" in request.path]

    def test_beside_another_image_and_without_a_name(self, registry: Simulator, tmp_path: Path) -> None:
        write_layout(build("oci"), tmp_path / "a", tag="other")
        done = succeed(pyskopeo_here(*PULL, "--all", "--split-platforms", registry.name(), f"oci:{tmp_path}/a"))
        listed = json.loads(done.stdout)
        assert listed["source"]["digest"] == ATTESTED.digest
        assert [one["path"] for one in listed["images"]] == TAGS

    def test_some_platforms(self, registry: Simulator, tmp_path: Path) -> None:
        flags = ("--multi-arch=linux/amd64,linux/s390x", "--split-platforms", "--platform-names=bashbrew")
        listed = json.loads(succeed(pyskopeo_here(*PULL, *flags, registry.name(), f"oci:{tmp_path}/a")).stdout)
        assert [one["path"] for one in listed["images"]] == ["amd64", "s390x"]
        assert len(listed["absent"]) == len(json.loads(ATTESTED.root.raw)["manifests"]) - 2

    def test_a_dry_run_writes_nothing(self, registry: Simulator, tmp_path: Path) -> None:
        done = pyskopeo_here(*PULL, "--dry-run", "--all", "--split-platforms", registry.name(), f"oci:{tmp_path}/a")
        assert b"to fetch" in succeed(done).stdout
        assert not (tmp_path / "a").exists()

    def test_what_is_in_the_way_is_said(self, registry: Simulator, tmp_path: Path) -> None:
        (tmp_path / "a" / "linux-amd64").mkdir(parents=True)
        (tmp_path / "a" / "linux-amd64" / "mine").write_bytes(b"x")
        done = pyskopeo_here(*PULL, "--all", "--split-platforms", registry.name(), f"oci:{tmp_path}/a")
        assert "is there, and is no layout" in fatal(done)


@pytest.mark.parametrize(
    ("flags", "target", "says"),
    [
        ("--tag-platforms", "oci:x", "it goes with --all or --multi-arch"),
        ("--split-platforms", "oci:x", "it goes with --all or --multi-arch"),
        ("--all --tag-platforms", "dir:x", "goes with a destination oci: or oci-archive:"),
        ("--all --split-platforms", "oci-archive:x", "goes with a destination oci:"),
        ("--dest-layout-profile=umoci", "dir:x", "goes with a destination oci:"),
        ("--dest-layout-profile=umoci", "oci:x", "needs a name in the layout"),
        ("--dest-layout-profile=other", "oci:x", "want one of umoci, docker-library"),
        ("--dest-layout-profile=docker-library --all", "oci:x:y", "is for one image"),
        ("--dest-layout-profile=docker-library --format=v2s2", "oci:x:y", "writes OCI images"),
        ("--platform-names=bashbrew", "oci:x", "goes with --tag-platforms or --split-platforms"),
        ("--multi-arch=linux/amd64 --tag-platforms", "oci:x", "needs --strip-removed-platforms"),
    ],
)
def test_flags_that_do_not_go_together(flags: str, target: str, says: str) -> None:
    done = pyskopeo_here("copy", *flags.split(), "dir:nowhere", target)
    assert done.code == 1
    assert says in done.stderr


class TestIndexCreate:
    def test_what_was_named_by_platform_is_joined_again(self, registry: Simulator, tmp_path: Path) -> None:
        """The entries of the list are the same, platforms included; attestations belong to no image."""
        succeed(pyskopeo_here(*PULL, "--all", "--tag-platforms", registry.name(), f"oci:{tmp_path}/a:app"))
        names = [f"oci:{tmp_path}/a:app-{tag}" for tag in TAGS]
        succeed(pyskopeo_here("index", "create", "-q", f"oci:{tmp_path}/b:app", *names))
        document = json.loads((tmp_path / "b/blobs/sha256" / entries(tmp_path / "b")["app"]["digest"][7:]).read_bytes())
        listed = [e for e in json.loads(ATTESTED.root.raw)["manifests"] if e["platform"]["os"] != "unknown"]
        assert document["manifests"] == listed
        assert list(entries(tmp_path / "b")) == ["app"]
        succeed(pyskopeo_here("layout", "verify", f"oci:{tmp_path}/b"))
        # In the same layout, too: the name of the list refers to the new one.
        succeed(pyskopeo_here("index", "create", "-q", f"oci:{tmp_path}/a:app", *names))
        assert entries(tmp_path / "a")["app"]["digest"] == entries(tmp_path / "b")["app"]["digest"]

    def test_in_a_registry_blobs_are_mounted(self, tmp_path: Path) -> None:
        specs = [ImageSpec(layers=(LayerSpec(name),), platform=PlatformSpec(name)) for name in ("amd64", "arm64")]
        with Simulator(build(specs[0]), "team/one") as registry:
            registry.add(build(specs[1]), "team/two", "latest")
            words = ("--src-tls-verify=false", "--dest-tls-verify=false", "--annotation=a=b", "--digestfile", tmp_path / "d")
            sources = (registry.name("team/one"), registry.name("team/two"))
            succeed(pyskopeo_here("index", "create", "-q", *words, registry.name("team/all", "v1"), *sources))
            root = registry.manifest("v1", "team/all")
            assert root is not None
            assert root.digest == (tmp_path / "d").read_text()
            assert root.json["annotations"] == {"a": "b"}
            found = root.json["manifests"]
            assert isinstance(found, list)
            assert [entry["platform"] for entry in found] == [spec.platform.as_json() for spec in specs]
            assert [entry["digest"] for entry in found] == [build(spec).digest for spec in specs]
            assert registry.incomplete == []
            assert not [r for r in registry.requests if r.method in ("PATCH", "PUT") and "/blobs/" in r.path]

    def test_lists_and_images_and_files(self, registry: Simulator, tmp_path: Path) -> None:
        """A list adds all that it has, attestations included; the rest is beside it."""
        other = build(ImageSpec("docker", platform=PlatformSpec("riscv64")))
        source = f"dir:{write_dir(other, tmp_path / 'dir')}"
        succeed(pyskopeo_here("index", "create", "-q", "--src-tls-verify=false", f"oci:{tmp_path}/b:x", registry.name(), source))
        shown = json.loads(succeed(pyskopeo_here("inspect", "--platforms", f"oci:{tmp_path}/b:x")).stdout)["Platforms"]
        assert [one["Digest"] for one in shown[:-1]] == [e["digest"] for e in json.loads(ATTESTED.root.raw)["manifests"]]
        assert shown[-1]["Platform"] == "linux/riscv64"
        assert shown[-1]["MIMEType"] == "application/vnd.oci.image.manifest.v1+json"

    def test_images_of_dockers_type_make_a_list_of_dockers(self, tmp_path: Path) -> None:
        list_of = build(platforms("docker"))
        write_layout(list_of, tmp_path / "a")
        with Simulator() as registry:
            words = ("--dest-tls-verify=false", registry.name("team/all", "v1"), f"oci:{tmp_path}/a")
            succeed(pyskopeo_here("index", "create", "-q", *words))
            root = registry.manifest("v1", "team/all")
            assert root is not None
            assert root.media_type == list_of.root.media_type
            assert root.json["manifests"] == list_of.root.json["manifests"]
            succeed(pyskopeo_here("index", "create", "-q", "--format=oci", *words))
            changed = registry.manifest("v1", "team/all")
            assert changed is not None
            assert changed.media_type == "application/vnd.oci.image.index.v1+json"

    def test_two_images_for_one_platform_are_refused(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            write_layout(build(ImageSpec(layers=(LayerSpec(name),))), tmp_path / "a", tag=name)
        one, two = (f"oci:{tmp_path}/a:{name}" for name in ("one", "two"))
        assert re.search(r"two images are for linux/amd64: sha256:\w+ of oci:.*:one, and sha256:\w+ of oci:.*:two",
                         fatal(pyskopeo_here("index", "create", "-q", f"oci:{tmp_path}/b", one, two)))  # fmt: skip
        assert not (tmp_path / "b").exists()
        succeed(pyskopeo_here("index", "create", "-q", f"oci:{tmp_path}/b:x", one, one))  # the same one twice is one

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["oci:x"], "At least two arguments expected"),
            (["oci:x", "nothing"], "Error parsing image name"),
            (["--format=v2s1", "oci:x", "oci:y"], "has no lists"),
            (["docker-archive:x.tar:a", "LAYOUT"], "holds single images"),
            (["oci:x", "oci:nowhere"], "nowhere"),
        ],
    )
    def test_what_cannot_be_made(self, words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        source = f"oci:{write_layout(build('oci'), tmp_path / 'a')}"
        done = pyskopeo_here("index", "create", "-q", *(source if word == "LAYOUT" else word for word in words))
        assert done.code == 1
        assert says in done.stderr
        assert os.listdir(tmp_path) == ["a"]


class TestProfiles:
    @pytest.mark.parametrize(
        ("profile", "kind"),
        [
            *itertools.product(PROFILES, ["docker", "oci", "oci-zstd", "docker-zstd", "docker-uncompressed"]),
            ("umoci", "oci-without-media-type"),
        ],
    )
    def test_what_is_written_for_one_satisfies_it(self, profile: str, kind: str, tmp_path: Path) -> None:
        source = f"dir:{write_dir(build(kind), tmp_path / 'source')}"
        succeed(pyskopeo_here("copy", "-q", f"--dest-layout-profile={profile}", source, f"oci:{tmp_path}/a:v1"))
        succeed(pyskopeo_here("layout", "verify", "--deep", f"--profile={profile}", f"oci:{tmp_path}/a"))

    def test_what_cannot_be_made_to_satisfy_it_is_refused(self, tmp_path: Path) -> None:
        source = f"dir:{write_dir(build('oci-without-media-type'), tmp_path / 'source')}"
        done = pyskopeo_here("copy", "-q", "--dest-layout-profile=docker-library", source, f"oci:{tmp_path}/a:v1")
        assert "docker-library would refuse image" in fatal(done)
        assert not (tmp_path / "a").exists()

    def test_docker_library_has_one_image_a_layout(self, tmp_path: Path) -> None:
        write_layout(build("oci-history"), tmp_path / "a", tag="other")
        before = tree(tmp_path / "a")
        source = f"dir:{write_dir(build('oci'), tmp_path / 'source')}"
        words = ("copy", "-q", "--dest-layout-profile=docker-library", source)
        assert "has other images" in fatal(pyskopeo_here(*words, f"oci:{tmp_path}/a:v1"))
        assert tree(tmp_path / "a") == before
        for kind in ("oci", "oci-history", "oci"):  # under its name, another one
            succeed(pyskopeo_here(*words[:-1], f"dir:{write_dir(build(kind), tmp_path / kind)}", f"oci:{tmp_path}/b:v1"))
        assert list(entries(tmp_path / "b")) == ["v1"]

    def test_faults_of_a_profile(self, tmp_path: Path) -> None:
        """As build tools write layouts: images of Docker's type, no media type, several images."""
        for kind in ("docker", "oci-index"):
            write_layout(build(kind), tmp_path / "a", tag=kind)
        succeed(pyskopeo_here("layout", "verify", f"oci:{tmp_path}/a"))
        for profile, count in (("umoci", 6), ("docker-library", 9)):
            done = pyskopeo_here("layout", "verify", "--json", f"--profile={profile}", f"oci:{tmp_path}/a")
            assert done.code == 1
            faults = json.loads(done.stdout)["faults"]
            assert {fault["kind"] for fault in faults} == {"profile"}
            assert all(fault["message"].startswith(f"{profile}: ") for fault in faults)
            assert len(faults) >= count - 2, [fault["message"] for fault in faults]
        assert any("it is a list of 6 images" in fault["message"] for fault in umoci_faults(tmp_path / "a"))

    def test_a_list_whose_images_have_names_is_no_fault_for_umoci(self, registry: Simulator, tmp_path: Path) -> None:
        flags = ("--all", "--tag-platforms", "--dest-layout-profile=umoci")
        succeed(pyskopeo_here(*PULL, *flags, registry.name(), f"oci:{tmp_path}/a:app"))
        succeed(pyskopeo_here("layout", "verify", "--profile=umoci", f"oci:{tmp_path}/a"))

    @pytest.mark.parametrize("name", ["oci:{}/a:x", "oci-archive:{}/a", "dir:{}/a"])
    def test_a_profile_is_for_a_whole_layout(self, name: str, tmp_path: Path) -> None:
        done = pyskopeo_here("layout", "verify", "--profile=umoci", name.format(tmp_path))
        assert "--profile checks a whole layout" in done.stderr


def umoci_faults(layout: Path) -> list[dict[str, str]]:
    done = pyskopeo_here("layout", "verify", "--json", "--profile=umoci", f"oci:{layout}")
    found: list[dict[str, str]] = json.loads(done.stdout)["faults"]
    return found


class TestLayoutCommands:
    def test_split(self, tmp_path: Path) -> None:
        write_layout(build(IndexSpec((ImageSpec(),))), tmp_path / "a", tag="x")
        listed = json.loads(succeed(pyskopeo_here("layout", "split", f"oci:{tmp_path}/a:x", f"oci:{tmp_path}/b")).stdout)
        assert [one["path"] for one in listed["images"]] == ["linux-amd64"]
        done = pyskopeo_here("layout", "split", f"oci:{tmp_path}/a:x", tmp_path / "b")
        assert "Invalid layout name" in fatal(done)

    def test_link_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        write_layout(build("oci"), tmp_path / "a")
        done = succeed(pyskopeo_here("layout", "link-names", "--json", f"oci:{tmp_path}/a"))
        links = json.loads(done.stdout)["links"]
        assert links["image-manifest.json"] == build("oci").digest
        assert os.lstat(tmp_path / "a/image-manifest.json").st_mtime == 1_700_000_000
        shown = succeed(pyskopeo_here("layout", "link-names", f"oci:{tmp_path}/a")).stdout.decode()
        assert [line.split() for line in shown.splitlines()] == [list(pair) for pair in links.items()]
        succeed(pyskopeo_here("layout", "verify", f"oci:{tmp_path}/a"))
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
        assert "want a number of seconds" in pyskopeo_here("layout", "link-names", f"oci:{tmp_path}/a").stderr
