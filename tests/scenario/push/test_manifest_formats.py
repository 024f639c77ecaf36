"""Pushes to registries that do not take every type of manifest: which other is tried, and when none is."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.errors import RegistryError
from pyskopeo.model.events import Converted
from tests.scenario.push.images import LARGE_IMAGE
from tests.support import faults as f
from tests.support.images import build
from tests.support.layers import expanded, layer_of
from tests.support.publishing import ZSTD, Converting
from tests.support.simulator import Pushing, Simulator

pytestmark = pytest.mark.anyio

OCI_MANIFEST, OCI_INDEX = (f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))
DOCKER_MANIFEST, DOCKER_LIST = (f"application/vnd.docker.distribution.manifest.{kind}v2+json" for kind in ("", "list."))
AS_IT_IS = pyskopeo.Form()


def refusing(*kinds: str, status: int = 400, code: str = "MANIFEST_INVALID") -> Pushing:
    return Pushing(refused_types=frozenset(kinds), refused_as=(status, code))


@pytest.mark.parametrize(("status", "code"), [(400, "MANIFEST_INVALID"), (400, "TAG_INVALID"), (400, "UNSUPPORTED"),
                                          (415, "UNSUPPORTED")])  # fmt: skip
async def test_an_image_in_another_format(status: int, code: str, tmp_path: Path) -> None:
    image = build("oci")
    with Simulator(pushing=refusing(OCI_MANIFEST, status=status, code=code)) as registry:
        push = Converting(registry, image, tmp_path)
        manifest = await push.convert(AS_IT_IS)
    assert manifest["mediaType"] == DOCKER_MANIFEST
    assert [layer["digest"] for layer in manifest["layers"]] == list(image.layer_digests())
    assert push.asked["PUT manifest"] == 2
    assert push.asked["POST upload"] == len(image.blobs)  # nothing is sent twice
    (told,) = [event for event in push.events if isinstance(event, Converted)]
    stored = registry.manifest()
    assert stored is not None
    assert (str(told.source), str(told.digest)) == (image.digest, stored.digest)


async def test_an_image_whose_layers_were_changed_in_another_format(tmp_path: Path) -> None:
    """What was made of them once is used again."""
    image = build("oci-zstd")
    with Simulator(pushing=refusing(OCI_MANIFEST)) as registry:
        push = Converting(registry, image, tmp_path)
        manifest = await push.convert(pyskopeo.Form(compression="gzip"))
        assert manifest["mediaType"] == DOCKER_MANIFEST
        assert [expanded(registry.blobs()[layer["digest"]]) for layer in manifest["layers"]] == [
            image.tars[digest] for digest in image.layer_digests()
        ]
    assert push.asked["POST upload"] == len(manifest["layers"]) + 1
    assert len([event for event in push.events if isinstance(event, Converted)]) == 1


@pytest.mark.parametrize("kinds", ["oci-index", "nested-index"])
@pytest.mark.parametrize(
    "refused", [(OCI_INDEX,), (OCI_MANIFEST,), (OCI_MANIFEST, OCI_INDEX)], ids=["list", "image", "both"]
)
async def test_a_list_in_another_format(refused: tuple[str, ...], kinds: str, tmp_path: Path) -> None:
    image = build(kinds)
    with Simulator(pushing=refusing(*refused)) as registry:
        push = Converting(registry, image, tmp_path)
        root = await push.convert(AS_IT_IS)
        kinds_there = {manifest.media_type for manifest in registry.store.manifests("test/image").values()}
    assert root["mediaType"] == (DOCKER_LIST if OCI_INDEX in refused else OCI_INDEX)
    assert not kinds_there & set(refused)
    assert len(root["manifests"]) == len(image.root.json["manifests"])  # type: ignore[arg-type]


async def test_no_format_is_taken(tmp_path: Path) -> None:
    image = build("oci")
    with Simulator(pushing=refusing(OCI_MANIFEST, DOCKER_MANIFEST)) as registry:
        push = Converting(registry, image, tmp_path)
        with pytest.raises(RegistryError, match="attempted the following formats") as caught:
            await push.convert(AS_IT_IS)
        push.check()
        assert push.names() == {}
    assert OCI_MANIFEST in str(caught.value)
    assert DOCKER_MANIFEST in str(caught.value)
    assert caught.value.status == 400


@pytest.mark.parametrize("form", [pyskopeo.Form("oci"), pyskopeo.Form(preserve_digests=True), ZSTD])
@pytest.mark.parametrize("kinds", ["oci", "oci-index"])
async def test_no_other_format_may_be_tried(form: pyskopeo.Form, kinds: str, tmp_path: Path) -> None:
    """The registry's own refusal is what is said."""
    with Simulator(pushing=refusing(OCI_MANIFEST)) as registry:
        push = Converting(registry, build(kinds), tmp_path)
        with pytest.raises(RegistryError, match="is not accepted here") as caught:
            await push.convert(form)
        assert push.names() == {}
        push.check()
    assert "attempted" not in str(caught.value)


async def test_an_artifact_has_no_other_format(tmp_path: Path) -> None:
    """Nor has the image beside it: the list would have to do without the artifact."""
    image = build("index-with-artifact")
    with Simulator(pushing=refusing(OCI_MANIFEST)) as registry:
        push = Converting(registry, image, tmp_path)
        with pytest.raises(RegistryError, match="is not accepted here"):
            await push.convert(AS_IT_IS)
        assert push.names() == {}
        assert push.asked["PUT manifest"] <= 2
        push.check()


async def test_a_blob_that_vanished_is_no_matter_of_formats(registry: Simulator, tmp_path: Path) -> None:
    """HEAD found it, and then it was gone: the manifest is refused as it is, and nothing is named."""
    digest = layer_of(LARGE_IMAGE)
    registry.on(f"/v2/*/blobs/{digest}", f.Refuse(200, body=LARGE_IMAGE.blobs[digest]), methods=("HEAD",))
    push = Converting(registry, LARGE_IMAGE, tmp_path)
    with pytest.raises(RegistryError, match="blob unknown"):
        await push.convert(AS_IT_IS)
    assert push.names() == {}
    assert push.asked["PUT manifest"] == 1
    registry.heal()
    await push.convert(AS_IT_IS)
    push.check_there()
