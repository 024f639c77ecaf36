"""A repository with thousands of tags: its plan is not in memory as a whole, a second time as text."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from pyskopeo.access import Access
from pyskopeo.engine.selection import Selection
from pyskopeo.model.choice import Choice
from pyskopeo.syncing.planning import plan_sync
from pyskopeo.syncing.sync_request import SyncRequest
from tests.support.exchange import Response
from tests.support.simulator import Simulator

COUNT = 3000


def test_a_plan_is_written_in_pieces() -> None:
    tags = [f"v{number:04}" for number in range(COUNT)]
    pieces: list[bytes] = []

    async def write(content: bytes) -> None:
        pieces.append(content)

    with Simulator() as registry:
        registry.routes["/v2/team/app/tags/list"] = Response(200, (), json.dumps({"tags": tags}).encode())
        access = Access.from_environ()
        access = replace(access, trust=replace(access.trust, insecure=True))
        source = f"{registry.host}/team/app"
        request = SyncRequest("docker", source, "docker", "mirror.example.com", Selection(Choice(), "all"))
        totals = asyncio.run(plan_sync(request, write, source_access=access, resolve=False))
    assert totals.images == COUNT
    planned = b"".join(pieces).splitlines()[1:-1]
    assert [json.loads(line)["source"] for line in planned] == [f"docker://{source}:{tag}" for tag in tags]
    assert max(piece.count(b"\n") for piece in pieces) <= COUNT / 3
