"""A daemon for the places that lie in one; its temporary files are looked for where other places have theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_daemon import FakeDaemon


@pytest.fixture(scope="session")
def fake_daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon() as running:
        yield running


@pytest.fixture(autouse=True)
def docker_host(
    fake_daemon: FakeDaemon, clean_environment: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("DOCKER_HOST", fake_daemon.host)
    parameters = getattr(request.node, "callspec", None)
    place = parameters.params.get("place") if parameters else None
    if place is not None and place.transport == "docker-daemon" and "there" in request.fixturenames:
        tmp_path: Path = request.getfixturevalue("tmp_path")
        monkeypatch.setenv("TMPDIR", str(tmp_path / "there"))
