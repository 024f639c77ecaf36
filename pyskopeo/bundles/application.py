"""Apply bundles: put their images into a registry, a layout or the content store.

All blobs are copied first, and verified on the way; only then do images get their names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.destination_wrapper import DestinationWrapper
from ..engine.plan import Form
from ..engine.run import CopyOptions
from ..engine.selection import Selection
from ..errors import ContentMismatch, InvalidContent, InvalidInput
from ..fast_dataclass import dataclass, replace
from ..model.bundle import bundled_name
from ..model.platform import Platform
from ..model.referrer import WantedReferrers
from ..storage.shared_files import RunFiles
from ..streams.cancellation import run_in_thread
from ..syncing.registry_queries import registry_events, shared_connections
from ..syncing.shared_blobs import SharedBlobs
from ..syncing.sync_request import IMAGES_AT_ONCE, ignore
from .copies import Copies, ImageCopy
from .left_out import LeftOutBlobs
from .part_names import find_files
from .places import BundleTarget
from .reading import OpenBundle, open_bundles
from .signed import check_bundle_signatures
from .sources import BundleContent, BundledImage

if TYPE_CHECKING:
    from ..api.signature_verification import SignatureTrust
    from ..config.policy import Policy
    from ..interfaces import ImageReference
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.signature import Signature
    from ..syncing.sync_request import SyncSink

_UNCHANGED = Form(preserve_digests=True, remove_signatures=True)
_EVERY_REFERRER = WantedReferrers(True, (), True, ())
_LAST_WRITES = 10.0  # seconds for writing down what was done when a run ends, or is interrupted


@dataclass(frozen=True, slots=True)
class AppliedImage:
    """An image that was applied: its full ``name`` in the bundle, where it is now, and what was moved for it."""

    name: str
    place: str
    digest: Digest
    moved: int


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """Which bundles to apply, and where.

    ``files`` are the files of one or several bundles: parts, or paths that stand for all parts beside them. ``trust``
    says who has to have signed each of them; None: the policy decides. ``jobs`` is the maximum number of images copied
    at once, ``guard`` returns a context manager that bounds the time of matching regular expressions.
    """

    files: tuple[Path, ...]
    target: BundleTarget
    trust: SignatureTrust | None = None
    jobs: int = IMAGES_AT_ONCE
    guard: Callable[[], AbstractContextManager[None]] = nullcontext

    def check(self, access: Access) -> None:
        """Raise `InvalidInput` for an impossible request."""
        if self.target.is_store and access.storage.store is None:
            raise InvalidInput("no place for the images: give --to docker://HOST[/PATH], --to oci:DIR, or --store DIR")
        if self.jobs < 1:
            raise InvalidInput(f"{self.jobs} images at once are too few: want at least 1")


async def apply_request(
    request: ApplyRequest, *, access: Access | None = None, report: SyncSink = ignore
) -> tuple[AppliedImage, ...]:
    """Put the images of bundles where they are wanted, with what refers to them; return them sorted by name.

    Of a bundle all parts have to be given. What a bundle was made without has to be at the target, or in another bundle
    that is given with it. All blobs are copied and verified before any image gets its name; what is there already
    is not copied, so an interrupted run goes on. ``access`` None is the user's own configuration, ``report`` gets the
    events of a sync.

    Raises `InvalidInput` for an impossible request, `PathNotFound`, `InvalidContent` for a bundle that is damaged, of
    another version, or without one of its parts, `PolicyRejected`, `DestinationRefused` if the target does not have
    what a bundle was made without, and the errors of the target.
    """
    access = access or Access.from_environ()
    request.check(access)
    bundles = await run_in_thread(lambda: _open_complete(request.files))
    for bundle in bundles:
        await check_bundle_signatures(bundle, request.trust, access)

    async with shared_connections(registry_events(report)) as share:
        storage = access.storage
        files = RunFiles.of_many(access)
        # Only the destination may be the store; what the bundle has is not added to one.
        store = storage.store if request.target.is_store else None
        access = await share(replace(access, storage=replace(storage, shared_files=files, store=store)), "pull,push")
        return await _Application(request, bundles, access, files, report).run()


class _Application:
    """Applies open bundles; ``access`` is that of the target, ``files`` what the images share there."""

    def __init__(
        self, request: ApplyRequest, bundles: Sequence[OpenBundle], access: Access, files: RunFiles, report: SyncSink
    ) -> None:
        self._request, self._bundles, self._access, self._files = request, bundles, access, files
        self._left_out = LeftOutBlobs(bundles, request.target, access)
        # Images of a list that were not selected are not there.
        self._selections = {
            bundle.digest: Selection(Platform.host(), "digests", digests=frozenset(bundle.contents.known))
            for bundle in bundles
        }
        self._shared = SharedBlobs()
        self._copies = Copies(access, self._shared, report, request.jobs)

    async def run(self) -> tuple[AppliedImage, ...]:
        """Check what is needed, copy all blobs, then name all images."""
        from anyio import move_on_after

        images = self._images()
        with self._request.guard():
            places = self._request.target.places([image.name for image in images])
        await self._left_out.check()
        for digest, location in self._left_out.locations():
            self._shared.add(digest, (location,))
        blobs, names = (
            [self._copy(image, places[image.name], record=record) for image in images] for record in (False, True)
        )  # fmt: skip
        self._copies.announce(blobs)
        try:
            moved = await self._copies.move(blobs)
            results = await self._copies.finish(names, moved)
        except ContentMismatch as error:
            files = ", ".join(bundle.name for bundle in self._bundles)
            raise ContentMismatch(
                f"{files}: {error}; 'pyskopeo bundle verify' shows what is damaged: copy that file again",
                expected=error.expected, actual=error.actual,
            ) from None  # fmt: skip
        finally:
            with move_on_after(_LAST_WRITES, shield=True):
                await self._files.flush()
            self._files.remove_empty_directories()
            self._files.save()
        return tuple(
            AppliedImage(image.name, places[image.name].image_name, result.digest, before.moved)
            for image, result, before in zip(images, results, moved, strict=True)
        )

    def _images(self) -> list[BundledImage]:
        """Return the images of all bundles, sorted by name: of one with a base, that base's give way to its own."""
        found: dict[str, tuple[OpenBundle, Descriptor]] = {}
        for bundle in self._bundles:
            for entry in bundle.contents.images:
                name = bundled_name(entry)
                known = found.setdefault(name, (bundle, entry))
                if known[1].digest == entry.digest or _is_based_on(known[0], bundle, self._bundles):
                    continue
                if not _is_based_on(bundle, known[0], self._bundles):
                    raise InvalidInput(
                        f"{known[0].name} and {bundle.name} have different images {name}: apply one after the other"
                    )
                found[name] = bundle, entry
        contents = {
            bundle.digest: BundleContent(
                bundle, [one for one in self._bundles if one is not bundle], self._left_out.blob
            )
            for bundle in self._bundles
        }
        return [BundledImage(contents[bundle.digest], entry) for _, (bundle, entry) in sorted(found.items())]

    def _copy(self, image: BundledImage, place: ImageReference, *, record: bool) -> ImageCopy:
        bundle = image.content.bundle
        has_referrers = bool(bundle.contents.referrers)
        return ImageCopy(
            BundledImage(image.content, image.entry, through=self._request.target.is_store, record=record),
            place,
            CopyOptions(
                self._selections[bundle.digest], _UNCHANGED, referrers=_EVERY_REFERRER if has_referrers else None
            ),
            replace(self._access, policy=_accepting),
            _Whole if record else _BlobsOnly,
        )


