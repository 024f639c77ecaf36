"""What a copy holds in memory until it is done, manifests, configurations and signatures, and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from ..model.descriptor import Descriptor
    from ..model.manifest import Manifest
    from ..model.signature import Signature

    Check: TypeAlias = Callable[[Manifest, Descriptor | None], Awaitable[tuple[Signature, ...]]]

# Manifests and configurations of one copy: their size in bytes in total, their number, and the number of descriptors in
# them, each of which needs about 1 KiB of memory.
_TOTAL_LIMIT = 64 * 1024 * 1024
_MAX_DOCUMENTS = 20_000
_MAX_DESCRIPTORS = 100_000


class Documents:
    """Counts the manifests and configurations that a copy holds in memory, or what else is ``called`` so."""

    def __init__(self, called: str = "manifests and configurations") -> None:
        self._called = called
        self._number = self._size = self._descriptors = 0

    def add_manifest(self, manifest: Manifest) -> None:
        """Count a manifest; raises `TooLarge`."""
        self._descriptors += len(manifest.manifests) + len(manifest.layers)
        self.add(len(manifest.raw))

    def add(self, size: int) -> None:
        """Count a document of ``size`` bytes; raises `TooLarge`."""
        self._number += 1
        self._size += size
        limits = (
            (self._size, _TOTAL_LIMIT, "bytes"), (self._number, _MAX_DOCUMENTS, "documents"),
            (self._descriptors, _MAX_DESCRIPTORS, "layers and entries"),
        )  # fmt: skip
        for number, limit, what in limits:
            if number > limit:
                raise TooLarge(
                    f"the {self._called} of this image are over the limit of {limit} {what} in total: "
                    "copy some of its platforms, with --multi-arch",
                    limit=limit,
                )


def with_limit(check: Check) -> Check:
    """Return ``check``, which raises `TooLarge` besides if all signatures that it has returned are too large."""
    documents = Documents("signatures")

    async def limited(manifest: Manifest, descriptor: Descriptor | None) -> tuple[Signature, ...]:
        found = await check(manifest, descriptor)
        documents.add(sum(len(signature.content) for signature in found))
        return found

    return limited
