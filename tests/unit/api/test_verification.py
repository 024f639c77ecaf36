"""`verify` by image name, as a library."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo import FaultKind
from tests.support.access import access_for
from tests.support.images import BuiltImage, build, digest_of
from tests.support.outputs import blob_path, write_dir, write_layout, write_layout_archive

pytestmark = pytest.mark.anyio
LIST = build("oci-index")


def child(architecture: str) -> str:
    entries: Any = LIST.root.json["manifests"]
    return next(str(entry["digest"]) for entry in entries if entry["platform"]["architecture"] == architecture)


def blobs_of(image: BuiltImage, manifest: str) -> set[str]:
    return {image.config_digest(manifest), *image.layer_digests(manifest)}


async def test_names_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(pyskopeo.InvalidName):
        await pyskopeo.verify("nothing")
    for name in (f"oci:{tmp_path}/none", f"oci-archive:{tmp_path}/none", f"dir:{tmp_path}/none", f"docker-archive:{tmp_path}/none"):
        with pytest.raises(pyskopeo.PathNotFound, match="no such file"):
            await pyskopeo.verify(name)


@pytest.mark.parametrize("transport", ["oci", "oci-archive", "dir"])
async def test_one_platform_of_a_list(transport: str, tmp_path: Path) -> None:
    write_layout_archive(LIST, tmp_path / "a.tar")
    write_dir(LIST, tmp_path / "files")
    place = {"oci": "a.tar.layout", "oci-archive": "a.tar", "dir": "files"}[transport]
    access = access_for(tmp_path)
    name = f"{transport}:{tmp_path / place}"
    whole = await pyskopeo.verify(name, access=access)
    assert (whole.ok, whole.images, whole.blobs) == (True, 6, len(LIST.blobs))
    one = await pyskopeo.verify(name, platform=pyskopeo.Platform("linux", "s390x"), deep=True, access=access)
    assert (one.ok, one.images, one.blobs, one.deep) == (True, 1, len(blobs_of(LIST, child("s390x"))), True)
    with pytest.raises(pyskopeo.NoMatchingPlatform):
        await pyskopeo.verify(name, platform=pyskopeo.Platform("linux", "vax"), access=access)


async def test_a_layer_that_is_stored_elsewhere_is_not_fetched(tmp_path: Path) -> None:
    """The access reaches nothing: a request would be an error."""
    layout = write_layout(build("oci"), tmp_path / "a")
    document: Any = build("oci").root.json
    document["layers"][1] |= {"digest": digest_of(b"elsewhere"), "size": 9, "urls": ["http://127.0.0.1:1/layer"]}
    raw = json.dumps(document).encode()
    blob_path(layout, digest_of(raw)).write_bytes(raw)
    index: Any = json.loads((layout / "index.json").read_bytes())
    index["manifests"][0] |= {"digest": digest_of(raw), "size": len(raw)}
    (layout / "index.json").write_text(json.dumps(index))
    for platform in (None, pyskopeo.Platform("linux", "amd64")):
        report = await pyskopeo.verify(f"oci:{layout}", platform=platform, access=access_for(tmp_path))
        assert report.ok
        assert list(map(str, report.external)) == [digest_of(b"elsewhere")]


async def test_the_directory_of_shared_blobs(tmp_path: Path) -> None:
    layout = write_layout(build("oci"), tmp_path / "a")
    (layout / "blobs").rename(tmp_path / "shared")
    access = access_for(tmp_path)
    access = replace(access, storage=replace(access.storage, shared_blobs=tmp_path / "shared"))
    for platform in (None, pyskopeo.Platform("linux", "amd64")):
        assert (await pyskopeo.verify(f"oci:{layout}", platform=platform, access=access)).ok


async def test_what_is_decompressed_has_a_limit(tmp_path: Path) -> None:
    layout = write_layout(build("oci"), tmp_path / "a")
    report = await pyskopeo.verify(f"oci:{layout}", deep=True, max_inflated=100, access=access_for(tmp_path))
    assert {fault.kind for fault in report.faults} == {FaultKind.INVALID}


@pytest.mark.parametrize("kind", ["docker-repeated", "docker-uncompressed"])
async def test_a_docker_archive(kind: str, tmp_path: Path) -> None:
    write_dir(build(kind), tmp_path / "files")
    access = access_for(tmp_path)
    await pyskopeo.copy(f"dir:{tmp_path}/files", f"docker-archive:{tmp_path}/a.tar:a/b:c", source_access=access, destination_access=access)
    for name in (f"docker-archive:{tmp_path}/a.tar", f"docker-archive:{tmp_path}/a.tar:a/b:c"):
        report = await pyskopeo.verify(name, deep=True, access=access)
        assert (report.ok, report.images) == (True, 1)
