"""Lookasides: where signatures of images are kept beside registries (containers-registries.d(5)).

The signatures of a manifest are at ``BASE/REPOSITORY@sha256=HEX/signature-N``, with N from 1 on (containers-image,
"signature-protocols").
"""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ..errors import ConnectionFailed, InvalidInput, RegistryError, Unsupported
from ..http.locality import reach_from
from ..http.origin import Origin, redact_url
from ..http.read_bounded import read_bounded
from ..model.events import Requested
from ..model.reference import Reference
from ..model.signature import SIGNATURE_LIMIT, Signature
from .redirects import follow_redirects
from .request import build_request
from .response_checks import closing
from .sessions import open_sender

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..access import Access
    from ..http.messages import Response, SendRequest
    from ..model.digest import Digest

_REMOTE = frozenset({"http", "https"})


def lookaside_directory(base: str, repository: str, digest: Digest) -> str:
    """Return the URL of the directory of a manifest's signatures; ``base`` is the URL in the configuration.

    Raises `InvalidInput` for text that is no URL, and `Unsupported` for one that is not ``file://`` with an absolute
    path, ``http://`` or ``https://``.
    """
    try:
        parts = urlsplit(base)
    except ValueError:
        raise InvalidInput(f"Invalid signature storage URL {ascii(base)[1:-1][:200]}") from None
    is_file, is_remote = parts.scheme == "file" and parts.path.startswith("/"), parts.scheme in _REMOTE
    if parts.query or not (is_file or (is_remote and parts.hostname)):
        raise Unsupported(
            f"Unsupported scheme of the lookaside {redact_url(base)}: want file:///, http:// or https://, and no query"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}/{repository}@{digest.algorithm}={digest.hex}"


def local_path(url: str) -> Path | None:
    """Return the path that a ``file`` URL names, None for another URL; raises `InvalidInput` for no possible path."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    if "\0" in path:
        raise InvalidInput(f"the lookaside {url} names no file: it has a zero byte")
    return Path(path)


async def download_signatures(url: str, access: Access) -> tuple[Signature, ...]:
    """Return the signatures at the URL of a manifest, until one answers 404.

    Certificates are those for the lookaside's host; only credentials in the URL itself are sent, and only there. Raises
    `NetworkError`, `InvalidContent` for an unknown format, and `TooLarge` for one over `SIGNATURE_LIMIT` bytes, and as
    `Signature.check_total`.
    """
    origin = Origin.of(_without_credentials(url))
    found: list[Signature] = []
    size = 0
    async with open_sender(Reference(origin.netloc, ""), access) as send:
        download = _Download(access, send, origin, _credentials(url))
        while True:
            one = _without_credentials(f"{url}/signature-{len(found) + 1}")
            raw = await download.get(one)
            if raw is None:
                return tuple(found)
            size += len(raw)
            Signature.check_total(len(found) + 1, size, one)
            found.append(Signature.parse(raw, one))


class _Download:
    """Requests files of one lookaside, with retries and redirects; ``headers`` are sent to its ``origin`` only."""

    def __init__(self, access: Access, send: SendRequest, origin: Origin, headers: Mapping[str, str]) -> None:
        self._access, self._send = access, send
        self._origin, self._headers = origin, headers
        self._peer = ""

    async def get(self, url: str) -> bytes | None:
        """Return a file's content, None if there is no such file."""
        what = f"reading signature from {url}"
        network = self._access.network
        try:
            return await network.retry.run(partial(self._get, url, what), what, self._access.report)
        except ConnectionFailed as error:
            error.args = (f"{what}: {error}; registries.d names this lookaside", *error.args[1:])
            raise

    async def _get(self, url: str, what: str) -> bytes | None:
        response = await follow_redirects(url, self._request, self._origin.netloc)
        async with closing(response):
            if response.status_code == 404:
                return None
            if response.status_code != 200:
                raise RegistryError(f"{what}: StatusCode: {response.status_code}", status=response.status_code)
            return await read_bounded(response, SIGNATURE_LIMIT, what)

    async def _request(self, url: str) -> Response:
        network, target = self._access.network, Origin.of(url)
        own = target == self._origin
        # The user has named the lookaside, wherever it is; it must not send us to what is nearer than itself.
        reach = None if own else reach_from(self._origin.host, self._peer, target.host)
        response = await self._send(build_request("GET", url, self._headers if own else {}, b"", network, reach=reach))
        if own:
            self._peer = response.peer
        self._access.report(Requested("GET", redact_url(url), response.status_code, 0.0))
        return response


def _credentials(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    plain = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {b64encode(plain.encode()).decode()}"}


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
