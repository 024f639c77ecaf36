"""Answers of the registry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.errors import StorageFailed
from pyskopeo.serve import application
from pyskopeo.serve.blob_parts import byte_range
from pyskopeo.streams.pump import BUFFER_SIZE
from tests.support.outputs import blob_path
from tests.support.serving import client, code_of, get

pytestmark = pytest.mark.anyio


def test_byte_range_of_nothing() -> None:
    assert byte_range("bytes=0-", 0) is None
    assert byte_range("bytes=1-", 1) == range(0)


@pytest.mark.parametrize(
    ("header", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, None),
        ("bytes=10-19", 10, 20),
        ("BYTES=10-19", 10, 20),
        (f"bytes={BUFFER_SIZE - 1}-{BUFFER_SIZE}", BUFFER_SIZE - 1, BUFFER_SIZE + 1),
        (f"bytes=7-{BUFFER_SIZE * 2 + 7}", 7, BUFFER_SIZE * 2 + 8),
        ("bytes=2000000-99999999999999999999", 2000000, None),
        ("bytes=-10", -10, None),
        ("bytes=-99999999999", 0, None),
    ],
)
async def test_range(layout: Path, big: tuple[str, bytes], header: str, first: int, end: int | None) -> None:
    digest, content = big
    answer = await get(layout, f"/v2/x/blobs/{digest}", Range=header)
    wanted = content[first:end]
    start = first if first >= 0 else len(content) + first
    assert answer.status_code == 206
    assert answer.content == wanted
    assert answer.headers["content-length"] == str(len(wanted))
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(content)}"
    assert answer.headers["docker-content-digest"] == digest


@pytest.mark.parametrize("header", ["bytes={size}-", "bytes={size}-{size}", "bytes=99999999999999999999-", "bytes=-0"])
async def test_range_outside(layout: Path, big: tuple[str, bytes], header: str) -> None:
    digest, content = big
    answer = await get(layout, f"/v2/x/blobs/{digest}", Range=header.format(size=len(content)))
    assert (answer.status_code, code_of(answer)) == (416, "SIZE_INVALID")
    assert answer.headers["content-range"] == f"bytes */{len(content)}"


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,5-6", "bytes=5-4", "bytes=-", "bytes=a-b", "bytes", "lines=0-1", "bytes=\u0661-", "bytes=0x1-2"],
)
async def test_ranges_that_are_ignored(layout: Path, big: tuple[str, bytes], header: str) -> None:
    digest, content = big
    async with client(layout) as http:
        answer = await http.get(f"/v2/x/blobs/{digest}", headers=[(b"Range", header.encode())])
    assert (answer.status_code, answer.content) == (200, content)
    assert "content-range" not in answer.headers


async def test_range_is_for_get_and_for_the_same_content(layout: Path, big: tuple[str, bytes]) -> None:
    path, content = f"/v2/x/blobs/{big[0]}", big[1]
    assert (await get(layout, path, "HEAD", Range="bytes=0-1")).headers["content-length"] == str(len(content))
    assert (await get(layout, path, Range="bytes=0-1", If_Range=f'"{big[0]}"')).status_code == 206
    assert (await get(layout, path, Range="bytes=0-1", If_Range='"other"')).content == content
    async with client(layout) as http:
        answer = await http.get(path, headers=[("Range", "bytes=0-1"), ("Range", "bytes=4-5")])
    assert answer.content == content


async def test_a_shrinking_blob_breaks_the_answer(layout: Path, big: tuple[str, bytes]) -> None:
    received = []

    async def receive() -> dict[str, Any]:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Any) -> None:
        received.append(message)
        os.truncate(blob_path(layout, big[0]), BUFFER_SIZE)

    path = f"/v2/x/blobs/{big[0]}"
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    with pytest.raises(StorageFailed, match=f"ends after {BUFFER_SIZE} bytes"):
        await application(layout)(scope, receive, send)
    assert received[-1]["more_body"] is True


async def test_reading_ends_when_the_client_leaves(layout: Path, big: tuple[str, bytes]) -> None:
    left = anyio.Event()
    sent = 0

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal sent
        if message["type"] == "http.response.body":
            sent += len(message["body"])
            left.set()
            await anyio.sleep_forever()

    path = f"/v2/x/blobs/{big[0]}"
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    with anyio.fail_after(5):
        await application(layout)(scope, receive, send)
    assert sent == BUFFER_SIZE
