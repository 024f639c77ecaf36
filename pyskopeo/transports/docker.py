"""``docker://``: an image in a registry (distribution specification 1.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from ..errors import InvalidContent, InvalidName, NetworkError
from ..image import Blob, ImageReference
from ..model.descriptor import Descriptor
from ..model.manifest import Manifest
from ..model.reference import Reference

if TYPE_CHECKING:
    import ssl

    from ..access import Access
    from ..registry.client import Repository
    from ..registry.session import Send


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
        except (NetworkError, InvalidContent) as error:
            self._access.warn(f"{reference.name}:{reference.tag} could not be compared with its digest: {error}")
            return
        asked = reference.digest
        if found is not None and asked is not None and found.algorithm == asked.algorithm and found != asked:
            self._access.warn(
                f"{reference.name}:{reference.tag} is {found} now; copying {asked}, as asked"
            )


@asynccontextmanager
async def _open_source(name: DockerReference, access: Access) -> AsyncIterator[DockerSource]:
    from ..registry.client import Repository
    from ..registry.session import Session

    async with _sender(name.reference, access) as send:
        session = Session(name.reference, send, access)
        yield DockerSource(Repository(name.reference, session, access), access)


@asynccontextmanager
async def _sender(reference: Reference, access: Access) -> AsyncIterator[Send]:
    """What sends requests: our own transport, unless the caller brought a client.

    The transport is called itself, without a client around it: what a client would add, a cookie
    jar and redirects, is not wanted, and a pull of many small layers pays for it.
    """
    if access.client is not None:
        yield partial(access.client.send, stream=True, auth=None, follow_redirects=False)
        return
    from ..registry.connect import Connector
    from ..registry.origin import Origin
    from ..registry.proxied import Router
    from ..registry.wire import Wire

    contexts: dict[bool, ssl.SSLContext] = {}
    registry = Origin.of(f"https://{reference.api_host}")

    def context(origin: Origin) -> ssl.SSLContext:
        own = origin == registry
        if own not in contexts:
            contexts[own] = access.trust.context(reference.registry, client=own)
        return contexts[own]

    def proxy(origin: Origin) -> str | None:
        return access.proxies.for_url(origin.scheme, origin.host, origin.port)

    connector = Connector(
        context, proxy, connect_timeout=access.connect_timeout, stall_timeout=access.stall_timeout
    )
    async with Router(Wire(connector), proxy, context) as router:
        yield router.send

