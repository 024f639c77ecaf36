"""Read the pages of a list of names, within bounds on their total.

Tags: distribution specification 1.1, "Listing Tags". Repositories: ``/v2/_catalog``, which registries have had before
there was a specification, and which it does not contain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import InvalidContent, TooLarge, UnsafeAddress
from ..fast_dataclass import dataclass
from ..http.origin import Origin
from ..http.read_bounded import read_bounded
from ..model.reference import is_repository, is_tag
from ..model.strict_json import parse_object
from .error_response import FETCHING_TAGS
from .link_header import find_next_page
from .response_checks import as_digest, closing, read_error

if TYPE_CHECKING:
    from ..http.messages import Response
    from ..model.digest import Digest
    from .session import Session

# Bytes of one page, and of all pages of a list.
_PAGE_LIMIT = 8 * 1024 * 1024
_TOTAL_LIMIT = 64 * 1024 * 1024
_MAX_NAMES = 1_000_000
_MAX_PAGES = 10_000
_SIZE_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ListedManifest:
    """What a list of tags says about the manifest of a tag; ``size`` is that of the image in bytes, None if unknown."""

    digest: Digest
    size: int | None = None


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags of a repository. ``problem`` says why some may be missing, "" if none are: that is no warning yet.

    ``manifests`` are those of the tags, where they were asked for and the registry lists them.
    """

    tags: list[str]
    problem: str = ""
    manifests: Mapping[str, ListedManifest] = field(default_factory=dict)


class NamePages:
    """The names of one list, collected page by page: `read` until ``next`` is empty.

    ``names`` are those of the pages so far, in the registry's order; ``next`` is the path, or the absolute URL, of the
    page to read next. ``problem`` is not empty if more pages may follow that could not be found. Subclasses say what
    the names are: ``member`` is that of the document which has them, ``fetching`` begins the message of an error
    response, "" for ``what``, and ``scope`` is one that the token needs besides the repository's.
    """

    member = ""
    fetching = ""
    scope = ""

    def __init__(self, session: Session, path: str, what: str) -> None:
        """``path`` is that of the list; ``what`` begins the messages of errors and warnings."""
        self.names: list[str] = []
        self.next = path
        self.problem = ""
        self._path = path.partition("?")[0]
        self._session, self._what = session, what
        self._read: set[str] = set()
        self._bytes = 0

    def accept(self, name: str | None) -> bool:
        """Return whether an entry belongs to the list; raises `InvalidContent` for one that cannot be in it."""
        raise NotImplementedError

    def take(self, document: Mapping[str, Any]) -> None:
        """Take what else there is in the document of a page; nothing, unless a subclass does."""

    async def read(self) -> None:
        """GET the next page, without retries; nothing is changed by a request that fails.

        Raises `NetworkError`, `UnsafeAddress` for a page elsewhere, `TooLarge` beyond 8 MiB of one page, 64 MiB or a
        million names of all, and `InvalidContent` for pages that lead in a circle and for anything but such a list.
        """
        headers = {"Accept": "application/json"}
        response = await self._session.request("GET", self.next, headers, extra_scope=self.scope)
        if response.status_code != 200:
            raise await read_error(self._session, response, self.fetching or self._what)
        async with closing(response):
            raw = await read_bounded(response, _PAGE_LIMIT, self._what)
        names = self._parse(raw)
        self._check_total(len(raw), len(names))
        following = self._next_page(response)
        self._read.add(self.next)
        self._bytes += len(raw) + len(following)
        self.names += names
        self.next = following

    def _check_total(self, size: int, count: int) -> None:
        number = len(self._read) + 1
        for total, limit, unit in (
            (self._bytes + size, _TOTAL_LIMIT, "bytes"), (len(self.names) + count, _MAX_NAMES, self.member),
            (number, _MAX_PAGES, "pages"),
        ):  # fmt: skip
            if total > limit:
                raise TooLarge(
                    f"{self._what}: the list is over the limit of {limit} {unit} at its page {number}: given up",
                    limit=limit,
                )

    def _next_page(self, response: Response) -> str:
        """Return the path of the next page at the registry, or its URL on the host that the page came from; or "".

        Registries behind a proxy may give the scheme, the port and the host that they have behind it. Scheme and port
        do not matter, and on another host the page is only read if it has the path of this list, from the registry.
        """
        here = response.url
        page = find_next_page(response.headers.get_list("link"), here)
        if page.problem and page.url:
            self._session.warn_once(f"{self._what}: the Link header {page.problem}", f"{self._what}: Link")
        if not page.url:
            self.problem = page.problem and f"the Link header {page.problem}"
            return ""
        origin, target = Origin.of(page.url), page.url.partition("#")[0]
        if origin.host == self._session.origin.host:
            target = _without_origin(target)
        elif origin != Origin.of(here):  # where the registry has redirected to
            if urlsplit(target).path != self._path:
                raise UnsafeAddress(f"{self._what}: the next page is on {origin}: refused")
            target, registry = _without_origin(target), self._session.origin
            self._session.warn_once(f"{self._what}: the next page is not read from {origin}, but from {registry}")
        if target == self.next or target in self._read:
            raise InvalidContent(f"{self._what}: the pages of the list lead in a circle, back to {target[:200]}")
        return target

    def _parse(self, raw: bytes) -> list[str]:
        document = parse_object(raw, self._what, _PAGE_LIMIT)
        listed = document.get(self.member) or []
        if not isinstance(listed, list) or not all(isinstance(name, str | None) for name in listed):
            raise InvalidContent(f"{self._what}: {self.member} is not a list of strings")
        self.take(document)
        return [name for name in listed if self.accept(name)]


class TagPages(NamePages):
    """The tags of one repository, without null and digests, which some registries list; skopeo skips them, too.

    With ``keep_manifests``, `manifests` are what Google's registries add to a list of tags: the manifest of each, by
    its digest, with the size of the image as text. What cannot be understood of that is left out.
    """

    member = "tags"
    fetching = FETCHING_TAGS

    def __init__(self, session: Session, path: str, what: str, *, keep_manifests: bool = False) -> None:
        super().__init__(session, path, what)
        self.manifests: dict[str, ListedManifest] = {}
        self._keep_manifests = keep_manifests

    def take(self, document: Mapping[str, Any]) -> None:
        listed = document.get("manifest") if self._keep_manifests else None
        for text, about in listed.items() if isinstance(listed, dict) else ():
            tags = about.get("tag") if isinstance(about, dict) else None
            digest = as_digest(text)
            if digest is None or not digest.verifiable or not isinstance(tags, list):
                continue
            size = about.get("imageSizeBytes")
            is_number = isinstance(size, str) and len(size) < _SIZE_DIGITS and size.isascii() and size.isdecimal()
            number = int(size) if is_number else None
            self.manifests.update({tag: ListedManifest(digest, number) for tag in tags if isinstance(tag, str)})

    def accept(self, name: str | None) -> bool:
        if name and is_tag(name):
            return True
        if name and as_digest(name) is None:
            raise InvalidContent(f"{self._what}: {ascii(name)[:140]} is not a tag")
        return False


class CatalogPages(NamePages):
    """The repositories of a registry that the user may see, without those whose names cannot be used."""

    member = "repositories"
    scope = "registry:catalog:*"

    def accept(self, name: str | None) -> bool:
        if name and is_repository(name):
            return True
        message = f"{self._what}: {ascii(name)[:140]} is no name of a repository: such entries are left out"
        self._session.warn_once(message, f"{self._what}: names")
        return False


def _without_origin(url: str) -> str:
    return urlsplit(url)._replace(scheme="", netloc="").geturl()
