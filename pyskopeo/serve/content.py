"""What the endpoints read from: a layout under any name, a registry's repositories, a cache of another registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ContentMismatch, InvalidContent, NotFound, Unsupported
from ..model.layout import INDEX_FILE
from ..model.manifest import Manifest
from ..model.strict_json import MANIFEST_LIMIT
from ..storage.files import digest_name, read_bounded
from ..storage.oci_layout import DirectoryFiles
from ..storage.repository_contents import RepositoryContents
from ..streams.cancellation import run_in_thread
from .blob_files import BlobFiles, unknown_content
from .catalog import Catalog, IndexFile, is_repository, is_tag
from .responses import reason, refusal

if TYPE_CHECKING:
    from io import FileIO

    from ..model.descriptor import Descriptor
    from ..model.digest import Digest


class RegistryContent(ABC):
    """What a registry has. All methods raise refusals (`responses.refusal`) that the endpoints answer with.

    Names of repositories are valid; lists are sorted as the specification says, and come in pages: up to ``count``
    names after ``last``, and whether there are more.
    """

    @abstractmethod
    async def repositories(self, last: str, count: int) -> tuple[Sequence[str], bool]:
        """Return a page of the repositories."""

    @abstractmethod
    async def tags(self, repository: str, last: str, count: int) -> tuple[Sequence[str], bool]:
        """Return a page of the tags of a repository."""

    @abstractmethod
    async def resolve(self, repository: str, tag: str) -> Digest:
        """Return the digest that a valid tag refers to."""

    @abstractmethod
    async def manifest(self, repository: str, digest: Digest) -> Manifest:
        """Return a manifest."""

    @abstractmethod
    async def open_blob(self, repository: str, digest: Digest) -> FileIO:
        """Open a blob."""

    @abstractmethod
    async def referrers(self, repository: str, digest: Digest) -> Sequence[Descriptor]:
        """Return what refers to a digest, in any order."""


class LayoutContent(RegistryContent):
    """A layout that is served under any name, or as ``repository`` only; see `Catalog` for its tags."""

    def __init__(self, layout: Path, repository: str | None) -> None:
        self._repository = repository
        self._title = repository or layout_title(layout)
        self._index = IndexFile(layout / INDEX_FILE)
        self._blobs, self._files = layout / "blobs", DirectoryFiles(layout)
        self._blob_files = BlobFiles(self._blobs)
        self._contents: tuple[Catalog, RepositoryContents] | None = None

    async def repositories(self, last: str, count: int) -> tuple[Sequence[str], bool]:
        """Return one name only, although any is served, so that mirrors copy the layout once."""
        names = [self._title] if self._title > last else []
        return names[:count], len(names) > count

    async def tags(self, repository: str, last: str, count: int) -> tuple[Sequence[str], bool]:
        from .catalog import order

        self._check(repository)
        names = (await self._catalog()).tags_in(repository)
        if last:
            names = [name for name in names if order(name) > order(last)]
        return names[:count], len(names) > count

    async def resolve(self, repository: str, tag: str) -> Digest:
        self._check(repository)
        catalog = await self._catalog()
        digest = catalog.resolve(repository, tag)
        if digest is None:
            raise unknown_tag(tag, ambiguous=tag in catalog.ambiguous)
        return digest

    async def manifest(self, repository: str, digest: Digest) -> Manifest:
        from anyio import to_thread

        self._check(repository)
        catalog = await self._catalog()
        if (found := catalog.synthesized.get(digest)) is not None:
            return found
        return await to_thread.run_sync(read_manifest, self._blobs, digest, catalog.types.get(digest))

    async def open_blob(self, repository: str, digest: Digest) -> FileIO:
        self._check(repository)
        return await self._blob_files.open(digest)

    async def referrers(self, repository: str, digest: Digest) -> Sequence[Descriptor]:
        self._check(repository)
        catalog = await self._catalog()
        if self._contents is None or self._contents[0] is not catalog:
            roots = list(catalog.types.items())
            self._contents = catalog, await run_in_thread(lambda: RepositoryContents.read(self._files, roots))
        return list(self._contents[1].referrers.get(digest, {}).values())

    def _check(self, repository: str) -> None:
        if self._repository not in (None, repository):
            message = f"repository {repository} is not served here, {self._repository} is"
            raise refusal(404, "NAME_UNKNOWN", message)

    async def _catalog(self) -> Catalog:
        from anyio import to_thread

        try:
            return await to_thread.run_sync(self._index.catalog)
        except NotFound:
            raise refusal(404, "NAME_UNKNOWN", "the layout has no index.json yet") from None


def layout_title(layout: Path) -> str:
    """Return the name of the only repository of a layout without names."""
    return layout.name if is_repository(layout.name) else "image"


def read_manifest(blobs: Path, digest: Digest, media_type: str | None) -> Manifest:
    """Read and verify a manifest; other content is unknown, or invalid if an entry has it, with its ``media_type``."""
    with unknown_content("MANIFEST_UNKNOWN", digest):
        try:
            raw = read_bounded(blobs / digest_name(digest), MANIFEST_LIMIT)
            return Manifest.parse(raw, content_type=media_type or "", expected=digest)
        except (InvalidContent, Unsupported) as error:
            if media_type is not None or isinstance(error, ContentMismatch):
                raise refusal(500, "MANIFEST_INVALID", f"{digest}: {reason(error)}") from error
            raise refusal(404, "MANIFEST_UNKNOWN", f"{digest} is not a manifest") from error


def unknown_tag(tag: str, *, ambiguous: bool = False) -> Exception:
    """Return the refusal for a tag that refers to nothing, or to one of several images."""
    why = "is claimed by several images, pull by digest" if ambiguous else "is not in this layout"
    return refusal(404, "MANIFEST_UNKNOWN", f"tag {tag} {why}")


def check_repository(name: str) -> str:
    """Return a valid name of a repository; raises a refusal."""
    if not is_repository(name):
        raise refusal(400, "NAME_INVALID", f"invalid repository name {ascii(name)[:300]}")
    return name


def check_tag(tag: str) -> str:
    """Return a valid tag; raises a refusal."""
    if not is_tag(tag):
        raise refusal(400, "TAG_INVALID", f"invalid tag {ascii(tag)[:140]}")
    return tag
