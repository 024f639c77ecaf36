"""The content store by itself: what it creates, finds, names and gives up."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pyskopeo.errors import ContentMismatch, StorageFailed
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.events import Placement
from pyskopeo.model.manifest import Manifest
from pyskopeo.storage import content_store
from pyskopeo.storage.content_store import ContentStore
from pyskopeo.storage.locks import try_lock
from pyskopeo.storage.shared_files import RunFiles
from pyskopeo.streams.byte_streams import BlobReader
from pyskopeo.streams.progress import uncounted
from pyskopeo.streams.pump import Blob, MemoryReader, MemorySink
from tests.support.images import build

pytestmark = pytest.mark.anyio
CONTENT = b"content " * 10_000
IMAGE = build("oci")
MANIFEST = Manifest.parse(IMAGE.root.raw)


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, warnings: list[str]) -> ContentStore:
    return ContentStore(tmp_path / "store", RunFiles(tmp_path / "cache", linked=True), warnings.append)


def fetched(content: bytes = CONTENT, *, given: bytes | None = None) -> Blob:
    @asynccontextmanager
    async def opened(offset: int) -> AsyncIterator[BlobReader]:
        yield MemoryReader(content if given is None else given, offset)

    return Blob(Descriptor("", Digest.of(content), len(content)), opened)


async def test_it_is_created_when_it_is_needed(store: ContentStore) -> None:
    store.check()
    assert not store.root.exists()
    async with store.used():
        assert not await store.holds(fetched().descriptor)
        assert not store.root.exists()  # nothing is written to look for something
        assert await store.manifest(MANIFEST.digest) is None
        assert sorted(os.listdir(store.root)) == ["blobs", "index.json", "oci-layout"]
        assert json.loads((store.root / "index.json").read_bytes())["manifests"] == []


async def test_a_blob_is_brought_once(store: ContentStore) -> None:
    async with store.used():
        blob, placement = await store.bring(fetched(), uncounted)
        assert placement is Placement.WRITTEN
        sink = MemorySink()
        await blob.copy_to(sink, uncounted)
        assert sink.content == CONTENT
        assert blob.ending is not None
        assert await blob.ending(5) == CONTENT[-5:]
        blob, placement = await store.bring(fetched(given=b"never read"), uncounted)
        assert placement is Placement.PRESENT
        assert store.path(blob.descriptor.digest).read_bytes() == CONTENT


async def test_wrong_content_is_refused(store: ContentStore, warnings: list[str]) -> None:
    async with store.used():
        with pytest.raises(ContentMismatch):
            await store.bring(fetched(given=CONTENT[:-1] + b"x"), uncounted)
        assert not store.path(fetched().descriptor.digest).exists()
    assert warnings == []


async def test_manifests_and_names(store: ContentStore) -> None:
    async with store.used():
        assert await store.manifest(MANIFEST.digest) is None
        assert await store.find("a:b") is None
        await store.add_manifest(MANIFEST)
        await store.add_manifest(MANIFEST)
        await store.name("a:b", MANIFEST)
        assert await store.manifest(MANIFEST.digest) == MANIFEST
    async with store.used():
        found = await store.find("a:b")
    assert found is not None
    assert (found.digest, found.media_type) == (MANIFEST.digest, MANIFEST.media_type)


async def test_schema_1_is_not_stored(store: ContentStore) -> None:
    """Its digest may be that of a part of the file."""
    manifest = Manifest(b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", Digest.of(b""))
    assert manifest.is_schema1
    async with store.used():
        await store.add_manifest(manifest)
        assert not store.path(manifest.digest).exists()


async def test_only_what_is_wrong_is_discarded(store: ContentStore) -> None:
    async with store.used():
        blob, _ = await store.bring(fetched(), uncounted)
        path = store.path(blob.descriptor.digest)
        assert not await store.discard(blob.descriptor)
        path.write_bytes(b"x" * len(CONTENT))
        assert await store.discard(blob.descriptor)
        assert not path.exists()
        assert not await store.discard(blob.descriptor)


async def test_the_lock_is_shared_and_released(store: ContentStore) -> None:
    async with store.used():
        async with store.used():
            await store.open()
        fd = os.open(store.root / "blobs", os.O_RDONLY)
        try:
            assert not try_lock(fd)
            assert try_lock(fd, shared=True)
        finally:
            os.close(fd)
    fd = os.open(store.root / "blobs", os.O_RDONLY)
    assert try_lock(fd)
    os.close(fd)


async def test_without_locks_it_is_not_used(
    store: ContentStore, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> int:
        raise StorageFailed("locking: no locks available", errno=errno.ENOLCK)

    monkeypatch.setattr(content_store, "lock_directory", refuse)
    async with store.used():
        blob = fetched()
        assert await store.bring(blob, uncounted) == (blob, Placement.WRITTEN)
        assert await store.bring(blob, uncounted) == (blob, Placement.WRITTEN)
    assert warnings == ["locking: no locks available: the store is not used"]
