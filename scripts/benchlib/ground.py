"""The registries that the benchmark runs on, and their disks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.delay import DelayProxy
from tests.support.peers import Registry

from .images import certificate
from .lines import Line, lay
from .target import repository_folder


@dataclass(frozen=True, slots=True)
class Place:
    """A registry, its disk, and its other addresses: the same registry over long lines."""

    registry: Registry
    storage: Path
    lines: Mapping[Line, DelayProxy]

    def host(self, line: Line) -> str:
        """Where contenders reach it."""
        return self.lines[line].host if line in self.lines else self.registry.host


@dataclass(frozen=True, slots=True)
class Ground:
    """``source`` and ``secure`` have the same images; ``target`` is for pushing to, as is what is below ``pushed``.

    ``cache`` is kept; ``scratch``, the target's disk and the repositories below ``pushed`` are gone at the end.
    """

    source: Place
    secure: Registry
    target: Place
    pushed: str
    cache: Path
    scratch: Path


@contextmanager
def ground(cache: Path) -> Iterator[Ground]:
    """Everything started, with its files in ``cache``; stopped at the end. Raises `PeerFailed`."""
    # Several benchmarks may share the cache.
    pushed, scratch, target = f"pushed-{os.getpid()}", cache / f"work-{os.getpid()}", cache / f"target-{os.getpid()}"
    images = cache / "registry"
    images.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for left in (scratch, target, repository_folder(images, pushed)):
            stack.callback(shutil.rmtree, left, ignore_errors=True)
        secure = stack.enter_context(Registry(storage=images, tls=certificate(cache / "tls")))
        yield Ground(_place(stack, images), secure, _place(stack, target), pushed, cache, scratch)


def _place(stack: ExitStack, storage: Path) -> Place:
    registry = stack.enter_context(Registry(storage=storage))
    return Place(registry, storage, lay(stack, registry))
