"""Request layers from the ``urls`` of their descriptors (image specification, "Content Descriptors").

The URLs are untrusted input: no credentials are sent to them, and the digest of what they serve is verified by the
caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NetworkError, PyskopeoError, RegistryError, UnsafeAddress
from ..http.origin import Origin

if TYPE_CHECKING:
    from ..http.messages import Response
    from ..model.descriptor import Descriptor

# At most this many of a descriptor's URLs are requested.
_MAX_URLS = 10
_HTTPS = frozenset({"https"})


async def request_from_urls(
    descriptor: Descriptor,
    request: Callable[[str, str], Awaitable[Response]],
    what: str,
    *,
    schemes: frozenset[str] = _HTTPS,
) -> Response:
    """GET a layer from the first of its URLs that has it, by ``request`` (method, URL), which follows redirects.

    ``what`` begins the messages of errors. Raises `NetworkError` and `InvalidContent` when none of them has the layer.
    """
    failure: PyskopeoError = RegistryError(f"{what}: it is neither there nor at any URL of its descriptor", status=404)
    for url in descriptor.urls[:_MAX_URLS]:
        try:
            if Origin.of(url).scheme not in schemes:
                raise UnsafeAddress(f"{Origin.of(url)} is not https")
            response = await request("GET", url)
        except (NetworkError, InvalidContent) as error:
            if error.temporary or not failure.temporary:  # a temporary error is preferred, so that there is a retry
                failure = error
            continue
        if response.status_code == 200:
            return response
        await response.aclose()
    raise failure
