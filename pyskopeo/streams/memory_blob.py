"""A blob whose content is in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from .pump import Blob, MemoryReader

if TYPE_CHECKING:
    from ..model.descriptor import Descriptor
    from .byte_streams import BlobReader


def in_memory(descriptor: Descriptor, content: bytes) -> Blob:
    """Return a blob with the given content."""

    @asynccontextmanager
    async def opened(offset: int) -> AsyncIterator[BlobReader]:
        yield MemoryReader(content, offset)

    return Blob(descriptor, opened)
