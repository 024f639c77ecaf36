"""Read the fields of a JSON object by their types, for documents of this program whose fields are all known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent
from .digest import Digest

_MOST = 2**63 - 1  # as other programs hold numbers; sums and quotients of some of them fit a float


class JsonFields:
    """The fields of one object; ``where`` names it in errors. Every method raises `InvalidContent` for another type."""

    def __init__(self, document: object, where: str, known: frozenset[str]) -> None:
        """Raises `InvalidContent` for anything but an object whose names are all ``known``."""
        if not isinstance(document, dict):
            raise InvalidContent(f"{where}: want a JSON object")
        if unknown := document.keys() - known:
            raise InvalidContent(f"{where}: unknown field {ascii(min(unknown))[:100]}: made by another version?")
        self._fields: Mapping[str, Any] = document
        self._where = where

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string; without ``default`` it must be there, and not be empty."""
        value = self._fields.get(name, default)
        if not isinstance(value, str) or (default is None and not value):
            raise self._wrong(name, "a string")
        return value

    def count(self, name: str, default: int | None = None) -> int:
        """Return an integer that is not negative and fits 64 bits; without ``default`` it must be there."""
        value = self._fields.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
            raise self._wrong(name, "a whole number from 0 to 2^63 - 1")
        return value

    def optional_count(self, name: str) -> int | None:
        """Return an integer that is not negative, None where there is none or null."""
        return None if self._fields.get(name) is None else self.count(name)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean."""
        value = self._fields.get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def number(self, name: str) -> float:
        """Return a number that is not negative, 0.0 without one."""
        value = self._fields.get(name, 0.0)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _MOST:
            raise self._wrong(name, "a number from 0 to 2^63 - 1")
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings, () without one."""
        value = self._fields.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._wrong(name, "a list of strings")
        return tuple(value)

    def digest(self, name: str) -> Digest | None:
        """Return a digest that can be verified, None where there is none or null."""
        value = self._fields.get(name)
        if value is None:
            return None
        try:
            found = Digest.parse(value)
        except InvalidContent as error:
            raise InvalidContent(f"{self._where}: {name}: {error}") from None
        if not found.verifiable:
            raise self._wrong(name, "a digest of sha256, sha384 or sha512")
        return found

    def value(self, name: str) -> object:
        """Return a value of any type, None without one."""
        return self._fields.get(name)

    def _wrong(self, name: str, wanted: str) -> InvalidContent:
        return InvalidContent(f"{self._where}: {name}: want {wanted}")
