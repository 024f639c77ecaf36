"""Decode the framing of a chunked body (RFC 9112 section 7.1). Pure: bytes in, decisions out."""

from __future__ import annotations

import re

from .response_head import InvalidResponse

# The size, and extensions, which are ignored. A lone LF does not end the line: programs on the way may differ in it.
_SIZE_LINE = rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n"  # compiled by `re` at the first use
# Bytes.
_LINE_LIMIT = 4096
_TRAILERS_LIMIT = 16 * 1024
# Bytes of framing that are allowed besides two for each byte of content. Chunks of a few bytes have more, and so have
# long extensions.
_OVERHEAD = 64 * 1024


class ChunkedDecoder:
    """The state of a chunked body.

    ``left`` bytes of the current chunk are still to be read. `advance` consumes framing when it is 0, until there is
    another chunk or ``ended`` is set. ``length`` is the size that the body must have, None if it is not known.
    """

    def __init__(self, length: int | None = None) -> None:
        self.left = 0
        self.ended = False
        self._length = length
        self._content = self._overhead = self._trailers = 0
        self._in_chunk = self._in_trailers = False

    def advance(self, received: bytearray) -> bool:
        """Consume framing at the beginning of ``received``; return False if more bytes are needed.

        Raises `InvalidResponse`.
        """
        while not self.left and not self.ended:
            if self._in_chunk:
                if len(received) < 2:
                    return False
                self._end_chunk(received)
            elif (end := received.find(b"\n") + 1) == 0:
                if len(received) > _LINE_LIMIT:
                    raise InvalidResponse("a line of more than 4 KiB between its chunks", final=True)
                return False
            else:
                line = bytes(received[:end])
                del received[:end]
                if self._in_trailers:
                    self._skip_trailer(line)
                else:
                    self._begin_chunk(line)
        return True

    def consume(self, count: int) -> None:
        """Say that ``count`` bytes of the current chunk have been read."""
        self.left -= count
        self._content += count

    def close(self) -> bool:
        """Say that the connection was closed by the server; return whether the body is complete.

        It is after the last chunk, even if the end of the trailers is missing.
        """
        self.ended = self.ended or self._in_trailers
        return self.ended

    def _begin_chunk(self, line: bytes) -> None:
        match = re.fullmatch(_SIZE_LINE, line)
        if match is None or len(line) > _LINE_LIMIT:
            raise InvalidResponse(f"the chunk size {ascii(line[:60].decode('latin-1'))}")
        self.left = int(match[1], 16)
        self._overhead += len(line) + 2
        if self._overhead > _OVERHEAD + 2 * self._content:
            raise InvalidResponse("much more framing than content in its chunks", final=True)
        self._in_chunk = self.left > 0
        self._in_trailers = not self.left
        total = self._content + self.left
        if self._length is not None and (total > self._length or (not self.left and total < self._length)):
            raise InvalidResponse(f"chunks of other than {self._length} bytes, its Content-Length")

    def _end_chunk(self, received: bytearray) -> None:
        if received[:2] != b"\r\n":
            raise InvalidResponse(f"{ascii(bytes(received[:2]).decode('latin-1'))} at the end of a chunk")
        del received[:2]
        self._in_chunk = False

    def _skip_trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > _TRAILERS_LIMIT:
            raise InvalidResponse(f"trailers of more than {_TRAILERS_LIMIT // 1024} KiB", final=True)
        self.ended = line in (b"\r\n", b"\n")
