"""Verify every manifest and blob of images at a source, without storing them, and report each fault.

Independent of transports, files and registries: it uses `ImageSource` only. Faults do not end the run.
"""

from __future__ import annotations

from errno import ENOENT
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from ..errors import (
    ContentMismatch,
    InvalidContent,
    NotFound,
    PyskopeoError,
    RegistryError,
    StorageFailed,
    TooLarge,
    Unsupported,
    first_error,
)
from ..fast_dataclass import dataclass, replace
from ..model import mediatype
from ..model.descriptor import UNKNOWN_SIZE
from ..model.image_config import ImageConfig
from ..model.reachability import Node, Reachability
from ..model.strict_json import CONFIG_LIMIT
from ..model.verification import REPAIRABLE, Fault, FaultKind, VerificationReport
from ..streams.cancellation import run_in_thread
from ..streams.concurrency import processors, ticking, work_off
from ..streams.plain_content import InflatedTotal, PlainContent, default_inflated_limit
from .layer_check import LayerCheck
from .selection import check_depth
from .transfer import LARGE_AT_ONCE, SMALL, SMALL_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..interfaces import ImageSource
    from ..model.descriptor import Descriptor
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..streams.pump import Blob

_DOCUMENTS_AT_ONCE = 8
_TICK = 0.2
Repairer: TypeAlias = "Callable[[Fault, Descriptor, bool], Awaitable[str]]"
"""Puts content right: called with its fault, its descriptor, and whether it is a manifest. Returns why that was not
possible, "" if it was."""
Advance: TypeAlias = "Callable[[int, int], None]"
"""Called in the event loop, a few times per second, with the number of bytes verified so far and that of all blobs."""


def ignore_advance(done: int, total: int) -> None:
    """An `Advance` that does nothing."""


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """How to verify.

    ``deep`` decompresses layers and compares them with the diff IDs of the configuration; ``max_inflated`` is the
    maximum size of all decompressed layers in bytes, None for the default of a copy (`Form`). ``sparse`` accepts images
    of an index that are missing as a whole, as after a copy of some platforms. ``external`` accepts blobs that are
    missing and have URLs, as non-distributable layers have. Without ``layers`` those that are missing are accepted, as
    after a copy without them.
    """

    deep: bool = False
    sparse: bool = False
    external: bool = False
    layers: bool = True
    max_inflated: int | None = None


