"""Verification of content against its descriptor while it is transferred."""

from __future__ import annotations

from ..errors import ContentMismatch
from . import mediatype
from .descriptor import Descriptor
from .digest import new_hasher
from .strict_json import CONFIG_LIMIT


class Verifier:
    """Verifies content that is passed to it in pieces; ``size`` is the number of bytes so far.

    Call `feed` with each buffer in order, then `finish`. Content that is too long is refused
    immediately, so that a server cannot fill the disk. Does no I/O.
    """

    def __init__(self, expected: Descriptor) -> None:
        """Raises `Unsupported` for a digest of an unknown algorithm."""
        self._expected = expected
        self.restart()

    def restart(self) -> None:
        """Forget what was fed: the content follows from its first byte."""
        self._hasher = new_hasher(self._expected.digest.algorithm)
        self.size = 0

    def feed(self, buffer: bytes | bytearray | memoryview) -> None:
        """Add the next bytes; raises `ContentMismatch` as soon as there are too many."""
        self.size += len(buffer)
        if self.size > self._expected.size:
            raise ContentMismatch(
                f"blob {self._expected.digest} is longer than the {self._expected.size} bytes its descriptor says",
                expected=str(self._expected.size),
                actual=f"at least {self.size}",
            )
        self._hasher.update(buffer)

    def finish(self) -> None:
        """Raise `ContentMismatch` unless size and digest are those of the descriptor."""
        expected = self._expected
        if self.size != expected.size:
            raise ContentMismatch(
                f"blob {expected.digest} has {self.size} bytes, its descriptor says {expected.size}",
                expected=str(expected.size),
                actual=str(self.size),
            )
        actual = self._hasher.hexdigest()
        if actual != expected.digest.hex:
            raise ContentMismatch(
                f"digest mismatch: want {expected.digest}, got {expected.digest.algorithm}:{actual}",
                expected=str(expected.digest),
                actual=f"{expected.digest.algorithm}:{actual}",
            )


class ConfigVerifier(Verifier):
    """Verifies an image configuration, and that it does not name one field twice: see `config_names.check_names`."""

    def restart(self) -> None:
        super().restart()
        self._content = bytearray()

    def feed(self, buffer: bytes | bytearray | memoryview) -> None:
        super().feed(buffer)
        self._content += buffer

    def finish(self) -> None:
        """Raise `ContentMismatch` as `Verifier.finish`, and `DuplicateName`."""
        super().finish()
        from .config_names import check_names

        check_names(bytes(self._content))


def verifier_for(descriptor: Descriptor) -> Verifier:
    """Return the verifier for content of the descriptor's media type; raises `Unsupported` as `Verifier`."""
    is_config = descriptor.media_type in mediatype.IMAGE_CONFIGS and descriptor.size <= CONFIG_LIMIT
    return ConfigVerifier(descriptor) if is_config else Verifier(descriptor)
