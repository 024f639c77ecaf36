"""The images that a run has still to copy, in an order that depends on which registries allow requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import PyskopeoError, RegistryError
from ..http.request_quota import RequestQuotas
from ..model.reference import Reference
from .pauses import Pauses

if TYPE_CHECKING:
    from .sync_request import ImageGroup, SyncImage, SyncSink

_MOST = 60.0  # seconds of one sleep: the clock of a machine that was suspended goes on


class ImageQueue:
    """Hands out images, each with its group and its position there, to tasks that copy them.

    With ``waits``, images of a registry that allows no requests for a while come when it does again; meanwhile others
    are handed out, and ``emit`` is told until when. Without ``waits`` all come in order.
    """

    def __init__(
        self, images: Iterator[tuple[ImageGroup, int, SyncImage]], quotas: RequestQuotas, emit: SyncSink, *,
        waits: bool = True,
    ) -> None:  # fmt: skip
        self._images, self._waits, self._pauses = images, waits, Pauses(quotas, emit)
        self._deferred: dict[tuple[str, ...], deque[tuple[ImageGroup, int, SyncImage]]] = {}  # by their registries

    async def next(self) -> tuple[ImageGroup, int, SyncImage] | None:
        """Return the next image whose registries allow requests; wait if there are only others. None: no more."""
        from anyio import sleep

        if not self._waits:
            return next(self._images, None)
        while True:
            for registries, images in self._deferred.items():
                if images and not self._pauses.seconds(registries):
                    return images.popleft()
            for one in self._images:
                if self.defer(one):
                    continue
                return one
            pauses = [self._pauses.seconds(registries) for registries, images in self._deferred.items() if images]
            if not pauses:
                return None
            await sleep(min(*pauses, _MOST) + 0.01)

    def defer(self, one: tuple[ImageGroup, int, SyncImage]) -> bool:
        """Take back an image, one that has failed for example, if a registry of it allows no requests; else False."""
        registries = registries_of_image(one[2]) if self._waits else ()
        if not self._pauses.seconds(registries):
            return False
        self._deferred.setdefault(registries, deque()).append(one)
        return True

    def explained(self, one: tuple[ImageGroup, int, SyncImage], error: PyskopeoError) -> PyskopeoError:
        """Return the error of an image; if a registry allows no requests, its message says until when."""
        if isinstance(error, RegistryError) and error.status == 429:
            return self._pauses.explained(registries_of_image(one[2]), error)
        return error


def registries_of_image(image: SyncImage) -> tuple[str, ...]:
    """Return the registries of an image at both ends, none for a local one."""
    found = []
    for name in (image.source, image.destination):
        if name.startswith("docker://"):
            rest = name.removeprefix("docker://").partition("/")
            is_host = rest[1] and ("." in rest[0] or ":" in rest[0] or rest[0] == "localhost")
            found.append(rest[0] if is_host else Reference.parse(name.removeprefix("docker://")).registry)
    return tuple(found)
