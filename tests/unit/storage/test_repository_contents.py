"""What belongs to a repository, by its manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.errors import TooLarge
from pyskopeo.model.digest import Digest
from pyskopeo.storage import repository_contents
from pyskopeo.storage.oci_layout import DirectoryFiles
from pyskopeo.storage.repository_contents import RepositoryContents
from tests.support.images import BuiltImage, build
from tests.support.outputs import blob_path, write_layout
from tests.support.referring import SBOM, referring

INDEX = build("oci-index")


def read(layout: Path, *images: BuiltImage) -> RepositoryContents:
    roots = [(Digest.parse(image.digest), "") for image in images]
    return RepositoryContents.read(DirectoryFiles(layout), roots)


def test_all_that_an_index_leads_to(tmp_path: Path) -> None:
    layout = write_layout(INDEX, tmp_path / "layout")
    found = read(layout, INDEX)
    assert {str(digest) for digest in found.manifests} == {INDEX.digest, *INDEX.manifests}
    assert {str(digest) for digest in found.blobs} == set(INDEX.blobs)
    assert all(Digest.parse(digest) in found for digest in (INDEX.digest, *INDEX.manifests, *INDEX.blobs))
    assert Digest("sha256", "0" * 64) not in found


def test_what_is_missing_or_damaged_leads_nowhere(tmp_path: Path) -> None:
    layout = write_layout(INDEX, tmp_path / "layout")
    one, two = list(INDEX.manifests)[:2]
    blob_path(layout, one).unlink()
    blob_path(layout, two).write_bytes(b"{}")
    found = read(layout, INDEX)
    assert {str(digest) for digest in found.manifests} == {INDEX.digest, *INDEX.manifests} - {one, two}
    assert Digest.parse(one) in found


def test_referrers_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = build("oci")
    bom = referring(image, note="x" * 1000)
    for one in (image, bom):
        write_layout(one, tmp_path, tag=None)
    (listed,) = read(tmp_path, image, bom).referrers[Digest.parse(image.digest)].values()
    assert (listed.artifact_type, listed.annotations["note"], str(listed.digest)) == (SBOM, "x" * 1000, bom.digest)
    monkeypatch.setattr(repository_contents, "_MAX_REFERRERS", 1000)
    with pytest.raises(TooLarge, match="annotations"):
        read(tmp_path, image, bom)
    monkeypatch.setattr(repository_contents, "_MAX_CONTENT", 2)
    with pytest.raises(TooLarge, match="more than 2"):
        read(tmp_path, image)
