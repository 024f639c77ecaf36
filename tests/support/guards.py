"""The ten gravest guards, and what takes each out; a plugin for pytest: ``-p tests.support.guards --without-guard NAME``.

A test that passes without the guard that it is about shows nothing: `tests/support_tests/test_guards.py` has them fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urljoin

import pytest

from pyskopeo.model import mediatype


@dataclass(frozen=True, slots=True)
class Guard:
    """``attribute`` of ``module`` is replaced by ``replacement``, which makes ``test`` fail."""

    module: str
    attribute: str
    replacement: object
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


def _unchanged(self: object, text: str) -> str:
    return text


def _first_key(document: Mapping[str, object], content_type: str) -> str:
    """Take a document for what the first of its keys says."""
    return mediatype.OCI_INDEX if "manifests" in document else mediatype.OCI_MANIFEST


_HOSTILE = "tests/scenario/hostile_registry"
GUARDS = {
    "address": Guard(
        "registry.session", "reach_from", _nothing,
        f"{_HOSTILE}/test_private_addresses.py::test_a_registry_on_the_internet_redirects_to_no_private_address",
    ),
    "blob-digest": Guard(
        "model.verifier", "Verifier.finish", _nothing,
        "tests/contract/test_transports.py::TestTampered::test_a_tampered_download_is_refused_and_the_old_content_stays",
    ),
    "bomb": Guard(
        "streams.decompress", "_MAX_RATIO", 10**9, "tests/unit/streams/test_decompress.py::test_a_bomb_is_refused"
    ),
    "digest-grammar": Guard(
        "model.digest", "_GRAMMAR", re.compile("([^:]*):(.*)", re.DOTALL),
        "tests/unit/model/test_digest.py::test_what_does_not",
    ),
    "downgrade": Guard(
        "registry.redirects", "resolve_redirect", urljoin, f"{_HOSTILE}/test_tls.py::test_https_never_becomes_http"
    ),
    "manifest-digest": Guard(
        "model.manifest", "_check_digest", _nothing,
        f"{_HOSTILE}/test_manifests.py::test_a_pin_is_worth_more_than_a_header",
    ),
    "manifest-kind": Guard(
        "model.manifest", "_media_type", _first_key, f"{_HOSTILE}/test_manifests.py::test_a_manifest_is_one_thing"
    ),
    "origin": Guard(
        "http.origin", "Origin.__eq__", _true,
        f"{_HOSTILE}/test_credentials.py::test_a_redirect_takes_no_secret_along",
    ),
    "realm": Guard(
        "registry.authorization", "may_have_credentials", _true,
        f"{_HOSTILE}/test_credentials.py::test_a_realm_of_somebody_else",
    ),
    "redaction": Guard(
        "http.redactor", "Redactor.redact", _unchanged, f"{_HOSTILE}/test_messages.py::test_no_secret_is_ever_said"
    ),
    "scope": Guard(
        "registry.challenge", "widen_scope", lambda scope, demanded: demanded or scope,
        "tests/unit/registry/test_challenge.py::test_a_scope_grows_where_we_are_and_nowhere_else",
    ),
    "tar-headers": Guard(
        "storage.tar_headers", "_EXTENDED_LIMIT", 10**9,
        "tests/unit/storage/test_tar_headers.py::TestBounds::test_one_extended_header",
    ),
}  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-guard", choices=sorted(GUARDS), help="take out this guard before the tests")


def pytest_configure(config: pytest.Config) -> None:
    if name := config.getoption("--without-guard"):
        GUARDS[name].remove()