class ImageVerification:
    """Verifies what can be reached from ``graph``'s roots at a source; `run` once, then read the results.

    ``path_of`` returns the file of a descriptor for `Fault.path`. ``repair`` is called for each fault that other bytes
    would put right.
    """

    def __init__(
        self, source: ImageSource, graph: Reachability, options: VerifyOptions, *,
        path_of: Callable[[Descriptor], str], repair: Repairer | None = None, advance: Advance = ignore_advance,
    ) -> None:  # fmt: skip
        self.graph, self.faults = graph, list[Fault]()
        self.absent: list[Digest] = []
        self.external: list[Digest] = []
        self.left_out: list[Digest] = []
        self.verified: dict[Digest, int] = {}
        self._source, self._options, self._path_of = source, options, path_of
        self._repair, self._advance = repair, advance
        self._diff_ids: dict[Digest, tuple[Digest, ...]] = {}
        self._inflated = InflatedTotal(0)
        self._done: dict[Digest, int] = {}
        self._total = 0

    def add_image(self, manifest: Manifest, name: str) -> None:
        """Add a root whose manifest was read already; raises `TooLarge`."""
        self.graph.add_root(manifest.descriptor, name)
        for node in self.graph.take_unread():
            self.verified[manifest.digest] = len(manifest.raw)
            self.graph.add_manifest(node, manifest)

    async def run(self) -> None:
        """Read all manifests, then all configurations, then all other blobs.

        Raises `TooLarge` for more content than can be reported about.
        """
        while batch := self.graph.take_unread():
            await work_off(batch, self._read_manifest, at_once=_DOCUMENTS_AT_ONCE)
        self._note_other_sizes()
        blobs = [node for node in self.graph.nodes.values() if node.kind != "manifest"]
        self._total = sum(max(node.descriptor.size, 0) for node in blobs)
        limit = self._options.max_inflated
        self._inflated.limit = default_inflated_limit(self._total) if limit is None else limit
        await self._with_progress(self._verify_blobs(blobs))

    def report(self, name: str, faults: Sequence[Fault] = ()) -> VerificationReport:
        """Return the result for an image called ``name``, with further ``faults``, of its files."""
        manifests = sum(self.graph.nodes[digest].kind == "manifest" for digest in self.verified)
        return VerificationReport(
            name,
            images=manifests - self.graph.indexes,
            manifests=manifests,
            blobs=len(self.verified) - manifests,
            size=sum(self.verified.values()),
            deep=self._options.deep,
            faults=tuple(sorted((*faults, *self.faults), key=_order)),
            absent=tuple(self.absent),
            external=tuple(self.external),
            left_out=tuple(self.left_out),
        )

    async def _verify_blobs(self, blobs: list[Node]) -> None:
        from anyio import create_task_group

        configs = [node for node in blobs if self._is_image_config(node)]
        await work_off(configs, self._verify_blob, at_once=_DOCUMENTS_AT_ONCE)
        self._collect_diff_ids()
        rest = [node for node in blobs if not self._is_image_config(node)]
        rest.sort(key=lambda node: -node.descriptor.size)
        large = sum(node.descriptor.size > SMALL for node in rest)
        with first_error():
            async with create_task_group() as tasks:
                tasks.start_soon(partial(work_off, rest[large:], self._verify_blob, at_once=SMALL_AT_ONCE))
                at_once = min(LARGE_AT_ONCE, processors())
                await work_off(rest[:large], self._verify_blob, at_once=at_once, when_idle=LARGE_AT_ONCE)

    async def _read_manifest(self, node: Node) -> None:
        manifest, error = await self._manifest(node)
        fault = None if error is None else await self._repaired(self._fault(node, error), node)
        if error is not None and fault is None:
            manifest, error = await self._manifest(node)
            fault = None if error is None else self._fault(node, error)
        if fault is not None and not node.is_uncertain:
            self._note(fault, node)
            return
        if manifest is not None:
            self._check_manifest(node, manifest)
        self.graph.add_manifest(node, manifest)  # an uncertain one that is no manifest is verified as a blob

    async def _manifest(self, node: Node) -> tuple[Manifest | None, PyskopeoError | None]:
        """Read a manifest; return it, or the error."""
        try:
            check_depth(max(node.depth, 1))
            return await self._source.manifest(node.descriptor), None
        except PyskopeoError as error:
            return None, error

    def _check_manifest(self, node: Node, manifest: Manifest) -> None:
        stated = node.descriptor
        self.verified[stated.digest] = len(manifest.raw)
        if len(manifest.raw) != stated.size:
            text = f"has {len(manifest.raw)} bytes, its descriptor says {stated.size}"
            self.faults.append(self._described(FaultKind.SIZE, node, text))
        if manifest.served_as:
            text = f"is {manifest.media_type}, its descriptor says {manifest.served_as}"
            self.faults.append(self._described(FaultKind.MEDIA_TYPE, node, text))

    def _note_other_sizes(self) -> None:
        """Note descriptors of one digest that state different sizes."""
        for node in self.graph.nodes.values():
            if node.other_sizes:
                sizes = (node.descriptor.size, *node.other_sizes)
                text = f"is said to have {', '.join(map(str, sizes))} bytes"
                self.faults.append(self._described(FaultKind.SIZE, node, text))

    def _is_image_config(self, node: Node) -> bool:
        descriptor = node.descriptor
        return descriptor.media_type in mediatype.IMAGE_CONFIGS and descriptor.size <= CONFIG_LIMIT

    async def _verify_blob(self, node: Node) -> None:
        check = partial(self._check_config if self._is_image_config(node) else self._check_blob, node)
        fault = await self._checked(node, check)
        if fault is not None and (fault := await self._repaired(fault, node)) is None:
            fault = await self._checked(node, check)
        if fault is not None:
            self._note(fault, node)
        self._done[node.descriptor.digest] = max(node.descriptor.size, 0)

    async def _checked(self, node: Node, check: Callable[[], Awaitable[Fault | None]]) -> Fault | None:
        try:
            return await check()
        except PyskopeoError as error:
            return self._fault(node, error)

    async def _check_config(self, node: Node) -> Fault | None:
        raw = await self._source.blob(node.descriptor).read(CONFIG_LIMIT)
        self.verified[node.descriptor.digest] = len(raw)
        self._diff_ids[node.descriptor.digest] = ImageConfig.parse(raw).diff_ids
        return None

    async def _check_blob(self, node: Node) -> Fault | None:
        blob = await self._sized(self._source.blob(node.descriptor))
        digest = node.descriptor.digest
        plain = PlainContent(self._diff_ids.get(digest, ()), self._inflated) if self._options.deep else None
        check = LayerCheck(blob.descriptor, plain if node.kind == "layer" else None)

        def moved(count: int) -> None:
            self._done[digest] = count

        await blob.copy_to(check, moved)
        self.verified[digest] = blob.descriptor.size
        await run_in_thread(check.finish)
        return None if check.kind is None else self._described(check.kind, node, check.problem)

    async def _sized(self, blob: Blob) -> Blob:
        """Return a blob with its size, which manifests of schema 1 do not state."""
        if blob.descriptor.size != UNKNOWN_SIZE:
            return blob
        size = await self._source.blob_size(blob.descriptor)
        return self._source.blob(replace(blob.descriptor, size=size))

    def _collect_diff_ids(self) -> None:
        """Compare the numbers of layers, and keep the diff IDs by layer in the place of those by configuration."""
        by_config, self._diff_ids = self._diff_ids, {}
        for digest, image in self.graph.images.items():
            diff_ids = by_config.get(image.config, ())
            if not diff_ids:
                continue  # of an artifact, of an image built by an odd tool, or it could not be read
            if len(diff_ids) != len(image.layers):
                text = f"has {len(image.layers)} layers, its configuration names {len(diff_ids)}"
                self.faults.append(self._described(FaultKind.DIFF_ID, self.graph.nodes[digest], text))
                continue
            for layer, diff_id in zip(image.layers, diff_ids, strict=True):
                known = self._diff_ids.get(layer, ())
                if diff_id not in known:
                    self._diff_ids[layer] = (*known, diff_id)

    async def _repaired(self, fault: Fault, node: Node) -> Fault | None:
        """Return None if content was put right, else its fault."""
        if self._repair is None or fault.kind not in REPAIRABLE or self._is_accepted(fault, node):
            return fault
        reason = await self._repair(fault, node.descriptor, node.kind == "manifest")
        return replace(fault, message=f"{fault.message}; {reason}") if reason else None

    def _note(self, fault: Fault, node: Node) -> None:
        if not self._is_accepted(fault, node):
            if fault.kind is FaultKind.MISSING and node.kind == "manifest" and node.is_platform:
                hint = "--sparse accepts images of a list that were left out"
                fault = replace(fault, message=f"{fault.message}; {hint}")
            self.faults.append(fault)
        elif node.kind == "layer" and not (self._options.external and node.descriptor.urls):
            self.left_out.append(node.descriptor.digest)
        elif node.descriptor.urls:
            self.external.append(node.descriptor.digest)
        elif not node.is_subject:
            self.absent.append(node.descriptor.digest)

    def _is_accepted(self, fault: Fault, node: Node) -> bool:
        """Return whether content may be missing."""
        if fault.kind is not FaultKind.MISSING:
            return False
        if node.kind == "manifest":
            return node.is_subject or (self._options.sparse and node.is_platform)
        is_left_out = node.kind == "layer" and not self._options.layers
        return is_left_out or (self._options.external and bool(node.descriptor.urls))

    def _fault(self, node: Node, error: PyskopeoError) -> Fault:
        return self._described(_kind(error, node.descriptor), node, str(error))

    def _described(self, kind: FaultKind, node: Node, message: str) -> Fault:
        stated = node.descriptor
        return Fault(
            kind, node.kind, message, stated.digest, stated.size, stated.media_type, self._path_of(stated),
            self.graph.names(node),
        )  # fmt: skip

    async def _with_progress(self, work: Awaitable[None]) -> None:
        async with ticking(lambda: self._advance(sum(self._done.values()), self._total), _TICK):
            await work
        self._advance(self._total, self._total)


def _order(fault: Fault) -> tuple[bool, str, str, str]:
    return fault.digest is not None, fault.path, str(fault.digest), fault.message


def _kind(error: PyskopeoError, descriptor: Descriptor) -> FaultKind:
    """Return the kind of fault that an error in reading the content of a descriptor is about."""
    missing = isinstance(error, StorageFailed) and error.errno == ENOENT
    if missing or isinstance(error, NotFound) or (isinstance(error, RegistryError) and error.status == 404):
        return FaultKind.MISSING
    if isinstance(error, ContentMismatch):
        return FaultKind.DIGEST if ":" in error.expected else FaultKind.SIZE
    if isinstance(error, TooLarge) and descriptor.size <= error.limit:
        return FaultKind.SIZE
    if isinstance(error, InvalidContent):
        return FaultKind.INVALID
    return FaultKind.UNVERIFIABLE if isinstance(error, Unsupported) else FaultKind.UNREADABLE
