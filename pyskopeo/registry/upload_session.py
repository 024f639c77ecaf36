"""An upload session: the requests that open, mount, resume and cancel it (distribution specification 1.1, "Push")."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlencode

import anyio

from ..errors import ConnectionFailed, InvalidContent, PyskopeoError, RegistryError, UnsafeAddress
from ..http.loop_bridge import run_with_grace
from ..http.origin import Origin
from ..model.events import Explained
from .response_checks import ask, read_error

if TYPE_CHECKING:
    from ..http.messages import Response
    from ..model.digest import Digest
    from ..model.reference import Reference
    from .session import Session
    from .upload_state import UploadState

# With or without a unit, and as in Content-Range.
_RANGE = re.compile(r"(?:bytes[= ] ?)?0-([0-9]{1,18})(?:/(?:[0-9]{1,18}|\*))?", re.ASCII | re.IGNORECASE)
# Seconds that opening or cancelling an upload may take when it is not needed any more.
CANCEL_SECONDS = 0.6
# Bytes. The record of an upload is written again when that many more were sent.
_RECORD_STEP = 16 * 1024 * 1024


class UploadRecord(Protocol):
    """What is known of an upload in a later run; `storage.upload_records` implements it.

    ``location`` is the URL of the upload that an earlier run has not finished, "" if there is none. The registry was
    sent at most ``sent`` bytes.
    """

    location: str
    sent: int

    def write(self, location: str, sent: int) -> None:
        """Replace the record, also that in memory."""
        ...

    def close(self) -> None:
        """Release it for other processes; remove it if its location is empty."""
        ...


class UploadRecords(Protocol):
    """Opens the record of the upload of a blob; None if another upload of it has the record, or there can be none."""

    def open(self, registry: str, repository: str, digest: Digest) -> UploadRecord | None: ...


class UploadSession:
    """One upload at the registry. ``location`` is its URL, empty while there is none.

    Each method sends one request; `open`, `mount` and `resume` retry it. Raises `NetworkError` and `InvalidContent`.
    """

    def __init__(self, reference: Reference, session: Session, state: UploadState) -> None:
        self.session, self.state = session, state
        self._location = ""
        self._record: UploadRecord | None = None
        self._name, self._host, self._repository = reference.name, reference.api_host, reference.repository
        self._blobs = f"/v2/{reference.repository}/blobs/"
        self._path = f"{self._blobs}uploads/"
        self._what = f"initiating an upload to {self._name}"

    @property
    def location(self) -> str:
        return self._location

    @location.setter
    def location(self, url: str) -> None:
        self._location = url
        if url and self._record is not None:
            self._write_record(self._record, self.state.sent)

    @property
    def recorded(self) -> bool:
        """Whether a later run can continue this upload."""
        return self._record is not None

    async def continue_recorded(self, record: UploadRecord) -> None:
        """Keep ``record`` from now on, and continue the upload in it, if the registry still knows that.

        An upload at another origin than the registry's is not continued.
        """
        location = record.location
        if location:
            await self.cancel()  # the upload that the registry has opened instead of a mount
        self._record = record
        if location and not self._is_at_registry(location):
            record.location = ""
        elif location:
            self.session.redactor.add_upload(location)
            self._location, self.state.sent = location, min(record.sent, self.state.size or 0)
            self.state.continued = True
            await self.resume()
        else:
            self.location = self._location
        if self.state.offset:
            what = f"the upload of an earlier run to {self._name} goes on at byte {self.state.offset}"
            self.session.report(Explained(what))

    def sending(self, total: int) -> None:
        """Record that the registry may have ``total`` bytes, before they are sent."""
        self.state.sent = total
        record = self._record
        if record is not None and total > record.sent:
            self._write_record(record, min(total + _RECORD_STEP, self.state.size or total))

    def _write_record(self, record: UploadRecord, sent: int) -> None:
        if self._is_at_registry(self._location):
            self.session.redactor.add_upload(self._location)
            record.write(self._location, sent)
        else:  # where the registry's credentials do not count, the URL alone is what allows to write
            record.location = ""

    def _is_at_registry(self, location: str) -> bool:
        """Return whether a URL is of the registry's origin; not if it is none, as in a record that was damaged."""
        try:
            return Origin.of(location) == self.session.origin
        except UnsafeAddress:
            return False

    async def end(self, error: BaseException | None = None) -> None:
        """Release the record, after ``error``: cancel the upload, unless a later run may continue it."""
        record = self._record
        if error is not None and not self._is_kept(error):
            await self.cancel()
        if record is not None:
            if error is None:
                record.location = ""
            record.close()
            self._record = None

    def _is_kept(self, error: BaseException) -> bool:
        """Return whether the session in the record is left for a later run after ``error``."""
        record = self._record
        if record is None or not record.location:
            return False
        if not self._location:  # it was not continued, because the registry did not answer
            return self.state.worth_keeping(error, record.sent)
        return self._location == record.location and self.state.worth_keeping(error, self.state.sent)

    async def open(self, digest: Digest | None) -> None:
        """POST to open a session, unless there is one; ``digest`` is the blob's, None if it is not known yet.

        A cancellation may leave a session open that this object does not know.
        """
        if self.location:
            return
        self.state.reset()
        query = {"digest-algorithm": digest.algorithm} if digest and digest.algorithm != "sha256" else {}
        # Retried here, since the attempt around it has begun to read the blob. It moves no content.
        await self.session.retry(partial(self._post, query), self._what, last=True)

    def may_post(self, size: int) -> bool:
        """Return whether a blob of so many bytes is to be sent by `post_whole`."""
        return not self._location and self.session.pings.whole_posts.may_take(self._host, size)

    async def post_whole(self, digest: Digest, content: bytes) -> bool:
        """POST a blob ("Single POST"), unless the registry is known not to take that; return whether it took it.

        If not, the registry may have opened a session. An error it responds with, or a connection that it closes, is no
        error of the upload: what the registry says to an upload in two requests counts. The first time that it says it
        took a blob, it is asked whether it has it.
        """
        posts = self.session.pings.whole_posts
        is_trial = not posts.is_known(self._host)
        if not posts.begin(self._host, len(content)):
            return False
        self.state.reset()
        taken = False
        try:
            taken = await run_with_grace(partial(self._post_content, digest, content), CANCEL_SECONDS)
            if taken and is_trial:
                taken = await self._has(digest)
        except (RegistryError, ConnectionFailed):
            return False
        finally:
            posts.note(self._host, taken=taken)
        return taken

    async def _post_content(self, digest: Digest, content: bytes) -> bool:
        path = f"{self._path}?digest={quote(str(digest), safe='')}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
        response = await self.session.request("POST", path, headers, content=content)
        if response.status_code not in (201, 202):
            raise await read_error(self.session, response, self._what)
        await response.aclose()
        if response.status_code == 201:
            return True
        self._opened(response)
        self.state.posted = True
        if range_end(response) is not None:
            await self.cancel()  # it has bytes of a body that other registries ignore
        return False

    async def _has(self, digest: Digest) -> bool:
        """HEAD a blob: return whether the registry has it."""
        response = await self.session.request("HEAD", f"{self._blobs}{quote(str(digest), safe=':')}", {})
        await response.aclose()
        return response.status_code == 200

    async def mount(self, digest: Digest, repository: str) -> bool:
        """POST to mount a blob from a repository of the registry ("Mounting a blob from another repository").

        Returns whether it was mounted. If not, the registry may have opened a session instead; it has not if it
        responded with an error.
        """
        query = {"mount": str(digest), "from": repository}
        extra_scope = f"repository:{repository}:pull" if repository != self._repository else ""
        once = partial(self._post, query, extra_scope)
        return bool(await run_with_grace(partial(ask, self.session, once, self._what), CANCEL_SECONDS))

    async def resume(self) -> None:
        """GET the number of bytes that the registry has, and continue there; cancel the session if that is unknown.

        If the registry does not answer, not in all retries either, another session is opened later; the record of this
        one stays until then.
        """
        location, state = self.location, self.state
        state.offset = 0
        if not location or not state.resumable:
            await self.cancel()
            return
        what = f"resuming an upload to {self._name}"

        async def once() -> None:
            response = await self.session.request("GET", location, {})
            if response.status_code not in (200, 202, 204):
                raise await read_error(self.session, response, what)
            await response.aclose()
            end = range_end(response)
            # If the registry has more bytes than were sent, the content of the rest is unknown.
            if end is not None and 0 < end <= state.sent:
                self.location = self.session.location_of(response, location)
                state.resume_at(end)

        try:
            await self.session.retry(once, what)
        except PyskopeoError as error:
            if error.temporary and self._record is not None:
                self._location = ""
                return
        if not state.offset:
            await self.cancel()

    async def cancel(self) -> None:
        """DELETE the session; errors are ignored, since nothing here depends on its success."""
        location, self.location = self.location, ""
        if self._record is not None:
            self._record.location = ""
        self.state.reset()
        if location:
            with anyio.move_on_after(CANCEL_SECONDS, shield=True), suppress(PyskopeoError):
                await (await self.session.request("DELETE", location, {})).aclose()

    def update_location(self, response: Response) -> None:
        """Use the ``Location`` of a response for the next request."""
        self.location = self.session.location_of(response, self.location)

    async def _post(self, query: dict[str, str], extra_scope: str = "") -> bool:
        """Return whether the blob was mounted; if not, a session is open."""
        path = self._path + (f"?{urlencode(query, safe=':/')}" if query else "")
        response = await self.session.request("POST", path, {"Content-Length": "0"}, extra_scope=extra_scope)
        if response.status_code not in (201, 202):
            raise await read_error(self.session, response, self._what)
        await response.aclose()
        if "mount" in query and response.status_code == 201:
            return True
        self._opened(response)
        if not self.location and "mount" not in query:
            raise InvalidContent(f"{self._name}: the registry opened an upload and did not say where (no Location)")
        return False

    def _opened(self, response: Response) -> None:
        """Note where the registry has opened a session, and what it wants of chunks."""
        self.location = self.session.location_of(response)
        min_chunk_size = response.headers.get("oci-chunk-min-length", "")
        if min_chunk_size.isascii() and min_chunk_size.isdigit() and len(min_chunk_size) < 13:
            self.state.min_chunk_size = int(min_chunk_size)


def range_end(response: Response) -> int | None:
    """Return the number of bytes that the registry has, from ``Range``; None if it does not say, as with ``0-0``."""
    found = _RANGE.fullmatch(response.headers.get("range", "").strip())
    return int(found[1]) + 1 if found and found[1] != "0" else None


def with_digest(location: str, digest: Digest) -> str:
    """Return the URL that completes an upload, with the registry's own query unchanged."""
    return f"{location}{'&' if '?' in location else '?'}digest={quote(str(digest), safe='')}"
