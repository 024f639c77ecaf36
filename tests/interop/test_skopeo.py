"""The real skopeo beside ours, on the same images: the same files, byte for byte, and each reads the other's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.interop.beside_skopeo import (
    IMAGES,
    LISTS,
    PLATFORMS,
    READABLE,
    RECOMPRESSED,
    SOURCE,
    UNREADABLE,
    both,
    overrides,
)
from tests.interop.differential.allowed import without_platforms
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import pyskopeo, skopeo
from tests.support.images import KINDS, ImageSpec, IndexSpec, LayerSpec, build, digest_of, edited
from tests.support.outputs import blob_path, write_dir
from tests.support.peers import Registry
from tests.support.trees import tree

pytestmark = pytest.mark.peer("skopeo")


@pytest.fixture
def name(registry: Registry, request: pytest.FixtureRequest) -> str:
    """``docker://`` name of an image of the kind the test is parametrized with."""
    kind: str = request.getfixturevalue("kind")
    registry.push(build(kind), f"skopeo/{kind}")
    return registry.name(f"skopeo/{kind}")


def index_entry(folder: Path) -> tuple[bytes, bytes]:
    """The layout's ``index.json``, without the platforms that skopeo does not write, and its layout file."""
    return without_platforms((folder / "index.json").read_bytes()), (folder / "oci-layout").read_bytes()


def same_layout(theirs: Path, ours: Path) -> None:
    assert tree(ours / "blobs") == tree(theirs / "blobs")
    assert index_entry(ours) == index_entry(theirs)


