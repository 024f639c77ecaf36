"""Requests to registries before images are copied: tags, digests, completeness (distribution specification)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..engine.selection import check_depth
from ..errors import InvalidContent, NetworkError, NotFound, PyskopeoError, RegistryError, prefix_errors
from ..fast_dataclass import dataclass, replace
from ..model import mediatype
from ..model.digest import Digest
from ..streams.concurrency import each
from .sync_request import ImageEvent

if TYPE_CHECKING:
    from ..access import Access
    from ..model.descriptor import Descriptor
    from ..model.events import Event, Report
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from ..registry.session import Session
    from ..registry.sessions import SharedConnections
    from ..registry.tag_pages import TagList
    from ..registry.tag_removal import TagRemoval
    from ..streams.byte_streams import BlobReader
    from .sync_request import SyncSink

    Download: TypeAlias = Callable[[Descriptor, int], AbstractAsyncContextManager[BlobReader]]

_REQUESTS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ManifestHead:
    """Digest and media type of a manifest, from the headers of a HEAD response."""

    digest: Digest
    media_type: str

    @property
    def is_index(self) -> bool:
        """Whether it is an index or a manifest list."""
        return self.media_type in mediatype.INDEXES


class Share(Protocol):
    """Returns an access with connections and tokens that all images which are given it share."""

    async def __call__(self, access: Access, actions: str = "pull") -> Access:
        """``actions`` are those of the tokens' scope, such as ``pull,push``."""
        ...


class _Connections:
    """The connections and sessions of one `Share`; what they need is loaded for the first session."""

    def __init__(self, actions: str) -> None:
        self._actions = actions
        self._opened: SharedConnections | None = None

    def session(self, reference: Reference, access: Access) -> Session:
        from ..registry.sessions import SharedConnections

        self._opened = self._opened or SharedConnections(actions=self._actions)
        return self._opened.session(reference, access)

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.aclose()


def registry_events(report: SyncSink) -> Report:
    """Return a function that passes events of registries on to ``report``, as those of no image."""

    def forward(event: Event) -> None:
        report(ImageEvent(None, event))

    return forward


@asynccontextmanager
async def shared_connections(report: Report) -> AsyncIterator[Share]:
    """Yield a `Share`, whose connections are closed at the end; ``report`` gets the events of registries."""
    async with AsyncExitStack() as stack:

        async def share(access: Access, actions: str = "pull") -> Access:
            pool = _Connections(actions)
            stack.push_async_callback(pool.aclose)
            return replace(access, report=report, network=replace(access.network, connections=pool))

        yield share


def share_pings(source: Access, destination: Access) -> tuple[Access, Access]:
    """Return the accesses of both sides, which request ``/v2/`` of a registry once."""
    from ..registry import sessions

    return sessions.share_pings(source, destination)


@asynccontextmanager
async def open_sources(reference: Reference, sources: Sequence[Reference], access: Access) -> AsyncIterator[Download]:
    """Yield a function that opens a blob at a byte offset; it reads from the first of ``sources`` that has it.

    ``reference`` is the image that the blobs belong to, see `open_endpoints`. Sends no request. Raises `InvalidInput`
    for a blocked registry.
    """
    from ..registry.blob_download import BlobDownload
    from ..registry.sessions import open_endpoints

    async with open_endpoints(reference, access, sources) as endpoints:

        def download(descriptor: Descriptor, offset: int) -> BlobDownload:
            return BlobDownload(descriptor, endpoints, offset, access.network.ranges)

        yield download


async def list_tags(reference: Reference, access: Access, *, manifests: bool = False) -> TagList:
    """Return all tags of a repository, and why some may be missing; raises the registry's errors.

    With ``manifests`` also what the registry's list says about the manifests of the tags.
    """
    from ..transports.docker import DockerReference

    with prefix_errors(f"Error determining repository tags for repo {reference.name}"):
        name = DockerReference(f"//{reference.name}", type(reference).parse(reference.name))
        async with name.open_source(access) as source:
            return await source.tag_list(manifests=manifests)


async def list_repositories(host: str, access: Access) -> list[str]:
    """Return the names of all repositories of a registry; raises the registry's errors."""
    from ..registry.catalog import read_catalog

    return await read_catalog(host, access)


