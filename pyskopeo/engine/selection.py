"""Select images from an index, by skopeo's rules for platforms and for ``--multi-arch``; no I/O.

OCI image specification, "Image Index".
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidContent, InvalidInput, NoMatchingPlatform
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.manifest import Manifest
from ..model.platform import Platform, choose, compatible_platforms

_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Selection:
    """Which images of an index to copy.

    ``mode`` is ``system`` (the image for ``platform``, in the place of the index), ``all``, ``index-only`` or
    ``platforms`` (those for ``platforms``, with the index). ``strip`` removes the other entries from the index.
    """

    platform: Platform
    mode: str = "system"
    platforms: tuple[Platform, ...] = ()
    strip: bool = False


def selected_children(index: Manifest, selection: Selection) -> Sequence[Descriptor]:
    """Return the entries of an index that are selected, in order; raises `NoMatchingPlatform`.

    The mode ``system`` selects exactly one.
    """
    if selection.mode == "index-only":
        return ()
    if selection.mode == "all":
        return index.manifests
    if selection.mode == "system":
        return (choose_child(index, selection.platform),)
    found: list[Descriptor] = []
    for wanted in selection.platforms:
        acceptable = [wanted] if wanted.variant else compatible_platforms(wanted)
        candidates = {(p.os, p.architecture, p.variant) for p in acceptable}
        matching = [
            entry for entry in index.manifests
            if entry.platform
            and (entry.platform.os, entry.platform.architecture, entry.platform.variant) in candidates
        ]  # fmt: skip
        if not matching:
            raise no_match(index, wanted)
        found += [entry for entry in matching if entry not in found]
    return found


def choose_child(index: Manifest, platform: Platform) -> Descriptor:
    """Return the entry for a platform, by skopeo's rules; raises `NoMatchingPlatform`."""
    return matching_children(index, platform)[0]


def matching_children(index: Manifest, platform: Platform) -> tuple[Descriptor, ...]:
    """Return the entry for a platform, or all entries that state no platform if those are the best match.

    There are several in the second case because a nested index among them may have no image for the platform.
    Raises `NoMatchingPlatform`.
    """
    candidates = [
        entry for entry in index.manifests
        if (entry.is_manifest or not entry.media_type) and not (entry.platform and entry.platform.is_attestation)
    ]  # fmt: skip
    position = choose(platform, [entry.platform for entry in candidates])
    if position is None:
        raise no_match(index, platform)
    if candidates[position].platform is not None:
        return (candidates[position],)
    return tuple(entry for entry in candidates if entry.platform is None)


def no_match(index: Manifest, wanted: Platform, nested: tuple[str, ...] = ()) -> NoMatchingPlatform:
    """Return the error for a platform without an image; it names the platforms of the index.

    ``nested`` are the platforms of the indexes below it.
    """
    kind = "manifest list" if index.media_type == mediatype.DOCKER_LIST else "image index"
    here = (str(entry.platform) for entry in index.manifests if entry.platform)
    available = tuple(dict.fromkeys((*here, *nested)))
    there_is = ", ".join(available) or "nothing"
    if has_only_blobs(index):
        types = ", ".join(dict.fromkeys(ascii(entry.media_type)[:100] for entry in index.manifests[:10]))
        there_is = f"{len(index.manifests)} blobs and no manifest, as in a build cache ({types}); see --raw"
    return NoMatchingPlatform(
        f'no image found in {kind} for architecture "{wanted.architecture}", variant "{wanted.variant}", '
        f'OS "{wanted.os}"; there is: {there_is}',
        wanted=str(wanted),
        available=available,
    )


def has_only_blobs(manifest: Manifest) -> bool:
    """Return whether an index lists blobs and no manifest, as a build cache does."""
    return bool(manifest.manifests) and all(entry.is_blob for entry in manifest.manifests)


def check_depth(depth: int) -> None:
    """Raise `InvalidContent` if an index is nested more than 8 levels deep; the root has depth 1."""
    if depth > _MAX_DEPTH:
        raise InvalidContent(f"image indexes are nested more than {_MAX_DEPTH} deep")


def parse_selection(multi_arch: str, *, platform: Platform, strip: bool = False) -> Selection:
    """Parse the value of ``--multi-arch``: ``system``, ``all``, ``index-only`` or a comma-separated list of platforms.

    Raises `InvalidInput`.
    """
    if multi_arch in ("system", "all", "index-only"):
        if strip:
            raise InvalidInput("--strip-removed-platforms goes with --multi-arch=os/arch,...")
        return Selection(platform, multi_arch)
    if "/" not in multi_arch:
        raise InvalidInput(
            f"unknown multi-arch option {multi_arch!r}. Choose one of the supported options: "
            "'system', 'all', 'index-only', or a list of platforms such as linux/amd64,linux/arm64"
        )
    platforms = tuple(Platform.parse(part.strip()) for part in multi_arch.split(","))
    return Selection(platform, "platforms", platforms, strip)
