"""The templates of ``inspect --format``, as containers/common's ``pkg/report`` renders them for skopeo."""

from __future__ import annotations

import re

from ...errors import InvalidInput
from . import nodes
from .execution import execute
from .functions import FUNCTIONS
from .lexer import NAME, TemplateError
from .literals import to_bytes
from .parser import parse
from .table import align
from .values import ANY, Slice

_WRAP = "{{range .}}"
_UNWRAP = "{{end -}}"
_RANGE = re.compile(r"\{\{\s*range\s*\.\s*\}\}", re.ASCII)
_END = re.compile(r"\{\{\s*end\s*-?\s*\}\}", re.ASCII)
_JSON = re.compile(r"\s*(?:json|\{\{\s*json\.?\s*\}\})\s*", re.ASCII)
_ESCAPES = {"table ": "", "\\t": "\t", "\\n": "\n", " ": "\t"}
_TABLE = "table "


def is_json(template: str) -> bool:
    """Return whether a ``--format`` asks for the JSON output: ``json`` or ``{{json .}}``."""
    return _JSON.fullmatch(template) is not None


def render(template: str, value: object) -> str:
    r"""Return what skopeo 1.22 prints for ``value`` by a template.

    ``value`` is a `Struct`, a mapping (a Go map: a missing key prints ``<no value>``) or any other value
    of this package. ``\t`` and ``\n`` in the template stand for tab and newline, and a newline is appended.
    After a leading ``table ``, spaces stand for tabs too and the columns are aligned; there is no heading.
    A template with its own ``{{range .}}`` is executed for a list that contains ``value``.

    Raises `InvalidInput` in the wording of Go's ``text/template``, with the line from 1 and, for errors
    of execution, the column from 0. Steps, nesting and output are limited. Bytes that are not UTF-8, which
    a template can make by cutting a character in two, become U+FFFD.
    """
    try:
        parsed, shift = _parse(template)
        output = execute(parsed, Slice(ANY, (value,)), shift)
    except RecursionError:
        raise InvalidInput(f"template: {NAME}: nested too deeply; split it up") from None
    output = to_bytes(output).decode("utf-8", "replace")
    return align(output) if template.startswith(_TABLE) else output


def _parse(template: str) -> tuple[nodes.Template, int]:
    error: TemplateError | None = None
    # A template that is invalid after ``\n`` became a newline, as {{printf "\n"}}, is parsed as it was written.
    for text in (_unescaped(template), template.removeprefix(_TABLE)):
        wraps = template.startswith(_TABLE) or not _has_range(text)
        try:
            parsed = parse(f"{_WRAP}{text}{_UNWRAP}" if wraps else text, FUNCTIONS)
        except TemplateError as found:
            error = found
        else:
            return parsed, len(_WRAP) if wraps else 0
    # The error for the user's text is clearer than that for the text within a loop.
    parse(template.removeprefix(_TABLE), FUNCTIONS)
    assert error is not None
    raise error


def _has_range(text: str) -> bool:
    start = _RANGE.search(text)
    return start is not None and _END.search(text, start.end()) is not None


def _unescaped(template: str) -> str:
    pattern = r"table |\\t|\\n| " if template.startswith(_TABLE) else r"\\t|\\n"
    text = re.sub(pattern, lambda match: _ESCAPES[match[0]], template)
    return text if text.endswith("\n") else text + "\n"
