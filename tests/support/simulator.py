"""A registry to pull from that does wrong what a test asks for, and records every request.

::

    with Simulator(build("oci")) as registry:
        registry.on_blob(digest, Cut(1000), times=2)
        ...
        assert registry.secrets_seen == []
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol
from urllib.parse import quote

from .exchange import Request, Response
from .faults import Fault
from .httpd import HttpServer
from .images import BuiltImage, BuiltManifest
from .tls import ServerCertificate

_ROUTE = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|tags)/(?P<last>[^/]+)")
_BYTES = re.compile(r"bytes=(\d+)-(\d*)")


class Gate(Protocol):
    """Who may come in."""

    def challenges(self, request: Request, scope: str) -> tuple[str, ...]:
        """The ``WWW-Authenticate`` headers to refuse with; none lets the request pass.

        ``scope`` is what the request needs, such as ``repository:NAME:pull``; "" for ``/v2/``.
        """
        ...


@dataclass(frozen=True)
class BasicGate:
    """Let in who knows a password."""

    users: dict[str, str]
    realm: str = "simulator"

    def challenges(self, request: Request, scope: str) -> tuple[str, ...]:
        """Ask for Basic."""
        for pair in self.users.items():
            expected = "Basic " + base64.b64encode(":".join(pair).encode()).decode()
            if request.header("Authorization") == expected:
                return ()
        return (f'Basic realm="{self.realm}"',)


@dataclass(frozen=True)
class BearerGate:
    """Let in who has a token that ``accepts(token, scope)``; others are sent to ``realm``."""

    realm: str
    accepts: Callable[[str, str], bool]
    service: str = "simulator"

    def challenges(self, request: Request, scope: str) -> tuple[str, ...]:
        """Ask for a token, saying what was wrong with the one that came."""
        kind, _, token = (request.header("Authorization") or "").partition(" ")
        if kind.lower() == "bearer" and self.accepts(token, scope):
            return ()
        error = ',error="insufficient_scope"' if kind.lower() == "bearer" and self.accepts(token, "") else ""
        asked = f',scope="{scope}"' if scope else ""
        return (f'Bearer realm="{self.realm}",service="{self.service}"{asked}{error}',)


@dataclass(slots=True)
class _Rule:
    pattern: str
    fault: Fault
    methods: Collection[str]
    left: int | None
    skip: int

    def takes(self, request: Request) -> bool:
        if request.method not in self.methods or not fnmatchcase(request.path, self.pattern):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.left is not None:
            if self.left == 0:
                return False
            self.left -= 1
        return True


class Simulator(HttpServer):
    """The registry; a context manager.

    Honest unless told otherwise: manifests, blobs with Range, tags with pages of ``page_size``. Every
    blob is also at ``/storage/DIGEST``, without any gate, to redirect to. ``routes`` answers further paths.
    """

    def __init__(
        self,
        image: BuiltImage | None = None,
        repository: str = "test/image",
        tag: str = "latest",
        *,
        tls: ServerCertificate | None = None,
        gate: Gate | None = None,
        page_size: int = 100,
    ) -> None:
        super().__init__(tls=tls)
        self.gate = gate
        self.page_size = page_size
        self.routes: dict[str, Response] = {}
        self._rules: list[_Rule] = []
        self._rules_lock = threading.Lock()
        self._manifests: dict[str, dict[str, BuiltManifest]] = {}
        self._blobs: dict[str, dict[str, bytes]] = {}
        if image is not None:
            self.add(image, repository, tag)

    def add(self, image: BuiltImage, repository: str, tag: str | None) -> None:
        """Serve one more image, or the same one by one more name."""
        manifests = self._manifests.setdefault(repository, {})
        manifests |= image.manifests
        self._blobs.setdefault(repository, {}).update(image.blobs)
        if tag is not None:
            manifests[tag] = image.root

    def name(self, repository: str = "test/image", tag: str = "latest") -> str:
        """``docker://HOST/REPOSITORY:TAG``."""
        return f"docker://{self.host}/{repository}:{tag}"

    def on(
        self, pattern: str, *faults: Fault, times: int | None = None, skip: int = 0, methods: Iterable[str] = ("GET",)
    ) -> None:
        """Apply ``faults`` to answers for paths that match ``pattern`` (``*`` matches anything).

        Only to ``times`` of them (None: to all), after letting the first ``skip`` pass.
        """
        with self._rules_lock:
            self._rules += [_Rule(pattern, fault, tuple(methods), times, skip) for fault in faults]

    def on_blob(self, digest: str, *faults: Fault, times: int | None = None, skip: int = 0) -> None:
        """`on` for GET of this blob in any repository."""
        self.on(f"/v2/*/blobs/{digest}", *faults, times=times, skip=skip)

    def on_manifest(
        self, reference: str, *faults: Fault, times: int | None = None, skip: int = 0, methods: Iterable[str] = ("GET",)
    ) -> None:
        """`on` for this manifest, by tag or digest, in any repository."""
        self.on(f"/v2/*/manifests/{reference}", *faults, times=times, skip=skip, methods=methods)

    def answer(self, request: Request) -> Response:
        """The honest answer, then the faults."""
        response = self._honest(request)
        with self._rules_lock:
            faults = [rule.fault for rule in self._rules if rule.takes(request)]
        for fault in faults:
            response = fault.apply(request, response)
        return response

    def _honest(self, request: Request) -> Response:
        if request.path in self.routes:
            return self.routes[request.path]
        if request.path.startswith("/storage/"):
            return self._stored(request, request.path.rpartition("/")[2], self._every_blob())
        route = _ROUTE.fullmatch(request.path)
        scope = f"repository:{route['name']}:pull" if route else ""
        if self.gate and (challenges := self.gate.challenges(request, scope)):
            headers = tuple(("WWW-Authenticate", challenge) for challenge in challenges)
            return _error(401, "UNAUTHORIZED", headers)
        if request.path == "/v2/":
            return Response(200, (("Content-Type", "application/json"),), b"{}")
        if request.method not in ("GET", "HEAD"):
            return _error(405, "UNSUPPORTED")
        if route is None:
            return Response(404, (("Content-Type", "text/plain"),), b"404 page not found\n")
        if route["name"] not in self._manifests:
            return _error(404, "NAME_UNKNOWN")
        if route["kind"] == "manifests":
            return self._manifest(route["name"], route["last"])
        if route["kind"] == "blobs":
            return self._stored(request, route["last"], self._blobs[route["name"]])
        return self._tags(request, route["name"])

    def _every_blob(self) -> dict[str, bytes]:
        return {digest: data for blobs in self._blobs.values() for digest, data in blobs.items()}

    def _manifest(self, repository: str, reference: str) -> Response:
        manifest = self._manifests[repository].get(reference)
        if manifest is None:
            return _error(404, "MANIFEST_UNKNOWN")
        headers = (("Content-Type", manifest.media_type), ("Docker-Content-Digest", manifest.digest))
        return Response(200, headers, manifest.raw)

    def _stored(self, request: Request, digest: str, blobs: dict[str, bytes]) -> Response:
        data = blobs.get(digest)
        if data is None:
            return _error(404, "BLOB_UNKNOWN")
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

    def _tags(self, request: Request, repository: str) -> Response:
        tags = sorted(name for name in self._manifests[repository] if ":" not in name)
        last = request.query.get("last", [""])[0]
        size = min(int(request.query.get("n", [str(self.page_size)])[0]), self.page_size)
        rest = [tag for tag in tags if tag > last]
        body = json.dumps({"name": repository, "tags": rest[:size]}).encode()
        response = Response(200, (("Content-Type", "application/json"),), body)
        if len(rest) > size and size:
            link = f'</v2/{repository}/tags/list?last={quote(rest[size - 1])}&n={size}>; rel="next"'
            response = response.with_header("Link", link)
        return response


def _error(status: int, code: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    body = json.dumps({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}).encode()
    return Response(status, (("Content-Type", "application/json"), *headers), body)
