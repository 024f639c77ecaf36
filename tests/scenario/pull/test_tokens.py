"""Pulls whose token expires before they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.credentials.authfile import Credentials
from tests.scenario.pull.images import IMAGE, LARGE
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.exchange import Request, Response
from tests.support.pulling import Pull, ranges
from tests.support.simulator import BearerGate, Simulator
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.anyio


async def test_a_token_is_renewed_in_the_middle_of_a_blob(token_server: TokenServer, tmp_path: Path) -> None:
    with Simulator(IMAGE, gate=BearerGate(token_server.realm, token_server.accepts)) as registry:
        access = access_for(tmp_path, credentials=Credentials("user", "pass"))
        registry.on_blob(LARGE, Ending(token_server), f.Cut(100_000), times=1)
        before = len(token_server.requests)
        await Pull(registry, IMAGE, tmp_path / "layout", access).run(jobs=1)
        asked = ranges(registry, LARGE)
    assert asked[0] is None
    assert asked[1:] == ["bytes=100000-"] * 2  # refused, then with the new token
    assert len(token_server.requests) == before + 2


class Ending:
    """Makes all tokens invalid once the answer is on its way."""

    def __init__(self, tokens: TokenServer) -> None:
        self.tokens = tokens

    def apply(self, request: Request, response: Response) -> Response:
        self.tokens.forget()
        return response
