"""A list made of images from several sources, as one source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.engine.joined_images import JoinedImages, join_images
from pyskopeo.errors import InvalidInput, Unsupported
from tests.support.caches import build_cache
from tests.support.images import ArtifactSpec, BuiltImage, ImageSpec, PlatformSpec, build
from tests.support.outputs import write_dir

pytestmark = pytest.mark.anyio


async def joined(folder: Path, *images: BuiltImage, annotations: dict[str, str] | None = None) -> JoinedImages:
    """The list of images that are read from directories."""
    sources = []
    for number, image in enumerate(images):
        async with pyskopeo.open_source(f"dir:{write_dir(image, folder / str(number))}") as source:
            sources.append((f"image-{number}", source))
    return await join_images(sources, annotations)


async def test_what_it_is_made_of_is_read_from_where_it_is(tmp_path: Path) -> None:
    one, two = build(ImageSpec(platform=PlatformSpec("arm64"))), build("oci-index-attested")
    source = await joined(tmp_path, one, two)
    root = await source.manifest()
    assert [str(e.digest) for e in root.manifests] == [one.digest, *(e["digest"] for e in json.loads(two.root.raw)["manifests"])]
    for entry in root.manifests:
        manifest = await source.manifest(entry)
        assert manifest.digest == entry.digest
        for blob in manifest.blobs:
            content = await source.blob(blob).read(10_000_000)
            assert content in (one.blobs.get(str(blob.digest)), two.blobs.get(str(blob.digest)))
        assert not await source.signatures(entry)
    assert not await source.signatures()
    assert not await source.is_stored(root.manifests[0])


async def test_an_artifact_says_what_it_is(tmp_path: Path) -> None:
    root = await (await joined(tmp_path, build(ArtifactSpec()))).manifest()
    (entry,) = root.document["manifests"]
    assert entry["artifactType"] == ArtifactSpec().artifact_type
    assert "platform" not in entry


async def test_annotations_make_it_an_index_of_oci(tmp_path: Path) -> None:
    docker = build("docker")
    plain = await (await joined(tmp_path / "a", docker)).manifest()
    annotated = await (await joined(tmp_path / "b", docker, annotations={"b": "2", "a": "1"})).manifest()
    assert plain.media_type == "application/vnd.docker.distribution.manifest.list.v2+json"
    assert annotated.media_type == "application/vnd.oci.image.index.v1+json"
    assert list(annotated.annotations) == ["a", "b"]


async def test_versions_of_a_system_are_different_platforms(tmp_path: Path) -> None:
    images = [build(ImageSpec(platform=PlatformSpec("amd64", "windows", os_version=version))) for version in ("10.0.1", "10.0.2")]
    root = await (await joined(tmp_path, *images)).manifest()
    assert [entry.platform.os_version for entry in root.manifests if entry.platform] == ["10.0.1", "10.0.2"]
    other = build(ImageSpec(platform=PlatformSpec("amd64", "windows", os_version="10.0.1"), env=("A=b",)))
    with pytest.raises(InvalidInput, match=r"two images are for windows/amd64 10\.0\.1: sha256:\w+ of image-0, and"):
        await joined(tmp_path / "other", images[0], other)


async def test_a_list_of_blobs_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="image-0 is a list of blobs, as of a build cache, which no list"):
        await joined(tmp_path, build_cache())
