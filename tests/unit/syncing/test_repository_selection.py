"""Which repositories of a registry are wanted."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidInput, InvalidName
from pyskopeo.syncing.repository_selection import RepositorySelection, parse_registry_source, repositories_below

NAMES = ["team/app", "team/app-cache", "team", "teams/x", "other"]


@pytest.mark.parametrize(
    ("include", "exclude", "found"),
    [
        ([], [], NAMES),
        (["^team/"], [], ["team/app", "team/app-cache"]),
        (["^team/", "^other$"], ["-cache$"], ["team/app", "other"]),
        ([], ["team"], ["other"]),
    ],
)
def test_include_and_exclude(include: list[str], exclude: list[str], found: list[str]) -> None:
    assert RepositorySelection.parse(include, exclude).apply(NAMES) == found


def test_an_expression_that_is_none() -> None:
    with pytest.raises(InvalidInput, match="error parsing regexp"):
        RepositorySelection.parse(["("])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("registry.example.com", ("registry.example.com", "")),
        ("localhost:5000/team/", ("localhost:5000", "team")),
        ("index.docker.io", ("docker.io", "")),
    ],
)
def test_registries(text: str, found: tuple[str, str]) -> None:
    assert parse_registry_source(text) == found


@pytest.mark.parametrize("text", ["", "/", "a b", "host/TEAM", "host/a:1", "host/*", "host//a", "host/a@sha256:" + "a" * 64])
def test_what_is_no_registry(text: str) -> None:
    with pytest.raises(InvalidName, match="is no registry: want HOST"):
        parse_registry_source(text)


def test_below_a_path() -> None:
    assert repositories_below(NAMES, "team") == ["team/app", "team/app-cache", "team"]
    assert repositories_below(NAMES, "") == NAMES
