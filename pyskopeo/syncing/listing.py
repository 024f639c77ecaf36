"""List the images of a sync request: those at the source, selected, with their names at the destination."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import InvalidContent, InvalidInput, InvalidName, PyskopeoError, RegistryError, prefix_errors
from ..fast_dataclass import dataclass
from ..model.reference import Reference
from ..streams.concurrency import SingleFlight, each
from . import registry_queries
from .destination_names import check_distinct, invalid_reference
from .local_sources import find_image_directories, list_layout_images, read_yaml_source
from .overwriting import source_identity
from .registry_access import registry_access
from .repository_selection import parse_registry_source, repositories_below
from .selected_images import selected_groups
from .source_contents import SourceContents
from .source_images import SourceImage, from_directory, from_layout, from_registry, parse_tag_or_digest
from .sync_request import Listing, LogMessage, SyncRequest, SyncSink
from .tag_selection import matching_pattern, matching_versions

if TYPE_CHECKING:
    from ..access import Access
    from ..model.platform import Platform
    from ..registry.tag_pages import TagList
    from .repository_selection import RepositorySelection
    from .yaml_source import ImageItem, RegistrySource

ListImages: TypeAlias = Callable[[], Awaitable[list[SourceImage]]]
ListTags: TypeAlias = Callable[[Reference, "Access"], Awaitable["TagList"]]
ListRepositories: TypeAlias = Callable[[str, "Access"], Awaitable[list[str]]]
ShareConnections: TypeAlias = "Callable[[Access], Awaitable[Access]]"
_REPOSITORIES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _RepositoryEntry:
    """A repository as a YAML file names it, the access for its registry, and the platforms to lock."""

    registry: str
    name: str
    access: Access
    platforms: tuple[Platform, ...] = ()

    @property
    def fields(self) -> dict[str, str]:
        """The fields of log messages about it."""
        return {"registry": self.registry, "repo": self.name}


@dataclass(slots=True)
class _Lister:
    """Lists the images of one source into ``groups``.

    ``list_tags`` requests the tags of a repository. ``share`` returns an access with connections that all images of one
    registry share. ``guard`` is that of `SyncRequest`. With ``strict`` the first source that cannot be listed raises
    its error. ``contents`` gets all that is listed to its end. ``failures`` is the number of sources that could not be
    listed, or not to their end.
    """

    access: Access
    list_tags: ListTags
    share: ShareConnections
    report: SyncSink
    list_repositories: ListRepositories = registry_queries.list_repositories
    guard: Callable[[], AbstractContextManager[None]] = nullcontext
    strict: bool = False
    contents: SourceContents | None = None
    failures: int = 0
    groups: list[tuple[Access, list[SourceImage]]] = field(default_factory=list)
    _tags: SingleFlight[tuple[Reference, int], list[str]] = field(default_factory=SingleFlight)

    def _info(self, text: str, **fields: str) -> None:
        self.report(LogMessage("info", text, tuple(fields.items())))

    def _fail(self, text: str, error: PyskopeoError, **fields: str) -> None:
        """Report and count a source that cannot be listed; the run copies the rest and fails at its end."""
        if self.strict:
            with prefix_errors(f"{text.removesuffix(', skipping')}: {'/'.join(fields.values())}"):
                raise error
        self.failures += 1
        self.report(LogMessage("error", text, tuple(fields.items())))
        self.report(LogMessage("error", str(error)))

    async def _repository_tags(self, repository: Reference, access: Access) -> list[str]:
        """Return the tags of a repository; they are requested once, however often a file names it."""

        async def request() -> list[str]:
            self._info("Getting tags", image=repository.name)
            found = await self.list_tags(repository, access)
            if self.contents is not None and not found.problem:
                self.contents.add_tags(repository, found.tags, access)
            if found.problem:
                self._fail("Tags may be missing", InvalidContent(found.problem), image=repository.name)
            return found.tags

        return await self._tags.get((repository, id(access)), request)

    async def list_docker(self, source: str) -> None:
        """List one image, or all tags of a repository; raises `InvalidName` and the registry's errors."""
        try:
            reference = Reference.parse(source, default_tag="")
        except InvalidName as error:
            raise invalid_reference("docker", source, error) from None
        named = bool(reference.manifest_name)
        self._info("Tag presence check", imagename=source, tagged=str(named).lower())
        access = await self.share(self.access)
        found = [reference] if named else [
            replace(reference, tag=tag) for tag in await self._repository_tags(reference, access)
        ]  # fmt: skip
        self.groups.append((access, [from_registry(one) for one in found]))

    async def list_yaml(self, source: str) -> None:
        """List the repositories of a YAML file concurrently; the groups are in the order of the file."""
        found: list[tuple[Access, list[SourceImage], ListImages]] = []
        for registry in read_yaml_source(source):
            self._warn_about(registry)
            access = await self.share(registry_access(self.access, registry))
            found += [(access, [], list_images) for list_images in self._listings(registry, access)]

        async def fill(one: tuple[Access, list[SourceImage], ListImages]) -> None:
            _, images, list_images = one
            images += await list_images()

        await each(found, fill, at_once=_REPOSITORIES_AT_ONCE)
        self.groups = [(access, images) for access, images, _ in found if images]

    def _warn_about(self, registry: RegistrySource) -> None:
        """Report unknown keys and a registry without images."""
        about = (("registry", registry.registry),)
        for key in registry.unknown:
            self.report(LogMessage("warning", f"Unknown key {ascii(key)} is passed over", about))
        if registry.is_empty:
            self.report(LogMessage("warning", "No images specified for registry", about))
        if registry.has_lock_keys and not self.strict:
            text = "Names and platforms are for lock files and are passed over: see --all and --platform"
            self.report(LogMessage("warning", text, about))

    def _listings(self, registry: RegistrySource, access: Access) -> Iterator[ListImages]:
        """Yield one function for each repository that a file names; each returns its images."""
        def entry(name: str) -> _RepositoryEntry:
            return _RepositoryEntry(registry.registry, name, access, registry.platforms)

        for name, items in registry.images.items():
            yield partial(self._list_items, entry(name), items)
        for name, pattern in registry.by_pattern.items():
            parse = partial(matching_pattern, pattern)
            yield partial(self._list_matching, entry(name), "regex", parse)
        for name, versions in registry.by_version.items():
            parse = partial(matching_versions, versions)
            yield partial(self._list_matching, entry(name), "semver constraint", parse)

    async def _list_items(self, entry: _RepositoryEntry, items: tuple[ImageItem, ...]) -> list[SourceImage]:
        """Return the images with the tags and digests ``items``; without any, all tags."""
        repository = self._reference(entry)
        if repository is None:
            return []
        self._info("Processing repo", **entry.fields)
        if not items:
            return await self._list_repository(entry, repository, lambda _: True)
        found: list[SourceImage] = []
        for item in items:
            try:
                reference = parse_tag_or_digest(repository, item.version)
            except InvalidName as error:
                self._fail("Error parsing ref, skipping", error, ref=item.version)
            else:
                found.append(from_registry(reference, item.name, item.platforms or entry.platforms))
        return self._warn_if_empty(entry, found)

    async def _list_matching(
        self, entry: _RepositoryEntry, kind: str, parse: Callable[[], Callable[[str], bool]]
    ) -> list[SourceImage]:
        """Return the images of the tags that match; ``parse`` returns the predicate, ``kind`` names it in messages."""
        repository = self._reference(entry)
        if repository is None:
            return []
        self._info("Processing repo", **entry.fields)
        try:
            keep = parse()
        except InvalidInput as error:
            self._fail(f"Error parsing {kind}, skipping", error, **entry.fields)
            return []
        return await self._list_repository(entry, repository, keep)

    async def _list_repository(
        self, entry: _RepositoryEntry, repository: Reference, keep: Callable[[str], bool]
    ) -> list[SourceImage]:
        """Return the images of the tags that ``keep`` accepts."""
        self._info("Querying registry for image tags", **entry.fields)
        try:
            tags = await self._repository_tags(repository, entry.access)
            with self.guard():
                kept = [replace(repository, tag=tag) for tag in tags if keep(tag)]
        except PyskopeoError as error:
            self._fail("Error processing repo, skipping", error, **entry.fields)
            return []
        return self._warn_if_empty(entry, [from_registry(one, platforms=entry.platforms) for one in kept])

    def _warn_if_empty(self, entry: _RepositoryEntry, found: list[SourceImage]) -> list[SourceImage]:
        if not found:
            self.report(LogMessage("warning", "No refs to sync found", tuple(entry.fields.items())))
        return found

    def _reference(self, entry: _RepositoryEntry) -> Reference | None:
        """Return the reference of a repository; None for an invalid one, which is reported as a failure."""
        try:
            found = Reference.parse(f"{entry.registry}/{entry.name}", default_tag="")
            if found.manifest_name:
                raise InvalidName("input names a reference, not a repository")
        except InvalidName as error:
            self._fail("Error parsing repository name, skipping", error, **entry.fields)
            return None
        return found

    async def list_registry(self, source: str, wanted: RepositorySelection) -> None:
        """List all tags of the repositories of a registry, ``HOST[:PORT][/PATH]``; the groups are in its order.

        Raises `InvalidName`, and what `read_catalog` raises; a repository that cannot be listed is a failure.
        """
        host, path = parse_registry_source(source)
        access = await self.share(self.access)
        self._info("Getting repositories", registry=host)
        names = repositories_below(await self.list_repositories(host, access), path)
        if self.contents is not None and names:
            self.contents.add_catalog(host, path, names, access)
        with self.guard():
            chosen = wanted.apply(names)
        self._info(f"{len(chosen)} of {len(names)} repositories are wanted", registry=host)
        found: list[tuple[str, list[SourceImage]]] = [(name, []) for name in dict.fromkeys(chosen)]

        async def fill(one: tuple[str, list[SourceImage]]) -> None:
            name, images = one
            repository = Reference(host, name)
            try:
                tags = await self._repository_tags(repository, access)
            except PyskopeoError as error:
                if isinstance(error, RegistryError) and error.status == 404:  # emptied, but still in the catalog
                    self.report(LogMessage("warning", f"{repository.name} has no list of tags: {error}"))
                else:
                    self._fail("Error processing repo, skipping", error, repo=repository.name)
            else:
                images += [from_registry(replace(repository, tag=tag)) for tag in tags]

        await each(found, fill, at_once=_REPOSITORIES_AT_ONCE)
        self.groups = [(access, images) for _, images in found if images]

    def list_dir(self, source: str) -> None:
        """List the images in and below a directory; raises `PathNotFound` and `StorageFailed`."""
        self._add_place("dir", source, [from_directory(source, path) for path in find_image_directories(source)])

    def list_oci(self, source: str, *, keep: bool) -> None:
        """List the images of an OCI layout, see `from_layout`; raises `PathNotFound` and `InvalidContent`."""
        images = list_layout_images(Path(source))
        self._add_place("oci", source, [from_layout(source, *image, keep=keep) for image in images])

    def _add_place(self, transport: str, source: str, images: list[SourceImage]) -> None:
        if self.contents is not None and images:
            place = source_identity(f"{transport}:{source}")
            self.contents.add_place(place, (source_identity(image.source) for image in images))
        self.groups.append((self.access, images))


