"""A record of which source each synced image was copied from, kept in a file between runs.

An image that was chosen from an index has another digest than the index, so its own digest does not tell whether the
source has changed. The record does. Without the file, images are compared or copied again; nothing else is lost.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidContent, NotFound, PyskopeoError
from ..fast_dataclass import dataclass
from ..model.digest import Digest
from ..model.strict_json import parse_object
from ..storage.files import read_bounded
from ..storage.locks import locked_if_possible
from ..storage.partial_files import remove_leftovers, staged
from ..streams.pump import FileSink

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD_NAME = ".pyskopeo-sync.json"
_LIMIT = 64 * 1024 * 1024
_VERSION = 1
# Seconds between two writes of the file during a run, at least: entries since then are lost in a crash. A large file is
# written less often, so that writing takes at most this share of the time.
_SAVE_INTERVAL, _SHARE = 1.0, 0.05
_PIECE = 500  # entries that are written at once: the file of a large sync is not in memory as a whole


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
        self._ours: tuple[int, ...] | None = None  # the state of the file that this run has written

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
                if self._ours is None or _state(self._path) != self._ours:
                    self._entries = dict(self._read()) | self._entries | new
                for key in self._forgotten - set(new):
                    self._entries.pop(key, None)
                self._forgotten.clear()
                self._ours = _write(self._path, self._entries)
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


def _write(path: Path, entries: Mapping[str, Entry]) -> tuple[int, ...]:
    """Replace the file; return its state. Raises `StorageFailed`."""
    with staged(path) as (fd, _):
        sink = FileSink(fd, path)
        for piece in _pieces(entries):
            sink.write(memoryview(piece))
        return _identity(os.fstat(fd))


def _pieces(entries: Mapping[str, Entry]) -> Iterator[bytes]:
    """Yield the content of the file."""
    yield f'{{\n "version": {_VERSION},\n "images": {{'.encode()
    keys = sorted(entries)
    for start in range(0, len(keys), _PIECE):
        lines = ",\n".join(_lines(key, entries[key]) for key in keys[start : start + _PIECE])
        yield f"{',' if start else ''}\n{lines}".encode("utf-8", "backslashreplace")
    yield b"\n }\n}\n" if keys else b"}\n}\n"


def _lines(key: str, entry: Entry) -> str:
    fields = ",\n".join(f"   {_quoted(name)}: {_quoted(value)}" for name, value in entry.to_json().items())
    return f"  {_quoted(key)}: {{\n{fields}\n  }}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _state(path: Path) -> tuple[int, ...] | None:
    """Return what changes whenever the file is written or replaced; None if it cannot be told."""
    try:
        return _identity(os.stat(path))
    except OSError:
        return None


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
