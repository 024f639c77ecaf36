"""What the simulator holds: manifests and blobs of each repository, and the answers that read them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from .exchange import Headers, Request, Response
from .images import BuiltImage, BuiltManifest

_BYTES = re.compile(r"bytes=(\d+)-(\d*)")


def refusal(status: int, code: str, headers: Headers = (), message: str = "") -> Response:
    """An error as the distribution specification has it."""
    text = message or code.lower().replace("_", " ")
    body = json.dumps({"errors": [{"code": code, "message": text}]}).encode()
    return Response(status, (("Content-Type", "application/json"), *headers), body)


class Store:
    """The content; every access is safe from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._manifests: dict[str, dict[str, BuiltManifest]] = {}
        self._blobs: dict[str, dict[str, bytes]] = {}

    def add(self, image: BuiltImage, repository: str, tag: str | None) -> None:
        """All of an image."""
        with self.lock:
            self._manifests.setdefault(repository, {}).update(image.manifests)
            if tag is not None:
                self.add_manifest(repository, tag, image.root)
            self._blobs.setdefault(repository, {}).update(image.blobs)

    def add_blob(self, repository: str, digest: str, data: bytes) -> None:
        """One blob."""
        with self.lock:
            self._blobs.setdefault(repository, {})[digest] = data

    def add_manifest(self, repository: str, name: str, manifest: BuiltManifest) -> None:
        """One manifest by one name; the other names it has stay."""
        with self.lock:
            self._manifests.setdefault(repository, {})[name] = manifest

    def remove_manifest(self, repository: str, name: str) -> bool:
        """Forget one, all its tags with it when ``name`` is its digest; whether there was one."""
        with self.lock:
            manifests = self._manifests.get(repository, {})
            manifest = manifests.pop(name, None)
            for other in [o for o, m in manifests.items() if manifest and m.digest == name]:
                del manifests[other]
            return manifest is not None

    def remove_blob(self, repository: str, digest: str) -> None:
        """Lose one."""
        with self.lock:
            del self._blobs[repository][digest]

    def remove_repository(self, repository: str) -> None:
        """Lose all of one."""
        with self.lock:
            self._manifests.pop(repository)
            self._blobs.pop(repository, None)

    def blobs(self, repository: str) -> Mapping[str, bytes]:
        """All blobs of a repository, by digest."""
        with self.lock:
            return dict(self._blobs.get(repository, {}))

    def manifests(self, repository: str) -> Mapping[str, BuiltManifest]:
        """All manifests of a repository, by tag and by digest."""
        with self.lock:
            return dict(self._manifests.get(repository, {}))

    def repositories(self) -> tuple[str, ...]:
        """All there are."""
        with self.lock:
            return tuple({**self._manifests, **self._blobs})

    def every_blob(self) -> dict[str, bytes]:
        """The blobs of all repositories."""
        return {digest: data for repository in self.repositories() for digest, data in self.blobs(repository).items()}

    def missing(self, repository: str, raw: bytes) -> tuple[str, ...]:
        """The digests that a manifest names, foreign layers aside, and that are not here."""
        with self.lock:
            manifests, blobs = self.manifests(repository), self.blobs(repository)
        parsed = json.loads(raw)
        children = (str(child["digest"]) for child in parsed.get("manifests") or ())
        wanted = (blob for blob in [parsed.get("config"), *(parsed.get("layers") or ())] if blob and not blob.get("urls"))
        return (
            # As docker-registry has it, an entry of an index may be a blob.
            *(digest for digest in children if digest not in manifests and digest not in blobs),
            *(str(blob["digest"]) for blob in wanted if blob["digest"] not in blobs),
        )

    def incomplete(self) -> Iterator[str]:
        """Each manifest that names what is not there, as ``REPOSITORY NAME: DIGEST``."""
        for repository in self.repositories():
            for name, manifest in self.manifests(repository).items():
                for digest in self.missing(repository, manifest.raw):
                    yield f"{repository} {name}: {digest}"

    def manifest_answer(self, repository: str, name: str, *, entity_tag: bool = False) -> Response:
        """GET or HEAD of a manifest."""
        manifest = self.manifests(repository).get(name)
        if manifest is None:
            return refusal(404, "MANIFEST_UNKNOWN")
        headers = (("Content-Type", manifest.media_type), ("Docker-Content-Digest", manifest.digest))
        tag = (("ETag", f'"{manifest.digest}"'),) if entity_tag else ()
        return Response(200, (*headers, *tag), manifest.raw)

    def catalog_answer(self, request: Request, page_size: int) -> Response:
        """GET of a page of the names of all repositories."""
        return _page(request, "/v2/_catalog", {}, "repositories", sorted(self.repositories()), page_size)

    def tags_answer(self, request: Request, repository: str, page_size: int) -> Response:
        """GET of a page of tags."""
        tags = sorted(name for name in self.manifests(repository) if ":" not in name)
        return _page(request, f"/v2/{repository}/tags/list", {"name": repository}, "tags", tags, page_size)


def _page(
    request: Request, path: str, document: dict[str, object], member: str, names: list[str], page_size: int
) -> Response:
    last = request.query.get("last", [""])[0]
    size = min(int(request.query.get("n", [str(page_size)])[0]), page_size)
    rest = [name for name in names if name > last]
    body = json.dumps(document | {member: rest[:size]}).encode()
    response = Response(200, (("Content-Type", "application/json"),), body)
    if len(rest) > size and size:
        response = response.with_header("Link", f'<{path}?last={quote(rest[size - 1])}&n={size}>; rel="next"')
    return response


def blob_answer(request: Request, digest: str, data: bytes | None) -> Response:
    """GET or HEAD of a blob, or of a part of it (RFC 9110 section 14)."""
    if data is None:
        return refusal(404, "BLOB_UNKNOWN")
    headers = (
        ("Content-Type", "application/octet-stream"),
        ("Docker-Content-Digest", digest),
        ("Accept-Ranges", "bytes"),
        ("ETag", f'"{digest}"'),
    )
    asked = _BYTES.fullmatch(request.header("Range") or "")
    if asked is None or request.method == "HEAD":
        return Response(200, headers, data, whole=data)
    start, end = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
    if start > end:
        return Response(416, (("Content-Range", f"bytes */{len(data)}"),), b"")
    ranged = (*headers, ("Content-Range", f"bytes {start}-{end}/{len(data)}"))
    return Response(206, ranged, data[start : end + 1], whole=data, start=start)
