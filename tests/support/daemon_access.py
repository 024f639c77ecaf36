"""Reaching a fake Docker daemon, and what is expected of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyskopeo
from pyskopeo.access import Access
from pyskopeo.http.tls import Trust

from .access import networked
from .fake_daemon import FakeDaemon
from .images import BuiltImage
from .outputs import write_layout

NAME, FULL = "docker-daemon:a/b:v1", "docker.io/a/b:v1"


def access(daemon: FakeDaemon | str, scratch: Path, trust: Trust | None = None, **network: object) -> Access:
    host = daemon if isinstance(daemon, str) else daemon.host
    found = Access.from_environ({"DOCKER_HOST": host, "TMPDIR": str(scratch)})
    return networked(replace(found, trust=trust or Trust(insecure=True)), **network)


async def archive_of(image: BuiltImage, folder: Path, tag: str = FULL) -> bytes:
    """What `docker-archive:` makes of an image."""
    path = folder / "expected.tar"
    await pyskopeo.copy(f"oci:{write_layout(image, folder / 'expected')}", f"docker-archive:{path}:{tag}")
    return path.read_bytes()
