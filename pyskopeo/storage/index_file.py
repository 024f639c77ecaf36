"""The ``index.json`` of a layout directory, which several images and processes read and write at the same time.

It is parsed again only if it has changed. Writers lock the layout, read what others have written meanwhile, and replace
the file as a whole; with ``deferred`` several images are added in one write, in the order of their names: which of them
was complete first makes no difference.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..errors import NotFound, StorageFailed
from ..model.layout import INDEX_FILE, INDEX_LIMIT, LAYOUT_CONTENT, LAYOUT_FILE, LayoutIndex
from .files import read_bounded
from .locks import locked_if_possible
from .partial_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from anyio import Lock

    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from .layout_referrers import ReferrerCache

# Seconds between two writes while images are added one after another, at least; a large index is written less often,
# so that writing takes at most this share of the time.
_INTERVAL, _SHARE = 0.1, 0.05
_NO_ANNOTATIONS: Mapping[str, str] = MappingProxyType({})


class IndexFile:
    """The index of the layout in the directory ``root``.

    ``mode`` is that of the files that are written, limited by the umask. ``referrers`` is a `ReferrerCache`, if
    anybody has asked what refers to an image in the layout.
    """

    def __init__(self, root: Path, *, deferred: bool = False, mode: int = 0o666) -> None:
        self._root, self._path, self._deferred, self._mode = root, root / INDEX_FILE, deferred, mode
        self._cached: tuple[tuple[int, ...], LayoutIndex] | None = None
        self._named: dict[str, Manifest] = {}
        self._unnamed: list[Manifest] = []
        self._annotations: dict[tuple[str, Digest], Mapping[str, str]] = {}
        self._added: set[tuple[str, Digest]] = set()  # with ``deferred``: the entries that were not there before
        self._flushing: Lock | None = None
        self.referrers: ReferrerCache | None = None
        self._last_write, self._cost = time.monotonic(), 0.0

    def read(self) -> LayoutIndex:
        """Return the index; raises `NotFound`, `InvalidContent`, `TooLarge` and `StorageFailed`."""
        state = self._state()
        if state is None or self._cached is None or self._cached[0] != state:
            index = LayoutIndex.parse(read_bounded(self._path, INDEX_LIMIT), str(self._path))
            self._cached = (state or (), index)
        return self._cached[1]

    async def put(
        self, root: Manifest, name: str, annotations: Mapping[str, str] = _NO_ANNOTATIONS, *,
        others: Mapping[str, Manifest] | None = None,
    ) -> None:  # fmt: skip
        """Let ``name`` refer to ``root``, "" for an image without a name, and further names to ``others``.

        ``annotations`` are those of the entry of ``root``, besides its name. With ``deferred`` only `flush` writes
        them. Raises what `flush` raises.
        """
        self._annotations[name, root.digest] = annotations
        self._named |= others or {}
        if name:
            self._named[name] = root
        else:
            self._unnamed.append(root)
        if not self._deferred:
            await self.flush()

    async def put_tagged(self, root: Manifest, name: str) -> bool:
        """Call `put` unless ``name`` refers to ``root``; return whether it did not."""
        try:
            index = self.read()
            if [index.descriptors[position].digest for position in index.positions(name)] == [root.digest]:
                return False
        except NotFound:
            pass
        await self.put(root, name)
        return True

    @property
    def due(self) -> bool:
        """Whether it is time to write the images that were put, when there are more to come."""
        elapsed = time.monotonic() - self._last_write
        return bool(self._named or self._unnamed) and elapsed >= max(_INTERVAL, self._cost / _SHARE)

    async def flush(self) -> None:
        """Write the images that were put; raises `InvalidContent`, `TooLarge` and `StorageFailed`.

        If it is cancelled while it waits for the lock, the next call writes them.
        """
        from anyio import Lock, get_cancelled_exc_class

        self._flushing = self._flushing or Lock()
        async with self._flushing:  # so that what was put before this call is written when it returns
            # Sorted, so that the file does not depend on which of several images was finished first.
            named, unnamed, self._named, self._unnamed = dict(sorted(self._named.items())), self._unnamed, {}, []
            try:
                if named or unnamed:
                    await self.update(lambda index: self._with_images(index, named, unnamed))
            except get_cancelled_exc_class():
                self._named, self._unnamed = named | self._named, [*unnamed, *self._unnamed]
                raise

    def _with_images(
        self, index: LayoutIndex, named: Mapping[str, Manifest], unnamed: Iterable[Manifest]
    ) -> LayoutIndex:  # fmt: skip
        changed = index.with_images(named, unnamed, self._annotations)
        if changed is index or not self._deferred:
            return changed
        put = {(name, root.digest) for name, root in (*named.items(), *(("", root) for root in unnamed))}
        self._added |= put - set(index.images)
        return changed.with_sorted(self._added)

    async def update(self, change: Callable[[LayoutIndex], LayoutIndex]) -> None:
        """Replace the index by what ``change`` returns for it, which may be the same object.

        Raises what ``change`` raises, `InvalidContent`, `TooLarge` and `StorageFailed`.
        """
        async with locked_if_possible(self._root):
            started = time.monotonic()
            try:
                current = self.read()
            except NotFound:
                current = LayoutIndex.empty()
            if not (self._root / LAYOUT_FILE).exists():
                write_atomically(self._root / LAYOUT_FILE, LAYOUT_CONTENT, self._mode)
            changed = change(current)
            if changed is not current:
                write_atomically(self._path, changed.raw, self._mode)
                self._cached = (self._state() or (), changed)
            self._last_write = time.monotonic()
            self._cost = self._last_write - started

    def _state(self) -> tuple[int, ...] | None:
        """Return what changes whenever the file is written or replaced; None without a file."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed.of(error, f"open {self._path}") from error
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
