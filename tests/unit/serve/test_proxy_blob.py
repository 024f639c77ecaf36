"""The response with a blob that a proxy is fetching."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from pyskopeo.errors import InvalidContent, StorageFailed
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.reference import Reference
from pyskopeo.serve.proxy_blob import ProxiedBlob
from pyskopeo.serve.responses import SEND_FILE

pytestmark = pytest.mark.anyio


async def test_a_part_that_may_have_been_sent_is_not_sent_again() -> None:
    """The kernel does not say how much of a file it has sent before that could not be read any more."""

    class Arriving:
        restarts, file = 0, None

        async def wait_for(self, _offset: int, _restarts: int) -> int:
            return 10

    @asynccontextmanager
    async def reading(*_: object) -> AsyncIterator[Arriving]:
        yield Arriving()

    async def receive() -> Any:
        await anyio.sleep_forever()

    sent: list[str] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])
        if message["type"] == SEND_FILE:
            raise StorageFailed("it became shorter")

    content = cast("Any", SimpleNamespace(fetches=SimpleNamespace(reading=reading)))
    descriptor = Descriptor("", Digest.of(b"blob"), 10)
    reported: list[str] = []
    blob = ProxiedBlob(
        content, Reference.parse("docker.io/library/x"), descriptor, range(10), status=200, headers={},
        report=reported.append,
    )  # fmt: skip
    with pytest.raises(InvalidContent, match="became shorter"):
        await blob({"type": "http", "extensions": {SEND_FILE: {}}}, receive, send)
    assert blob.started
    assert sent == ["http.response.start", SEND_FILE]
    assert reported == []
