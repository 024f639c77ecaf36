"""Pushes with a password, with tokens, and with other credentials for each side."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.credentials.authfile import Credentials
from tests.scenario.push.images import IMAGE, PASSWORD, TOTAL
from tests.support.access import access_for
from tests.support.publishing import Push
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.anyio


async def test_with_a_password(tmp_path: Path) -> None:
    with Simulator(gate=BasicGate({"user": "pass"})) as registry:
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        await push.run()
        push.check_there()
        assert push.sent == TOTAL


async def test_one_token_serves_the_whole_push(token_server: TokenServer, tmp_path: Path) -> None:
    before = len(token_server.requests)
    with Simulator(gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=PASSWORD))
        await push.run()
        push.check_there()
        assert push.sent == TOTAL
        assert push.retries == []
    (asked,) = token_server.requests[before:]
    assert asked.query["scope"] == ["repository:test/image:pull,push"]


async def test_each_side_is_its_own_client(token_server: TokenServer, tmp_path: Path) -> None:
    with Simulator(IMAGE, gate=BasicGate({"other": "secret"})) as source:
        with Simulator(gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
            push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=PASSWORD))
            reader = access_for(tmp_path, credentials=Credentials("other", "secret"))
            await push.run(source=source.name(), source_access=reader)
            push.check_there()
            assert all(value.startswith("Basic b3RoZXI6") for value in source.secrets_seen)
            assert all(value.startswith("Bearer ") for value in registry.secrets_seen)
