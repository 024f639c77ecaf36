"""What a destination's images were made of, kept between runs: a file that may be lost at any time.

An image that was chosen from an index has another digest than the index, so that it cannot be seen
from what is there whether there is anything new. The record says it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidContent, NotFound, PyskopeoError
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.strict_json import parse_object
from ..storage.files import locked, read_bounded, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD_NAME = ".pyskopeo-sync.json"
_LIMIT = 64 * 1024 * 1024
_VERSION = 1
# How often it is written during a run: what came later is looked at again after a crash.
_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One copy: made of ``source`` (an image name) when that had ``source_digest``, chosen and written as
    ``how`` says; ``digest`` is what was written."""

    source: str
    source_digest: Digest
    digest: Digest
    how: str


class Record:
    """The entries by destination; reading and writing never fail, but say so to ``warn``."""

    def __init__(self, path: Path | None, warn: Callable[[str], None]) -> None:
        self._path, self._warn = path, warn
        self._entries = dict(self._read())
        self._new: dict[str, Entry] = {}
        self._written = time.monotonic()

    def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    async def put(self, key: str, entry: Entry) -> None:
        """Remember a copy; written within a second, or at the next `save`."""
        if self._entries.get(key) == entry:
            return
        self._entries[key] = self._new[key] = entry
        if time.monotonic() - self._written >= _EVERY:
            await self.save()

    async def save(self) -> None:
        """Write what is new, beside what others wrote meanwhile."""
        if self._path is None or not self._new:
            return
        new, self._new = self._new, {}
        self._written = time.monotonic()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            async with locked(self._path.parent):
                self._entries = dict(self._read()) | self._entries | new
                write_atomically(self._path, _document(self._entries))
        except (PyskopeoError, OSError) as error:
            self._warn(f"what was synced could not be written down in {self._path}: {error}")

    def _read(self) -> Mapping[str, Entry]:
        if self._path is None:
            return {}
        try:
            return parse_record(read_bounded(self._path, _LIMIT), str(self._path))
        except NotFound:
            return {}
        except PyskopeoError as error:
            self._warn(f"{error}; everything is looked at anew")
            return {}


def parse_record(raw: bytes, where: str) -> Mapping[str, Entry]:
    """Raises `InvalidContent`; entries that make no sense are left out."""
    document = parse_object(raw, where, _LIMIT)
    images = document.get("images")
    if document.get("version") != _VERSION or not isinstance(images, dict):
        raise InvalidContent(f"{where} is not a record of a sync")
    found = {key: _entry(value) for key, value in images.items()}
    return {key: entry for key, entry in found.items() if entry is not None}


def _entry(value: Any) -> Entry | None:
    if not isinstance(value, dict):
        return None
    texts = [value.get(name) for name in ("source", "sourceDigest", "digest", "how")]
    source, source_digest, digest, how = (text if isinstance(text, str) else "" for text in texts)
    try:
        return Entry(source, Digest.parse(source_digest), Digest.parse(digest), how)
    except InvalidContent:
        return None


def _document(entries: Mapping[str, Entry]) -> bytes:
    images = {
        key: {
            "source": entry.source, "sourceDigest": str(entry.source_digest), "digest": str(entry.digest),
            "how": entry.how,
        }
        for key, entry in sorted(entries.items())
    }  # fmt: skip
    text = json.dumps({"version": _VERSION, "images": images}, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"
