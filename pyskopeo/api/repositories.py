"""What is done to a registry without moving a blob: list tags, set tags, delete."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..access import Access
from ..errors import (
    InvalidInput,
    InvalidName,
    NotFound,
    PathNotFound,
    PyskopeoError,
    RegistryError,
    Unsupported,
    prefix_errors,
)
from ..model.content_digest import content_digest
from ..model.manifest import Manifest
from ..model.reference import Reference, is_tag
from ..model.tag_filter import Order, TagFilter
from ..transports import TRANSPORTS, parse_image_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..model.digest import Digest

_LISTED = ("docker", "docker-archive")


async def list_tags(
    name: str,
    *,
    pattern: str | None = None,
    versions: str | None = None,
    order: Order = "registry",
    access: Access | None = None,
) -> list[str]:
    """The tags of a repository, ``docker://HOST/NAME``, or of the images in a ``docker-archive:PATH``.

    An archive's tags come with their repository's name, and an image without any as ``@N``.
    ``pattern`` is a regular expression to be found in a tag, ``versions`` a range of semantic
    versions such as ``>= 1.2, < 3``; ``order`` as in `TagFilter.apply`. Raises `InvalidInput` and
    `PyskopeoError`'s other kinds.
    """
    wanted = TagFilter.parse(pattern, versions, order)
    place = parse_listed(name)
    access = access or Access.from_environ()
    if isinstance(place, Reference):
        return wanted.apply(await _repository_tags(place, access))
    return wanted.apply(await _archive_tags(place, access))


async def tag(name: str, *tags: str, access: Access | None = None) -> Digest:
    """Give the image ``docker://HOST/NAME[:TAG][@DIGEST]`` more ``tags`` in its repository.

    Its manifest is written as it is, an index likewise; nothing is sent for a tag that names it
    already. Answers with its digest. Raises `InvalidName` before anything is asked for, `NotFound`,
    and `PyskopeoError`'s other kinds.
    """
    from ..registry.repository_reader import Repository
    from ..registry.repository_writer import RepositoryWriter
    from ..registry.sessions import open_session

    reference = _docker(name, 'only images in registries can be tagged: want "docker://..."')
    for wanted in tags:
        if not is_tag(wanted):
            raise InvalidName(f"{ascii(wanted)[:140]} is not a tag: want at most 128 letters, digits, '_', '.' and '-'")
    access = access or Access.from_environ()
    async with open_session(reference, access, actions="pull,push") as session:
        raw, content_type = await Repository(reference, session, access.network.retry).manifest(reference.manifest_name)
        manifest = Manifest.parse(raw, content_type=content_type, expected=reference.digest)
        writer = RepositoryWriter(reference, session)
        for wanted in dict.fromkeys(tags):
            if await writer.head_manifest(wanted) != manifest.digest:
                await writer.put_manifest(wanted, manifest)
    return manifest.digest


async def delete(name: str, *, tag_only: bool = False, access: Access | None = None) -> None:
    """Delete the image ``docker://HOST/NAME[:TAG][@DIGEST]``: all tags of its digest go with it.

    ``tag_only`` deletes the tag and leaves the image, where the registry can do that. Raises
    `PathNotFound` when the image is not there, `Unsupported` for other transports, and
    `PyskopeoError`'s other kinds.
    """
    from ..registry.repository_reader import Repository
    from ..registry.repository_writer import RepositoryWriter
    from ..registry.sessions import open_session

    reference = _docker(name, f"Deleting images not implemented for {name.partition(':')[0]}: images")
    if tag_only and reference.digest is not None:
        raise InvalidName(f"{reference} has a digest: to delete a tag alone, name it without one")
    access = access or Access.from_environ()
    with _saying_what_failed(reference):
        async with open_session(reference, access, actions="*") as session:
            target = reference.manifest_name
            if reference.digest is None and not tag_only:
                raw, _ = await Repository(reference, session, access.network.retry).manifest(target)
                target = str(content_digest(raw))
            await RepositoryWriter(reference, session).delete_manifest(target)


def parse_listed(name: str) -> Reference | Path:
    """The repository or the archive whose tags ``name`` asks for; raises `InvalidName` or `Unsupported`."""
    transport, colon, details = name.partition(":")
    if not colon or transport not in TRANSPORTS:
        raise InvalidName(f'Invalid "{name}": does not specify a transport')
    if transport not in _LISTED:
        raise Unsupported(
            f"Unsupported transport '{transport}' for tag listing. Only supported: {', '.join(_LISTED)}"
        )
    if transport == "docker-archive":
        from ..transports.docker_archive import parse

        return parse(details).path
    if not details.startswith("//"):
        raise InvalidName(f"docker: image reference {name} does not start with docker://")
    reference = Reference.parse(details[2:], default_tag="")
    if reference.manifest_name:
        raise InvalidName("No tag or digest allowed in reference")
    return reference


async def _repository_tags(reference: Reference, access: Access) -> list[str]:
    from contextlib import AsyncExitStack

    from ..registry.sessions import open_sources

    with prefix_errors("Error listing repository tags"):
        async with AsyncExitStack() as stack:
            with prefix_errors("failed to create client"):
                sources = await stack.enter_async_context(open_sources(reference, access))
            return await sources.first(lambda repository: repository.tags())


async def _archive_tags(path: Path, access: Access) -> list[str]:
    from ..storage.docker_archive.reader import DockerArchive
    from ..storage.scratch import readable_archive

    async with readable_archive(path, access.storage.scratch) as index:
        return DockerArchive.read(index).names()


def _docker(name: str, otherwise: str) -> Reference:
    """The image in a registry that ``name`` is; raises `Unsupported` with ``otherwise``, or `InvalidName`."""
    with prefix_errors(f"Invalid source name {name}"):
        found = parse_image_name(name)
    if found.transport != "docker":
        raise Unsupported(otherwise)
    from ..transports.docker import DockerReference

    if not isinstance(found, DockerReference) or not found.reference.manifest_name:
        raise InvalidName(f"{name}: want a tag or a digest")
    return found.reference


@contextmanager
def _saying_what_failed(reference: Reference) -> Iterator[None]:
    """skopeo's words before the error of a deletion; with its exit code, which is 1 even where nothing is there."""
    try:
        yield
    except InvalidInput:  # a blocked registry: nobody was asked
        raise
    except PyskopeoError as error:
        if isinstance(error, NotFound) or (isinstance(error, RegistryError) and error.status == 404):
            raise PathNotFound(f"Unable to delete {reference}. Image may not exist: {error}") from error
        error.args = (f"Failed to delete {reference}: {error}", *error.args[1:])
        raise
