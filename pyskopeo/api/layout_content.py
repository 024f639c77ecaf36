"""What is missing in OCI layouts, and how it gets there: complete a layout, assemble one, merge several."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..access import Access
from ..engine.policy_check import check_policy
from ..engine.verification import Advance, ignore_advance
from ..errors import InvalidContent, InvalidInput, InvalidName, NotFound, PathNotFound, prefix_errors
from ..fast_dataclass import replace
from ..model.descriptor import UNKNOWN_SIZE, Descriptor
from ..model.digest import Digest
from ..model.recorded_sources import recorded_sources
from ..model.strict_json import MANIFEST_LIMIT, parse_object
from ..storage.content_sources import BlobFiles, ContentSource, ImageContent, open_files
from ..storage.files import read_bounded
from ..storage.index_file import IndexFile
from ..storage.layout_completion import CompletionOptions, layout_roots
from ..storage.layout_completion import complete_layout as complete
from ..storage.locked_content import open_lock
from ..storage.oci_layout import DirectoryFiles, LayoutSource
from ..storage.shared_files import RunFiles
from ..streams.cancellation import run_in_thread
from ..transports import TRANSPORTS, parse_image_name
from .layouts import layout_reference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from ..interfaces import ImageReference
    from ..model.completion import CompletionReport
    from ..transports.oci import OciReference

# The kinds of places, in the order in which they are asked. Those of images hold blobs by their digests.
_LAYOUTS = ("oci", "oci-archive", "dir")
_ORDER = ("layout", "files", "index", "store", "registry")


async def find_missing_content(
    name: str, *, sources: Sequence[str] = (), sparse: bool = False, access: Access | None = None
) -> CompletionReport:
    """Return what the layout ``oci:PATH``, or one image of it, lacks of all that its entries lead to.

    Each missing manifest and blob comes with the repositories that the layout records as its source, and ``sources``,
    HOST/REPOSITORY. What is there is read, unless it is known to be right. ``sparse`` accepts images of an index that
    are missing as a whole. Nothing is written or requested. Raises `InvalidName`, `PathNotFound` if there is no such
    layout or image, `InvalidContent` and `StorageFailed`.
    """
    layout, access = layout_reference(name), access or Access.from_environ()
    found = await _with_files(access, lambda files: complete(
        layout.path, (), layout.name, shared=access.storage.shared_blobs, existing=files.existing_blobs(access),
        options=CompletionOptions(sparse), write=False, report=access.report,
    ))  # fmt: skip
    missing = (replace(one, sources=tuple(dict.fromkeys((*one.sources, *sources)))) for one in found.missing)
    return replace(found, missing=tuple(missing))


async def complete_layout(
    name: str,
    places: Sequence[str] = (),
    *,
    base: Path = Path(),
    sparse: bool = False,
    access: Access | None = None,
    source_access: Access | None = None,
    advance: Advance = ignore_advance,
) -> CompletionReport:
    """Complete the layout ``oci:PATH``, or one image of it: what is missing or broken is brought from ``places``.

    A place is an image name of the transports oci, oci-archive, dir or docker, of which only blobs and manifests are
    read, ``store:DIR``, a file that is a blob, a directory of such files, a blob index with paths below ``base``, or a
    lock file, which has manifests. Layouts are asked first, then files, blob indexes, stores, and registries last.
    Without places, the registries are those that the layout records. The signature policy must accept images.
    ``access`` and ``source_access`` are the settings of the layout and of the places. Returns what was added, and what
    is still missing. Raises `InvalidInput`, `PathNotFound` if there is no such layout or image, `PolicyRejected`,
    `InvalidContent` and `StorageFailed`.
    """
    layout, access = layout_reference(name), access or Access.from_environ()
    reading = source_access or access
    places = places or _recorded_places(layout)
    async with open_places(places, reading, base=base) as sources:
        report = await _with_files(access, lambda files: complete(
            layout.path, sources, layout.name, shared=access.storage.shared_blobs,
            existing=files.existing_blobs(access), options=_options(access, sparse=sparse),
            report=access.report, advance=advance,
        ))  # fmt: skip
    if report.missing and not places:
        raise InvalidInput(f"{layout} does not record where it is from: say so with --from docker://HOST/REPOSITORY")
    return report


async def assemble_layout(
    destination: str,
    root: str,
    places: Sequence[str],
    *,
    base: Path = Path(),
    sparse: bool = False,
    access: Access | None = None,
    advance: Advance = ignore_advance,
) -> CompletionReport:
    """Write the image ``root`` into the layout ``destination``, ``oci:PATH[:NAME]``, from ``places`` on this machine.

    ``root`` is a digest, or the path of a file with the manifest or its descriptor. ``places`` are those of
    `complete_layout` without registries: nothing is requested. If something is missing it is returned, and nothing is
    written, or the layout does not name the image. Raises `InvalidInput`, `InvalidContent`, `PathNotFound` and
    `StorageFailed`.
    """
    from ..storage.layout_assembly import assemble_layout as assemble

    layout, access = layout_reference(destination), access or Access.from_environ()
    if layout.name.startswith("@"):
        raise InvalidName(f"{destination}: an image by position can only be read, not written")
    access = replace(access, network=replace(access.network, offline=True))
    image, own = await run_in_thread(lambda: read_root(root))
    async with open_places(places, access, base=base, requests=False) as sources:
        return await _with_files(access, lambda files: assemble(
            layout.path, image, layout.name, [*own, *sources], existing=files.existing_blobs(access),
            options=_options(access, sparse=sparse), report=access.report, advance=advance,
        ))  # fmt: skip


async def merge_layouts(
    destination: str, layouts: Sequence[str], *, access: Access | None = None, advance: Advance = ignore_advance
) -> CompletionReport:
    """Write what is in several layouts, ``oci:PATH``, into the layout ``destination``, beside what is there.

    What all of them lack is returned as missing. Raises `InvalidName`, `PathNotFound` for a path without a layout,
    `DestinationRefused` for a name that refers to different images, `ContentMismatch` for content that is wrong
    wherever it is, and `StorageFailed`.
    """
    from ..storage.layout_assembly import merge_layouts as merge

    target, access = layout_reference(destination, whole=True), access or Access.from_environ()
    references = [layout_reference(layout, whole=True) for layout in layouts]
    opened = [(one.path, _layout_content(f"oci:{one.path}", one.path)) for one in references]
    return await _with_files(access, lambda files: merge(
        target.path, opened, existing=files.existing_blobs(access), options=_options(access),
        report=access.report, advance=advance,
    ))  # fmt: skip


@asynccontextmanager
async def open_places(
    places: Sequence[str], access: Access, *, base: Path = Path(), requests: bool = True
) -> AsyncIterator[list[ContentSource]]:
    """Open places of content, as `complete_layout` takes them, in the order in which they are asked.

    Without ``requests`` a registry is refused. Raises `InvalidInput`, `PolicyRejected`, `InvalidContent`,
    `StorageFailed`, and `NotFound` or `PathNotFound` for a path that does not exist.
    """
    async with AsyncExitStack() as stack:
        opened: list[tuple[str, ContentSource]] = []
        for place in places:
            transport, _, details = place.partition(":")
            if transport == "store" and details:
                opened.append(("store", _layout_content(place, Path(details))))
            elif transport in TRANSPORTS:
                opened.append(await _open_image(stack, place, access, requests=requests))
            else:
                opened.append(await run_in_thread(partial(_open_path, place, base)))
        yield [source for kind in _ORDER for found, source in opened if found == kind]


async def _with_files(
    access: Access, work: Callable[[RunFiles], Awaitable[CompletionReport]]
) -> CompletionReport:
    """Call ``work`` with what is known of local files, and write down what it found out about them."""
    files = RunFiles.of(access)
    try:
        return await work(files)
    finally:
        files.save()


def _options(access: Access, *, sparse: bool = False) -> CompletionOptions:
    storage = access.storage
    return CompletionOptions(sparse, access.writing.reuse, storage.resume, storage.partial_age)


async def _open_image(
    stack: AsyncExitStack, place: str, access: Access, *, requests: bool
) -> tuple[str, ContentSource]:
    reference = parse_image_name(place)
    local = reference.transport in _LAYOUTS
    if not local and not (requests and reference.transport == "docker"):
        allowed = ", ".join((*_LAYOUTS, *(["docker"] if requests else [])))
        raise InvalidInput(f"{place}: content is taken from {allowed}, store:DIR, and paths")
    check_policy(reference, access)
    _check_there(reference)
    with prefix_errors(f"initializing source {place}"):
        source = await stack.enter_async_context(reference.open_source(access))
    return "layout" if local else "registry", ImageContent(place, source, local=local)


def _check_there(reference: ImageReference) -> None:
    path = getattr(reference, "path", None)
    if isinstance(path, Path) and not path.exists():
        raise PathNotFound(f"{path}: no such file or directory")


def _layout_content(name: str, path: Path) -> ContentSource:
    if not path.is_dir():
        raise PathNotFound(f"{path}: no such directory")
    return ImageContent(name, LayoutSource(DirectoryFiles(path), "", str(path)), local=True)


def _open_path(place: str, base: Path) -> tuple[str, ContentSource]:
    try:
        if (lock := open_lock(Path(place))) is not None:
            return "files", lock
        found = open_files(Path(place), base)
    except NotFound as error:
        raise PathNotFound(str(error)) from None
    return "index" if found.is_index else "files", found


def _recorded_places(layout: OciReference) -> list[str]:
    """Return the image names of the repositories that a layout records."""
    try:
        roots = layout_roots(IndexFile(layout.path).read(), layout.name, str(layout.path))
    except NotFound:
        return []  # the completion says what is wrong
    found = dict.fromkeys(source.name for _, root in roots for source in recorded_sources(root.annotations))
    return [f"docker://{name}" for name in found]


def read_root(text: str) -> tuple[Descriptor, list[ContentSource]]:
    """Return the descriptor of an image, and the file that is its manifest, if it is one; for a worker thread.

    ``text`` is a digest, or the path of a file with a manifest or a descriptor. Raises `InvalidContent`, `PathNotFound`
    and `StorageFailed`.
    """
    path = Path(text)
    if not path.exists():
        try:
            return Descriptor("", Digest.parse(text), UNKNOWN_SIZE), []
        except InvalidContent:
            raise PathNotFound(f"{text}: no digest, and no such file") from None
    raw = read_bounded(path, MANIFEST_LIMIT)
    document = parse_object(raw, text)
    if "digest" in document and "schemaVersion" not in document:
        return Descriptor.from_json(document, text), []
    media_type = document.get("mediaType")
    described = Descriptor(media_type if isinstance(media_type, str) else "", Digest.of(raw), len(raw))
    return described, [BlobFiles(text, {}, [path])]
