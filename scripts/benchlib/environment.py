"""The registries and directories that a benchmark runs on."""

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
from .links import Link, start_proxies
from .target import repository_folder


@dataclass(frozen=True, slots=True)
class RegistryServer:
    """A registry, the directory of its storage, and proxies that simulate slower links to it."""

    registry: Registry
    storage: Path
    proxies: Mapping[Link, DelayProxy]

    def host(self, link: Link) -> str:
        """Return the ``host:port`` at which contenders reach the registry over a link."""
        return self.proxies[link].host if link in self.proxies else self.registry.host


@dataclass(frozen=True, slots=True)
class Environment:
    """Registries: ``source`` and, over TLS, ``secure`` serve the images; ``target`` is pushed to.

    Images are pushed to repositories below ``pushed``, which may also be in the source registry. The directory
    ``cache`` is kept; ``scratch``, the target's storage and the repositories below ``pushed`` are removed at the end.
    """

    source: RegistryServer
    secure: Registry
    target: RegistryServer
    pushed: str
    cache: Path
    scratch: Path


@contextmanager
def start_environment(cache: Path, written: Path | None = None) -> Iterator[Environment]:
    """Start all registries, and stop them at the end; raises `PeerFailed`.

    The images are in ``cache``; ``written``, else the cache, is where the target registry and contenders write.
    """
    # Several benchmarks may share these directories.
    written = (written or cache) / f"pyskopeo-bench-{os.getpid()}"
    pushed, scratch, target = f"pushed-{os.getpid()}", written / "work", written / "target"
    images = cache / "registry"
    images.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for leftover in (written, repository_folder(images, pushed)):
            stack.callback(shutil.rmtree, leftover, ignore_errors=True)
        secure = stack.enter_context(Registry(storage=images, tls=certificate(cache / "tls")))
        yield Environment(_start(stack, images), secure, _start(stack, target), pushed, cache, scratch)


def _start(stack: ExitStack, storage: Path) -> RegistryServer:
    registry = stack.enter_context(Registry(storage=storage))
    return RegistryServer(registry, storage, start_proxies(stack, registry))
