"""The storage of a registry: what belongs to a repository, without reading more manifests than necessary."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.errors import DestinationRefused, StorageFailed
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest, new_hasher
from pyskopeo.model.manifest import Manifest
from pyskopeo.storage import registry_storage, registry_uploads, repository_contents
from pyskopeo.storage.registry_storage import MissingReferences, RegistryStorage
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_layout

pytestmark = pytest.mark.anyio
IMAGES = [build(ImageSpec(layers=(LayerSpec(name),))) for name in ("one", "two", "three")]
ABSENT = Digest("sha256", "0" * 64)


def digest_of_layer(number: int) -> Digest:
    return Digest.parse(IMAGES[number].layer_digests()[0])


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests of the manifests that were read to find out what belongs to a repository."""
    found: list[str] = []
    original = repository_contents._read

    def noted(files: Any, digest: Digest, media_type: str) -> Manifest | None:
        found.append(str(digest))
        return original(files, digest, media_type)

    monkeypatch.setattr(repository_contents, "_read", noted)
    return found


async def test_manifests_are_read_once_and_when_they_are_needed(tmp_path: Path, read: list[str]) -> None:
    storage = RegistryStorage(tmp_path)
    for number, image in enumerate(IMAGES[:2]):
        write_layout(image, tmp_path, tag=f"app:v{number}")
    await storage.index.refresh()
    assert not await storage.belongs("app", ABSENT)
    assert await storage.media_type("app", ABSENT) is None
    assert await storage.media_type("app", Digest.parse(IMAGES[0].digest)) == IMAGES[0].root.media_type
    assert read == []
    assert await storage.belongs("app", digest_of_layer(0))
    assert not await storage.belongs("other", digest_of_layer(0))
    assert sorted(read) == sorted(image.digest for image in IMAGES[:2])
    write_layout(IMAGES[2], tmp_path, tag="app:v2")
    await storage.index.refresh()
    for number in range(3):
        assert await storage.belongs("app", digest_of_layer(number))
    assert sorted(read) == sorted(image.digest for image in IMAGES)
    (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": []}))
    await storage.index.refresh()
    assert not await storage.belongs("app", digest_of_layer(0))


async def test_what_is_known_of_others_is_forgotten(
    tmp_path: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_storage, "_MAX_KEPT", 4)
    storage = RegistryStorage(tmp_path)
    for number, image in enumerate(IMAGES):
        write_layout(image, tmp_path, tag=f"app{number}:v")
    await storage.index.refresh()
    for _ in range(2):
        for number in range(3):
            assert await storage.belongs(f"app{number}", digest_of_layer(number))
    assert len(read) == 6
    assert await storage.belongs("app2", digest_of_layer(2))
    assert len(read) == 6


async def test_a_directory_with_other_files_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(DestinationRefused, match="is not empty and no OCI layout"):
        RegistryStorage(tmp_path).create()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(StorageFailed, match="ot a directory"):
        RegistryStorage(tmp_path / "thesis.txt").create()


async def test_sizes_count(tmp_path: Path) -> None:
    storage = RegistryStorage(tmp_path)
    storage.create()
    write_layout(IMAGES[0], tmp_path, tag="app:v")
    config, layer = Digest.parse(IMAGES[0].config_digest()), digest_of_layer(0)
    for extra, fails in ((1, True), (0, False)):
        size = storage.size_of(config)
        assert size is not None
        document = json.loads(IMAGES[0].root.raw)
        document["config"]["size"] = size + extra
        document["annotations"] = {"made": "new"}
        manifest = Manifest.parse(json.dumps(document).encode())
        await storage.index.refresh()
        if fails:
            with pytest.raises(MissingReferences) as caught:
                await storage.put_manifest("app", manifest, ["new"])
            assert caught.value.digests == (config,)
        else:
            await storage.put_manifest("app", manifest, ["new"])
    assert await storage.link_blob("other", layer)
    assert not await storage.link_blob("other", ABSENT)
    assert await storage.belongs("other", layer)


async def test_layers_from_elsewhere_need_not_be_there(tmp_path: Path) -> None:
    storage = RegistryStorage(tmp_path)
    storage.create()
    write_layout(IMAGES[0], tmp_path, tag="app:v")
    await storage.index.refresh()
    document = json.loads(IMAGES[0].root.raw)
    layer = Descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar", ABSENT, 5, urls=("https://example.com",))
    document["layers"].append(layer.to_json())
    await storage.put_manifest("app", Manifest.parse(json.dumps(document).encode()), ["new"])
    found = storage.index.get("app")
    assert found is not None
    assert set(found.tags) == {"v", "new"}


async def test_an_upload_with_a_digest_of_another_algorithm_is_read_by_a_worker_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop has other requests to answer while some gigabytes are hashed."""
    storage = RegistryStorage(tmp_path)
    storage.create()
    threads: list[threading.Thread] = []

    def noted(algorithm: str) -> Any:
        threads.append(threading.current_thread())
        return new_hasher(algorithm)

    async with storage.uploads.opened("app", storage.uploads.begin("app")) as upload:
        upload.write(b"content")
        monkeypatch.setattr(registry_uploads, "new_hasher", noted)
        await storage.finish_upload(upload, Digest.of(b"content", "sha512"))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    assert storage.size_of(Digest.of(b"content", "sha512")) == 7
