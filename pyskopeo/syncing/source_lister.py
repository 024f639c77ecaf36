"""Find the images of a source: in a registry, a whole registry, a YAML file, a directory, a layout or an archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import InvalidContent, InvalidInput, InvalidName, PyskopeoError, RegistryError, prefix_errors
from ..fast_dataclass import dataclass, replace
from ..model.reference import Reference
from ..streams.concurrency import SingleFlight, each
from . import local_sources, registry_queries
from .destination_names import invalid_reference
from .overwriting import source_identity
from .registry_access import RepositoryEntry, registry_access
from .repository_selection import parse_registry_source, repositories_below
from .source_images import SourceImage, from_directory, from_layout, from_registry, parse_tag_or_digest
from .sync_request import LogMessage, SyncRequest, SyncSink
from .tag_selection import matching_pattern, matching_versions

if TYPE_CHECKING:
    from ..access import Access
    from ..model.platform import Platform
    from ..registry.tag_pages import TagList
    from .repository_selection import RepositorySelection
    from .source_contents import SourceContents
    from .yaml_source import ImageItem, RegistrySource

ListImages: TypeAlias = Callable[[], Awaitable[list[SourceImage]]]
ListTags: TypeAlias = Callable[[Reference, "Access"], Awaitable["TagList"]]
ListRepositories: TypeAlias = Callable[[str, "Access"], Awaitable[list[str]]]
ShareConnections: TypeAlias = "Callable[[Access], Awaitable[Access]]"
REPOSITORIES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class SourcePart:
    """What is listed at once: a repository as a source names it, a directory, a layout.

    ``name`` is that of the repository, "" for others; a file may name it more than once. ``access`` is for its images.
    """

    name: str
    access: Access
    list_images: ListImages = field(repr=False)


@dataclass(slots=True)
class SourceLister:
    """Lists the images of one source; first what it consists of, its ``parts``, by the method for its transport.

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
    failures: int = 0
    contents: SourceContents | None = None
    parts: list[SourcePart] = field(default_factory=list)
    _named: Counter[str] = field(default_factory=Counter)
    _tags: SingleFlight[tuple[Reference, int], TagList] = field(default_factory=SingleFlight)

    async def groups(self) -> list[tuple[Access, list[SourceImage]]]:
        """Return the images of all parts that have some, in order, with the access for each part."""
        found: list[tuple[SourcePart, list[SourceImage]]] = [(part, []) for part in self.parts]

        async def fill(one: tuple[SourcePart, list[SourceImage]]) -> None:
            part, images = one
            images += await part.list_images()

        await each(found, fill, at_once=REPOSITORIES_AT_ONCE)
        return [(part.access, images) for part, images in found if images]

    async def add_parts(self, request: SyncRequest) -> None:
        """Find the parts of the source of ``request``; raises the source's errors."""
        if request.source_transport == "docker":
            await self.find_docker(request.source)
        elif request.source_transport == "registry":
            await self.find_registry(request.source, request.repositories)
        elif request.source_transport == "yaml":
            await self.find_yaml(request.source)
        elif request.source_transport == "dir":
            self.find_dir(request.source)
        elif request.source_transport == "docker-archive":
            await self.find_docker_archive(request.source)
        else:
            self.find_oci(request.source, keep=request.destination_transport == "oci")

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

    async def _repository_images(
        self, repository: Reference, access: Access, keep: Callable[[str], bool], platforms: tuple[Platform, ...] = ()
    ) -> list[SourceImage]:
        """Return the images of a repository whose tags ``keep`` accepts."""
        found = await self._repository_tags(repository, access)
        with self.guard():
            tags = [tag for tag in found.tags if keep(tag)]
        return [
            from_registry(replace(repository, tag=tag), platforms=platforms, listed=found.manifests.get(tag))
            for tag in tags
        ]

    async def _repository_tags(self, repository: Reference, access: Access) -> TagList:
        """Return the tags of a repository; they are requested once, however often a file names it."""

        async def request() -> TagList:
            self._info("Getting tags", image=repository.name)
            found = await self.list_tags(repository, access)
            if found.problem:
                self._fail("Tags may be missing", InvalidContent(found.problem), image=repository.name)
            if self.contents is not None and not found.problem:
                self.contents.add_tags(repository, found.tags, access)
            return found

        if self._named[repository.name] < 2:
            return await request()
        return await self._tags.get((repository, id(access)), request)

    async def find_docker(self, source: str) -> None:
        """Find one image, or all tags of a repository; raises `InvalidName`."""
        try:
            reference = Reference.parse(source, default_tag="")
        except InvalidName as error:
            raise invalid_reference("docker", source, error) from None
        named = bool(reference.manifest_name)
        self._info("Tag presence check", imagename=source, tagged=str(named).lower())
        access = await self.share(self.access)

        async def list_all() -> list[SourceImage]:
            return [from_registry(reference)] if named else await self._repository_images(reference, access, _any)

        self._add(reference.name, access, list_all)

    async def find_yaml(self, source: str) -> None:
        """Find the repositories of a YAML file, in its order; raises `StorageFailed`, `InvalidInput` and `TooLarge`."""
        for registry in local_sources.read_yaml_source(source):
            self._warn_about(registry)
            access = await self.share(registry_access(self.access, registry))
            for name, list_part in self._listings(registry, access):
                self._add(name, access, list_part)

    def _add(self, name: str, access: Access, list_part: ListImages) -> None:
        with suppress(InvalidName):  # the part will report it
            name = Reference.parse(name, default_tag="").name
        self.parts.append(SourcePart(name, access, list_part))
        self._named[name] += 1

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

    def _listings(self, registry: RegistrySource, access: Access) -> Iterator[tuple[str, ListImages]]:
        """Yield each repository that a file names, and a function that returns its images."""
        def entry(name: str) -> RepositoryEntry:
            return RepositoryEntry(registry.registry, name, access, registry.platforms)

        for name, items in registry.images.items():
            yield f"{registry.registry}/{name}", partial(self._list_items, entry(name), items)
        for name, pattern in registry.by_pattern.items():
            parse = partial(matching_pattern, pattern)
            yield f"{registry.registry}/{name}", partial(self._list_matching, entry(name), "regex", parse)
        for name, versions in registry.by_version.items():
            parse = partial(matching_versions, versions)
            yield f"{registry.registry}/{name}", partial(self._list_matching, entry(name), "semver constraint", parse)

    async def _list_items(self, entry: RepositoryEntry, items: tuple[ImageItem, ...]) -> list[SourceImage]:
        """Return the images with the tags and digests ``items``; without any, all tags."""
        repository = self._reference(entry)
        if repository is None:
            return []
        self._info("Processing repo", **entry.fields)
        if not items:
            return await self._list_repository(entry, repository, _any)
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
        self, entry: RepositoryEntry, kind: str, parse: Callable[[], Callable[[str], bool]]
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
        self, entry: RepositoryEntry, repository: Reference, keep: Callable[[str], bool]
    ) -> list[SourceImage]:
        """Return the images of the tags that ``keep`` accepts."""
        self._info("Querying registry for image tags", **entry.fields)
        try:
            kept = await self._repository_images(repository, entry.access, keep, entry.platforms)
        except PyskopeoError as error:
            self._fail("Error processing repo, skipping", error, **entry.fields)
            return []
        return self._warn_if_empty(entry, kept)

    def _warn_if_empty(self, entry: RepositoryEntry, found: list[SourceImage]) -> list[SourceImage]:
        if not found:
            self.report(LogMessage("warning", "No refs to sync found", tuple(entry.fields.items())))
        return found

    def _reference(self, entry: RepositoryEntry) -> Reference | None:
        """Return the reference of a repository; None for an invalid one, which is reported as a failure."""
        try:
            found = Reference.parse(f"{entry.registry}/{entry.name}", default_tag="")
            if found.manifest_name:
                raise InvalidName("input names a reference, not a repository")
        except InvalidName as error:
            self._fail("Error parsing repository name, skipping", error, **entry.fields)
            return None
        return found

    async def find_registry(self, source: str, wanted: RepositorySelection) -> None:
        """Find the repositories of a registry, ``HOST[:PORT][/PATH]``, in its order.

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
        for name in dict.fromkeys(chosen):
            self._add(f"{host}/{name}", access, partial(self._list_cataloged, Reference(host, name), access))

    async def _list_cataloged(self, repository: Reference, access: Access) -> list[SourceImage]:
        """Return the images of a repository of a catalog."""
        try:
            return await self._repository_images(repository, access, _any)
        except PyskopeoError as error:
            if isinstance(error, RegistryError) and error.status == 404:  # emptied, but still in the catalog
                self.report(LogMessage("warning", f"{repository.name} has no list of tags: {error}"))
            else:
                self._fail("Error processing repo, skipping", error, repo=repository.name)
            return []

    def find_dir(self, source: str) -> None:
        """Find the images in and below a directory; raises `PathNotFound` and `StorageFailed`."""
        paths = local_sources.find_image_directories(source)
        self._add_place("dir", source, [from_directory(source, path) for path in paths])

    async def find_docker_archive(self, source: str) -> None:
        """Find the images in an archive of ``docker save``; raises what `list_archive_images` raises."""
        images = await local_sources.list_archive_images(source, self.access, self.report)
        self._add_place("docker-archive", source, images)

    def find_oci(self, source: str, *, keep: bool) -> None:
        """Find the images of an OCI layout, see `from_layout`; raises `PathNotFound` and `InvalidContent`."""
        images = [from_layout(source, *image, keep=keep) for image in local_sources.list_layout_images(Path(source))]
        self._add_place("oci", source, images)

    def _add_place(self, transport: str, source: str, images: list[SourceImage]) -> None:
        if self.contents is not None and images:
            place = source_identity(f"{transport}:{source}")
            self.contents.add_place(place, (source_identity(image.source) for image in images))
        self._add("", self.access, partial(_given, images))


def _any(_: str) -> bool:
    return True


async def _given(images: list[SourceImage]) -> list[SourceImage]:
    return images