class _Whole(DestinationWrapper):
    """Changes nothing."""


class _BlobsOnly(DestinationWrapper):
    """Stores blobs, and neither manifests nor names: these come when all blobs of all images are there."""

    async def put_manifest(self, manifest: Manifest) -> None:
        """Do nothing yet."""

    async def put_root(self, root: Manifest) -> None:
        """Do nothing yet."""

    async def put_signatures(self, signatures: Sequence[Signature], digest: Digest, *, root: bool) -> None:
        """Do nothing yet."""

    async def put_referrers(self, subject: Digest, referrers: Sequence[Manifest]) -> int:
        return 0

    async def confirm_referrers(self) -> None:
        """Do nothing yet."""

    async def put_tagged(self, manifest: Manifest, tag: str) -> bool:
        return False

    async def commit(self, root: Manifest) -> Digest:
        return root.digest


def _open_complete(paths: Sequence[Path]) -> list[OpenBundle]:
    bundles = open_bundles(find_files(paths))
    for bundle in bundles:
        try:
            bundle.check_complete()
        except InvalidContent as error:
            others = [one.name for one in bundles if one is not bundle and one.missing_parts]
            if others and bundle.missing_parts:  # a part of another run is taken for the missing one
                error.args = (f"{error}; {others[0]} is of another bundle", *error.args[1:])
            raise
    return bundles


def _is_based_on(bundle: OpenBundle, other: OpenBundle, bundles: Sequence[OpenBundle]) -> bool:
    """Return whether a bundle was made without what ``other`` has, or without what a bundle has that was."""
    by_digest = {one.digest: one for one in bundles}
    waiting, seen = list(bundle.contents.bases), set[object]()
    while waiting:
        digest = waiting.pop()
        if digest == other.digest:
            return True
        if digest in by_digest and digest not in seen:
            waiting += by_digest[digest].contents.bases
        seen.add(digest)
    return False


def _accepting() -> Policy:
    """Return the policy for images of a bundle: they are what was signed with it."""
    from ..config.policy import Policy

    return Policy.accepting()
