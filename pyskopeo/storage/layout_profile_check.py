"""Check a layout against what a program demands of it beyond the specification; see `model/layout_profiles`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidContent, NotFound, PyskopeoError
from ..model import mediatype
from ..model.config_names import with_exact_names
from ..model.layout import INDEX_FILE, INDEX_LIMIT, LAYOUT_FILE, LayoutIndex, entry_name, reference_name
from ..model.layout_profiles import config_problems, index_problems, layout_file_problems, manifest_problems
from ..model.manifest import Manifest
from ..model.strict_json import CONFIG_LIMIT, MANIFEST_LIMIT, parse_object
from ..model.verification import Fault, FaultKind
from .files import digest_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from .layout_content import LayoutFiles

_DEPTH = 8


def profile_faults(files: LayoutFiles, profile: str) -> list[Fault]:
    """Return what one of `PROFILES` would refuse; for a worker thread.

    What is missing or broken is left out: verifying the layout finds that.
    """
    found: list[Fault] = []
    if (layout := _document(files, LAYOUT_FILE, MANIFEST_LIMIT)) is None:
        found += _faults(profile, LAYOUT_FILE, [f"there is no valid {LAYOUT_FILE}"])
    else:
        found += _faults(profile, LAYOUT_FILE, layout_file_problems(profile, layout))
    try:
        index = LayoutIndex.parse(files.content(INDEX_FILE, INDEX_LIMIT))
    except PyskopeoError:
        return found
    found += _faults(profile, INDEX_FILE, index_problems(profile, index.document))
    named = {entry.digest for entry in index.descriptors if reference_name(entry)}
    for position, descriptor in enumerate(index.descriptors):
        found += _image_faults(files, profile, descriptor, entry_name(descriptor, position), named)
    return found


def _document(files: LayoutFiles, name: str, limit: int) -> dict[str, Any] | None:
    try:
        return parse_object(files.content(name, limit), name, limit)
    except PyskopeoError:
        return None


def _faults(profile: str, file: str, problems: Iterable[str]) -> Iterator[Fault]:
    yield from (Fault(FaultKind.PROFILE, file, f"{profile}: {problem}", path=file) for problem in problems)


def _image_faults(
    files: LayoutFiles, profile: str, entry: Descriptor, name: str, named: AbstractSet[Digest]
) -> Iterator[Fault]:
    """Yield the faults of what an entry leads to; ``named`` are the images that have names of their own."""
    images = list(_images(files, entry, _DEPTH))
    is_usable = len(images) == 1 or all(
        image.digest in named for image, _ in images if not _is_attestation(image)
    )
    if profile == "umoci" and entry.media_type in mediatype.INDEXES and not is_usable:
        problem = f"{profile}: it is a list of {len(images)} images: the name is ambiguous"
        yield _fault(entry, "manifest", problem, name)
        return
    for descriptor, manifest in images:
        if profile == "umoci" and _is_attestation(descriptor):
            continue  # nothing that umoci opens by a name leads there alone
        problems = [*manifest_problems(profile, manifest.document), *_config_problems(files, profile, manifest)]
        yield from (_fault(descriptor, "manifest", f"{profile}: {problem}", name) for problem in problems)


def _images(files: LayoutFiles, entry: Descriptor, depth: int) -> Iterator[tuple[Descriptor, Manifest]]:
    """Yield the image manifests that an entry leads to, as far as they can be read."""
    try:
        raw = files.content(f"blobs/{digest_name(entry.digest)}", MANIFEST_LIMIT)
        manifest = Manifest.parse(raw, content_type=entry.media_type, expected=entry.digest)
    except PyskopeoError:
        return
    if not manifest.is_index:
        yield entry, manifest
    elif depth:
        for child in manifest.manifests:
            yield from _images(files, child, depth - 1)


def _is_attestation(entry: Descriptor) -> bool:
    return entry.platform is not None and entry.platform.is_attestation


def _config_problems(files: LayoutFiles, profile: str, manifest: Manifest) -> Iterator[str]:
    if manifest.config is None:
        return
    try:
        raw = files.content(f"blobs/{digest_name(manifest.config.digest)}", CONFIG_LIMIT)
        config = with_exact_names(parse_object(raw, "config", CONFIG_LIMIT))
    except (NotFound, InvalidContent):
        return
    yield from config_problems(profile, config, len(manifest.layers))


def _fault(descriptor: Descriptor, what: str, message: str, name: str) -> Fault:
    path = f"blobs/{digest_name(descriptor.digest)}"
    return Fault(
        FaultKind.PROFILE, what, message, descriptor.digest, descriptor.size, descriptor.media_type, path, (name,)
    )
