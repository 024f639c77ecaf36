"""Check that a layer's bytes are what its media type and its diff IDs say, while they are verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidContent, Unsupported
from ..model import mediatype
from ..model.verification import FaultKind
from ..streams.inflaters import MAGIC, compression_of, is_gzip_or_zstd
from ..streams.pump import NullSink

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from ..streams.decompress import InflatingSink
    from ..streams.plain_content import PlainContent


class LayerCheck:
    """A `BlobSink` that drops a blob; for a layer of known type it looks at the compression of its first bytes.

    With ``plain`` the layer is decompressed, in bounded memory, and must have that content. Wrong content does not end
    the reading of the blob, so that its digest decides: after `finish`, ``kind`` is what is wrong, None if nothing is,
    and ``problem`` says so.
    """

    def __init__(self, descriptor: Descriptor, plain: PlainContent | None) -> None:
        self._descriptor, self._plain = descriptor, plain
        # None for other blobs, and for encrypted layers.
        self._stated = mediatype.compression(descriptor.media_type)
        self.restart()

    def restart(self) -> None:
        self.kind: FaultKind | None = None
        self.problem = ""
        self._head = b""
        self._inflating: InflatingSink | None = None
        if self._plain is not None and self._stated is not None:
            from ..streams.decompress import InflatingSink

            try:
                self._inflating = InflatingSink(NullSink(), f"blob {self._descriptor.digest}", self._plain)
            except Unsupported as error:
                self._fail(FaultKind.UNVERIFIABLE, str(error))

    def write(self, buffer: memoryview) -> None:
        if len(self._head) < MAGIC:
            self._head += bytes(buffer[: MAGIC - len(self._head)])
        if self._inflating is not None:
            try:
                self._inflating.write(buffer)
            except InvalidContent as error:
                self._fail(FaultKind.INVALID, str(error))
            except Unsupported as error:
                self._fail(FaultKind.UNVERIFIABLE, str(error))

    def finish(self) -> None:
        """Note what is wrong with a blob whose bytes are verified; for a worker thread."""
        if self._stated is not None:
            actual = compression_of(self._head) if is_gzip_or_zstd(self._head) else ""
            if actual != self._stated:
                text = f"is {actual or 'not compressed'}, its media type says {self._stated or 'not compressed'}"
                self._fail(FaultKind.MEDIA_TYPE, text)
        if self._inflating is not None:
            try:
                self._inflating.finish()
            except ContentMismatch as error:
                self._fail(FaultKind.DIFF_ID, str(error))
            except InvalidContent as error:
                self._fail(FaultKind.INVALID, str(error))

    def _fail(self, kind: FaultKind, problem: str) -> None:
        """Note the first thing that is wrong, and decompress no more."""
        if self.kind is None:
            self.kind, self.problem = kind, problem
        self._inflating = None
