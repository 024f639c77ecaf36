"""The lexer: a template's text into tokens (Go's ``text/template/parse``, lex.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto

from ...errors import InvalidInput
from ...fast_dataclass import dataclass
from .printf_verbs import one_line, quoted

NAME = "inspect"


class Kind(Enum):
    """The type of a token; ``LEFT`` and ``RIGHT`` are ``{{`` and ``}}``, ``OPEN`` and ``CLOSE`` parentheses."""

    ERROR = auto()
    EOF = auto()
    TEXT = auto()
    LEFT = auto()
    RIGHT = auto()
    SPACE = auto()
    ASSIGN = auto()
    DECLARE = auto()
    PIPE = auto()
    OPEN = auto()
    CLOSE = auto()
    CHAR = auto()
    BOOL = auto()
    CHARACTER = auto()
    COMPLEX = auto()
    NUMBER = auto()
    STRING = auto()
    RAW_STRING = auto()
    FIELD = auto()
    IDENTIFIER = auto()
    VARIABLE = auto()
    DOT = auto()
    NIL = auto()
    KEYWORD = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token; ``position`` is in characters from 0, ``line`` counts from 1."""

    kind: Kind
    position: int
    text: str
    line: int

    def __str__(self) -> str:
        if self.kind is Kind.EOF:
            return "EOF"
        if self.kind is Kind.ERROR:
            return self.text
        if self.kind in {Kind.KEYWORD, Kind.DOT, Kind.NIL}:
            return f"<{self.text}>"
        return f"{quoted(self.text[:10])}..." if len(self.text) > 10 else quoted(self.text)


class TemplateError(InvalidInput):
    """Internal to the command line: a ``--format`` template cannot be parsed or executed.

    The message has the line, and the column for errors of execution.
    """

    @classmethod
    def at_line(cls, line: int, reason: str) -> TemplateError:
        """Return the error for a template that cannot be parsed; ``line`` counts from 1."""
        return cls(f"template: {NAME}:{line}: {one_line(reason)}")


class UnknownField(TemplateError):
    """Internal: a template uses a field that a struct does not have; ``available`` are the names of those it has."""

    def __init__(self, message: str, available: tuple[str, ...]) -> None:
        super().__init__(message)
        self.available = available


_KEYWORDS = frozenset({"block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"})
_SPACES = " \t\r\n"
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*|0[bB][01_]*"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_QUOTED = {
    '"': (re.compile(r'"(?:[^"\\\n]|\\[^\n])*"'), Kind.STRING, "unterminated quoted string"),
    "`": (re.compile(r"`[^`]*`"), Kind.RAW_STRING, "unterminated raw quoted string"),
    "'": (re.compile(r"'(?:[^'\\\n]|\\[^\n])*'"), Kind.CHARACTER, "unterminated character constant"),
}
_SIGNS = {"|": Kind.PIPE, "(": Kind.OPEN, ")": Kind.CLOSE, "=": Kind.ASSIGN}


class _ScanError(Exception):
    """The text cannot be scanned any further; becomes an ``ERROR`` token."""


