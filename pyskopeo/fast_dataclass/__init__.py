"""`dataclass` and `replace` as in the standard library's `dataclasses`, for a short start.

A short command spends its time with loading modules, with some seventy dataclasses among what it loads. The standard
library takes 3.7 million instructions to make one that is frozen and has slots, most of them to compile six functions,
and loads `inspect`, for 28 million. Here it is 0.2 million: the methods are closures, the class gets all of them when
it is made, and ``__init__`` is compiled only when `_COMPILED_AT` instances have been made without, since many classes
have one in a process. What `dataclasses.fields` and others read is made when they do.

The classes are those of the standard library otherwise, but for ``InitVar`` and ``KW_ONLY``, which are not known here.
Annotations are text, as after ``from __future__ import annotations``; `dataclasses.field` is used as usual.
"""

from __future__ import annotations

import operator
from operator import attrgetter
from typing import TYPE_CHECKING

from .fields import MISSING, Field, described, own_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from dataclasses import dataclass, replace
    from typing import Any

    __all__ = ["dataclass", "replace"]

# A compiled __init__ is faster by 10,000 instructions, and takes half a million to compile.
_COMPILED_AT = 20

if not TYPE_CHECKING:

    def dataclass(
        cls: Any = None, /, *, frozen: bool = False, slots: bool = False, eq: bool = True, repr: bool = True,
        order: bool = False, kw_only: bool = False,
    ) -> Any:  # fmt: skip
        """`dataclasses.dataclass`, limited to the options that this package uses."""

        def decorate(cls: type[Any]) -> type[Any]:
            own = own_fields(cls, kw_only=kw_only)
            fields = _with_inherited(cls, own)
            methods = _methods(fields, frozen=frozen, eq=eq, repr=repr, order=order)
            methods["__dataclass_fields__"] = _Description(fields, frozen=frozen)
            methods["__dataclass_params__"] = _Parameters()
            return _complete(cls, own, fields, methods, slots=slots)

        return decorate if cls is None else decorate(cls)

    def replace(value: Any, /, **changes: Any) -> Any:
        """`dataclasses.replace`."""
        description = _description(type(value))
        if description is None:
            import dataclasses

            return dataclasses.replace(value, **changes)
        for each in description.fields:
            if not each.init:
                if each.name in changes:
                    raise ValueError(f"field {each.name} is declared with init=False")
            elif each.name not in changes:
                changes[each.name] = getattr(value, each.name)
        return type(value)(**changes)


def _with_inherited(cls: type[Any], own: dict[str, Field]) -> tuple[Field, ...]:
    found: dict[str, Field] = {}
    for base in cls.__mro__[-2:0:-1]:
        description = base.__dict__.get("__dataclass_fields__")
        if description is not None:
            found.update((each.name, each) for each in description.fields)
    return tuple((found | own if found else own).values())


def _complete(
    cls: type[Any], own: dict[str, Field], fields: Sequence[Field], methods: dict[str, Any], *, slots: bool
) -> type[Any]:
    """Return ``cls`` with the methods that it does not define itself; with ``slots``, it is made anew."""
    init = methods["__init__"] = _LazyInit(fields)
    methods["__match_args__"] = tuple([each.name for each in fields if each.init and not each.kw_only])
    init.cls = _with_slots(cls, own, fields, methods) if slots else _without_slots(cls, own, methods)
    return init.cls


def _with_slots(
    cls: type[Any], own: dict[str, Field], fields: Sequence[Field], methods: dict[str, Any]
) -> type[Any]:  # fmt: skip
    if "__setattr__" in methods:
        methods["__setstate__"] = _restore
    namespace = dict(cls.__dict__)
    for name in ("__dict__", "__weakref__", *own):
        namespace.pop(name, None)
    for name, method in methods.items():
        # Python sets __hash__ to None in a class that defines __eq__ only.
        if namespace.get(name) is None:
            namespace[name] = method
    inherited = [name for base in cls.__mro__[1:-1] for name in base.__dict__.get("__slots__", ())]
    namespace["__slots__"] = tuple([each.name for each in fields if each.name not in inherited])
    namespace["__qualname__"] = cls.__qualname__
    metaclass: Any = type(cls)
    made: type[Any] = metaclass(cls.__name__, cls.__bases__, namespace)
    return made


