"""Pushes that compress or decompress layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo.errors import InvalidContent
from pyskopeo.model.events import BlobProgress, CopyFinished
from tests.scenario.push.images import LARGE_IMAGE
from tests.support import upload_faults as u
from tests.support.access import access_for
from tests.support.images import ArtifactSpec, BuiltImage, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.layers import custom, expanded, layer_of
from tests.support.publishing import ZSTD, Converting, Push
from tests.support.rootfs import compress
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio


# --- cancelled while layers are compressed ---


async def test_what_is_compressed_twice_counts_once(registry: Simulator, tmp_path: Path) -> None:
    """After a cut it starts anew; it is not further than it is large."""
    push = Converting(registry, LARGE_IMAGE, tmp_path)
    registry.on_upload("PATCH", u.CutUpload(2_000_000), times=2)
    await push.convert()
    assert len(push.retries) == 2
    size = len(LARGE_IMAGE.blobs[LARGE_IMAGE.layer_digests()[0]])
    (finished,) = [e for e in push.events if isinstance(e, CopyFinished)]
    assert max((e.done for e in push.events if isinstance(e, BlobProgress)), default=0) <= size
    assert finished.moved <= size + 10_000


SHARED = LayerSpec("shared", size=50_000, compressible=True)
AS_IMAGE, IN_DOCKER = ImageSpec("oci", (SHARED,)), ImageSpec("docker", (SHARED,), PlatformSpec("arm64"))
GZIPPED_TAR = "application/vnd.oci.image.layer.v1.tar+gzip"


def tar_in_an_artifact() -> ArtifactSpec:
    """What an image has as a layer."""
    image = build(AS_IMAGE)
    return ArtifactSpec(layer_type=GZIPPED_TAR, content=image.blobs[layer_of(image)])


# --- layers that several manifests share ---


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("form", [ZSTD, pyskopeo.Form(decompress=True)], ids=["zstd", "plain"])
async def test_a_layer_that_an_artifact_has_too(
    form: pyskopeo.Form, order: int, registry: Simulator, tmp_path: Path
) -> None:
    """The artifact stays what it is, and the image gets its layer in another form."""
    image = build(IndexSpec((AS_IMAGE, tar_in_an_artifact())[::order]))
    push = Converting(registry, image, tmp_path)
    root = await push.convert(form)
    artifact, changed = ((1, 0) if order == 1 else (0, 1))
    assert root["manifests"][artifact]["digest"] == image.child(artifact).digest
    there: Any = registry.store.manifests("test/image")[root["manifests"][changed]["digest"]].json
    (layer,) = there["layers"]
    assert layer["digest"] != layer_of(image, image.child(changed).digest)
    assert layer["mediaType"] == GZIPPED_TAR.replace("+gzip", "+zstd" if form is ZSTD else "")


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("form", [pyskopeo.Form(decompress=True), pyskopeo.Form("v2s2", decompress=True), ZSTD])
async def test_a_layer_of_an_oci_image_and_of_a_docker_image(
    form: pyskopeo.Form, order: int, registry: Simulator, tmp_path: Path
) -> None:
    """Made anew once; each manifest calls it by its own types."""
    image = build(IndexSpec((AS_IMAGE, IN_DOCKER)[::order]))
    push = Converting(registry, image, tmp_path)
    root = await push.convert(form)
    layers = set()
    for entry in root["manifests"]:
        manifest = registry.store.manifests("test/image")[entry["digest"]]
        family = manifest.media_type.partition("distribution")[0].partition("image")[0]
        parsed: Any = manifest.json
        (layer,) = parsed["layers"]
        assert layer["mediaType"].startswith(family), (manifest.media_type, layer)
        layers.add(layer["digest"])
    assert len(layers) == 1


def kinds_of_layers() -> dict[str, BuiltImage]:
    large = LayerSpec("large", size=1_500_000, compressible=True)
    return {
        "sha512": build(ImageSpec(layers=(large, LayerSpec("small")), algorithm="sha512")),
        "repeated": build("oci-repeated"),
        "none": build(ImageSpec(layers=())),
        "zstd": build("oci-zstd"),
        "plain": build("oci-uncompressed"),
    }


# --- layers of every kind in another form ---


@pytest.mark.parametrize("kinds", ["sha512", "repeated", "none", "zstd", "plain"])
@pytest.mark.parametrize("form", [ZSTD, pyskopeo.Form(compression="gzip", compress=True), pyskopeo.Form(decompress=True)],
                         ids=["zstd", "gzip", "plain"])  # fmt: skip
async def test_the_tars_stay_what_they_are(
    form: pyskopeo.Form, kinds: str, registry: Simulator, tmp_path: Path
) -> None:
    image = kinds_of_layers()[kinds]
    push = Converting(registry, image, tmp_path)
    manifest = await push.convert(form)
    blobs = registry.blobs()
    wanted = [image.tars[digest] for digest in image.layer_digests()]
    assert [expanded(blobs[layer["digest"]]) for layer in manifest["layers"]] == wanted
    suffix = f"+{form.compression}" if form.compression else ""
    assert {layer["mediaType"] for layer in manifest["layers"]} <= {f"application/vnd.oci.image.layer.v1.tar{suffix}"}
    assert all(layer["size"] == len(blobs[layer["digest"]]) for layer in manifest["layers"])


@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize("form", [ZSTD, pyskopeo.Form(decompress=True), pyskopeo.Form(preserve_digests=True)],
                         ids=["zstd", "plain", "same"])  # fmt: skip
async def test_a_layer_of_nothing(
    form: pyskopeo.Form, precompute: bool, registry: Simulator, tmp_path: Path
) -> None:
    """Compressed nothing is something, decompressed it is a blob of no bytes."""
    layer = compress(b"", "gzip")
    access = replace(access_for(tmp_path), writing=pyskopeo.Writing(precompute_digests=precompute))
    push = Converting(registry, custom(layer, GZIPPED_TAR), tmp_path, access)
    manifest = await push.convert(form)
    (entry,) = manifest["layers"]
    there = registry.blobs()[entry["digest"]]
    assert expanded(there) == b""
    assert len(there) == entry["size"]
    assert (there == b"") == form.decompress


@pytest.mark.parametrize("data", [b"", b"\0"], ids=["nothing", "one-byte"])
async def test_a_plain_layer_of_next_to_nothing(data: bytes, registry: Simulator, tmp_path: Path) -> None:
    image = custom(data, "application/vnd.oci.image.layer.v1.tar")
    push = Push(registry, image, tmp_path)
    await push.run()
    push.check_there()


@pytest.mark.parametrize("form", [ZSTD, pyskopeo.Form(decompress=True)], ids=["zstd", "plain"])
async def test_a_layer_that_ends_too_soon(form: pyskopeo.Form, registry: Simulator, tmp_path: Path) -> None:
    """Its digest is right, its content is not: nothing is named, nothing is left, and that is what is said."""
    whole = compress(bytes(3_000_000), "gzip") + compress(LARGE_IMAGE.tars[layer_of(LARGE_IMAGE)], "gzip")
    push = Converting(registry, custom(whole[:-9], GZIPPED_TAR), tmp_path)
    with pytest.raises(InvalidContent, match="cut short"):
        await push.convert(form)
    push.check()
    assert push.names() == {}
    assert push.retries == []
