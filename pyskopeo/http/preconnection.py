"""Connections that are opened, each in a thread of its own, before requests need them: "preconnect" of browsers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from ..errors import PyskopeoError
from ..streams.cancellation import Cancellation, Cancelled, on_cancel
from .connect import Connector
from .connection import IDLE_SECONDS, Connection
from .origin import Origin

# Seconds between connections to the origins of one server: one that handles connections one after the other, and would
# wait for a request on the one for plain http, gets the one for https first, as a rule.
_STAGGER = 0.005
# Seconds within which the response of a server that is near begins.
_AT_ONCE = 0.005
# Seconds after which blobs are not expected to need a further connection. A server that handles connections one after
# the other waits for a request on each.
_UNUSED_SECONDS = 2.0


class Preconnection:
    """One connection to ``origin``: name resolution, TCP, a proxy's tunnel and TLS begin when this object is made.

    All of that is `Connector.open`, as for any other connection, except that the TLS settings are made after TCP has
    connected, unless `make_tls_settings` has made them by then. It begins after ``delay`` seconds. The maker of this
    object closes it; a connection that `take` has returned belongs to its caller.
    """

    def __init__(self, connector: Connector, origin: Origin, *, delay: float = 0.0) -> None:
        self.connector, self.origin, self._delay = connector, origin, delay
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._cancellation = Cancellation()
        self._wanted = True  # False once it was taken or closed
        self._result: Connection | Exception | None = None
        self._since = 0.0
        # No thread waits for this one: it may be resolving a name, which cannot be interrupted.
        threading.Thread(target=self._open, name=f"preconnect {origin}", daemon=True).start()

    def make_tls_settings(self) -> Exception | None:
        """Have the connector make its TLS settings for https, unless it has them; return what is wrong with these."""
        if self.origin.scheme != "https":
            return None
        try:
            self.connector.context(self.origin)
        except Exception as error:  # noqa: BLE001 - whatever it is, `take` raises it
            return error
        return None

    def _open(self) -> None:
        result: Connection | Exception
        time.sleep(self._delay)
        try:
            result = self._cancellation.run(partial(self.connector.open, self.origin, connect_first=True))
        except Exception as error:  # noqa: BLE001 - as above
            # Any other connection would have needed the settings first.
            result = error if self._cancellation.cancelled else self.make_tls_settings() or error
        with self._lock:
            self._since = time.monotonic()
            unwanted = self._cancellation.cancelled
            self._result = None if unwanted else result
        self._ended.set()
        if unwanted and isinstance(result, Connection):
            result.close()

    @property
    def ended(self) -> bool:
        """Whether `take` need not wait."""
        return self._ended.is_set()

    def take(self, patience: float | None = None) -> Connection | None:
        """Return the connection, after waiting for it, at most ``patience`` seconds; None if it cannot be used.

        Only the first call gets it, once; a request that is sent at the same time needs a connection of its own. Raises
        what `Connector.open` has raised, and `Cancelled`.
        """
        with self._lock:
            if not self._wanted:
                return None
            self._wanted = False
        try:
            with on_cancel(self._ended.set):
                in_time = self._ended.wait(patience)
        except Cancelled:
            self._give_up()
            raise
        if not in_time:
            self._give_up()
            return None
        with self._lock:
            result, self._result = self._result, None
        if isinstance(result, Exception):
            raise result
        if result is not None and not (time.monotonic() - self._since < IDLE_SECONDS and _is_silent(result)):
            result.close()
            return None
        return result

    def close(self) -> None:
        """Close the connection, or give up opening it, unless it was taken. Does not wait for the thread."""
        with self._lock:
            if not self._wanted:
                return
            self._wanted = False
        self._give_up()

    def _give_up(self) -> None:
        self._cancellation.cancel()
        with self._lock:
            result, self._result = self._result, None
        if isinstance(result, Connection):
            result.close()


class ServerPreconnections:
    """Connections to one server that ``connector`` opens in advance: at first one for each origin that it may have.

    After the first request, unless the server is near, there are ``further`` ones for its origin. To be closed.
    """

    def __init__(self, connector: Connector, origins: Iterable[Origin], further: int = 0) -> None:
        self.connector, self._wanted = connector, further
        self._lock = threading.Lock()
        self._closed = self._is_first_sent = False
        self._timer: threading.Timer | None = None
        self._first: list[Preconnection] = []
        self._further: list[Preconnection] = []
        with suppress(RuntimeError):  # raised if there can be no more threads
            for number, origin in enumerate(origins):
                self._first.append(Preconnection(connector, origin, delay=number * _STAGGER))

    def make_tls_settings(self) -> None:
        """Have the connector make its TLS settings; `take` raises what is wrong with them."""
        for one in self._first:
            one.make_tls_settings()

    def take(self, origin: Origin) -> Connection | None:
        """Return a connection to ``origin``, after waiting for it; None if there is none that can be used.

        Raises `Cancelled`, and what opening the first connection to this origin has raised: another one would fail,
        too. If a further one fails, it may have been one too many.
        """
        while True:
            with self._lock:
                first = next((one for one in self._first if one.origin == origin), None)
                further = [one for one in self._further if one.origin == origin]
                # One that is open rather than one that has to be waited for.
                found = first or min(further, key=lambda one: not one.ended, default=None)
                if found is None:
                    return None
                (self._first if first else self._further).remove(found)
            if first:
                return first.take()
            with suppress(PyskopeoError):
                if connection := found.take(_UNUSED_SECONDS):
                    return connection

    def request_sent(self, origin: Origin, connection: Connection) -> None:
        """After the first request, close the connections to other origins, and begin the further ones.

        ``connection`` is that of the request for ``origin``. To a server that responds at once, further connections
        would cost more than they save.
        """
        with self._lock:
            if self._is_first_sent:
                return
            self._is_first_sent = True
            others = [one for one in self._first if one.origin != origin]
            self._first = [one for one in self._first if one.origin == origin]
        for one in others:
            one.close()
        if self._wanted and not connection.is_readable(_AT_ONCE):
            with self._lock, suppress(RuntimeError):  # as above
                if self._closed:
                    return
                while len(self._further) < self._wanted:
                    self._further.append(Preconnection(self.connector, origin))
                self._timer = threading.Timer(_UNUSED_SECONDS, self.close)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Close the connections that were not taken; there will be no further ones."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            unused, self._first, self._further = [*self._first, *self._further], [], []
        for one in unused:
            one.close()


def _is_silent(connection: Connection) -> bool:
    """Return whether a connection without a request is open; the server has nothing to say before one.

    It is read, and not polled: with TLS 1.3 session tickets arrive after the handshake, which are no data.
    """
    from ssl import SSLWantReadError

    try:
        connection.sock.settimeout(0)
        connection.sock.recv(1)
    except (BlockingIOError, SSLWantReadError):
        return True
    except OSError:
        pass
    return False
