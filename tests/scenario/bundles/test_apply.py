"""``bundle apply``: into registries, layouts and the content store, all blobs before the first name."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.scenario.bundles.making import DIVIDED, IMAGES, LISTED, apply, image, listed, made
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.faults import Refuse
from tests.support.pushing import Pushing
from tests.support.simulator import Simulator


@pytest.fixture
def bundle(registry: Simulator, tmp_path: Path) -> Path:
    """Two images and a list of some."""
    names = listed(tmp_path / "list", a=image(registry, 0), b=image(registry, 1), c=f"{registry.host}/team/listed:1")
    return made(tmp_path / "b", names, "--all")


EXPECTED = {"team/a": IMAGES[0].digest, "team/b": IMAGES[1].digest, "team/c": LISTED.digest}


def at(mirror: Simulator, path: str = "") -> dict[str, str]:
    """The digests of the images in a registry."""
    found = {name: mirror.manifest("latest", path + name) for name in EXPECTED}
    return {name: one.digest for name, one in found.items() if one is not None}


def test_into_a_registry_below_a_path(bundle: Path, mirror: Simulator) -> None:
    succeed(apply(f"docker://{mirror.host}/mirror", bundle))
    assert at(mirror, "mirror/") == EXPECTED
    assert mirror.incomplete == []
    writes = [line for line in mirror.log if line.startswith("PUT") and "latest" in line]
    assert len(writes) == 3
    before = len(mirror.log)
    done = succeed(apply(f"docker://{mirror.host}/mirror", bundle, "--json"))
    assert {line.split()[0] for line in mirror.log[before:]} <= {"HEAD", "GET"}
    assert [one["moved"] for one in json.loads(done.stdout)] == [0, 0, 0]


def test_no_image_is_named_before_all_blobs_are_there(bundle: Path, mirror: Simulator) -> None:
    mirror.on_upload("POST", Refuse(403), skip=3)
    fatal(apply(f"docker://{mirror.host}", bundle, "--jobs=1"))
    assert not [line for line in mirror.log if line.startswith("PUT") and "/manifests/" in line]
    mirror.heal()
    before = len(mirror.log)
    succeed(apply(f"docker://{mirror.host}", bundle))
    assert at(mirror) == EXPECTED
    order = [line for line in mirror.log[before:] if line.startswith("PUT")]
    first = next(n for n, line in enumerate(order) if "/manifests/" in line)
    assert not [line for line in order[first:] if "/blobs/" in line]


def test_into_a_layout_by_full_names(bundle: Path, tmp_path: Path) -> None:
    succeed(apply(f"oci:{tmp_path}/layout", bundle))
    done = succeed(pyskopeo_here("layout", "ls", "--json", f"oci:{tmp_path}/layout"))
    names = {f"quay.io/{name}:latest": digest for name, digest in EXPECTED.items()}
    assert {one["name"]: one["digest"] for one in json.loads(done.stdout)["entries"]} == names
    succeed(pyskopeo_here("layout", "verify", f"oci:{tmp_path}/layout"))


def test_into_the_store(bundle: Path, tmp_path: Path) -> None:
    succeed(pyskopeo_here("bundle", "apply", bundle, "--store", tmp_path / "store"))
    succeed(pyskopeo_here("store", "verify", "--store", tmp_path / "store"))
    copied = ("--offline", "--store", tmp_path / "store", "copy", "docker://quay.io/team/a", f"oci:{tmp_path}/out:x")
    succeed(pyskopeo_here(*copied))
    found = {one["name"] for one in json.loads(succeed(
        pyskopeo_here("store", "ls", "--json", "--store", tmp_path / "store")
    ).stdout)}  # fmt: skip
    assert found == {f"quay.io/{name}:latest" for name in EXPECTED}


def test_only_some_platforms_of_a_list(registry: Simulator, tmp_path: Path) -> None:
    """The registry must take a list of which some images are missing, as most do not."""
    (tmp_path / "i.yaml").write_text(
        f"{registry.host}:\n  tls-verify: false\n  images: {{team/listed: ['1']}}\n"
        "  platforms: [linux/amd64, linux/s390x]\n"
    )
    path = made(tmp_path / "b", tmp_path / "i.yaml")
    with Simulator(pushing=Pushing(checks_blobs=False)) as mirror:
        succeed(apply(f"docker://{mirror.host}", path))
        assert mirror.manifest("1", "team/listed").digest == LISTED.digest  # type: ignore[union-attr]
        puts = [line for line in mirror.log if line.startswith("PUT") and "/manifests/sha256:" in line]
        assert len(puts) == 2


@pytest.mark.parametrize(("rules", "names"), [
    ((r"^quay.io/=hub/",), {"hub/team/a", "hub/team/b", "hub/team/c"}),
    ((r"/team/a:.*=/first:1", r"^([^/]+)/=\1/"), {"quay.io/first", "quay.io/team/b", "quay.io/team/c"}),
])  # fmt: skip
def test_renamed(bundle: Path, mirror: Simulator, rules: tuple[str, ...], names: set[str]) -> None:
    succeed(apply(f"docker://{mirror.host}", bundle, *(f"--map={rule}" for rule in rules)))
    assert {line.split("/v2/")[1].partition("/manifests")[0] for line in mirror.log if line.startswith("PUT") and "/manifests/" in line} == names


@pytest.mark.parametrize(("words", "reason"), [
    (("--map=^.*$=same:1",), "would both be"),
    (("--map=^quay.io=UPPER",), "repository name must be lowercase"),
    (("--map=nothing",), "want REGEX=REPLACEMENT"),
])  # fmt: skip
def test_names_that_cannot_be(bundle: Path, mirror: Simulator, words: tuple[str, ...], reason: str) -> None:
    assert reason in fatal(apply(f"docker://{mirror.host}", bundle, *words))
    assert mirror.log == []


@pytest.mark.parametrize("to", ["dir:x", "docker://", "oci:x:name", "somewhere"])
def test_places_that_cannot_be(bundle: Path, to: str) -> None:
    assert fatal(apply(to, bundle)).endswith("want docker://HOST[/PATH] or oci:DIR, or --store DIR alone")


def test_without_a_place(bundle: Path) -> None:
    assert fatal(pyskopeo_here("bundle", "apply", bundle)).startswith("no place for the images")


class TestBases:
    @pytest.fixture
    def update(self, registry: Simulator, bundle: Path, tmp_path: Path) -> Path:
        """``a`` is another image now, with the layer of the others, ``d`` has those of ``b``."""
        names = listed(tmp_path / "new", a=image(registry, 2), d=image(registry, 1))
        return made(tmp_path / "update", names, "--since", f"{bundle}.manifest")

    def test_on_its_base(self, bundle: Path, update: Path, mirror: Simulator) -> None:
        succeed(apply(f"docker://{mirror.host}", bundle))
        before = len(mirror.log)
        succeed(apply(f"docker://{mirror.host}", update))
        assert mirror.manifest("latest", "team/a").digest == IMAGES[2].digest  # type: ignore[union-attr]
        assert mirror.manifest("latest", "team/d").digest == IMAGES[1].digest  # type: ignore[union-attr]
        assert mirror.incomplete == []
        assert [line for line in mirror.log[before:] if "mount=" in line and "/team/d/" in line]

    def test_on_a_registry_that_mounts_nothing(self, bundle: Path, update: Path) -> None:
        with Simulator(pushing=Pushing(mounts=False)) as mirror:
            succeed(apply(f"docker://{mirror.host}", bundle))
            succeed(apply(f"docker://{mirror.host}", update))
            assert mirror.manifest("latest", "team/d").digest == IMAGES[1].digest  # type: ignore[union-attr]
            assert mirror.incomplete == []

    def test_without_its_base(self, update: Path, mirror: Simulator, tmp_path: Path) -> None:
        for to in (f"docker://{mirror.host}", f"oci:{tmp_path}/none"):
            said = fatal(apply(to, update))
            assert "is based on sha256:" in said
            assert f"and {to} does not have what it was made without: sha256:" in said
        assert {line.split()[0] for line in mirror.log} <= {"HEAD", "GET"}
        assert not (tmp_path / "none").exists()

    @pytest.mark.parametrize("swapped", [False, True])
    def test_together_with_its_base(self, bundle: Path, update: Path, mirror: Simulator, *, swapped: bool) -> None:
        succeed(apply(f"docker://{mirror.host}", *((update, bundle) if swapped else (bundle, update))))
        assert at(mirror) == EXPECTED | {"team/a": IMAGES[2].digest}
        assert mirror.manifest("latest", "team/d").digest == IMAGES[1].digest  # type: ignore[union-attr]
        assert mirror.incomplete == []

    def test_into_a_layout_and_a_store_with_the_base(self, bundle: Path, update: Path, tmp_path: Path) -> None:
        for words in (("--to", f"oci:{tmp_path}/l"), ("--store", tmp_path / "s")):
            succeed(pyskopeo_here("bundle", "apply", bundle, *words))
            succeed(pyskopeo_here("bundle", "apply", update, *words))
        succeed(pyskopeo_here("layout", "verify", f"oci:{tmp_path}/l"))
        found = json.loads(succeed(pyskopeo_here("store", "ls", "--json", "--store", tmp_path / "s")).stdout)
        assert {one["name"]: one["digest"] for one in found}["quay.io/team/d:latest"] == IMAGES[1].digest
        assert all(one["complete"] for one in found)


def test_two_with_different_images_of_a_name(bundle: Path, registry: Simulator, mirror: Simulator, tmp_path: Path) -> None:
    other = made(tmp_path / "other", listed(tmp_path / "l", a=image(registry, 3)))
    said = fatal(apply(f"docker://{mirror.host}", bundle, other))
    assert said.endswith("have different images quay.io/team/a:latest: apply one after the other")


def test_parts_in_any_order(registry: Simulator, mirror: Simulator, tmp_path: Path) -> None:
    """The one large layer is in several of them."""
    words = (listed(tmp_path / "l", a=image(registry, 0), z=f"{registry.host}/team/large:1"), "--max-size=1200K")
    done = made(tmp_path / "b", *words)
    parts = sorted(tmp_path.glob("b.part*"))
    assert not done.exists()
    assert [path.name for path in parts] == [f"b.part00{n}" for n in range(1, 5)]
    assert all(path.stat().st_size < 1200 * 1024 for path in parts)
    for path in parts:
        assert "no faults; of 4 parts these were not given" in succeed(pyskopeo_here("bundle", "verify", path)).stdout.decode()
    succeed(pyskopeo_here("bundle", "verify", done))
    assert fatal(apply(f"docker://{mirror.host}", parts[2], parts[0])).endswith(": parts 2, 4 of 4 are missing")
    (tmp_path / "elsewhere").mkdir()
    for path in (parts[1], parts[3]):
        os.rename(path, tmp_path / "elsewhere" / path.name)
    succeed(apply(f"docker://{mirror.host}", parts[2], tmp_path / "elsewhere" / "b", parts[0]))
    assert mirror.manifest("latest", "team/z").digest == DIVIDED.digest  # type: ignore[union-attr]
    assert mirror.incomplete == []


def test_in_the_library(bundle: Path, tmp_path: Path) -> None:
    import anyio

    import pyskopeo

    async def run() -> None:
        async with pyskopeo.Client() as client:
            applied = await client.apply_bundles([bundle], f"oci:{tmp_path}/l", renaming={"^quay.io/": ""})
            assert [one.place for one in applied] == [f"oci:{tmp_path}/l:{name}:latest" for name in EXPECTED]
            written = await client.create_bundle([f"oci:{tmp_path}/l:team/a:latest"], tmp_path / "again")
        (found,) = await pyskopeo.verify_bundles([tmp_path / "again"])
        assert found.ok
        assert found.bundle.digest == written.digest
        difference = await pyskopeo.compare_bundles(bundle, tmp_path / "again")
        assert difference.added == ("docker.io/team/a:latest",)

    anyio.run(run)


def test_two_at_once(registry: Simulator, mirror: Simulator, bundle: Path, tmp_path: Path) -> None:
    """Into one layout and one registry; they have an image in common, and a base."""
    import anyio

    import pyskopeo

    other = made(tmp_path / "other", listed(tmp_path / "l", a=image(registry, 0), e=image(registry, 3)))

    async def run() -> None:
        access = pyskopeo.Access.from_environ()
        access = replace(access, trust=replace(access.trust, insecure=True))
        async with anyio.create_task_group() as tasks:
            for one in (bundle, other):
                for to in (f"oci:{tmp_path}/l2", f"docker://{mirror.host}"):
                    tasks.start_soon(partial(pyskopeo.apply_bundles, [one], to, access=access))

    anyio.run(run)
    succeed(pyskopeo_here("layout", "verify", f"oci:{tmp_path}/l2"))
    found = json.loads(succeed(pyskopeo_here("layout", "ls", "--json", f"oci:{tmp_path}/l2")).stdout)["entries"]
    assert {one["name"] for one in found} == {f"quay.io/team/{name}:latest" for name in "abce"}
    assert at(mirror) == EXPECTED
    assert mirror.manifest("latest", "team/e").digest == IMAGES[3].digest  # type: ignore[union-attr]
    assert mirror.incomplete == []


def test_too_few_jobs(bundle: Path) -> None:
    assert "--jobs: want 1 or more" in fatal(apply("oci:x", bundle, "--jobs=0"))
