"""Select images from an index, by skopeo's rules for platforms and for ``--multi-arch``; no I/O.

OCI image specification, "Image Index".
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from ..errors import InvalidContent, InvalidInput, NoMatchingPlatform
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.choice import Choice
from ..model.descriptor import Descriptor
from ..model.digest import Digest
from ..model.manifest import Manifest
from ..model.platform import Platform, compatible_platforms

_MAX_DEPTH = 8
_ZSTD = "io.github.containers.compression.zstd"
_SHOWN, _LONG, _MOST_SHOWN = 8, 200, 100


@dataclass(frozen=True, slots=True)
class Selection:
    """Which images of an index to copy.

    ``mode`` is ``system`` (the image for ``platform``, in the place of the index), ``all``, ``index-only``,
    ``platforms`` (those for ``platforms``, with the index) or ``digests`` (those of ``digests``, with the index).
    ``strip`` removes the other entries from the index. A `Choice` in the place of a platform also selects by version,
    features and annotations.
    """

    platform: Platform | Choice
    mode: str = "system"
    platforms: tuple[Platform, ...] = ()
    strip: bool = False
    digests: Container[Digest] = ()


def selected_children(index: Manifest, selection: Selection) -> Sequence[Descriptor]:
    """Return the entries of an index that are selected, in order; raises `NoMatchingPlatform`.

    The mode ``system`` selects exactly one.
    """
    if selection.mode == "index-only":
        return ()
    if selection.mode == "all":
        return index.manifests
    if selection.mode == "digests":
        return [entry for entry in index.manifests if entry.digest in selection.digests]
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


@dataclass(frozen=True, slots=True)
class Match:
    """The entries of an index that a choice leads to.

    There are several ``entries`` if none of them states a platform: a nested index among them may have no image for it.
    ``equal`` are the entry and those that match as well, with other digests; it is the first of them.
    """

    entries: tuple[Descriptor, ...]
    equal: tuple[Descriptor, ...] = ()


def choose_child(index: Manifest, wanted: Platform | Choice) -> Descriptor:
    """Return the entry for a platform, by skopeo's rules; raises `NoMatchingPlatform`."""
    return matching_children(index, wanted).entries[0]


def matching_children(index: Manifest, wanted: Platform | Choice) -> Match:
    """Return the entry for a platform, or all entries that state no platform if those are the best match.

    The rules are those of containers/image: compatible variants are tried from the best one downwards, and of several
    entries for one platform the first whose layers are stated to be compressed with zstd is used, else the first. What
    a `Choice` demands besides must be stated. Raises `NoMatchingPlatform`.
    """
    choice = Choice.of(wanted)
    candidates = [entry for entry in index.manifests if _is_candidate(entry, choice)]
    order = {platform: number for number, platform in enumerate(choice.compatible())}
    version = choice.wanted_platform.os_version

    def rank(entry: Descriptor) -> tuple[int, bool, bool] | None:
        stated = entry.platform
        if stated is None:
            return len(order), False, False
        found = order.get((stated.os, stated.architecture, stated.variant))
        if found is None:
            return None
        return found, stated.os_version != version if version else False, entry.annotations.get(_ZSTD) != "true"

    ranked = [(found, entry) for entry in candidates if (found := rank(entry)) is not None]
    if not ranked:
        if choice.platform is None and choice.annotations and len({entry.digest for entry in candidates}) == 1:
            return Match((candidates[0],))
        raise no_match(index, choice)
    best = min(found for found, _ in ranked)
    first = tuple(entry for found, entry in ranked if found == best)
    if first[0].platform is None:
        return Match(first)
    return Match(first[:1], tuple({entry.digest: entry for entry in first}.values()))


def _is_candidate(entry: Descriptor, choice: Choice) -> bool:
    """Return whether an entry may be the wanted image, whatever its platform; or an index that may have it."""
    if entry.platform is None and entry.media_type in mediatype.INDEXES:
        return True
    if not (entry.is_manifest or not entry.media_type) or not choice.accepts_details(entry):
        return False
    is_attestation = entry.platform is not None and entry.platform.is_attestation
    return not is_attestation or (choice.platform is None and bool(choice.annotations))


