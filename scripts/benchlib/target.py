"""The registry that a case pushes to, and what is in it before a run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from tests.support.peers import Registry


class Given(Enum):
    """What the target holds when a run starts."""

    NOTHING = auto()
    IMAGE = auto()
    BLOBS = auto()  # and no manifest
    NEIGHBOUR = auto()  # the image in another repository of the same registry


@dataclass(frozen=True, slots=True)
class Target:
    """A repository (its tag is ``1``) of ``registry``, which contenders reach at ``host``; ``storage`` is its disk.

    The registry has no cache in memory, so what is removed from its disk is gone for it, too.
    """

    registry: Registry
    storage: Path
    host: str
    repository: str

    @property
    def name(self) -> str:
        """The image's name without a transport."""
        return f"{self.host}/{self.repository}:1"

    def prepare(self, given: Given) -> None:
        """Remove what must not be there. What must be was written by the warm-up, or is there for good."""
        repository = repository_folder(self.storage, self.repository)
        if given is Given.NOTHING:
            empty(self.storage)
        elif given is Given.BLOBS:
            shutil.rmtree(repository / "_manifests", ignore_errors=True)
        elif given is Given.NEIGHBOUR:
            shutil.rmtree(repository, ignore_errors=True)


def repository_folder(storage: Path, repository: str) -> Path:
    """Where docker-registry keeps what it knows of ``repository``; the bytes of blobs are elsewhere."""
    return storage / "docker" / "registry" / "v2" / "repositories" / repository


def empty(folder: Path) -> None:
    """Make ``folder`` exist and hold nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
