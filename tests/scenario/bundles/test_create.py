"""``bundle create``: what is in a bundle, what is left out, and what is not fetched again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.scenario.bundles.making import IMAGES, LISTED, PLAIN, contents, create, image, listed, made, members
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.faults import Refuse
from tests.support.pushing import Pushing
from tests.support.referring import referring
from tests.support.simulator import Simulator
from tests.support.trees import leftovers


def test_every_blob_is_once_in_an_archive_with_both_names(registry: Simulator, tmp_path: Path) -> None:
    done = succeed(create(tmp_path / "b", image(registry, 0), image(registry, 1)))
    assert "2 images, 7 blobs" in done.stderr
    files = members(tmp_path / "b")
    blobs = {name.removeprefix("blobs/sha256/") for name in files if name.startswith("blobs/")}
    assert {digest.partition(":")[2] for built in IMAGES[:2] for digest in built.blobs} <= blobs
    assert len(registry.log) == len(set(registry.log))
    index = json.loads(files["index.json"])
    names = [f"{registry.host}/team/app:v{n}" for n in range(2)]
    assert [entry["annotations"] for entry in index["manifests"]] == [
        {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name} for name in names
    ]
    assert leftovers(tmp_path) == []


def test_the_same_images_make_the_same_bytes(registry: Simulator, tmp_path: Path) -> None:
    one = made(tmp_path / "one", image(registry, 0), image(registry, 1), "--jobs=1")
    other = made(tmp_path / "other", image(registry, 1), image(registry, 0))
    assert one.read_bytes() == other.read_bytes()
    assert contents(one) == contents(other)


@pytest.mark.parametrize("more", [(), ("--all",), ("--platform=linux/arm64/v8",)])
def test_images_of_a_list_are_chosen_as_by_sync(registry: Simulator, tmp_path: Path, more: tuple[str, ...]) -> None:
    path = made(tmp_path / "b", f"docker://{registry.host}/team/listed:1", *more)
    (entry,) = contents(path)["images"]
    whole = entry["digest"] == LISTED.digest
    assert whole == ("--all" in more)
    if not whole:
        assert entry["platform"]["architecture"] == ("arm64" if more else "amd64")


class TestWhatIsNamed:
    def test_a_list_may_give_other_names(self, registry: Simulator, tmp_path: Path) -> None:
        path = tmp_path / "list.txt"
        path.write_text(f"# two\n\n{registry.host}/team/app:v0 # plain\n{image(registry, 1)} alpine\n")
        names = [one["annotations"]["org.opencontainers.image.ref.name"] for one in contents(made(tmp_path / "b", path))["images"]]
        assert names == [f"{registry.host}/team/app:v0", "docker.io/library/alpine:latest"]

    def test_a_yaml_file_and_a_lock(self, registry: Simulator, tmp_path: Path) -> None:
        file = tmp_path / "images.yaml"
        file.write_text(
            f"{registry.host}:\n  tls-verify: false\n  images: {{team/app: [v0, v2]}}\n"
            "  images-by-tag-regex: {team/listed: .}\n"
        )
        by_yaml = made(tmp_path / "yaml", file)
        assert len(contents(by_yaml)["images"]) == 3
        succeed(pyskopeo_here("lock", PLAIN, file))
        by_lock = made(tmp_path / "lock", tmp_path / "images.lock", "--all")
        assert len(contents(by_lock)["images"]) == 3

    @pytest.mark.parametrize(("line", "reason"), [
        ("a b c", "line 1: want an image name, and the name in the bundle if that differs"),
        ("Upper/case", "line 1: invalid reference format: repository name must be lowercase"),
        ("oci:layout", "line 1: oci:layout needs a full name in the bundle: it has none"),
    ])  # fmt: skip
    def test_a_wrong_line(self, tmp_path: Path, line: str, reason: str) -> None:
        (tmp_path / "list.txt").write_text(line)
        assert reason in fatal(create(tmp_path / "b", tmp_path / "list.txt"))

    def test_two_images_of_one_name(self, registry: Simulator, tmp_path: Path) -> None:
        path = listed(tmp_path / "list", a=image(registry, 0))
        path.write_text(path.read_text() + f"{image(registry, 1)} quay.io/team/a\n")
        assert "would both be quay.io/team/a:latest" in fatal(create(tmp_path / "b", path))

    def test_neither_a_file_nor_an_image(self, tmp_path: Path) -> None:
        assert fatal(create(tmp_path / "b", "alpine:3")).endswith("for an image want docker://alpine:3")


class TestSince:
    def test_what_the_base_has_is_neither_fetched_nor_there(self, registry: Simulator, tmp_path: Path) -> None:
        made(tmp_path / "old", image(registry, 0), image(registry, 1))
        (tmp_path / "old").unlink()
        before = len(registry.log)
        new = made(tmp_path / "new", image(registry, 1), image(registry, 2), "--since", tmp_path / "old.manifest")
        fetched = [line for line in registry.log[before:] if "/blobs/" in line]
        layer = IMAGES[2].layer_digests()[1]
        assert sorted(line.rpartition("/")[2] for line in fetched) == sorted(
            [layer, *(IMAGES[n].config_digest() for n in (1, 2))]
        )
        said = contents(new)
        assert set(said["leftOut"]) == {IMAGES[1].layer_digests()[0], IMAGES[1].layer_digests()[1]}
        assert len(said["bases"]) == 1

    def test_what_a_base_was_made_without_counts_and_several_bases_do(self, registry: Simulator, tmp_path: Path) -> None:
        one = made(tmp_path / "1", image(registry, 0))
        two = made(tmp_path / "2", image(registry, 1), "--since", one)
        both = (image(registry, 0), image(registry, 1))
        by_one = contents(made(tmp_path / "3", *both, "--since", f"{two}.manifest"))
        assert set(by_one["leftOut"]) == set(IMAGES[1].layer_digests())
        by_both = contents(made(tmp_path / "4", *both, "--since", two, "--since", f"{one}.manifest"))
        assert set(by_both["leftOut"]) == {*IMAGES[0].layer_digests(), *IMAGES[1].layer_digests()}
        assert (len(by_one["bases"]), len(by_both["bases"])) == (1, 2)

    def test_the_output_is_no_base(self, registry: Simulator, tmp_path: Path) -> None:
        one = made(tmp_path / "1", image(registry, 0))
        assert "cannot be the bundle to make and the earlier one" in fatal(create(one, image(registry, 1), "--since", one))


@pytest.mark.parametrize(("output", "words", "reason"), [
    ("-", ("--max-size=1G",), "-: parts are written to files, want the path of one"),
    ("-", ("--json",), "--json prints to standard output"),
    ("x.part001", (), "names that end so are those of parts"),
    ("none/x", (), "creating none/x: no directory none"),
    ("x", ("--jobs=0",), "--jobs: want 1 or more"),
    ("x", ("--all", "--platform=linux/amd64"), "--platform chooses one image"),
    ("x", ("--since=none",), "none: no such file, and no part none.part001 beside it"),
])  # fmt: skip
def test_what_cannot_be(registry: Simulator, output: str, words: tuple[str, ...], reason: str) -> None:
    assert reason in fatal(create(Path(output), image(registry, 0), *words))
    assert registry.log == []


def test_an_interrupted_run_fetches_only_the_rest(registry: Simulator, tmp_path: Path) -> None:
    broken = IMAGES[1].layer_digests()[1]
    registry.on_blob(broken, Refuse(404))
    assert broken in fatal(create(tmp_path / "b", image(registry, 0), image(registry, 1), "--jobs=1"))
    assert not (tmp_path / "b").exists()
    registry.heal()
    before = len(registry.log)
    whole = made(tmp_path / "b", image(registry, 0), image(registry, 1))
    fetched = [line.rpartition("/")[2] for line in registry.log[before:] if "/blobs/" in line]
    assert IMAGES[0].layer_digests()[1] not in fetched
    assert broken in fetched
    assert leftovers(tmp_path) == []
    assert made(tmp_path / "other", image(registry, 0), image(registry, 1)).read_bytes() == whole.read_bytes()


def test_what_an_earlier_bundle_of_the_name_has_is_not_fetched_again(registry: Simulator, tmp_path: Path) -> None:
    made(tmp_path / "b", image(registry, 0))
    before = len(registry.log)
    made(tmp_path / "b", image(registry, 0), image(registry, 1))
    fetched = Counter(line.rpartition("/")[2] for line in registry.log[before:] if "/blobs/" in line)
    assert set(fetched) == set(IMAGES[1].blobs) - set(IMAGES[0].blobs)


@pytest.mark.parametrize("tag", [None, f"sha256-{IMAGES[0].digest.partition(':')[2]}.sbom"])
def test_what_refers_to_images_comes_along(tmp_path: Path, tag: str | None) -> None:
    sbom = referring(IMAGES[0], content=b'{"packages": []}')
    with Simulator(pushing=Pushing(referrers=True)) as registry, Simulator(pushing=Pushing(referrers=True)) as mirror:
        registry.add(IMAGES[0], "team/app", "v0")
        registry.add(sbom, "team/app", tag)
        path = made(tmp_path / "b", image(registry, 0), "--referrers", "--cosign-tags")
        assert sbom.digest in contents(path)["blobs"]
        succeed(pyskopeo_here("bundle", "apply", PLAIN, path, "--to", f"docker://{mirror.host}"))
        assert mirror.manifest(sbom.digest, "team/app") is not None
        assert tag is None or mirror.manifest(tag, "team/app") is not None
        assert mirror.incomplete == []
    succeed(pyskopeo_here("bundle", "verify", path))
    succeed(pyskopeo_here("bundle", "apply", path, "--to", f"oci:{tmp_path}/l"))
    found = json.loads(succeed(pyskopeo_here("referrers", "--json", f"oci:{tmp_path}/l:{registry.host}/team/app:v0")).stdout)
    assert sbom.digest in json.dumps(found)


@pytest.mark.parametrize("there", [b"something else", None])
def test_nothing_else_is_replaced(registry: Simulator, tmp_path: Path, there: bytes | None) -> None:
    if there is None:
        (tmp_path / "b").mkdir()
    else:
        (tmp_path / "b").write_bytes(there)
    reason = "is a directory" if there is None else "is there and is no bundle"
    assert reason in fatal(create(tmp_path / "b", image(registry, 0)))
    assert registry.log == []
