"""A record of which source each synced image was copied from, kept in a file between runs.

An image that was chosen from an index has another digest than the index, so its own digest does not tell whether the
source has changed. The record does. Without the file, images are compared or copied again; nothing else is lost.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, PyskopeoError
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.strict_json import parse_object
from ..storage.files import read_bounded
from ..storage.locks import locked_if_possible
from ..storage.partial_files import remove_leftovers, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD_NAME = ".pyskopeo-sync.json"
_LIMIT = 64 * 1024 * 1024
_VERSION = 1
# Seconds between two writes of the file during a run, at least: entries since then are lost in a crash. A large file is
# written less often, so that writing takes at most this share of the time.
_SAVE_INTERVAL, _SHARE = 1.0, 0.05


@dataclass(frozen=True, slots=True)
class Entry:
    """One copy: the image name and the digest of its source, and the digest of the root manifest that was written.

    ``options`` are those of the copy that affect the result, see `PresenceCheck`; the file calls them ``how``.
    """

    source: str
    source_digest: Digest
    digest: Digest
    options: str

    def to_json(self) -> dict[str, str]:
        """Return the JSON object of the entry."""
        return {
            "source": self.source, "sourceDigest": str(self.source_digest), "digest": str(self.digest),
            "how": self.options,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: object) -> Entry | None:
        """Return the entry of a JSON object, None for one that is not valid."""
        if not isinstance(value, dict):
            return None
        texts = [value.get(name) for name in ("source", "sourceDigest", "digest", "how")]
        source, source_digest, digest, options = (text if isinstance(text, str) else "" for text in texts)
        try:
            return cls(source, Digest.parse(source_digest), Digest.parse(digest), options)
        except InvalidContent:
            return None


def record_path(transport: str, destination: str, cache: Path | None) -> Path | None:
    """Return the path of the record for a destination: in it, or for a registry in the user's directory ``cache``."""
    if transport != "docker":
        return Path(destination) / RECORD_NAME
    import hashlib

    name = hashlib.sha256(destination.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return None if cache is None else cache / f"sync-{name}.json"


class Record:
    """The entries by key, see `PresenceCheck.key`. ``path`` is the file, None to keep them for this run only.

    ``entries`` are known without the file.

    Errors in reading and writing the file are not raised: ``warn`` is called with the message.
    """

    def __init__(
        self, path: Path | None, warn: Callable[[str], None], entries: Mapping[str, Entry] | None = None
    ) -> None:
        self._path, self._warn = path, warn
        self._entries = {**self._read(), **(entries or {})}
        self._new: dict[str, Entry] = {}
        self._forgotten: set[str] = set()
        self._written, self._cost = time.monotonic(), 0.0

    def get(self, key: str) -> Entry | None:
        """Return the entry of an image, None without one."""
        return self._entries.get(key)

    @property
    def entries(self) -> Mapping[str, Entry]:
        """All entries by key."""
        return self._entries

    def forget(self, key: str) -> None:
        """Remove an entry; the file is written by `save`."""
        self._entries.pop(key, None)
        self._new.pop(key, None)
        self._forgotten.add(key)

    async def put(self, key: str, entry: Entry) -> None:
        """Add or replace an entry; the file is written now and then, and by `save`."""
        if self._entries.get(key) == entry:
            return
        self._entries[key] = self._new[key] = entry
        if time.monotonic() - self._written >= max(_SAVE_INTERVAL, self._cost / _SHARE):
            await self.save()

    async def save(self) -> None:
        """Write new entries to the file, without those to forget, and keep what other processes have added to it."""
        if self._path is None or not (self._new or self._forgotten):
            return
        new, self._new = self._new, {}
        self._written = started = time.monotonic()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            async with locked_if_possible(self._path.parent):
                self._entries = dict(self._read()) | self._entries | new
                for key in self._forgotten - set(new):
                    self._entries.pop(key, None)
                self._forgotten.clear()
                write_atomically(self._path, _document(self._entries))
            if not self._cost:  # once in a run
                remove_leftovers(self._path.parent, self._path.name)
        except (PyskopeoError, OSError) as error:
            self._warn(f"what was synced could not be written down in {self._path}: {error}")
        self._cost = time.monotonic() - started

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
    """Parse the file's content; ``where`` names it in errors. Invalid entries are ignored. Raises `InvalidContent`."""
    document = parse_object(raw, where, _LIMIT)
    images = document.get("images")
    if document.get("version") != _VERSION or not isinstance(images, dict):
        raise InvalidContent(f"{where} is not a record of a sync")
    found = {key: Entry.from_json(value) for key, value in images.items()}
    return {key: entry for key, entry in found.items() if entry is not None}


def _document(entries: Mapping[str, Entry]) -> bytes:
    images = {key: entry.to_json() for key, entry in sorted(entries.items())}
    text = json.dumps({"version": _VERSION, "images": images}, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"
