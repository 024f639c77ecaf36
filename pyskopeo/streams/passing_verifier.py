"""Verify content, and pass it on in order."""

from __future__ import annotations

from ..model.verifier import Verifier
from .byte_streams import BlobSink


class PassingVerifier(Verifier):
    """Passes what ``verifier`` is fed on to ``sink``."""

    def __init__(self, verifier: Verifier, sink: BlobSink) -> None:
        self._verifier, self._sink, self.size = verifier, sink, verifier.size

    def restart(self) -> None:
        self._verifier.restart()
        self._sink.restart()
        self.size = 0

    def feed(self, buffer: bytes | bytearray | memoryview) -> None:
        self._verifier.feed(buffer)
        self._sink.write(memoryview(buffer))
        self.size = self._verifier.size

    def finish(self) -> None:
        self._verifier.finish()
