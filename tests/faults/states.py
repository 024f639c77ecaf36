"""What is at a destination at one moment: content by digest, what has a name, and what is temporary."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyskopeo.storage.partial_files import PARTIAL
from pyskopeo.syncing.record import RECORD_NAME
from tests.support.simulator import Simulator

_REF_NAME = "org.opencontainers.image.ref.name"


@dataclass(slots=True)
class State:
    """``blobs`` are blobs and manifests by digest, by which they are found.

    ``names`` is all that somebody reads by another name: tags with the digest they refer to, archives and other files
    with their content, a directory that is one image with its files. ``temporary`` are files, by path, that a copy
    renames or removes before it ends, ``empty`` the directories in which there is nothing, and ``uploads`` those whose
    rest a registry waits for. What a sync records of its sources is read, and otherwise left out.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)
    temporary: dict[str, bytes] = field(default_factory=dict)
    empty: set[str] = field(default_factory=set)
    uploads: set[str] = field(default_factory=set)

    def holds(self, digest: str) -> bool:
        """Whether a next copy can find this blob here."""
        encoded = digest.partition(":")[2]
        return digest in self.blobs or any(isinstance(tree, dict) and encoded in tree for tree in self.names.values())


@dataclass(frozen=True, slots=True)
class Shape:
    """Where things are below a folder: ``layouts``, the ``blobs`` of layouts, and directories that are one image each.

    ``directories`` are paths, or parents of such directories that end with ``/*``.
    """

    layouts: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()

    def directory(self, path: Path) -> Path | None:
        """The directory that is one image and that a path is in."""
        for pattern in self.directories:
            parent = Path(pattern.removesuffix("/*"))
            if path.is_relative_to(parent) and path != parent:
                return parent / path.relative_to(parent).parts[0] if pattern.endswith("/*") else parent
        return None


def read_folder(folder: Path, shape: Shape) -> State:
    """The state of all that is below a folder."""
    state = State()
    for where, directories, files in os.walk(folder):
        here = Path(where).relative_to(folder)
        if not directories and not files and here != Path():
            state.empty.add(str(here))
        for name in files:
            _add_file(state, shape, here / name, Path(where, name).read_bytes())
    return state


def _add_file(state: State, shape: Shape, path: Path, content: bytes) -> None:
    parent, name = path.parent, path.name
    if PARTIAL in str(path):
        state.temporary[str(path)] = content
    elif name == RECORD_NAME:
        json.loads(content)
    elif str(parent.parent) in shape.blobs:
        state.blobs[f"{parent.name}:{name}"] = content
    elif name == "index.json" and str(parent) in shape.layouts:
        for entry in json.loads(content)["manifests"]:
            state.names[f"{parent}:{entry.get('annotations', {}).get(_REF_NAME, '')}"] = entry["digest"]
    elif (directory := shape.directory(path)) is not None:
        state.names.setdefault(str(directory), {})[str(path.relative_to(directory))] = content
    else:
        state.names[str(path)] = content


def read_registry(registry: Simulator) -> State:
    """The state of a registry."""
    state = State(uploads=set(registry.open_uploads))
    store = registry.store
    for repository in store.repositories():
        state.blobs |= store.blobs(repository)
        for name, manifest in store.manifests(repository).items():
            if ":" in name:
                state.blobs[name] = manifest.raw
            else:
                state.names[f"{repository}:{name}"] = manifest.digest
    return state


def closure(digest: str, blobs: Mapping[str, bytes]) -> set[str]:
    """The digests of a manifest and of all that it names; those of what is missing among them."""
    found, waiting = set[str](), [digest]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        if current in blobs and blobs[current][:1] == b"{":
            parsed = json.loads(blobs[current])
            named = [*parsed.get("manifests", ()), *parsed.get("layers", ()), parsed.get("config")]
            # The configuration of an image has fields of these names, too, that are no descriptors.
            waiting += [entry["digest"] for entry in named if isinstance(entry, dict) and "digest" in entry]
    return found
