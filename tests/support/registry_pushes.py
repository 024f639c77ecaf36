"""Pushes to a registry by single requests, as the distribution specification describes them."""

from __future__ import annotations

import json
from typing import Any

import httpx

from .images import digest_of

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY_CONFIG = b"{}"


def described(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


def manifest(config: bytes = EMPTY_CONFIG, *layers: bytes, config_type: str = OCI_CONFIG, **more: Any) -> bytes:
    """A manifest of these blobs; ``more`` are further members."""
    document = {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described(config, config_type),
        "layers": [described(layer, OCI_LAYER) for layer in layers], **more,
    }  # fmt: skip
    return json.dumps({key: value for key, value in document.items() if value is not None}).encode()


def index(*manifests: bytes, **more: Any) -> bytes:
    entries = [described(one, json.loads(one).get("mediaType", OCI_MANIFEST)) for one in manifests]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}).encode()


async def begin(http: httpx.AsyncClient, repository: str, query: str = "") -> str:
    answer = await http.post(f"/v2/{repository}/blobs/uploads/{query}")
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


async def push_blob(http: httpx.AsyncClient, repository: str, content: bytes, algorithm: str = "sha256") -> str:
    digest = digest_of(content, algorithm)
    location = await begin(http, repository)
    answer = await http.put(location, params={"digest": digest}, content=content)
    assert answer.status_code == 201, answer.text
    return digest


async def push_manifest(
    http: httpx.AsyncClient, repository: str, raw: bytes, reference: str = "", media_type: str = ""
) -> httpx.Response:
    content_type = media_type or json.loads(raw).get("mediaType", OCI_MANIFEST)
    headers = {"content-type": content_type}
    return await http.put(f"/v2/{repository}/manifests/{reference or digest_of(raw)}", content=raw, headers=headers)


async def push_image(http: httpx.AsyncClient, repository: str, tag: str = "", *layers: bytes, **more: Any) -> bytes:
    """Push an image of these layers, with the blobs, and return its manifest."""
    for blob in (EMPTY_CONFIG, *layers):
        await push_blob(http, repository, blob)
    raw = manifest(EMPTY_CONFIG, *layers, **more)
    answer = await push_manifest(http, repository, raw, tag)
    assert answer.status_code == 201, answer.text
    return raw
