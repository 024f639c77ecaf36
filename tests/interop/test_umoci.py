"""umoci, the OCI layout tool: it lists, describes and unpacks what we write, and we read what it makes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import PROGRAM, BuiltImage, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.outputs import blob_path, write_dir, write_layout
from tests.support.require import require_peer
from tests.support.trees import tree

pytestmark = pytest.mark.peer("umoci")

LAYERS = (LayerSpec("base", base=True), LayerSpec("second"), LayerSpec("third", whiteout="data/second"))
IMAGES = {flavor: build(ImageSpec(flavor, layers=LAYERS, empty_history=1)) for flavor in ("docker", "oci")}


def umoci(*words: object) -> str:
    done = subprocess.run([require_peer("umoci"), *map(str, words)], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(params=sorted(IMAGES))
def image(request: pytest.FixtureRequest) -> BuiltImage:
    return IMAGES[request.param]


@pytest.fixture
def layout(image: BuiltImage, tmp_path: Path) -> Path:
    """A layout that we wrote, from an OCI image or from one of Docker's types."""
    source = write_dir(image, tmp_path / "source")
    succeed(pyskopeo_here("copy", f"dir:{source}", f"oci:{tmp_path}/layout:v1"))
    succeed(pyskopeo_here("copy", f"dir:{source}", f"oci:{tmp_path}/layout:other"))
    return tmp_path / "layout"


def test_it_lists_the_names(layout: Path) -> None:
    assert sorted(umoci("ls", "--layout", layout).split()) == ["other", "v1"]


def test_it_knows_the_history(layout: Path, image: BuiltImage) -> None:
    told = json.loads(umoci("stat", "--image", f"{layout}:v1", "--json"))
    layers = [entry["layer"]["digest"] for entry in told["history"] if not entry.get("empty_layer")]
    assert tuple(layers) == image.layer_digests()
    wanted = [entry["created_by"] for entry in json.loads(image.config())["history"]]
    assert [entry["created_by"] for entry in told["history"]] == wanted


