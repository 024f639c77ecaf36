"""The registry of a layout, asked through ASGI without a socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from pyskopeo.serve import application

from .images import digest_of
from .outputs import blob_path

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


@asynccontextmanager
async def client(
    layout: Path, repository: str | None = None, *, writable: bool = False
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(layout, repository, writable=writable))
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as made:
        yield made


async def get(layout: Path, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with client(layout) as http:
        return await http.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})


def code_of(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/json"
    (error,) = response.json()["errors"]
    assert "\n" not in error["message"]
    code: str = error["code"]
    return code


def put_blob(layout: Path, content: bytes) -> str:
    digest = digest_of(content)
    blob_path(layout, digest).write_bytes(content)
    return digest


def edit_index(layout: Path, change: Any) -> None:
    index = json.loads((layout / "index.json").read_bytes())
    change(index["manifests"])
    (layout / "index.json").write_text(json.dumps(index))


def annotate(layout: Path, *annotations: dict[str, str]) -> None:
    def change(entries: list[dict[str, Any]]) -> None:
        for entry, wanted in zip(entries, annotations, strict=True):
            entry["annotations"] = wanted

    edit_index(layout, change)
