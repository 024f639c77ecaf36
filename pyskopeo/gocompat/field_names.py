"""The names of JSON objects that Go decodes into structs, in which it ignores case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidContent
from ..fast_dataclass import dataclass


class DuplicateName(InvalidContent):
    """Internal to the package, a kind of `InvalidContent`: a JSON object names one field twice."""


def fold_name(name: str) -> str:
    """Return ``name`` as Go folds it to compare the names of an object with ASCII names of fields.

    Besides the other case of a letter, U+017F (long s) and U+212A (Kelvin sign) fold to an ASCII letter.
    """
    return name.lower().replace("\u017f", "s")


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The JSON names of the fields of a Go struct.

    Go matches the names of an object to them in any case, and the last match counts; programs in other languages read
    exact names only. So that no two programs read different values, objects in which that matters are refused. The
    names in an object that Go decodes into a map, such as annotations, are all different: they are not for this class.
    """

    exact: frozenset[str]
    by_fold: Mapping[str, str]

    @classmethod
    def of(cls, *names: str) -> FieldNames:
        """Return the given names, which are ASCII."""
        return cls(frozenset(names), {fold_name(name): name for name in names})

    def check(self, value: Mapping[str, Any], where: str) -> None:
        """Raise `InvalidContent` for a name that differs from a field's by case only; ``where`` names the object."""
        if value.keys() <= self.exact:
            return
        for name in value:
            field = self.by_fold.get(fold_name(name), name)
            if field != name:
                raise InvalidContent(f"{where}: {ascii(name)[:60]} differs from {field!r} by case only")

    def normalize(self, value: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        """Return ``value`` with the exact names of the fields, as Go reads it; unknown names are kept.

        Raises `DuplicateName` for two names of one field; ``where`` names the object.
        """
        if value.keys() <= self.exact:
            return value
        found: dict[str, Any] = {}
        for name, entry in value.items():
            field = self.by_fold.get(fold_name(name), name)
            if field in found:
                raise DuplicateName(f"{where} has {field!r} twice, in different case")
            found[field] = entry
        return found
