"""Header fields of responses (RFC 9110 section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Self, TypeVar, overload

T = TypeVar("T")


class Headers(Mapping[str, str]):
    """The header fields of a response; names are compared without regard to case.

    As a mapping it has the values of each name, joined by commas (RFC 9110 section 5.3). Names are in lower case when
    it is iterated over. Text is ASCII, otherwise UTF-8 if all values are, otherwise ISO 8859-1.
    """

    __slots__ = ("_encoding", "_values")

    def __init__(self, fields: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for name, value in fields:
            self._values.setdefault(name.lower(), []).append(value)
        self._encoding = ""

    @classmethod
    def of(cls, fields: Mapping[str, str] | Iterable[tuple[str, str]]) -> Self:
        """Return header fields that are given as text."""
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        return cls((name.encode("ascii"), value.encode()) for name, value in pairs)

    def raw(self, name: bytes) -> Sequence[bytes]:
        """Return the values of all fields with a ``name``, which is in lower case, in order."""
        return self._values.get(name, ())

    def get_list(self, name: str) -> list[str]:
        """Return the values of all fields with a name, in order."""
        return [self._text(value) for value in self._values.get(_key(name), ())]

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: T) -> str | T: ...
    def get(self, name: str, default: T | None = None) -> str | T | None:
        """Return the values of a name, joined by commas; ``default`` if there are none."""
        values = self._values.get(_key(name))
        return default if values is None else ", ".join(map(self._text, values))

    def __getitem__(self, name: str) -> str:
        return ", ".join(map(self._text, self._values[_key(name)]))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _key(name) in self._values

    def __iter__(self) -> Iterator[str]:
        return (name.decode("ascii") for name in self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _text(self, value: bytes) -> str:
        if value.isascii():
            return value.decode("ascii")
        if not self._encoding:
            self._encoding = "utf-8" if all(map(_is_utf8, chain(*self._values.values()))) else "iso-8859-1"
        return value.decode(self._encoding)


def _key(name: str) -> bytes:
    return name.lower().encode("ascii", "replace")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
