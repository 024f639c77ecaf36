"""Each conversion of a manifest beside the real skopeo's, over generated images: the same bytes, or both refuse."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pyskopeo.model.manifest import Manifest
from pyskopeo.model.manifest_conversion import image_to_docker
from tests.interop.beside_skopeo import ARTIFACTS, IMAGES, INDEXES, LISTS
from tests.interop.conversions import FORMATS, compare, rewritten
from tests.support.cli import succeed
from tests.support.commands import skopeo
from tests.support.images import KINDS, ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.outputs import write_dir
from tests.support.peers import Registry
from tests.support.specs import ODD_TEXT

pytestmark = pytest.mark.peer("skopeo")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", IMAGES + ARTIFACTS)
def test_each_kind_of_image(kind: str, format: str, tmp_path: Path) -> None:
    compare(write_dir(build(kind), tmp_path / "source"), format, tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "format"), [(kind, "v2s2") for kind in INDEXES] + [(kind, "oci") for kind in LISTS]
)
def test_each_kind_of_index(kind: str, format: str, tmp_path: Path) -> None:
    compare(write_dir(build(kind), tmp_path / "source"), format, tmp_path / "out")


ODD_PLATFORMS = (
    PlatformSpec("arm64", variant="v8", os_version="1 <&>", os_features=("b", "a<")),
    PlatformSpec("amd64", os="windows", os_version="10.0.1", os_features=("win32k",)),
    PlatformSpec("", os=""),
)


@pytest.mark.parametrize(("flavor", "format"), [("oci", "v2s2"), ("docker", "oci")])
def test_odd_entries_of_an_index(flavor: Any, format: str, tmp_path: Path) -> None:
    entries = tuple(ImageSpec(flavor, platform=platform) for platform in ODD_PLATFORMS)
    bare = ImageSpec(flavor, layers=(LayerSpec("bare"),), platform_in_index=False)
    image = build(IndexSpec((*entries, bare), flavor, annotations={"x": "<1>"}))
    root = image.root.json
    entry: Any = root["manifests"]
    entry[0] |= {"urls": ["https://example.com/?a&b"], "annotations": {"a": "b"}, "unknown": 1}
    entry[1]["platform"] |= {"features": ["sse4"], "unknown": [1]}
    source = write_dir(image, tmp_path / "source")
    (source / "manifest.json").write_text(json.dumps(root))
    compare(source, format, tmp_path / "out")


def random_image(seed: int, folder: Path) -> Path:
    """Some layers, some steps without one, and whatever else configurations were seen to say."""
    random = Random(seed)
    flavor: Any = random.choice(["oci", "docker"])
    names = [random.choice("abcd") for _ in range(random.randint(1, 5))]
    image = build(ImageSpec(flavor, layers=tuple(LayerSpec(name, size=50) for name in names)))
    config = json.loads(image.config())

    def text() -> str:
        return random.choice(["", "plain", ODD_TEXT, "<&>", "\u2028", "a\tb\n\x01\x7f", "\u00e9"])

    def time() -> str:
        zulu, offset = ("0001-01-01T00:00:00Z", "2021-01-01T00:00:00.120000000Z"), ("2020-02-29T23:59:59.1+05:30",)
        return random.choice([*zulu, *offset, "2019-12-31T10:00:00-08:00"])

    history: list[dict[str, Any]] = []
    for _ in names:
        history += [{"empty_layer": True}] * random.randint(0, 2) + [random.choice([{}, {"empty_layer": False}])]
    history += [{"empty_layer": True}] * random.randint(0, 2)
    fields = {"created": time, "created_by": text, "author": text, "comment": text, "unknown": text}
    config["history"] = [
        {name: make() for name, make in fields.items() if random.random() < 0.7} | entry for entry in history
    ]
    extras: dict[str, Any] = {
        "unknown": {"deep": [1, 1.50, 1e30, None, "<"]}, "variant": "v8", "author": text(), "id": "x", "parent": "y",
        "os.version": "1", "os.features": ["b<"], "throwaway": False, "created": time(), "Size": 3, "layer_id": "z",
        "comment": text(), "docker_version": random.choice(["1.6.2", "20.10", "1.8.3"]), "null": None,
    }  # fmt: skip
    config |= {name: value for name, value in extras.items() if random.random() < 0.4}
    if random.random() < 0.2:
        del config["architecture"]
    if len(history) == 1:
        config.pop("parent", None)  # see below
    members = list(config.items())
    random.shuffle(members)
    written = json.dumps(dict(members), indent=random.choice([None, 2]), ensure_ascii=random.random() < 0.5)
    return rewritten(image, folder, config=written.encode(), annotations={"a": text()}, unknown=[text()])


@pytest.mark.parametrize("seed", range(24))
def test_random_images_there_and_back(seed: int, tmp_path: Path) -> None:
    source = random_image(seed, tmp_path / "source")
    for format in FORMATS:
        compare(source, format, tmp_path / format)
    # And what skopeo made of them, signed schema 1 as well as the others, to every other type.
    for first in FORMATS:
        for second in FORMATS:
            compare(tmp_path / first, second, tmp_path / f"{first}-{second}")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("flavor", ["oci", "docker"])
def test_layers_of_every_type(flavor: Any, format: str, tmp_path: Path) -> None:
    image = build(ImageSpec(flavor, layers=tuple(LayerSpec(name) for name in "abcd")))
    source = rewritten(image, tmp_path / "source", config=image.config())
    root = json.loads((source / "manifest.json").read_bytes())
    tar, foreign = ("vnd.oci.image.layer.v1.tar", "vnd.oci.image.layer.nondistributable.v1.tar")
    gzip = "+gzip"
    if flavor == "docker":
        tar, foreign, gzip = "vnd.docker.image.rootfs.diff.tar", "vnd.docker.image.rootfs.foreign.diff.tar", ".gzip"
    for layer, kind in zip(root["layers"], (tar, tar + gzip, foreign, foreign + gzip), strict=True):
        layer |= {"mediaType": f"application/{kind}", "annotations": {"a": "<b>"}, "unknown": 1}
    for layer in root["layers"][2:]:
        layer["urls"] = ["https://example.com/?a=1&b=2", "https://example.org/"]
    (source / "manifest.json").write_text(json.dumps(root))
    compare(source, format, tmp_path / "out")


@pytest.mark.parametrize("format", FORMATS[1:])
@pytest.mark.parametrize("suffix", ["+gzip+encrypted", "+encrypted", "+zstd", "+xz"])
def test_layers_that_docker_has_no_name_for(suffix: str, format: str, tmp_path: Path) -> None:
    image = build("oci")
    source = rewritten(image, tmp_path / "source", config=image.config())
    root = json.loads((source / "manifest.json").read_bytes())
    root["layers"][-1]["mediaType"] = f"application/vnd.oci.image.layer.v1.tar{suffix}"
    (source / "manifest.json").write_text(json.dumps(root))
    compare(source, format, tmp_path / "out")


@pytest.mark.parametrize("kind", ["oci", "oci-history", "oci-repeated", "oci-odd-text"])
def test_in_a_registry(kind: str, registry: Registry, tmp_path: Path) -> None:
    source = write_dir(build(kind), tmp_path / "source")
    name = registry.name(f"conversion/{kind}")
    succeed(skopeo("copy", "--format", "v2s2", "--dest-tls-verify=false", f"dir:{source}", name))
    there = succeed(skopeo("inspect", "--raw", "--tls-verify=false", name)).stdout
    assert there == image_to_docker(Manifest.parse(build(kind).root.raw)).raw


def test_the_kinds_hold_what_is_compared() -> None:
    """Should the kinds change, these comparisons must not become empty."""
    assert {KINDS[kind].flavor for kind in IMAGES if isinstance(KINDS[kind], ImageSpec)} == {"oci", "docker"}  # type: ignore[union-attr]
    assert {"docker-history", "oci-history", "oci-repeated", "oci-zstd", "oci-uncompressed"} <= set(IMAGES)