class TestDockerArchive:
    """Identical by every byte, so that recorded hashes of archives still hold."""

    @pytest.mark.parametrize("kind", IMAGES)
    def test_each_kind(self, name: str, kind: str, tmp_path: Path) -> None:
        theirs, ours = both("copy", SOURCE, name, "docker-archive:{}/x.tar:lib/multi:latest", out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("tag", ["", ":short", ":short:v1", ":host.example:5000/a/b:V.1-x"])
    @pytest.mark.parametrize("kind", ["docker"])
    def test_each_form_of_name(self, name: str, kind: str, tag: str, tmp_path: Path) -> None:
        theirs, ours = both("copy", SOURCE, name, f"docker-archive:{{}}/x.tar{tag}", out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("tag", ["", ":lib/x:1"])
    @pytest.mark.parametrize("kind", ["oci"])
    def test_additional_tags(self, name: str, kind: str, tag: str, tmp_path: Path) -> None:
        more = ("--additional-tag", "zoo:2", "--additional-tag=lib/x:0,lib/x:2", "--additional-tag", "a.example/x:9")
        theirs, ours = both("copy", *more, SOURCE, name, f"docker-archive:{{}}/x.tar{tag}", out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("platform", PLATFORMS, ids=str)
    @pytest.mark.parametrize("kind", ["docker-list", "oci-index", "oci-index-attested"])
    def test_each_platform_of_a_list(
        self, name: str, kind: str, platform: tuple[str, str, str], tmp_path: Path
    ) -> None:
        words = (*overrides(platform), "copy", SOURCE, name, "docker-archive:{}/x.tar:a:1")
        theirs, ours = both(*words, out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("kind", ["docker", "oci", "docker-repeated", "docker-odd-text"])
    def test_from_a_directory(self, kind: str, tmp_path: Path) -> None:
        source = write_dir(build(kind), tmp_path / "source")
        theirs, ours = both("copy", f"dir:{source}", "docker-archive:{}/x.tar:a:1", out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("kind", ["docker", "oci-repeated", "oci-uncompressed"])
    def test_from_an_archive(self, name: str, kind: str, tmp_path: Path) -> None:
        succeed(skopeo("copy", SOURCE, name, f"docker-archive:{tmp_path}/first.tar:a:1"))
        words = ("copy", f"docker-archive:{tmp_path}/first.tar", "docker-archive:{}/x.tar:b:2")
        theirs, ours = both(*words, out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("kind", ["docker"])
    def test_on_standard_output(self, name: str, kind: str, tmp_path: Path) -> None:
        succeed(skopeo("copy", SOURCE, name, f"docker-archive:{tmp_path}/x.tar:a:1"))
        for stream in ("/dev/stdout", "-"):
            done = succeed(pyskopeo("copy", SOURCE, name, f"docker-archive:{stream}:a:1"))
            assert done.stdout == (tmp_path / "x.tar").read_bytes()


class TestLayouts:
    """Blobs, conversion included, and the entry of the index; and archives of them."""

    @pytest.mark.parametrize("kind", [kind for kind in READABLE if kind not in RECOMPRESSED])
    def test_each_kind(self, name: str, kind: str, tmp_path: Path) -> None:
        same_layout(*both("copy", SOURCE, name, "oci:{}:v1", out=tmp_path))

    @pytest.mark.parametrize("kind", ["docker", "oci"])
    def test_without_a_name(self, name: str, kind: str, tmp_path: Path) -> None:
        same_layout(*both("copy", SOURCE, name, "oci:{}", out=tmp_path))

    @pytest.mark.parametrize("kind", [*LISTS, "docker"])
    def test_all_of_a_list(self, name: str, kind: str, tmp_path: Path) -> None:
        same_layout(*both("copy", "--all", SOURCE, name, "oci:{}:v1", out=tmp_path))

    @pytest.mark.parametrize("kind", ["oci-index", "oci-index-attested", "oci"])
    def test_index_only(self, name: str, kind: str, tmp_path: Path) -> None:
        same_layout(*both("copy", "--multi-arch", "index-only", SOURCE, name, "oci:{}:v1", out=tmp_path))

    @pytest.mark.parametrize("kind", ["docker-list", "oci-index"])
    @pytest.mark.parametrize("platform", PLATFORMS, ids=str)
    def test_each_platform(self, name: str, kind: str, platform: tuple[str, str, str], tmp_path: Path) -> None:
        same_layout(*both(*overrides(platform), "copy", SOURCE, name, "oci:{}:v1", out=tmp_path))

    @pytest.mark.parametrize("kind", ["docker", "oci-index"])
    def test_several_names_in_one_layout(self, registry: Registry, name: str, kind: str, tmp_path: Path) -> None:
        registry.push(build("oci-history"), "skopeo/other")
        other = registry.name("skopeo/other")
        theirs, ours = both("copy", "--all", SOURCE, name, "oci:{}:v1", out=tmp_path)
        for folder, program in ((theirs, skopeo), (ours, pyskopeo_here)):
            succeed(program("copy", SOURCE, other, f"oci:{folder}:v2"))
            succeed(program("copy", "--all", SOURCE, name, f"oci:{folder}:v3"))
        same_layout(theirs, ours)

    @pytest.mark.parametrize("kind", ["docker"])
    def test_again_by_a_name_that_is_there(self, name: str, kind: str, tmp_path: Path) -> None:
        theirs, ours = both("copy", SOURCE, name, "oci:{}:v1", out=tmp_path)
        for folder, program in ((theirs, skopeo), (ours, pyskopeo_here)):
            succeed(program("copy", SOURCE, name, f"oci:{folder}:v2"))
            succeed(program("copy", SOURCE, name, f"oci:{folder}:v1"))
        same_layout(theirs, ours)

    @pytest.mark.parametrize("kind", ["docker", "docker-odd-text", "oci", "oci-zstd", "artifact", *LISTS])
    def test_archives_of_layouts(self, name: str, kind: str, tmp_path: Path) -> None:
        import tarfile

        theirs, ours = both("copy", "--all", SOURCE, name, "oci-archive:{}/x.tar:v1", out=tmp_path)
        for folder in (theirs, ours):
            with tarfile.open(folder / "x.tar") as tar:
                # An attribute: the first releases of Python 3.11 know no argument for it.
                tar.extraction_filter = getattr(tarfile, "data_filter", None)
                tar.extractall(folder)  # noqa: S202 - an archive of this test
                assert {(member.uid, member.gid) for member in tar} == {(0, 0)}
        same_layout(theirs, ours)

    @pytest.mark.parametrize("kind", ["docker", "docker-odd-text", "oci", "docker-repeated"])
    def test_from_an_archive_of_docker(self, name: str, kind: str, tmp_path: Path) -> None:
        """The layers are plain there, so skopeo compresses them: the configuration must be the same."""
        succeed(skopeo("copy", SOURCE, name, f"docker-archive:{tmp_path}/x.tar:a:1"))
        theirs, ours = both("copy", f"docker-archive:{tmp_path}/x.tar", "oci:{}:v1", out=tmp_path)
        configs = []
        for folder in (theirs, ours):
            (entry,) = json.loads((folder / "index.json").read_bytes())["manifests"]
            manifest = json.loads(blob_path(folder, entry["digest"]).read_bytes())
            configs.append(blob_path(folder, manifest["config"]["digest"]).read_bytes())
        assert configs[0] == configs[1]


class TestDirectories:
    """The same files with the same content."""

    @pytest.mark.parametrize("kind", READABLE)
    def test_each_kind(self, name: str, kind: str, tmp_path: Path) -> None:
        theirs, ours = both("copy", SOURCE, name, "dir:{}/image", out=tmp_path)
        assert tree(ours) == tree(theirs)

    @pytest.mark.parametrize("kind", LISTS)
    def test_all_of_a_list(self, name: str, kind: str, tmp_path: Path) -> None:
        theirs, ours = both("copy", "--all", SOURCE, name, "dir:{}/image", out=tmp_path)
        assert tree(ours) == tree(theirs)

    @pytest.mark.parametrize("kind", LISTS)
    def test_index_only(self, name: str, kind: str, tmp_path: Path) -> None:
        words = ("copy", "--multi-arch=index-only", SOURCE, name, "dir:{}/image")
        theirs, ours = both(*words, out=tmp_path)
        assert tree(ours) == tree(theirs)

    @pytest.mark.parametrize("kind", ["docker-list"])
    def test_by_digest(self, registry: Registry, name: str, kind: str, tmp_path: Path) -> None:
        pinned = f"docker://{registry.host}/skopeo/{kind}@{build(kind).child(3).digest}"
        theirs, ours = both("copy", SOURCE, pinned, "dir:{}/image", out=tmp_path)
        assert tree(ours) == tree(theirs)

    @pytest.mark.parametrize("kind", ["oci"])
    def test_over_an_older_image(self, registry: Registry, name: str, kind: str, tmp_path: Path) -> None:
        registry.push(build("docker"), "skopeo/older")
        theirs, ours = both("copy", SOURCE, registry.name("skopeo/older"), "dir:{}/image", out=tmp_path)
        for folder, program in ((theirs, skopeo), (ours, pyskopeo_here)):
            succeed(program("copy", SOURCE, name, f"dir:{folder}/image"))
        assert tree(ours) == tree(theirs)


class TestReadingEachOther:
    """What one writes, the other reads, as an image like any other."""

    @pytest.mark.parametrize("transport", ["dir:{}/x", "oci:{}/x:v1", "oci-archive:{}/x.tar:v1"])
    @pytest.mark.parametrize("kind", ["docker-list", "oci-index-attested", "oci-zstd", "oci-without-media-type"])
    def test_lists(self, name: str, kind: str, transport: str, tmp_path: Path) -> None:
        self.exchange(name, transport, tmp_path, "--all")

    @pytest.mark.parametrize(
        "transport", ["dir:{}/x", "oci:{}/x:v1", "oci-archive:{}/x.tar", "docker-archive:{}/x:a:1"]
    )
    @pytest.mark.parametrize("kind", ["docker", "oci", "docker-repeated", "docker-odd-text", "oci-no-layers"])
    def test_images(self, name: str, kind: str, transport: str, tmp_path: Path) -> None:
        self.exchange(name, transport, tmp_path)

    def exchange(self, name: str, transport: str, folder: Path, *more: str) -> None:
        for label, writer in (("theirs", skopeo), ("ours", pyskopeo_here)):
            (folder / label).mkdir()
            made = transport.format(folder / label)
            succeed(writer("copy", *more, SOURCE, name, made))
            theirs, ours = both("copy", *more, made, "dir:{}/read", out=folder / label)
            assert tree(ours) == tree(theirs)
            told = json.loads(succeed(pyskopeo_here("inspect", made)).stdout)["Digest"]
            assert told == digest_of(succeed(skopeo("inspect", "--raw", made)).stdout)

    @pytest.mark.parametrize("reference", ["a.example/x:1", "a.example/x:2", "@0", "@1"])
    def test_an_archive_of_several_images(self, reference: str, tmp_path: Path) -> None:
        archive = several(tmp_path)
        theirs, ours = both("copy", f"docker-archive:{archive}:{reference}", "dir:{}/image", out=tmp_path)
        assert tree(ours) == tree(theirs)


def several(folder: Path) -> Path:
    """An archive of two images, as ``docker save`` writes them: joined from two of one."""
    import io
    import tarfile

    items, files = [], {}
    for number, kind in enumerate(("docker", "docker-history"), 1):
        source = write_dir(build(kind), folder / kind)
        succeed(skopeo("copy", f"dir:{source}", f"docker-archive:{folder}/{kind}.tar:a.example/x:{number}"))
        with tarfile.open(folder / f"{kind}.tar") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if member.name == "manifest.json" and content is not None:
                    items += json.loads(content.read())
                elif member.isreg() and content is not None and "/" not in member.name:
                    files[member.name] = content.read()
    archive = folder / "several.tar"
    with tarfile.open(archive, "w") as tar:
        for name, data in {**files, "manifest.json": json.dumps(items).encode()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return archive


def test_what_is_left_out_is_really_beyond_skopeo(registry: Registry, tmp_path: Path) -> None:
    """So that a newer skopeo that can read these kinds gets them into the comparison."""
    for kind in sorted(UNREADABLE - {"docker-zstd", "oci-index-sha512"}):
        source = write_dir(build(kind), tmp_path / kind)
        failed = skopeo("copy", f"dir:{source}", f"oci:{tmp_path}/theirs-{kind}:x").code
        assert failed, kind
        succeed(pyskopeo_here("copy", f"dir:{source}", f"oci:{tmp_path}/ours-{kind}:x"))


def test_a_single_platform_of_a_list_is_the_one_skopeo_takes(registry: Registry, tmp_path: Path) -> None:
    """Entries in another order, and two that fit: the first one in order of preference wins."""
    spec = KINDS["oci-index"]
    assert isinstance(spec, IndexSpec)
    image = build(replace(spec, entries=(*reversed(spec.entries), spec.entries[0])))
    registry.push(image, "skopeo/reversed")
    for platform in PLATFORMS:
        words = ("inspect", "--no-tags", "--tls-verify=false", *overrides(platform), registry.name("skopeo/reversed"))
        assert json.loads(pyskopeo_here(*words).stdout)["Layers"] == json.loads(skopeo(*words).stdout)["Layers"]


@pytest.mark.parametrize("flavor", ["gzip first", "zstd first", "gzip only"])
def test_of_two_images_for_one_platform_the_one_with_zstd_is_taken(flavor: str, tmp_path: Path) -> None:
    """By the annotation with which containers/image marks it, as it writes both into one list."""
    names = {"gzip first": ("gzip", "zstd"), "zstd first": ("zstd", "gzip"), "gzip only": ("gzip", "other")}[flavor]
    image = build(IndexSpec(tuple(ImageSpec(layers=(LayerSpec(name),)) for name in names)))

    def mark(document: dict[str, Any]) -> None:
        for entry, name in zip(document["manifests"], names, strict=True):
            if name == "zstd":
                entry["annotations"] = {"io.github.containers.compression.zstd": "true"}

    source = write_dir(edited(image, mark), tmp_path / "source")
    theirs, ours = both("--override-arch=amd64", "copy", f"dir:{source}", "dir:{}/x", out=tmp_path)
    assert tree(ours) == tree(theirs)
    wanted = image.child(names.index("zstd") if "zstd" in names else 0)
    assert (ours / "x/manifest.json").read_bytes() == wanted.raw
