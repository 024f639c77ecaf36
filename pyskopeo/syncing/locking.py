"""Make, update and check lock files from the YAML files of ``sync`` (`model.lock_file`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeAlias

from ..access import Access
from ..engine.graph import read_graph
from ..engine.plan import Form
from ..engine.policy_check import ImageCheck
from ..engine.selection import Selection, selected_children
from ..errors import InvalidInput, InvalidName, NotFound, RegistryError, prefix_errors
from ..fast_dataclass import dataclass, replace
from ..interfaces import Accepts
from ..model import mediatype
from ..model.descriptor import Descriptor
from ..model.events import Report, Warned, ignore
from ..model.lock_file import LockFile, check_lockable
from ..model.locked_image import LockedImage, check_image_name
from ..model.platform import Platform
from ..model.referrer import WantedReferrers
from ..streams.concurrency import work_off
from ..transports.docker import DockerReference
from .listing import list_yaml_images
from .registry_queries import Share, list_tags, shared_connections, source_digest
from .sync_request import LogMessage

if TYPE_CHECKING:
    from ..engine.plan import Graph
    from ..engine.referrer_reading import ReferrerReading
    from ..model.digest import Digest
    from ..model.manifest import Manifest
    from ..model.reference import Reference
    from ..model.referrer import Referrer
    from ..transports.docker import DockerSource
    from .source_images import SourceImage
    from .sync_request import SyncEvent

    Guard: TypeAlias = Callable[[], AbstractContextManager[None]]

_IMAGES_AT_ONCE = 8
_ACCEPTS = Accepts(mediatype.MANIFESTS | mediatype.SCHEMA1_IMAGES)
_UNCHANGED = Form(preserve_digests=True)


@dataclass(frozen=True, slots=True)
class LockChange:
    """A difference between a lock file and what its YAML file names now.

    ``before`` is the locked digest, None for an image that is not locked; ``after`` the one that its name refers to
    now, None for an image that is gone, or no longer asked for. ``text`` says what has happened, ``details`` what is
    different for each platform.
    """

    name: str
    reference: str
    before: Digest | None
    after: Digest | None
    text: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An image that a YAML file names, with its name in the lock, and the access to read it with."""

    name: str
    image: SourceImage
    access: Access

    @property
    def reference(self) -> Reference:
        assert self.image.reference is not None
        return self.image.reference

    def is_locked_as(self, locked: LockedImage, *, referrers: bool = False) -> bool:
        """Return whether a lock has what is asked for, wherever its tag has been moved since."""
        if referrers and locked.referrers is None:
            return False
        if (locked.reference.name, locked.platforms) != (self.reference.name, self.image.platforms):
            return False
        if self.reference.digest is not None and self.reference.digest != locked.digest:
            return False
        return self.reference.tag == locked.reference.tag


async def lock_images(
    source: str,
    previous: LockFile | None = None,
    *,
    update: Collection[str] | None = (),
    referrers: bool = False,
    access: Access | None = None,
    report: Report = ignore,
    guard: Guard = nullcontext,
) -> LockFile:
    """Return the lock of the images that the YAML file ``source`` names (skopeo-sync(1), "YAML file content").

    Images of ``previous`` are kept as they are, without a request, unless something else is asked for now, or their
    names are in ``update``; None updates all. What the file does not name is left out. With ``referrers`` the lock also
    has what refers to each image now, to the images in its index, and to that in turn. ``access`` None is the user's
    own configuration, ``report`` gets warnings and requests, ``guard`` bounds the time of matching regular expressions.

    Raises `InvalidInput` for the file, and for a name in ``update`` that is not in it; `Unsupported` and
    `InvalidContent` for images that cannot be locked; the registries' errors, and `NoMatchingPlatform`.
    """
    access = access or Access.from_environ()
    known = {} if previous is None else previous.images
    manifests: dict[Digest, Manifest] = {}
    images: dict[str, LockedImage] = {}
    async with shared_connections(report) as share:
        wanted = await _list(source, access, share, report, guard)
        if unknown := sorted(set(update or ()) - wanted.keys()):
            there = ", ".join(sorted(wanted)[:10])
            raise InvalidName(f"{source} names no image {ascii(unknown[0])[:100]}; there are: {there}")

        async def lock(one: _Wanted) -> None:
            locked = known.get(one.name)
            named = update is None or one.name in update
            if previous is not None and locked is not None and not named and (
                one.is_locked_as(locked, referrers=referrers)
            ):  # fmt: skip
                images[one.name] = locked
                manifests.update((manifest.digest, manifest) for manifest in previous.manifests_of(locked))
                return
            images[one.name], found = await _resolve(one, referrers=referrers)
            manifests.update((manifest.digest, manifest) for manifest in found)

        await work_off(list(wanted.values()), lock, at_once=_IMAGES_AT_ONCE)
    # What is read again is checked, and has nothing left of images that were replaced.
    return LockFile.parse(LockFile(images, manifests).to_bytes(), source)


