"""Renaming rules."""

from __future__ import annotations

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.syncing.mapping import Renaming, RenamingRule

NAME = "docker.io/library/nginx:1.27"


@pytest.mark.parametrize(
    ("rules", "name", "found"),
    [
        (["^docker.io/library/=hub/"], NAME, "hub/nginx:1.27"),
        (["^docker.io/library/(.*)=hub/\\1-x"], NAME, "hub/nginx:1.27-x"),
        (["^(?P<host>[^/]+)/=\\g<host>.mirror/"], NAME, "docker.io.mirror/library/nginx:1.27"),
        (["^quay.io/=q/", "^docker.io/=d/", "nginx=never"], NAME, "d/library/nginx:1.27"),
        (["/=-"], NAME, "docker.io-library/nginx:1.27"),  # once
        (["(?=nginx)=web-"], NAME, "docker.io/library/web-nginx:1.27"),  # the last = divides
        ([":[[:digit:]]+="], NAME, "docker.io/library/nginx.27"),  # RE2's classes, an empty replacement
        (["^ghcr.io/=x"], NAME, None),
        ([], NAME, None),
        ({"^docker.io/": "d/"}, NAME, "d/library/nginx:1.27"),
    ],
)
def test_the_first_rule_that_matches_counts(rules: list[str], name: str, found: str | None) -> None:
    assert Renaming.parse(rules).apply(name) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "want REGEX=REPLACEMENT"),
        ("=x", "want REGEX=REPLACEMENT"),
        ("a(=x", "error parsing regexp"),
        ("a=\\1", "invalid group reference 1"),
        ("a=\\g<b>", "unknown group name 'b'"),
        ("(a)=$1", "written \\\\1"),
        ("(a)=${1}", "written \\\\1"),
    ],
)
def test_rules_that_cannot_work(text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        RenamingRule.parse(text)
