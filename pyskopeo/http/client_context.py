"""TLS settings of a client, with authorities that are loaded when a server's certificate needs them."""

from __future__ import annotations

import os
import re
import ssl
import threading
from collections.abc import Callable
from typing import Self

# Names under which OpenSSL looks for an authority by itself (c_rehash(1)).
HASHED = re.compile(r"[0-9a-f]{8}\.r?[0-9]+", re.ASCII)


class ClientContext(ssl.SSLContext):
    """Verifies servers as Go and curl do, with all versions of Python, and trusts no authority yet.

    `ssl.create_default_context` would fail if ``SSLKEYLOGFILE`` cannot be written. Since 3.13 it refuses certificates
    that lack an extension which RFC 5280 asks for, such as the authority key identifier. An authority that the user
    trusts need not be self-signed.
    """

    _load: Callable[[], None] | None
    _lock: threading.Lock

    def __new__(cls) -> Self:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._load, context._lock = None, threading.Lock()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    def put_off(self, load: Callable[[], None]) -> None:
        """Have ``load``, which trusts further authorities, wait for `complete`."""
        self._load = load

    @property
    def is_complete(self) -> bool:
        """Whether all authorities are loaded."""
        return self._load is None

    def complete(self) -> None:
        """Load the authorities that were put off, if that has not been done."""
        with self._lock:
            if self._load is not None:
                self._load()
                self._load = None


def is_complete(context: ssl.SSLContext) -> bool:
    """Return whether ``context`` has all its authorities.

    If it has not, a server that it does not trust may be trusted by `completed`; none is that would not be then: more
    authorities cannot make a server less trusted.
    """
    return not isinstance(context, ClientContext) or context.is_complete


def completed(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return ``context`` with all its authorities."""
    if isinstance(context, ClientContext):
        context.complete()
    return context


def system_directory() -> str | None:
    """Return the directory in which OpenSSL finds each of the system's authorities, if it has that of all, too.

    Debian, Ubuntu and Alpine link each authority under a hash of its name, which takes microseconds to
    look up, beside the file of all, which takes 25 ms to load. The list is the same, unless one of the two was changed.
    """
    paths = ssl.get_default_verify_paths()
    if not paths.cafile or not paths.capath:
        return None
    directory = os.path.realpath(paths.capath)
    if os.path.dirname(os.path.realpath(paths.cafile)) != directory:
        return None
    try:
        return directory if any(map(HASHED.fullmatch, os.listdir(directory))) else None
    except OSError:  # others may not read it
        return None
