"""Pushes whose tokens expire, or may not do all that is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import RegistryError
from tests.scenario.push.faults.faults import fails_then_works, on_bodies
from tests.scenario.push.faults.images import IMAGE, LARGE
from tests.support import faults as f
from tests.support import upload_faults as u
from tests.support.access import access_for
from tests.support.publishing import Push, kind
from tests.support.simulator import BearerGate, Pushing, Simulator
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.anyio


async def test_a_token_that_expires_between(token_server: TokenServer, tmp_path: Path) -> None:
    """Every few requests all tokens are void; the body that meets a 401 is sent again with a new one."""
    count = 0

    def accepts(token: str, scope: str) -> bool:
        nonlocal count
        count += 1
        if count % 5 == 0:
            token_server.forget()
        return token_server.accepts(token, scope)

    with Simulator(gate=BearerGate(token_server.realm, accepts)) as registry:
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=Credentials("user", "pass")))
        await push.run(jobs=1)
        push.check_there()


@pytest.mark.parametrize("early", [False, True])
async def test_a_token_that_expires_in_the_middle(early: bool, token_server: TokenServer, tmp_path: Path) -> None:
    challenge = f'Bearer realm="{token_server.realm}",service="simulator",scope="repository:test/image:pull,push"'
    with Simulator(gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
        fault: f.Fault = f.Challenge((challenge,))
        if early:
            fault = u.Early(401, at=300_000, over=1_000_000, headers=(("WWW-Authenticate", challenge),))
        on_bodies(registry, fault, times=1)
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=Credentials("user", "pass")))
        await push.run(jobs=1)
        push.check_there()
        # The one that expired, its successor, and perhaps one that may cancel too.
        assert len({r.header("Authorization") for r in registry.requests if kind(r) == "upload"}) <= 3


async def test_cancelling_needs_another_scope(token_server: TokenServer, tmp_path: Path) -> None:
    """docker-registry asks for ``delete``, whether an upload or an image is deleted: it must not cost the push its token."""
    with Simulator(gate=BearerGate(token_server.realm, token_server.accepts), pushing=Pushing(mounts=False)) as registry:
        registry.add(IMAGE, "private/from", "v1")
        registry.store.add_blob("test/image", LARGE, IMAGE.blobs[LARGE])
        push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=Credentials("user", "pass")))
        await push.run(source=registry.name("private/from", "v1"), jobs=1)
        push.check_there()
        assert push.asked["DELETE upload"] >= 1
        assert push.retries == []


async def test_no_right_to_cancel(tmp_path: Path) -> None:
    """What cannot be cancelled stays open, and the error is that of the push."""
    from tests.support.token_server import TokenRules

    def grant(user: str, name: str, actions: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(action for action in actions if action != "delete")

    with TokenServer(tmp_path / "tokens", TokenRules(grant=grant)) as tokens:
        with Simulator(gate=BearerGate(tokens.realm, tokens.accepts)) as registry:
            on_bodies(registry, f.Refuse(400))
            push = Push(registry, IMAGE, tmp_path, access_for(tmp_path, credentials=Credentials("user", "pass")))
            push.closes = False
            await fails_then_works(push, RegistryError, "the simulator refuses")
