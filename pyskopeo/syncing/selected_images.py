"""Select images of those that were listed, and name them at the destination; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidName
from ..model.referrer import NO_REFERRERS, belongs_to_image, is_cosign_tag, is_referrers_tag
from .destination_names import destination_name
from .sync_request import ImageGroup, LogMessage, SyncImage, SyncRequest, SyncSink

if TYPE_CHECKING:
    from ..access import Access
    from .source_images import SourceImage


def selected_groups(
    request: SyncRequest, groups: list[tuple[Access, list[SourceImage]]], report: SyncSink
) -> tuple[ImageGroup, ...]:
    """Apply the tag selection, name each image at the destination, and drop duplicates and empty groups.

    What is copied with its image is dropped, too, indexes of the tag schema and cosign's tags: to copy one as an image
    would undo what others have written there, and a policy that requires signatures would refuse it.
    """
    everything = [(number, image) for number, (_, found) in enumerate(groups) for image in found]
    with request.guard():
        selected = request.tag_selection.apply(everything, lambda one: (one[1].repository, one[1].tag))
        renamed = _renamed(request, [image for _, image in selected])
    images: dict[SyncImage, int] = {}
    wanted = request.referrers or NO_REFERRERS
    lists = tags = 0
    for number, image in selected:
        if wanted.copies(image.tag):
            lists, tags = lists + is_referrers_tag(image.tag), tags + is_cosign_tag(image.tag)
            continue
        destination = _destination(request, image, renamed.get(image.path))
        images.setdefault(SyncImage(image.source, destination, image.pinned, belongs_to_image(image.tag)), number)
    for count, what in (
        (lists, "lists of referrers are not copied as images: --referrers copies what they list"),
        (tags, "of cosign's tags are not copied as images: --cosign-tags copies them with the images they are for"),
    ):
        if count:
            report(LogMessage("info", f"{count} {what}"))
    by_group: dict[int, list[SyncImage]] = {}
    for named, number in images.items():
        by_group.setdefault(number, []).append(named)
    return tuple(ImageGroup(tuple(by_group[number]), groups[number][0]) for number in sorted(by_group))


def _renamed(request: SyncRequest, images: list[SourceImage]) -> dict[str, str]:
    """Return the new names of the images that a rule renames, by their paths."""
    if not request.renaming.rules:
        return {}
    found = {image.path: request.renaming.apply(image.path) for image in images}
    return {path: name for path, name in found.items() if name is not None}


def _destination(request: SyncRequest, image: SourceImage, renamed: str | None) -> str:
    """Return the image name at the destination; raises `InvalidName`.

    Of a whole registry the repositories keep their paths: many end with the same word.
    """
    path, scoped = image.path, request.scoped
    if renamed is not None:
        path, scoped = renamed, True
    elif request.source_transport == "registry" and not scoped:
        path, scoped = path.partition("/")[2], True
    try:
        return destination_name(
            request.destination_transport, request.destination, path, scoped=scoped, suffix=request.suffix
        )
    except InvalidName as error:
        if renamed is None:
            raise
        raise InvalidName(f"{image.path} is renamed to {ascii(renamed)[1:-1][:200]}: {error}") from None
