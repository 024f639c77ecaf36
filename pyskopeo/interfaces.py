"""The interfaces between the engine and the transports: blobs, sources, destinations, parsed image names.

A source hands over blobs that are described, located and not yet opened; the destination decides
what to do with each. `Blob.copy_to` is the only way to a blob's bytes, and it verifies them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeAlias, TypeVar

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


class ImageSource(ABC):
    """One image, or one index, that can be read.

    ``synthesized`` says that the source made the manifest up, from files that were no image before.
    """

    synthesized: bool = False

    @abstractmethod
    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        """Return the root manifest, or a child by the descriptor its parent gives; verified.

        Raises `NotFound`, `InvalidContent` and the transport's errors.
        """

    @abstractmethod
    def blob(self, descriptor: Descriptor) -> Blob:
        """Return a blob that is not opened yet: nothing is read here.

        ``Blob.descriptor`` has the media type of the bytes as they are, should the manifest err.
        """

    async def blob_size(self, descriptor: Descriptor) -> int:
        """Return the size of a blob in bytes, for manifests of schema 1, which do not give it.

        Raises the source's errors, and `Unsupported` where sizes cannot be asked for.
        """
        raise Unsupported("Docker image manifest schema 1 is read from registries and dir: only")

    async def tags(self) -> list[str]:
        """Return all tags of the repository; empty for anything but a registry. Raises `NetworkError`."""
        return []


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a destination can hold.

    ``media_types`` are those of the manifests it takes, ``on_request`` those it takes only where the user asks for
    them. With ``foreign`` non-distributable layers stay where their URLs say. ``ordered`` asks for layers in the
    manifest's order; they are decompressed as they arrive. ``artifacts`` allows a config of any type, ``compresses``
    asks for plain layers to be compressed on the way. ``unchangeable`` is the reason why nothing may be converted,
    empty if there is none. ``named`` is the repository and tag that a manifest of schema 1 contains, ``called`` the
    destination's name in refusals.
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
        """Whether any type of index is taken."""
        return bool(self.media_types & mediatype.INDEXES)


class ImageDestination(ABC):
    """A place an image can be written to. Nothing has its final name before `commit`.

    Every method raises the transport's errors. A subclass overrides what it can do better than the defaults; one
    that wraps another destination is a `DestinationWrapper`. ``accepts`` says what can be written here.
    """

    accepts: Accepts

    async def prefetch(self) -> None:  # noqa: B027 - a default: most destinations have nothing to ask for
        """Ask for what `begin` needs to know whatever the image is, while the source is being read.

        Raises nothing: what fails here is raised by `begin`.
        """

    async def begin(self, root: Manifest) -> None:  # noqa: B027 - a default: most destinations need no preparation
        """Prepare for the image or index that `commit` will name; its blobs follow."""

    @abstractmethod
    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        """Have the blob here, verified, in whatever way costs least; ``progress`` gets the bytes read.

        Raises `ContentMismatch`, and what reading the blob raises.
        """

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        """Have a blob here whose digest is known only when all of it is written.

        Calls ``fill`` with a sink, and again with another one when writing is retried. Raises `Unsupported`
        where there can be no such blob.
        """
        raise Unsupported(f"{self.accepts.called} takes no blob whose digest is not known beforehand")

    async def has_blob(self, descriptor: Descriptor) -> bool:
        """Return whether `put_blob` would find the blob here; for plans, writes nothing."""
        return False

    async def has_manifest(self, manifest: Manifest) -> bool:
        """Return whether the manifest is here with all that it names, so that none of it need be asked for."""
        return False

    def would_mount(self, blob: Blob) -> bool:
        """Return whether `put_blob` would ask for a mount from another repository; for plans, without I/O."""
        return False

    def locations(self, digest: Digest) -> tuple[Location, ...]:
        """Return where a blob lies that was put here, as locations for other destinations; without I/O."""
        return ()

    @abstractmethod
    async def put_manifest(self, manifest: Manifest) -> None:
        """Write a child by its digest, before the index that names it."""

    @abstractmethod
    async def commit(self, root: Manifest) -> Digest:
        """Give the image its name; returns the digest of the root manifest as it was written."""


class DestinationWrapper(ImageDestination):
    """Forwards everything to another destination; subclasses override what they change."""

    def __init__(self, destination: ImageDestination) -> None:
        self._destination = destination
        self.accepts = destination.accepts

    async def prefetch(self) -> None:
        await self._destination.prefetch()

    async def begin(self, root: Manifest) -> None:
        await self._destination.begin(root)

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        return await self._destination.put_blob(blob, progress)

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        return await self._destination.receive(fill)

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return await self._destination.has_blob(descriptor)

    async def has_manifest(self, manifest: Manifest) -> bool:
        return await self._destination.has_manifest(manifest)

    def would_mount(self, blob: Blob) -> bool:
        return self._destination.would_mount(blob)

    def locations(self, digest: Digest) -> tuple[Location, ...]:
        return self._destination.locations(digest)

    async def put_manifest(self, manifest: Manifest) -> None:
        await self._destination.put_manifest(manifest)

    async def commit(self, root: Manifest) -> Digest:
        return await self._destination.commit(root)


class ImageReference:
    """A parsed image name, ``transport:details``. A transport overrides what it can do; the rest is refused here.

    ``reference`` is the registry reference of the image, where the transport's names have one.
    """

    transport: str = ""
    reference: Reference | None = None

    def __init__(self, details: str) -> None:
        self.details = details

    @property
    def image_name(self) -> str:
        """The image name as the user wrote it; ``str`` gives it with its defaults filled in."""
        return f"{self.transport}:{self.details}"

    def subject(self) -> Subject:
        """Return the image as a policy sees it (containers-policy.json(5))."""
        raise NotImplementedError

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        """Open for reading; raises `NotFound`, `Unsupported` and the transport's errors."""
        raise Unsupported(f"{self}: {self.transport}: cannot be read from")

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        """Open for writing; leaving the context without an error completes what was committed.

        Raises `Unsupported` and the transport's errors.
        """
        raise Unsupported(f"{self}: {self.transport}: cannot be written to")

    def __str__(self) -> str:
        return self.image_name
