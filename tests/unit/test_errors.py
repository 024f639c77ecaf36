"""The error tree: drawn in the docstring as it is, exported, and complete."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import pytest

import pyskopeo
from pyskopeo import errors
from pyskopeo.errors import DaemonError, NotFound, PyskopeoError, first_error, prefix_errors

# Errors that no caller of the library catches by their own names.
INTERNAL = {
    "DuplicateName", "InUse", "MissingReferences", "NoKey", "NoLocks", "SignatureRefused", "TagMoved", "TemplateError",
    "TokenExpired", "TokenRefused", "TooManyUploads", "UnknownField", "UnknownFlag", "UploadBusy", "UsageError",
}  # fmt: skip


def drawn() -> dict[str, str]:
    """Each name in the drawing, with the one above it."""
    assert errors.__doc__
    found: dict[str, str] = {}
    above: list[str] = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"    ((?:│   |    )*)(├── |└── )?([A-Z]\w+)(?: {2,}| |$)", line)
        if match is None or (match[2] is None and found):
            continue
        depth = len(match[1]) // 4 + 1 if match[2] else 0
        found[match[3]] = above[depth - 1] if depth else ""
        above[depth:] = [match[3]]
    return found


def classes() -> dict[str, type[PyskopeoError]]:
    """Every error that any module of the package defines."""
    for module in pkgutil.walk_packages(pyskopeo.__path__, "pyskopeo."):
        if module.name != "pyskopeo.__main__":
            importlib.import_module(module.name)

    def below(kind: type[PyskopeoError]) -> Iterator[type[PyskopeoError]]:
        yield kind
        for one in kind.__subclasses__():
            yield from below(one)

    return {kind.__name__: kind for kind in below(PyskopeoError) if kind.__module__.startswith("pyskopeo.")}


def test_the_drawing_is_the_tree() -> None:
    there = {name: kind.__bases__[0].__name__ for name, kind in classes().items() if name not in INTERNAL}
    assert drawn() == there | {"PyskopeoError": ""}


def test_all_of_it_is_exported() -> None:
    for name in drawn():
        assert getattr(pyskopeo, name) is classes()[name]
        assert name in dir(pyskopeo)


def test_those_that_are_not_say_so() -> None:
    assert set(classes()) - set(drawn()) == INTERNAL
    for name in INTERNAL:
        assert (inspect.getdoc(classes()[name]) or "").startswith("Internal")


@pytest.mark.parametrize(("status", "temporary"), [(200, False), (404, False), (500, True), (503, True)])
def test_a_daemon_in_trouble_may_recover(status: int, temporary: bool) -> None:
    assert DaemonError("no", status=status).temporary is temporary


def test_a_prefix_keeps_type_and_attributes() -> None:
    with pytest.raises(DaemonError, match="^opening: no$") as caught, prefix_errors("opening"):
        raise DaemonError("no", status=503)
    assert (caught.value.status, caught.value.temporary) == (503, True)
    with pytest.raises(NotFound, match="^no$"), prefix_errors("opening", unless=NotFound):
        raise NotFound("no")
    with pytest.raises(ValueError, match="^no$"), prefix_errors("opening"):
        raise ValueError("no")


def test_one_error_in_place_of_a_group() -> None:
    with pytest.raises(NotFound, match="^ours$"), first_error():
        raise ExceptionGroup("all", [ValueError("other"), ExceptionGroup("inner", [NotFound("ours")])])
    with pytest.raises(ValueError, match="^first$"), first_error():
        raise ExceptionGroup("all", [ValueError("first"), TypeError("second")])
