"""The ``index.json`` of a layout that is a registry, with many writers.

It is kept in memory by repositories, and read again when another process has changed it. Several changes share one
write; each is on disk when `RegistryIndex.change` returns. Encoded entries are kept, so that a write costs no more than
joining them.
"""

from __future__ import annotations

import json
import os
import time
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import InvalidContent, NotFound, PyskopeoError, StorageFailed, TooLarge
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.layout import INDEX_FILE, INDEX_LIMIT, LAYOUT_CONTENT, LAYOUT_FILE, REF_NAME, LayoutIndex
from .files import read_bounded
from .locks import locked_if_possible
from .partial_files import write_atomically
from .registry_entries import RegistryEntry, Repository, split_entry_name

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest

# Other programs write the file in place: what is read meanwhile is no JSON.
_ATTEMPTS, _PAUSE = 25, 0.02
# Seconds after which the file is read once more if it was changed by others: two changes may have the same time.
_CLOCK_STEP = 2.0

ChangeIndex: TypeAlias = Callable[["RegistryIndex"], bool]
"""Changes the index in memory, by `set` and `remove`, and returns whether it did; raises to refuse."""
_State: TypeAlias = tuple[int, ...]


@dataclass(slots=True, eq=False)
class _Pending:
    change: ChangeIndex
    done: bool = False
    error: Exception | None = None


