"""What a deletion in a registry removes: the manifest, and the tags that refer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..access import Access
from ..errors import InvalidName, NotFound, PyskopeoError
from ..fast_dataclass import dataclass
from ..model.content_digest import content_digest
from ..model.digest import Digest
from ..model.events import Warned
from ..model.reference import Reference
from ..streams.concurrency import each
from .repositories import deletion_errors, docker_reference

if TYPE_CHECKING:
    from ..registry.repository_reader import Repository
    from ..registry.repository_writer import RepositoryWriter

_TAGS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion that was carried out, or would be.

    ``digest`` is that of the manifest, None if only the tag of ``reference`` is deleted. ``tags`` are all tags of
    the manifest, None if they are not known.
    """

    reference: Reference
    digest: Digest | None
    tags: tuple[str, ...] | None


async def delete_with_tags(
    name: str,
    *,
    tag_only: bool = False,
    dry_run: bool = False,
    max_tags: int | None = None,
    access: Access | None = None,
) -> Deletion:
    """Delete as `delete` does, but find out first which tags refer to the manifest; with ``dry_run`` only that.

    That is one request for the list of tags and one for each tag (HEAD), and is left out for a repository with
    more than ``max_tags`` tags. Raises `InvalidName` if ``name`` has neither a tag nor a digest, and the errors of
    `delete`.
    """
    from ..registry.repository_reader import Repository
    from ..registry.repository_writer import RepositoryWriter
    from ..registry.sessions import open_session

    reference = docker_reference(name, f"Deleting images not implemented for {name.partition(':')[0]}: images")
    if not Reference.parse(name.partition("//")[2], default_tag="").manifest_name:
        raise InvalidName(
            f"{name} has neither a tag nor a digest: to delete the image with the tag {reference.tag}, "
            f"write docker://{reference}"
        )
    if tag_only and reference.digest is not None:
        raise InvalidName(f"{reference} has a digest: to delete a tag alone, name it without one")
    access = access or Access.from_environ()
    with deletion_errors(reference):
        async with open_session(reference, access, actions="*,pull") as session:
            repository = Repository(reference, session, access.network.retry, access.report)
            writer = RepositoryWriter(reference, session)
            if tag_only:
                if dry_run:
                    await repository.manifest(reference.tag)
                else:
                    await writer.delete_manifest(reference.tag)
                return Deletion(reference, None, (reference.tag,))
            digest = reference.digest
            if digest is None or dry_run:
                raw, _ = await repository.manifest(reference.manifest_name)
                digest = content_digest(raw, digest.algorithm if digest else "sha256")
            tags = await _tags_of(digest, repository, writer, max_tags, access)
            if not dry_run:
                await writer.delete_manifest(str(digest))
            return Deletion(reference, digest, tags)


async def _tags_of(
    digest: Digest, repository: Repository, writer: RepositoryWriter, max_tags: int | None, access: Access
) -> tuple[str, ...] | None:
    """Return the tags of the manifest; None if the registry does not say, or has more than ``max_tags`` in all."""
    found: list[str] = []

    async def check(tag: str) -> None:
        if await writer.head_manifest(tag) == digest:
            found.append(tag)

    try:
        tags = await repository.tags()
        if max_tags is not None and len(tags) > max_tags:
            return None
        await each(tags, check, at_once=_TAGS_AT_ONCE)
    except NotFound:
        return ()
    except PyskopeoError as error:
        access.report(Warned(f"the tags of {digest} are not known: {error}"))
        return None
    return tuple(tag for tag in tags if tag in set(found))
