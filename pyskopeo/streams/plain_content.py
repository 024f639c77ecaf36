"""Verify and bound the decompressed content of layers, wherever it passes through: diff IDs, and bytes in total."""

from __future__ import annotations

from threading import Lock

from ..errors import ContentMismatch, TooLarge
from ..fast_dataclass import dataclass
from ..model.digest import Digest, new_hasher

# Layers may be mostly zeros, disk images for example, but images of real software are at most about 20 times as large
# as what is stored of them; gzip's own maximum is 1032, zstd's is far beyond that.
_ALWAYS_ALLOWED = 16 * 1024**3
_ALLOWED_RATIO = 200


def default_inflated_limit(stored: int) -> int:
    """Return how many bytes layers of ``stored`` bytes in total may have when they are decompressed.

    16 GiB, or 200 times the stored size if that is more.
    """
    return max(_ALWAYS_ALLOWED, _ALLOWED_RATIO * stored)


class InflatedTotal:
    """Counts the decompressed bytes of all layers of a copy, from any thread; ``limit`` is their maximum."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._total = 0
        self._sizes: dict[str, int] = {}
        self._lock = Lock()

    def count(self, layer: str, size: int) -> None:
        """Record that ``size`` bytes of a layer are decompressed now; fewer than before if it started again.

        Raises `TooLarge`.
        """
        with self._lock:
            self._total += size - self._sizes.get(layer, 0)
            self._sizes[layer] = size
            total = self._total
        if total > self.limit:
            raise TooLarge(
                f"{layer}: the layers decompress to more than {self.limit} bytes in total: refused; if the image is "
                "sound, allow more with --max-inflated",
                limit=self.limit,
            )


@dataclass(frozen=True, slots=True)
class PlainContent:
    """What must hold for a layer's decompressed content.

    ``diff_ids`` are the digests that image configurations state for it (OCI image specification, config.md), usually
    one; it must have all of them. ``total`` counts its bytes together with those of other layers; None: they are not
    counted.
    """

    diff_ids: tuple[Digest, ...] = ()
    total: InflatedTotal | None = None


ANY_CONTENT = PlainContent()


class PlainVerifier:
    """Hashes and counts the decompressed content of a layer, and compares it with what must hold for it.

    ``size`` is the number of bytes so far; ``digest`` is their sha256 and ``digests`` those of all algorithms that the
    diff IDs need. ``what`` names the layer in errors.
    """

    def __init__(self, expected: PlainContent, what: str) -> None:
        self._expected, self._what = expected, what
        self.size = 0
        self._begin()

    def _begin(self) -> None:
        algorithms = {"sha256", *(diff_id.algorithm for diff_id in self._expected.diff_ids)}
        self._hashers = {algorithm: new_hasher(algorithm) for algorithm in algorithms}

    @property
    def digest(self) -> Digest:
        """The sha256 of the content: for a layer its diff ID."""
        return Digest("sha256", self._hashers["sha256"].hexdigest())

    @property
    def digests(self) -> frozenset[Digest]:
        """The digest of the content in each algorithm."""
        return frozenset(Digest(algorithm, hasher.hexdigest()) for algorithm, hasher in self._hashers.items())

    def feed(self, piece: memoryview) -> None:
        """Take the next bytes; raises `TooLarge`."""
        for hasher in self._hashers.values():
            hasher.update(piece)
        self.size += len(piece)
        if self._expected.total is not None:
            self._expected.total.count(self._what, self.size)

    def finish(self) -> None:
        """Raise `ContentMismatch` if the content does not have the diff IDs."""
        digests = self.digests if self._expected.diff_ids else frozenset()
        for diff_id in self._expected.diff_ids:
            if diff_id not in digests:
                actual = next(digest for digest in digests if digest.algorithm == diff_id.algorithm)
                raise ContentMismatch(
                    f"{self._what}: layer decompresses to {actual}, the image configuration says {diff_id}",
                    expected=str(diff_id), actual=str(actual),
                )  # fmt: skip

    def restart(self) -> None:
        """Forget the content: it starts again at its first byte."""
        self.size = 0
        self._begin()
