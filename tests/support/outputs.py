"""A built image put somewhere: a `dir:`, an OCI layout, an archive of one, a registry."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from .images import BuiltImage

_REF_NAME = "org.opencontainers.image.ref.name"
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


def write_dir(image: BuiltImage, directory: Path) -> Path:
    """Write ``image`` as a ``dir:`` that skopeo reads; returns ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    only_sha256 = all(digest.startswith("sha256:") for digest in (*image.blobs, *image.manifests))
    (directory / "version").write_text(f"Directory Transport Version: {'1.1' if only_sha256 else '1.2'}\n")
    (directory / "manifest.json").write_bytes(image.root.raw)
    for digest, data in image.blobs.items():
        (directory / _dir_name(digest)).write_bytes(data)
    for digest, manifest in image.manifests.items():
        if digest != image.digest:
            (directory / f"{_dir_name(digest)}.manifest.json").write_bytes(manifest.raw)
    return directory


def _dir_name(digest: str) -> str:
    algorithm, _, encoded = digest.partition(":")
    return encoded if algorithm == "sha256" else f"{algorithm}-{encoded}"


def write_layout(image: BuiltImage, directory: Path, *, tag: str | None = "latest") -> Path:
    """Write ``image`` into the OCI layout at ``directory``, beside what is there; returns ``directory``.

    Docker images keep their types, as build tools write them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    for digest, data in (*image.blobs.items(), *((d, m.raw) for d, m in image.manifests.items())):
        blob = blob_path(directory, digest)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
    entry: dict[str, object] = {
        "mediaType": image.root.media_type,
        "digest": image.digest,
        "size": len(image.root.raw),
    }
    if tag is not None:
        entry["annotations"] = {_REF_NAME: tag}
    index = directory / "index.json"
    content: dict[str, Any] = {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": []}
    if index.exists():
        content = json.loads(index.read_text())
    others = [e for e in content["manifests"] if tag is None or e.get("annotations", {}).get(_REF_NAME) != tag]
    index.write_text(json.dumps(content | {"manifests": [*others, entry]}, separators=(",", ":")))
    return directory


def blob_path(layout: Path, digest: str) -> Path:
    """Where the layout at ``layout`` keeps ``digest``."""
    return layout.joinpath("blobs", *digest.split(":"))


def write_layout_archive(image: BuiltImage, archive: Path, *, tag: str | None = "latest") -> Path:
    """Write ``image`` as an ``oci-archive:``; returns ``archive``."""
    layout = write_layout(image, archive.with_name(archive.name + ".layout"), tag=tag)
    with tarfile.open(archive, "w") as tar:
        for path in sorted(layout.rglob("*")):
            tar.add(path, path.relative_to(layout).as_posix(), recursive=False)
    return archive


@contextmanager
def connected(url: str, context: ssl.SSLContext | None = None) -> Iterator[http.client.HTTPConnection]:
    """A connection to the origin of ``url``, closed at the end; proxies are not asked."""
    parts = urlsplit(url)
    connection = (
        http.client.HTTPSConnection(parts.netloc, timeout=30, context=context)
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.netloc, timeout=30)
    )
    try:
        yield connection
    finally:
        connection.close()


def push(
    image: BuiltImage,
    url: str,
    repository: str,
    tag: str | None = "latest",
    *,
    credentials: tuple[str, str] | None = None,
    token: str | None = None,
    context: ssl.SSLContext | None = None,
) -> str:
    """Push ``image`` to the registry at ``url`` (``http://HOST:PORT``); returns its root digest.

    ``tag`` None pushes the root by its digest alone. Raises `AssertionError` when the registry refuses.
    """
    headers = {}
    if credentials:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(credentials).encode()).decode()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with connected(url, context) as connection:
        for digest, data in image.blobs.items():
            _push_blob(connection, repository, digest, data, headers)
        for digest, manifest in image.manifests.items():
            name = tag if tag is not None and digest == image.digest else digest
            typed = headers | {"Content-Type": manifest.media_type}
            path = f"/v2/{repository}/manifests/{name}"
            _call(connection, "PUT", path, manifest.raw, typed, expect={201})
    return image.digest


def _push_blob(
    connection: http.client.HTTPConnection, repository: str, digest: str, data: bytes, headers: dict[str, str]
) -> None:
    answer = _call(connection, "POST", f"/v2/{repository}/blobs/uploads/", b"", headers, expect={202})
    location = urlsplit(answer.getheader("Location") or "")
    query = f"{location.query}&" if location.query else ""
    target = f"{location.path}?{query}{urlencode({'digest': digest})}"
    typed = headers | {"Content-Type": "application/octet-stream"}
    _call(connection, "PUT", target, data, typed, expect={201})


def _call(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    expect: set[int],
) -> http.client.HTTPResponse:
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status in expect, f"{method} {path}: {answer.status} {said[:300]!r}"
    return answer
