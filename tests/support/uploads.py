"""Uploads of blobs to the simulator (distribution specification 1.1, "Pushing Blobs")."""

from __future__ import annotations

import re
import secrets
import threading
from functools import partial
from io import BytesIO

from .exchange import Headers, Request, Response
from .images import digest_of
from .pushing import Handling, Pushing, answered
from .store import Store, refusal

_CONTENT_RANGE = re.compile(r"(\d+)-(\d+)")


class _Upload:
    """One upload. ``turn`` counts the requests that may write: the last one does, earlier ones are forgotten."""

    def __init__(self, repository: str) -> None:
        self.repository = repository
        self.identifier = secrets.token_hex(8)
        self.content = BytesIO()
        self.state = ""
        self.turn = 0
        self.short = False

    @property
    def size(self) -> int:
        return self.content.getbuffer().nbytes

    def renewed(self) -> str:
        """The state for the next Location."""
        self.state = f"{self.size}-{secrets.token_hex(4)}"
        return self.state


class Uploads:
    """All uploads that were begun and neither finished nor cancelled."""

    def __init__(self, store: Store, pushing: Pushing, scheme: str) -> None:
        self._store, self._pushing, self._scheme = store, pushing, scheme
        self._open: dict[str, _Upload] = {}
        self._lock = threading.RLock()

    def open(self) -> tuple[str, ...]:
        """The identifiers of all."""
        with self._lock:
            return tuple(self._open)

    def taken(self) -> int:
        """Bytes of all that are open."""
        with self._lock:
            return sum(upload.size for upload in self._open.values())

    def spoil(self) -> None:
        """Change the first byte of all that are open."""
        with self._lock:
            for upload in self._open.values():
                view = upload.content.getbuffer()
                view[0] ^= 1
                view.release()

    def forget(self, target: str) -> None:
        """Lose the upload that this target is about."""
        with self._lock:
            for identifier in [one for one in self._open if one in target]:
                del self._open[identifier]

    def handle(self, request: Request, repository: str, rest: str) -> Handling:
        """What to do with a request for ``/v2/REPOSITORY/blobs/uploads/REST``."""
        if not rest:
            return self._begin(request, repository) if request.method == "POST" else answered(refusal(405, "UNSUPPORTED"))
        identifier, _, state = rest.partition("/")
        if self._pushing.query:
            state = request.query.get("_state", [""])[0]
        with self._lock:
            upload = self._open.get(identifier)
            if upload is None or upload.repository != repository:
                return answered(refusal(404, "BLOB_UPLOAD_UNKNOWN"))
            if self._pushing.stale == "lost" and state.partition("-")[0] != str(upload.size):
                return answered(refusal(404, "BLOB_UPLOAD_INVALID"))
            if request.method == "GET":
                response = Response(204, self._where(request, upload))
                return answered(response if self._pushing.status else refusal(405, "UNSUPPORTED"))
            if request.method == "DELETE":
                del self._open[identifier]
                return answered(Response(204))
            if request.method in ("PATCH", "PUT"):
                return self._append(request, upload, state)
        return answered(refusal(405, "UNSUPPORTED"))

    def _begin(self, request: Request, repository: str) -> Handling:
        digest, origin = (request.query.get(name, [""])[0] for name in ("mount", "from"))
        if digest and self._pushing.mounts and (data := self._store.blobs(origin).get(digest)) is not None:
            self._store.add_blob(repository, digest, data)
            return answered(self._created(repository, digest))
        upload = _Upload(repository)
        with self._lock:
            self._open[upload.identifier] = upload
        if self._pushing.whole_posts and "digest" in request.query:
            return self._append(request, upload, upload.renewed())
        headers = self._where(request, upload)
        if self._pushing.chunk_min is not None:
            headers = (*headers, ("OCI-Chunk-Min-Length", str(self._pushing.chunk_min)))
        return answered(Response(202, headers))

    def _append(self, request: Request, upload: _Upload, state: str) -> Handling:
        start = upload.size
        if (self._pushing.stale == "refused" and state != upload.state) or not _continues(request, start):
            return answered(refusal(416, "BLOB_UPLOAD_INVALID", self._where(request, upload)))
        if upload.short:
            return answered(refusal(400, "SIZE_INVALID", message="only the last chunk may be that short"))
        upload.turn += 1
        turn = upload.turn

        def write(piece: bytes) -> object:
            with self._lock:
                return upload.content.write(piece) if turn == upload.turn else 0

        def ended(*, cut: bool) -> None:
            with self._lock:
                if turn != upload.turn:
                    return
                if cut and not self._pushing.keeps:
                    upload.content.seek(start)
                    upload.content.truncate()
                least = self._pushing.chunk_min or 0
                upload.short = not cut and request.method == "PATCH" and upload.size - start < least

        done = self._patched if request.method == "PATCH" else self._completed
        return Handling(partial(done, upload), write, ended)

    def _patched(self, upload: _Upload, request: Request) -> Response:
        with self._lock:
            return Response(202, self._where(request, upload))

    def _completed(self, upload: _Upload, request: Request) -> Response:
        wanted = request.query.get("digest", [""])[0]
        with self._lock:
            if self._open.pop(upload.identifier, None) is None:
                return refusal(404, "BLOB_UPLOAD_UNKNOWN")
        # Not a copy: BytesIO hands out the bytes it has.
        data = upload.content.getvalue()
        algorithm = wanted.partition(":")[0]
        if algorithm not in ("sha256", "sha512") or digest_of(data, algorithm) != wanted:
            return refusal(400, "DIGEST_INVALID", message="provided digest did not match uploaded content")
        self._store.add_blob(upload.repository, wanted, data)
        return self._created(upload.repository, wanted)

    def _created(self, repository: str, digest: str) -> Response:
        headers = (("Location", f"/v2/{repository}/blobs/{digest}"), ("Docker-Content-Digest", digest))
        return Response(201, headers)

    def _where(self, request: Request, upload: _Upload) -> Headers:
        """How far an upload is, and where it goes on: somewhere new each time."""
        state = upload.renewed()
        path = f"/v2/{upload.repository}/blobs/uploads/{upload.identifier}"
        path += f"?_state={state}&x=a%2Fb" if self._pushing.query else f"/{state}"
        if self._pushing.absolute:
            path = f"{self._scheme}://{request.header('Host')}{path}"
        # Of nothing and of one byte the same is said, as registries do.
        end = max(upload.size - 1, 0)
        return (("Location", path), ("Range", f"0-{end}"), ("Docker-Upload-UUID", upload.identifier))


def _continues(request: Request, size: int) -> bool:
    """Whether a body begins where the upload ends, by its ``Content-Range``, which may be absent."""
    said = request.header("Content-Range")
    if said is None:
        return True
    match = _CONTENT_RANGE.fullmatch(said)
    if match is None or int(match[1]) != size:
        return False
    length = request.header("Content-Length")
    return length is None or int(length) == int(match[2]) - size + 1
