"""A registry that answers the referrers API, or keeps conditions of PUT for the index of the tag schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .exchange import Request, Response
from .images import BuiltManifest
from .pushing import Handling, answered
from .referring import INDEX
from .simulator import Simulator

_REFERRERS = re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>[^/]+)")
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<last>[^/]+)")


class ReferrersRegistry(Simulator):
    """A `Simulator` with the referrers API (distribution specification 1.1), unless ``api`` is False.

    ``page`` is the number of entries of a page, ``filters`` whether it filters by type and says so. With ``etags`` it
    gives manifests entity tags; with ``conditions`` it keeps ``If-Match`` and ``If-None-Match``, too.
    ``before_put`` and ``after_put`` are called with the repository and the name of each manifest before and after it is
    stored, as another writer would come between.
    """

    api = True
    page = 1000
    filters = False
    etags = False
    conditions = False
    before_put: Callable[[str, str], object] | None = None
    after_put: Callable[[str, str], object] | None = None

    def listed(self, digest: str, repository: str = "test/image") -> set[str]:
        """The digests that the API lists for a subject."""
        return {str(one["digest"]) for one in self._referrers(repository, digest)}

    def tagged(self, digest: str, repository: str = "test/image") -> list[dict[str, Any]]:
        """The entries of the index of the tag schema for a subject."""
        found = self.manifest(digest.replace(":", "-"), repository)
        return [] if found is None else list(found.json["manifests"])  # type: ignore[call-overload]  # JSON

    def _honest(self, request: Request) -> Handling:
        listing = _REFERRERS.fullmatch(request.path)
        if listing and self.api and request.path not in self.routes:
            return answered(self._listing(request, listing["name"], listing["digest"]))
        manifest = _MANIFEST.fullmatch(request.path)
        if not manifest or self.gate:
            return super()._honest(request)
        name, last = manifest["name"], manifest["last"]
        if request.method == "PUT":
            return self._put(request, name, last)
        handling = super()._honest(request)
        return replace(handling, finish=lambda asked: self._tagged(handling.finish(asked), name, last))

    def _put(self, request: Request, name: str, last: str) -> Handling:
        handling = super()._honest(request)

        def finish(asked: Request) -> Response:
            if self.before_put is not None:
                self.before_put(name, last)
            if self.conditions and not self._may_replace(asked, name, last):
                return Response(412)
            response = handling.finish(asked)
            if self.after_put is not None:
                self.after_put(name, last)
            raw = handling.keeps.getvalue() if handling.keeps else b""
            subject = json.loads(raw).get("subject") if response.status == 201 else None
            return response.with_header("OCI-Subject", subject["digest"]) if subject and self.api else response

        return replace(handling, finish=finish)

    def _may_replace(self, request: Request, name: str, last: str) -> bool:
        there = self.store.manifests(name).get(last)
        if_match, if_none_match = request.header("If-Match"), request.header("If-None-Match")
        if if_match is not None:
            return there is not None and if_match == f'"{there.digest}"'
        return not (if_none_match == "*" and there is not None)

    def _tagged(self, response: Response, name: str, last: str) -> Response:
        there = self.store.manifests(name).get(last)
        gives = self.etags and there is not None and response.status == 200
        return response.with_header("ETag", f'"{there.digest}"') if gives and there else response

    def _referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        found = {one.digest: one for one in self.store.manifests(repository).values() if _subject(one) == digest}
        return [_described(found[key]) for key in sorted(found)]

    def _listing(self, request: Request, repository: str, digest: str) -> Response:
        entries = self._referrers(repository, digest)
        wanted = request.query.get("artifactType", [""])[0]
        headers: tuple[tuple[str, str], ...] = (("Content-Type", INDEX),)
        if wanted and self.filters:
            entries = [one for one in entries if one.get("artifactType") == wanted]
            headers = (*headers, ("OCI-Filters-Applied", "artifactType"))
        start = int(request.query.get("from", ["0"])[0])
        rest = entries[start + self.page :]
        if rest:
            headers = (*headers, ("Link", f'<{request.path}?from={start + self.page}>; rel="next"'))
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries[start : start + self.page]}
        return Response(200, headers, json.dumps(body).encode())


def _subject(manifest: BuiltManifest) -> str:
    subject = manifest.json.get("subject")
    return str(subject["digest"]) if isinstance(subject, dict) else ""


def _described(manifest: BuiltManifest) -> dict[str, Any]:
    made = manifest.json
    config = made.get("config")
    kind = made.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else "")
    described: dict[str, Any] = {
        "mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.raw),
    }  # fmt: skip
    return described | ({"artifactType": kind} if kind else {}) | (
        {"annotations": made["annotations"]} if "annotations" in made else {}
    )
