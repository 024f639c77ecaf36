"""The exceptions that pyskopeo raises.

::

    PyskopeoError
    ├── InvalidInput              an argument, a flag or a configuration file is invalid
    │   ├── InvalidName           an image name or reference that cannot be parsed
    │   └── Unsupported           valid, but not supported by this program
    ├── NotFound                  no such image, tag or blob (exit code 2, as skopeo)
    │   └── PathNotFound          the same where skopeo exits with 1
    ├── NoMatchingPlatform        an index has no image for the requested platform
    ├── InvalidContent            a response or a file violates its specification
    │   ├── InvalidDigest         a malformed digest, refused before it becomes part of a URL or path
    │   ├── ContentMismatch       content differs from its descriptor in digest or size
    │   ├── IncompleteTags        a list of tags goes on where it could not be read
    │   └── TooLarge              a document exceeds its size limit
    ├── PolicyRejected            the signature policy does not allow the image
    ├── CannotPreserve            a manifest would have to change, which the caller has forbidden
    ├── DestinationRefused        the destination holds something that must not be overwritten
    ├── StorageFailed             an error of the operating system: disk full, no permission, ...
    ├── CredentialsFailed         a credential helper or a credentials file failed
    ├── SyncFailed                `sync` could not list a source or copy an image
    └── NetworkError              communication with a server failed
        ├── ConnectionFailed      no connection, or the connection was lost; temporary
        │   ├── HandshakeFailed   TLS negotiation failed
        │   └── Stalled           no data, or no answer, within its timeout
        ├── CertificateNotTrusted the server's certificate could not be verified
        ├── UnsafeAddress         a redirect or link to an address that must not be followed
        ├── Offline               a request would be needed, but none is allowed (exit code 3)
        ├── DaemonError           the Docker daemon answered with an error
        └── RegistryError         the registry answered with an error
            ├── AccessDenied      401 or 403
            └── ManifestRefused   the registry does not accept this type of manifest

All of them can be imported from ``pyskopeo``. They are defined here, except for `SyncFailed`, which
carries a `SyncReport` and is defined beside it in `syncing.sync_request`. A message is one line that says
what failed, where, and what to do about it; the facts are attributes too. ``temporary`` is whether
the same operation may succeed when it is repeated.

Errors that never leave the package, or only as one of their base classes, are not drawn here: their
docstrings say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class PyskopeoError(Exception):
    """Base class of all errors.

    ``exit_code`` is the exit code of the command line; ``temporary`` is whether the same operation
    may succeed when it is repeated; ``retried`` is whether its retries are used up, so that a loop around
    the one that made them adds none of its own.
    """

    exit_code: int = 1
    temporary: bool = False
    retried: bool = False


class InvalidInput(PyskopeoError):
    """An argument, a flag or a configuration file is invalid."""


class InvalidName(InvalidInput):
    """An image name or a reference that cannot be parsed."""


class Unsupported(InvalidInput):
    """A valid request for something that this program does not support."""


class NotFound(PyskopeoError):
    """The image, tag, blob or path does not exist; exit code 2, as skopeo's."""

    exit_code = 2


class PathNotFound(NotFound):
    """A path or tag does not exist in a transport for which skopeo exits with 1: ``dir:``, ``docker-archive:``."""

    exit_code = 1


class NoMatchingPlatform(PyskopeoError):
    """An index has no entry for the requested platform.

    ``wanted`` is the requested platform, ``available`` those of the index, as ``os/architecture[/variant]``.
    """

    def __init__(self, message: str, *, wanted: str, available: tuple[str, ...]) -> None:
        super().__init__(message)
        self.wanted = wanted
        self.available = available


class InvalidContent(PyskopeoError):
    """A response or a file violates its specification."""


class InvalidDigest(InvalidContent):
    """A string is not a valid digest (OCI image specification, "Digests")."""