async def check_lock(
    source: str,
    lock: LockFile,
    *,
    access: Access | None = None,
    report: Report = ignore,
    guard: Guard = nullcontext,
) -> tuple[LockChange, ...]:
    """Return how a lock differs from what the YAML file ``source`` names now, sorted by name; () if it does not.

    Takes one HEAD for each tag, and the manifests of images that have moved. Raises what `lock_images` raises.
    """
    access = access or Access.from_environ()
    changes: list[LockChange] = []
    async with shared_connections(report) as share:
        wanted = await _list(source, access, share, report, guard)

        async def check(one: _Wanted) -> None:
            change = await _change(one, lock)
            if change is not None:
                changes.append(change)

        await work_off(list(wanted.values()), check, at_once=_IMAGES_AT_ONCE)
    for name in lock.images.keys() - wanted.keys():
        image = lock.images[name]
        changes.append(LockChange(name, str(image.reference), image.digest, None, f"{source} does not name it"))
    return tuple(sorted(changes, key=lambda change: change.name))


async def _list(
    source: str, access: Access, share: Share, report: Report, guard: Guard
) -> dict[str, _Wanted]:
    """Return the images that a YAML file names, by their names in the lock; raises `InvalidInput`."""

    def forward(event: SyncEvent) -> None:
        if isinstance(event, LogMessage) and event.level != "info":
            about = "".join(f" {name}={value}" for name, value in event.fields)
            report(Warned(f"{event.text}{about}"))

    found: dict[str, _Wanted] = {}
    for group, image in await list_yaml_images(source, access, list_tags, share, forward, guard=guard):
        assert image.reference is not None
        shown = replace(image.reference, digest=None) if image.reference.tag else image.reference
        try:
            name = check_image_name(image.name or str(shown))
        except InvalidName as error:
            advice = "" if image.name else ": give it a name"
            raise InvalidInput(f"{source}: {shown}: {error}{advice}") from None
        other = found.setdefault(name, _Wanted(name, image, group))
        if other.image != image:
            raise InvalidInput(f"{source}: {other.reference} and {image.reference} both have the name {name}")
    if not found:
        raise InvalidInput(f"{source} names no images")
    return found


async def _resolve(one: _Wanted, *, referrers: bool = False) -> tuple[LockedImage, list[Manifest]]:
    """Read an image's manifests; return what to lock of it."""
    name = DockerReference(f"//{one.reference}", one.reference)
    platforms = one.image.platforms
    selection = Selection(Platform.host(), "platforms" if platforms else "all", platforms)
    with prefix_errors(f"locking {one.name}"):
        async with name.open_source(one.access) as source:
            graph = await read_graph(source, selection, _ACCEPTS, _UNCHANGED, ImageCheck(name, source, one.access))
            referring = await _read_referrers(source, graph, one.access.report) if referrers else None
        manifests = [graph.root, *graph.children.values()]
        if referring is not None:
            manifests += [manifest for found in referring.found for manifest in found.manifests]
        for manifest in manifests:
            check_lockable(manifest)
        root = graph.root
        entries = selected_children(root, selection) if root.is_index else (root.descriptor,)
        reference = replace(one.reference, digest=root.digest)
        locked = LockedImage(
            one.name,
            reference,
            sources=_sources(reference, one.access),
            platforms=platforms,
            entries=tuple(Descriptor(e.media_type, e.digest, e.size, e.platform) for e in entries),
            referrers=None if referring is None else _described(referring.listed.get(root.digest, ())),
        )
    return locked, manifests