def several_matches(choice: Choice, equal: Sequence[Descriptor]) -> str:
    """Return the warning that several entries match; it names what can tell them apart."""
    shown = [f"{entry.digest}{_distinguishing(entry, equal)}" for entry in equal[:_SHOWN]]
    more = f" and {len(equal) - _SHOWN} more" if len(equal) > _SHOWN else ""
    return (
        f"{len(equal)} images of the list match {choice.wanted_platform}, of which the first is used: "
        f"{', '.join(shown)}{more}; see --os-version, --os-feature and --select-annotation"
    )


def _distinguishing(entry: Descriptor, others: Sequence[Descriptor]) -> str:
    """Return what an entry states and not all others do, in parentheses."""
    def stated(one: Descriptor) -> list[tuple[str, str]]:
        platform = one.platform
        found = [("os.version", platform.os_version if platform else "")]
        found += [("os.feature", name) for name in (platform.os_features if platform else ())]
        return [(name, value) for name, value in (*found, *one.annotations.items()) if value]

    common = set.intersection(*(set(stated(one)) for one in others))
    own = [f"{name} {value}" for name, value in stated(entry) if (name, value) not in common and len(value) < _LONG]
    return f" ({', '.join(ascii(text)[1:-1][:200] for text in own[:3])})" if own else ""


def no_match(index: Manifest, wanted: Platform | Choice, nested: tuple[str, ...] = ()) -> NoMatchingPlatform:
    """Return the error for a platform without an image; it names the platforms of the index.

    ``nested`` are the platforms of the indexes below it.
    """
    choice = Choice.of(wanted)
    platform = choice.wanted_platform
    kind = "manifest list" if index.media_type == mediatype.DOCKER_LIST else "image index"
    here = (_shown_platform(entry, detailed=choice.is_detailed) for entry in index.manifests if entry.platform)
    available = tuple(dict.fromkeys((*here, *nested)))
    there_is = _shown_list(available) or "nothing"
    if has_only_blobs(index):
        types = ", ".join(dict.fromkeys(ascii(entry.media_type)[:100] for entry in index.manifests[:10]))
        there_is = f"{len(index.manifests)} blobs and no manifest, as in a build cache ({types}); see --raw"
    unknown = ""
    if choice.known_variants and not platform.has_known_variant:
        unknown = (
            f"; {ascii(platform.variant)} is no variant of {platform.architecture} that is known, or that is in this "
            "list (--os-version chooses by the version of the operating system)"
        )
    return NoMatchingPlatform(
        f'no image found in {kind} for architecture "{platform.architecture}", variant "{platform.variant}", '
        f'OS "{platform.os}"{"".join(f", {detail}" for detail in choice.details)}; there is: {there_is}{unknown}',
        wanted=str(platform),
        available=available,
    )


def _shown_list(texts: tuple[str, ...]) -> str:
    """Return texts from an index as one line that is not too long."""
    shown = [(text if text.isprintable() else ascii(text)[1:-1])[:_LONG] for text in texts[:_MOST_SHOWN]]
    more = len(texts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _shown_platform(entry: Descriptor, *, detailed: bool) -> str:
    version = entry.platform.os_version if entry.platform and detailed else ""
    return f"{entry.platform} (os.version {ascii(version)[1:-1][:100]})" if version else str(entry.platform)


def has_only_blobs(manifest: Manifest) -> bool:
    """Return whether an index lists blobs and no manifest, as a build cache does."""
    return bool(manifest.manifests) and all(entry.is_blob for entry in manifest.manifests)


def check_depth(depth: int) -> None:
    """Raise `InvalidContent` if an index is nested more than 8 levels deep; the root has depth 1."""
    if depth > _MAX_DEPTH:
        raise InvalidContent(f"image indexes are nested more than {_MAX_DEPTH} deep")


def parse_selection(multi_arch: str, *, platform: Platform | Choice, strip: bool = False) -> Selection:
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