async def list_images(
    request: SyncRequest, access: Access, list_tags: ListTags, share: ShareConnections, report: SyncSink
) -> Listing:
    """Return all images to copy; nothing is written.

    A repository of a YAML file that cannot be listed is reported and counted, the others are listed. Raises
    `InvalidInput` when there are no images, or two with the same name at the destination, and the source's errors.
    """
    contents = SourceContents() if request.delete else None
    lister = _Lister(access, list_tags, share, report, guard=request.guard, contents=contents)
    if request.source_transport == "docker":
        await lister.list_docker(request.source)
    elif request.source_transport == "registry":
        await lister.list_registry(request.source, request.repositories)
    elif request.source_transport == "yaml":
        await lister.list_yaml(request.source)
    elif request.source_transport == "dir":
        lister.list_dir(request.source)
    else:
        lister.list_oci(request.source, keep=request.destination_transport == "oci")
    groups = selected_groups(request, lister.groups, report)
    if not groups and request.source_transport != "yaml":
        found = sum(len(images) for _, images in lister.groups)
        left_out = f": {request.tag_selection.flags} selects none of the {found} there" if found else ""
        raise InvalidInput(f'No images to sync found in "{request.source}"{left_out}')
    listing = Listing(groups, lister.failures, contents)
    check_distinct(listing.images)
    return listing


async def list_yaml_images(
    source: str, access: Access, list_tags: ListTags, share: ShareConnections, report: SyncSink, *,
    guard: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[tuple[Access, SourceImage]]:  # fmt: skip
    """Return the images that a YAML file names, with the access for each; ``guard`` is that of `SyncRequest`.

    Raises `StorageFailed`, `InvalidInput` and `TooLarge` for the file, and for everything that cannot be listed.
    """
    lister = _Lister(access, list_tags, share, report, guard=guard, strict=True)
    await lister.list_yaml(source)
    return [(group, image) for group, images in lister.groups for image in images]
