"""The functions of templates: Go's builtins, and those of containers/common's ``pkg/report``, which skopeo uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ...errors import InvalidContent
from ...fast_dataclass import dataclass
from .. import go_json
from . import comparison, indexing
from .formatting import sprint, sprintf, sprintln
from .literals import from_bytes, to_bytes
from .printf_verbs import TEXT_LIMIT, CallError
from .values import ANY, Slice, indirect, json_value, truth, type_of

Arguments = Sequence[object]

_HTML = {"\x00": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
_JS_SPECIAL = re.compile("[^ !#-%(-;?-\\[\\]-\x7f]")
# As strings.Title: letters, digits, underscores and non-ASCII characters other than spaces join words.
_WORD_START = re.compile(r"(?<!\w)(?<![^\x00-\x7f\s])[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Function:
    """A function of templates.

    ``parameters`` are the Go types of its parameters, and ``rest`` that of further ones, None if it is not
    variadic. ``run`` is called with arguments of these types; it raises `CallError`. With ``stops_on``, an
    argument with that truth ends the evaluation of arguments, as for ``and`` and ``or``.
    """

    parameters: tuple[str, ...]
    rest: str | None
    run: Callable[[Arguments], object]
    stops_on: bool | None = None


def _text_of(arguments: Arguments) -> str:
    """Format the arguments as ``html``, ``js`` and ``urlquery`` do."""
    return sprint(["<no value>" if indirect(value) is None else value for value in arguments])


def _html(arguments: Arguments) -> str:
    return "".join(_HTML.get(character, character) for character in _text_of(arguments))


def _js(arguments: Arguments) -> str:
    return _JS_SPECIAL.sub(lambda match: _js_escape(match[0]), _text_of(arguments))


def _js_escape(character: str) -> str:
    if character in _JS:
        return _JS[character]
    if "\udc80" <= character <= "\udcff":
        return "\\uFFFD"
    return character if character.isprintable() else f"\\u{ord(character):04X}"


def _urlquery(arguments: Arguments) -> str:
    from urllib.parse import quote_plus

    return quote_plus(to_bytes(_text_of(arguments)))


def _printf(arguments: Arguments) -> str:
    template, *rest = arguments
    return sprintf(str(template), rest)


def _call(arguments: Arguments) -> object:
    value = indirect(arguments[0])
    if value is None:
        raise CallError("call of nil")
    # None of the values that a template can reach is a function.
    raise CallError(f"non-function of type {type_of(value)}")


def _json(arguments: Arguments) -> str:
    value = indirect(arguments[0])
    if isinstance(value, complex):
        raise CallError("json: unsupported type: complex128")
    try:
        return go_json.dumps(json_value(value), escape_html=False)
    except InvalidContent as error:
        raise CallError(f"json: {error}") from None


def _join(arguments: Arguments) -> str:
    items, separator = arguments
    assert isinstance(items, Slice)
    size = sum(len(str(item)) for item in items.items or ()) + len(str(separator)) * len(items)
    if size > TEXT_LIMIT:
        raise CallError(f"the text is over the limit of {TEXT_LIMIT} characters")
    return str(separator).join(str(items[index]) for index in range(len(items)))


def _split(arguments: Arguments) -> Slice:
    text, separator = (str(argument) for argument in arguments)
    return Slice("string", list(text) if not separator else text.split(separator))


def _title(arguments: Arguments) -> str:
    return _WORD_START.sub(lambda match: match[0].title()[:1], str(arguments[0]))


def _map_characters(text: str, change: Callable[[str], str]) -> str:
    """Map each code point to at most one, as Go does: ``ß`` has no upper case."""
    if text.isascii():
        return change(text)
    return "".join(changed if len(changed := change(character)) == 1 else character for character in text)


def _lower(arguments: Arguments) -> str:
    # U+0130 is the only letter whose lower case is two code points in Python.
    return _map_characters(str(arguments[0]).replace("\u0130", "i"), str.lower)


def _upper(arguments: Arguments) -> str:
    return _map_characters(str(arguments[0]), str.upper)


def _pad(arguments: Arguments) -> str:
    text, before, after = arguments
    assert isinstance(before, int)
    assert isinstance(after, int)
    if text and min(before, after) < 0:
        raise CallError("strings: negative Repeat count")
    if max(before, after) > TEXT_LIMIT:
        raise CallError(f"the text is over the limit of {TEXT_LIMIT} characters")
    return f"{' ' * before}{text}{' ' * after}" if text else ""


def _truncate(arguments: Arguments) -> str:
    text, length = arguments
    assert isinstance(length, int)
    if length < 0:
        raise CallError(f"slice bounds out of range [:{length}]")
    # Go counts bytes, so that the cut may be within a character.
    return from_bytes(to_bytes(str(text))[:length])


FUNCTIONS: dict[str, Function] = {
    "and": Function((ANY,), ANY, lambda a: a[-1], stops_on=False),
    "or": Function((ANY,), ANY, lambda a: a[-1], stops_on=True),
    "not": Function((ANY,), None, lambda a: not truth(a[0])),
    "call": Function((ANY,), ANY, _call),
    "len": Function((ANY,), None, lambda a: indexing.length(a[0])),
    "index": Function((ANY,), ANY, lambda a: indexing.index(a[0], a[1:])),
    "slice": Function((ANY,), ANY, lambda a: indexing.cut(a[0], a[1:])),
    "print": Function((), ANY, sprint),
    "printf": Function(("string",), ANY, _printf),
    "println": Function((), ANY, sprintln),
    "html": Function((), ANY, _html),
    "js": Function((), ANY, _js),
    "urlquery": Function((), ANY, _urlquery),
    "eq": Function((ANY,), ANY, lambda a: comparison.equal(a[0], a[1:])),
    "ne": Function((ANY, ANY), None, lambda a: not comparison.equal(a[0], a[1:])),
    "lt": Function((ANY, ANY), None, lambda a: comparison.less(a[0], a[1])),
    "le": Function((ANY, ANY), None, lambda a: comparison.less(a[0], a[1]) or comparison.equal(a[0], a[1:])),
    "gt": Function((ANY, ANY), None, lambda a: not comparison.less(a[0], a[1]) and not comparison.equal(a[0], a[1:])),
    "ge": Function((ANY, ANY), None, lambda a: not comparison.less(a[0], a[1])),
    "json": Function((ANY,), None, _json),
    "join": Function(("[]string", "string"), None, _join),
    "split": Function(("string", "string"), None, _split),
    "lower": Function(("string",), None, _lower),
    "upper": Function(("string",), None, _upper),
    "title": Function(("string",), None, _title),
    "pad": Function(("string", "int", "int"), None, _pad),
    "truncate": Function(("string", "int"), None, _truncate),
}
