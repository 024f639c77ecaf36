"""Fixtures of the tests beside real programs."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.differential.world import World, fill
from tests.interop.programs import PROGRAMS, Program
from tests.interop.signing_stage import Stage
from tests.support.fake_daemon import FakeDaemon
from tests.support.gnupg import Gnupg
from tests.support.images import build
from tests.support.measurement import unmeasured
from tests.support.peers import Registry
from tests.support.require import require_peer
from tests.support.tls import Authority
from tests.support.token_server import TokenServer

_COUNT = itertools.count()


@pytest.fixture(autouse=True)
def _unmeasured() -> Iterator[None]:
    """These tests are not measured for coverage: there are thousands, and other tests measure what they run."""
    with unmeasured():
        yield



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


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    """Each of the two programs in turn: what a test says holds for both."""
    return PROGRAMS[request.param]


@pytest.fixture(scope="session")
def _keys() -> Iterator[Gnupg]:
    with Gnupg() as keys:
        for user in ("alice@example.com", "bob@example.com"):
            keys.create(user)
        keys.create("locked@example.com", passphrase="opensesame")
        yield keys


@pytest.fixture
def keys(_keys: Gnupg, monkeypatch: pytest.MonkeyPatch) -> Gnupg:
    """The keyring of both programs: alice, bob, and locked, whose passphrase is ``opensesame``."""
    monkeypatch.setenv("GNUPGHOME", str(_keys.home))
    _keys.forget_passphrases()
    return _keys


@pytest.fixture
def stage(registry: Registry, program: Program, tmp_path: Path) -> Stage:
    """Where one program signs and checks."""
    return Stage(registry, f"{registry.host}/signed{next(_COUNT)}", tmp_path, program)


@pytest.fixture
def podman_command(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The beginning of a command line of podman, with an empty storage; it takes no long path for what runs."""
    program = require_peer("podman")
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as run:
        yield program, f"--root={tmp_path}/podman", f"--runroot={run}", "--storage-driver=vfs"