def _without_slots(cls: type[Any], own: dict[str, Field], methods: dict[str, Any]) -> type[Any]:
    for name, method in methods.items():
        if cls.__dict__.get(name) is None:
            setattr(cls, name, method)
    for name, declared in own.items():
        if declared.default is not MISSING:
            setattr(cls, name, declared.default)
        elif name in cls.__dict__:
            delattr(cls, name)
    return cls


class _LazyInit:
    """Stands for the ``__init__`` of a class, and compiles it when it is asked for without an instance, or often."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.cls: type[Any] = type(None)
        self._fields = fields
        self._made = 0

    def __get__(self, instance: object, owner: type[Any]) -> Callable[..., None]:
        if instance is None:
            return self._compile()
        self._made += 1
        # `inspect.signature` binds it to the class since Python 3.13.
        if self._made < _COMPILED_AT and not isinstance(instance, type):
            return lambda *values, **named: self._fill(instance, values, named)
        bound: Callable[..., None] = self._compile().__get__(instance, owner)
        return bound

    def _compile(self) -> Callable[..., None]:
        method = _init(self.cls, self._fields)
        method.__qualname__ = f"{self.cls.__qualname__}.__init__"
        self.cls.__init__ = method
        return method

    def _fill(self, instance: object, values: tuple[object, ...], named: dict[str, object]) -> None:
        """Do what the compiled ``__init__`` does; for arguments that do not fit, leave it to that, and its error."""
        given = dict(zip(self.cls.__match_args__, values, strict=False)) | named
        fits = len(given) == len(values) + len(named)
        for each in self._fields:
            name = each.name
            if each.init and name in given:
                value = given.pop(name)
            elif each.factory is not MISSING:
                value = each.factory()
            elif each.default is not MISSING:
                value = each.default
            else:
                fits = fits and not each.init  # `__post_init__` sets the others
                continue
            object.__setattr__(instance, name, value)
        if given or not fits:
            self._compile()(instance, *values, **named)
        elif hasattr(instance, "__post_init__"):
            instance.__post_init__()


class _Factory:
    """The default in a signature of a parameter whose field has a ``default_factory``."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def _init(cls: type[Any], fields: Iterable[Field]) -> Callable[..., None]:
    known: dict[str, Any] = {"_set": object.__setattr__, "_factory": _FACTORY}
    parameters: dict[bool, list[str]] = {False: [], True: []}  # by whether they are keyword-only
    lines = []
    for each in fields:
        name, value = each.name, each.name
        if each.default is not MISSING:
            known[f"_default_{name}"] = each.default
            parameter = f"{name}=_default_{name}"
            value = name if each.init else f"_default_{name}"
        elif each.factory is not MISSING:
            known[f"_make_{name}"] = each.factory
            parameter = f"{name}=_factory"
            value = f"_make_{name}() if {name} is _factory else {name}" if each.init else f"_make_{name}()"
        elif each.init:
            parameter = name
        else:
            continue
        if each.init:
            parameters[bool(each.kw_only)].append(parameter)
        lines.append(f"  _set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("  self.__post_init__()")
    named = ["*", *parameters[True]] if parameters[True] else []
    head = ", ".join(["self", *parameters[False], *named])
    exec("\n".join([f"def __init__({head}):", *lines, "  return None"]), known)  # noqa: S102 - names of fields only
    init: Callable[..., None] = known["__init__"]
    init.__annotations__ = {**{each.name: each.type for each in fields if each.init}, "return": None}
    return init


def _methods(fields: Sequence[Field], *, frozen: bool, eq: bool, repr: bool, order: bool) -> dict[str, Any]:
    """Return the methods of a class by name, without ``__init__``."""
    methods: dict[str, Any] = {"__replace__": _replaced}
    if frozen:
        methods |= {"__setattr__": _refuse_to_assign, "__delattr__": _refuse_to_delete}
    if repr:
        methods["__repr__"] = _repr(fields)
    if eq:
        compared = _values([each.name for each in fields if each.compare])
        methods["__eq__"] = _comparison(operator.eq, compared)
        methods["__hash__"] = _hash(fields, compared) if frozen else None
        if order:
            for name in ("lt", "le", "gt", "ge"):
                methods[f"__{name}__"] = _comparison(getattr(operator, name), compared)
    return methods


def _values(names: Sequence[str]) -> Callable[[Any], Any]:
    """Return a function from an instance to the values of the named fields."""
    return attrgetter(*names) if names else lambda _: ()


def _comparison(compare: Callable[[Any, Any], Any], values: Callable[[Any], Any]) -> Callable[..., Any]:
    def compared(self: Any, other: Any) -> Any:
        return compare(values(self), values(other)) if other.__class__ is self.__class__ else NotImplemented

    return compared


def _hash(fields: Sequence[Field], compared: Callable[[Any], Any]) -> Callable[..., int]:
    hashed = compared
    if any(each.hash is not None for each in fields):
        hashed = _values([each.name for each in fields if (each.compare if each.hash is None else each.hash)])

    def number(self: Any) -> int:
        return hash(hashed(self))

    return number


def _repr(fields: Iterable[Field]) -> Callable[..., str]:
    names = [each.name for each in fields if each.repr]

    def represent(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return represent


def _refuse_to_assign(self: Any, name: str, value: object) -> None:
    _check_not_frozen(self, name, "assign to")
    object.__setattr__(self, name, value)


def _refuse_to_delete(self: Any, name: str) -> None:
    _check_not_frozen(self, name, "delete")
    object.__delattr__(self, name)


def _check_not_frozen(self: Any, name: str, act: str) -> None:
    """Raise `FrozenInstanceError`, unless this is another attribute of a class that is derived, and no dataclass."""
    from dataclasses import FrozenInstanceError, fields

    cls = type(self)
    if "__dataclass_fields__" in cls.__dict__ or any(name == each.name for each in fields(cls)):
        raise FrozenInstanceError(f"cannot {act} field {name!r}")


def _restore(self: Any, state: Any) -> None:  # called by copy and pickle
    # Values of slots, and of the ``__dict__`` of a class without slots that this one is derived from, or the reverse.
    for values in state if isinstance(state, tuple) else (state,):
        for name, value in (values or {}).items():
            object.__setattr__(self, name, value)


def _replaced(self: Any, /, **changes: Any) -> Any:  # called by copy.replace
    return replace(self, **changes)


class _Description:
    """``__dataclass_fields__``: the fields of a class, and those of the standard library once something reads them."""

    def __init__(self, fields: Sequence[Field], *, frozen: bool) -> None:
        self.fields, self._frozen = fields, frozen
        self._standard: Any = None

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        return self.standard().__dataclass_fields__

    def standard(self) -> Any:
        """Return a class with these fields that the standard library has made."""
        if self._standard is None:
            self._standard = described(self.fields, frozen=self._frozen)
        return self._standard


class _Parameters:
    """``__dataclass_params__``: what the standard library reads of a class that one of its own is derived from."""

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        description = _description(owner)
        return description.standard().__dataclass_params__ if description else None


def _description(cls: type[Any]) -> _Description | None:
    """Return the fields of a class that is made here, or is derived from such a one."""
    found = [base.__dict__["__dataclass_fields__"] for base in cls.__mro__ if "__dataclass_fields__" in base.__dict__]
    return found[0] if found and isinstance(found[0], _Description) else None
