"""How many uploads a client may have begun and not finished."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from .answers import Refusal

if TYPE_CHECKING:
    from starlette.types import Message

PER_CLIENT = 256
IN_TOTAL = 8192
FORGOTTEN_AFTER = 3600.0
"""Seconds without a request after which an upload does not count any more."""


class UploadQuota:
    """The uploads that were begun since the server started and are not finished, by the paths of their locations."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._counts: dict[str, int] = {}

    @property
    def open_uploads(self) -> int:
        """The number of uploads under way."""
        return len(self._open)

    def refuse(self, client: str) -> Refusal | None:
        """Return the answer to a client who begins an upload and has too many; None: it may."""
        self._forget_old()
        mine = self._counts.get(client, 0)
        if mine < PER_CLIENT and len(self._open) < IN_TOTAL:
            return None
        whose = f"{mine} uploads of this client" if mine >= PER_CLIENT else "too many uploads"
        message = f"{whose} are not finished: finish or cancel them"
        return Refusal(429, "TOOMANYREQUESTS", message, {"Retry-After": "60"})

    def answered(self, client: str, method: str, path: str, message: Message, *, ended: bool) -> None:
        """Take note of the answer to a request about an upload; ``message`` is its start.

        ``ended`` is whether the upload was removed, for example since it has failed.
        """
        status = message["status"]
        if method == "POST" and status == 202:
            location = dict(message["headers"]).get(b"location", b"").decode("latin-1").partition("?")[0]
            if location and location not in self._open:
                self._open[location] = client, time.monotonic()
                self._counts[client] = self._counts.get(client, 0) + 1
        elif ended or (method in ("PUT", "DELETE") and status in (201, 204)) or status == 404:
            self._remove(path)
        elif path in self._open:
            self._open[path] = self._open[path][0], time.monotonic()
            self._open.move_to_end(path)

    def _remove(self, path: str) -> None:
        entry = self._open.pop(path, None)
        if entry is None:
            return
        left = self._counts[entry[0]] - 1
        if left:
            self._counts[entry[0]] = left
        else:
            del self._counts[entry[0]]

    def _forget_old(self) -> None:
        oldest = time.monotonic() - FORGOTTEN_AFTER
        while self._open and next(iter(self._open.values()))[1] < oldest:
            self._remove(next(iter(self._open)))
