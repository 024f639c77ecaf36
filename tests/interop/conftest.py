"""Fixtures of the tests beside real programs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.differential.world import World, fill
from tests.support.fake_daemon import FakeDaemon
from tests.support.images import build
from tests.support.peers import Registry
from tests.support.tls import Authority
from tests.support.token_server import TokenServer


@pytest.fixture(scope="module")
def world(
    registry: Registry,
    tls_registry: Registry,
    htpasswd_registry: Registry,
    token_registry: Registry,
    token_server: TokenServer,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """The registries, files and daemon that command lines for both programs are about."""
    folder = tmp_path_factory.mktemp("in")
    registries = {"http": registry, "tls": tls_registry, "basic": htpasswd_registry, "token": token_registry}
    archive = fill(folder, registries, authority)
    with FakeDaemon() as daemon:
        daemon.images = dict.fromkeys(("example.com/team/app:1", build("docker").config_digest()), archive)
        yield World(registries, token_server, daemon, folder)
