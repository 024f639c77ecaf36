"""Operations on repositories that transfer no blobs: list tags, tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..access import Access
from ..errors import IncompleteTags, InvalidName, Unsupported, prefix_errors
from ..fast_dataclass import dataclass
from ..model.reference import Reference, is_tag
from ..model.tag_filter import Order, TagFilter
from ..transports import TRANSPORTS, parse_image_name, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..model.digest import Digest
    from ..registry.tag_pages import TagList

_TRANSPORTS = ("docker", "docker-archive")


async def list_tags(
    name: str,
    *,
    pattern: str | None = None,
    versions: str | None = None,
    order: Order = "registry",
    access: Access | None = None,
) -> list[str]:
    """Return the tags of a repository (``docker://HOST/NAME``) or of a ``docker-archive:PATH``.

    See the distribution specification, "Listing Tags". Tags of an archive include the repository's
    name, and an image without tags is ``@N``. ``pattern`` is a regular expression that may match anywhere in
    a tag, ``versions`` a range of semantic versions such as ``>= 1.2, < 3``; for ``order`` see `TagFilter`.

    Raises `IncompleteTags`, which has those that match, if the list may go on where it could not be read;
    `InvalidInput`, `NetworkError`, `StorageFailed` and other kinds of `PyskopeoError`.
    """
    tag_filter = TagFilter.parse(pattern, versions, order)
    place = parse_tag_source(name)
    access = access or Access.from_environ()
    if isinstance(place, Reference):
        found = await _repository_tags(place, access)
        tags = tag_filter.apply(found.tags)
        if found.problem:
            number = len(found.tags)
            read = f"only {number} tag{'s' * (number != 1)} could be read"
            raise IncompleteTags(f"Error listing repository tags: {found.problem}; {read}", tags=tuple(tags))
        return tags
    return tag_filter.apply(await _archive_tags(place, access))


@dataclass(frozen=True, slots=True)
class Tagging:
    """The result of adding tags to the manifest ``digest``: those that were ``written``, and those it had already."""

    reference: Reference
    digest: Digest
    written: tuple[str, ...]
    present: tuple[str, ...]


async def tag(name: str, *tags: str, access: Access | None = None) -> Digest:
    """Add ``tags`` to the image ``docker://HOST/NAME[:TAG][@DIGEST]`` in its repository.

    The manifest or index is uploaded unchanged (distribution specification, "Pushing Manifests"), except
    for tags that refer to it already. Returns its digest. Raises `InvalidName` before any request,
    `NotFound`, `NetworkError` and other kinds of `PyskopeoError`.
    """
    return (await add_tags(name, tags, access)).digest


async def add_tags(name: str, tags: Iterable[str], access: Access | None = None) -> Tagging:
    """Add ``tags`` as `tag` does, and return which of them were written."""
    from ..registry.repository_reader import Repository
    from ..registry.repository_writer import RepositoryWriter
    from ..registry.sessions import open_session

    reference = docker_reference(name, 'only images in registries can be tagged: want "docker://..."')
    tags = tuple(dict.fromkeys(tags))
    for wanted in tags:
        if not is_tag(wanted):
            raise InvalidName(f"{ascii(wanted)[:140]} is not a tag: want at most 128 letters, digits, '_', '.' and '-'")
    access = access or Access.from_environ()
    async with open_session(reference, access, actions="pull,push") as session:
        repository = Repository(reference, session, access.network.retry, access.report)
        response = await repository.manifest(reference.manifest_name)
        manifest = repository.parse_manifest(response, expected=reference.digest)
        writer = RepositoryWriter(reference, session)
        written = []
        for wanted in tags:
            if await writer.head_manifest(wanted) != manifest.digest:
                await writer.put_manifest(wanted, manifest)
                written.append(wanted)
    present = tuple(wanted for wanted in tags if wanted not in written)
    return Tagging(reference, manifest.digest, tuple(written), present)


def parse_tag_source(name: str) -> Reference | Path:
    """Parse the name of a repository or archive for `list_tags`; raises `InvalidName` or `Unsupported`."""
    transport, colon, details = name.partition(":")
    if not colon or transport not in TRANSPORTS:
        raise InvalidName(f'Invalid "{name}": does not specify a transport{suggestion(name)}')
    if transport not in _TRANSPORTS:
        raise Unsupported(
            f"Unsupported transport '{transport}' for tag listing. Only supported: {', '.join(_TRANSPORTS)}"
        )
    if transport == "docker-archive":
        from ..transports.docker_archive import parse

        return parse(details).path
    if not details.startswith("//"):
        raise InvalidName(
            f'docker: image reference {name} does not start with docker://; did you mean "docker://{details}"?'
        )
    reference = Reference.parse(details[2:], default_tag="")
    if reference.manifest_name:
        raise InvalidName(f"No tag or digest allowed in reference: name the repository alone, docker://{reference.name}")
    return reference


async def _repository_tags(reference: Reference, access: Access) -> TagList:
    from contextlib import AsyncExitStack

    from ..registry.sessions import open_endpoints

    with prefix_errors("Error listing repository tags"):
        async with AsyncExitStack() as stack:
            with prefix_errors("failed to create client"):
                endpoints = await stack.enter_async_context(open_endpoints(reference, access))
            return await endpoints.first_result(lambda repository: repository.tag_list())


async def first_tags(reference: Reference, count: int, access: Access) -> list[str]:
    """Return some tags of a repository: those of one page, at most ``count``; raises `PyskopeoError`.

    Nothing is retried, and no second page is read.
    """
    from ..registry.sessions import open_endpoints

    async with open_endpoints(reference, access) as endpoints:
        return (await endpoints.first_result(lambda repository: repository.first_tags(count)))[:count]


async def _archive_tags(path: Path, access: Access) -> list[str]:
    from ..storage.docker_archive.reader import DockerArchive
    from ..storage.scratch import readable_archive

    async with readable_archive(path, access.storage.scratch, access.storage.max_inflated) as index:
        return DockerArchive.read(index).names()


def docker_reference(name: str, unsupported: str, *, default_tag: str = "latest") -> Reference:
    """Parse the name of an image in a registry; see `Reference.parse` for ``default_tag``.

    Raises `InvalidName`, also for one without tag and digest unless ``default_tag`` is "", and `Unsupported` with the
    message ``unsupported`` for other transports.
    """
    transport, _, details = name.partition(":")
    with prefix_errors(f"Invalid source name {name}"):
        if transport == "docker":
            from ..transports.docker import parse

            reference = parse(details, default_tag).reference
        else:
            parse_image_name(name)
    if transport != "docker":
        raise Unsupported(unsupported)
    if default_tag and not reference.manifest_name:
        raise InvalidName(f"{name}: want a tag or a digest")
    return reference
