"""What a blob's upload has reached, and what to do after each failure: no I/O."""

from __future__ import annotations

from enum import Enum

from ..errors import PyskopeoError, RegistryError
from ..fast_dataclass import dataclass
from .session import TokenExpired

# Bytes. Progress of this much makes the next failure the first one again.
PROGRESS = 64 * 1024
# Bytes. Where a registry refuses a body as too large: pieces of this size, halved down to the smallest.
LARGEST_PIECE = 32 * 1024 * 1024
SMALLEST_PIECE = 1024 * 1024
# How many tokens may expire during one blob.
MOST_TOKENS = 20


class Step(Enum):
    """What to do after a failed attempt."""

    REPEAT = "send the same request again at once"
    CONTINUE = "ask the registry how much it has, and send the rest"
    PAUSE = "wait, then continue"
    RAISE = "give up"


@dataclass(slots=True)
class UploadState:
    """An upload as far as it is known on this side. ``size`` is None where it is known only at the end.

    The registry has ``offset`` bytes, and was sent ``sent`` at the most. ``piece`` is the most that one
    request may carry, None for all, ``shortest`` the least (``OCI-Chunk-Min-Length``). ``resumed``: it
    continued at the offset that the registry gave; ``broken``: it cannot be continued.
    """

    size: int | None
    retries: int
    offset: int = 0
    sent: int = 0
    piece: int | None = None
    shortest: int = 0
    resumed: bool = False
    broken: bool = False
    failures: int = 0
    expired_tokens: int = 0
    _progress_from: int = 0

    @property
    def resumable(self) -> bool:
        """Whether the bytes that the registry has are known to be the first ones of what will be sent."""
        return self.size is not None and not self.broken

    def failed(self, error: PyskopeoError, *, opened: bool) -> Step:
        """Decide after ``error``; ``opened`` says whether the registry has an upload session for this."""
        if isinstance(error, TokenExpired) and self.expired_tokens < MOST_TOKENS:
            self.expired_tokens += 1
            return Step.REPEAT  # refused before anything was taken: the upload is as it was
        if self._use_smaller_pieces(error):
            return Step.CONTINUE
        if not self._may_succeed_later(error, opened=opened) or self.failures >= self.retries:
            return Step.RAISE
        self.failures += 1
        return Step.PAUSE

    def continue_at(self, offset: int) -> None:
        """The registry has ``offset`` bytes, and the upload goes on from there."""
        self.offset, self.resumed = offset, True
        if offset >= self._progress_from + PROGRESS:
            self.failures, self._progress_from = 0, offset

    def begin_anew(self) -> None:
        """The registry has nothing; counts and the size of the pieces stay."""
        self.offset = self.sent = 0
        self.resumed = self.broken = False

    def _use_smaller_pieces(self, error: PyskopeoError) -> bool:
        if not isinstance(error, RegistryError) or error.status != 413 or self.size is None:
            return False
        smallest = max(SMALLEST_PIECE, self.shortest)
        if self.piece is not None and self.piece <= smallest:
            return False
        self.piece = max(smallest, min(LARGEST_PIECE, (self.piece or self.size) // 2))
        self.broken = True
        return True

    def _may_succeed_later(self, error: PyskopeoError, *, opened: bool) -> bool:
        """A session that the registry has lost begins anew, as does one that continued where the registry
        said and was refused in the end."""
        if isinstance(error, RegistryError) and opened:
            if error.status == 416:
                return True
            self.broken = error.status == 404 or (error.status == 400 and self.resumed)
        return self.broken or error.temporary
