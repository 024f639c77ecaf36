"""Keep secrets out of messages and events: some servers repeat them, as they are or encoded."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

from ..errors import PyskopeoError
from ..fast_dataclass import replace
from .origin import HARMLESS_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.events import Event

# Shorter texts are not replaced: they occur by chance in most messages, and are no useful secret.
_MIN_LENGTH = 4
# The same for values in the query of a URL, most of which are no secrets.
_MIN_QUERY_VALUE = 16
# Values of the most recent URLs that are replaced: each blob may have a URL of its own.
_MAX_QUERY_VALUES = 64
# The user's name is shown elsewhere.
_NO_SECRETS = HARMLESS_PARAMETERS | {"account"}
# Characters of the beginning of a secret that are replaced where a text was cut, and what follows there.
_MIN_BEGINNING = 6
# The same where a text goes on with something else, which other texts begin with less often.
_LONG_BEGINNING = 16
# Secrets from this length on are replaced in upper and lower case, too.
_MIN_ANY_CASE = 8
_CUT = re.compile(r"""\.\.\.|['"]|$""")
# Words with something that was escaped for a URL, HTML or JSON.
_ESCAPE = re.compile(r"[%&\\]")
# Few texts have one: compiled then, at the cost of a million instructions.
_BACKSLASH_ESCAPE = r"\\(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|(.))"
_WORD = re.compile(r"\S*[%&\\]\S*")
_HIDDEN = "***"
# How many of its beginnings are kept though there are fewer values.
_MAX_BEGINNINGS = 1024
# Of most requests; with the names of the registry and of the repository. Compiled by `re` at the first use.
_PLAIN_URL = r"https?://([^/]*)/v2/(.*)/(?:blobs|manifests)/sha256:[0-9a-f]{64}"


class Redactor:
    """Replaces secrets in text with ``***``, in any common encoding.

    That is in URLs, forms, JSON, HTML, hexadecimal, base64 and numbers of characters; they may be wrapped over lines.
    """

    def __init__(self, kept: tuple[str, ...] = ()) -> None:
        """``kept`` are names that are not replaced, although a secret may be a part of them."""
        self._kept = tuple(name for name in kept if name)
        self._secrets: set[str] = set()
        self._spellings: list[str] | None = []
        self._query_values: dict[str, None] = {}
        # What the spellings and the query values begin with; None if that is to be determined again.
        self._beginnings: set[str] | None = set()

    def add(self, *secrets: str) -> None:
        """Add secrets to replace."""
        added = {secret for secret in secrets if len(secret) >= _MIN_LENGTH} - self._secrets
        if added:
            self._secrets |= added
            self._spellings = self._beginnings = None

    def add_url(self, url: str) -> None:
        """Add the long values in the query of a URL from a server, which may be a signature."""
        for name, value in parse_qsl(urlsplit(url).query):
            if len(value) >= _MIN_QUERY_VALUE and name not in _NO_SECRETS:
                self._add_values(value, quote(value, safe=""))

    def add_upload(self, url: str) -> None:
        """Add what allows to write to an upload: long values in the query of its URL, and at the end of its path."""
        words = urlsplit(url).path.partition("uploads/")[2].split("/")
        self._add_values(*(word for word in words if len(word) >= _MIN_QUERY_VALUE))
        self.add_url(url)

    def _add_values(self, *values: str) -> None:
        self._query_values |= dict.fromkeys(values)
        while len(self._query_values) > _MAX_QUERY_VALUES:
            del self._query_values[next(iter(self._query_values))]
        if self._beginnings is not None:
            self._beginnings.update(value[:_MIN_LENGTH] for value in values)
            if len(self._beginnings) > _MAX_BEGINNINGS:  # many are those of values that were dropped
                self._beginnings = None

    def redact(self, text: str) -> str:
        """Return ``text`` without the secrets."""
        if not self._secrets and not self._query_values:
            return text
        from .wrapped_text import has_bytes, has_numbers, unwrap  # loaded only where there is something to hide

        found = self._suspects(text)
        if not found and self._is_plain_url(text):
            return text
        unwrapped = unwrap(text)
        wrapped = found if unwrapped == text else self._suspects(unwrapped)
        marked = self._with_marks(text)
        if found or wrapped or has_bytes(marked) or has_numbers(marked):
            text = self._hide_all(text, found, wrapped)
        if _ESCAPE.search(text):
            text = _WORD.sub(lambda word: _HIDDEN if self._is_in(_unescaped(word[0])) else word[0], text)
        return text

    def _hide_all(self, text: str, found: list[str], wrapped: list[str]) -> str:
        """Return ``text`` without the spellings ``found``, those ``wrapped`` in it, and secrets as bytes."""
        from .wrapped_text import hide_bytes, hide_numbers, hide_wrapped

        text = hide_wrapped(text, self._with_names(wrapped), _HIDDEN)
        text = _hide(text, self._with_names(found))
        text = self._with_marks(text)
        # Before the others, which would hide the first piece alone.
        text = hide_wrapped(text, wrapped, _HIDDEN)
        text = hide_bytes(text, (digits for secret in self._secrets for digits in _hexadecimal(secret)), _HIDDEN)
        text = hide_numbers(text, (*self._secrets, *self._query_values), _HIDDEN)
        text = _hide(text, found)
        for number, name in enumerate(self._kept):
            text = text.replace(f"\x00{number}\x00", name)
        return text

    def _with_marks(self, text: str) -> str:
        """Return ``text`` with marks in place of the names: control characters, which are in no message."""
        for number, name in enumerate(self._kept):
            text = text.replace(name, f"\x00{number}\x00")
        return text

    def _with_names(self, spellings: list[str]) -> list[str]:
        return [spelling for spelling in spellings if any(name in spelling for name in self._kept)]

    def redact_event(self, event: Event) -> Event:
        """Return an event without the secrets."""
        changed: dict[str, Any] = {}
        if not self._secrets and not self._query_values:
            return event
        for name in event.__match_args__:
            text = getattr(event, name)
            if isinstance(text, str) and (clean := self.redact(text)) != text:
                changed[name] = clean
        return replace(event, **changed) if changed else event

    @contextmanager
    def redacted_errors(self) -> Iterator[None]:
        """Take the secrets out of a `PyskopeoError` that is raised in the block, and out of its causes."""
        try:
            yield
        except PyskopeoError as error:
            self._redact_error(error)
            raise

    def _suspects(self, text: str) -> list[str]:
        """Return the spellings whose beginning is in ``text``, the longest first: one may be part of another.

        Texts without any are most, events of every request among them, so this has to be fast.
        """
        if self._spellings is None:
            found = {spelling for secret in self._secrets for spelling in _spellings(secret)}
            self._spellings = sorted(found, key=len, reverse=True)
        if self._beginnings is None:
            self._beginnings = {one[:_MIN_LENGTH] for one in (*self._spellings, *self._query_values)}
        beginnings = {text[at : at + _MIN_LENGTH] for at in range(len(text) - _MIN_LENGTH + 1)}
        if beginnings.isdisjoint(self._beginnings):
            return []
        suspects = [one for one in (*self._spellings, *self._query_values) if one[:_MIN_LENGTH] in beginnings]
        return sorted(suspects, key=len, reverse=True)

    def _is_plain_url(self, text: str) -> bool:
        """Return whether ``text`` is the URL of content by its digest, in which nothing is divided or encoded."""
        found = re.fullmatch(_PLAIN_URL, text)
        return found is not None and all(name in self._kept for name in found.groups())

    def _is_in(self, candidates: tuple[str, ...]) -> bool:
        return any(secret in text for secret in (*self._secrets, *self._query_values) for text in candidates)

    def _redact_error(self, error: BaseException) -> None:
        seen: set[int] = set()
        chained: BaseException | None = error
        while chained is not None and id(chained) not in seen:
            seen.add(id(chained))
            chained.args = tuple(self._redact_value(value) for value in chained.args)
            for name, value in list(vars(chained).items()):
                if (changed := self._redact_value(value)) != value:
                    setattr(chained, name, changed)
            chained = chained.__cause__ or chained.__context__

    def _redact_value(self, value: object) -> object:
        if isinstance(value, str):
            return self.redact(value)
        if type(value) is tuple:
            return tuple(self._redact_value(one) for one in value)
        return value


def _hide(text: str, spellings: list[str]) -> str:
    for spelling in spellings:
        if spelling in text:
            text = text.replace(spelling, _HIDDEN)
        if len(spelling) > _MIN_BEGINNING:
            text = _without_beginnings(text, spelling)
    for spelling in spellings:
        if len(spelling) > _LONG_BEGINNING:
            text = _without_beginnings(text, spelling, _LONG_BEGINNING)
    return text


def _without_beginnings(text: str, secret: str, enough: int | None = None) -> str:
    """Return ``text`` without the beginning of a ``secret`` where a message was cut to its maximum length.

    A beginning of ``enough`` characters is left out wherever it is.
    """
    start = secret[: enough or _MIN_BEGINNING]
    at = text.find(start)
    while at >= 0:
        end = at + len(start)
        while end < len(text) and text[end] == secret[end - at : end - at + 1]:
            end += 1
        if enough or _CUT.match(text, end):
            text, end = f"{text[:at]}{_HIDDEN}{text[end:]}", at + len(_HIDDEN)
        at = text.find(start, end)
    return text


def _spellings(secret: str) -> Iterator[str]:
    from html import escape

    raw = secret.encode("utf-8", "surrogatepass")
    percent = "".join(f"%{byte:02X}" for byte in raw)
    yield secret
    if len(secret) >= _MIN_ANY_CASE:
        yield from (secret.upper(), secret.lower())
    for escaped in (quote(raw, safe=""), quote(raw), quote_plus(raw), percent):
        yield escaped
        yield re.sub("%..", lambda match: match[0].lower(), escaped)
    for quoted in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield from (quoted, quoted.replace("/", "\\/"))
    yield from (ascii(secret)[1:-1], escape(secret), escape(secret, quote=False))
    yield repr(raw)[2:-1]
    yield from _hexadecimal(secret)
    yield from ("".join(format(byte, form) for byte in raw) for form in ("03d", "03o", "08b"))
    yield from _base32_spellings(raw)
    yield from _base64_spellings(raw)
    for encoding in ("utf-16-le", "utf-16-be"):  # as Windows has text
        wide = secret.encode(encoding, "surrogatepass")
        yield from (wide.hex(), wide.hex().upper())
        yield from _base64_spellings(wide)


def _hexadecimal(secret: str) -> tuple[str, str]:
    digits = secret.encode("utf-8", "surrogatepass").hex()
    return digits, digits.upper()


def _base64_spellings(raw: bytes) -> Iterator[str]:
    from base64 import b64encode

    for core in _cores(raw, b64encode, 6):
        yield core
        yield core.replace("+", "-").replace("/", "_")


def _base32_spellings(raw: bytes) -> Iterator[str]:
    from base64 import b32encode

    for core in _cores(raw, b32encode, 5):
        yield core
        yield core.lower()


def _cores(raw: bytes, encode: Callable[[bytes], bytes], bits: int) -> Iterator[str]:
    """Yield what is in an encoding, of so many ``bits`` per character, of any text that contains ``raw``.

    That is one spelling for each of its possible positions.
    """
    for before in range(math.lcm(8, bits) // 8):
        encoded = encode(bytes(before) + raw).decode("ascii")
        # Bits of the neighbours are in the first and the last character.
        core = encoded[-(-before * 8 // bits) : (before + len(raw)) * 8 // bits]
        if len(core) > _MIN_LENGTH:
            yield core


def _unescaped(word: str) -> tuple[str, ...]:
    """Return what ``word`` may stand for if it is escaped, once or twice."""
    from html import unescape

    plain = re.sub(_BACKSLASH_ESCAPE, _unescape_backslash, word)
    # Escapes of bytes stand for characters of UTF-8.
    as_bytes = plain.encode("latin-1", "replace").decode("utf-8", "replace")
    return unquote(word), unquote_plus(word), unquote(unquote(word)), unescape(word), plain, as_bytes


def _unescape_backslash(match: re.Match[str]) -> str:
    hexadecimal, octal, character = match[1] or match[2] or match[3], match[4], match[5]
    if character:
        return character
    number = int(octal, 8) if octal else int(hexadecimal, 16)
    return chr(number) if number < 0x110000 else match[0]
