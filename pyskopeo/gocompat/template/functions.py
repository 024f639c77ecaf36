"""The functions that a template may call: Go's own, and those of skopeo's ``--format``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ...errors import InvalidContent
from ...fast_dataclass import dataclass
from .. import go_json
from . import comparison, indexing
from .formatting import sprint, sprintf, sprintln
from .literals import from_bytes, to_bytes
from .values import ANY, Slice, indirect, plain, truth, type_of
from .verbs import TEXT_LIMIT, CallError

Arguments = Sequence[object]

_HTML = {"\x00": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
_JS_SPECIAL = re.compile("[^ !#-%(-;?-\\[\\]-\x7f]")
# Of what is not ASCII only spaces come between words.
_WORD_START = re.compile(r"(?<!\w)(?<![^\x00-\x7f\s])[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Function:
    """A function: the Go types of its parameters, that of the rest when it is variadic, and what it does.

    The evaluator has checked the arguments against the types before it calls ``run``, which raises
    `CallError` for what cannot be done. ``stops_on`` is the truth of an argument after which the others are
    not looked at.
    """

    parameters: tuple[str, ...]
    rest: str | None
    run: Callable[[Arguments], object]
    stops_on: bool | None = None


def _text_of(arguments: Arguments) -> str:
    """The arguments as ``html``, ``js`` and ``urlquery`` take them."""
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
    # No value that a template can reach is a function.
    raise CallError(f"non-function of type {type_of(value)}")


def _json(arguments: Arguments) -> str:
    value = indirect(arguments[0])
    if isinstance(value, complex):
        raise CallError("json: unsupported type: complex128")
    try:
        return go_json.dumps(plain(value), escape_html=False)
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


def _each_character(text: str, change: Callable[[str], str]) -> str:
    """Change the case as Go does, one code point for one: ``ß`` has no capital."""
    if text.isascii():
        return change(text)
    return "".join(changed if len(changed := change(character)) == 1 else character for character in text)


def _lower(arguments: Arguments) -> str:
    # U+0130 is the one letter whose small form Python writes as two.
    return _each_character(str(arguments[0]).replace("\u0130", "i"), str.lower)


def _upper(arguments: Arguments) -> str:
    return _each_character(str(arguments[0]), str.upper)


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
    # Go counts bytes, and may well cut a character in two.
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
