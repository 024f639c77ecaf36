"""What several scenarios start from: a registry with one image, and a machine without a policy of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.images import build
from tests.support.policies import policy
from tests.support.simulator import Simulator


@pytest.fixture
def registry() -> Iterator[Simulator]:
    with Simulator(build("docker")) as running:
        yield running


@pytest.fixture
def no_machine_policy(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the machine says is not asked: everything is accepted."""
    path = policy(tmp_path_factory.mktemp("machine") / "policy.json")
    monkeypatch.setenv("CONTAINERS_POLICY_JSON", str(path))
    conf = path.with_name("registries.conf")
    conf.write_text("")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    return path
