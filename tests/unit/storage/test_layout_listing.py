"""The entries of a layout are listed with what they need, also where something is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyskopeo.errors import InvalidContent, PathNotFound
from pyskopeo.model.verification import LayoutEntry
from pyskopeo.storage.layout_listing import list_entries
from pyskopeo.storage.oci_layout import DirectoryFiles
from tests.support.images import build
from tests.support.outputs import blob_path, write_layout


def listed(layout: Path) -> list[LayoutEntry]:
    return list_entries(DirectoryFiles(layout), str(layout))


def size_of(kind: str) -> int:
    image = build(kind)
    return sum(map(len, image.blobs.values())) + sum(len(manifest.raw) for manifest in image.manifests.values())


def test_images_lists_and_artifacts(tmp_path: Path) -> None:
    for kind in ("oci", "oci-index-attested", "nested-index", "artifact"):
        write_layout(build(kind), tmp_path / "a", tag=kind)
    write_layout(build("docker"), tmp_path / "a", tag=None)
    found = {entry.name: entry for entry in listed(tmp_path / "a")}
    assert list(found) == ["oci", "oci-index-attested", "nested-index", "artifact", ""]
    assert found["oci"].platforms == found[""].platforms == ("linux/amd64",)
    assert found["oci-index-attested"].platforms == (
        "linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8", "linux/s390x", "windows/amd64",
    )  # fmt: skip
    assert len(found["nested-index"].platforms) == 4
    assert (found["artifact"].platforms, found["artifact"].artifact_type) == ((), "application/vnd.example.sbom.v1+json")
    for kind in ("oci", "oci-index-attested", "nested-index", "artifact"):
        assert found[kind].size == size_of(kind)
        assert str(found[kind].digest) == build(kind).digest
        assert found[kind].problem == ""
    assert [entry.position for entry in found.values()] == [0, 1, 2, 3, 4]


def test_what_is_missing_or_broken_is_a_problem_of_its_entry(tmp_path: Path) -> None:
    for kind in ("oci", "oci-index"):
        write_layout(build(kind), tmp_path / "a", tag=kind)
    blob_path(tmp_path / "a", build("oci").config_digest()).unlink()
    blob_path(tmp_path / "a", build("oci-index").child(2).digest).write_bytes(b"{}")
    one, two = listed(tmp_path / "a")
    assert (one.size, one.platforms) == (None, ())
    assert "no such file or directory" in one.problem
    assert (two.size, len(two.platforms)) == (None, 6)
    assert "digest mismatch" in two.problem


def test_without_a_layout_or_a_valid_index(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound, match=r"index\.json: no such file"):
        listed(tmp_path)
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(InvalidContent):
        listed(tmp_path)


def test_the_json_of_an_entry(tmp_path: Path) -> None:
    write_layout(build("oci"), tmp_path / "a", tag="v1")
    (entry,) = (one.to_json() for one in listed(tmp_path / "a"))
    assert json.loads(json.dumps(entry)) == entry == {
        "name": "v1", "position": 0, "digest": build("oci").digest, "artifactType": "", "platforms": ["linux/amd64"],
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": size_of("oci"), "problem": "",
    }  # fmt: skip
