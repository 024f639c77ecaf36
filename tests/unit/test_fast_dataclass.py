"""Our `dataclass` against the standard library's: two classes of each kind, and what can be seen of them."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import field
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar

import pytest

import pyskopeo
from pyskopeo import fast_dataclass

Decorator = Callable[..., Any]


def plain(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True)
    class Plain:
        """Two fields, and one that belongs to the class."""

        first: int
        second: str = "two"
        kind: ClassVar[str] = "plain"

    return Plain


def factories(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True)
    class Factories:
        """Fields that are made."""

        given: list[int] = field(default_factory=list)
        made: dict[str, int] = field(default_factory=dict, init=False)
        fixed: int = field(default=7, init=False)

    return Factories


def hidden(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True)
    class Hidden:
        """What is not shown, not compared, not hashed."""

        name: str
        secret: str = field(repr=False)
        basis: int = field(default=0, compare=False)
        labels: tuple[str, ...] = field(default=(), hash=False)

    return Hidden


def named(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class Named:
        """Given by name, equal to itself only."""

        first: int
        second: int = 2

    return Named


def own(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True, repr=False)
    class Own:  # noqa: PLW1641 - the decorator makes it
        """Its own methods stay."""

        first: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self)) and other.first.lower() == self.first.lower()

        def __repr__(self) -> str:
            return "mine"

        def __post_init__(self) -> None:
            if not self.first:
                raise ValueError("first is empty")

    return Own


def derived(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True)
    class Base:
        """Where it begins."""

        place: int

    @dataclass(frozen=True, slots=True)
    class Derived(Base):
        """More of it."""

        text: str = ""

    return Derived


def empty(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True)
    class Empty:
        """Nothing in it."""

    return Empty


def grown(dataclass: Decorator) -> Any:
    @dataclass(frozen=True)
    class Open:
        """Has a dictionary, as what is derived from it."""

        place: int = 0

    @dataclass(frozen=True, slots=True)
    class Grown(Open):
        """With a slot beside that."""

        text: str = ""

    return Grown


def later(dataclass: Decorator) -> Any:
    @dataclass(slots=True)
    class Later:
        """A field without a value, until it is given one."""

        first: int
        length: int = field(init=False)

        def __post_init__(self) -> None:
            self.length = self.first * 2

    return Later


def mutable(dataclass: Decorator) -> Any:
    @dataclass(slots=True)
    class Mutable:
        """Not frozen."""

        first: int = 0

    return Mutable


def ordered(dataclass: Decorator) -> Any:
    @dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        """With an order."""

        first: int
        second: int = 0

    return Ordered


# Each kind of class that is used here, and two ways to make one that differ.
KINDS: dict[str, tuple[Callable[[Decorator], Any], dict[str, Any], dict[str, Any]]] = {
    "plain": (plain, {"first": 1}, {"first": 1, "second": "2"}),
    "factories": (factories, {}, {"given": [1]}),
    "hidden": (hidden, {"name": "a", "secret": "s"}, {"name": "a", "secret": "s", "basis": 1, "labels": ("x",)}),
    "named": (named, {"first": 1}, {"first": 1, "second": 3}),
    "own": (own, {"first": "a"}, {"first": "A"}),
    "derived": (derived, {"place": 1}, {"place": 1, "text": "t"}),
    "grown": (grown, {"place": 1}, {"place": 1, "text": "t"}),
    "later": (later, {"first": 1}, {"first": 2}),
    "empty": (empty, {}, {}),
    "mutable": (mutable, {"first": 1}, {"first": 2}),
    "ordered": (ordered, {"first": 1}, {"first": 1, "second": 1}),
}


def attempt(work: Callable[[], Any]) -> object:
    """What comes of it: a value or an error's type."""
    try:
        return work()
    except (TypeError, ValueError, AttributeError) as error:
        return type(error)


