"""A list becomes one layout for each platform: complete, alone, linked, and told."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo.api.layout_split import split_layout
from pyskopeo.errors import ContentMismatch, DestinationRefused, InvalidInput, NotFound, PathNotFound, Unsupported
from pyskopeo.model.layout_split import LayoutSplit
from tests.support.caches import build_cache
from tests.support.images import ArtifactSpec, BuiltImage, ImageSpec, IndexSpec, LayerSpec, build
from tests.support.outputs import blob_path, write_layout
from tests.support.specs import PLATFORMS, PlatformSpec, platforms
from tests.support.trees import leftovers, tree

pytestmark = pytest.mark.anyio
ATTESTED = build("oci-index-attested")
PATHS = [
    "linux-amd64", "linux-arm-v6", "linux-arm-v7", "linux-arm64-v8", "linux-s390x", "windows-amd64-10.0.20348.2113",
]  # fmt: skip
REF_NAME = "org.opencontainers.image.ref.name"
WITHOUT_CACHE = pyskopeo.Access.from_environ({})


async def split(source: Path, target: Path, name: str = "", **options: Any) -> LayoutSplit:
    return await split_layout(f"oci:{source}{name}", f"oci:{target}", access=WITHOUT_CACHE, **options)


def entries(layout: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((layout / "index.json").read_bytes())["manifests"]
    return found


def blobs(layout: Path) -> set[str]:
    return {f"{path.parent.name}:{path.name}" for path in (layout / "blobs").glob("*/*")}


def everything_of(image: BuiltImage, digest: str) -> set[str]:
    return {digest, image.config_digest(digest), *image.layer_digests(digest)}


def images(image: BuiltImage) -> Sequence[str]:
    found = json.loads(image.root.raw)["manifests"]
    return [entry["digest"] for entry in found if entry["platform"]["os"] != "unknown"]


async def test_each_image_is_alone_and_complete(tmp_path: Path) -> None:
    write_layout(ATTESTED, tmp_path / "whole", tag="app:1")
    await split(tmp_path / "whole", tmp_path / "by", ":app:1")
    assert sorted(os.listdir(tmp_path / "by")) == sorted([*PATHS, "artifacts", "platforms.json"])
    for path, digest, spec in zip(PATHS, images(ATTESTED), PLATFORMS, strict=True):
        layout = tmp_path / "by" / path
        (entry,) = entries(layout)
        assert entry["digest"] == digest
        assert entry["platform"] == spec.as_json()
        assert entry["annotations"] == {REF_NAME: "app:1"}
        assert blobs(layout) == everything_of(ATTESTED, digest)
        assert (await pyskopeo.verify(f"oci:{layout}", deep=True)).ok
    assert not leftovers(tmp_path)


async def test_blobs_are_hard_links(tmp_path: Path) -> None:
    write_layout(ATTESTED, tmp_path / "whole")
    await split(tmp_path / "whole", tmp_path / "by")
    for file in (tmp_path / "by").glob("*/blobs/sha256/*"):
        whole = tmp_path / "whole/blobs/sha256" / file.name
        is_manifest = f"sha256:{file.name}" in ATTESTED.manifests
        assert is_manifest or file.stat().st_ino == whole.stat().st_ino


async def test_where_there_are_no_hard_links_they_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    write_layout(ATTESTED, tmp_path / "whole")
    monkeypatch.setattr(os, "link", refuse)
    await split(tmp_path / "whole", tmp_path / "by")
    for path, digest in zip(PATHS, images(ATTESTED), strict=True):
        assert blobs(tmp_path / "by" / path) == everything_of(ATTESTED, digest)
        assert (await pyskopeo.verify(f"oci:{tmp_path / 'by' / path}")).ok


async def test_what_is_no_image_is_beside_them_and_told(tmp_path: Path) -> None:
    """An attestation names its image; an SBOM that is an entry of the list is there, too."""
    image = build(IndexSpec((ImageSpec(platform=PlatformSpec("arm64")), ArtifactSpec()), attestations=True))
    document = json.loads(image.root.raw)
    picture, sbom, attestation = document["manifests"]
    write_layout(image, tmp_path / "whole")
    done = await split(tmp_path / "whole", tmp_path / "by")
    assert entries(tmp_path / "by/artifacts") == [sbom, attestation]
    assert blobs(tmp_path / "by/artifacts") == {
        digest for entry in (sbom, attestation) for digest in everything_of(image, entry["digest"])
    }
    assert (await pyskopeo.verify(f"oci:{tmp_path}/by/artifacts")).ok
    told = json.loads((tmp_path / "by/platforms.json").read_bytes())
    assert told == done.to_json()
    assert told["source"] == {
        "mediaType": image.root.media_type, "digest": image.digest, "size": len(image.root.raw),
    }  # fmt: skip
    (one,) = told["images"]
    assert (one["path"], one["platform"], one["source"]) == ("linux-arm64", picture["platform"], picture["digest"])
    assert one["manifest"] == picture
    assert [(a["path"], a["manifest"], a["about"]) for a in told["artifacts"]] == [
        ("artifacts", sbom, None), ("artifacts", attestation, "linux-arm64"),
    ]  # fmt: skip
    assert told["absent"] == []


async def test_into_the_directory_of_the_list(tmp_path: Path) -> None:
    write_layout(ATTESTED, tmp_path / "whole")
    await split(tmp_path / "whole", tmp_path / "whole", names="bashbrew")
    assert {"amd64", "arm32v6", "arm32v7", "arm64v8", "s390x"} < set(os.listdir(tmp_path / "whole"))
    assert (await pyskopeo.verify(f"oci:{tmp_path}/whole")).ok
    assert (await pyskopeo.verify(f"oci:{tmp_path}/whole/arm32v7")).ok


async def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    write_layout(ATTESTED, tmp_path / "whole")
    for target in ("a", "b", "b"):
        await split(tmp_path / "whole", tmp_path / target)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


async def test_a_newer_list_replaces_an_older_one(tmp_path: Path) -> None:
    """Nothing of the older images is left in the layouts."""
    older, newer = (
        build(IndexSpec((ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec(name))),), attestations=True))
        for name in ("older", "newer")
    )
    for image in (older, newer):
        write_layout(image, tmp_path / "whole", tag="app")
        await split(tmp_path / "whole", tmp_path / "by")
    (digest, attestation) = (entry["digest"] for entry in json.loads(newer.root.raw)["manifests"])
    assert [entry["digest"] for entry in entries(tmp_path / "by/linux-amd64")] == [digest]
    assert blobs(tmp_path / "by/linux-amd64") == everything_of(newer, digest)
    assert blobs(tmp_path / "by/artifacts") == everything_of(newer, attestation)


async def test_images_that_are_missing_are_told(tmp_path: Path) -> None:
    write_layout(ATTESTED, tmp_path / "whole")
    gone = images(ATTESTED)[1]
    blob_path(tmp_path / "whole", gone).unlink()
    done = await split(tmp_path / "whole", tmp_path / "by")
    assert [str(entry.digest) for entry in done.absent] == [gone]
    assert PATHS[1] not in os.listdir(tmp_path / "by")
    for digest in images(ATTESTED):
        blob_path(tmp_path / "whole", digest).unlink(missing_ok=True)
    with pytest.raises(Unsupported, match="no image of this list is here"):
        await split(tmp_path / "whole", tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("kind", ["nested-index", "docker-list", "oci"])
async def test_other_kinds(kind: str, tmp_path: Path) -> None:
    """Lists in lists; images of Docker's type, which become OCI's; an image alone."""
    image = build(kind)
    write_layout(image, tmp_path / "whole")
    done = await split(tmp_path / "whole", tmp_path / "by")
    assert [one.path for one in done.images] == {"nested-index": PATHS[:4], "docker-list": PATHS, "oci": PATHS[:1]}[kind]
    for one in done.images:
        (entry,) = entries(tmp_path / "by" / one.path)
        assert entry["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
        assert (entry["digest"] == str(one.source)) is (kind != "docker-list")
        assert str(one.descriptor.digest) == entry["digest"]


async def test_blobs_of_a_shared_directory(tmp_path: Path) -> None:
    write_layout(ATTESTED, tmp_path / "whole")
    (tmp_path / "whole/blobs").rename(tmp_path / "shared")
    (tmp_path / "whole/blobs").mkdir()
    storage = replace(WITHOUT_CACHE.storage, shared_blobs=tmp_path / "shared")
    access = replace(WITHOUT_CACHE, storage=storage)
    await split_layout(f"oci:{tmp_path}/whole", f"oci:{tmp_path}/by", access=access)
    assert blobs(tmp_path / "by" / PATHS[0]) == everything_of(ATTESTED, images(ATTESTED)[0])


async def test_what_is_damaged_is_not_linked(tmp_path: Path) -> None:
    write_layout(ATTESTED, tmp_path / "whole")
    layer = blob_path(tmp_path / "whole", ATTESTED.layer_digests(images(ATTESTED)[0])[0])
    layer.write_bytes(b"x" * layer.stat().st_size)
    with pytest.raises(ContentMismatch):
        await split(tmp_path / "whole", tmp_path / "by")
    assert not (tmp_path / "by" / PATHS[0] / "index.json").exists()
    assert not (tmp_path / "by/platforms.json").exists()


async def test_what_is_in_the_way_stays(tmp_path: Path) -> None:
    write_layout(ATTESTED, tmp_path / "whole")
    (tmp_path / "by" / PATHS[2]).mkdir(parents=True)
    (tmp_path / "by" / PATHS[2] / "mine").write_bytes(b"x")
    with pytest.raises(DestinationRefused, match="is there, and is no layout"):
        await split(tmp_path / "whole", tmp_path / "by")
    assert os.listdir(tmp_path / "by") == [PATHS[2]]
    for tag in ("a", "b"):
        write_layout(build("oci"), tmp_path / "other" / PATHS[0], tag=tag)
    with pytest.raises(DestinationRefused, match="is a layout of 2 images"):
        await split(tmp_path / "whole", tmp_path / "other")


@pytest.mark.parametrize(
    ("source", "name", "error"),
    [("nothing", "", PathNotFound), ("whole", ":other", NotFound), ("cache", "", Unsupported), ("artifact", "", Unsupported)],
)
async def test_what_cannot_be_split(source: str, name: str, error: type[Exception], tmp_path: Path) -> None:
    write_layout(ATTESTED, tmp_path / "whole", tag="app")
    write_layout(build_cache(), tmp_path / "cache")
    write_layout(build("artifact"), tmp_path / "artifact")
    with pytest.raises(error):
        await split(tmp_path / source, tmp_path / "by", name)
    assert not (tmp_path / "by").exists()


async def test_styles_of_names(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="want os-arch or bashbrew"):
        await split(tmp_path, tmp_path, names="go")


async def test_names_from_a_hostile_list_lead_nowhere_else(tmp_path: Path) -> None:
    offered = (PlatformSpec("..", os="../../etc"), PlatformSpec("", os="blobs"), PlatformSpec("b", os="a"))
    image = build(platforms("oci", offered=offered[:1]))
    write_layout(image, tmp_path / "whole")
    done = await split(tmp_path / "whole", tmp_path / "by")
    assert [one.path for one in done.images] == ["etc"]
    write_layout(build(platforms("oci", offered=offered[1:])), tmp_path / "blobs")
    with pytest.raises(DestinationRefused):
        await split(tmp_path / "blobs", tmp_path / "blobs")
