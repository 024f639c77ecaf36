"""Delete images in registries and layouts, and find the tags that are deleted with a manifest."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ..access import Access
from ..errors import (
    InvalidContent,
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
from ..http.origin import redact_url
from ..model.content_digest import content_digest
from ..model.digest import Digest
from ..model.events import Warned
from ..model.reference import Reference
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import each
from .repositories import docker_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..registry.repository_reader import Repository
    from ..registry.repository_writer import RepositoryWriter
    from ..storage.layout_deletion import LayoutDeletion

_TAGS_AT_ONCE = 8
_MISSING = "Image may not exist or is not stored with a v2 Schema in a v2 registry"


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion that was carried out, or would be.

    ``digest`` is that of the manifest, None if only the tag of ``reference`` is deleted. ``tags`` are all tags of
    the manifest, None if they are not known.
    """

    reference: Reference
    digest: Digest | None
    tags: tuple[str, ...] | None


async def delete(name: str, *, tag_only: bool = False, access: Access | None = None) -> None:
    """Delete the image ``docker://HOST/NAME[:TAG][@DIGEST]`` by its digest, and with it all of its tags and its
    signatures in a local lookaside.

    ``tag_only`` deletes the tag only, by default ``latest``, if the registry supports it (distribution specification,
    "Deleting tags"). Of an image ``oci:PATH[:NAME]`` the entry in the index of the layout is deleted, and the blobs
    that no other image of the layout needs, unless they are shared by several layouts. Raises `InvalidName` if an
    image in a registry is named without tag and digest, `PathNotFound` if it does not exist there, `NotFound` if it
    does not exist in the layout, `Unsupported` for other transports, `NetworkError` and other kinds of
    `PyskopeoError`.
    """
    access = access or Access.from_environ()
    if name.partition(":")[0] == "oci":
        await delete_from_layout(name, access, tag_only=tag_only)
        return
    default_tag = "latest" if tag_only else ""
    await delete_from_registry(name, access, tag_only=tag_only, find_tags=False, default_tag=default_tag)


async def delete_from_registry(
    name: str,
    access: Access,
    *,
    tag_only: bool = False,
    dry_run: bool = False,
    find_tags: bool = True,
    max_tags: int | None = None,
    default_tag: str = "",
) -> Deletion:
    """Delete an image in a registry as `delete` does; with ``dry_run`` return only what would be deleted.

    With ``find_tags`` it finds out first which tags refer to the manifest: one request for the list of tags and one
    HEAD for each tag, or a GET if the registry does not state a digest. That is left out for a repository with more
    than ``max_tags`` tags. ``default_tag`` is for a name without tag and digest; without it, such a name raises
    `InvalidName`.
    """
    from ..registry.repository_reader import Repository
    from ..registry.repository_writer import RepositoryWriter
    from ..registry.sessions import open_session

    reference = _reference(name, default_tag)
    if tag_only and reference.digest is not None:
        raise InvalidName(f"{reference} has a digest: to delete a tag alone, name it without one")
    with _deletion_errors(reference):
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
                digest = digest or content_digest(raw)
            tags = await _find_tags(digest, repository, writer, max_tags, access) if find_tags else None
            if not dry_run:
                await writer.delete_manifest(str(digest))
                await run_in_thread(partial(_delete_signatures, reference, digest, access))
            return Deletion(reference, digest, tags)


def _delete_signatures(reference: Reference, digest: Digest, access: Access) -> None:
    """Remove the signatures of a manifest, which is deleted, from a local lookaside; of another one, warn."""
    from ..registry.lookaside import local_path, lookaside_directory
    from ..storage.signature_files import LookasideFiles

    base = access.signature_stores().lookaside(reference, write=True)
    if not base:
        return
    directory = local_path(lookaside_directory(base, reference.repository, digest))
    if directory is None:
        access.report(Warned(f"signatures of {reference} in {redact_url(base)} are not deleted"))
        return
    LookasideFiles.remove(directory)


def _reference(name: str, default_tag: str) -> Reference:
    unsupported = f"Deleting images not implemented for {name.partition(':')[0]}: images"
    reference = docker_reference(name, unsupported, default_tag=default_tag)
    if not reference.manifest_name:
        raise InvalidName(
            f"{name} has neither a tag nor a digest: to delete the image with the tag latest, "
            f"write docker://{reference.name}:latest"
        )
    return reference


async def _find_tags(
    digest: Digest, repository: Repository, writer: RepositoryWriter, max_tags: int | None, access: Access
) -> tuple[str, ...] | None:
    """Return the tags of the manifest; None if they are not known, or the repository has more than ``max_tags``.

    A warning is reported if a request for them fails.
    """
    reference = repository.reference
    named = () if reference.digest else (reference.tag,)  # the digest is from the bytes of this tag
    found = set(named)

    async def check(tag: str) -> None:
        stated = await writer.head_manifest(tag)
        if stated is None or stated.algorithm != digest.algorithm:
            stated = await _read_digest(tag, digest.algorithm, repository)
        if stated == digest:
            found.add(tag)

    try:
        listed = await repository.tag_list()
        if listed.problem:
            raise InvalidContent(listed.problem)
        tags = listed.tags
        if max_tags is not None and len(tags) > max_tags:
            return None
        await each([tag for tag in tags if tag not in named], check, at_once=_TAGS_AT_ONCE)
    except PyskopeoError as error:
        access.report(Warned(f"the tags of {digest} are not known: {error}"))
        return None
    return tuple(tag for tag in dict.fromkeys((*tags, *named)) if tag in found)


async def _read_digest(tag: str, algorithm: str, repository: Repository) -> Digest | None:
    """GET the manifest of a tag and return its digest, None if it does not exist."""
    try:
        raw, _ = await repository.manifest(tag)
    except PyskopeoError as error:
        if _is_missing(error):
            return None
        raise
    return content_digest(raw, algorithm)


async def delete_from_layout(
    name: str, access: Access, *, tag_only: bool = False, dry_run: bool = False
) -> LayoutDeletion:
    """Delete an image in a layout as `delete` does; with ``dry_run`` return only what would be deleted."""
    from ..storage.layout_deletion import delete_image
    from ..transports.oci import parse

    with prefix_errors(f"Invalid source name {name}"):
        reference = parse(name.partition(":")[2])
    if tag_only:
        raise Unsupported(f"{name}: a tag alone can be deleted in registries only")
    shared = access.storage.shared_blobs
    return await delete_image(
        reference.path, reference.name, shared=shared, dry_run=dry_run,
        on_wait=lambda: access.report(Warned(f"waiting for copies to {name} that are under way")),
    )  # fmt: skip


def _is_missing(error: PyskopeoError) -> bool:
    return isinstance(error, NotFound) or (isinstance(error, RegistryError) and error.status == 404)


@contextmanager
def _deletion_errors(reference: Reference) -> Iterator[None]:
    """Prefix errors of a deletion as skopeo does; a missing image is a `PathNotFound`, with its exit code of 1."""
    try:
        yield
    except InvalidInput:  # the registry is blocked, no request was sent
        raise
    except PyskopeoError as error:
        if _is_missing(error):
            raise PathNotFound(f"Unable to delete {reference}. {_MISSING}: {error}") from error
        error.args = (f"deleting {reference}: {error}", *error.args[1:])
        raise