async def _read_referrers(source: DockerSource, graph: Graph, report: Report) -> ReferrerReading:
    """Read what refers to the images of a graph, and to that in turn."""
    from ..engine.referrer_reading import ReferrerReading

    reading = ReferrerReading(source, WantedReferrers(copied=True), report)
    await reading.read(graph)
    return reading


def _described(referrers: Iterable[Referrer]) -> tuple[Descriptor, ...]:
    """Return what is said in the lock about referrers, besides their manifests."""
    found = (one.descriptor for one in referrers)
    return tuple(
        Descriptor(one.media_type, one.digest, one.size, annotations=one.annotations, artifact_type=one.artifact_type)
        for one in found
    )


def _sources(reference: Reference, access: Access) -> tuple[str, ...]:
    """Return where an image can be read from by its digest: mirrors of ``registries.conf`` first."""
    return tuple(dict.fromkeys(one.reference.name for one in access.registries().endpoints(reference)))


async def _change(one: _Wanted, lock: LockFile) -> LockChange | None:
    """Return how an image differs from its entry in a lock, None if it does not."""
    locked = lock.images.get(one.name)
    shown = str(one.reference)
    if locked is None:
        return LockChange(one.name, shown, None, one.reference.digest, "it is not locked")
    if not one.is_locked_as(locked):
        text = f"{_request(one.reference, one.image.platforms)} is asked for"
        locked_as = _request(locked.reference, locked.platforms)
        return LockChange(one.name, shown, locked.digest, one.reference.digest, f"{text}, {locked_as} is locked")
    if one.reference.digest is not None:
        return None
    with prefix_errors(f"checking {one.name}"):
        try:
            now = await source_digest(one.reference, one.access)
            if now == locked.digest:
                return None
            moved, manifests = await _resolve(one)
        except (NotFound, RegistryError) as error:
            if isinstance(error, RegistryError) and error.status != 404:
                raise
            return LockChange(one.name, shown, locked.digest, None, f"it is gone: {error}")
    if moved.digest == locked.digest:
        return None
    after = LockFile({one.name: moved}, {manifest.digest: manifest for manifest in manifests})
    details = _differences(lock, locked, after, moved)
    return LockChange(one.name, shown, locked.digest, moved.digest, "it has moved", details)


def _request(reference: Reference, platforms: tuple[Platform, ...]) -> str:
    return f"{reference}{' for ' if platforms else ''}{', '.join(map(str, platforms))}"


def _differences(before: LockFile, old: LockedImage, after: LockFile, new: LockedImage) -> tuple[str, ...]:
    """Return a line for each platform that is different, and one for the blobs."""
    olds, news = ({_platform(one): one.digest for one in image.entries} for image in (old, new))
    lines = []
    for platform in sorted(olds.keys() | news.keys()):
        one, other = olds.get(platform), news.get(platform)
        if one is None:
            lines.append(f"{platform}: new, {other}")
        elif other is None:
            lines.append(f"{platform}: gone, was {one}")
        elif one != other:
            lines.append(f"{platform}: {one} is now {other}")
    known = {blob.digest for blob in before.blobs_of(old)}
    blobs = after.blobs_of(new)
    fresh = [blob.size for blob in blobs if blob.digest not in known]
    lines.append(f"{len(fresh)} of {len(blobs)} blobs are new, {sum(fresh)} bytes")
    return tuple(lines)


def _platform(entry: Descriptor) -> str:
    return str(entry.platform) if entry.platform else "image"
