"""``docker://``: an image in a registry (distribution specification 1.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from ..errors import InvalidName, NetworkError
from ..image import Blob, ImageReference, ImageSource
from ..model.descriptor import Descriptor
from ..model.manifest import Manifest
from ..model.reference import Reference

if TYPE_CHECKING:
    import httpx

    from ..access import Access
    from ..registry.client import Repository
    from ..registry.origin import Origin


class DockerReference(ImageReference):
    """``docker://[registry/]repository[:tag][@digest]``."""

    transport = "docker"

    def __init__(self, details: str, reference: Reference) -> None:
        super().__init__(details)
        self.reference = reference

    def open_source(self, access: Access) -> AbstractAsyncContextManager[DockerSource]:
        """Talks to the registry only when something is asked for."""
        return _open_source(self, access)

    def __str__(self) -> str:
        return f"docker://{self.reference}"


def parse(details: str) -> DockerReference:
    """Parse what follows ``docker:``; raises `InvalidName`."""
    if not details.startswith("//"):
        raise InvalidName(f"docker: image reference {details} does not start with //")
    return DockerReference(details, Reference.parse(details[2:]))


class DockerSource:
    """An image in a registry."""

    def __init__(self, repository: Repository, access: Access) -> None:
        self.repository = repository
        self._access = access

    async def manifest(self, descriptor: Descriptor | None = None) -> Manifest:
        if descriptor is not None:
            raw, content_type = await self.repository.manifest(str(descriptor.digest))
            return Manifest.parse(raw, content_type=descriptor.media_type or content_type, expected=descriptor.digest)
        reference = self.repository.reference
        raw, content_type = await self.repository.manifest(reference.manifest_name)
        manifest = Manifest.parse(raw, content_type=content_type, expected=reference.digest)
        if reference.tag and reference.digest:
            await self._compare_tag(reference)
        return manifest

    def blob(self, descriptor: Descriptor) -> Blob:
        return Blob(descriptor, lambda: self.repository.blob(descriptor))

    async def tags(self) -> list[str]:
        """All tags of the repository."""
        return await self.repository.tags()

    async def _compare_tag(self, reference: Reference) -> None:
        """``name:tag@digest``: the digest counts; if the tag names something else, say so once."""
        try:
            found = await self.repository.resolve(reference.tag)
        except NetworkError as error:
            self._access.warn(f"{reference.name}:{reference.tag} could not be compared with its digest: {error}")
            return
        if found is not None and found != reference.digest:
            self._access.warn(
                f"{reference.name}:{reference.tag} is {found} now; copying {reference.digest}, as asked"
            )


@asynccontextmanager
async def _open_source(name: DockerReference, access: Access) -> AsyncIterator[DockerSource]:
    from ..registry.client import Repository
    from ..registry.session import Session

    async with _http_client(name.reference, access) as client:
        session = Session(name.reference, client, access)
        yield DockerSource(Repository(name.reference, session, access), access)


@asynccontextmanager
async def _http_client(reference: Reference, access: Access) -> AsyncIterator[httpx.AsyncClient]:
    """A client on our own transport, unless the caller brought one."""
    if access.client is not None:
        yield access.client
        return
    from ..registry.connect import Connector
    from ..registry.http import httpx
    from ..registry.wire import Wire

    contexts: dict[bool, ssl.SSLContext] = {}

    def context(origin: Origin) -> ssl.SSLContext:
        own = origin.netloc in (reference.api_host, reference.registry)
        if own not in contexts:
            contexts[own] = access.trust.context(reference.registry, client=own)
        return contexts[own]

    connector = Connector(
        context,
        lambda origin: access.proxies.for_url(origin.scheme, origin.host, origin.port),
        connect_timeout=access.connect_timeout,
        stall_timeout=access.stall_timeout,
    )
    async with httpx.AsyncClient(transport=Wire(connector), trust_env=False) as client:
        yield client


if TYPE_CHECKING:
    import ssl

    def _is_a_source(source: DockerSource) -> ImageSource:
        return source
