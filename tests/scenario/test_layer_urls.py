"""Layers that an OCI layout does not hold, but whose descriptors say where they are (image specification, ``urls``)."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import ContentMismatch, NotFound, UnsafeAddress
from pyskopeo.http.tls import Trust
from pyskopeo.model.platform import Platform
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.images import ImageSpec, LayerSpec, build, digest_of
from tests.support.outputs import write_layout
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio

IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=100_000, compression="none"), LayerSpec("small"))))
LARGE, SMALL = IMAGE.layer_digests()


def layout(home: Path, *urls: str, digest: str = LARGE) -> str:
    """A layout without one of its layers, whose descriptor has ``urls``."""
    root = write_layout(IMAGE, home / "layout")
    document = json.loads(IMAGE.root.raw)
    for layer in document["layers"]:
        if layer["digest"] == digest and urls:
            layer["urls"] = list(urls)
    raw = json.dumps(document).encode()
    blobs = root / "blobs" / "sha256"
    (blobs / digest_of(raw).removeprefix("sha256:")).write_bytes(raw)
    index = json.loads((root / "index.json").read_bytes())
    index["manifests"][0] |= {"digest": digest_of(raw), "size": len(raw)}
    (root / "index.json").write_text(json.dumps(index))
    (blobs / digest.removeprefix("sha256:")).unlink()
    return f"oci:{root}:latest"


async def copy(name: str, home: Path, trust: Trust | None = None) -> bytes:
    access = access_for(home, trust=trust)
    await pyskopeo.copy(
        name,
        f"dir:{home}/out",
        selection=Selection(Platform("linux", "amd64")),
        source_access=access,
        destination_access=access,
    )
    return (home / "out" / LARGE.removeprefix("sha256:")).read_bytes()


async def test_a_layer_that_is_elsewhere(tmp_path: Path) -> None:
    with Simulator(IMAGE) as vendor:
        vendor.on("/gone", f.Refuse(404))
        vendor.on("/moved", f.Redirect(f"{vendor.url}/storage/{LARGE}"))
        assert await copy(layout(tmp_path, f"{vendor.url}/gone", f"{vendor.url}/moved"), tmp_path) == IMAGE.blobs[LARGE]
        assert vendor.secrets_seen == []


async def test_in_an_archive(tmp_path: Path) -> None:
    with Simulator(IMAGE) as vendor:
        layout(tmp_path, f"{vendor.url}/storage/{LARGE}")
        with tarfile.open(tmp_path / "image.tar", "w") as archive:
            archive.add(tmp_path / "layout", ".")
        assert await copy(f"oci-archive:{tmp_path}/image.tar:latest", tmp_path) == IMAGE.blobs[LARGE]


async def test_what_is_there_is_read_there(tmp_path: Path) -> None:
    with Simulator(IMAGE) as vendor:
        name = layout(tmp_path, f"{vendor.url}/storage/{LARGE}")
        (tmp_path / "layout" / "blobs" / LARGE.replace(":", "/")).write_bytes(IMAGE.blobs[LARGE])
        assert await copy(name, tmp_path) == IMAGE.blobs[LARGE]
        assert vendor.log == []


async def test_other_bytes_are_refused(tmp_path: Path) -> None:
    with Simulator(IMAGE) as vendor:
        vendor.on(f"/storage/{LARGE}", f.Flip(500))
        with pytest.raises(ContentMismatch):
            await copy(layout(tmp_path, f"{vendor.url}/storage/{LARGE}"), tmp_path)
    assert not (tmp_path / "out" / "manifest.json").exists()


async def test_without_urls_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        await copy(layout(tmp_path), tmp_path)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_layout_leads_to_no_private_address(scheme: str, tmp_path: Path) -> None:
    """A layout from anywhere cannot have this machine asked; with ``--src-tls-verify=false`` it can."""
    with Simulator(IMAGE) as vendor:
        with pytest.raises(UnsafeAddress, match="(is not https|private address).*--src-tls-verify=false"):
            await copy(layout(tmp_path, f"{scheme}://127.0.0.1:{vendor.port}/storage/{LARGE}"), tmp_path, Trust())
        assert vendor.connections_seen == 0


@pytest.mark.parametrize("archive", [False, True])
async def test_through_a_content_store(tmp_path: Path, *, archive: bool) -> None:
    """It is fetched once, and needs no request then."""
    access = access_for(tmp_path)
    access = replace(access, storage=replace(access.storage, store=tmp_path / "store"))
    with Simulator(IMAGE) as vendor:
        name = layout(tmp_path, f"{vendor.url}/storage/{LARGE}")
        if archive:
            with tarfile.open(tmp_path / "image.tar", "w") as file:
                file.add(tmp_path / "layout", ".")
            name = f"oci-archive:{tmp_path}/image.tar:latest"
        for number in range(2):
            await pyskopeo.copy(name, f"dir:{tmp_path}/{number}", source_access=access)
            access = replace(access, network=replace(access.network, offline=True))
            assert (tmp_path / str(number) / LARGE.removeprefix("sha256:")).read_bytes() == IMAGE.blobs[LARGE]
        assert len(vendor.log) == 1
