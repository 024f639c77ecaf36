"""Change a manifest that several writers keep under one tag, without losing what the others write."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from ..errors import RegistryError
from ..fast_dataclass import dataclass
from ..http.read_bounded import read_bounded
from ..model import mediatype
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from .response_checks import check_stated_digest, closing, read_error

if TYPE_CHECKING:
    from .repository_writer import RepositoryWriter

_ATTEMPTS = 10
# Another writer has changed the manifest since it was read (RFC 9110 section 15.5.13), or is changing it.
_CHANGED = frozenset({409, 412})
# Seconds before the manifest is read again: in that time writers that had read it earlier write it.
_LONGEST_WAIT, _SHORTEST_WAIT = 1.0, 0.01

Update: TypeAlias = Callable[[bytes | None], Awaitable[Manifest | None]]
"""Returns what a manifest, None if there is none, is to be replaced by; None if it is to stay."""


@dataclass(frozen=True, slots=True)
class _Read:
    """The manifest as it was read: ``raw`` None if there is none, ``etag`` its entity tag, "" if none is known."""

    raw: bytes | None
    etag: str = ""

    @property
    def conditions(self) -> Mapping[str, str]:
        """The headers by which it is replaced only if it is still this one (RFC 9110 section 13.1)."""
        if self.raw is None:
            return {"If-None-Match": "*"}
        # A weak entity tag never matches (RFC 9110 section 13.1.1).
        return {"If-Match": self.etag} if self.etag and not self.etag.startswith("W/") else {}


class TaggedUpdate:
    """The replacement of the manifest ``tag`` by what ``update`` makes of it.

    The manifest is replaced under the condition that it has not changed, and read again afterwards, since registries
    may ignore conditions: what others have overwritten is changed again. `write` does the first, `confirm` the rest,
    for which others have to be waited for. ``what`` begins the messages of errors.

    All methods raise `NetworkError`, what ``update`` raises, and `TooLarge` for a manifest over 4 MiB.
    """

    def __init__(self, writer: RepositoryWriter, tag: str, update: Update, what: str) -> None:
        self._writer, self._tag, self._update, self._what = writer, tag, update, what
        self._done = False
        self._took = 0.0
        self._before: _Read | None = None
        self._conditional = True
        self._refusal: RegistryError | None = None

    async def run(self) -> None:
        """Call `write`, then `confirm`."""
        await self.write()
        await self.confirm()

    async def write(self) -> None:
        """Replace the manifest, unless ``update`` has nothing to change; others may still overwrite it."""
        started = time.monotonic()
        current = await _read(self._writer, self._tag, self._what)
        changed = await self._update(current.raw)
        if changed is None:
            self._done = True
            return
        if self._refusal is not None and current == self._before:
            self._conditional = False  # it was refused although nothing had changed: this registry knows no conditions
        self._before, self._refusal = current, None
        conditions = current.conditions if self._conditional else {}
        try:
            await self._writer.put_manifest(self._tag, changed, conditions)
        except RegistryError as error:
            if error.status not in _CHANGED:
                raise
            self._refusal = error
        self._took = time.monotonic() - started

    async def confirm(self) -> None:
        """Read the manifest until ``update`` has nothing to change, and replace it when it has."""
        for _ in range(_ATTEMPTS - 1):
            if self._done:
                return
            await _wait_for_others(self._took, self._writer.session.fastest)
            await self.write()
        if self._done:
            return
        if self._refusal is not None:
            raise self._refusal
        raise RegistryError(f"{self._what}: others keep replacing it: try again later", status=409)


async def _wait_for_others(took: float, round_trip: float) -> None:
    """Wait until another writer that had read the manifest before it was replaced has written it; all in seconds.

    Here reading and writing ``took`` so long, of which a ``round_trip`` is not between the two at the registry; and
    reading again takes another one. A quarter to a half more is for those that are slower, and not always the same, so
    that two writers do not stay in step.
    """
    from anyio import sleep

    spare = took * (0.25 + int.from_bytes(os.urandom(2)) / 262144)
    await sleep(min(_LONGEST_WAIT, max(_SHORTEST_WAIT, took - 2 * round_trip) + spare))


async def _read(writer: RepositoryWriter, tag: str, what: str) -> _Read:
    session, path = writer.session, f"/v2/{writer.reference.repository}/manifests/{tag}"

    async def once() -> _Read:
        response = await session.request("GET", path, {"Accept": ", ".join(mediatype.ACCEPT)})
        if response.status_code == 404:
            await response.aclose()
            return _Read(None)
        if response.status_code != 200:
            raise await read_error(session, response, what)
        async with closing(response):
            raw = await read_bounded(response, MANIFEST_LIMIT, what)
        check_stated_digest(response, raw, what)
        return _Read(raw, response.headers.get("etag", ""))

    return await session.retry(once, what)
