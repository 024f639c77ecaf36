"""A registry to pull from and to push to, that does wrong what a test asks for and records every request.

::

    with Simulator(build("oci")) as registry:
        registry.on_blob(digest, Cut(1000), times=2)
        ...
        assert registry.secrets_seen == []

To push, `on_upload` spoils the requests of uploads; see `pushing.Pushing` for kinds of registries.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from .exchange import Request, Response
from .faults import Fault
from .gates import BasicGate, BearerGate, Gate
from .httpd import HttpServer
from .images import BuiltImage, BuiltManifest
from .intake import Manner
from .pushing import Handling, Pushing, answered, delete_manifest, put_manifest, referrers_answer
from .store import Store, blob_answer, refusal
from .tls import ServerCertificate
from .upload_faults import BodyFault, loses, prevents
from .uploads import Uploads

__all__ = ["BasicGate", "BearerGate", "Gate", "Pushing", "Simulator"]

_ROUTE = re.compile(
    r"/v2/(?P<name>.+?)/(?:blobs/uploads/(?P<upload>.*)|(?P<kind>manifests|blobs|tags|referrers)/(?P<last>[^/]+))"
)


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

    Honest unless told otherwise: manifests, blobs with Range, tags with pages of ``page_size``; to push to it
    is as ``pushing`` says. Every blob is also at ``/storage/DIGEST``, without any gate, to redirect to.
    ``routes`` answers further paths. Every request is in `requests`, with the number of bytes of its body.
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
        pushing: Pushing | None = None,
    ) -> None:
        super().__init__(tls=tls)
        self.gate = gate
        self.page_size = page_size
        self.pushing = pushing or Pushing()
        self.routes: dict[str, Response] = {}
        self.store = Store()
        self.uploads = Uploads(self.store, self.pushing, "https" if tls else "http")
        self._rules: list[_Rule] = []
        self._rules_lock = threading.Lock()
        if image is not None:
            self.add(image, repository, tag)

    def add(self, image: BuiltImage, repository: str, tag: str | None) -> None:
        """Serve one more image, or the same one by one more name."""
        self.store.add(image, repository, tag)

    @property
    def open_uploads(self) -> tuple[str, ...]:
        """The uploads that were begun and neither finished nor cancelled."""
        return self.uploads.open()

    def blobs(self, repository: str = "test/image") -> Mapping[str, bytes]:
        """The blobs of a repository, by digest."""
        return self.store.blobs(repository)

    def manifest(self, name: str = "latest", repository: str = "test/image") -> BuiltManifest | None:
        """A manifest by tag or digest."""
        return self.store.manifests(repository).get(name)

    @property
    def incomplete(self) -> list[str]:
        """Each manifest that names what is not there."""
        return list(self.store.incomplete())

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

    def on_upload(self, method: str, *faults: Fault, times: int | None = None, skip: int = 0) -> None:
        """`on` for POST that begins an upload, or PATCH, PUT, GET, DELETE of one, in any repository."""
        self.on("/v2/*/blobs/uploads/*", *faults, times=times, skip=skip, methods=(method,))

    def heal(self) -> None:
        """Take all faults away."""
        with self._rules_lock:
            self._rules.clear()

    def receive(self, request: Request) -> _Conversation:
        """The faults are chosen, then the honest way to take the request."""
        with self._rules_lock:
            faults = tuple(rule.fault for rule in self._rules if rule.takes(request))
        prevented = any(prevents(fault, request) for fault in faults)
        return _Conversation(self, request, answered(Response()) if prevented else self._honest(request), faults)

    def _honest(self, request: Request) -> Handling:
        if request.path in self.routes:
            return answered(self.routes[request.path])
        if request.path.startswith("/storage/"):
            digest = request.path.rpartition("/")[2]
            return answered(blob_answer(request, digest, self.store.every_blob().get(digest)))
        route = _ROUTE.fullmatch(request.path)
        if self.gate and (challenges := self.gate.challenges(request, self._scope(request, route))):
            return answered(refusal(401, "UNAUTHORIZED", tuple(("WWW-Authenticate", value) for value in challenges)))
        if request.path == "/v2/":
            return answered(Response(200, (("Content-Type", "application/json"),), b"{}"))
        if request.path == "/v2/_catalog":
            return answered(self.store.catalog_answer(request, self.page_size))
        if route is None:
            return answered(Response(404, (("Content-Type", "text/plain"),), b"404 page not found\n"))
        if route["upload"] is not None:
            return self.uploads.handle(self._allowed(request), route["name"], route["upload"])
        return self._content(request, route["name"], route["kind"], route["last"])

    def _content(self, request: Request, name: str, kind: str, last: str) -> Handling:
        if kind == "manifests" and request.method == "PUT":
            return put_manifest(self.store, self.pushing, name, last)
        if kind == "manifests" and request.method == "DELETE":
            return answered(delete_manifest(self.store, self.pushing, name, last))
        if not request.reads:
            return answered(refusal(405, "UNSUPPORTED"))
        if name not in self.store.repositories():
            return answered(refusal(404, "NAME_UNKNOWN"))
        if kind == "manifests":
            tagged = self.pushing.conditions != "none"
            return answered(self.store.manifest_answer(name, last, entity_tag=tagged))
        if kind == "referrers":
            if not self.pushing.referrers:
                return answered(Response(404, (("Content-Type", "text/plain"),), b"404 page not found\n"))
            return answered(referrers_answer(request, self.store, name, last))
        if kind == "blobs":
            return answered(blob_answer(request, last, self.store.blobs(name).get(last)))
        return answered(self.store.tags_answer(request, name, self.page_size))

    def _scope(self, request: Request, route: re.Match[str] | None) -> str:
        """What the request needs, as docker-registry has it: to mount from somewhere, to pull there too."""
        if route is None:
            return "registry:catalog:*" if request.path == "/v2/_catalog" else ""
        actions = "pull" if request.reads else "pull,push" if request.method != "DELETE" else self.pushing.delete_scope
        origins = [] if self.pushing.quiet else _origins(request)
        return " ".join([f"repository:{route['name']}:{actions}", *origins])

    def _allowed(self, request: Request) -> Request:
        """The request as far as it is allowed: where nothing is said, a mount that is not is none."""
        if self.pushing.quiet and self.gate and any(self.gate.challenges(request, one) for one in _origins(request)):
            return replace(request, target=request.path)
        return request


def _origins(request: Request) -> list[str]:
    """The scopes for where a mount is from."""
    origins = request.query.get("from", []) if request.method == "POST" else []
    return [f"repository:{origin}:pull" for origin in origins]


class _Conversation:
    """One request under the faults chosen for it."""

    def __init__(self, owner: Simulator, request: Request, handling: Handling, faults: tuple[Fault, ...]) -> None:
        self._owner, self._handling, self._faults = owner, handling, faults
        self._target = request.target
        self.manner = Manner()
        for fault in faults:
            if isinstance(fault, BodyFault):
                self.manner = fault.manner(request, self.manner)

    def write(self, piece: bytes) -> object:
        return self._handling.write(piece)

    def kept(self) -> bytes:
        return self._handling.keeps.getvalue() if self._handling.keeps else b""

    def ended(self, *, cut: bool) -> None:
        self._handling.ended(cut=cut)
        if any(loses(fault, cut=cut) for fault in self._faults):
            self._owner.uploads.forget(self._target)

    def answer(self, request: Request) -> Response:
        """The honest answer, then the faults."""
        response = self._handling.finish(request)
        for fault in self._faults:
            response = fault.apply(request, response)
        return response
