"""What is asked of a daemon (Docker Engine API): ``/_ping``, ``/images/get``, ``/images/load``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ...errors import ConnectionFailed, DaemonError, PathNotFound
from ...storage.files import FileSink, read_range
from ...streams.cancellation import check_cancelled, run_in_thread
from ...streams.pump import thread_buffer
from .client import Client
from .image_load import Upload
from .messages import TAIL, check_tail

if TYPE_CHECKING:
    from ...access import Network
    from ...http.tls import Trust

_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)
_SAVING = "loading image from docker engine"


class Engine:
    """A daemon that answered."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    async def open(cls, network: Network, trust: Trust) -> Engine:
        """Ask the daemon which API it has; the newest it names is spoken from then on.

        Raises `InvalidInput` for an address or certificates that make no sense, and `NetworkError`.
        """
        engine = cls(await Client.open(network, trust))
        await run_in_thread(engine._negotiate)
        return engine

    def load(self) -> Upload:
        """Room for an archive."""
        return Upload(self._client, self._ping)

    def save(self, name: str, sink: FileSink) -> None:
        """Write the archive of an image to a file; for a worker thread.

        Raises `PathNotFound` when there is no such image, and `NetworkError`.
        """
        from urllib.parse import quote

        path = f"/images/get?names={quote(name, safe='')}"
        try:
            with self._client.request("GET", path, _SAVING, self._ping) as response:
                buffer = thread_buffer()
                while count := response.readinto(buffer):
                    sink.write(buffer[:count])
                    check_cancelled()
                if response.length:
                    raise ConnectionFailed(f"{_SAVING}: {self._client.where} broke off")
        except DaemonError as error:
            if missing := error if error.status == 404 else self._missing(name):
                raise PathNotFound(str(missing)) from None
            raise
        check_tail(read_range(sink.path, max(0, os.fstat(sink.fd).st_size - TAIL), TAIL), _SAVING)

    def _negotiate(self) -> None:
        what = f"asking {self._client.where} for its version"
        try:
            with self._client.request("GET", "/_ping", what) as response:
                found = response.getheader("Api-Version") or ""
        except DaemonError as error:
            if error.status == 400 and "HTTPS" in str(error):
                hint = "say https://, or name a directory with its certificates by a --cert-dir flag"
                raise DaemonError(f"{error}; {hint}", status=error.status) from None
            raise
        if _VERSION.fullmatch(found):
            self._client.version = found

    def _ping(self) -> None:
        """Whether it is alive, though it says nothing: it may be busy. Raises `NetworkError` if not."""
        with self._client.request("GET", "/_ping", f"waiting for {self._client.where}"):
            pass

    def _missing(self, name: str) -> DaemonError | None:
        """What they say about an ID that they do not have, for which some daemons fail as if they were broken."""
        from urllib.parse import quote

        try:
            with self._client.request("GET", f"/images/{quote(name, safe='')}/json", _SAVING):
                return None
        except DaemonError as error:
            return error if error.status == 404 else None