@dataclass(slots=True)
class _Read:
    """A parsed index: its repositories, all entries by key, plain ones as an index of their own, and other members.

    ``duplicates`` are the positions of further entries of one name, of which the last counts.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    entries: dict[str | int, RegistryEntry] = field(default_factory=dict)
    duplicates: dict[str, list[int]] = field(default_factory=dict)
    plain: LayoutIndex = field(default_factory=LayoutIndex.empty)
    common: Repository = field(default_factory=lambda: Repository(""))
    head: bytes = b""


class RegistryIndex:
    """The index of the layout in ``root``; ``mode`` is that of its files, limited by the umask.

    ``plain`` has the entries that belong to every repository, always the same object while they are unchanged, and
    ``common`` is their `Repository`.
    """

    def __init__(self, root: Path, *, mode: int = 0o666) -> None:
        from anyio import Lock

        self._root, self._path, self._mode = root, root / INDEX_FILE, mode
        self._read = _Read()
        self._names: list[str] | None = None  # of the repositories, sorted
        self._known: _State | None = None
        self._read_again = 0.0
        self._pending: list[_Pending] = []
        self._lock = Lock()

    @property
    def plain(self) -> LayoutIndex:
        return self._read.plain

    @property
    def common(self) -> Repository:
        return self._read.common

    def get(self, repository: str) -> Repository | None:
        """Return a repository that has entries."""
        return self._read.repositories.get(repository)

    def repositories_after(self, last: str, count: int) -> tuple[list[str], bool]:
        """Return up to ``count`` names of repositories after ``last``, sorted, and whether there are more."""
        if self._names is None:
            self._names = sorted(self._read.repositories)
        start = bisect_right(self._names, last) if last else 0
        return self._names[start : start + count], start + count < len(self._names)

    def set(self, repository: str, name: str, descriptor: Descriptor) -> None:
        """Let ``repository:name``, or ``repository@name`` for a digest, refer to a manifest; within a change."""
        is_digest = name == str(descriptor.digest)
        key = f"{repository}{'@' if is_digest else ':'}{name}"
        value = descriptor.brief_json() | {"annotations": {REF_NAME: key}}
        tag = "" if is_digest else name
        entry = RegistryEntry(
            repository, tag, descriptor.digest, descriptor.media_type, descriptor.size, _encode(value)
        )  # fmt: skip
        self._forget_duplicates(key)
        self._read.entries[key] = entry
        if repository not in self._read.repositories:
            self._read.repositories[repository] = Repository(repository)
            if self._names is not None:
                insort(self._names, repository)
        self._read.repositories[repository].add(entry)

    def remove(self, entry: RegistryEntry) -> None:
        """Remove an entry of a repository; within a change."""
        found = self._read.repositories[entry.repository]
        found.remove(entry)
        key = _key(entry)
        self._forget_duplicates(key)
        self._read.entries.pop(key, None)
        if not found.tags and not found.untagged:
            del self._read.repositories[entry.repository]
            self._names = None

    def _forget_duplicates(self, key: str) -> None:
        for position in self._read.duplicates.pop(key, ()):
            del self._read.entries[position]

    async def refresh(self) -> None:
        """Read the index again if others have changed it; raises `InvalidContent`, `TooLarge`, `StorageFailed`."""
        if self._is_current():
            return
        async with self._lock:
            await self._reload()

    async def change(self, change: ChangeIndex) -> None:
        """Apply a change and write it, together with those that others want at this time.

        Raises what it raises, `InvalidContent`, `TooLarge` and `StorageFailed`. If it is cancelled, the change has been
        written or will not be.
        """
        from anyio import CancelScope

        own = _Pending(change)
        self._pending.append(own)
        try:
            async with self._lock:
                if not own.done:
                    async with locked_if_possible(self._root):
                        with CancelScope(shield=True):
                            await self._write_pending()
        finally:
            if own in self._pending:
                self._pending.remove(own)
        if own.error is not None:
            raise own.error

    async def _write_pending(self) -> None:
        batch, self._pending = self._pending, []
        try:
            await self._reload()
            changed = [self._apply(one) for one in batch]
            if any(changed):
                await self._write()
        except Exception as error:  # noqa: BLE001 - whatever it is, each of those who wait is told
            self._known = None  # what is in memory is not on disk: it is read again
            for one in batch:
                one.error = one.error or error
        for one in batch:
            one.done = True

    def _apply(self, one: _Pending) -> bool:
        try:
            return one.change(self)
        except PyskopeoError as error:
            one.error = error
            return False

    async def _write(self) -> None:
        from anyio import to_thread

        pieces = [entry.encoded for entry in self._read.entries.values()]
        await to_thread.run_sync(self._write_file, self._read.head, pieces)

    def _write_file(self, head: bytes, pieces: Iterable[bytes]) -> None:
        content = b"".join((head, b",".join(pieces), b"]}"))
        if len(content) > INDEX_LIMIT:
            raise TooLarge(f"{self._path} is over the limit of {INDEX_LIMIT} bytes", limit=INDEX_LIMIT)
        if not (self._root / LAYOUT_FILE).exists():
            write_atomically(self._root / LAYOUT_FILE, LAYOUT_CONTENT, self._mode)
        write_atomically(self._path, content, self._mode)
        self._known, self._read_again = self._state(), 0.0

    def _is_current(self) -> bool:
        if self._read_again and time.time() > self._read_again:
            self._read_again, self._known = 0.0, None
        return self._known is not None and self._known == self._state()

    async def _reload(self) -> None:
        """Read the file if it has changed; the lock is held."""
        from anyio import sleep, to_thread

        if self._is_current():
            return
        for left in reversed(range(_ATTEMPTS)):
            state = self._state()
            try:
                found = await to_thread.run_sync(self._parse)
            except InvalidContent:
                if not left or time.time_ns() - max(state[3:5], default=0) > _CLOCK_STEP * 1e9:
                    raise
                await sleep(_PAUSE)
                continue
            if state == self._state():
                break
        self._keep_contents(found)
        self._read, self._names, self._known = found, None, state
        changed = max(state[3:5], default=0) / 1e9
        self._read_again = changed + _CLOCK_STEP if abs(time.time() - changed) < _CLOCK_STEP else 0.0

    def _keep_contents(self, found: _Read) -> None:
        """Take over what is known of the contents of repositories that have no fewer manifests than before."""
        for old, new in (
            *((one, found.repositories.get(name)) for name, one in self._read.repositories.items()),
            (self._read.common, found.common),
        ):  # fmt: skip
            if new is None or old.contents is None:
                continue
            known, roots = old.roots, new.roots
            if known.items() <= roots.items():
                new.contents = old.contents
                new.contents.unread |= {digest: roots[digest] for digest in roots.keys() - known.keys()}
        if found.plain.entries == self._read.plain.entries:
            found.plain = self._read.plain

    def _parse(self) -> _Read:
        """Read and parse the file, in a worker thread; one that is missing is empty."""
        try:
            index = LayoutIndex.parse(read_bounded(self._path, INDEX_LIMIT), str(self._path))
        except NotFound:
            index = LayoutIndex.empty()
        found = _Read(head=_head(index.document))
        plain: list[Mapping[str, Any]] = []
        for position, (value, descriptor) in enumerate(zip(index.entries, index.descriptors, strict=True)):
            name = descriptor.annotations.get(REF_NAME, "")
            parts = split_entry_name(name) if descriptor.is_manifest or not descriptor.media_type else None
            if parts is not None and parts[2] not in (None, descriptor.digest):
                parts = None  # it says that it is another one
            repository, tag, _ = parts or ("", name, None)
            entry = RegistryEntry(
                repository, tag, descriptor.digest, descriptor.media_type, descriptor.size, _encode(value)
            )  # fmt: skip
            if parts is None:
                plain.append(value)
                if descriptor.is_manifest or not descriptor.media_type:
                    found.common.add(RegistryEntry("", f"{position}", *_rest(entry)))
                found.entries[position] = entry
                continue
            found.repositories.setdefault(repository, Repository(repository)).add(entry)
            key = _key(entry)
            if key in found.entries:
                found.duplicates.setdefault(key, []).append(position)
                found.entries[position] = found.entries[key]
            found.entries[key] = entry
        found.plain = index.replaced_by(plain) if plain else LayoutIndex.empty()
        return found

    def _state(self) -> _State:
        """Return what changes whenever the file is written or replaced; empty without a file."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StorageFailed.of(error, f"open {self._path}") from error
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _key(entry: RegistryEntry) -> str:
    return f"{entry.repository}:{entry.tag}" if entry.tag else f"{entry.repository}@{entry.digest}"


def _rest(entry: RegistryEntry) -> tuple[Digest, str, int, bytes]:
    return entry.digest, entry.media_type, entry.size, b""


def _head(document: Mapping[str, Any]) -> bytes:
    """Return the beginning of the document, up to its entries."""
    members = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX}
    members |= {key: value for key, value in document.items() if key not in ("manifests", "mediaType")}
    return _encode(members)[:-1] + b',"manifests":['


def _encode(value: Mapping[str, Any]) -> bytes:
    # A lone surrogate, which an escape in the file can stand for, is written as an escape again.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
