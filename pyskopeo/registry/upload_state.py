"""The state of a blob's upload, which decides what to do after each failure. No I/O."""

from __future__ import annotations

from enum import Enum

from ..errors import PyskopeoError, RegistryError
from ..fast_dataclass import dataclass
from .session import TokenExpired
from .whole_posts import LIMIT as MONOLITHIC_SIZE

# Bytes. After this much progress the number of failures is counted from 0 again.
PROGRESS = 64 * 1024
# Bytes. If a registry refuses a body as too large (413), the chunks have at most this size, and half of it after each
# further refusal, down to the minimum.
MAX_CHUNK_SIZE = 32 * 1024 * 1024
MIN_CHUNK_SIZE = 1024 * 1024
# The number of tokens that may expire during one upload.
MAX_EXPIRED_TOKENS = 20
# The statuses with which registries refuse bytes that have another digest.
_CONTENT_REFUSED = frozenset({400, 409, 422})
# The statuses of servers that take no streamed PUT: redirects, which it cannot follow, and refusals of the method.
_SEPARATE = frozenset({301, 302, 303, 307, 308, 405, 501})
# The statuses with which servers refuse a body without a Content-Length (RFC 9112 section 6.1).
_LENGTH_REQUIRED = frozenset({411, 501})
# Bytes. The maximum of a request that both has bytes and completes the upload. What is larger is worth continuing after
# an interruption, which a body that is cut short may prevent.
ONE_REQUEST_SIZE = 4 * 1024 * 1024
# Bytes. An upload of which the registry has fewer is not worth a request to continue it in a later run.
_KEPT_SIZE = 1024 * 1024


class Step(Enum):
    """What to do after a failed attempt to upload a blob."""

    REPEAT = "send the same request again at once"
    CONTINUE = "ask the registry how many bytes it has, and send the rest"
    PAUSE = "wait, then continue"
    RAISE = "raise the error"


