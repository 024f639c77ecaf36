"""List what refers to an image, by image name: signatures, attestations, lists of packages, and so on down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.graph import find_image
from ..engine.referrer_walk import ReferrerWalk
from ..engine.selection import check_depth
from ..errors import PolicyRejected, Unsupported, prefix_errors
from ..model import mediatype
from ..model.referrer import ReferredImage, ReferrerReport, attested_digest
from ..transports import parse_image_name

if TYPE_CHECKING:
    from ..engine.policy_check import ImageCheck
    from ..interfaces import ImageSource
    from ..model.choice import Choice
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.platform import Platform

HAVE_REFERRERS = ("docker", "oci", "oci-archive")
"""The transports of images that something can refer to."""


async def list_referrers(
    name: str,
    *,
    types: Sequence[str] = (),
    platform: Platform | Choice | None = None,
    access: Access | None = None,
) -> ReferrerReport:
    """Return what refers to an image ``docker://HOST/NAME``, ``oci:PATH`` or ``oci-archive:PATH``, and to each
    image in its index.

    In a registry these are what the referrers API lists ("Listing Referrers"), or without it the index of the
    "Referrers Tag Schema", and cosign's tags ``sha256-HEX.sig``, ``.att`` and ``.sbom``; in a layout the manifests with
    a ``subject``, and entries with such names. BuildKit's attestations are entries of the index itself. What refers to
    any of these is listed below it.

    ``types`` are the artifact types that are wanted of what refers to the image itself; what refers to those is of any
    type. ``platform`` selects one image of an index.

    Raises `InvalidName`, `Unsupported` for other transports, `NotFound`, `NetworkError`, `InvalidContent`, and
    `TooLarge` for more than 10,000 referrers.
    """
    reference, access = parse_image_name(name), access or Access.from_environ()
    if reference.transport not in HAVE_REFERRERS:
        raise Unsupported(
            f"{reference}: referrers are listed of images in registries, layouts and their archives: "
            f"{', '.join(f'{name}:' for name in HAVE_REFERRERS)}"
        )
    async with reference.open_source(access) as source:
        return await read_referrers(reference.image_name, source, types, platform)


async def read_referrers(
    name: str, source: ImageSource, types: Sequence[str], platform: Platform | Choice | None, *,
    check: ImageCheck | None = None, deep: bool = True,
) -> ReferrerReport:  # fmt: skip
    """Return what refers to the open image ``name``, as `list_referrers` does; raises what that raises.

    With ``check`` the signature policy must accept the image. Without ``deep`` what refers to referrers is left out.
    """
    with prefix_errors(f"reading {name}", unless=PolicyRejected):
        root = await source.manifest()
        image = root if platform is None else await find_image(source, root, platform)
        if check is not None:
            await check(image, None if image is root else image.descriptor)
        subjects, attestations = await read_subjects(root, source.manifest)
        if image is not root:
            subjects = {image.digest: subjects.get(image.digest, image.descriptor)}
    walk = ReferrerWalk(source, types=types) if deep else ReferrerWalk(source, types=types, depth=1)
    for digest, entries in attestations.items():
        if digest in subjects:
            await walk.add_attestations(digest, entries)
    await walk.run(list(subjects))
    images = tuple(ReferredImage(one, walk.tree(digest)) for digest, one in subjects.items())
    return ReferrerReport(name, images, walk.unread)


async def read_subjects(
    root: Manifest, read: Callable[[Descriptor], Awaitable[Manifest | None]]
) -> tuple[dict[Digest, Descriptor], dict[Digest, list[Descriptor]]]:
    """Return the manifest and the images below it by digest, and BuildKit's attestations by the digests they are of.

    An attestation of something else is one of the index that it is in. ``read`` returns the index of a
    descriptor, None for one that is left out.
    """
    subjects = {root.digest: root.descriptor}
    attestations: dict[Digest, list[Descriptor]] = {}
    level, depth = [root] if root.is_index else [], 1
    while level:
        check_depth(depth)
        nested: list[Descriptor] = []
        for index in level:
            by_text = {str(entry.digest): entry.digest for entry in index.manifests}
            for entry in index.manifests:
                attested = attested_digest(entry.annotations)
                if attested:
                    attestations.setdefault(by_text.get(attested, index.digest), []).append(entry)
                elif entry.digest not in subjects and not entry.is_blob:
                    subjects[entry.digest] = entry
                    nested += [entry] if entry.media_type in mediatype.INDEXES else []
        level, depth = [found for entry in nested if (found := await read(entry)) is not None], depth + 1
    return subjects, attestations
