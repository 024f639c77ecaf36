"""Checking a stream of bytes against its descriptor, without I/O."""

from __future__ import annotations

from ..errors import ContentMismatch
from .descriptor import Descriptor
from .digest import new_hasher


class Verifier:
    """Checks a stream of buffers against a descriptor, without doing any I/O.

    Feed it every buffer in order, then call `finish`. Too many bytes are refused at once, not at
    the end, so a hostile server cannot fill the disk.
    """

    def __init__(self, expected: Descriptor) -> None:
        self._expected = expected
        self._hasher = new_hasher(expected.digest.algorithm)
        self.size = 0

    def feed(self, buffer: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; raises `ContentMismatch` as soon as there are too many."""
        self.size += len(buffer)
        if self.size > self._expected.size:
            raise ContentMismatch(
                f"blob {self._expected.digest} is longer than the {self._expected.size} bytes its descriptor says",
                expected=str(self._expected.size),
                actual=f"at least {self.size}",
            )
        self._hasher.update(buffer)

    def finish(self) -> None:
        """Raises `ContentMismatch` unless size and digest are as expected."""
        expected = self._expected
        if self.size != expected.size:
            raise ContentMismatch(
                f"blob {expected.digest} has {self.size} bytes, its descriptor says {expected.size}",
                expected=str(expected.size),
                actual=str(self.size),
            )
        actual = self._hasher.hexdigest()
        if actual != expected.digest.hex:
            raise ContentMismatch(
                f"digest mismatch: want {expected.digest}, got {expected.digest.algorithm}:{actual}",
                expected=str(expected.digest),
                actual=f"{expected.digest.algorithm}:{actual}",
            )
