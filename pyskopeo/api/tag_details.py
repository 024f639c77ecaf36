"""What the tags of a repository refer to: digests, sizes, times and platforms, read concurrently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.graph import find_image
from ..errors import InvalidContent, NoMatchingPlatform, NotFound, RegistryError, Unsupported
from ..fast_dataclass import replace
from ..model.configured_platform import configured_platform
from ..model.image_config import parse_config
from ..model.platform import Platform
from ..model.reference import Reference
from ..model.tag_details import TagDetails
from ..model.tag_filter import Order
from ..streams.concurrency import SingleFlight, work_off
from .inspection import Instance, read_config
from .repositories import docker_reference, list_tags

if TYPE_CHECKING:
    from ..interfaces import ImageSource
    from ..model.choice import Choice
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest

_TAGS_AT_ONCE = 16
_TOO_MANY_REQUESTS = 429


async def list_tag_details(
    name: str,
    *,
    pattern: str | None = None,
    versions: str | None = None,
    order: Order = "natural",
    platform: Platform | Choice | None = None,
    access: Access | None = None,
) -> list[TagDetails]:
    """Return the tags of a repository (``docker://HOST/NAME``) with what they refer to.

    Takes the arguments of `list_tags`. ``platform`` is that of the image whose size and time are returned; None: this
    machine's architecture, on Linux. An index without an image for it has those of its first image. For each tag up to
    two manifests and a configuration are read; what several tags refer to is read once.

    Raises what `list_tags` raises, `IncompleteTags` before anything is read of any tag, and `NetworkError` for a
    registry that cannot be reached or accepts no more requests. What is wrong with a single tag is its `problem`.
    """
    access = access or Access.from_environ()
    tags = await list_tags(name, pattern=pattern, versions=versions, order=order, access=access)
    return await read_tag_details(name, tags, platform=platform, access=access)


async def read_tag_details(
    name: str, tags: Sequence[str], *, platform: Platform | Choice | None = None, access: Access | None = None
) -> list[TagDetails]:
    """Return what these ``tags`` of a repository refer to, as `list_tag_details` does; raises what that raises."""
    from ..registry.sessions import sharing_connections

    access = access or Access.from_environ()
    repository = docker_reference(name, "tags have details in registries only: docker://HOST/NAME", default_tag="")
    async with sharing_connections(access) as access:
        reading = _Reading(repository, platform or Platform.host(), access)
        found: dict[str, TagDetails] = {}

        async def read(tag: str) -> None:
            found[tag] = await reading.details(tag)

        await work_off(list(dict.fromkeys(tags)), read, at_once=_TAGS_AT_ONCE)
    return [found[tag] for tag in tags]


class _Reading:
    """Reads what tags of one repository refer to, each manifest once."""

    def __init__(self, repository: Reference, platform: Platform | Choice, access: Access) -> None:
        self._repository, self._platform, self._access = repository, platform, access
        self._known: SingleFlight[Digest, TagDetails] = SingleFlight()

    async def details(self, tag: str) -> TagDetails:
        """Return what a tag refers to, or what is wrong with it."""
        from ..transports.docker import DockerReference

        named = Reference(self._repository.registry, self._repository.repository, tag)
        try:
            async with DockerReference(f"//{named}", named).open_source(self._access) as source:
                root = await source.manifest()
                found = await self._known.get(root.digest, lambda: self._read(source, root))
            return replace(found, tag=tag)
        except (NotFound, InvalidContent, Unsupported, RegistryError) as error:
            if isinstance(error, RegistryError) and error.status == _TOO_MANY_REQUESTS:
                raise
            return TagDetails(tag, problem=str(error))

    async def _read(self, source: ImageSource, root: Manifest) -> TagDetails:
        details = TagDetails("", root.digest, root.media_type, platforms=_platforms(root))
        image = await self._image(source, root) if root.is_index else root
        if image is None:
            return details
        if not image.is_schema1:  # which has no sizes
            details = replace(details, size=Instance(image, None, {}).size)
        if not (image.is_image or image.is_schema1):
            return replace(details, artifact_type=image.artifact_type)
        content = await read_config(source, image)
        created = parse_config(content).get("created")
        stated = () if root.is_index else (configured_platform(content),)
        return replace(
            details,
            created=created if isinstance(created, str) else "",
            platforms=details.platforms or tuple(one for one in stated if one is not None),
        )

    async def _image(self, source: ImageSource, index: Manifest) -> Manifest | None:
        """Return the image for the wanted platform, else the first one; None if there is none."""
        try:
            return await find_image(source, index, self._platform)
        except NoMatchingPlatform:
            first = next((entry for entry in index.manifests if entry.is_manifest and not _is_attestation(entry)), None)
            found = None if first is None else await source.manifest(first)
            return None if found is None or found.is_index else found


def _platforms(root: Manifest) -> tuple[Platform, ...]:
    stated = (entry.platform for entry in root.manifests if not _is_attestation(entry))
    return tuple(dict.fromkeys(platform for platform in stated if platform is not None))


def _is_attestation(entry: Descriptor) -> bool:
    return entry.platform is not None and entry.platform.is_attestation