def seen(cls: Any, arguments: dict[str, Any], others: dict[str, Any]) -> dict[str, object]:
    """All that can be seen of a class and two of its objects."""
    one, same, other = cls(**arguments), cls(**arguments), cls(**others)
    return {
        "fields": [(f.name, f.type, f.init, f.repr, f.compare, f.hash, f.kw_only) for f in dataclasses.fields(cls)],
        "match": cls.__match_args__,
        "slots": cls.__slots__,
        "signature": str(inspect.signature(cls)),
        "shown": (repr(one).split(".")[-1], repr(other).split(".")[-1]),
        "equal": (one == same, one == other, one == object(), one != same),
        "hashes": attempt(lambda: (hash(one) == hash(same), hash(one) == hash(other), hash(one) == hash(("x",)))),
        "in a set": attempt(lambda: len({one, same, other})),
        "as a dict": dataclasses.asdict(other),
        "replaced": dataclasses.asdict(dataclasses.replace(one, **others)),
        "copied": [attempt(lambda how=how: how(one) == one) for how in (copy.copy, copy.deepcopy)],  # type: ignore[misc]
        "assigned": attempt(lambda: setattr(one, next(iter(arguments), "first"), 5)),
        "deleted": attempt(lambda: delattr(same, next(iter(arguments), "first"))),
        "new name": attempt(lambda: setattr(one, "unknown", 5)),
        "too many": attempt(lambda: cls(**arguments, unknown=1)),
        "by place": attempt(lambda: dataclasses.asdict(cls(*arguments.values()))),
        "order": attempt(lambda: one < other),
        "a dictionary": hasattr(one, "__dict__"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_as_the_standard_librarys(kind: str) -> None:
    make, arguments, others = KINDS[kind]
    ours, theirs = (seen(make(dataclass), arguments, others) for dataclass in (fast_dataclass.dataclass, dataclasses.dataclass))
    for value in (ours, theirs):
        # One error is the other's kind: what is frozen, or that there is no such slot.
        for what in ("assigned", "deleted", "new name"):
            value[what] = value[what] in (AttributeError, TypeError, dataclasses.FrozenInstanceError)
    assert ours == theirs


def test_an_object_made_anew_is_its_own() -> None:
    made = factories(fast_dataclass.dataclass)
    assert made().given is not made().given
    assert made().made is not made().made


def test_what_is_frozen_says_so() -> None:
    one = plain(fast_dataclass.dataclass)(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'first'"):
        one.first = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'first'"):
        del one.first
    assert one.first == 1


def test_its_own_check_is_called() -> None:
    with pytest.raises(ValueError, match="first is empty"):
        own(fast_dataclass.dataclass)("")


def test_pickled() -> None:
    digest = pyskopeo.Digest.parse("sha256:" + "a" * 64)
    one = pyskopeo.Descriptor("a/b", digest, 5)
    assert pickle.loads(pickle.dumps(one)) == one


def test_matched_by_place() -> None:
    match plain(fast_dataclass.dataclass)(1, "x"):
        case object(first=first, second=second):
            assert (first, second) == (1, "x")


def modules() -> Iterator[str]:
    for found in pkgutil.walk_packages(pyskopeo.__path__, "pyskopeo."):
        if not found.name.endswith("__main__"):
            yield found.name


@pytest.mark.parametrize("name", sorted(modules()))
def test_they_are_the_ones_that_are_used(name: str) -> None:
    """A class made with the other one would cost a millisecond of every start, and `replace` as much at its first use."""
    module = import_module(name)
    if not name.startswith("pyskopeo.fast_dataclass"):
        assert vars(module).get("dataclass", fast_dataclass.dataclass) is fast_dataclass.dataclass
        assert vars(module).get("replace", fast_dataclass.replace) is fast_dataclass.replace


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_many_objects_are_alike(kind: str) -> None:
    """The first ones are made without a compiled method."""
    make, arguments, others = KINDS[kind]
    cls = make(fast_dataclass.dataclass)
    made = [(cls(**arguments), cls(*others.values())) if kind != "named" else (cls(**arguments),) for _ in range(40)]
    assert len({tuple(map(repr, pair)) for pair in made}) == 1
    assert cls.__init__.__qualname__.endswith(f"{cls.__name__}.__init__")
    assert str(inspect.signature(cls.__init__)).startswith("(self")


@pytest.mark.parametrize(
    "arguments", [((), {}), ((1, "2", 3), {}), ((1,), {"first": 2}), ((1,), {"third": 2}), ((), {"second": "2"})]
)
@pytest.mark.parametrize("before", [0, 40])
def test_arguments_that_do_not_fit(arguments: tuple[tuple[Any, ...], dict[str, Any]], before: int) -> None:
    values, named = arguments
    messages = []
    for dataclass in (fast_dataclass.dataclass, dataclasses.dataclass):
        cls = plain(dataclass)
        for _ in range(before):
            cls(1)
        with pytest.raises(TypeError) as caught:
            cls(*values, **named)
        messages.append(str(caught.value).replace("plain.<locals>.", ""))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("kind", ["plain", "hidden", "named", "own", "derived", "mutable", "ordered"])
def test_replaced(kind: str) -> None:
    make, arguments, others = KINDS[kind]
    one = make(fast_dataclass.dataclass)(**arguments)
    changed = fast_dataclass.replace(one, **others)
    assert dataclasses.asdict(changed) == dataclasses.asdict(one) | others
    assert dataclasses.asdict(dataclasses.replace(one, **others)) == dataclasses.asdict(changed)
    with pytest.raises(TypeError, match="unknown"):
        fast_dataclass.replace(one, unknown=1)


def test_a_field_that_is_not_given_cannot_be_replaced() -> None:
    one = factories(fast_dataclass.dataclass)(given=[3])
    changed = fast_dataclass.replace(one, given=[4])
    assert (changed.given, changed.made, changed.fixed) == ([4], {}, 7)
    with pytest.raises(ValueError, match="field fixed is declared with init=False"):
        fast_dataclass.replace(one, fixed=8)


def test_a_caller_derives_from_it() -> None:
    base = plain(fast_dataclass.dataclass)

    @dataclasses.dataclass(frozen=True)
    class Theirs(base):  # type: ignore[misc, valid-type] # a class that is made in the test
        """Of the standard library, as a program that uses this one may write it."""

        third: int = 3

    class Subclass(base):  # type: ignore[misc, valid-type] # likewise
        """Without fields of its own."""

    assert [field.name for field in dataclasses.fields(Theirs)] == ["first", "second", "third"]
    assert fast_dataclass.replace(Theirs(1), third=4) == Theirs(1, third=4)
    assert fast_dataclass.replace(Subclass(1), first=2) == Subclass(2)
    with pytest.raises(TypeError, match="frozen"):
        dataclasses.dataclass(type("Thawed", (base,), {}))
    for how in (copy.copy, copy.deepcopy):
        assert how(Theirs(1, third=4)) == Theirs(1, third=4)


def test_a_derived_class_may_have_attributes_of_its_own() -> None:
    """The standard library means to allow that; with slots it fails in some versions."""

    class Noting(plain(fast_dataclass.dataclass)):  # type: ignore[misc] # a class that is made in the test
        """With a note beside the fields."""

    one = Noting(1)
    one.note = "new"
    assert (one.note, copy.copy(one).note, copy.copy(one)) == ("new", "new", one)
    del one.note
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.first = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.second


def test_a_default_is_not_shared() -> None:
    with pytest.raises(ValueError, match="mutable default"):
        fast_dataclass.dataclass(frozen=True, slots=True)(type("A", (), {"__annotations__": {"a": "list"}, "a": []}))


def test_a_class_with_a_dictionary() -> None:
    @fast_dataclass.dataclass(frozen=True)
    class Open:
        """Without slots, so that values can be cached."""

        first: int
        second: str = field(default="b", compare=False)

        @cached_property
        def twice(self) -> int:
            return 2 * self.first

    one = Open(2)
    assert (one.twice, one.__dict__["twice"], Open.second, one) == (4, 4, "b", Open(2, "c"))
    assert copy.copy(one) == copy.deepcopy(one) == one
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.first = 3  # type: ignore[misc]
