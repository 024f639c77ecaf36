"""Locks of thousands of images: what is done for each image does not depend on how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, KeysView, Mapping
from pathlib import Path

import pytest

from pyskopeo.model.digest import Digest
from pyskopeo.model.lock_file import LockFile
from pyskopeo.model.locked_image import LockedImage
from pyskopeo.model.manifest import Manifest
from pyskopeo.syncing.locked_source import LockedReference
from tests.support.access import access_for
from tests.support.cli import succeed
from tests.support.simulator import Simulator

from .locks import prefetch, read


def test_images_are_looked_up_once(locked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: Counter[str] = Counter()
    image = LockFile.image

    def counted(self: LockFile, name: str) -> LockedImage:
        looked_up[name] += 1
        return image(self, name)

    monkeypatch.setattr(LockFile, "image", counted)
    succeed(prefetch(locked, "--dest", f"oci:{locked}/layout"))
    assert looked_up == dict.fromkeys(read(locked)["images"], 1)


class LookedUp(Mapping[Digest, Manifest]):
    """Manifests that are found by their digests only."""

    def __init__(self, found: Mapping[Digest, Manifest]) -> None:
        self._found = found

    def __getitem__(self, digest: Digest) -> Manifest:
        return self._found[digest]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Digest]:
        raise AssertionError("all manifests of the lock were gone through")

    def keys(self) -> KeysView[Digest]:
        raise AssertionError("all manifests of the lock may be gone through")


@pytest.mark.anyio
async def test_a_source_does_not_go_through_all_manifests(registry: Simulator, locked: Path, tmp_path: Path) -> None:
    lock = LockFile.parse((locked / "images.lock").read_bytes(), "images.lock")
    name = f"{registry.host}/team/app:1.0"
    reference = LockedReference(LockFile(lock.images, LookedUp(lock.manifests)), lock.image(name))
    async with reference.open_source(access_for(tmp_path)) as source:
        assert str((await source.manifest()).digest) == str(lock.image(name).digest)
