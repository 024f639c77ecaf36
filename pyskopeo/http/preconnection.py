"""A connection that a thread of its own opens before the first request needs it, as browsers' "preconnect" does."""

from __future__ import annotations

import threading
import time
from functools import partial

from ..fast_dataclass import dataclass
from ..streams.cancellation import Cancellation, Cancelled, on_cancel
from .connect import Connector
from .connection import IDLE_SECONDS, Connection
from .origin import Origin


class Preconnection:
    """One connection to ``origin``: name resolution, TCP, a proxy's tunnel and TLS begin when this object is made.

    All of that is `Connector.open`, as for any other connection, except that the TLS settings are made after TCP has
    connected, unless `make_tls_settings` has made them by then. The maker of this object closes it; a connection that
    `take` has returned belongs to its caller.
    """

    def __init__(self, connector: Connector, origin: Origin) -> None:
        self.connector, self.origin = connector, origin
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


@dataclass(frozen=True, slots=True)
class Preconnected:
    """What was begun for one server: ``opened``, by ``connector``, is one for each origin that it may have.

    ``further`` is the number of connections to open when it is known which origin it has; see `ConnectionPool`.
    """

    connector: Connector
    opened: tuple[Preconnection, ...]
    further: int


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
