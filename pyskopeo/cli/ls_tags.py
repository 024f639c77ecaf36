"""What ``ls`` prints of a repository: its tags, one a line, or with what they refer to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..api.repositories import list_tags
from ..api.tag_details import read_tag_details
from ..errors import IncompleteTags
from ..http.printable import to_printable
from .log import log
from .main import supervise
from .quantities import quantity, size
from .regex_timeout import bounded
from .text_output import TextOutput, columns, cut, minute, one_line, print_lines
from .verification_view import print_json

if TYPE_CHECKING:
    from ..access import Access
    from ..model.choice import Choice
    from ..model.tag_details import TagDetails
    from .tag_flags import TagsOptions

_HEAD = ("TAG", "DIGEST", "SIZE", "CREATED", "PLATFORMS")
_SHOWN_PROBLEMS = 10
_DATE = len("2026-01-31")
_NARROW, _WIDE, _LEAST_TAG = 80, 110, 18  # columns


def list_repository(
    name: str, options: TagsOptions, access: Access, platform: Choice, timeout: float, *, as_json: bool
) -> int:
    """Print the tags of a repository, and return the exit code: 1 if what some of them refer to cannot be read.

    Raises `IncompleteTags` after those of a list that may go on, and what `list_tags` and `read_tag_details` raise.
    """
    incomplete: IncompleteTags | None = None
    try:
        tags = supervise(list_tags(name, access=access), timeout)
    except IncompleteTags as error:
        tags, incomplete = list(error.tags), error
    # Outside the event loop, which would not handle SIGINT while a regular expression is being matched.
    with bounded("--filter", timeout):
        tags = options.filter.apply(tags)
    code = 0
    if options.details:
        details = supervise(read_tag_details(name, tags, platform=platform, access=access), timeout)
        if as_json:
            print_json({"name": name, "tags": [one.to_json() for one in details]})
        else:
            print_lines(details_lines(details, TextOutput.of_stdout()))
        code = _report_problems(details)
    elif as_json:
        print_json({"name": name, "tags": tags})
    else:
        for tag in tags:
            print(to_printable(tag))
    if incomplete is not None:
        raise incomplete
    return code


def details_lines(details: Sequence[TagDetails], output: TextOutput) -> Iterator[str]:
    """Yield a line for each tag below a head; on a terminal, as many platforms are named as fit."""
    is_narrow = output.width is not None and output.width < _NARROW
    shown = [at for at in range(len(_HEAD) - 1) if not (is_narrow and _HEAD[at] == "CREATED")]
    cells = [[_cells(one, output)[at] for at in shown] for one in details]
    head = [_HEAD[at] for at in shown]
    widths = [max(map(columns, column)) for column in zip(head, *cells, strict=True)]
    left = None if output.width is None else output.width - sum(widths) - 2 * len(widths)
    rows = [(*row, _platforms(one, left)) for row, one in zip(cells, details, strict=True)]
    yield from output.table((*head, _HEAD[-1]), rows, frozenset({2}))


def _cells(one: TagDetails, output: TextOutput) -> tuple[str, str, str, str]:
    tag = to_printable(one.tag)
    if output.width is not None:
        tag = cut(tag, max(output.width // 4, _LEAST_TAG))
    digest = "-" if one.digest is None else output.digest(one.digest)
    created = minute(one.created) or "-"
    if output.width is not None and output.width < _WIDE:
        created = created[:_DATE]
    return tag, digest, "-" if one.size is None else size(one.size), created


def _platforms(one: TagDetails, width: int | None) -> str:
    """Return the platforms, the type of an artifact or what is wrong; in ``width`` columns some, and how many more."""
    if one.problem:
        return f"({one_line(one.problem)})"
    if one.artifact_type:
        return one_line(one.artifact_type, 100)
    names = [one_line(str(platform), 100) for platform in one.platforms]
    whole = ",".join(names)
    if width is None or columns(whole) <= width:
        return whole or "-"
    for shown in range(len(names) - 1, 0, -1):
        text = f"{','.join(names[:shown])} +{len(names) - shown}"
        if columns(text) <= width:
            return text
    return f"{len(names)}"


def _report_problems(details: Sequence[TagDetails]) -> int:
    wrong = [one for one in details if one.problem]
    for one in wrong[:_SHOWN_PROBLEMS]:
        log("error", f"{one.tag}: {one.problem}")
    if (more := len(wrong) - _SHOWN_PROBLEMS) > 0:
        log("error", f"and {quantity(more, 'tag')} more could not be read")
    return 1 if wrong else 0
