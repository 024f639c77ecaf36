"""The index of a registry: by repositories, with many writers, in few writes."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.errors import InvalidContent, NotFound, StorageFailed, TooLarge
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.layout import REF_NAME
from pyskopeo.storage import registry_index
from pyskopeo.storage.index_file import IndexFile
from pyskopeo.storage.partial_files import write_atomically
from pyskopeo.storage.registry_index import RegistryIndex
from tests.support.images import build
from tests.support.outputs import write_layout
from tests.support.system_calls import DiskFull, SystemCalls

pytestmark = pytest.mark.anyio
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def descriptor(number: int) -> Descriptor:
    return Descriptor(MANIFEST, Digest("sha256", f"{number:064x}"), 100 + number)


def put(repository: str, tag: str, number: int, index: RegistryIndex) -> bool:
    index.set(repository, tag or str(descriptor(number).digest), descriptor(number))
    return True


def names(root: Path) -> list[str]:
    document: dict[str, Any] = json.loads((root / "index.json").read_bytes())
    return [entry.get("annotations", {}).get(REF_NAME, "") for entry in document["manifests"]]


async def test_changes_share_writes_and_are_on_disk_when_they_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = RegistryIndex(tmp_path)
    written: list[Path] = []

    def noted(path: Path, content: bytes, mode: int) -> None:
        written.append(path)
        write_atomically(path, content, mode)

    monkeypatch.setattr(registry_index, "write_atomically", noted)

    async def push(number: int) -> None:
        await index.change(partial(put, "app", f"v{number}", number))
        assert f"app:v{number}" in names(tmp_path)

    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(push, number)
    assert 0 < written.count(tmp_path / "index.json") < 10
    assert sorted(names(tmp_path)) == sorted(f"app:v{number}" for number in range(200))
    assert (tmp_path / "oci-layout").exists()


async def test_two_indexes_and_another_program_write_one_file(tmp_path: Path) -> None:
    image = build("oci")
    write_layout(image, tmp_path, tag="plain")
    one, two, copier = RegistryIndex(tmp_path), RegistryIndex(tmp_path), IndexFile(tmp_path)

    async def push(index: RegistryIndex, repository: str) -> None:
        for number in range(10):
            await index.change(partial(put, repository, f"v{number}", number))

    async def copy() -> None:
        from pyskopeo.model.manifest import Manifest

        for number in range(10):
            await copier.put(Manifest.parse(image.root.raw), f"copied:v{number}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(push, one, "one")
        tasks.start_soon(push, two, "two")
        tasks.start_soon(copy)
    wanted = [f"{name}:v{number}" for name in ("copied", "one", "two") for number in range(10)]
    assert sorted(names(tmp_path)) == sorted([*wanted, "plain"])
    for index in (one, two):
        await index.refresh()
        assert index.repositories_after("", 10) == (["copied", "one", "two"], False)
        assert [entry.annotations[REF_NAME] for entry in index.plain.descriptors] == ["plain"]


async def test_a_refused_change_fails_alone(tmp_path: Path) -> None:
    index = RegistryIndex(tmp_path)

    def refuse(_index: RegistryIndex) -> bool:
        raise NotFound("no")

    failed: list[str] = []

    async def refused() -> None:
        try:
            await index.change(refuse)
        except NotFound as error:
            failed.append(str(error))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(index.change, partial(put, "app", "a", 1))
        tasks.start_soon(refused)
        tasks.start_soon(index.change, partial(put, "app", "b", 2))
    assert (sorted(names(tmp_path)), failed) == (["app:a", "app:b"], ["no"])


async def test_what_could_not_be_written_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = RegistryIndex(tmp_path)
    await index.change(partial(put, "app", "a", 1))
    with SystemCalls(DiskFull(50)), pytest.raises(StorageFailed, match="no space"):
        await index.change(partial(put, "app", "b", 2))
    await index.refresh()
    assert (found := index.get("app")) is not None
    assert list(found.tags) == ["a"]
    monkeypatch.setattr(registry_index, "INDEX_LIMIT", 400)
    with pytest.raises(TooLarge):
        await index.change(partial(put, "app", "b", 2))
    assert names(tmp_path) == ["app:a"]


async def test_other_members_and_entries_stay_as_they_are(tmp_path: Path) -> None:
    document: dict[str, Any] = {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "annotations": {"a": "ä"},
        "manifests": [
            {"mediaType": "text/plain", "digest": f"sha256:{'1' * 64}", "size": 3, "more": [1], "annotations": {REF_NAME: "x:y"}},
            {"mediaType": MANIFEST, "digest": f"sha256:{'2' * 64}", "size": 3, "artifactType": "a/b"},
            {"mediaType": MANIFEST, "digest": f"sha256:{'3' * 64}", "size": 3, "annotations": {REF_NAME: "h:5000/app:a"}},
            {"mediaType": MANIFEST, "digest": f"sha256:{'4' * 64}", "size": 3, "annotations": {REF_NAME: "app:b"}},
            {"mediaType": MANIFEST, "digest": f"sha256:{'5' * 64}", "size": 3, "annotations": {REF_NAME: "app:b"}},
            {"mediaType": MANIFEST, "digest": f"sha256:{'6' * 64}", "size": 3, "annotations": {REF_NAME: f"app@sha256:{'7' * 64}"}},
        ],
    }  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps(document))
    index = RegistryIndex(tmp_path)
    await index.refresh()
    found = index.get("app")
    assert found is not None
    assert {tag: entry.digest.hex[0] for tag, entry in found.tags.items()} == {"a": "3", "b": "5"}
    assert [str(entry)[7] for entry in index.common.roots] == ["2", "6"]
    await index.change(partial(put, "app", "c", 9))
    after = json.loads((tmp_path / "index.json").read_bytes())
    assert after["manifests"][:3] == document["manifests"][:3]
    assert len(after["manifests"]) == 7
    assert after["annotations"] == {"a": "ä"}
    found = index.get("app")
    assert found is not None

    def remove(changed: RegistryIndex) -> bool:
        changed.remove(found.tags["b"])
        return True

    await index.change(remove)
    assert "app:b" not in names(tmp_path)


async def test_a_half_written_file_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.json").write_text('{"schemaVersion":2,"mani')
    index = RegistryIndex(tmp_path)

    async def finish() -> None:
        await anyio.sleep(0.05)
        (tmp_path / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(finish)
        tasks.start_soon(index.change, partial(put, "app", "a", 1))
    assert names(tmp_path) == ["app:a"]
    (tmp_path / "index.json").write_text("{")
    os.utime(tmp_path / "index.json", (1e9, 1e9))
    monkeypatch.setattr(registry_index, "_PAUSE", 0)
    with pytest.raises(InvalidContent):
        await index.change(partial(put, "app", "b", 1))


async def test_a_cancelled_change_is_written_or_not(tmp_path: Path) -> None:
    index = RegistryIndex(tmp_path)
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(index.change, partial(put, "app", f"v{number}", number))
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await index.change(partial(put, "app", "last", 1))
    found = index.get("app")
    assert found is not None
    assert sorted(names(tmp_path)) == sorted(f"app:{tag}" for tag in found.tags)


async def test_many_names(tmp_path: Path) -> None:
    """A page costs no system call that opens a file, and the lists stay sorted with changes."""
    entries = [
        {"mediaType": MANIFEST, "digest": f"sha256:{number:064x}", "size": 9, "annotations": {REF_NAME: name}}
        for number, name in enumerate(
            [*(f"app:v{number:06}" for number in range(10_000)), *(f"team/r{number:05}:a" for number in range(1_000))]
        )
    ]
    (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    index = RegistryIndex(tmp_path)
    await index.refresh()
    found = index.get("app")
    assert found is not None
    found.tags_after("", 1)  # sorted once
    index.repositories_after("", 1)
    with SystemCalls() as calls:
        for _ in range(100):
            await index.refresh()
            assert found.tags_after("v005000", 2) == (["v005001", "v005002"], True)
            assert index.repositories_after("team/r00998", 5) == (["team/r00999"], False)
        assert not calls.made
    await index.change(partial(put, "app", "v0050005", 1))
    assert found.tags_after("v005000", 2) == (["v0050005", "v005001"], True)
    await index.change(partial(put, "new", "a", 1))
    assert index.repositories_after("app", 1) == (["new"], True)
