"""What Debian 12's skopeo 1.9 shows: files that older scripts made and hashed are still the same, and are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import older_skopeo
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.trees import tree

pytestmark = pytest.mark.peer("skopeo-1.9")

KINDS = ["docker", "oci", "docker-repeated", "docker-odd-text", "oci-no-layers"]
LISTS = ["docker-list", "oci-index-attested", "oci-index"]
TRANSPORTS = ["dir:{}/x", "oci:{}/x:v1", "oci-archive:{}/x.tar:v1", "docker-archive:{}/x:a:1"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_has_the_same_bytes(kind: str, tmp_path: Path) -> None:
    """Hashes of archives are recorded, as by Nix's ``pullImage``."""
    source = write_dir(build(kind), tmp_path / "source")
    for name, program in (("theirs", older_skopeo), ("ours", pyskopeo_here)):
        succeed(program("copy", f"dir:{source}", f"docker-archive:{tmp_path}/{name}.tar:lib/multi:latest"))
    assert (tmp_path / "ours.tar").read_bytes() == (tmp_path / "theirs.tar").read_bytes()


@pytest.mark.parametrize("kind", LISTS)
def test_a_directory_has_the_same_files(kind: str, tmp_path: Path) -> None:
    source = write_dir(build(kind), tmp_path / "source")
    for name, program in (("theirs", older_skopeo), ("ours", pyskopeo_here)):
        succeed(program("copy", "--all", f"dir:{source}", f"dir:{tmp_path}/{name}"))
    assert tree(tmp_path / "ours") == tree(tmp_path / "theirs")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", KINDS[:3])
def test_each_reads_what_the_other_wrote(kind: str, transport: str, tmp_path: Path) -> None:
    source = write_dir(build(kind), tmp_path / "source")
    read = []
    for label, writer in (("theirs", older_skopeo), ("ours", pyskopeo_here)):
        made = transport.format(tmp_path / label)
        (tmp_path / label).mkdir()
        succeed(writer("copy", f"dir:{source}", made))
        for name, reader in (("by-them", older_skopeo), ("by-us", pyskopeo_here)):
            succeed(reader("copy", made, f"dir:{tmp_path}/{label}-{name}"))
            read.append(tree(tmp_path / f"{label}-{name}"))
    assert read[0] == read[1]
    assert read[2] == read[3]


def test_the_index_of_a_layout_had_no_media_type(tmp_path: Path) -> None:
    """It gets one, and keeps what was in it, when an image is added."""
    source = write_dir(build("oci"), tmp_path / "source")
    succeed(older_skopeo("copy", f"dir:{source}", f"oci:{tmp_path}/layout:old"))
    before = json.loads((tmp_path / "layout/index.json").read_bytes())
    assert "mediaType" not in before
    succeed(pyskopeo_here("copy", f"dir:{source}", f"oci:{tmp_path}/layout:new"))
    after = json.loads((tmp_path / "layout/index.json").read_bytes())
    assert after["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert before["manifests"][0] in after["manifests"]
    succeed(older_skopeo("copy", f"oci:{tmp_path}/layout:new", f"dir:{tmp_path}/read"))
