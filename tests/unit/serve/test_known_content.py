"""What a proxy knows to belong to which repository of its upstream."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.serve import known_content
from pyskopeo.serve.known_content import KnownContent
from pyskopeo.storage.content_store import ContentStore
from pyskopeo.storage.files import read_local_manifest
from tests.support.access import access_for
from tests.support.images import build
from tests.support.outputs import write_layout

pytestmark = pytest.mark.anyio


async def test_stored_images_are_read_by_a_worker_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are answered meanwhile: there may be thousands."""
    image, root = build("oci-index"), tmp_path / "store"
    write_layout(image, root, tag="docker.io/library/x:v1")
    threads: list[threading.Thread] = []

    def noted(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return read_local_manifest(*arguments)

    monkeypatch.setattr(known_content, "read_local_manifest", noted)
    access = access_for(tmp_path)
    store = ContentStore.of(replace(access, storage=replace(access.storage, store=root)))
    async with store.used():
        sizes = await KnownContent().sizes("docker.io/library/x", store)
        assert await KnownContent().sizes("docker.io/library/y", store) == {}
    assert sizes.keys() >= {Digest.parse(digest) for digest in (*image.manifests, *image.blobs)}
    assert threads
    assert threading.main_thread() not in threads
