"""The repository that a case pushes to, and what it contains before a run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from tests.support.peers import Registry


class InitialState(Enum):
    """What the target, or the content store, contains when a run starts."""

    EMPTY = auto()
    IMAGE = auto()
    BLOBS = auto()  # the blobs without the manifest
    OTHER_REPOSITORY = auto()  # the image in another repository of the same registry
    KILLED = auto()  # what a pull has left that was killed when it had 90 % of the image
    STORED = auto()  # the image is in the content store
    FIRST_STORED = auto()  # the first image of the repository is in the content store


@dataclass(frozen=True, slots=True)
class Target:
    """A repository of ``registry``, which contenders reach at ``host``; the image's tag is ``1``.

    ``storage`` is the registry's directory. It has no cache in memory, so files can be removed from there between runs.
    """

    registry: Registry
    storage: Path
    host: str
    repository: str

    @property
    def name(self) -> str:
        """The image's name, without a transport."""
        return f"{self.host}/{self.repository}:1"

    def prepare(self, initial: InitialState) -> None:
        """Remove what must not be present; what must be was written by the warm-up, or is never removed."""
        repository = repository_folder(self.storage, self.repository)
        if initial is InitialState.EMPTY:
            empty(self.storage)
        elif initial is InitialState.BLOBS:
            shutil.rmtree(repository / "_manifests", ignore_errors=True)
        elif initial is InitialState.OTHER_REPOSITORY:
            shutil.rmtree(repository, ignore_errors=True)


def repository_folder(storage: Path, repository: str) -> Path:
    """Return docker-registry's directory for a repository; it has links to blobs, which are stored elsewhere."""
    return storage / "docker" / "registry" / "v2" / "repositories" / repository


def empty(folder: Path) -> None:
    """Create a directory, or remove everything in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
