"""An upload session: the requests that open, mount, resume and cancel it (distribution specification 1.1, "Push")."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import anyio

from ..errors import InvalidContent, PyskopeoError
from ..http.loop_bridge import finishing
from .response_checks import refused

if TYPE_CHECKING:
    from ..http.httpx_import import httpx
    from ..model.digest import Digest
    from ..model.reference import Reference
    from .session import Session
    from .upload_state import UploadState

_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})", re.ASCII)
# Seconds. How long an upload that is not wanted any more may take to be opened or cancelled.
_CANCEL_SECONDS = 0.6


class UploadSession:
    """The registry's side of one upload. ``location`` is its URL, "" while there is none.

    One request each, not retried, but for the mount. Raises `NetworkError` and `InvalidContent`.
    """

    def __init__(self, reference: Reference, session: Session, state: UploadState) -> None:
        self.session, self.state = session, state
        self.location = ""
        self._name = reference.name
        self._path = f"/v2/{reference.repository}/blobs/uploads/"
        self._what = f"initiating an upload to {self._name}"

    async def open(self, digest: Digest | None) -> None:
        """POST, unless a session is open; ``digest`` is the blob's, if it is known."""
        if self.location:
            return
        self.state.begin_anew()
        query = {"digest-algorithm": digest.algorithm} if digest and digest.algorithm != "sha256" else {}
        await finishing(partial(self._post, query), _CANCEL_SECONDS)

    async def mount(self, digest: Digest, repository: str) -> bool:
        """POST: mount a blob from another repository of the registry. False: a session was opened instead."""
        query = {"mount": str(digest), "from": repository}
        once = partial(self._post, query, f"repository:{repository}:pull")
        return await finishing(partial(self.session.retry, once, self._what), _CANCEL_SECONDS)

    async def resume(self) -> None:
        """GET how much the registry has. Where that cannot be known the session is cancelled."""
        location, state = self.location, self.state
        state.offset = 0
        if not location or not state.resumable:
            await self.cancel()
            return
        with suppress(PyskopeoError):
            response = await self.session.request("GET", location, {})
            await response.aclose()
            end = range_end(response)
            # What it has beyond what was sent is unknown.
            if response.status_code in (200, 202, 204) and end is not None and 0 < end <= state.sent:
                self.location = self.session.located(response, location)
                state.continue_at(end)
                return
        await self.cancel()

    async def cancel(self) -> None:
        """DELETE a session that is not wanted any more; whether that succeeds matters to the registry only."""
        location, self.location = self.location, ""
        self.state.begin_anew()
        if location:
            with anyio.move_on_after(_CANCEL_SECONDS, shield=True), suppress(PyskopeoError):
                await (await self.session.request("DELETE", location, {})).aclose()

    def follow(self, response: httpx.Response) -> None:
        """Use the URL that a response gives for the next request."""
        self.location = self.session.located(response, self.location)

    async def _post(self, query: dict[str, str], also: str = "") -> bool:
        """Whether the blob was mounted; if not, a session is open."""
        path = self._path + (f"?{urlencode(query, safe=':/')}" if query else "")
        response = await self.session.request("POST", path, {"Content-Length": "0"}, also=also)
        if response.status_code not in (201, 202):
            raise await refused(self.session, response, self._what)
        await response.aclose()
        if "mount" in query and response.status_code == 201:
            return True
        self.location = self.session.located(response)
        if not self.location:
            raise InvalidContent(f"{self._name}: the registry opened an upload and did not say where (no Location)")
        shortest = response.headers.get("oci-chunk-min-length", "")
        if shortest.isascii() and shortest.isdigit() and len(shortest) < 13:
            self.state.shortest = int(shortest)
        return False


def range_end(response: httpx.Response) -> int | None:
    """The number of bytes that the registry has, by its ``Range``; None if it does not say, as ``0-0`` does not."""
    found = _RANGE.fullmatch(response.headers.get("range", "").strip())
    return int(found[1]) + 1 if found and found[1] != "0" else None


def with_digest(location: str, digest: Digest) -> str:
    """The URL that completes an upload; the registry's own query stays as it is."""
    return f"{location}{'&' if '?' in location else '?'}digest={quote(str(digest), safe='')}"
