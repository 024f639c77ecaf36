"""The interfaces between the engine and the transports: blobs, sources, destinations, parsed image names.

A source returns blobs that are described and located but not yet opened; the destination decides how to store each:
skip it, link it, mount it or copy it. `Blob.copy_to` is the only way to read a blob, and it verifies digest and size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeAlias

from .errors import Unsupported
from .fast_dataclass import dataclass
from .model import mediatype
from .model.descriptor import Descriptor
from .model.digest import Digest
from .model.events import Placement
from .model.manifest import Manifest
from .streams.byte_streams import BlobSink
from .streams.locations import Location
from .streams.progress import Progress
from .streams.pump import Blob

if TYPE_CHECKING:
    from .access import Access
    from .config.policy_scopes import Subject
    from .model.reference import Reference
    from .model.referrer import Referrer
    from .model.signature import Signature, SignatureFormat

Fill: TypeAlias = Callable[[BlobSink], Awaitable[Descriptor]]
"""Writes a blob to a sink and returns its descriptor; may be called again, with a new sink."""


class ImageSource(ABC):
    """One image or index that can be read.

    ``synthesized`` is whether the source generated the manifest, from files that were no image before.
    """

    synthesized: bool = False

    @abstractmethod
    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        """Return the root manifest, or a child by its descriptor in the parent, with its digest verified.

        Raises `NotFound`, `InvalidContent` and the transport's errors.
        """

    @abstractmethod
    def blob(self, descriptor: Descriptor) -> Blob:
        """Return a blob that is not opened yet; nothing is read here, except what tells how a local file is compressed.

        The media type of ``Blob.descriptor`` is that of the actual content, where the manifest states a wrong one.
        """

    async def blob_size(self, descriptor: Descriptor) -> int:
        """Return the size of a blob in bytes; for manifests of schema 1, which do not contain it.

        Raises the source's errors, and `Unsupported` if the transport cannot tell.
        """
        raise Unsupported("Docker image manifest schema 1 is read from registries and dir: only")

    async def is_stored(self, descriptor: Descriptor) -> bool:
        """Return whether the content store has a blob that the source would have to request otherwise."""
        return False

    async def signatures(
        self, descriptor: Descriptor | None = None, *, required: bool = False
    ) -> tuple[Signature, ...]:
        """Return the stored signatures of the root manifest, or of a child by its descriptor; none is verified.

        With ``required`` even places are asked that few sources have. Raises the transport's errors, `InvalidContent`
        for one of an unknown format, and `TooLarge` for one over `SIGNATURE_LIMIT` bytes or more than `MAX_SIGNATURES`.
        """
        return ()

    async def referrers(self, digest: Digest, artifact_type: str = "") -> tuple[Referrer, ...]:
        """Return the manifests here whose subject is ``digest``, sorted by digest, without what refers to them.

        ``artifact_type`` is the only type that is needed, "" for all; others may be returned as well. Raises the
        source's errors, `InvalidContent`, `TooLarge`, and `Unsupported` if the transport has none.
        """
        raise Unsupported(
            "what refers to an image is found in registries, layouts and their archives: docker:, oci:, oci-archive:"
        )

    async def cosign_tags(self, digest: Digest) -> tuple[Referrer, ...]:
        """Return the images here with cosign's tags for ``digest``, such as ``sha256-HEX.sig``.

        Raises what `referrers` raises.
        """
        raise Unsupported("cosign's tags are found in registries, OCI layouts and their archives")

    def for_referrers(self) -> ImageSource:
        """Return the source to read the manifests and blobs of referrers from: itself, unless mirrors may lack them."""
        return self

    async def tags(self) -> list[str]:
        """Return all tags of the repository; empty for transports other than ``docker:``. Raises `NetworkError`."""
        return []


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a destination can store.

    ``media_types`` are the types of manifests it accepts, ``on_request`` those it accepts only if the user asks for
    them. ``foreign`` is whether non-distributable layers with URLs are left out. ``ordered`` requires layers in the
    manifest's order; the destination decompresses them. ``artifacts`` allows a config of any media type.
    ``compresses`` requests that uncompressed layers are compressed on the way. ``unchangeable`` is the reason why
    nothing may be converted, "" if there is none. ``named`` is the repository and tag to write into a manifest of
    schema 1. ``called`` is the destination's name in error messages. ``unsigned`` is the reason why signatures cannot
    be stored, "" if they can. ``sparse`` is whether an image can be stored without its layers. ``no_referrers`` is the
    reason why what refers to an image cannot be stored, "" if it can.
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
    unsigned: str = "there is no place for them"
    sparse: bool = False
    no_referrers: str = "what refers to an image is stored in registries, OCI layouts and their archives"

    @property
    def indexes(self) -> bool:
        """Whether any type of index is accepted."""
        return bool(self.media_types & mediatype.INDEXES)


class ImageDestination(ABC):
    """One image or index that can be written. It does not get its name before `commit`.

    ``accepts`` describes what can be written. Every method raises the transport's errors. Subclasses override those
    defaults that they can improve on; one that wraps another destination derives from
    `engine.destination_wrapper.DestinationWrapper`.
    """

    accepts: Accepts

    async def prefetch(self) -> None:  # noqa: B027 - a default: most destinations have nothing to ask for
        """Request what `begin` needs to know for any image; called while the source's manifests are read.

        Raises nothing: `begin` raises the errors of this.
        """

    async def begin(self, root: Manifest) -> None:  # noqa: B027 - a default: most destinations need no preparation
        """Prepare for an image or index; called before its blobs and manifests are put."""

    @abstractmethod
    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        """Store a blob, verified, in the cheapest way possible; return which one that was.

        ``progress`` is called with the number of bytes read. Raises `ContentMismatch` and what reading the blob raises.
        """

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        """Store a blob whose digest is known only after it was written; return its descriptor.

        Calls ``fill`` with a sink, and again with another one when writing is retried. Raises `Unsupported` if the
        destination needs the digest beforehand.
        """
        raise Unsupported(f"{self.accepts.called} takes no blob whose digest is not known beforehand")

    async def has_blob(self, descriptor: Descriptor) -> bool:
        """Return whether the blob is present, as `put_blob` would find out; for dry runs, writes nothing."""
        return False

    async def has_manifest(self, manifest: Manifest) -> bool:
        """Return whether the manifest is present with all its blobs, so that these need no requests of their own."""
        return False

    def local_manifest(self, digest: Digest, media_type: str) -> Manifest | None:
        """Return a manifest that the destination has in a file of this machine, so that it need not be requested.

        ``media_type`` is that of its descriptor, "" if it has none. None if it is not there, or damaged.
        """
        return None

    def would_mount(self, blob: Blob) -> bool:
        """Return whether `put_blob` would request a mount from another repository; for dry runs, no I/O.

        Distribution specification, "Mounting a blob from another repository".
        """
        return False

    def locations(self, digest: Digest) -> tuple[Location, ...]:
        """Return where a blob that was put is stored, for other destinations to link or mount it; no I/O."""
        return ()

    @abstractmethod
    async def put_manifest(self, manifest: Manifest) -> None:
        """Write a child manifest by its digest; called before the index that contains it is written."""

    async def put_root(self, root: Manifest) -> None:  # noqa: B027 - a default: most need no manifest before its name
        """Have the root manifest by its digest, before what refers to it and before `commit`; it gets no name.

        Called only if signatures or referrers of it are to be written.
        """

    def why_unsigned(self, format: SignatureFormat) -> str:
        """Return why signatures of a format cannot be stored, "" if they can, as far as that is known before."""
        return self.accepts.unsigned

    async def put_signatures(self, signatures: Sequence[Signature], digest: Digest, *, root: bool) -> None:
        """Store signatures of the manifest ``digest``, which is here: the root, or a child; called once for each.

        Raises `Unsupported` where they cannot be stored (`Accepts.unsigned`).
        """
        raise Unsupported(f"Can not copy signatures to {self.accepts.called}: {self.accepts.unsigned}")

    async def present_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> frozenset[Digest]:
        """Return the digests of those of ``referrers`` that are found here by ``subject``, with all their blobs.

        Called without any ``referrers`` when it is known that there will be some, so that a list is requested early.
        """
        return frozenset()

    async def put_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> int:
        """Write manifests whose subject is ``subject``, whose blobs are here, so that they are found by it.

        What others have written there meanwhile, or before, stays. Returns how many were not found by it before. Raises
        `Unsupported` where `Accepts.no_referrers` says why. `confirm_referrers` is called after all calls of it.
        """
        raise Unsupported(f"Can not copy referrers to {self.accepts.called}: {self.accepts.no_referrers}")

    async def confirm_referrers(self) -> None:  # noqa: B027 - a default: most have nobody who writes there
        """Have found again what `put_referrers` wrote, if others have overwritten that; called beside `commit`."""

    async def put_tagged(self, manifest: Manifest, tag: str) -> bool:
        """Write a manifest, whose blobs and children are here, by a further tag of the image's repository or layout.

        Returns whether anything is new: signatures that others have written by that tag may stay beside it. Raises
        `Unsupported` where `Accepts.no_referrers` says why.
        """
        raise Unsupported(f"Can not write {tag} to {self.accepts.called}: {self.accepts.no_referrers}")

    @abstractmethod
    async def commit(self, root: Manifest) -> Digest:
        """Write the root manifest and give the image its name; return the manifest's digest as written."""


