"""Make a bundle of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.signing import Signing
from ..errors import InvalidInput
from ..fast_dataclass import dataclass, replace
from ..storage.archive_output import check_output, is_written_directly
from ..storage.scratch import scratch_directory
from ..storage.shared_files import RunFiles
from ..streams.cancellation import run_in_thread
from ..syncing.registry_queries import registry_events, shared_connections
from ..syncing.sync_request import IMAGES_AT_ONCE, LogMessage, ignore
from .collection import Base, Collection
from .earlier_archives import EarlierArchives
from .part_names import find_files, is_part
from .reading import read_contents
from .wanted import FindOptions, find_wanted
from .writing import BundleWriter, WrittenBundle, check_replaceable

if TYPE_CHECKING:
    from ..engine.selection import Selection
    from ..model.bundle import BundleContents
    from ..model.reference import Reference
    from ..model.referrer import WantedReferrers
    from ..signatures.signer import Signer
    from ..syncing.sync_request import SyncSink
    from .wanted import WantedImage

_LAST_WRITES = 10.0  # seconds for writing down what was fetched when a run ends, or is interrupted


@dataclass(frozen=True, slots=True)
class BundleRequest:
    """Which images a bundle is made of, and how.

    ``images`` are what `wanted.find_wanted` takes. ``since`` are earlier bundles, or the small files that stand for
    them: what they have is left out. ``selection`` chooses among the images of an index, see `wanted.FindOptions`.
    ``max_size`` is the maximum size in bytes of a file; None: one file. ``signers`` sign the bundle as the image
    ``sign_identity``. ``jobs`` is the maximum number of images copied at once, ``guard`` that of `SyncRequest`.
    """

    images: tuple[str, ...]
    output: Path
    since: tuple[Path, ...] = ()
    selection: Selection | None = None
    referrers: WantedReferrers | None = None
    max_size: int | None = None
    signers: tuple[Signer, ...] = ()
    sign_identity: Reference | None = None
    jobs: int = IMAGES_AT_ONCE
    guard: Callable[[], AbstractContextManager[None]] = nullcontext

    def check(self) -> None:
        """Raise `InvalidInput` for an impossible request; changes nothing."""
        if not self.images:
            raise InvalidInput("no images to make a bundle of: name some, or a file that lists them")
        if self.jobs < 1:
            raise InvalidInput(f"{self.jobs} images at once are too few: want at least 1")
        if is_part(self.output):
            raise InvalidInput(f"{self.output}: names that end so are those of parts: want another one")
        if self.max_size is not None and is_written_directly(self.output):
            raise InvalidInput(f"{self.output}: parts are written to files, want the path of one")
        if self.signers and (self.sign_identity is None or not self.sign_identity.manifest_name):
            raise InvalidInput("a bundle is signed as an image: give its name, with a tag, by --sign-identity")
        for signer in self.signers:
            if signer.format == "bundle":
                raise InvalidInput(f"{signer.called} makes sigstore bundles, for which a bundle of images has no place")


async def make_bundle(
    request: BundleRequest, *, access: Access | None = None, report: SyncSink = ignore
) -> WrittenBundle:
    """Make a bundle of images, an OCI archive that skopeo, podman and containerd read, in one or several files.

    The same images make the same bytes, but for signatures. Digests do not change. What an interrupted run has fetched
    is kept beside the output and not fetched again; neither is what an earlier bundle at the same place has. Beside the
    output, the small file ``OUTPUT.manifest`` is written, which stands for the bundle where the next one is made.
    ``access`` None is the user's own configuration, ``report`` gets the events of a sync.

    Raises `InvalidInput` for an impossible request and for images without names of their own, `DestinationRefused` if
    something else than a bundle is in the way, and the errors of registries and files: the first one cancels the rest.
    """
    request.check()
    access = access or Access.from_environ()
    check_output(request.output, replace=True)
    await run_in_thread(lambda: check_replaceable(request.output))
    bases = await run_in_thread(lambda: _read_bases(request.since, request.output))
    signing = Signing(request.signers, request.sign_identity)
    await signing.prepare()

    async with shared_connections(registry_events(report)) as share:
        storage = access.storage
        files = RunFiles.of_many(access)
        access = replace(access, storage=replace(storage, shared_files=files))
        images = await find_wanted(
            request.images, FindOptions(access, share, report, request.selection, request.guard)
        )  # fmt: skip
        return await _Creation(request, access, files, report).run(images, bases, signing)


class _Creation:
    """One bundle that is made; ``access`` is that of the images and of files, ``files`` what the images share."""

    def __init__(self, request: BundleRequest, access: Access, files: RunFiles, report: SyncSink) -> None:
        self._request, self._access, self._files, self._report = request, access, files, report
        self._directory = scratch_directory(request.output, access.storage)
        self._collection = Collection(self._directory, request.output, files)

    async def run(self, images: Sequence[WantedImage], bases: Sequence[Base], signing: Signing) -> WrittenBundle:
        """Fetch the images, sign the bundle and write it; what is there stays after a failure, for the next run."""
        failed = True
        try:
            await run_in_thread(self._collection.create)
            contents = await self._fetch(images, bases)
            request = self._request
            writer = BundleWriter(
                self._collection.root, contents, request.output, request.max_size, keep=self._directory.resumes
            )
            signatures = await signing.sign(writer.manifest.digest) if signing.signers else []
            self._report(LogMessage("info", f"Writing {request.output}, {len(contents.blobs)} blobs"))
            written = await run_in_thread(partial(writer.write, signatures))
            failed = False
        finally:
            self._collection.close(failed=failed)
        return written

    async def _fetch(self, images: Sequence[WantedImage], bases: Sequence[Base]) -> BundleContents:
        from anyio import move_on_after

        request = self._request
        earlier = EarlierArchives(request.output)
        try:
            if self._directory.resumes:
                await run_in_thread(earlier.open)
            return await self._collection.fetch(
                images, bases, earlier,
                referrers=request.referrers, writing=self._access, report=self._report, jobs=request.jobs,
            )  # fmt: skip
        finally:
            with move_on_after(_LAST_WRITES, shield=True):
                await self._files.flush()
            self._files.save()
            earlier.close()


def _read_bases(paths: Sequence[Path], output: Path) -> list[Base]:
    """Read the earlier bundles; raises what `read_contents` raises, and `InvalidInput` for the output itself."""
    found: dict[object, Base] = {}
    for path in find_files(paths):
        if not is_written_directly(output) and path.resolve() == output.resolve():
            raise InvalidInput(f"{path} cannot be the bundle to make and the earlier one: write to another file")
        digest, contents = read_contents(path)
        found[digest] = Base(digest, contents.known)
    return list(found.values())
