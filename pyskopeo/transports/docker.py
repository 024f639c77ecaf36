"""``docker://``: an image in a registry (distribution specification 1.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from ..config.policy_scopes import Subject, by_reference
from ..errors import InvalidContent, InvalidName, NetworkError
from ..interfaces import ImageDestination, ImageReference, ImageSource
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.events import Warned
from ..model.manifest import Manifest
from ..model.reference import Reference, parse_additional_tag
from ..streams.locations import RegistryBlob
from ..streams.pump import Blob

if TYPE_CHECKING:
    from ..access import Access
    from ..http.retry import Call
    from ..model.referrer import Referrer
    from ..model.signature import Signature
    from ..registry.blob_download import BlobDownload
    from ..registry.mirrors import Endpoints
    from ..registry.referrers import ReferrerLister
    from ..registry.repository_reader import Repository
    from ..registry.signature_places import SignatureWriter
    from ..registry.tag_pages import TagList
    from ..storage.pull_through import PullThrough
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

    def __init__(self, endpoints: Endpoints, access: Access, through: PullThrough | None = None) -> None:
        self.endpoints, self._access, self.through = endpoints, access, through
        self._root: Digest | None = None
        self._referrers: ReferrerLister | None = None

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        request = partial(self._request_manifest, descriptor)
        found = await request() if self.through is None else await self.through.manifest(descriptor, request)
        if descriptor is None:
            self._root = found.digest
        return found

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

            return BlobDownload(descriptor, self.endpoints, offset, self._access.network.ranges, until)

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

    async def signatures(
        self, descriptor: Descriptor | None = None, *, required: bool = False
    ) -> tuple[Signature, ...]:
        """Return the signatures that the registry keeps, or a lookaside, or attachments, as it is configured.

        Raises `NetworkError`, `InvalidContent`, `TooLarge`, `StorageFailed`, and `Unsupported` and `InvalidInput` for a
        configuration that cannot be used.
        """
        from ..registry.signature_places import read_signatures
        from ..storage.signature_files import LookasideFiles

        digest = self._root or self.endpoints.reference.digest if descriptor is None else descriptor.digest
        if digest is None:
            digest = (await self.manifest()).digest
        return await read_signatures(self.endpoints, digest, self._access, LookasideFiles(), required=required)

    async def referrers(self, digest: Digest, artifact_type: str = "") -> tuple[Referrer, ...]:
        if self.through is None:
            return await self._lister().referrers(digest, artifact_type)
        return await self.through.referrers.list(digest, partial(self._lister().referrers, digest))

    async def cosign_tags(self, digest: Digest) -> tuple[Referrer, ...]:
        request = partial(self._lister().cosign_tags, digest)
        return await request() if self.through is None else await self.through.referrers.list_tags(digest, request)

    def _lister(self) -> ReferrerLister:
        """Return what lists referrers in the registry itself, since mirrors need not know them."""
        if self._referrers is None:
            from ..registry.referrers import ReferrerLister

            self._referrers = ReferrerLister(self.endpoints.repositories[-1])
        return self._referrers

    def for_referrers(self) -> DockerSource:
        """Return the image in the registry itself: a mirror that lacks a referrer would not be asked again."""
        if len(self.endpoints.repositories) == 1:
            return self
        return DockerSource(self.endpoints.last(), self._access, self.through)

    async def tags(self) -> list[str]:
        """Return all tags of the repository; a list that may go on is reported as a warning."""
        return await self.endpoints.first_result(lambda repository: repository.tags(), make_current=False)

    async def tag_list(self, *, manifests: bool = False) -> TagList:
        """Return all tags of the repository, and why some may be missing, without a warning.

        With ``manifests`` also what the registry's list says about the manifests of the tags.
        """
        return await self.endpoints.first_result(
            lambda repository: repository.tag_list(manifests=manifests), make_current=False
        )

    async def _compare_tag(self, reference: Reference) -> None:
        """For ``name:tag@digest``, which is read by its digest: warn if the tag refers to another one."""
        try:
            found = await self.endpoints.first_result(
                lambda repository: repository.resolve(reference.tag), make_current=False
            )
        except (NetworkError, InvalidContent) as error:
            tagged = f"{reference.name}:{reference.tag}"
            self._access.report(Warned(f"{tagged} could not be compared with its digest: {error}"))
            return
        asked = reference.digest
        if found is not None and asked is not None and found.algorithm == asked.algorithm and found != asked:
            self._access.report(Warned(f"{reference.name}:{reference.tag} is {found} now; copying {asked}, as asked"))


@asynccontextmanager
async def open_repository(
    reference: Reference, access: Access, sources: Sequence[Reference] = ()
) -> AsyncIterator[DockerSource]:
    """Open a repository for reading; ``sources``, its names in other places, are asked before it, in their order."""
    from ..registry.sessions import open_endpoints

    async with open_endpoints(reference, access, (*sources, reference)) as endpoints:
        if access.storage.store is None:
            yield DockerSource(endpoints, access)
            return
        from ..storage.pull_through import open_through

        async with open_through(reference, access) as through:
            yield DockerSource(endpoints, access, through)


@asynccontextmanager
async def _open_destination(name: DockerReference, access: Access) -> AsyncIterator[ImageDestination]:
    from ..registry.blob_upload import BlobUploads
    from ..registry.image_destination import DockerDestination
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

            @cache
            def signatures() -> SignatureWriter:
                from ..registry.signature_places import SignatureWriter
                from ..storage.signature_files import LookasideFiles

                return SignatureWriter(access, LookasideFiles(), writer, uploads)

            yield DockerDestination(
                reference, tuple(dict.fromkeys(tags)), writer, uploads, spool,
                retry=access.network.retry, open_signatures=signatures,
            )  # fmt: skip
