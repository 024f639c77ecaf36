"""Who may do what in which repositories."""

from __future__ import annotations

import time

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.serve.access_rules import AccessRules, default_rules, matches, parse_access_rules

RULES = b"""
[[allow]]
users = ["@anyone"]
actions = ["pull"]
repositories = ["public/**", "base"]

[[allow]]
users = ["@users"]
actions = ["pull", "push"]
repositories = ["shared/*"]

[[allow]]
users = ["alice", "bob"]
actions = ["push", "delete"]
repositories = ["**/app"]
"""


@pytest.mark.parametrize(
    ("pattern", "name", "matched"),
    [
        ("team/app", "team/app", True),
        ("team/app", "team/app2", False),
        ("team/app", "team", False),
        ("team/*", "team/app", True),
        ("team/*", "team/app/more", False),
        ("team/*", "teams/app", False),
        ("team/**", "team/app/more", True),
        ("team/**", "team", False),
        ("*", "app", True),
        ("*", "team/app", False),
        ("**", "team/app/more", True),
        ("**/app", "a/b/app", True),
        ("**/app", "app", False),
        ("a*b*c", "aXbXc", True),
        ("a*b*c", "aXbX/c", False),
        ("a*b**c", "aXbX/c", True),
        ("te.m/app", "team/app", False),
        ("**app**", "my-apple/x", True),
    ],
)
def test_patterns(pattern: str, name: str, matched: bool) -> None:
    assert matches(pattern, name) is matched


def test_no_pattern_takes_long() -> None:
    begun = time.monotonic()
    assert not matches("**a" * 60 + "b", "a" * 255)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("user", "action", "repository", "allowed"),
    [
        ("", "pull", "public/x/y", True),
        ("", "pull", "base", True),
        ("", "pull", "shared/x", False),
        ("", "push", "public/x", False),
        ("eve", "pull", "public/x", True),
        ("eve", "push", "shared/x", True),
        ("eve", "delete", "shared/x", False),
        ("eve", "push", "my/app", False),
        ("alice", "push", "my/app", True),
        ("bob", "delete", "my/app", True),
        ("bob", "pull", "my/app", False),
        ("@users", "push", "my/app", False),
    ],
)
def test_what_a_file_of_rules_allows(user: str, action: str, repository: str, allowed: bool) -> None:
    rules = parse_access_rules(RULES, "F")
    assert rules.have_anonymous
    assert [rules.allow(user, repository, action) for _ in range(2)] == [allowed, allowed]


def test_without_a_file() -> None:
    rules = default_rules()
    assert not rules.have_anonymous
    assert rules.allow("alice", "x", "delete")
    assert not rules.allow("", "x", "pull")
    assert rules.with_anonymous_pull().allow("", "x", "pull")
    assert not rules.with_anonymous_pull().allow("", "x", "push")


def test_decisions_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyskopeo.serve.access_rules._REMEMBERED", 5)
    rules = default_rules()
    assert all(rules.allow("alice", f"x{number}", "pull") for number in range(20))
    assert len(rules._decisions) <= 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("allow = 1", "F: want tables [[allow]]"),
        ("[[allow]]\nusers = 1", 'F: rule 1: actions is to be a list such as ["pull"]'),
        ("rules = []", "F: unknown key 'rules', want allow"),
        ("[[allow]]\nuser = []", "F: rule 1: unknown key 'user', want actions, repositories, users"),
        (
            '[[allow]]\nusers = ["a"]\nactions = ["read"]\nrepositories = ["x"]',
            "F: rule 1: unknown action 'read', want pull, push, delete",
        ),
        (
            '[[allow]]\nusers = ["a"]\nactions = ["pull"]\nrepositories = ["Team/"]',
            "F: rule 1: invalid pattern 'Team/', want such as team/app, team/* or team/**",
        ),
        (
            '[[allow]]\nusers = ["@all"]\nactions = ["pull"]\nrepositories = ["x"]',
            "F: rule 1: no user is '@all', want a name, @anyone or @users",
        ),
        ('[[allow]]\nusers = [[]]\nactions = ["pull"]\nrepositories = ["x"]', 'F: rule 1: users is to be a list such as ["alice"]'),
        ("[[allow]", "F is not valid TOML: line 1, column 8"),
        ("x = \xff", "F is not valid TOML: it is not UTF-8"),
    ],
)
def test_files_that_are_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_access_rules(text.encode("latin-1"), "F")
    assert str(raised.value) == message


def test_rules_are_values_of_their_own() -> None:
    first, second = AccessRules({}), AccessRules({})
    assert not first.allow("a", "x", "pull")
    assert not second.have_anonymous
