"""Operations on repositories that transfer no blobs: list tags, tag, delete."""

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
from ..fast_dataclass import dataclass
from ..model.content_digest import content_digest
from ..model.reference import Reference, is_tag
from ..model.tag_filter import Order, TagFilter
from ..transports import TRANSPORTS, parse_image_name, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ..model.digest import Digest

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

    Raises `InvalidInput`, `NetworkError`, `StorageFailed` and other kinds of `PyskopeoError`.
    """
    tag_filter = TagFilter.parse(pattern, versions, order)
    place = parse_tag_source(name)
    access = access or Access.from_environ()
    if isinstance(place, Reference):
        return tag_filter.apply(await _repository_tags(place, access))
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


async def delete(name: str, *, tag_only: bool = False, access: Access | None = None) -> None:
    """Delete the image ``docker://HOST/NAME[:TAG][@DIGEST]`` by its digest, and with it all of its tags.

    ``tag_only`` deletes the tag only, if the registry supports it (distribution specification, "Deleting
    tags"). Of an image ``oci:PATH[:NAME]`` the entry in the index of the layout is deleted, and the blobs that no other
    image of the layout needs, unless they are shared by several layouts. Raises `PathNotFound` if the image does not
    exist in the registry, `NotFound` if it does not exist in the layout, `Unsupported` for other transports,
    `NetworkError` and other kinds of `PyskopeoError`.
    """
    if name.partition(":")[0] == "oci":
        await _delete_from_layout(name, access or Access.from_environ(), tag_only=tag_only)
        return
    from ..registry.repository_reader import Repository
    from ..registry.repository_writer import RepositoryWriter
    from ..registry.sessions import open_session

    reference = docker_reference(name, f"Deleting images not implemented for {name.partition(':')[0]}: images")
    if tag_only and reference.digest is not None:
        raise InvalidName(f"{reference} has a digest: to delete a tag alone, name it without one")
    access = access or Access.from_environ()
    with deletion_errors(reference):
        async with open_session(reference, access, actions="*,pull") as session:
            target = reference.manifest_name
            if reference.digest is None and not tag_only:
                repository = Repository(reference, session, access.network.retry, access.report)
                raw, _ = await repository.manifest(target)
                target = str(content_digest(raw))
            await RepositoryWriter(reference, session).delete_manifest(target)


async def _delete_from_layout(name: str, access: Access, *, tag_only: bool) -> None:
    from ..storage.layout_deletion import delete_image
    from ..transports.oci import parse

    with prefix_errors(f"Invalid source name {name}"):
        reference = parse(name.partition(":")[2])
    if tag_only:
        raise Unsupported(f"{name}: a tag alone can be deleted in registries only")
    await delete_image(reference.path, reference.name, shared=access.storage.shared_blobs)


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


async def _repository_tags(reference: Reference, access: Access) -> list[str]:
    from contextlib import AsyncExitStack

    from ..registry.sessions import open_endpoints

    with prefix_errors("Error listing repository tags"):
        async with AsyncExitStack() as stack:
            with prefix_errors("failed to create client"):
                endpoints = await stack.enter_async_context(open_endpoints(reference, access))
            return await endpoints.first_result(lambda repository: repository.tags())


async def _archive_tags(path: Path, access: Access) -> list[str]:
    from ..storage.docker_archive.reader import DockerArchive
    from ..storage.scratch import readable_archive

    async with readable_archive(path, access.storage.scratch, access.storage.max_inflated) as index:
        return DockerArchive.read(index).names()


def docker_reference(name: str, unsupported: str) -> Reference:
    """Parse the name of an image in a registry.

    Raises `InvalidName`, and `Unsupported` with the message ``unsupported`` for other transports.
    """
    with prefix_errors(f"Invalid source name {name}"):
        found = parse_image_name(name)
    if found.transport != "docker":
        raise Unsupported(unsupported)
    from ..transports.docker import DockerReference

    if not isinstance(found, DockerReference) or not found.reference.manifest_name:
        raise InvalidName(f"{name}: want a tag or a digest")
    return found.reference


@contextmanager
def deletion_errors(reference: Reference) -> Iterator[None]:
    """Prefix errors of a deletion as skopeo does; a missing image is a `PathNotFound`, with its exit code of 1."""
    try:
        yield
    except InvalidInput:  # the registry is blocked, no request was sent
        raise
    except PyskopeoError as error:
        if isinstance(error, NotFound) or (isinstance(error, RegistryError) and error.status == 404):
            raise PathNotFound(f"Unable to delete {reference}. Image may not exist: {error}") from error
        error.args = (f"Failed to delete {reference}: {error}", *error.args[1:])
        raise
