"""A faster `dataclasses.dataclass` for frozen classes with slots, to keep start-up short.

The standard library compiles six functions for each frozen class, which takes half a millisecond. Some
ninety such classes are defined before the first request is sent, and start-up is most of a short
command's time. Here only ``__init__`` is compiled, when the first instance is made, and the other methods
are closures. Everything else is the standard library's: fields, slots, `dataclasses.replace`,
`dataclasses.fields`, `dataclasses.asdict`, and classes that are not frozen or have no slots.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from dataclasses import Field, dataclass
    from typing import Any

    __all__ = ["dataclass"]
else:

    def dataclass(
        cls: Any = None, /, *, frozen: bool = False, slots: bool = False, eq: bool = True, repr: bool = True,
        order: bool = False, kw_only: bool = False,
    ) -> Any:  # fmt: skip
        """`dataclasses.dataclass`, limited to the options that this package uses."""

        def decorate(cls: Any) -> Any:
            if not (frozen and slots) or order:
                return dataclasses.dataclass(
                    frozen=frozen, slots=slots, eq=eq, repr=repr, order=order, kw_only=kw_only
                )(cls)
            make = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)
            return _add_methods(make(cls), eq=eq, repr=repr)

        return decorate if cls is None else decorate(cls)


def _add_methods(cls: type[Any], *, eq: bool, repr: bool) -> type[Any]:
    """Add the methods that the standard library would have compiled, except those that the class defines."""
    fields = dataclasses.fields(cls)
    methods = _frozen()
    if repr:
        methods["__repr__"] = _repr(fields)
    if eq:
        methods |= {"__eq__": _eq(fields), "__hash__": _hash(fields)}
    for name, method in methods.items():
        # Python sets __hash__ to None in a class that defines __eq__ only.
        if cls.__dict__.get(name) is None:
            setattr(cls, name, _named(method, name, cls))
    if "__init__" not in cls.__dict__:
        cls.__init__ = _LazyInit(cls, fields)
    return cls


def _named(method: Callable[..., Any], name: str, cls: type[Any]) -> Callable[..., Any]:
    method.__name__, method.__qualname__ = name, f"{cls.__qualname__}.{name}"
    return method


class _LazyInit:
    """Stands for the ``__init__`` of a class until it is looked up for the first time, then compiles it."""

    def __init__(self, cls: type[Any], fields: Iterable[Field[Any]]) -> None:
        self._cls, self._fields = cls, fields

    def __get__(self, instance: object, owner: type[Any]) -> Callable[..., None]:
        method = _named(_init(self._cls, self._fields), "__init__", self._cls)
        self._cls.__init__ = method
        bound: Callable[..., None] = method.__get__(instance, owner)
        return bound


class _Factory:
    """The default in a signature of a parameter whose field has a ``default_factory``."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def _init(cls: type[Any], fields: Iterable[Field[Any]]) -> Callable[..., None]:
    known: dict[str, Any] = {"_set": object.__setattr__, "_factory": _FACTORY}
    parameters: dict[bool, list[str]] = {False: [], True: []}  # by whether they are keyword-only
    lines = []
    for field in fields:
        name, value = field.name, field.name
        if field.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = field.default
            parameter = f"{name}=_default_{name}"
            value = name if field.init else f"_default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = field.default_factory
            parameter = f"{name}=_factory"
            value = f"_make_{name}() if {name} is _factory else {name}" if field.init else f"_make_{name}()"
        else:
            parameter = name
        if field.init:
            parameters[bool(field.kw_only)].append(parameter)
        lines.append(f"  _set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("  self.__post_init__()")
    named = ["*", *parameters[True]] if parameters[True] else []
    head = ", ".join(["self", *parameters[False], *named])
    exec("\n".join([f"def __init__({head}):", *lines, "  return None"]), known)  # noqa: S102 - names of fields only
    init: Callable[..., None] = known["__init__"]
    init.__annotations__ = {**{field.name: field.type for field in fields if field.init}, "return": None}
    return init


def _values(names: Iterable[str]) -> Callable[[Any], Any]:
    """Return a function from an instance to the values of the named fields."""
    names = tuple(names)
    return attrgetter(*names) if names else lambda _: ()


def _eq(fields: Iterable[Field[Any]]) -> Callable[..., Any]:
    compared = _values(field.name for field in fields if field.compare)

    def equal(self: Any, other: Any) -> Any:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    return equal


def _hash(fields: Iterable[Field[Any]]) -> Callable[..., int]:
    hashed = _values(field.name for field in fields if (field.compare if field.hash is None else field.hash))

    def number(self: Any) -> int:
        return hash(hashed(self))

    return number


def _repr(fields: Iterable[Field[Any]]) -> Callable[..., str]:
    names = [field.name for field in fields if field.repr]

    def represent(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return represent


def _frozen() -> dict[str, Callable[..., Any]]:
    def assign(_: Any, name: str, _value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def delete(_: Any, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def restore(self: Any, state: tuple[None, dict[str, Any]]) -> None:  # called by copy and pickle
        for name, value in state[1].items():
            object.__setattr__(self, name, value)

    return {"__setattr__": assign, "__delattr__": delete, "__setstate__": restore}
