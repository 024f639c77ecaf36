"""Find the next page of a list in ``Link`` headers (RFC 8288; distribution specification 1.1, "Listing Tags"). Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import UnsafeAddress
from ..fast_dataclass import dataclass
from ..http.origin import resolve_url
from ..http.printable import to_printable

if TYPE_CHECKING:
    from collections.abc import Sequence

# Characters of all headers together.
MAX_LENGTH = 16 * 1024
# The target of a link. Some registries leave out one or both of the angle brackets.
_TARGET = re.compile(r"[ \t,]*(?:<([^<>]*)>|<?((?:[/?]|https?://)[^\s<>;]*)>?(?=[ \t]*;))", re.IGNORECASE)
# A parameter: its name, and its value as a quoted string or as a token (RFC 8288 appendix B.3). The closing quote may
# be missing: relation types end at a separator without it, other values only if no quote follows at all.
_PARAMETER = re.compile(
    r"""[ \t]*;[ \t]*(?:
        (rel)[ \t]*=[ \t]*"([^";,<>]*)"?
        | ([^\s=;,"<>]*)[ \t]*(?:=[ \t]*(?:"((?:[^"\\]|\\.)*)"|"?([^";,<>]*)))?
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_END = re.compile(r"[ \t]*(?:,[ \t,]*|$)")
# Text that is no parameter, up to the next parameter or link.
_UNREADABLE = re.compile(r"(?:[^;,]|,(?![ \t]*<))+")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a header: its target, the relation types in ``rel`` in lower case, and its ``anchor``, if any."""

    target: str
    relations: frozenset[str]
    anchor: str | None = None


@dataclass(frozen=True, slots=True)
class NextPage:
    """The absolute URL of the next page, "" if there is none, and what is wrong with the headers, "" for nothing."""

    url: str = ""
    problem: str = ""


def parse_links(value: str) -> tuple[list[Link], str]:
    """Return the links in the value of one header, and its first unreadable part, "" if all of it could be read.

    The first ``rel`` and ``anchor`` of a link count, names of parameters and relation types are compared without
    regard to case, and a value may be quoted (RFC 8288 sections 3 and 3.3). Reading goes on after an unreadable part,
    at the next parameter or link. Takes linear time.
    """
    links: list[Link] = []
    unread = ""
    position = 0
    while position < len(value):
        target = _TARGET.match(value, position)
        if target is None:
            following = value.find("<", position + 1)
            end = following if following >= 0 else len(value)
            unread = unread or value[position:end].strip(" \t,")
            position = end
            continue
        parameters, skipped, position = _parse_parameters(value, target.end())
        unread = unread or skipped
        # Single quotes are no quotes to RFC 8288, but to some registries.
        relations = frozenset(parameters.get("rel", "").lower().replace("'", " ").split())
        links.append(Link((target[1] or target[2] or "").strip(), relations, parameters.get("anchor")))
    return links, unread


def _parse_parameters(value: str, position: int) -> tuple[dict[str, str], str, int]:
    """Return the parameters of a link from ``position`` on, the first unreadable part, and where the next link is."""
    parameters: dict[str, str] = {}
    unread = ""
    while (ended := _END.match(value, position)) is None:
        if found := _PARAMETER.match(value, position):
            relation, relations, name, quoted, token = found.groups()
            quoted = relations if relation else quoted
            text = _ESCAPED.sub(r"\1", quoted) if quoted is not None else (token or "").strip()
            parameters.setdefault((relation or name).lower(), text)
            position = found.end()
        elif skipped := _UNREADABLE.match(value, position):
            unread = unread or skipped[0].strip(" \t")
            position = skipped.end()
    return parameters, unread, ended.end()


def find_next_page(values: Sequence[str], url: str) -> NextPage:
    """Return the link with the relation ``next`` in the ``Link`` headers ``values`` of a response from ``url``.

    If another part of the headers cannot be read, it is the ``problem`` of a link that is found as well.
    A link without any relation is taken for it if it leads to the same path. Raises `UnsafeAddress` if the target is
    not a URL.
    """
    if sum(map(len, values)) > MAX_LENGTH:
        return NextPage(problem=f"is longer than {MAX_LENGTH} characters")
    links: list[Link] = []
    unread = ""
    for value in values:
        found, rest = parse_links(value)
        links += found
        unread = unread or rest
    following = [link for link in links if "next" in link.relations]
    for link in following:
        if not link.target:  # which is this page, that has been read
            return NextPage(problem="has a next page without an address: there may be more pages")
        if link.anchor is None or _path(url, link.anchor) == _path(url, url):
            problem = f"cannot be read in part ({to_printable(unread, 80)})" if unread else ""
            return NextPage(resolve_url(url, link.target), problem)
    unnamed = [link for link in links if not link.relations]
    if len(unnamed) == 1 and _path(url, unnamed[0].target) == _path(url, url):
        target = resolve_url(url, unnamed[0].target)
        if target != url:
            return NextPage(target, "has no relation, and is taken for that of the next page")
        unnamed = []
    if unread:
        return NextPage(problem=f"cannot be read ({to_printable(unread, 80)}): there may be more pages")
    if following or unnamed:
        reason = "is about another resource" if following else "has no relation"
        return NextPage(problem=f"{reason}: there may be more pages")
    return NextPage()


def _path(base: str, reference: str) -> str:
    """Return the path of a reference, "" if it is none that can be requested."""
    try:
        return urlsplit(resolve_url(base, reference)).path
    except UnsafeAddress:
        return ""
