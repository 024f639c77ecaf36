"""Debian sid's umoci, which is newer than the installed one: it opens what we write for it, and refuses the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.outputs import write_dir, write_layout
from tests.support.sid_root import SidRoot
from tests.support.trees import tree

pytestmark = pytest.mark.peer("sid-umoci")

OFFERED = (PlatformSpec("amd64"), PlatformSpec("arm64", variant="v8"))
NAMES = ("v1-linux-amd64", "v1-linux-arm64-v8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where layouts are, with one of a list: ``several``."""
    found = tmp_path_factory.mktemp("umoci")
    layers = [(LayerSpec("base", base=True), LayerSpec(one.architecture, compression="zstd")) for one in OFFERED]
    images = tuple(ImageSpec(layers=both, platform=one) for both, one in zip(layers, OFFERED, strict=True))
    source = write_dir(build(IndexSpec(images, attestations=True)), found / "source")
    succeed(pyskopeo_here("copy", "--all", "--tag-platforms", f"dir:{source}", f"oci:{found}/several:v1"))
    return found


@pytest.fixture(scope="module")
def sid(folder: Path) -> Iterator[SidRoot]:
    with SidRoot({folder: folder}) as running:
        yield running


def umoci(sid: SidRoot, *words: object) -> subprocess.CompletedProcess[str]:
    return sid.run(["umoci", *map(str, words)])


def test_each_image_of_a_list_has_a_name_that_it_opens(sid: SidRoot, folder: Path) -> None:
    """Also with layers of zstd, which older ones do not read."""
    listed = umoci(sid, "ls", "--layout", folder / "several")
    assert sorted(listed.stdout.split()) == ["v1", *NAMES], listed.stderr
    for name, one in zip(NAMES, OFFERED, strict=True):
        for words in (("stat",), ("unpack", "--rootless")):
            target = [folder / f"bundle-{name}"] if words[0] == "unpack" else []
            done = umoci(sid, *words, "--image", f"{folder}/several:{name}", *target)
            assert done.returncode == 0, done.stderr
        assert (folder / f"bundle-{name}/rootfs/data" / one.architecture).exists()
    succeed(pyskopeo_here("layout", "verify", "--profile=umoci", f"oci:{folder}/several"))


def test_nothing_of_it_is_garbage(sid: SidRoot, folder: Path) -> None:
    before = tree(folder / "several/blobs")
    done = umoci(sid, "gc", "--layout", folder / "several")
    assert done.returncode == 0, done.stderr
    assert tree(folder / "several/blobs") == before


@pytest.mark.parametrize("kind", ["docker", "oci", "oci-uncompressed"])
def test_what_is_written_for_it(kind: str, sid: SidRoot, folder: Path) -> None:
    source = write_dir(build(kind), folder / f"source-{kind}")
    layout = folder / f"layout-{kind}"
    succeed(pyskopeo_here("copy", "-q", "--dest-layout-profile=umoci", f"dir:{source}", f"oci:{layout}:v1"))
    done = umoci(sid, "unpack", "--rootless", "--image", f"{layout}:v1", folder / f"bundle-{kind}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("fault", "kind"), [("ambiguous", "oci-index"), ("docker", "docker"), ("no-name", "oci"), ("sha512", "oci-sha512")])
def test_what_the_profile_finds_it_refuses(fault: str, kind: str, sid: SidRoot, folder: Path) -> None:
    layout = write_layout(build(kind), folder / fault, tag=None if fault == "no-name" else "v1")
    done = pyskopeo_here("layout", "verify", "--json", "--profile=umoci", f"oci:{layout}")
    assert {one["kind"] for one in json.loads(done.stdout)["faults"]} == {"profile"}
    assert umoci(sid, "unpack", "--rootless", "--image", f"{layout}:v1", folder / f"bundle-{fault}").returncode != 0
