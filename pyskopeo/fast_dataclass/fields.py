"""The fields that a class declares, and the same as `dataclasses` describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MISSING: Any = object()


class Field:
    """What is said about one field: `dataclasses.Field`, without loading that."""

    __slots__ = ("compare", "default", "factory", "hash", "init", "kw_only", "name", "repr", "type")

    def __init__(self, name: str, annotation: str, default: Any, *, kw_only: bool) -> None:
        self.name, self.type, self.kw_only = name, annotation, kw_only
        self.default, self.factory = default, MISSING
        self.init = self.repr = self.compare = True
        self.hash: bool | None = None
        if type(default).__module__ == "dataclasses":
            self._take_over(default)
        if self.default.__class__.__hash__ is None:
            raise ValueError(f"mutable default {self.default!r} of the field {name}: use default_factory")

    def _take_over(self, given: Any) -> None:
        """Set what `dataclasses.field` was given."""
        from dataclasses import MISSING as NOT_GIVEN

        self.default = MISSING if given.default is NOT_GIVEN else given.default
        self.factory = MISSING if given.default_factory is NOT_GIVEN else given.default_factory
        self.init, self.repr, self.compare, self.hash = given.init, given.repr, given.compare, given.hash
        if given.kw_only is not NOT_GIVEN:
            self.kw_only = given.kw_only

    def standard(self) -> tuple[str, str, Any]:
        """Return the name, the type and the field of the standard library, for `dataclasses.make_dataclass`."""
        from dataclasses import field

        defaults = {"default": self.default, "default_factory": self.factory}
        made = field(
            init=self.init, repr=self.repr, hash=self.hash, compare=self.compare, kw_only=self.kw_only,
            **{name: value for name, value in defaults.items() if value is not MISSING},
        )  # fmt: skip
        return self.name, self.type, made


def own_fields(cls: type[Any], *, kw_only: bool) -> dict[str, Field]:
    """Return the fields that a class declares itself, by name."""
    return {
        name: Field(name, annotation, cls.__dict__.get(name, MISSING), kw_only=kw_only)
        for name, annotation in cls.__annotations__.items()  # those of bases are not among them
        if not annotation.startswith(("ClassVar", "typing.ClassVar"))
    }


def described(fields: Iterable[Field], *, frozen: bool) -> type[Any]:
    """Return a class with these fields that the standard library has made."""
    from dataclasses import make_dataclass

    members = [each.standard() for each in fields]
    return make_dataclass("Described", members, init=False, repr=False, eq=False, frozen=frozen)
