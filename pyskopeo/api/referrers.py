"""List what refers to an image, by image name: signatures, attestations, lists of packages, and so on down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..access import Access
from ..engine.graph import find_image
from ..engine.selection import check_depth
from ..errors import InvalidContent, NotFound, RegistryError, TooLarge, Unsupported, prefix_errors
from ..fast_dataclass import dataclass
from ..model import mediatype
from ..model.referrer import (
    COSIGN_SUFFIXES,
    MAX_REFERRERS,
    Origin,
    ReferredImage,
    Referrer,
    ReferrerReport,
    artifact_type,
    attested_digest,
    cosign_tag,
    referrers_tag,
)
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import work_off
from ..transports import parse_image_name

if TYPE_CHECKING:
    from ..interfaces import ImageReference, ImageSource
    from ..model.choice import Choice
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.platform import Platform
    from ..registry.repository_reader import Repository
    from ..storage.layout_referrers import LayoutReferrers

_AT_ONCE = 8
# How deep referrers of referrers are listed, those of the image at 1, how many of them are asked for theirs, and how
# many characters all their annotations may have.
_MAX_DEPTH, _MAX_LOOKUPS, _MAX_TEXT = 8, 1000, 64 * 1024 * 1024


async def list_referrers(
    name: str,
    *,
    types: Sequence[str] = (),
    platform: Platform | Choice | None = None,
    access: Access | None = None,
) -> ReferrerReport:
    """Return what refers to an image ``docker://HOST/NAME`` or ``oci:PATH``, and to each image in its index.

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
    async with _opened(reference, access) as (source, lister):
        with prefix_errors(f"reading {reference.image_name}"):
            root = await source.manifest()
            subjects, attestations = await _read_subjects(source, root)
            if platform is not None:
                chosen = (await find_image(source, root, platform)).descriptor
                subjects = {chosen.digest: subjects.get(chosen.digest, chosen)}
        walk = _Walk(source, lister, tuple(dict.fromkeys(types)))
        for digest, entries in attestations.items():
            if digest in subjects:
                await walk.add_attestations(digest, entries)
        await walk.run(list(subjects))
        images = tuple(ReferredImage(one, walk.tree(digest)) for digest, one in subjects.items())
    return ReferrerReport(reference.image_name, images, walk.unread)


class _Lister(Protocol):
    """Lists what refers to a digest where an image is."""

    async def referrers(self, digest: Digest, wanted: str) -> tuple[Referrer, ...]:
        """Return the referrers without theirs. ``wanted`` is the only artifact type that is needed, "" for all."""
        ...


@dataclass(slots=True)
class _RepositoryLister:
    repository: Repository
    has_api: bool | None = None

    async def referrers(self, digest: Digest, wanted: str) -> tuple[Referrer, ...]:
        from ..registry import referrers

        has_api = self.has_api is not False
        listing = await referrers.list_referrers(self.repository, digest, wanted, has_api=has_api)
        # One that has listed something has the API, even if it says 404 for another digest.
        self.has_api = self.has_api or not listing.by_tag
        origin: Origin = "tag schema" if listing.by_tag else "referrers API"
        tag = referrers_tag(digest) if listing.by_tag else ""
        found = [
            # Without content that is embedded, of which there may be much.
            Referrer(replace(one, data=None), one.artifact_type, origin, tag)
            for one in listing.descriptors
        ]
        for suffix in COSIGN_SUFFIXES:
            tag = cosign_tag(digest, suffix)
            manifest = await referrers.read_tagged(self.repository, tag)
            if manifest is not None:
                descriptor = replace(manifest.descriptor, annotations=manifest.annotations)
                found.append(Referrer(descriptor, artifact_type(manifest), "cosign tag", tag))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _LayoutLister:
    found: LayoutReferrers

    async def referrers(self, digest: Digest, wanted: str) -> tuple[Referrer, ...]:
        return self.found.of(digest)


@asynccontextmanager
async def _opened(reference: ImageReference, access: Access) -> AsyncIterator[tuple[ImageSource, _Lister]]:
    if reference.transport == "docker":
        from ..transports.docker import DockerSource

        async with reference.open_source(access) as source:
            assert isinstance(source, DockerSource)
            # The registry itself, since mirrors need not know what refers to an image.
            yield source, _RepositoryLister(source.endpoints.repositories[-1])
    elif reference.transport == "oci":
        from ..storage.index_file import IndexFile
        from ..storage.layout_referrers import read_referrers
        from ..storage.oci_layout import DirectoryFiles
        from ..transports.oci import OciReference

        assert isinstance(reference, OciReference)
        async with reference.open_source(access) as source:
            await source.manifest()  # raises for what is no layout
            files = DirectoryFiles(reference.path, access.storage.shared_blobs)
            entries = IndexFile(reference.path).read().descriptors
            yield source, _LayoutLister(await run_in_thread(partial(read_referrers, files, entries)))
    else:
        raise Unsupported(f"{reference}: referrers are listed of images in registries and layouts: docker:, oci:")