class Lexer:
    """Splits one template into `tokens`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._parens = 0

    def tokens(self) -> Iterator[Token]:
        """Yield all tokens, of which the last is ``EOF``, or ``ERROR`` with the message as its text."""
        try:
            yield from self._scan()
        except _ScanError as error:
            yield self._token(Kind.ERROR, self._at, str(error))

    def _token(self, kind: Kind, start: int, text: str) -> Token:
        self._line += self._text.count("\n", self._counted, start)
        self._counted = max(start, self._counted)
        return Token(kind, start, text, self._line)

    def _scan(self) -> Iterator[Token]:
        trim = False
        while True:
            start = self._at
            left = self._text.find("{{", start)
            end = len(self._text) if left < 0 else left
            text = self._text[start:end]
            if trim:
                start += len(text) - len(text.lstrip(_SPACES))
                text = text.lstrip(_SPACES)
            trim_left = left >= 0 and self._is_trim(left + 2)
            if trim_left:
                text = text.rstrip(_SPACES)
            if text:
                yield self._token(Kind.TEXT, start, text)
            if left < 0:
                yield self._token(Kind.EOF, end, "")
                return
            self._at = inside = left + (4 if trim_left else 2)
            if self._text.startswith("/*", inside):
                trim = self._skip_comment()
                continue
            yield self._token(Kind.LEFT, left, "{{")
            self._parens = 0
            while not (right := self._right()):
                yield self._inside()
            yield self._token(Kind.RIGHT, self._at, "}}")
            self._at += right
            trim = right > 2

    def _is_trim(self, at: int) -> bool:
        return self._text.startswith("-", at) and self._text[at + 1 : at + 2] in tuple(_SPACES)

    def _right(self) -> int:
        """Return the length of the closing delimiter with its trim marker, 0 where there is none."""
        text, at = self._text, self._at
        length = 0
        if text.startswith("}}", at):
            length = 2
        elif text[at : at + 1] in tuple(_SPACES) and text.startswith("-}}", at + 1):
            length = 4
        if length and self._parens:
            raise _ScanError("unclosed left paren")
        return length

    def _skip_comment(self) -> bool:
        end = self._text.find("*/", self._at)
        if end < 0:
            raise _ScanError("unclosed comment")
        self._at = end + 2
        self._parens = 0
        length = self._right()
        if not length:
            raise _ScanError("comment ends before closing delimiter")
        self._at += length
        return length > 2

    def _inside(self) -> Token:
        start = self._at
        character = self._text[start : start + 1]
        if not character:
            raise _ScanError("unclosed action")
        if character in _SPACES:
            return self._space()
        if character in _QUOTED:
            pattern, kind, reason = _QUOTED[character]
            match = pattern.match(self._text, start)
            if match is None:
                raise _ScanError(reason)
            return self._take(kind, match.end())
        following = self._text[start + 1 : start + 2]
        if character == ":":
            if following != "=":
                raise _ScanError("expected :=")
            return self._take(Kind.DECLARE, start + 2)
        if character == "$" or (character == "." and following and not following.isdecimal()):
            return self._field_or_variable(character)
        if character in "+-." or "0" <= character <= "9":
            return self._number()
        if character == "_" or character.isalpha() or character.isdecimal():
            return self._word()
        return self._sign(character)

    def _take(self, kind: Kind, end: int) -> Token:
        token = self._token(kind, self._at, self._text[self._at : end])
        self._at = end
        return token

    def _space(self) -> Token:
        end = self._at
        while self._text[end : end + 1] in tuple(_SPACES):
            # A space before ``-}}`` is part of the closing delimiter.
            if self._text.startswith("-}}", end + 1) and end > self._at:
                break
            end += 1
        return self._take(Kind.SPACE, end)

    def _word(self) -> Token:
        match = _WORD.match(self._text, self._at)
        assert match is not None
        self._require_end(match.end())
        word = match[0]
        if word in {"true", "false"}:
            return self._take(Kind.BOOL, match.end())
        if word == "nil":
            return self._take(Kind.NIL, match.end())
        return self._take(Kind.KEYWORD if word in _KEYWORDS else Kind.IDENTIFIER, match.end())

    def _field_or_variable(self, first: str) -> Token:
        match = _WORD.match(self._text, self._at + 1)
        end = match.end() if match else self._at + 1
        self._require_end(end)
        if match is None and first == ".":
            return self._take(Kind.DOT, end)
        return self._take(Kind.VARIABLE if first == "$" else Kind.FIELD, end)

    def _require_end(self, end: int) -> None:
        following = self._text[end : end + 1]
        if following and following not in " \t\r\n.,|:)(" and not self._text.startswith("}}", end):
            raise _ScanError(f"bad character U+{ord(following):04X} {following!r}")

    def _number(self) -> Token:
        match = _NUMBER.match(self._text, self._at)
        assert match is not None
        end, kind = match.end(), Kind.NUMBER
        if self._text[end : end + 1] in ("+", "-"):
            kind = Kind.COMPLEX
            second = _NUMBER.match(self._text, end)
            assert second is not None
            end = second.end()
        following = self._text[end : end + 1]
        word = following == "_" or following.isalnum()
        if word or (kind is Kind.COMPLEX and self._text[end - 1] != "i"):
            raise _ScanError(f'bad number syntax: "{self._text[self._at : end + word]}"')
        return self._take(kind, end)

    def _sign(self, character: str) -> Token:
        if character == "(":
            self._parens += 1
        elif character == ")":
            self._parens -= 1
            if self._parens < 0:
                raise _ScanError("unexpected right paren")
        elif character not in _SIGNS and not (character.isascii() and character.isprintable()):
            shown = f" {character!r}" if character.isprintable() else ""
            raise _ScanError(f"unrecognized character in action: U+{ord(character):04X}{shown}")
        return self._take(_SIGNS.get(character, Kind.CHAR), self._at + 1)
