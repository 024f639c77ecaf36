"""The seam: what the engine and every transport agree on.

A source hands over blobs that are described, located and not yet opened; the destination decides
what to do with each. `Blob.copy_to` is the one door to the bytes, and it verifies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, runtime_checkable

from .errors import InvalidContent, TooLarge, Unsupported
from .fast_dataclass import dataclass
from .model import mediatype
from .model.descriptor import Descriptor
from .model.digest import Digest
from .model.events import Placement
from .model.manifest import Manifest
from .model.verifier import Verifier
from .streams.cancellation import run_in_thread
from .streams.locations import Location
from .streams.pump import ByteReader, ByteSink, MemorySink, Progress, pump, uncounted

if TYPE_CHECKING:
    from .access import Access
    from .config.policy_scopes import Subject
    from .model.reference import Reference

T = TypeVar("T")
Opener: TypeAlias = Callable[[], AbstractAsyncContextManager[ByteReader]]
Ending: TypeAlias = Callable[[int], Awaitable[bytes]]


Fill: TypeAlias = Callable[[ByteSink], Awaitable[Descriptor]]
"""Writes a blob into a sink and says what it was; may be called again, with a new sink."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Content that is described, located and not yet opened.

    Only a transport gives the ``opener``, and only this class calls it. ``locations`` say where
    else the same bytes are known to lie, for destinations that can do better than to stream them.
    ``ending`` reads so many bytes at the end, or none, and verifies nothing: for guesses alone.
    """

    descriptor: Descriptor
    opener: Opener
    locations: tuple[Location, ...] = ()
    ending: Ending | None = None

    async def copy_to(self, sink: ByteSink, progress: Progress) -> None:
        """Move every byte to ``sink``, verified.

        Raises `ContentMismatch` for a wrong size or digest, and whatever the two ends raise; see
        `again_elsewhere`. What the sink holds after an error must not be used.
        """
        verifier = Verifier(self.descriptor)
        async with self.opener() as reader:
            await run_in_thread(lambda: pump(reader, sink, verifier, progress))

    async def read(self, limit: int) -> bytes:
        """The whole content, verified; for configurations. Raises `TooLarge` over ``limit`` bytes."""
        if self.descriptor.size > limit:
            raise TooLarge(f"blob {self.descriptor.digest} is over the limit of {limit} bytes", limit=limit)

        async def read() -> bytes:
            sink = MemorySink()
            await self.copy_to(sink, uncounted)
            return bytes(sink.content)

        return await again_elsewhere(read)


async def again_elsewhere(work: Callable[[], Awaitable[T]]) -> T:
    """Do ``work``, which moves a blob, once more whenever the blob was wrong and will come from somewhere else."""
    while True:
        try:
            return await work()
        except InvalidContent as error:
            if not error.temporary:
                raise


class ImageSource(Protocol):
    """One image, or one index, that can be read."""

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        """The root, or a child by the descriptor its parent gives; verified."""
        ...

    def blob(self, descriptor: Descriptor) -> Blob:
        """A blob, not opened: nothing is read here.

        The media type of ``Blob.descriptor`` is what the bytes really are, should the manifest err.
        """
        ...


@runtime_checkable
class KnowsSizes(Protocol):
    """A source that can say how large a blob is, for manifests that do not: those of schema 1."""

    async def size(self, descriptor: Descriptor) -> int:
        """Bytes; raises the source's errors."""
        ...


@runtime_checkable
class MakesManifest(Protocol):
    """A source of files that nobody has seen as an image before; ``made_from`` says of what."""

    made_from: str


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a destination can hold: manifests of these media types, and of those ``on_request`` where they are
    asked for.

    ``foreign`` says that non-distributable layers are left where their URLs say, ``ordered`` that
    layers should come in the order the manifest has them, and are decompressed as they come,
    ``artifacts`` that the config may be of any type, ``compresses`` that plain layers are to be
    compressed on their way here. ``unchangeable`` is the reason why nothing may be converted, if there is one,
    ``named`` the repository and tag that a manifest of schema 1 has in it, ``called`` what refusals call it.
    """

    media_types: frozenset[str]
    foreign: bool = False
    ordered: bool = False
    artifacts: bool = True
    compresses: bool = False
    unchangeable: str = ""
    named: tuple[str, str] = ("", "")
    called: str = "this destination"
    on_request: frozenset[str] = frozenset()

    @property
    def indexes(self) -> bool:
        return bool(self.media_types & mediatype.INDEXES)


class ImageDestination(Protocol):
    """A place an image can be written to. Nothing has its final name before `commit`."""

    @property
    def accepts(self) -> Accepts: ...

    async def begin(self, root: Manifest) -> None:
        """What is to come: the image or index whose blobs follow, and which `commit` will name."""
        ...

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        """Have the blob here, verified, in whatever way costs least."""
        ...

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        """Have a blob here that is made on the way, so that its digest is known when all of it is written.

        Calls ``fill`` with a sink, again with another one should writing fail for a passing reason.
        Raises `Unsupported` where there can be no such blob.
        """
        ...

    async def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether `put_blob` would find the blob here already; for plans, writes nothing."""
        ...

    async def has_manifest(self, manifest: Manifest) -> bool:
        """Whether the manifest is here already with all that it names, so that none of it need be asked for."""
        ...

    async def put_manifest(self, manifest: Manifest) -> None:
        """Write a child, by digest, before the index that names it."""
        ...

    async def commit(self, root: Manifest) -> Digest:
        """Give the image its name; answers with the digest of the manifest as it was written."""
        ...


@runtime_checkable
class LooksAround(Protocol):
    """A destination that is far away: what it is asked for every image is asked while the source is read."""

    async def look_around(self) -> None:
        """Find out what `ImageDestination.begin` needs, the image aside. What fails here fails there."""
        ...


@runtime_checkable
class Mounts(Protocol):
    """A destination that may have blobs from its neighbours, without their bytes being moved."""

    def would_mount(self, blob: Blob) -> bool:
        """Whether `put_blob` would ask for that, should the blob not be here already; for plans, asks nobody."""
        ...


class ImageReference:
    """A parsed image name. A transport overrides what it can do; the rest is refused here.

    ``reference`` is the name the image has among registries, where the transport gives it one.
    """

    transport: str = ""
    reference: Reference | None = None

    def __init__(self, details: str) -> None:
        self.details = details

    def subject(self) -> Subject:
        """The image as a policy sees it."""
        raise NotImplementedError

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        """Open for reading; raises `NotFound` and the transport's errors."""
        raise Unsupported(f"{self}: {self.transport}: cannot be read from")

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        """Open for writing; leaving the context without an error completes what was committed."""
        raise Unsupported(f"{self}: {self.transport}: cannot be written to")

    def __str__(self) -> str:
        return f"{self.transport}:{self.details}"
