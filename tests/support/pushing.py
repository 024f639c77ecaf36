"""The simulator as a registry to push to: what kind of one it is, and how it takes manifests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

from .exchange import Request, Response
from .images import BuiltManifest, digest_of
from .store import Store, refusal

_LARGEST_MANIFEST = 4 * 1024 * 1024
_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, slots=True)
class Pushing:
    """What kind of registry it is to those who push. By default it does all that the specification has.

    ``absolute``: each Location is a whole URL; ``query``: the upload's state is in its query, else in its path.
    ``stale`` says what comes of an upload's old Location: it is refused with 416, served all the same, or
    ``lost``: as docker-registry 2.8 has it, once bytes came that the Location does not know of, every request
    for it is answered with 404, DELETE too, and the upload stays open for good. ``status`` False: GET of an upload is 405. ``keeps`` False: what a cut request
    brought is forgotten. ``mounts`` False: each POST to mount begins an upload; ``quiet``: so does one whose token
    does not allow to pull there, where others challenge. ``chunk_min`` is told as
    ``OCI-Chunk-Min-Length``, and held to. ``whole_posts``: POST with ``digest`` and the blob makes the blob.
    ``refused_types`` of manifests are refused with ``refused_as``. ``checks_blobs`` False: manifests may name
    what is not there. ``deletes`` and ``deletes_tags``: whether manifests can be deleted by digest, by tag.
    ``delete_scope`` is the action that DELETE needs, of an upload too, as docker-registry has it.
    ``referrers``: it has the referrers API, and says so with ``OCI-Subject``. ``conditions``: manifests have entity
    tags, and a PUT under a condition that does not hold is refused; if they are ``ignored``, it is not, as
    docker-registry has it.
    """

    absolute: bool = False
    query: bool = True
    stale: Literal["refused", "served", "lost"] = "refused"
    status: bool = True
    keeps: bool = True
    mounts: bool = True
    quiet: bool = False
    chunk_min: int | None = None
    whole_posts: bool = False
    refused_types: frozenset[str] = frozenset()
    refused_as: tuple[int, str] = (400, "MANIFEST_INVALID")
    checks_blobs: bool = True
    deletes: bool = True
    deletes_tags: bool = False
    delete_scope: str = "delete"
    referrers: bool = False
    conditions: Literal["none", "ignored", "honoured"] = "none"


def _drop(piece: bytes) -> object:
    return len(piece)


def _nothing(*, cut: bool) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Handling:
    """What is done with one request: ``write`` for its body as it comes, ``ended`` after it, ``finish`` to answer."""

    finish: Callable[[Request], Response]
    write: Callable[[bytes], object] = _drop
    ended: Callable[..., None] = _nothing
    keeps: BytesIO | None = None


def answered(response: Response) -> Handling:
    """The body does not matter."""
    return Handling(lambda request: response)


def put_manifest(store: Store, pushing: Pushing, repository: str, name: str) -> Handling:
    """PUT of a manifest (distribution specification, "Pushing Manifests")."""
    body = BytesIO()

    def write(piece: bytes) -> object:
        # One piece more than is allowed is enough to know.
        return body.write(piece) if body.tell() <= _LARGEST_MANIFEST else 0

    def finish(request: Request) -> Response:
        raw = body.getvalue()
        if len(raw) > _LARGEST_MANIFEST:
            return refusal(413, "SIZE_INVALID")
        refused = _refused(store, pushing, repository, name, request.header("Content-Type") or "", raw)
        if refused is not None:
            return refused
        digest = name if ":" in name else digest_of(raw)
        manifest = BuiltManifest(digest, request.header("Content-Type") or "", raw)
        with store.lock:
            if pushing.conditions == "honoured" and not _holds(request, store.manifests(repository).get(name)):
                return refusal(412, "PRECONDITION_FAILED")
            store.add_manifest(repository, digest, manifest)
            store.add_manifest(repository, name, manifest)
        headers = [("Location", f"/v2/{repository}/manifests/{digest}"), ("Docker-Content-Digest", digest)]
        subject = json.loads(raw).get("subject")
        if pushing.referrers and subject:
            headers.append(("OCI-Subject", subject["digest"]))
        return Response(201, tuple(headers))

    return Handling(finish, write, keeps=body)


def _holds(request: Request, current: BuiltManifest | None) -> bool:
    """Whether the conditions of a PUT hold (RFC 9110 section 13.1)."""
    match, none_match = request.header("If-Match"), request.header("If-None-Match")
    if match is not None and (current is None or match not in ("*", f'"{current.digest}"')):
        return False
    return none_match is None or current is None


def referrers_answer(request: Request, store: Store, repository: str, digest: str) -> Response:
    """GET of what refers to a manifest (distribution specification, "Listing Referrers")."""
    found: dict[str, dict[str, Any]] = {}
    for manifest in store.manifests(repository).values():
        document = json.loads(manifest.raw)
        if (document.get("subject") or {}).get("digest") == digest:
            kind = document.get("artifactType") or document.get("config", {}).get("mediaType", "")
            entry = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.raw)}
            found[manifest.digest] = entry | {"artifactType": kind, "annotations": document.get("annotations") or {}}
    wanted = request.query.get("artifactType", [])
    entries = [entry for _, entry in sorted(found.items()) if not wanted or entry["artifactType"] in wanted]
    body = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}
    applied = (("OCI-Filters-Applied", "artifactType"),) if wanted else ()
    return Response(200, (("Content-Type", _INDEX), *applied), json.dumps(body).encode())


def _refused(
    store: Store, pushing: Pushing, repository: str, name: str, content_type: str, raw: bytes
) -> Response | None:
    try:
        parsed: Any = json.loads(raw)
    except ValueError:
        return refusal(400, "MANIFEST_INVALID", message="not JSON")
    if not isinstance(parsed, dict) or content_type != parsed.get("mediaType", content_type) or "/" not in content_type:
        return refusal(400, "MANIFEST_INVALID", message=f"the manifest is no {content_type}")
    if content_type in pushing.refused_types:
        return refusal(*pushing.refused_as, message=f"{content_type} is not accepted here")
    if ":" in name and name != digest_of(raw, name.partition(":")[0]):
        return refusal(400, "DIGEST_INVALID")
    missing = store.missing(repository, raw) if pushing.checks_blobs else ()
    if missing:
        return refusal(400, "MANIFEST_BLOB_UNKNOWN", message=f"blob unknown to registry: {missing[0]}")
    return None


def delete_manifest(store: Store, pushing: Pushing, repository: str, name: str) -> Response:
    """DELETE of a manifest, or of a tag (distribution specification, "Content Management")."""
    if not (pushing.deletes if ":" in name else pushing.deletes_tags):
        return refusal(405, "UNSUPPORTED")
    if not store.remove_manifest(repository, name):
        return refusal(404, "MANIFEST_UNKNOWN")
    return Response(202)
