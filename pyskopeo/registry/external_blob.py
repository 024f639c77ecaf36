"""Download blobs that only the ``urls`` of their descriptors have, as for an OCI layout without its foreign layers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from ..errors import PyskopeoError, UnsafeAddress
from ..http.locality import Locality
from ..http.origin import Origin, redact_url
from ..model.events import Requested
from ..model.reference import Reference
from .blob_download import BlobDownload
from .layer_urls import request_from_urls
from .redirects import follow_redirects
from .request import build_request
from .sessions import open_sender

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..access import Access
    from ..http.messages import Response, SendRequest
    from ..model.descriptor import Descriptor
    from ..streams.byte_streams import BlobReader
    from .mirrors import BlobEndpoint


_ADVICE = "; --tls-verify=false (copy: --src-tls-verify=false) allows http and addresses of this network"


@asynccontextmanager
async def open_external_blob(
    descriptor: Descriptor, where: str, access: Access, offset: int = 0
) -> AsyncIterator[BlobReader]:
    """Open a blob that only the URLs in its descriptor have; ``where`` names the image it belongs to in errors.

    The reader begins at byte ``offset``, though the whole blob is requested.

    Only https URLs with public addresses are requested, unless TLS verification is off. Raises `NetworkError` and
    `InvalidContent`.
    """
    # Not named after any server, so that no client certificate is shown to one.
    async with (
        open_sender(Reference("urls.invalid", ""), access) as send,
        BlobDownload(descriptor, _ExternalEndpoint(where, access, send), offset) as download,
    ):
        yield download


class _ExternalEndpoint:
    """The URLs in the descriptors of one image as the only endpoint of its blobs."""

    def __init__(self, name: str, access: Access, send: SendRequest) -> None:
        self.name = name
        self.retry, self.report = access.network.retry, access.report
        self.position = 0
        self.range_host = ""
        self._network, self._send = access.network, send
        self._insecure = bool(access.trust.insecure)

    @property
    def repositories(self) -> Sequence[BlobEndpoint]:
        return (self,)

    def move_to(self, position: int, failures: Sequence[tuple[BlobEndpoint, PyskopeoError]]) -> None:
        """Do nothing: there is no other endpoint."""

    async def request_blob(
        self, descriptor: Descriptor, offset: int, what: str, until: int | None = None
    ) -> Response:
        """GET the whole blob, whatever ``offset`` is."""
        schemes = frozenset({"https", "http"} if self._insecure else {"https"})
        try:
            return await request_from_urls(descriptor, self._request, what, schemes=schemes)
        except UnsafeAddress as error:
            advice = "" if self._insecure else _ADVICE
            error.args = (f"{what}: {error}{advice}",)
            raise

    async def request_part(self, descriptor: Descriptor, start: int, end: int, etag: str, what: str) -> Response:
        """Not called: `range_host` is empty."""
        raise NotImplementedError

    async def _request(self, method: str, url: str) -> Response:
        return await follow_redirects(url, partial(self._request_once, method), Origin.of(url).netloc)

    async def _request_once(self, method: str, url: str) -> Response:
        reach = Locality.LOOPBACK if self._insecure else Locality.PUBLIC
        response = await self._send(build_request(method, url, {}, b"", self._network, reach=reach))
        self.report(Requested(method, redact_url(url), response.status_code, 0.0))
        return response
