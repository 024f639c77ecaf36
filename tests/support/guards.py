"""The ten gravest guards, and what takes each out; a plugin for pytest: ``-p tests.support.guards --without-guard NAME``.

A test that passes without the guard that it is about shows nothing: `tests/support_tests/test_guards.py` has them fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class Guard:
    """``attribute`` of ``module`` is replaced, which makes ``test`` fail."""

    module: str
    attribute: str
    replacement: Callable[..., Any]
    test: str

    def remove(self) -> None:
        """Take it out, for the rest of this process."""
        *path, name = self.attribute.split(".")
        owner: Any = import_module(f"pyskopeo.{self.module}")
        for step in path:
            owner = getattr(owner, step)
        assert hasattr(owner, name), f"{self.module} has no {self.attribute}: name the guard where it is now"
        setattr(owner, name, self.replacement)


def _nothing(*_: object, **__: object) -> None:
    """Check nothing."""


def _true(*_: object, **__: object) -> bool:
    return True


_HOSTILE = "tests/scenario/hostile_registry"
GUARDS = {
    "blob-digest": Guard(
        "model.verifier", "Verifier.finish", _nothing, "tests/unit/model/test_verifier.py::test_the_verifier_refuses_other_bytes"
    ),
    "manifest-digest": Guard(
        "model.manifest", "_check_digest", _nothing, f"{_HOSTILE}/test_manifests.py::test_a_pin_is_worth_more_than_a_header"
    ),
    "realm": Guard(
        "registry.authorization", "may_have_credentials", _true, f"{_HOSTILE}/test_credentials.py::test_a_realm_of_somebody_else"
    ),
    "addresses": Guard(
        "http.connect", "is_public", _true,
        f"{_HOSTILE}/test_private_addresses.py::test_a_registry_on_the_internet_redirects_to_no_private_address",
    ),
}  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-guard", choices=sorted(GUARDS), help="take out this guard before the tests")


def pytest_configure(config: pytest.Config) -> None:
    if name := config.getoption("--without-guard"):
        GUARDS[name].remove()
