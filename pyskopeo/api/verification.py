"""Verify an image, or all images of a layout or an archive, by image name, without storing anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..access import Access
from ..engine.graph import find_image
from ..engine.selection import has_only_blobs
from ..engine.verification import Advance, ImageVerification, VerifyOptions, ignore_advance
from ..errors import ContentMismatch, InvalidInput, NotFound, PyskopeoError, prefix_errors
from ..fast_dataclass import replace
from ..model.choice import Choice
from ..model.events import Report, Warned
from ..model.layout_profiles import PROFILES
from ..model.platform import Platform
from ..model.reachability import Reachability
from ..model.verification import Fault, FaultKind, VerificationReport
from ..streams.cancellation import run_in_thread
from ..transports import parse_image_name

if TYPE_CHECKING:
    from ..interfaces import ImageReference, ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..storage.docker_archive.reader import DockerArchive, ManifestItem
    from ..transports.docker_archive import DockerArchiveReference
    from ..transports.oci import OciReference
    from ..transports.oci_archive import OciArchiveReference

_REMOTE = ("docker", "docker-daemon")


async def verify(
    name: str,
    *,
    deep: bool = False,
    platform: Platform | Choice | None = None,
    all_platforms: bool = False,
    sparse: bool = False,
    layers: bool = True,
    max_inflated: int | None = None,
    profile: str = "",
    expected: Digest | None = None,
    access: Access | None = None,
    advance: Advance = ignore_advance,
) -> VerificationReport:
    """Verify the manifests and blobs of an image (``transport:details``): present, size, digest, media types.

    Every byte is read and dropped; nothing is stored. Of ``oci:PATH``, ``oci-archive:PATH`` and ``docker-archive:PATH``
    all images are verified, with a further name that one; of a layout also ``oci-layout``, ``index.json``, and which
    files nothing needs. Of an image in a registry or a Docker daemon, the one for this machine's architecture is, on
    Linux, or every one with ``all_platforms``. ``platform`` selects one from any image name.

    ``deep`` decompresses the layers, in bounded memory, and compares them with the diff IDs that the configuration
    states (OCI image specification, config.md); ``max_inflated`` is the maximum size of all of them in bytes, None: 16
    GiB, or 200 times their stored size if that is more. ``sparse`` accepts images of an index that are missing as a
    whole, and ``layers`` False layers that are. ``profile`` is a program, ``umoci`` or ``docker-library``, whose
    demands on a layout ``oci:PATH`` are checked besides. ``expected`` is the digest of the manifest that the name has
    to lead to, as `verify_signatures` has found it; it is not compared where all images of a layout or an archive are
    verified. ``advance`` is called a few times per second with the number of bytes verified so far and that of all
    blobs.

    Returns all faults. Raises `InvalidName`, `PathNotFound` or `NotFound` if there is no such image, `ContentMismatch`
    if it is not the ``expected`` one, `NetworkError` and other kinds of `PyskopeoError` if it cannot be read at all.
    """
    reference, access = parse_image_name(name), access or Access.from_environ()
    # What the content store has says nothing about the image where it is.
    storage = replace(access.storage, store=None)
    access = replace(access, storage=storage if max_inflated is None else replace(storage, max_inflated=max_inflated))
    external = reference.transport in _LOCAL
    options = VerifyOptions(deep, sparse, external, layers, max_inflated)
    if profile and (profile not in PROFILES or reference.transport != "oci"):
        raise InvalidInput(f"profile {profile!r} of {name}: want {' or '.join(PROFILES)}, and a layout oci:PATH")
    if platform is None and reference.transport in _LOCAL:
        report = await _LOCAL[reference.transport](reference, options, access, advance)
        return await _with_profile(report, reference, profile, access) if profile else report
    if platform is None and reference.transport in _REMOTE and not all_platforms:
        platform = Platform.host()
    async with _opened(reference, access) as source:
        return await _verify_image(
            reference, source, platform, options, expected=expected, report_to=access.report, advance=advance
        )  # fmt: skip


async def _with_profile(
    report: VerificationReport, reference: ImageReference, profile: str, access: Access
) -> VerificationReport:
    """Return the report of a layout with what a program would refuse."""
    from ..storage.layout_profile_check import profile_faults
    from ..storage.oci_layout import DirectoryFiles
    from ..transports.oci import OciReference

    assert isinstance(reference, OciReference)
    files = DirectoryFiles(reference.path, access.storage.shared_blobs)
    faults = await run_in_thread(partial(profile_faults, files, profile))
    return replace(report, faults=(*report.faults, *faults))


@asynccontextmanager
async def _opened(reference: ImageReference, access: Access) -> AsyncIterator[ImageSource]:
    """Open an image; blobs that a layout does not hold are not fetched from their URLs."""
    if reference.transport == "oci":
        from ..storage.oci_layout import DirectoryFiles, LayoutSource
        from ..transports.oci import OciReference

        assert isinstance(reference, OciReference)
        files = DirectoryFiles(reference.path, access.storage.shared_blobs)
        yield LayoutSource(files, reference.name, str(reference.path))
    elif reference.transport == "oci-archive":
        from ..storage.oci_layout import LayoutSource
        from ..storage.scratch import readable_archive
        from ..transports.oci_archive import OciArchiveReference

        assert isinstance(reference, OciArchiveReference)
        async with readable_archive(reference.path, access.storage.scratch, access.storage.max_inflated) as index:
            yield LayoutSource(index, reference.name, str(reference.path))
    else:
        async with reference.open_source(access) as source:
            yield source


async def _verify_image(
    reference: ImageReference, source: ImageSource, platform: Platform | Choice | None, options: VerifyOptions, *,
    expected: Digest | None, report_to: Report, advance: Advance,
) -> VerificationReport:  # fmt: skip
    path_of: Callable[[Descriptor], str] = _no_path
    if reference.transport == "dir":
        from ..storage.directory_files import file_of as path_of
    run = ImageVerification(source, Reachability(), options, path_of=path_of, advance=advance)
    with prefix_errors(f"reading {reference.image_name}"):
        root = await source.manifest()
        if expected is not None and root.digest != expected:
            raise ContentMismatch(
                f"the name leads to {root.digest}, and led to {expected} a moment ago: run it again",
                expected=str(expected), actual=str(root.digest),
            )  # fmt: skip
        if platform is not None and not has_only_blobs(root):
            root = await find_image(
                source, root, platform, lambda message: report_to(Warned(f"{reference.image_name}: {message}"))
            )
    run.add_image(root, reference.image_name)
    await run.run()
    report = run.report(reference.image_name)
    if platform is None and reference.transport == "dir":
        from ..storage.directory_files import unneeded_files
        from ..transports.directory import DirReference

        assert isinstance(reference, DirReference)
        needed = (node.descriptor for node in run.graph.nodes.values())
        report = replace(report, unneeded=tuple(unneeded_files(reference.path, needed)))
    return report


def _no_path(_: Descriptor) -> str:
    return ""


async def _verify_layout(
    reference: OciReference, options: VerifyOptions, access: Access, advance: Advance
) -> VerificationReport:
    from ..storage.layout_verification import verify_layout

    return await verify_layout(
        reference.path, reference.name, shared=access.storage.shared_blobs, options=options,
        title=reference.image_name, advance=advance,
        on_wait=lambda: access.report(Warned(f"waiting for {reference.image_name}, from which blobs are removed")),
    )  # fmt: skip


async def _verify_oci_archive(
    reference: OciArchiveReference, options: VerifyOptions, access: Access, advance: Advance
) -> VerificationReport:
    from ..storage.layout_verification import verify_archive
    from ..storage.scratch import readable_archive

    async with readable_archive(reference.path, access.storage.scratch, access.storage.max_inflated) as index:
        return await verify_archive(
            index, reference.name, options=options, title=reference.image_name, advance=advance
        )  # fmt: skip


async def _verify_docker_archive(
    reference: DockerArchiveReference, options: VerifyOptions, access: Access, advance: Advance
) -> VerificationReport:
    from ..storage.docker_archive.reader import DockerArchive
    from ..storage.scratch import readable_archive

    async with readable_archive(reference.path, access.storage.scratch, access.storage.max_inflated) as index:
        archive = DockerArchive.read(index)
        chosen = archive.items
        if reference.name is not None or reference.position is not None:
            chosen = [archive.choose(reference.name, reference.position)]
        found = VerificationReport(reference.image_name, 0, 0, 0, 0, options.deep)
        for item in chosen:
            found = _added(found, await _verify_item(archive, item, options, access, advance))
        return found


async def _verify_item(
    archive: DockerArchive, item: ManifestItem, options: VerifyOptions, access: Access, advance: Advance
) -> VerificationReport:
    """Verify one image of a ``docker save`` archive, which has no manifest of its own."""
    from ..storage.docker_archive.reader import DockerArchiveSource

    name = ", ".join(item.tags) or f"@{archive.items.index(item)}"
    source = DockerArchiveSource(archive, item, access.storage.max_inflated)
    run = ImageVerification(source, Reachability(), options, path_of=source.member_of, advance=advance)
    try:
        run.add_image(await source.manifest(), name)
    except PyskopeoError as error:
        kind = FaultKind.MISSING if isinstance(error, NotFound) else FaultKind.INVALID
        return run.report(name, [Fault(kind, "manifest.json", str(error), path="manifest.json", needed_by=(name,))])
    await run.run()
    return run.report(name)


def _added(one: VerificationReport, other: VerificationReport) -> VerificationReport:
    return replace(
        one,
        images=one.images + other.images,
        manifests=one.manifests + other.manifests,
        blobs=one.blobs + other.blobs,
        size=one.size + other.size,
        faults=(*one.faults, *other.faults),
    )


_LOCAL: Mapping[str, Callable[[Any, VerifyOptions, Access, Advance], Awaitable[VerificationReport]]] = {
    "oci": _verify_layout, "oci-archive": _verify_oci_archive, "docker-archive": _verify_docker_archive,
}  # fmt: skip
