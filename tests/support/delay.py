"""Distance, on loopback: a TCP proxy that keeps every byte back for half a round trip.

::

    with DelayProxy("127.0.0.1", registry.port, round_trip=0.03) as far:
        copy(f"docker://{far.host}/a/b", ...)

It is a process of its own, ``python -m tests.support.delay LISTEN TARGET MILLISECONDS [BYTES_PER_SECOND]``, so that
what it costs is not on the account of what is measured.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from .processes import Peer

_PIECE = 256 * 1024
# What is on its way in one direction of one connection: a long fast line holds that much.
_MOST_UNDER_WAY = 32 * 1024 * 1024
# Seconds that a line with a rate queues, besides its delay: more would count as sent what never arrives.
_QUEUED = 0.1
# The event loop wakes at whole milliseconds, up to one late; this puts the error in the middle.
_LATENESS = 0.0005


class DelayProxy(Peer):
    """The proxy before ``host:port``; a context manager. ``round_trip`` in seconds.

    A connection costs a round trip too, as TCP's handshake does. ``bytes_per_second`` bounds each
    direction of each connection; without it nothing is bounded.
    """

    def __init__(
        self, host: str, port: int, round_trip: float = 0.03, *, bytes_per_second: int | None = None
    ) -> None:
        super().__init__()
        self._target = f"{host}:{port}"
        self._round_trip = round_trip
        self._rate = bytes_per_second
        self.port = 0

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, as it stands in image names."""
        return f"127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        """This very module."""
        words = ["127.0.0.1:0", self._target, f"{self._round_trip * 1000:g}"]
        if self._rate is not None:
            words.append(str(self._rate))
        root = Path(__file__).parents[2]
        return ("env", f"PYTHONPATH={root}", sys.executable, "-m", "tests.support.delay", *words)

    def is_ready(self) -> bool:
        """It tells its port when it listens."""
        told = re.search(r"listening on 127\.0\.0\.1:(\d+)\n", self.log)
        if told is None:
            return False
        self.port = int(told[1])
        return True


class _Line:
    """One direction of a connection: what came in at one end comes out of the other, later."""

    def __init__(self, delay: float, rate: int | None, opened: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.delay, self._rate = delay, rate
        # Until then the handshake is under way, and nothing can have been sent.
        self._free_at = opened
        self._queue: deque[tuple[float, bytes | None]] = deque()
        self._waiting: asyncio.TimerHandle | None = None
        self._under_way = 0
        self._most = _MOST_UNDER_WAY if rate is None else min(_MOST_UNDER_WAY, int(rate * (delay + _QUEUED)))
        self.source: _End | None = None
        self.target: _End | None = None

    def put(self, piece: bytes | None) -> None:
        """Some bytes were received; None is the end of them."""
        sent = max(self._loop.time(), self._free_at)
        if self._rate and piece:
            sent += len(piece) / self._rate
            self._free_at = sent
        self._queue.append((sent + self.delay, piece))
        self._under_way += len(piece or b"")
        self.flow()
        self._wait()

    def flow(self) -> None:
        """Read on, or read no more for now."""
        if self.source is None or self.source.ended or self.target is None:
            return
        transport = self.source.transport
        full = self._under_way + self.target.unsent > self._most
        if full and transport.is_reading():
            transport.pause_reading()
        elif not full and not transport.is_reading() and not transport.is_closing():
            transport.resume_reading()

    def _wait(self) -> None:
        if self._queue and self._waiting is None:
            self._waiting = self._loop.call_at(self._queue[0][0] - _LATENESS, self._due)

    def _due(self) -> None:
        self._waiting = None
        now = self._loop.time() + _LATENESS
        while self._queue and self._queue[0][0] <= now:
            _, piece = self._queue.popleft()
            if self.target is None:
                continue
            if piece is None:
                self.target.finish()
            else:
                self._under_way -= len(piece)
                self.target.transport.write(piece)
        self.flow()
        self._wait()


class _End(asyncio.BufferedProtocol):
    """One end of a connection: reads into ``out``, and ``back`` writes to it."""

    # One for all: an event loop has one thread, and what is read is copied at once.
    _buffer = memoryview(bytearray(_PIECE))

    def __init__(self, out: _Line, back: _Line, room: int) -> None:
        self._out, self._back, self._room = out, back, room
        self.ended = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=_PIECE)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._out.source = self._back.target = self

    @property
    def unsent(self) -> int:
        """Bytes the other side has not taken yet."""
        return self.transport.get_write_buffer_size()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer[: self._room]

    def buffer_updated(self, nbytes: int) -> None:
        self._out.put(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool:
        self.ended = True
        self._out.put(None)
        return True  # what comes the other way still may

    def resume_writing(self) -> None:
        self._back.flow()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended:
            self.ended = True
            self._out.put(None)
        # Nobody is there to write to any more, so whoever writes should hear of it.
        self._back.target = None
        if (writer := self._back.source) is not None and not writer.transport.is_closing():
            asyncio.get_running_loop().call_later(self._back.delay, writer.reset)

    def finish(self) -> None:
        """The other side will send no more."""
        if not self.transport.is_closing():
            self.transport.write_eof()
            if self.ended:
                self.transport.close()


    def reset(self) -> None:
        """Break the connection off, so that whoever uses it hears of it."""
        if not self.transport.is_closing():
            option = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
            self.transport.abort()


async def _serve(listen: tuple[str, int], target: tuple[str, int], round_trip: float, rate: int | None) -> None:
    loop = asyncio.get_running_loop()
    room = _PIECE if rate is None else max(1024, min(_PIECE, rate // 100))
    connecting: set[asyncio.Task[None]] = set()

    class Front(_End):
        def __init__(self) -> None:
            opened = loop.time() + round_trip
            self.there, self.here = (_Line(round_trip / 2, rate, opened) for _ in range(2))
            super().__init__(self.there, self.here, room)

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.pause_reading()
            task = loop.create_task(self._connect())
            connecting.add(task)
            task.add_done_callback(connecting.discard)

        async def _connect(self) -> None:
            try:
                await loop.create_connection(lambda: _End(self.here, self.there, room), *target)
            except OSError:
                self.reset()
                return
            if not self.transport.is_closing():
                self.transport.resume_reading()

    server = await loop.create_server(Front, *listen, backlog=256)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"listening on {host}:{port}", flush=True)
    await server.serve_forever()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main(words: Sequence[str]) -> None:
    """``LISTEN TARGET MILLISECONDS [BYTES_PER_SECOND]``, until it is ended."""
    listen, target, milliseconds, *rate = words
    asyncio.run(_serve(_address(listen), _address(target), float(milliseconds) / 1000, int(rate[0]) if rate else None))


if __name__ == "__main__":
    main(sys.argv[1:])
