"""Pulling a test's image into a layout with the library itself, and what must hold of the layout whatever happens."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.access import Access
from pyskopeo.engine.selection import Selection
from pyskopeo.errors import PyskopeoError
from pyskopeo.model.platform import Platform
from pyskopeo.storage.partial_files import is_kept

from .access import access_for
from .events import EventLog
from .images import BuiltImage
from .simulator import Simulator

AMD64 = Selection(Platform("linux", "amd64"))


class Pull(EventLog):
    """Copies of one image of a simulator into the layout ``root``; ``events`` are those of all of them."""

    def __init__(self, registry: Simulator, image: BuiltImage, root: Path, access: Access | None = None) -> None:
        super().__init__()
        self.registry, self.image, self.root = registry, image, root
        self.access = access or access_for(root)

    async def run(self, source: str | None = None, *, jobs: int = 6) -> None:
        """Copy it, as ``v1``; raises what the copy raises, after a look at what is left behind."""
        try:
            digest = await pyskopeo.copy(
                source or self.registry.name(),
                f"oci:{self.root}:v1",
                selection=AMD64,
                jobs=jobs,
                report=self.events.append,
                source_access=self.access,
                destination_access=replace(self.access),
            )
        except BaseException:
            check_layout(self.root, interrupted=True)
            assert names(self.root) == []
            raise
        check_layout(self.root)
        assert str(digest) == self.image.digest
        assert names(self.root) == ["v1"]
        assert set(self.image.blobs) <= blobs(self.root)


def names(root: Path) -> list[str]:
    """The names in a layout's index; none where there is no index."""
    index = root / "index.json"
    if not index.exists():
        return []
    entries = json.loads(index.read_bytes())["manifests"]
    return [entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "") for entry in entries]


def blobs(root: Path) -> set[str]:
    """The digests by which files are called in a layout."""
    return {f"{path.parent.name}:{path.name}" for path in root.glob("blobs/*/*")}


def check_layout(root: Path, *, interrupted: bool = False) -> None:
    """No file under ``root`` is half-written: none is temporary, and each is what its name says.

    After a copy that was ``interrupted`` there may be what the next one goes on with.
    """
    for path in root.rglob("*"):
        if interrupted and is_kept(path.name):
            continue
        assert ".partial" not in path.name, path
        if path.is_file() and path.parent.parent.name == "blobs":
            actual = hashlib.new(path.parent.name, path.read_bytes()).hexdigest()
            assert actual == path.name, path


def ranges(registry: Simulator, digest: str) -> list[str | None]:
    """The Range header of each request for a blob."""
    return [r.header("Range") for r in registry.requests if r.path.endswith(digest) and r.method == "GET"]


def times_asked(registry: Simulator, path_end: str) -> int:
    return sum(request.path.endswith(path_end) for request in registry.requests)


async def fails_then_works(pull: Pull, error: type[PyskopeoError], match: str = "[a-z]") -> PyskopeoError:
    """The pull fails in one clear line, leaves nothing (see `Pull.run`), and works once the fault is gone."""
    with pytest.raises(error, match=match) as caught:
        await pull.run()
    assert isinstance(caught.value, error)
    assert "\n" not in str(caught.value)
    pull.registry.heal()
    await pull.run()
    return caught.value


def asked_for_blobs(registry: Simulator) -> list[str]:
    return [line for line in registry.log if "/blobs/" in line]
