"""``inspect --format``: what skopeo does around a Go template before and after it runs."""

from __future__ import annotations

import re

from ...errors import InvalidInput
from . import nodes
from .execute import execute
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
    """Whether ``--format`` asks for the default JSON output, as ``json`` and ``{{json}}`` do."""
    return _JSON.fullmatch(template) is not None


def render(template: str, value: object) -> str:
    r"""Carry out ``template`` on ``value`` and give what skopeo 1.22 prints for it.

    ``value`` is a `Struct`, a mapping (a Go map: a missing key prints ``<no value>``) or any other value
    of this package. ``\t`` and ``\n`` in the text count as tab and newline, and a newline is added. After
    a leading ``table `` spaces count as tabs too, and the columns are aligned; there is no heading. A
    template with a ``{{range .}}`` of its own sees a list of the one value.

    Raises `InvalidInput`, with the line and for errors during the run the column from 0, in the wording
    of Go's ``text/template``. Work, nesting and output are bounded. Bytes that are not UTF-8, which a
    template can make by cutting a character in two, come out as U+FFFD.
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
    # A template that does not parse once \n is a newline, as {{printf "\n"}}, is taken as it stands.
    for text in (_unescaped(template), template.removeprefix(_TABLE)):
        wraps = template.startswith(_TABLE) or not _has_range(text)
        try:
            parsed = parse(f"{_WRAP}{text}{_UNWRAP}" if wraps else text, FUNCTIONS)
        except TemplateError as found:
            error = found
        else:
            return parsed, len(_WRAP) if wraps else 0
    # The user's own text says better what is wrong than one with a loop around it.
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
