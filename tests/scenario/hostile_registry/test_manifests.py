"""Manifests of a hostile registry: digests, sizes, types and nesting that lie.

Each test names what it is about; the CVEs are those of other clients.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import (
    ContentMismatch,
    InvalidContent,
    InvalidDigest,
    NotFound,
    PyskopeoError,
    RegistryError,
    TooLarge,
    Unsupported,
)
from pyskopeo.model.platform import Platform
from tests.scenario.hostile_registry.images import IMAGE, LARGE, OCI, ONE_LOOP, pull, served
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Response
from tests.support.images import ImageSpec, IndexSpec, build, digest_of
from tests.support.pulling import Pull, asked_for_blobs, check_layout
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024

BAD_DIGESTS: dict[str, object] = {
    "traversal": "sha256:../../../etc/passwd",
    "traversal after hex": f"sha256:{'a' * 64}/../../x",
    "empty": "sha256:",
    "nothing": "",
    "no algorithm": "a" * 64,
    "upper case": "sha256:" + "A" * 64,
    "short": "sha256:" + "a" * 63,
    "NUL": "sha256:" + "a" * 63 + "\0",
    "newline": "sha256:" + "a" * 64 + "\n",
    "a megabyte": "sha256:" + "a" * MIB,
    "other digits": "sha256:" + "\u0661" * 64,
    "query": f"sha256:{'a' * 64}?x=",
    "number": 5,
    "null": None,
    "list": ["sha256:" + "a" * 64],
}


@ONE_LOOP
@pytest.mark.parametrize("name", BAD_DIGESTS)
@pytest.mark.parametrize("where", ["config", "layers", "manifests"])
async def test_digests_are_looked_at_before_anything_is_asked(where: str, name: str, tmp_path: Path) -> None:
    """CVE-2024-3727 (GHSA-6wvf-f2vw-3425)."""
    document: dict[str, Any] = json.loads(IMAGE.root.raw)
    media_type = IMAGE.root.media_type
    bad = {"mediaType": media_type, "digest": BAD_DIGESTS[name], "size": 100}
    if where == "manifests":
        media_type = f"{OCI}.index.v1+json"
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": [bad]}
    else:
        document[where] = bad if where == "config" else [*document["layers"], bad]
    with Simulator(served(document, media_type)) as registry:
        with pytest.raises(InvalidDigest, match="invalid digest") as caught:
            await pull(registry, tmp_path)
        assert len(str(caught.value)) < 300
        assert [line for line in registry.log if "/v2/test" in line] == ["GET /v2/test/image/manifests/latest"]
    assert not (tmp_path / "layout").exists()


async def test_an_algorithm_nobody_can_check(tmp_path: Path) -> None:
    document = json.loads(IMAGE.root.raw)
    document["layers"][0]["digest"] = "blake3:" + "a" * 64
    with Simulator(served(document)) as registry:
        with pytest.raises(Unsupported, match="blake3"):
            await pull(registry, tmp_path)
        assert "blake3" not in "".join(asked_for_blobs(registry))


@ONE_LOOP
@pytest.mark.parametrize(
    "size", [-1, 2**63, 1e30, 1.5, "5", None, True, [5]], ids=lambda size: f"{type(size).__name__}"
)
async def test_sizes_are_sizes(size: object, tmp_path: Path) -> None:
    document = json.loads(IMAGE.root.raw)
    document["layers"][0]["size"] = size
    with Simulator(served(document)) as registry:
        with pytest.raises(InvalidContent, match="size"):
            await pull(registry, tmp_path)
        assert asked_for_blobs(registry) == []


@ONE_LOOP
@pytest.mark.parametrize("wrong", [0, 5, 10**12])
async def test_a_size_that_lies(wrong: int, tmp_path: Path) -> None:
    document = json.loads(IMAGE.root.raw)
    document["layers"][0]["size"] = wrong
    with Simulator(served(document)) as registry:
        with pytest.raises(ContentMismatch):
            await pull(registry, tmp_path)


async def test_a_pin_is_worth_more_than_a_header(registry: Simulator, tmp_path: Path) -> None:
    """CVE-2025-24882 (GHSA-qv35-3gw6-8q4j): other bytes, with a header that agrees with them."""
    other = IMAGE.root.raw + b"\n"
    registry.on_manifest(IMAGE.digest, f.Body(other), f.SetHeaders({"Docker-Content-Digest": digest_of(other)}))
    running = Pull(registry, IMAGE, tmp_path / "layout")
    with pytest.raises(ContentMismatch, match=f"want {IMAGE.digest}"):
        await running.run(f"docker://{registry.host}/test/image@{IMAGE.digest}")
    assert asked_for_blobs(registry) == []


async def test_a_header_is_worth_more_than_nothing(registry: Simulator, tmp_path: Path) -> None:
    registry.on_manifest("latest", f.SetHeaders({"Docker-Content-Digest": "sha256:" + "0" * 64}))
    with pytest.raises(ContentMismatch, match="Docker-Content-Digest"):
        await pull(registry, tmp_path)
    assert asked_for_blobs(registry) == []


async def test_a_child_is_verified(tmp_path: Path) -> None:
    """An index may name a manifest; what is then sent must be that manifest."""
    image = build(IndexSpec((ImageSpec(),)))
    other = build(ImageSpec(labels={"other": "image"}))
    with Simulator(image) as registry:
        registry.on_manifest(image.child(0).digest, f.Body(other.root.raw))
        registry.on_manifest(
            image.child(0).digest, f.SetHeaders({"Docker-Content-Digest": other.digest}), methods=("GET",)
        )
        with pytest.raises(ContentMismatch, match="manifest digest mismatch"):
            await pull(registry, tmp_path, image=image)


_MANIFEST = json.loads(IMAGE.root.raw)
AMBIGUOUS: dict[str, tuple[object, str]] = {
    "both kinds": ({**_MANIFEST, "manifests": []}, f"{OCI}.manifest.v1+json"),
    "both kinds, served as an index": ({**_MANIFEST, "manifests": []}, f"{OCI}.index.v1+json"),
    "schema 1 too": ({**_MANIFEST, "fsLayers": []}, f"{OCI}.manifest.v1+json"),
    "an index by mediaType": ({**_MANIFEST, "mediaType": f"{OCI}.index.v1+json"}, f"{OCI}.index.v1+json"),
    "mediaType is not Content-Type": (_MANIFEST, f"{OCI}.index.v1+json"),
    "mediaType and config disagree": (
        {**_MANIFEST, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"},
        f"{OCI}.manifest.v1+json",
    ),
    "an image without mediaType, served as an index": (
        {name: value for name, value in _MANIFEST.items() if name != "mediaType"},
        f"{OCI}.index.v1+json",
    ),
    "one name twice": (IMAGE.root.raw.replace(b'"layers":', b'"layers":[],"layers":'), f"{OCI}.manifest.v1+json"),
    "one name twice, escaped": (
        IMAGE.root.raw.replace(b'"layers":', b'"l\\u0061yers":[],"layers":'),
        f"{OCI}.manifest.v1+json",
    ),
    "not an object": ([_MANIFEST], f"{OCI}.manifest.v1+json"),
    "not JSON": (b"<html>", "text/html"),
    "very deep": (b'{"a":' * 100_000, f"{OCI}.manifest.v1+json"),
    "two documents": (IMAGE.root.raw + IMAGE.root.raw, f"{OCI}.manifest.v1+json"),
    "schemaVersion": ({**_MANIFEST, "schemaVersion": "2"}, f"{OCI}.manifest.v1+json"),
    "neither kind": ({"schemaVersion": 2}, ""),
}


@ONE_LOOP
@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_a_manifest_is_one_thing(name: str, tmp_path: Path) -> None:
    """CVE-2021-41190 (GHSA-mc8v-mgrf-8f4m, GHSA-77vh-xpmg-72qh, GHSA-5j5w-g665-5m35)."""
    with Simulator(served(*AMBIGUOUS[name])) as registry:
        with pytest.raises(InvalidContent) as caught:
            await pull(registry, tmp_path)
        assert len(str(caught.value).splitlines()) == 1
        assert asked_for_blobs(registry) == []


@pytest.mark.parametrize("names", ["Layers", "LAYERS", "layer\u017f", "MANIFESTS", "Config", "MediaType"])
async def test_a_manifest_has_no_names_in_another_case(names: str, tmp_path: Path) -> None:
    """Go would read them; programs in other languages would not."""
    with Simulator(served({**_MANIFEST, names: _MANIFEST["layers"][:1]})) as registry:
        with pytest.raises(InvalidContent, match="by case only"):
            await pull(registry, tmp_path)
        assert asked_for_blobs(registry) == []


async def test_a_configuration_has_no_field_twice(tmp_path: Path) -> None:
    config = b'{"os":"linux","architecture":"amd64","config":{"Cmd":["a"],"cmd":["b"]},"rootfs":{}}'
    image = served({**_MANIFEST, "config": {**_MANIFEST["config"], "digest": digest_of(config), "size": len(config)}})
    image = replace(image, blobs={**image.blobs, digest_of(config): config})
    with Simulator(image) as registry:
        with pytest.raises(InvalidContent, match="config has 'Cmd' twice, in different case"):
            await pull(registry, tmp_path, image=image)


@pytest.mark.parametrize(
    "content_type",
    [f"{OCI}.manifest.v1+json; charset=utf-8", f"{OCI}.manifest.v1+json".upper(), "application/json", "text/plain",
     "application/octet-stream", "text/html", ""],
)  # fmt: skip
async def test_content_types_that_say_little(content_type: str, registry: Simulator, tmp_path: Path) -> None:
    registry.on_manifest("latest", f.SetHeaders({"Content-Type": content_type or None}))
    await pull(registry, tmp_path)


async def test_a_content_type_of_the_other_format(registry: Simulator, tmp_path: Path) -> None:
    """An image is an image: what the document states counts, and one warning says so."""
    registry.on("*/manifests/*", f.SetHeaders({"Content-Type": "application/vnd.docker.distribution.manifest.v2+json"}))
    done = await pull(registry, tmp_path)
    (warning,) = done.warnings
    assert "is said to be application/vnd.docker.distribution.manifest.v2+json" in warning
    digest = IMAGE.digest.removeprefix("sha256:")
    assert (tmp_path / "layout" / "blobs" / "sha256" / digest).read_bytes() == IMAGE.root.raw


@pytest.mark.parametrize("fault", [f.Padded(4 * MIB + 1), f.Endless()])
@pytest.mark.parametrize("framing", [None, f.Chunked(60_000), f.UntilClose()])
async def test_a_manifest_has_a_limit(
    fault: f.Fault, framing: f.Fault | None, registry: Simulator, tmp_path: Path
) -> None:
    """CVE-2023-25153 (GHSA-259w-8hf6-59c2); a body without a length has the same limit."""
    registry.on_manifest("latest", *([framing] if framing else []), fault)
    with pytest.raises(TooLarge, match="limit of 4194304 bytes"):
        await pull(registry, tmp_path)


async def test_a_manifest_at_its_limit(tmp_path: Path) -> None:
    image = served(IMAGE.root.raw.ljust(4 * MIB))
    with Simulator(image) as registry:
        await pull(registry, tmp_path, image=image)


@pytest.mark.parametrize("status", [400, 401, 404])
@pytest.mark.parametrize("path", ["*/manifests/latest", f"*/blobs/{LARGE}"])
async def test_an_error_without_end(status: int, path: str, registry: Simulator, tmp_path: Path) -> None:
    """CVE-2023-25153 (GHSA-259w-8hf6-59c2)."""
    registry.on(path, f.Refuse(status, body=b"no! " * 1000), f.Endless())
    with pytest.raises((RegistryError, NotFound), match="no! no!") as caught:
        await pull(registry, tmp_path)
    assert len(str(caught.value)) < 400


@ONE_LOOP
@pytest.mark.parametrize("mode", ["system", "all"])
@pytest.mark.parametrize(("depth", "good"), [(8, True), (9, False), (30, False)])
async def test_nested_indexes_come_to_an_end(depth: int, good: bool, mode: str, tmp_path: Path) -> None:
    spec: ImageSpec | IndexSpec = ImageSpec()
    for _ in range(depth):
        spec = IndexSpec((spec,))
    image = build(spec)
    with Simulator(image) as registry:

        async def copy() -> None:
            await pyskopeo.copy(
                registry.name(),
                f"oci:{tmp_path}/layout:v1",
                selection=Selection(Platform("linux", "amd64"), mode),
                source_access=access_for(tmp_path),
                destination_access=access_for(tmp_path),
            )

        if good:
            await copy()
        else:
            with pytest.raises(InvalidContent, match="nested more than 8 deep"):
                await copy()
            assert asked_for_blobs(registry) == []
    check_layout(tmp_path)


async def test_an_index_that_names_itself(tmp_path: Path) -> None:
    """No document can hold its own digest; one that is served for it again and again is found out."""
    child = "sha256:" + "0" * 64
    index = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.index.v1+json",
        "manifests": [{"mediaType": f"{OCI}.index.v1+json", "digest": child, "size": 500}],
    }
    image = served(index, f"{OCI}.index.v1+json")
    with Simulator(image) as registry:
        registry.routes[f"/v2/test/image/manifests/{child}"] = Response(
            200, (("Content-Type", f"{OCI}.index.v1+json"),), image.root.raw
        )
        for mode in ("system", "all"):
            with pytest.raises(PyskopeoError):
                await pyskopeo.copy(
                    registry.name(),
                    f"oci:{tmp_path}/layout:v1",
                    selection=Selection(Platform("linux", "amd64"), mode),
                    source_access=access_for(tmp_path),
                    destination_access=access_for(tmp_path),
                )
        assert len(registry.log) < 10
