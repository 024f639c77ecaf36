"""The endpoints that read: manifests, blobs, tags, repositories and referrers."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..errors import InvalidDigest
from ..model.digest import Digest
from .blob_parts import BlobPart, requested_part
from .catalog import is_tag
from .content import check_repository
from .responses import (
    MAX_NAMES,
    Stream,
    content_headers,
    json_reply,
    page_reply,
    referrers_reply,
    refusal,
    reply,
    requested_page,
)
from .scope_keys import MAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from .content import RegistryContent
    from .paths import RegistryPath
    from .scope_keys import May


class ReadingEndpoints:
    """The endpoints for GET and HEAD over some content."""

    def __init__(self, content: RegistryContent) -> None:
        self._content = content

    async def base(self, request: Request, _path: RegistryPath) -> Response:
        """``/v2/``: the registry supports the specification."""
        return json_reply(request, {})

    async def catalog(self, request: Request, _path: RegistryPath) -> Response:
        """``/v2/_catalog``: the repositories, in pages as tags are."""
        last, count = requested_page(request)
        may: May | None = request.scope.get(MAY)
        names, more = await self._content.repositories(last, count)
        if may is not None:
            names, more = await self._allowed(names, count, may, more=more)
        return page_reply(request, {}, "repositories", names, more=more)

    async def _allowed(self, names: Sequence[str], count: int, may: May, *, more: bool) -> tuple[Sequence[str], bool]:
        """Return the first ``count`` repositories, from a page on, that the client may pull."""
        found = [name for name in names if may(name, "pull")]
        while more and names and len(found) < count:
            names, more = await self._content.repositories(names[-1], MAX_NAMES)
            found += [name for name in names if may(name, "pull")]
        return found[:count], more or len(found) > count

    async def tags(self, request: Request, path: RegistryPath) -> Response:
        """``tags/list`` (distribution specification, "Listing Tags")."""
        name = check_repository(path.repository)
        last, count = requested_page(request)
        names, more = await self._content.tags(name, last, count)
        return page_reply(request, {"name": name}, "tags", names, more=more)

    async def manifest(self, request: Request, path: RegistryPath) -> Response:
        """A manifest by tag or digest (distribution specification, "Pulling manifests")."""
        name = check_repository(path.repository)
        if ":" in path.reference:
            digest = parse_digest(path.reference)
        else:
            if not is_tag(path.reference):
                raise refusal(404, "MANIFEST_UNKNOWN", f"{ascii(path.reference)[:140]} is no tag and no digest")
            digest = await self._content.resolve(name, path.reference)
        manifest = await self._content.manifest(name, digest)
        return reply(request, 200, manifest.raw, content_headers(digest, manifest.media_type))

    async def blob(self, request: Request, path: RegistryPath) -> Response | Stream:
        """A blob or a range of it (distribution specification, "Pulling blobs")."""
        name = check_repository(path.repository)
        digest = parse_digest(path.reference)
        with ExitStack() as stack:
            file = stack.enter_context(await self._content.open_blob(name, digest))
            found = requested_part(request, digest, os.fstat(file.fileno()).st_size)
            if not isinstance(found, BlobPart):
                return found
            stack.pop_all()
        return Stream(file, found.part, found.status, found.headers)

    async def referrers(self, request: Request, path: RegistryPath) -> Response:
        """The manifests whose subject is a digest (distribution specification, "Listing Referrers")."""
        name = check_repository(path.repository)
        return referrers_reply(request, await self._content.referrers(name, parse_digest(path.reference)))


def parse_digest(text: str) -> Digest:
    """Parse a digest; raises a refusal."""
    try:
        return Digest.parse(text)
    except InvalidDigest as error:
        raise refusal(400, "DIGEST_INVALID", str(error)) from None


def parse_verifiable_digest(text: str) -> Digest:
    """Parse a digest of an algorithm that this program knows; raises a refusal."""
    digest = parse_digest(text)
    if not digest.verifiable:
        raise refusal(400, "DIGEST_INVALID", f"digests of {digest.algorithm} cannot be verified here")
    return digest