async def _read_subjects(
    source: ImageSource, root: Manifest
) -> tuple[dict[Digest, Descriptor], dict[Digest, list[Descriptor]]]:
    """Return the manifest and the images below it by digest, and BuildKit's attestations by the digests they are of.

    An attestation of something else is one of the index that it is in.
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
        level, depth = [await source.manifest(entry) for entry in nested], depth + 1
    return subjects, attestations


class _Walk:
    """Lists the referrers of images, level by level."""

    def __init__(self, source: ImageSource, lister: _Lister, types: tuple[str, ...]) -> None:
        self._source, self._lister, self._types = source, lister, types
        self._found: dict[Digest, tuple[Referrer, ...]] = {}
        self._attestations: dict[Digest, tuple[Referrer, ...]] = {}
        self._placed: set[Digest] = set()
        self._unread: set[Digest] = set()
        self._count = self._text = self._types_read = 0

    @property
    def unread(self) -> int:
        """The number of referrers that were not read, or not asked for what refers to them."""
        return len(self._unread)

    async def add_attestations(self, digest: Digest, entries: Sequence[Descriptor]) -> None:
        """Add entries of the index that are attestations of the image ``digest``."""
        self._attestations[digest] = await self._typed([Referrer(one, "", "index entry") for one in entries])

    async def run(self, subjects: Sequence[Digest]) -> None:
        """List what refers to ``subjects``, what refers to that, and so on; raises what listing raises."""
        level, types = list(subjects), self._types
        self._placed |= set(subjects)
        for depth in range(_MAX_DEPTH + 1):
            allowed = max(0, _MAX_LOOKUPS - len(self._found)) if depth < _MAX_DEPTH else 0
            self._unread |= set(level[allowed:])
            level = level[:allowed]
            await work_off(level, partial(self._look_up, types=types), at_once=_AT_ONCE)
            for digest in level:
                self._found[digest] = tuple(map(self._place, self._found[digest]))
            level = [one.descriptor.digest for digest in level for one in self._found[digest] if not one.repeated]
            types = ()

    def _place(self, one: Referrer) -> Referrer:
        """Return a referrer as it is for the first time, else as a repeated one: so cycles end."""
        digest = one.descriptor.digest
        if digest in self._placed:
            return replace(one, repeated=True)
        self._placed.add(digest)
        return one

    async def _look_up(self, digest: Digest, types: tuple[str, ...]) -> None:
        listed = await self._lister.referrers(digest, types[0] if len(types) == 1 else "")
        self._count += len(listed)
        if self._count > MAX_REFERRERS:
            raise TooLarge(f"more than {MAX_REFERRERS} referrers in total: given up", limit=MAX_REFERRERS)
        self._text += sum(len(key) + len(text) for one in listed for key, text in one.descriptor.annotations.items())
        if self._text > _MAX_TEXT:
            raise TooLarge(f"the annotations of referrers are over {_MAX_TEXT} characters: given up", limit=_MAX_TEXT)
        found = (*self._attestations.get(digest, ()), *await self._typed(listed))
        self._found[digest] = tuple(one for one in found if not types or one.artifact_type in types)

    async def _typed(self, listed: Sequence[Referrer]) -> tuple[Referrer, ...]:
        """Return the referrers with their types; those whose descriptors state none are read."""
        typed = {position: one for position, one in enumerate(listed) if one.artifact_type}
        untyped = [(position, one) for position, one in enumerate(listed) if not one.artifact_type]
        allowed = max(0, _MAX_LOOKUPS - self._types_read)
        self._types_read += len(untyped)
        self._unread |= {one.descriptor.digest for _, one in untyped[allowed:]}

        async def read(item: tuple[int, Referrer]) -> None:
            position, one = item
            typed[position] = replace(one, artifact_type=await self._read_type(one.descriptor))

        await work_off(untyped[:allowed], read, at_once=_AT_ONCE)
        return tuple(typed.get(position, one) for position, one in enumerate(listed))

    async def _read_type(self, descriptor: Descriptor) -> str:
        try:
            return artifact_type(await self._source.manifest(descriptor))
        except (NotFound, InvalidContent, Unsupported):  # listed, and not there, or no manifest
            return ""
        except RegistryError as error:
            if error.status != 404:
                raise
            return ""

    def tree(self, digest: Digest) -> tuple[Referrer, ...]:
        """Return the referrers of a manifest with theirs, at most 8 levels deep."""
        return tuple(
            one if one.repeated else replace(one, referrers=self.tree(one.descriptor.digest))
            for one in self._found.get(digest, ())
        )
