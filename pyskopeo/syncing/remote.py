"""What a sync asks registries before it copies anything: tags, and what a name stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidContent, NetworkError, NotFound, PyskopeoError, RegistryError, prefix_errors
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..streams.concurrency import each

if TYPE_CHECKING:
    from ..access import Access
    from ..model.reference import Reference
    from ..registry.sessions import SharedConnections

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Head:
    """What a name stands for, as far as a registry says without sending it."""

    digest: Digest
    media_type: str

    @property
    def is_index(self) -> bool:
        return self.media_type in mediatype.INDEXES


def connections(actions: str = "pull") -> SharedConnections:
    """An async context manager: what all images that are reached in the same way share."""
    from ..registry.sessions import SharedConnections

    return SharedConnections(actions=actions)


async def tags(reference: Reference, access: Access) -> list[str]:
    """All tags of a repository; raises the registry's errors."""
    from ..transports.docker import DockerReference

    with prefix_errors(f"Error determining repository tags for repo {reference.name}"):
        name = DockerReference(f"//{reference.name}", type(reference).parse(reference.name))
        async with name.open_source(access) as source:
            return await source.tags()


async def resolve(reference: Reference, access: Access) -> Digest | None:
    """HEAD, where the image would be read from: what a tag stands for; None where that is not said.

    Raises what has to do with the way there, not with the answer: whoever reads the image will hear
    the reason of a refusal.
    """
    from ..transports.docker import DockerReference

    async with DockerReference(f"//{reference}", reference).open_source(access) as source:
        try:
            return await source.sources.first(lambda repository: repository.resolve(reference.manifest_name))
        except (RegistryError, InvalidContent, NotFound):
            return None


async def head(reference: Reference, access: Access) -> Head | None:
    """HEAD in the registry itself: what a tag or a digest stands for; None where there is nothing, or it is not told.

    Raises what has to do with the way there, not with the answer: whoever writes the image will hear
    the reason of a refusal.
    """
    from ..registry.response_checks import closing, stated_digest
    from ..registry.sessions import open_session

    what = f"looking for {reference.manifest_name} in {reference.name}"
    path = f"/v2/{reference.repository}/manifests/{reference.manifest_name}"
    async with open_session(reference, access) as session:

        async def once() -> Head | None:
            response = await session.request("HEAD", path, {"Accept": ", ".join(mediatype.ACCEPT)})
            async with closing(response):
                if response.status_code != 200:
                    raise await session.explain(response, b"", what)
                digest = stated_digest(response)
                return Head(digest, mediatype.essence(response.headers.get("content-type", ""))) if digest else None

        try:
            return await session.retry(once, what)
        except (RegistryError, InvalidContent, NotFound):
            return None


async def holds_all_of(reference: Reference, index: Digest, access: Access) -> bool:
    """Whether a repository has an index with every image it names; one GET for each index, one HEAD for each image."""
    missing: list[Digest] = []

    async def look(digest: Digest) -> None:
        found = await head(_at(reference, digest), access)
        if found is None or found.digest != digest:
            missing.append(digest)

    try:
        children = (await _read(reference, index, access)).manifests
        for child in children:
            if child.media_type in mediatype.INDEXES and not await holds_all_of(reference, child.digest, access):
                return False
        images = [child.digest for child in children if child.media_type not in mediatype.INDEXES]
        await each(images, look, at_once=_AT_ONCE)
    except NetworkError:
        raise
    except PyskopeoError:
        return False
    return not missing


async def _read(reference: Reference, digest: Digest, access: Access) -> Manifest:
    from ..registry.repository_reader import Repository
    from ..registry.sessions import open_session

    async with open_session(reference, access) as session:
        raw, content_type = await Repository(reference, session, access.network.retry).manifest(str(digest))
    return Manifest.parse(raw, content_type=content_type, expected=digest)


def _at(reference: Reference, digest: Digest) -> Reference:
    return type(reference)(reference.registry, reference.repository, digest=digest)
