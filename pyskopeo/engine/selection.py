"""Which images of an index are wanted: pure (skopeo's rules, and those of ``--multi-arch``)."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidContent, InvalidInput, NoMatchingPlatform
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.manifest import Manifest
from ..model.platform import Platform, choose, compatible_platforms

_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Selection:
    """Which images of an index are wanted.

    ``mode`` is ``system`` (the one for ``platform``), ``all``, ``index-only`` or ``platforms``
    (those in ``platforms``); ``strip`` drops the entries of the others from the index.
    """

    platform: Platform
    mode: str = "system"
    platforms: tuple[Platform, ...] = ()
    strip: bool = False


def wanted_children(index: Manifest, selection: Selection) -> Sequence[Descriptor]:
    """The entries of an index that are to be read; raises `NoMatchingPlatform`.

    For ``system`` it is one, and it is copied in the index's place.
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
    """The entry for a platform, by skopeo's rules; raises `NoMatchingPlatform`."""
    return suitable_children(index, platform)[0]


def suitable_children(index: Manifest, platform: Platform) -> tuple[Descriptor, ...]:
    """The entry for a platform; several where none says what it is for: an index among them may
    turn out to have nothing for us. Raises `NoMatchingPlatform`."""
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
    """The error that says what there is, here and in the indexes named here (``nested``)."""
    kind = "manifest list" if index.media_type == mediatype.DOCKER_LIST else "image index"
    here = (str(entry.platform) for entry in index.manifests if entry.platform)
    available = tuple(dict.fromkeys((*here, *nested)))
    return NoMatchingPlatform(
        f'no image found in {kind} for architecture "{wanted.architecture}", variant "{wanted.variant}", '
        f'OS "{wanted.os}"; there is: {", ".join(available) or "nothing"}',
        wanted=str(wanted),
        available=available,
    )


def check_depth(depth: int) -> None:
    """Indexes may nest, but not without end: raises `InvalidContent`."""
    if depth > _DEEPEST:
        raise InvalidContent(f"image indexes are nested more than {_DEEPEST} deep")


def parse_selection(multi_arch: str, *, platform: Platform, strip: bool = False) -> Selection:
    """Read ``--multi-arch``: system, all, index-only or a list of platforms; raises `InvalidInput`."""
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
