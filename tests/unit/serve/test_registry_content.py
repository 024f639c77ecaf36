"""Pages of tags and repositories where a registry has plain entries, too: together they are the whole list."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from pyskopeo.errors import RegistryError
from pyskopeo.model.digest import Digest
from pyskopeo.model.layout import REF_NAME
from pyskopeo.serve.registry_content import StoredContent
from pyskopeo.storage.registry_entries import tag_order
from pyskopeo.storage.registry_storage import RegistryStorage
from tests.support.images import build
from tests.support.outputs import write_layout

pytestmark = pytest.mark.anyio
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def write_index(root: Path, names: list[str]) -> None:
    entries = [
        {"mediaType": MANIFEST, "digest": f"sha256:{number:064x}", "size": 9, "annotations": {REF_NAME: name}}
        for number, name in enumerate(names)
    ]
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))


@pytest.mark.parametrize("seed", range(8))
async def test_pages(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    root = tmp_path / "mm"
    root.mkdir()
    own = {f"{chance.choice('aBc')}{chance.randrange(9)}" for _ in range(chance.randrange(12))}
    plain = {f"{chance.choice('Abc')}{chance.randrange(9)}" for _ in range(chance.randrange(6))}
    others = {f"{chance.choice('alz')}{chance.randrange(9)}" for _ in range(chance.randrange(6))}
    names = [*(f"app:{tag}" for tag in own), *plain, *(f"{name}:x" for name in others)]
    chance.shuffle(names)
    write_index(root, names)
    content = StoredContent(RegistryStorage(root))
    repositories = sorted(others | ({"app"} if own else set()) | ({"mm"} if plain else set()))
    for wanted, kind in ((sorted(own | plain, key=tag_order), "tags"), (repositories, "repositories")):
        if kind == "tags" and not wanted:
            continue
        for count in (1, 2, 3, 50):
            found: list[str] = []
            last, more = "", True
            while more:
                page, more = (
                    await content.tags("app", last, count) if kind == "tags" else await content.repositories(last, count)
                )
                assert len(page) == count or not more
                found += page
                last = found[-1] if found else ""
            assert found == wanted, (kind, count)
    for tag in own | plain:
        number = names.index(f"app:{tag}" if tag in own else tag)
        assert await content.resolve("app", tag) == Digest("sha256", f"{number:064x}")


async def test_one_repository_only(tmp_path: Path) -> None:
    write_layout(build("oci"), tmp_path, tag="app:v1")
    content = StoredContent(RegistryStorage(tmp_path), "app")
    assert await content.repositories("", 5) == (["app"], False)
    assert await content.repositories("app", 5) == ([], False)
    with pytest.raises(RegistryError, match="app is"):
        await content.tags("other", "", 5)


async def test_manifests_are_kept_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = build("oci-index")
    write_layout(image, tmp_path, tag="app:v1")
    sizes = [len(one.raw) for one in (image.root, *image.manifests.values())]
    monkeypatch.setattr("pyskopeo.serve.registry_content._KEPT", 9 * max(sizes))
    content = StoredContent(RegistryStorage(tmp_path))
    for _ in range(2):
        for digest in (image.digest, *image.manifests):
            assert str((await content.manifest("app", Digest.parse(digest))).digest) == digest
    assert 0 < content._kept <= 9 * max(sizes)
