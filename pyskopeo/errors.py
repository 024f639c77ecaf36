"""Every error pyskopeo raises on purpose.

::

    PyskopeoError
    ├── InvalidInput              what the caller wrote: names, flags, configuration files
    │   ├── InvalidName           an image name or reference that cannot be parsed
    │   └── Unsupported           well formed, but not something this program does
    ├── NotFound                  the image, tag or path is not there (exit code 2 where skopeo's is)
    ├── NoMatchingPlatform        an index has no image for the wanted platform
    ├── InvalidContent            a registry or a file said something that breaks its specification
    │   ├── InvalidDigest         a malformed digest; found before any request or file is made of it
    │   ├── ContentMismatch       bytes are not what their descriptor says
    │   └── TooLarge              a document is over its limit
    ├── PolicyRejected            the policy does not let this image be used
    ├── CannotPreserve            a manifest would have to change, and must not
    ├── DestinationRefused        something is there that is not ours to overwrite
    ├── StorageFailed             the operating system refused: disk full, no permission, ...
    ├── CredentialsFailed         a credential helper or a credentials file failed
    └── NetworkError
        ├── ConnectionFailed      no connection, or it broke; worth another try
        │   ├── HandshakeFailed   the server speaks TLS, and not with us
        │   └── Stalled           no progress for the time allowed
        ├── CertificateNotTrusted
        ├── UnsafeAddress         a registry sent us somewhere it should not
        └── RegistryError         the registry answered, and the answer is a refusal
            ├── AccessDenied      401 or 403
            └── ManifestRefused   a kind of manifest that this registry does not take

Each message is one line that says what, where and what to do; each error carries its facts as
fields. ``temporary`` says whether the same request may succeed later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class PyskopeoError(Exception):
    """The root of the tree. ``exit_code`` is what the command line exits with."""

    exit_code: ClassVar[int] = 1
    temporary: bool = False


class InvalidInput(PyskopeoError):
    """What the caller wrote cannot be used."""


class InvalidName(InvalidInput):
    """An image name or a reference that cannot be parsed."""


class Unsupported(InvalidInput):
    """Well formed, but not something this program does."""


class NotFound(PyskopeoError):
    """The image is not there."""

    exit_code = 2


class PathNotFound(NotFound):
    """A path or a tag is absent where skopeo exits with 1 (``dir:``, ``docker-archive:``)."""

    exit_code = 1


class NoMatchingPlatform(PyskopeoError):
    """No entry of an index fits the wanted platform.

    ``wanted`` is the platform asked for, ``available`` the platforms there are.
    """

    def __init__(self, message: str, *, wanted: str, available: tuple[str, ...]) -> None:
        super().__init__(message)
        self.wanted = wanted
        self.available = available


class InvalidContent(PyskopeoError):
    """A registry or a file said something that breaks its specification."""


class InvalidDigest(InvalidContent):
    """A string that should be a digest and is not one."""


class ContentMismatch(InvalidContent):
    """Bytes are not what their descriptor says: another digest, or another size."""

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class TooLarge(InvalidContent):
    """A document is over its limit; ``limit`` in bytes."""

    def __init__(self, message: str, *, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


class PolicyRejected(PyskopeoError):
    """The policy does not let this image be used.

    ``scope`` is the place of the rule in the policy, ``where`` the policy's file, if there is one.
    """

    def __init__(self, message: str, *, scope: str, where: str) -> None:
        super().__init__(message)
        self.scope = scope
        self.where = where


class CannotPreserve(PyskopeoError):
    """A manifest would have to change to be written, and the caller forbade it."""


class DestinationRefused(PyskopeoError):
    """The destination holds something that is not ours to overwrite."""


class StorageFailed(PyskopeoError):
    """The operating system refused a read or a write; ``errno`` says why."""

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno

    @classmethod
    def of(cls, error: OSError, what: str) -> StorageFailed:
        """Wrap ``error``; ``what`` says what was being done, and to which path."""
        reason = error.strerror or str(error) or type(error).__name__
        # Scripts look for these texts as Go writes them: "no such file or directory".
        reason = reason[:1].lower() + reason[1:]
        return cls(f"{what}: {reason}", errno=error.errno)


class CredentialsFailed(PyskopeoError):
    """A credential helper or a credentials file could not be used."""


class NetworkError(PyskopeoError):
    """Anything that went wrong between us and a server."""


class ConnectionFailed(NetworkError):
    """No connection, or it broke in the middle."""

    temporary = True

    def __init__(self, message: str, *, host: str = "", temporary: bool = True) -> None:
        super().__init__(message)
        self.host = host
        self.temporary = temporary


class HandshakeFailed(ConnectionFailed):
    """The server speaks TLS, but not with us: no version or cipher we may use, or not without a certificate
    of ours; or it broke off before it said a word."""


class Stalled(ConnectionFailed):
    """A connection made no progress for the time allowed."""


class CertificateNotTrusted(NetworkError):
    """The server's certificate could not be verified."""

    def __init__(self, message: str, *, host: str) -> None:
        super().__init__(message)
        self.host = host


class UnsafeAddress(NetworkError):
    """A redirect, a token realm or a link leads where it must not."""


class RegistryError(NetworkError):
    """The registry refused. ``status`` is the HTTP status, ``codes`` its own error codes."""

    def __init__(
        self, message: str, *, status: int, codes: tuple[str, ...] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.codes = codes
        self.retry_after = retry_after
        self.temporary = status in {408, 425, 429} or status >= 500


class AccessDenied(RegistryError):
    """401 or 403: no credentials, wrong ones, or not enough rights."""


class ManifestRefused(RegistryError):
    """The registry does not take this kind of manifest; it may take another."""


@contextmanager
def saying(what: str, unless: type[PyskopeoError] | tuple[type[PyskopeoError], ...] = ()) -> Iterator[None]:
    """Put ``what: `` before the message of our errors; their kinds and facts stay as they are."""
    try:
        yield
    except PyskopeoError as error:
        if not isinstance(error, unless):
            error.args = (f"{what}: {error}", *error.args[1:])
        raise


@contextmanager
def first_error() -> Iterator[None]:
    """A task group's `ExceptionGroup` becomes its first cause: siblings were only cancelled for it."""
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
