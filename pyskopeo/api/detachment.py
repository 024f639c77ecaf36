"""Remove what is attached to an image (distribution specification 1.1, "Deleting Manifests")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..access import Access
from ..errors import InvalidInput, NotFound, RegistryError, Unsupported
from ..fast_dataclass import dataclass
from ..model.events import Warned
from ..transports import parse_image_name
from .referrers import read_referrers

if TYPE_CHECKING:
    from ..interfaces import ImageReference, ImageSource
    from ..model.choice import Choice
    from ..model.digest import Digest
    from ..model.platform import Platform
    from ..model.referrer import Referrer
    from ..registry.repository_writer import RepositoryWriter

# The statuses of registries that do not delete manifests ("Deleting Manifests").
_NO_DELETION = frozenset({400, 405})


@dataclass(frozen=True, slots=True)
class DetachedReferrer:
    """A referrer that was removed, or would be; ``subject`` is the digest of what it refers to."""

    subject: Digest
    referrer: Referrer


async def detach(
    name: str,
    *,
    digests: Sequence[Digest] = (),
    types: Sequence[str] = (),
    platform: Platform | Choice | None = None,
    dry_run: bool = False,
    access: Access | None = None,
) -> tuple[DetachedReferrer, ...]:
    """Remove what refers to an image, or to the images in its index, and what refers to that in turn; return it.

    ``digests`` are the referrers to remove, or ``types`` the artifact types of which all are; ``platform`` limits it to
    one image of an index. In a registry the manifests are deleted, with all their tags, and taken from the index of the
    tag schema where there is no referrers API; then a registry that deletes no manifests is no error, but a warning. In
    a layout the blobs that nothing else needs are deleted, too. With ``dry_run`` nothing is changed.

    Raises `InvalidInput` without ``digests`` and ``types``, and for BuildKit's attestations, which are a part of their
    index; `NotFound` for a digest that does not refer to the image, or if nothing has the types; `InvalidName`,
    `Unsupported` for other transports, `StorageFailed` and `NetworkError`.
    """
    if not digests and not types:
        raise InvalidInput("want the digests of what to detach, or its artifact types")
    reference, access = parse_image_name(name), access or Access.from_environ()
    if reference.transport not in ("docker", "oci"):
        raise Unsupported(f"{reference}: files are detached from images in registries and layouts: docker:, oci:")
    async with reference.open_source(access) as source:
        found = await _find(reference, source, digests, types, platform)
    if not dry_run:
        if reference.transport == "docker":
            await _delete_from_registry(reference, found, access)
        else:
            await _delete_from_layout(reference, found, access)
    return tuple(found)


async def _find(
    reference: ImageReference, source: ImageSource, digests: Sequence[Digest], types: Sequence[str],
    platform: Platform | Choice | None,
) -> list[DetachedReferrer]:  # fmt: skip
    """Return what is to be removed, each after what refers to it."""
    report = await read_referrers(reference.image_name, source, () if digests else types, platform)
    chosen = [
        DetachedReferrer(image.descriptor.digest, one)
        for image in report.images for one in image.referrers
        if not one.repeated and (not digests or one.descriptor.digest in digests)
        and (not types or one.artifact_type in types)
    ]  # fmt: skip
    missing = [digest for digest in digests if all(one.referrer.descriptor.digest != digest for one in chosen)]
    if missing:
        raise NotFound(f"{missing[0]} does not refer to {reference.image_name}: see pyskopeo referrers")
    if not chosen:
        raise NotFound(f"nothing of type {' or '.join(types)} refers to {reference.image_name}")
    for one in chosen:
        if one.referrer.origin == "index entry":
            raise InvalidInput(
                f"{one.referrer.descriptor.digest} is an entry of the list of images itself: without it that would be "
                "another list"
            )
    return [each for one in chosen for each in _from_below(one)]


def _from_below(one: DetachedReferrer) -> Iterator[DetachedReferrer]:
    """Yield what refers to a referrer, and last the referrer."""
    for other in one.referrer.referrers:
        if not other.repeated:
            yield from _from_below(DetachedReferrer(one.referrer.descriptor.digest, other))
    yield one


async def _delete_from_registry(
    reference: ImageReference, found: Sequence[DetachedReferrer], access: Access
) -> None:
    from ..registry.referrer_index import removal_of_referrers
    from ..registry.repository_writer import RepositoryWriter
    from ..registry.sessions import open_session

    assert reference.reference is not None
    listed: dict[Digest, list[Digest]] = {}
    for one in found:
        if one.referrer.origin == "tag schema":
            listed.setdefault(one.subject, []).append(one.referrer.descriptor.digest)
    async with open_session(reference.reference, access, actions="*,pull,push") as session:
        writer = RepositoryWriter(reference.reference, session)
        # First, so that no list names what is not there.
        for subject, digests in listed.items():
            await removal_of_referrers(writer, subject, digests).run()
        for one in found:
            await _delete(one, writer, access)


async def _delete(one: DetachedReferrer, writer: RepositoryWriter, access: Access) -> None:
    digest = one.referrer.descriptor.digest
    try:
        await writer.delete_manifest(str(digest))
    except NotFound:
        return  # listed, and not there
    except RegistryError as error:
        if error.status == 404:
            return
        if one.referrer.origin != "tag schema" or (
            error.status not in _NO_DELETION and "UNSUPPORTED" not in error.codes
        ):
            raise
        access.report(Warned(f"{digest} is not listed any more, but its manifest stays: {error}"))


async def _delete_from_layout(
    reference: ImageReference, found: Sequence[DetachedReferrer], access: Access
) -> None:
    from ..storage.referrer_deletion import delete_referrers
    from ..transports.oci import OciReference

    assert isinstance(reference, OciReference)
    by_subject: dict[Digest, list[Digest]] = {}
    for one in found:
        by_subject.setdefault(one.subject, []).append(one.referrer.descriptor.digest)
    await delete_referrers(
        reference.path, by_subject, shared=access.storage.shared_blobs,
        on_wait=lambda: access.report(Warned(f"waiting for copies to {reference.path} that are under way")),
    )  # fmt: skip