@dataclass(slots=True)
class UploadState:
    """The progress and the failures of one upload. Sizes are in bytes.

    ``size`` is the blob's, None if it is known only at the end. The registry has ``offset`` bytes, and was sent at most
    ``sent``. ``chunk_size`` is the maximum of one request, None for no limit, ``min_chunk_size`` the minimum
    (``OCI-Chunk-Min-Length``). ``resumed`` says that it continued at an offset that the registry gave, ``disputed``
    that the registry stated another number of bytes than were sent, ``broken`` that it cannot be resumed, and
    ``misleading`` that the content was refused after one of these, so that it is not resumed any more.

    ``continued`` says that an earlier run has begun the upload. ``endable`` says that bodies have no length, although
    it is known, so that each can be ended early, and the registry then says where the upload goes on. ``separate`` says
    that the bytes are not sent with the request that completes the upload, because the registry has refused that.
    ``posted`` says that the request that opened the upload had all bytes, and that the registry said of none that it
    has them.
    """

    size: int | None
    retries: int
    offset: int = 0
    sent: int = 0
    chunk_size: int | None = None
    min_chunk_size: int = 0
    resumed: bool = False
    disputed: bool = False
    misleading: bool = False
    broken: bool = False
    continued: bool = False
    endable: bool = False
    separate: bool = False
    posted: bool = False
    failures: int = 0
    expired_tokens: int = 0
    _progress_from: int = 0

    @property
    def resumable(self) -> bool:
        """Whether the bytes that the registry has are known to be the first ones of those that will be sent."""
        return self.size is not None and not self.broken and not self.misleading

    @property
    def fits_one_request(self) -> bool:
        """Whether one request may have all bytes: their number is known and not large, and nothing has failed yet."""
        if self.size is None or self.size > ONE_REQUEST_SIZE or self.chunk_size is not None:
            return False
        return not self.offset and not self.failures and not self.separate

    def failed(self, error: PyskopeoError, *, opened: bool) -> Step:
        """Return what to do after ``error``; ``opened`` says whether the registry has an upload session."""
        if isinstance(error, TokenExpired) and self.expired_tokens < MAX_EXPIRED_TOKENS:
            self.expired_tokens += 1
            return Step.REPEAT  # the request was refused before the registry stored anything
        if self._use_smaller_pieces(error) or self._use_separate_requests(error) or self._use_length(error):
            return Step.CONTINUE
        if self._leave_continued(error) or self._leave_posted(error):
            return Step.CONTINUE
        if not self._may_succeed_later(error, opened=opened) or self.failures >= self.retries:
            return Step.RAISE
        self.failures += 1
        return Step.PAUSE

    def worth_keeping(self, error: BaseException, sent: int) -> bool:
        """Return whether a later run may continue an upload of which the registry was sent ``sent`` bytes.

        It may if this one ended with a cancellation, or an ``error`` that may pass: not if the registry refused the
        upload, or the bytes that were sent may have been wrong.
        """
        passes = error.temporary if isinstance(error, PyskopeoError) else True
        return passes and self.resumable and sent >= _KEPT_SIZE

    def resume_at(self, offset: int) -> None:
        """Record that the registry has ``offset`` bytes, and that the upload continues there."""
        self.offset, self.resumed = offset, True
        if offset >= self._progress_from + PROGRESS:
            self.failures, self._progress_from = 0, offset

    def reset(self) -> None:
        """Record that the registry has no bytes. What is known of the registry and of its failures is kept."""
        self.offset = self.sent = 0
        self.resumed = self.disputed = self.broken = self.continued = self.posted = False

    def _use_smaller_pieces(self, error: PyskopeoError) -> bool:
        if not isinstance(error, RegistryError) or error.status != 413 or self.size is None:
            return False
        smallest = max(MIN_CHUNK_SIZE, self.min_chunk_size)
        if self.chunk_size is not None and self.chunk_size <= smallest:
            return False
        self.chunk_size = max(smallest, min(MAX_CHUNK_SIZE, (self.chunk_size or self.size) // 2))
        self.broken = True
        return True

    def _use_separate_requests(self, error: PyskopeoError) -> bool:
        streamed = self.fits_one_request and (self.size or 0) > MONOLITHIC_SIZE
        if not streamed or not isinstance(error, RegistryError) or error.status not in _SEPARATE:
            return False
        self.separate = self.broken = True
        return True

    def _use_length(self, error: PyskopeoError) -> bool:
        if not self.endable or not isinstance(error, RegistryError) or error.status not in _LENGTH_REQUIRED:
            return False
        self.endable, self.broken = False, True
        return True

    def _leave_continued(self, error: PyskopeoError) -> bool:
        """Return whether another upload is to be opened because the registry refused one of an earlier run.

        That is no retry: without that run there would have been another one from the beginning.
        """
        if not self.continued or not isinstance(error, RegistryError) or error.temporary:
            return False
        self.continued, self.broken = False, True
        return True

    def _leave_posted(self, error: PyskopeoError) -> bool:
        """Return whether another upload is to be opened because the registry may have all bytes of this one twice."""
        if not self.posted or not isinstance(error, RegistryError) or error.status not in _CONTENT_REFUSED:
            return False
        self.posted, self.broken = False, True
        return True

    def _may_succeed_later(self, error: PyskopeoError, *, opened: bool) -> bool:
        """Return whether another attempt may succeed.

        A session that the registry has lost is opened again, as is, once, one whose content it refuses although it may
        be only the offset that was wrong.
        """
        if isinstance(error, RegistryError) and opened:
            if error.status == 416:
                return True
            doubtful = error.status in _CONTENT_REFUSED and (self.resumed or self.disputed) and not self.misleading
            self.broken = error.status == 404 or doubtful
            self.misleading = self.misleading or doubtful
        return self.broken or (error.temporary and not error.retried)
