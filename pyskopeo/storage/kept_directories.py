"""Temporary directories under names that are the same in every run: a later run finds what an interrupted one left.

Only one process at a time uses such a directory, which it has locked. Whatever is found in it is verified before it is
used again.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from .kept_bytes import KEPT_BYTES
from .locks import try_lock
from .part_files import MIN_KEPT
from .partial_files import create_partial_directory, is_kept, kept_name, partial_name, remove_leftovers, remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class KeptDirectory:
    """A temporary directory for the file or directory ``name`` in ``parent``.

    ``key`` is a hexadecimal digest that tells apart those whose names begin in the same way. With ``resume`` `create`
    takes over what an interrupted run has left, and `close` leaves it behind after a failure. ``path`` is where the
    directory is; `create` may choose another one. ``adopted`` is whether there may be something in it then.
    ``partial_age`` is that of `Storage`: what else is left in ``parent`` is removed; None: it is not looked for.
    """

    def __init__(
        self, parent: Path, name: str, key: str, *,
        mode: int = 0o777, resume: bool, partial_age: float | None = None,
    ) -> None:  # fmt: skip
        self._partial_age = partial_age
        self.path = self._usual = parent / kept_name(name, key)
        self.adopted = False
        self._name, self._mode, self._resume = name, mode, resume
        self._lock: int | None = None

    @property
    def resumes(self) -> bool:
        """Whether the directory is kept after a failure."""
        return self._resume

    @property
    def created(self) -> bool:
        """Whether `create` was called."""
        return self._lock is not None

    def create(self) -> None:
        """Create and lock the directory, in a parent that exists; raises `OSError`.

        It has a random name, and is not kept, if the one with the stable name is in use, is not a directory of this
        user, or if the file system has no locks.
        """
        self._lock = self._open()
        if self._lock is None:
            self.path = self.path.with_name(partial_name(self._name))
            self._lock = create_partial_directory(self.path, self._mode)
            self._resume = self.adopted = False
        if self._partial_age is not None:
            remove_leftovers(self.path.parent, self._name, age=self._partial_age)

    def close(self, *, failed: bool, useful: bool = False) -> None:
        """Remove the directory, unless something has ``failed`` and it is of use for a later run.

        It is if it is ``useful``, or has as many bytes as a part file that is kept. What another run has left is
        removed, too, if this one had to use a random name meanwhile and has succeeded.
        """
        if self._lock is None:
            return
        if failed and self._resume and (useful or _is_worth_keeping(self.path)):
            _count_kept(self.path)
        else:
            remove_tree(self.path)
        os.close(self._lock)
        self._lock = None
        if not failed and self.path != self._usual:
            remove_leftovers(self._usual.parent, self._name, done={self._usual.name})

    def _open(self) -> int | None:
        """Create or take over the directory with the stable name, and lock it; None if it should be left alone.

        It is made again if its mode is not that of a new directory: others could have put something into it.
        """
        for _ in range(2):
            self.adopted = False
            try:
                self.path.mkdir(mode=self._mode)
            except FileExistsError:
                self.adopted = True
            try:
                fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                return None
            taken = False
            try:
                if not self._take(fd):
                    return None
                taken = not self.adopted or (
                    self._resume and stat.S_IMODE(os.fstat(fd).st_mode) == self._new_mode()
                )
                if taken:
                    return fd
                remove_tree(self.path)
            finally:
                if not taken:
                    os.close(fd)
        return None

    def _take(self, fd: int) -> bool:
        """Lock the directory; False if it is in use, not ours, not at its path any more, or if there are no locks."""
        if os.fstat(fd).st_uid != os.geteuid():
            return False
        try:
            return try_lock(fd) and os.path.samestat(os.fstat(fd), os.lstat(self.path))
        except OSError:
            if not self.adopted:
                self.path.rmdir()
            return False

    def _new_mode(self) -> int:
        """Return the mode that a new directory has here, as the umask wants it; raises `OSError`."""
        probe = self.path.with_name(partial_name(self._name))
        probe.mkdir(mode=self._mode)
        try:
            return stat.S_IMODE(os.lstat(probe).st_mode)
        finally:
            probe.rmdir()


def remove_others(directory: Path, wanted: Callable[[str], bool]) -> None:
    """Remove everything in a directory that is not a regular file with a wanted name; raises `OSError`."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False) and wanted(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                remove_tree(directory / entry.name)
            else:
                os.unlink(entry.path)


def _count_kept(directory: Path) -> None:
    """Count the files below a directory, but for part files, which are counted where they are left."""
    for folder, _, names in os.walk(directory):
        for name in names:
            if not is_kept(name):
                with suppress(OSError):
                    KEPT_BYTES.add_file(os.lstat(os.path.join(folder, name)))


def _is_worth_keeping(directory: Path) -> bool:
    """Return whether the files below a directory have as many bytes as a part file that is kept."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
            if total >= MIN_KEPT:
                return True
    return False