def test_it_unpacks_the_files(layout: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    umoci("unpack", "--rootless", "--image", f"{layout}:v1", bundle)
    files = tree(bundle / "rootfs")
    assert (bundle / "rootfs" / PROGRAM[1:]).stat().st_mode & 0o777 == 0o755
    assert b"\x7fELF" in files[PROGRAM[1:]] or b"no program" in files[PROGRAM[1:]]
    assert {name for name in files if name.startswith("data/")} == {"data/base", "data/third"}  # second is whited out
    config = json.loads((bundle / "config.json").read_bytes())
    assert config["process"]["args"] == [PROGRAM]
    assert "PATH=/bin" in config["process"]["env"]


def test_it_finds_nothing_to_collect(layout: Path) -> None:
    """Every blob belongs to an image, so umoci's garbage collection takes none."""
    before = tree(layout / "blobs")
    umoci("gc", "--layout", layout)
    assert tree(layout / "blobs") == before


def test_what_it_makes_we_read(layout: Path, tmp_path: Path) -> None:
    """A new layer and new settings, written by umoci into our layout; then a layout all its own."""
    bundle = tmp_path / "bundle"
    umoci("unpack", "--rootless", "--image", f"{layout}:v1", bundle)
    (bundle / "rootfs" / "added").write_text("by hand")
    umoci("repack", "--image", f"{layout}:v2", bundle)
    umoci("config", "--image", f"{layout}:v2", "--config.label", "made.by=umoci", "--author", "someone")
    facts = json.loads(succeed(pyskopeo_here("inspect", f"oci:{layout}:v2")).stdout)
    assert facts["Labels"]["made.by"] == "umoci"
    assert len(facts["Layers"]) == len(LAYERS) + 1
    succeed(pyskopeo_here("copy", f"oci:{layout}:v2", f"dir:{tmp_path}/out"))
    manifest = (tmp_path / "out" / "manifest.json").read_bytes()
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    (entry,) = (e for e in entries if e.get("annotations", {}).get("org.opencontainers.image.ref.name") == "v2")
    assert manifest == blob_path(layout, entry["digest"]).read_bytes()
    succeed(pyskopeo_here("copy", f"oci:{layout}:v2", f"docker-archive:{tmp_path}/out.tar:a:1"))


def test_a_layout_all_its_own(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    umoci("init", "--layout", layout)
    umoci("new", "--image", f"{layout}:empty")
    for target in (f"oci:{tmp_path}/again:x", f"dir:{tmp_path}/dir", f"docker-archive:{tmp_path}/x.tar:a:1"):
        succeed(pyskopeo_here("copy", f"oci:{layout}:empty", target))
    assert json.loads(succeed(pyskopeo_here("inspect", f"oci:{tmp_path}/again:x")).stdout)["Layers"] == []
    assert tree(tmp_path / "again" / "blobs") == tree(layout / "blobs")
    # Into a layout that umoci began, beside what is there.
    image = IMAGES["oci"]
    succeed(pyskopeo_here("copy", f"dir:{write_dir(image, tmp_path / 'source')}", f"oci:{layout}:ours"))
    assert sorted(umoci("ls", "--layout", layout).split()) == ["empty", "ours"]


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout of a list with a name for each of its images."""
    folder = tmp_path_factory.mktemp("several")
    offered = (PlatformSpec("amd64"), PlatformSpec("arm64", variant="v8"))
    images = tuple(ImageSpec(layers=(*LAYERS[:2], LayerSpec(p.architecture)), platform=p) for p in offered)
    source = write_dir(build(IndexSpec(images, attestations=True)), folder / "source")
    flags = ("--all", "--tag-platforms", "--dest-layout-profile=umoci")
    succeed(pyskopeo_here("copy", *flags, f"dir:{source}", f"oci:{folder}/layout:v1"))
    return folder / "layout"


class TestListsByPlatform:
    NAMES = ("v1-linux-amd64", "v1-linux-arm64-v8")

    def test_each_image_has_a_name_that_umoci_opens(self, several: Path, tmp_path: Path) -> None:
        assert sorted(umoci("ls", "--layout", several).split()) == ["v1", *self.NAMES]
        for name in self.NAMES:
            umoci("stat", "--image", f"{several}:{name}")
            umoci("unpack", "--rootless", "--image", f"{several}:{name}", tmp_path / name)
            assert (tmp_path / name / "rootfs/data" / name.split("-")[2]).exists()
        succeed(pyskopeo_here("layout", "verify", "--profile=umoci", f"oci:{several}"))

    def test_the_list_itself_is_what_umoci_refuses(self, several: Path) -> None:
        """Otherwise no further names would be needed."""
        program = require_peer("umoci")
        done = subprocess.run([program, "stat", "--image", f"{several}:v1"], capture_output=True, timeout=60, check=False)
        assert done.returncode != 0
        assert b"ambiguous" in done.stderr

    def test_nothing_of_it_is_garbage(self, several: Path) -> None:
        before = tree(several / "blobs")
        umoci("gc", "--layout", several)
        assert tree(several / "blobs") == before

    def test_what_it_changed_is_joined_again(self, several: Path, tmp_path: Path) -> None:
        shutil.copytree(several, tmp_path / "layout")
        layout = tmp_path / "layout"
        umoci("config", "--image", f"{layout}:{self.NAMES[0]}", "--config.label", "made.by=umoci")
        succeed(pyskopeo_here("index", "create", "-q", f"oci:{layout}:v2", *(f"oci:{layout}:{name}" for name in self.NAMES)))
        shown = json.loads(succeed(pyskopeo_here("inspect", "--platforms", f"oci:{layout}:v2")).stdout)
        assert [one["Platform"] for one in shown["Platforms"]] == ["linux/amd64", "linux/arm64/v8"]
        facts = json.loads(succeed(pyskopeo_here("inspect", "--platform=linux/amd64", f"oci:{layout}:v2")).stdout)
        assert facts["Labels"]["made.by"] == "umoci"


@pytest.mark.parametrize("fault", ["ambiguous", "docker", "no-name", "sha512"])
def test_what_the_profile_finds_umoci_refuses(fault: str, tmp_path: Path) -> None:
    """And what it does not find, umoci takes: see above."""
    kinds = {"ambiguous": build("oci-index"), "docker": IMAGES["docker"], "sha512": build("oci-sha512"), "no-name": IMAGES["oci"]}
    layout = write_layout(kinds[fault], tmp_path / "layout", tag=None if fault == "no-name" else "v1")
    done = pyskopeo_here("layout", "verify", "--json", "--profile=umoci", f"oci:{layout}")
    assert {one["kind"] for one in json.loads(done.stdout)["faults"]} == {"profile"}
    command = [require_peer("umoci"), "unpack", "--rootless", "--image", f"{layout}:v1", str(tmp_path / "bundle")]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode != 0
