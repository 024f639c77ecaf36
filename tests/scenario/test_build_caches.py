"""BuildKit's cache, an index of blobs, and other entries of indexes that are no images, at every destination."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.caches import build_cache, entry_of, index_of_entries
from tests.support.cli import fatal, pyskopeo_here, succeed
from tests.support.images import BuiltImage, build, digest_of
from tests.support.outputs import write_dir, write_layout
from tests.support.simulator import Simulator
from tests.support.trees import tree

pytestmark = pytest.mark.usefixtures("no_machine_policy")
SOURCE, DEST = "--src-tls-verify=false", "--dest-tls-verify=false"
UNKNOWN = "application/vnd.unknown.v1+json"
CACHE = build_cache()


def mixed() -> BuiltImage:
    """An index of an image, a layer, and a blob of a type that nobody knows."""
    image = build("oci")
    layer = image.blobs[image.layer_digests()[0]]
    entries = [
        entry_of(image.root.raw, image.root.media_type, platform={"os": "linux", "architecture": "amd64"}),
        entry_of(layer, "application/vnd.oci.image.layer.v1.tar+gzip"),
        entry_of(b"unknown", UNKNOWN),
    ]
    return index_of_entries(entries, {digest_of(b"unknown"): b"unknown"}, image)


@pytest.mark.parametrize("flags", [(), ("--all",)])
@pytest.mark.parametrize("kind", ["registry", "oci", "dir", "oci-archive"])
def test_a_cache_is_copied_as_it_is(kind: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    """Without --all, too: there is no image to choose."""
    with Simulator(CACHE) as registry, Simulator() as target:
        name = target.name() if kind == "registry" else f"{kind}:{tmp_path}/out" + (":t" if kind != "dir" else "")
        succeed(pyskopeo_here("copy", SOURCE, DEST, *flags, registry.name(), name))
        if kind == "registry":
            assert target.incomplete == []
        # From there to a dir:, which shows all of it.
        succeed(pyskopeo_here("copy", SOURCE, *flags, name, f"dir:{tmp_path}/again"))
    assert tree(tmp_path / "again") == tree(write_dir(CACHE, tmp_path / "expected"))


@pytest.mark.parametrize("kind", ["oci", "dir", "registry"])
def test_blobs_beside_images(kind: str, tmp_path: Path) -> None:
    image = mixed()
    with Simulator(image) as registry:
        names = {"oci": f"oci:{write_layout(image, tmp_path / 'layout')}", "dir": f"dir:{write_dir(image, tmp_path / 'dir')}"}
        succeed(pyskopeo_here("copy", SOURCE, "--all", names.get(kind, registry.name()), f"dir:{tmp_path}/new"))
    assert tree(tmp_path / "new") == tree(write_dir(image, tmp_path / "expected"))


def test_a_second_copy_sends_nothing(tmp_path: Path) -> None:
    with Simulator(CACHE) as registry, Simulator() as target:
        for _ in range(2):
            before = len(target.requests)
            succeed(pyskopeo_here("copy", "--all", SOURCE, DEST, registry.name(), target.name()))
        assert {request.method for request in target.requests[before:]} == {"HEAD"}


@pytest.mark.parametrize("flags", [(), ("--all",)])
def test_a_sync_goes_on(flags: tuple[str, ...], tmp_path: Path) -> None:
    app = build("oci")
    with Simulator(app, "team/app", "app") as registry, Simulator() as target:
        registry.add(CACHE, "team/app", "cache")
        words = ("sync", *flags, "--src", "docker", "--dest", "docker", SOURCE, DEST, f"{registry.host}/team/app")
        for _ in range(2):
            succeed(pyskopeo_here(*words, f"{target.host}/m"))
        for tag, image in (("app", app), ("cache", CACHE)):
            found = target.manifest(tag, "m/app")
            assert found is not None
            assert found.raw == image.root.raw
        assert target.incomplete == []
        words = ("sync", *flags, "--src", "docker", "--dest", "dir", SOURCE, f"{registry.host}/team/app")
        succeed(pyskopeo_here(*words, tmp_path / "mirror"))
        done = succeed(pyskopeo_here(*words, tmp_path / "mirror"))
        assert "2 present" in done.stderr
    assert tree(tmp_path / "mirror" / "app:cache") == tree(write_dir(CACHE, tmp_path / "expected"))


def test_a_damaged_cache_is_copied_again_by_a_sync(tmp_path: Path) -> None:
    with Simulator(CACHE, "team/app", "cache") as registry:
        words = ("sync", "--all", "--src", "docker", "--dest", "dir", SOURCE, f"{registry.host}/team/app", tmp_path / "m")
        succeed(pyskopeo_here(*words))
        (tmp_path / "m" / "app:cache" / next(iter(CACHE.blobs))[7:]).unlink()
        assert "1 copied" in succeed(pyskopeo_here(*words)).stderr
    assert tree(tmp_path / "m" / "app:cache") == tree(write_dir(CACHE, tmp_path / "expected"))


@pytest.mark.parametrize("format", ["v2s2", "v2s1"])
def test_no_other_format_can_name_its_blobs(format: str, tmp_path: Path) -> None:
    source = write_layout(CACHE, tmp_path / "source")
    said = fatal(pyskopeo_here("copy", "--all", "--format", format, f"oci:{source}", f"dir:{tmp_path}/new"))
    if format == "v2s2":
        entry = json.loads(CACHE.root.raw)["manifests"][0]
        assert f"entry {entry['digest']} of the index is no image but of type '{entry['mediaType']}'" in said
    assert not (tmp_path / "new").exists()


def test_platforms_beside_blobs(tmp_path: Path) -> None:
    """Entries that are not chosen are not copied, and named only if they are not stripped."""
    image = mixed()
    source, one = write_layout(image, tmp_path / "source"), "--multi-arch=linux/amd64"
    succeed(pyskopeo_here("copy", one, f"oci:{source}", f"dir:{tmp_path}/sparse"))
    assert (tmp_path / "sparse" / "manifest.json").read_bytes() == image.root.raw
    assert not (tmp_path / "sparse" / digest_of(b"unknown")[7:]).exists()
    words = ("copy", one, "--format=v2s2", f"oci:{source}", f"dir:{tmp_path}/docker")
    entry = json.loads(image.root.raw)["manifests"][1]
    assert f"entry {entry['digest']} of the index is no image" in fatal(pyskopeo_here(*words))
    succeed(pyskopeo_here(*words, "--strip-removed-platforms"))
    made = json.loads((tmp_path / "docker" / "manifest.json").read_bytes())
    assert [entry["platform"]["architecture"] for entry in made["manifests"]] == ["amd64"]


def test_inspect(tmp_path: Path) -> None:
    source = write_layout(CACHE, tmp_path / "source")
    said = fatal(pyskopeo_here("inspect", f"oci:{source}"))
    assert "there is: 4 blobs and no manifest, as in a build cache" in said
    assert succeed(pyskopeo_here("inspect", "--raw", f"oci:{source}")).stdout == CACHE.root.raw
    shown = json.loads(succeed(pyskopeo_here("inspect", "--platforms", f"oci:{source}")).stdout)
    assert (shown["Digest"], shown["Platforms"]) == (CACHE.digest, [])
    mixture = write_layout(mixed(), tmp_path / "mixture")
    shown = json.loads(succeed(pyskopeo_here("inspect", "--platforms", f"oci:{mixture}")).stdout)
    assert [entry["Platform"] for entry in shown["Platforms"]] == ["linux/amd64"]


def test_a_blob_in_an_index_is_verified(tmp_path: Path) -> None:
    digest = next(iter(CACHE.blobs))
    broken = BuiltImage(CACHE.root, CACHE.manifests, {**CACHE.blobs, digest: CACHE.blobs[digest][:-1] + b"x"}, {})
    with Simulator(broken) as registry:
        said = fatal(pyskopeo_here("copy", "--all", SOURCE, "--retry-times=0", registry.name(), f"oci:{tmp_path}/out"))
    assert digest in said
    assert not (tmp_path / "out" / "index.json").exists()