class ContentMismatch(InvalidContent):
    """Content differs from its descriptor in digest or size.

    ``expected`` and ``actual`` are both digests or both sizes in bytes, as text.
    """

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class TooLarge(InvalidContent):
    """A document is larger than ``limit`` bytes."""

    def __init__(self, message: str, *, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


class IncompleteTags(InvalidContent):
    """The list of tags of a repository goes on where it could not be read; ``tags`` are those that could."""

    def __init__(self, message: str, *, tags: tuple[str, ...]) -> None:
        super().__init__(message)
        self.tags = tags


class PolicyRejected(PyskopeoError):
    """The signature policy does not allow the image (containers-policy.json(5)).

    ``scope`` is the path of the rule within the policy, ``where`` the policy's file, or "" without one.
    """

    def __init__(self, message: str, *, scope: str, where: str) -> None:
        super().__init__(message)
        self.scope = scope
        self.where = where


class CannotPreserve(PyskopeoError):
    """A manifest would have to change, which the caller has forbidden (``--preserve-digests``)."""


class DestinationRefused(PyskopeoError):
    """The destination holds something that must not be overwritten."""


_HINTS: dict[type[OSError], str] = {
    FileExistsError: " and is not a directory: remove it, or choose another path",
    NotADirectoryError: ": a part of this path is a file",
}


class StorageFailed(PyskopeoError):
    """The operating system reported an error; ``errno`` is its number, if known."""

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno

    @classmethod
    def of(cls, error: OSError, what: str) -> StorageFailed:
        """Wrap an `OSError`; ``what`` names the operation and the path, for the message."""
        reason = error.strerror or str(error) or type(error).__name__
        # Scripts compare these texts, which Go writes in lower case: "no such file or directory".
        reason = reason[:1].lower() + reason[1:] + _HINTS.get(type(error), "")
        return cls(f"{what}: {reason}", errno=error.errno)


class CredentialsFailed(PyskopeoError):
    """A credential helper or a credentials file could not be used."""


class NetworkError(PyskopeoError):
    """Communication with a server failed."""


class ConnectionFailed(NetworkError):
    """A connection could not be established, or was lost.

    ``host`` is the server's, "" where it is unknown.
    """

    temporary = True

    def __init__(self, message: str, *, host: str = "", temporary: bool = True) -> None:
        super().__init__(message)
        self.host = host
        self.temporary = temporary


class HandshakeFailed(ConnectionFailed):
    """TLS negotiation failed.

    There is no common protocol version or cipher, the server requires a client certificate, or it closed
    the connection without an answer.
    """


class Stalled(ConnectionFailed):
    """A connection transferred no data within the stall timeout, or there was no complete answer in time."""


class CertificateNotTrusted(NetworkError):
    """The server's certificate could not be verified; ``host`` is the server's."""

    def __init__(self, message: str, *, host: str) -> None:
        super().__init__(message)
        self.host = host


class UnsafeAddress(NetworkError):
    """A redirect, a token realm or a link names an address that must not be followed."""


class Offline(NetworkError):
    """A request would be needed, but `Network.offline` allows none; exit code 3.

    ``missing`` is what would have to be fetched, as far as that is known: digests, or names of images.
    """

    exit_code = 3

    def __init__(self, message: str, *, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing

    @classmethod
    def of(cls, errors: Sequence[Offline]) -> Offline:
        """Return one error for several."""
        first, *others = errors
        more = tuple(what for error in others for what in error.missing)
        return cls(f"{first}; also missing: {', '.join(more)}", missing=first.missing + more) if more else first


class DaemonError(NetworkError):
    """The Docker daemon answered with an error (Docker Engine API, "ErrorResponse").

    ``status`` is the HTTP status; 200 for an error reported within the body of a successful response.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.temporary = status >= 500


class RegistryError(NetworkError):
    """The registry answered with an error (distribution specification, "Error Codes").

    ``status`` is the HTTP status, ``codes`` are those of the response's body, such as
    ``MANIFEST_UNKNOWN``; ``retry_after`` is in seconds, None without a ``Retry-After`` header.
    """

    def __init__(
        self, message: str, *, status: int, codes: tuple[str, ...] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes
        self.retry_after = retry_after
        self.temporary = status in {408, 425, 429} or status >= 500


class AccessDenied(RegistryError):
    """The registry answered 401 or 403: credentials are missing, wrong, or insufficient."""


class ManifestRefused(RegistryError):
    """The registry does not accept this type of manifest; it may accept another."""


@contextmanager
def prefix_errors(what: str, unless: type[PyskopeoError] | tuple[type[PyskopeoError], ...] = ()) -> Iterator[None]:
    """Put ``what: `` before the message of a `PyskopeoError` raised in the block, except those of type ``unless``."""
    try:
        yield
    except PyskopeoError as error:
        if not isinstance(error, unless):
            error.args = (f"{what}: {error}", *error.args[1:])
        raise


@contextmanager
def first_error() -> Iterator[None]:
    """Raise a single error in place of the exception group that a task group raises.

    The first `PyskopeoError` in the group is preferred, otherwise its first exception.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        ours = next((error for error in leaves if isinstance(error, PyskopeoError)), None)
        raise (ours or leaves[0]) from None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
