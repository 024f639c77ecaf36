"""Connections that are opened, each in a thread of its own, before requests need them: "preconnect" of browsers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from functools import partial

from ..streams.cancellation import Cancellation, Cancelled, on_cancel
from .connect import Connector
from .connection import IDLE_SECONDS, Connection
from .origin import Origin

# Seconds between connections to the origins of one server: one that handles connections one after the other, and would
# wait for a request on the one for plain http, gets the one for https first.
_STAGGER = 0.005
# Seconds within which the response of a server that is near begins.
_AT_ONCE = 0.005
# Seconds after which no blob is expected to need a further connection; the same server waits for a request on it.
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

    def take(self) -> Connection | None:
        """Return the connection, after waiting for it; None if there is none that can be used.

        Only the first call gets it, once; a request that is sent at the same time needs a connection of its own. Raises
        what `Connector.open` has raised, and `Cancelled`.
        """
        with self._lock:
            if not self._wanted:
                return None
            self._wanted = False
        try:
            with on_cancel(self._ended.set):
                self._ended.wait()
        except Cancelled:
            self._give_up()
            raise
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


class Preconnected:
    """Connections to one server that ``connector`` opens in advance: at first one for each origin that it may have.

    When the origin is known, and the server is not near, there are ``further`` ones. To be closed.
    """

    def __init__(self, connector: Connector, origins: Iterable[Origin], further: int = 0) -> None:
        self.connector, self._further = connector, further
        self._lock = threading.Lock()
        self._closed = False
        self._timer: threading.Timer | None = None
        self._unused = [Preconnection(connector, origin, delay=n * _STAGGER) for n, origin in enumerate(origins)]

    def make_tls_settings(self) -> None:
        """Have the connector make its TLS settings; `take` raises what is wrong with them."""
        for one in self._unused:
            one.make_tls_settings()

    def take(self, origin: Origin) -> Connection | None:
        """Return the next connection to ``origin``, after waiting for it; None if there is none that can be used.

        Raises what `Preconnection.take` raises.
        """
        while True:
            with self._lock:
                found = next((one for one in self._unused if one.origin == origin), None)
                if found is None:
                    return None
                self._unused.remove(found)
            if connection := found.take():
                return connection

    def request_sent(self, origin: Origin, connection: Connection) -> None:
        """Close the connections to other origins, and begin the further ones: ``connection`` has a request now.

        To a server that responds at once, further connections would cost more than they save.
        """
        with self._lock:
            further, self._further = self._further, 0
            others = [one for one in self._unused if one.origin != origin]
            self._unused = [one for one in self._unused if one.origin == origin]
        for one in others:
            one.close()
        if further and not connection.is_readable(_AT_ONCE):
            with self._lock:
                if not self._closed:
                    self._unused += [Preconnection(self.connector, origin) for _ in range(further)]
                    self._timer = threading.Timer(_UNUSED_SECONDS, self._close_unused)
                    self._timer.daemon = True
                    self._timer.start()

    def close(self) -> None:
        """Close the connections that were not taken, now and later."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
        self._close_unused()

    def _close_unused(self) -> None:
        with self._lock:
            unused, self._unused = self._unused, []
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