async def is_missing(reference: Reference, access: Access) -> bool:
    """Return whether the registry itself, not a mirror, says that an image does not exist; raises any other answer."""
    from ..registry.sessions import open_session
    from ..registry.tag_removal import is_missing

    async with open_session(reference, access) as session:
        return await is_missing(reference, session)


@asynccontextmanager
async def open_tag_removal(reference: Reference, access: Access, *, referrers: bool) -> AsyncIterator[TagRemoval]:
    """Yield what removes tags of one repository, with ``referrers`` also what refers to their manifests."""
    from ..registry.sessions import open_session
    from ..registry.tag_removal import TagRemoval

    async with open_session(reference, access, actions="*,pull") as session:
        yield TagRemoval(reference, session, access, referrers=referrers)


async def source_digest(reference: Reference, access: Access) -> Digest | None:
    """Return the digest of an image where it would be read from, mirrors included, by HEAD; None if unknown.

    Raises what prevents a response, such as `ConnectionFailed`. An error response makes it None: the copy that
    follows will raise the error.
    """
    from ..transports.docker import DockerReference

    async with DockerReference(f"//{reference}", reference).open_source(access) as source:
        try:
            if source.through is not None and (stored := await source.through.digest()) is not None:
                return stored  # where no request is allowed
            return await source.endpoints.first_result(lambda repository: repository.resolve(reference.manifest_name))
        except (RegistryError, InvalidContent, NotFound):
            return None


async def head_manifest(reference: Reference, access: Access) -> ManifestHead | None:
    """Send HEAD for a manifest to the registry itself, not to a mirror; None if it does not exist or has no digest.

    Raises what prevents a response, such as `ConnectionFailed`. An error response makes it None: the copy that
    follows will raise the error.
    """
    from ..registry.response_checks import ask, closing, stated_digest
    from ..registry.sessions import open_session

    what = f"looking for {reference.manifest_name} in {reference.name}"
    path = f"/v2/{reference.repository}/manifests/{reference.manifest_name}"
    async with open_session(reference, access) as session:

        async def attempt() -> ManifestHead | None:
            response = await session.request("HEAD", path, {"Accept": ", ".join(mediatype.ACCEPT)})
            async with closing(response):
                if response.status_code != 200:
                    raise await session.response_error(response, b"", what)
                digest = stated_digest(response)
                media_type = mediatype.essence(response.headers.get("content-type", ""))
                return ManifestHead(digest, media_type) if digest else None

        try:
            return await ask(session, attempt, what)
        except InvalidContent:
            return None


async def has_complete_index(reference: Reference, index: Digest, access: Access, depth: int = 1) -> bool:
    """Return whether a repository has an index and every image below it; ``depth`` is that of the index, 1 for a root.

    Takes one GET for each index and one HEAD for each image. Raises `NetworkError`.
    """
    missing: list[Digest] = []

    async def look_up(digest: Digest) -> None:
        found = await head_manifest(_with_digest(reference, digest), access)
        if found is None or found.digest != digest:
            missing.append(digest)

    try:
        check_depth(depth)
        children = (await _read_manifest(reference, index, access)).manifests
        if any(child.is_blob for child in children):
            return False  # a build cache: copying it again looks for each blob
        for child in children:
            if child.media_type not in mediatype.INDEXES:
                continue
            if not await has_complete_index(reference, child.digest, access, depth + 1):
                return False
        images = [child.digest for child in children if child.media_type not in mediatype.INDEXES]
        await each(images, look_up, at_once=_REQUESTS_AT_ONCE)
    except NetworkError:
        raise
    except PyskopeoError:
        return False
    return not missing


async def _read_manifest(reference: Reference, digest: Digest, access: Access) -> Manifest:
    from ..registry.repository_reader import Repository
    from ..registry.sessions import open_session

    async with open_session(reference, access) as session:
        repository = Repository(reference, session, access.network.retry, access.report)
        return repository.parse_manifest(await repository.manifest(str(digest)), expected=digest)


def _with_digest(reference: Reference, digest: Digest) -> Reference:
    return type(reference)(reference.registry, reference.repository, digest=digest)