class ImageReference:
    """A parsed image name, ``transport:details``. Transports override the operations they support.

    ``transport`` is its name, ``details`` the text after the colon. ``reference`` is the registry reference of the
    image, for transports whose names contain one.
    """

    transport: str = ""
    reference: Reference | None = None

    def __init__(self, details: str) -> None:
        self.details = details

    @property
    def image_name(self) -> str:
        """The image name as the user wrote it; ``str()`` adds the defaults, such as the tag ``latest``."""
        return f"{self.transport}:{self.details}"

    @property
    def repository_name(self) -> str:
        """The name of the image without tag and digest, "" where it has none in the grammar of registries."""
        return self.reference.name if self.reference else ""

    def subject(self) -> Subject:
        """Return the transport and scopes by which a signature policy finds its rule (containers-policy.json(5)).

        By default there are no scopes: the defaults of the transport and of the policy decide.
        """
        from .config.policy_scopes import Subject

        return Subject(self.transport)

    def share(self, destination: ImageReference, access: Access, writing: Access) -> tuple[Access, Access]:
        """Return the accesses of a copy from this image to ``destination``, with what its two sides can share.

        ``writing`` is that of the destination. By default nothing is shared.
        """
        return access, writing

    def open_source(self, access: Access) -> AbstractAsyncContextManager[ImageSource]:
        """Open for reading; raises `NotFound`, `Unsupported` and the transport's errors."""
        raise Unsupported(f"{self}: {self.transport}: cannot be read from")

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        """Open for writing; leaving the context without an error completes what `commit` has started.

        Raises `Unsupported` and the transport's errors.
        """
        raise Unsupported(f"{self}: {self.transport}: cannot be written to")

    def __str__(self) -> str:
        return self.image_name
