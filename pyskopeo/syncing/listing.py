"""From what is asked for to a list of images: which there are, and what each is called at the destination."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import InvalidInput, InvalidName, PyskopeoError
from ..fast_dataclass import dataclass
from ..model.reference import Reference
from ..streams.concurrency import each
from .local_listing import read_yaml, walk_directory, walk_layout
from .naming import check_distinct, destination_name, unusable
from .request import Group, Listing, Noted, SyncImage, SyncRequest, SyncSink
from .wanted import Wanted, from_directory, from_layout, from_registry, matching_pattern, matching_versions, parse_item

if TYPE_CHECKING:
    from ..access import Access
    from .yaml_source import RegistrySource

Look: TypeAlias = Callable[[], Awaitable[list[Reference]]]
Tags: TypeAlias = Callable[[Reference, "Access"], Awaitable[list[str]]]
Share: TypeAlias = "Callable[[Access], Awaitable[Access]]"
_REPOSITORIES_AT_ONCE = 8


class _Asked:
    """The tags of a repository, once they are known."""

    def __init__(self) -> None:
        from anyio import Lock

        self.lock = Lock()
        self.tags: list[str] | None = None


@dataclass(frozen=True, slots=True)
class _Repository:
    """A repository as a file names it."""

    registry: str
    name: str
    access: Access

    @property
    def fields(self) -> dict[str, str]:
        return {"registry": self.registry, "repo": self.name}


@dataclass(slots=True)
class _Lister:
    """``share`` gives the access whose connections the images of one registry have together."""

    request: SyncRequest
    access: Access
    tags: Tags
    share: Share
    report: SyncSink
    failures: int = 0
    groups: list[tuple[Access, list[Wanted]]] = field(default_factory=list)
    _asked: dict[tuple[Reference, int], _Asked] = field(default_factory=dict)

    def note(self, text: str, **fields: str) -> None:
        self.report(Noted("info", text, tuple(fields.items())))

    def fail(self, text: str, error: PyskopeoError, **fields: str) -> None:
        """What could not be listed: the rest is copied, and the run has failed in the end."""
        self.failures += 1
        self.report(Noted("error", text, tuple(fields.items())))
        self.report(Noted("error", str(error)))

    async def repository_tags(self, repository: Reference, access: Access) -> list[str]:
        """_Asked for once, however often a file names the repository."""
        asked = self._asked.setdefault((repository, id(access)), _Asked())
        async with asked.lock:
            if asked.tags is None:
                self.note("Getting tags", image=repository.name)
                asked.tags = await self.tags(repository, access)
        return asked.tags

    async def docker(self, source: str) -> None:
        try:
            reference = Reference.parse(source, default_tag="")
        except InvalidName as error:
            raise unusable("docker", source, error) from None
        named = bool(reference.manifest_name)
        self.note("Tag presence check", imagename=source, tagged=str(named).lower())
        access = await self.share(self.access)
        found = [reference] if named else [
            replace(reference, tag=tag) for tag in await self.repository_tags(reference, access)
        ]  # fmt: skip
        self.groups.append((access, [from_registry(one) for one in found]))

    async def yaml(self, source: str) -> None:
        """All repositories at once; the groups in the order of the file."""
        found: list[tuple[Access, list[Wanted], Look]] = []
        for registry in read_yaml(source):
            self._tell_oddities(registry)
            access = await self.share(_access(self.access, registry))
            found += [(access, [], look) for look in self._looks(registry, access)]

        async def fill(one: tuple[Access, list[Wanted], Look]) -> None:
            _, images, look = one
            images += map(from_registry, await look())

        await each(found, fill, at_once=_REPOSITORIES_AT_ONCE)
        self.groups = [(access, images) for access, images, _ in found if images]

    def _tell_oddities(self, registry: RegistrySource) -> None:
        about = (("registry", registry.registry),)
        for key in registry.unknown:
            self.report(Noted("warning", f"Unknown key {ascii(key)} is passed over", about))
        if registry.is_empty:
            self.report(Noted("warning", "No images specified for registry", about))

    def _looks(self, registry: RegistrySource, access: Access) -> Iterator[Look]:
        """What has to be done to know all images of a registry, in the order of the file."""
        for name, items in registry.images.items():
            yield partial(self._listed, _Repository(registry.registry, name, access), items)
        for name, pattern in registry.by_pattern.items():
            keep = partial(matching_pattern, pattern)
            asked = _Repository(registry.registry, name, access)
            yield partial(self._filtered, asked, "regular expression", pattern, keep)
        for name, versions in registry.by_version.items():
            keep = partial(matching_versions, versions)
            asked = _Repository(registry.registry, name, access)
            yield partial(self._filtered, asked, "semver constraint", versions, keep)

    async def _listed(self, asked: _Repository, items: tuple[str, ...]) -> list[Reference]:
        repository = self._named(asked)
        if repository is None:
            return []
        self.note("Processing repo", **asked.fields)
        if not items:
            return await self._every(asked, repository, lambda _: True)
        found: list[Reference] = []
        for item in items:
            try:
                found.append(parse_item(repository, item))
            except InvalidName as error:
                self.fail("Error parsing ref, skipping", error, ref=item)
        return self._told(asked, found)

    async def _filtered(
        self, asked: _Repository, kind: str, text: str, parse: Callable[[], Callable[[str], bool]]
    ) -> list[Reference]:
        repository = self._named(asked)
        if repository is None:
            return []
        self.note("Processing repo", **asked.fields)
        try:
            keep = parse()
        except InvalidInput as error:
            what = "regex" if kind == "regular expression" else kind
            self.fail(f"Error parsing {what}, skipping", error, **asked.fields)
            return []
        return await self._every(asked, repository, keep, f"Start filtering using the {kind}: {text}")

    async def _every(
        self, asked: _Repository, repository: Reference, keep: Callable[[str], bool], filtering: str = ""
    ) -> list[Reference]:
        """The tags of a repository that are to be kept."""
        self.note("Querying registry for image tags", **asked.fields)
        try:
            tags = await self.repository_tags(repository, asked.access)
            if filtering:
                self.note(filtering, **asked.fields)
            with self.request.guard():
                kept = [replace(repository, tag=tag) for tag in tags if keep(tag)]
        except PyskopeoError as error:
            self.fail("Error processing repo, skipping", error, **asked.fields)
            return []
        return self._told(asked, kept)

    def _told(self, asked: _Repository, found: list[Reference]) -> list[Reference]:
        if not found:
            self.report(Noted("warning", "No refs to sync found", tuple(asked.fields.items())))
        return found

    def _named(self, asked: _Repository) -> Reference | None:
        try:
            found = Reference.parse(f"{asked.registry}/{asked.name}", default_tag="")
            if found.manifest_name:
                raise InvalidName("input names a reference, not a repository")
        except InvalidName as error:
            self.fail("Error parsing repository name, skipping", error, **asked.fields)
            return None
        return found

    def dir(self, source: str) -> None:
        self.groups.append((self.access, [from_directory(source, path) for path in walk_directory(source)]))

    def oci(self, source: str) -> None:
        keep = self.request.destination_transport == "oci"
        images = walk_layout(Path(source))
        self.groups.append((self.access, [from_layout(source, *image, keep=keep) for image in images]))


async def list_images(request: SyncRequest, access: Access, tags: Tags, share: Share, report: SyncSink) -> Listing:
    """All images that are to be copied; nothing is written.

    A repository in a file that cannot be listed is told of and counted, the others are listed. Raises
    `InvalidInput` when there is nothing, or when two images would go to one place, and the source's errors.
    """
    lister = _Lister(request, access, tags, share, report)
    if request.source_transport == "docker":
        await lister.docker(request.source)
    elif request.source_transport == "yaml":
        await lister.yaml(request.source)
    elif request.source_transport == "dir":
        lister.dir(request.source)
    else:
        lister.oci(request.source)
    groups = _chosen(request, lister.groups)
    if not groups and request.source_transport != "yaml":
        raise InvalidInput(f'No images to sync found in "{request.source}"')
    listing = Listing(groups, lister.failures)
    check_distinct(listing.images)
    return listing


def _chosen(request: SyncRequest, groups: list[tuple[Access, list[Wanted]]]) -> tuple[Group, ...]:
    """What the user's choice leaves, each image once and by its name at the destination."""
    everything = [(number, wanted) for number, (_, images) in enumerate(groups) for wanted in images]
    with request.guard():
        kept = request.choice.apply(everything, lambda one: (one[1].repository, one[1].tag))
    images: dict[SyncImage, int] = {}
    for number, wanted in kept:
        destination = destination_name(
            request.destination_transport, request.destination, wanted.path,
            scoped=request.scoped, suffix=request.suffix,
        )  # fmt: skip
        images.setdefault(SyncImage(wanted.source, destination, wanted.pinned), number)
    by_group = [
        Group(tuple(image for image, at in images.items() if at == number), access)
        for number, (access, _) in enumerate(groups)
    ]
    return tuple(group for group in by_group if group.images)


def _access(access: Access, registry: RegistrySource) -> Access:
    """What the file says of a registry goes before what flags say."""
    trust, keychain = access.trust, access.keychain
    if registry.tls_verify is not None:
        trust = replace(trust, insecure=not registry.tls_verify)
    if registry.cert_dir:
        trust = replace(trust, cert_dir=Path(registry.cert_dir))
    if registry.credentials is not None:
        keychain = replace(keychain, credentials=registry.credentials, anonymous=False)
    return replace(access, trust=trust, keychain=keychain)
