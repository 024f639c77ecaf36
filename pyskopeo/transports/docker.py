"""``docker://``: an image in a registry (distribution specification 1.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, by_reference
from ..errors import DestinationRefused, InvalidContent, InvalidName, NetworkError, PyskopeoError, RegistryError
from ..interfaces import Accepts, Fill, ImageDestination, ImageReference, ImageSource
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import Placement, Report, Warned
from ..model.manifest import Manifest
from ..model.reference import Reference, parse_additional_tag
from ..streams.concurrency import each
from ..streams.locations import Location, RegistryBlob
from ..streams.progress import Progress, uncounted
from ..streams.pump import Blob

if TYPE_CHECKING:
    from ..access import Access, Ranges
    from ..http.retry import Call
    from ..registry.blob_download import BlobDownload
    from ..registry.blob_upload import BlobUploads
    from ..registry.mirrors import Endpoints
    from ..registry.repository_reader import Repository
    from ..registry.repository_writer import RepositoryWriter
    from ..registry.tag_pages import TagList
    from ..storage.pull_through import PullThrough
    from ..storage.spool import Spool
    from ..storage.upload_records import UploadRecords

_UNKNOWN_DIGEST = "@@unknown-digest@@"
_TAGS_AT_ONCE = 8


class DockerReference(ImageReference):
    """``docker://[registry/]repository[:tag][@digest]``.

    As a destination also ``docker://repository@@unknown-digest@@``: the image is written by its digest, without a tag.
    """

    transport = "docker"
    reference: Reference

    def __init__(self, details: str, reference: Reference) -> None:
        super().__init__(details)
        self.reference = reference

    def subject(self) -> Subject:
        return by_reference("docker", self.reference)

    def share(self, destination: ImageReference, access: Access, writing: Access) -> tuple[Access, Access]:
        if destination.transport != self.transport:
            return access, writing
        from ..registry.sessions import share_pings

        return share_pings(access, writing)

    def open_source(self, access: Access) -> AbstractAsyncContextManager[DockerSource]:
        """Open the image for reading, without a request; raises `InvalidName` for a name with an unknown digest."""
        if not self.reference.manifest_name:
            raise InvalidName(f"{self}: an unknown digest can only be written, not read")
        return open_repository(self.reference, access)

    def open_destination(self, access: Access) -> AbstractAsyncContextManager[ImageDestination]:
        """Open the repository for writing; the first request is sent with the first call of the destination.

        Raises `InvalidName` for invalid additional tags.
        """
        return _open_destination(self, access)

    def __str__(self) -> str:
        return f"docker://{self.reference}" + (_UNKNOWN_DIGEST if not self.reference.manifest_name else "")


def parse(details: str, default_tag: str = "latest") -> DockerReference:
    """Parse what follows ``docker:``; see `Reference.parse` for ``default_tag``. Raises `InvalidName`."""
    if not details.startswith("//"):
        raise InvalidName(
            f'docker: image reference {details} does not start with //; did you mean "docker://{details}"?'
        )
    name = details[2:]
    if name.endswith(_UNKNOWN_DIGEST):
        reference = Reference.parse(name.removesuffix(_UNKNOWN_DIGEST), default_tag="")
        if reference.manifest_name:
            raise InvalidName(f"docker:{details}: a tag or a digest does not go with {_UNKNOWN_DIGEST}")
        return DockerReference(details, reference)
    return DockerReference(details, Reference.parse(name, default_tag=default_tag))


class DockerSource(ImageSource):
    """An image in a registry, or in one of its mirrors; ``through`` is the content store that it is read through."""

    def __init__(
        self, endpoints: Endpoints, report: Report, ranges: Ranges, through: PullThrough | None = None
    ) -> None:  # fmt: skip
        self.endpoints = endpoints
        self._report, self._ranges, self.through = report, ranges, through

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        if self.through is not None:
            return await self.through.manifest(descriptor, partial(self._request_manifest, descriptor))
        return await self._request_manifest(descriptor)

    async def _request_manifest(self, descriptor: Descriptor | None) -> Manifest:
        asked = self.endpoints.reference

        def call(repository: Repository) -> Call[Manifest]:
            # registries.conf may rewrite the tag as well as the name (containers-registries.conf(5)).
            wanted = descriptor.digest if descriptor else asked.digest or repository.reference.digest

            media_type = descriptor.media_type if descriptor else ""
            parse = partial(repository.parse_manifest, expected=wanted, media_type=media_type)
            return repository.manifest(str(wanted or repository.reference.manifest_name)).then(parse)

        manifest = await self.endpoints.first_result(call)
        if descriptor is None and asked.tag and asked.digest:
            await self._compare_tag(asked)
        return manifest

    def blob(self, descriptor: Descriptor) -> Blob:
        reference = self.endpoints.current.reference
        here = RegistryBlob(reference.api_host, reference.repository)

        async def ending(count: int) -> bytes:
            return await self.endpoints.current.blob_ending(descriptor, count)

        def download(offset: int, until: int | None = None) -> BlobDownload:
            from ..registry.blob_download import BlobDownload

            return BlobDownload(descriptor, self.endpoints, offset, self._ranges, until)

        fetched = Blob(descriptor, download, (here,), ending, range_opener=download)
        return fetched if self.through is None else self.through.blob(fetched)

    async def is_stored(self, descriptor: Descriptor) -> bool:
        return self.through is not None and await self.through.holds(descriptor)

    async def blob_size(self, descriptor: Descriptor) -> int:
        """Return the size of a blob in bytes, by HEAD; raises `InvalidContent` if the response does not contain it."""
        if self.through is not None and (size := await self.through.blob_size(descriptor)) is not None:
            return size
        return await self.endpoints.first_result(
            lambda repository: repository.blob_size(descriptor.digest), make_current=False
        )

    async def tags(self) -> list[str]:
        """Return all tags of the repository; a list that may go on is reported as a warning."""
        return await self.endpoints.first_result(lambda repository: repository.tags(), make_current=False)

    async def tag_list(self) -> TagList:
        """Return all tags of the repository, and why some may be missing, without a warning."""
        return await self.endpoints.first_result(lambda repository: repository.tag_list(), make_current=False)

    async def _compare_tag(self, reference: Reference) -> None:
        """For ``name:tag@digest``, which is read by its digest: warn if the tag refers to another one."""
        try:
            found = await self.endpoints.first_result(
                lambda repository: repository.resolve(reference.tag), make_current=False
            )
        except (NetworkError, InvalidContent) as error:
            self._report(Warned(f"{reference.name}:{reference.tag} could not be compared with its digest: {error}"))
            return
        asked = reference.digest
        if found is not None and asked is not None and found.algorithm == asked.algorithm and found != asked:
            self._report(Warned(f"{reference.name}:{reference.tag} is {found} now; copying {asked}, as asked"))


class DockerDestination(ImageDestination):
    """A repository of a registry. Tags are set last, when all blobs and child manifests are there.

    The blobs of a manifest that exists already need no requests of their own.
    """

    def __init__(
        self,
        reference: Reference,
        tags: tuple[str, ...],
        writer: RepositoryWriter,
        uploads: BlobUploads,
        spool: Spool,
    ) -> None:
        accepts = _ACCEPTS_ANY_DIGEST if reference.digest is None else _ACCEPTS_ONE_DIGEST
        self.accepts = replace(accepts, named=(reference.repository, reference.tag))
        self._reference, self._tags = reference, tags
        self._writer, self._uploads, self._spool = writer, uploads, spool
        self._tag_digests: dict[str, Digest | None] = {}
        self._prefetched = False
        self._failure: PyskopeoError | None = None
        self._present: set[Digest] = set()

    async def prefetch(self) -> None:
        """Request the digests that the tags refer to now, by HEAD."""
        async def look_up(tag: str) -> None:
            self._tag_digests[tag] = await self._writer.head_manifest(tag)

        try:
            await each(self._tags, look_up, at_once=_TAGS_AT_ONCE)
        except PyskopeoError as error:
            self._failure = error
        self._prefetched = True

    async def begin(self, root: Manifest) -> None:
        """Find out which tags refer to the image already.

        Raises `DestinationRefused` if the destination is named by another digest than the image's.
        """
        wanted = self._reference.digest
        if wanted is not None and root.digest != wanted:
            raise DestinationRefused(f"docker://{self._reference}: the image's digest is {root.digest}")
        if not self._prefetched:
            await self.prefetch()
        if self._failure is not None:
            raise self._failure
        self._present |= {root.digest} & set(self._tag_digests.values())

    async def put_blob(self, blob: Blob, progress: Progress) -> Placement:
        return await self._uploads.put(blob, progress, self._mount_sources(blob))

    def would_mount(self, blob: Blob) -> bool:
        return bool(self._mount_sources(blob))

    def locations(self, digest: Digest) -> tuple[Location, ...]:
        return (RegistryBlob(self._reference.api_host, self._reference.repository),)

    def _mount_sources(self, blob: Blob) -> list[str]:
        """Return the other repositories of this registry that are known to have a blob."""
        return [
            place.repository for place in blob.locations
            if isinstance(place, RegistryBlob) and place.host == self._reference.api_host
            and place.repository != self._reference.repository
        ]  # fmt: skip

    async def receive(self, fill: Fill) -> tuple[Descriptor, Placement]:
        if not self._spool.wanted:
            try:
                return await self._uploads.receive(fill)
            except RegistryError as error:
                # The registry requires the length of a body, or knows no chunks (RFC 9112 section 6.1).
                if error.status not in (411, 501):
                    raise
                self._spool.wanted = True
        # With its digest known beforehand, put_blob() need not send a blob that the registry has.
        async with self._spool.filled(fill) as blob:
            return blob.descriptor, await self.put_blob(blob, uncounted)

    async def has_blob(self, descriptor: Descriptor) -> bool:
        return await self._uploads.has(descriptor)

    async def has_manifest(self, manifest: Manifest) -> bool:
        digest = manifest.digest
        if digest not in self._present and await self._writer.head_manifest(str(digest)) == digest:
            self._present.add(digest)
        return digest in self._present

    async def put_manifest(self, manifest: Manifest) -> None:
        if manifest.digest not in self._present:
            await self._writer.put_manifest(str(manifest.digest), manifest)
            self._present.add(manifest.digest)

    async def commit(self, root: Manifest) -> Digest:
        for tag in self._tags:
            if self._tag_digests.get(tag) != root.digest:
                await self._writer.put_manifest(tag, root)
        if not self._tags:
            await self.put_manifest(root)
        return root.digest


_MANIFESTS = mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES
_ACCEPTS_ANY_DIGEST = Accepts(_MANIFESTS, foreign=True, compresses=True)
_ACCEPTS_ONE_DIGEST = Accepts(_MANIFESTS, foreign=True, unchangeable="the destination is named by digest")


@asynccontextmanager
async def open_repository(
    reference: Reference, access: Access, sources: Sequence[Reference] = ()
) -> AsyncIterator[DockerSource]:
    """Open a repository for reading; ``sources``, its names in other places, are asked before it, in their order."""
    from ..registry.sessions import open_endpoints

    async with open_endpoints(reference, access, (*sources, reference)) as endpoints:
        if access.storage.store is None:
            yield DockerSource(endpoints, access.report, access.network.ranges)
            return
        from ..storage.pull_through import open_through

        async with open_through(reference, access) as through:
            yield DockerSource(endpoints, access.report, access.network.ranges, through)


@asynccontextmanager
async def _open_destination(name: DockerReference, access: Access) -> AsyncIterator[ImageDestination]:
    from ..registry.blob_upload import BlobUploads
    from ..registry.repository_writer import RepositoryWriter
    from ..registry.sessions import open_session
    from ..storage.spool import Spool

    reference = name.reference
    access.network.check_online(f"writing to {reference.name}")
    tags = [*([reference.tag] if reference.tag else []),
            *(parse_additional_tag(text, reference) for text in access.writing.additional_tags)]  # fmt: skip
    with Spool(access.storage.scratch, wanted=access.writing.precompute_digests) as spool:
        async with open_session(reference, access, actions="pull,push") as session:

            @cache
            def records() -> UploadRecords | None:
                from ..storage.upload_records import UploadRecords

                return UploadRecords.of(access)

            uploads = BlobUploads(reference, session, access.network.retry, access.report, records)
            writer = RepositoryWriter(reference, session)
            yield DockerDestination(reference, tuple(dict.fromkeys(tags)), writer, uploads, spool)
