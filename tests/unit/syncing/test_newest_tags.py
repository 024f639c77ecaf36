"""The newest versions, however many tags spell each of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.syncing.newest_tags import newest_tags

NGINX = [
    "1.29.0-otel", "1.29.0", "1.29.0-alpine-slim", "1.29.0-perl", "1.29", "1", "mainline", "stable", "latest", "alpine",
    "1.28.0", "1.28", "1.28.0-perl", "1.27.5", "1.27.4", "1.27", "1.27.5-alpine", "1.26.3-otel", "1.26.3", "1.25.5",
]  # fmt: skip


@pytest.mark.parametrize(
    ("tags", "count", "newest"),
    [
        (NGINX, 5, {"1.29.0", "1.28.0", "1.27.5", "1.27.4", "1.26.3"}),
        (NGINX, 1, {"1.29.0"}),
        (NGINX, 100, {"1.29.0", "1.28.0", "1.27.5", "1.27.4", "1.26.3", "1.25.5"}),
        (["latest", "stable", "1.0"], 3, {"1.0"}),
        (["stable", "latest", "edge"], 2, {"latest", "stable"}),
        # One variant only, as --include chooses.
        (["1.2-alpine", "1.2.3-alpine", "1.2.2-alpine", "1.2.3-alpine-slim"], 1, {"1.2.3-alpine"}),
        # A short version that no longer one spells is a version.
        (["22.04", "24.04", "24.10", "24"], 2, {"24.04", "24.10"}),
        (["16", "17", "17.1", "17.2"], 3, {"16", "17.1", "17.2"}),
        (["v1.2.3", "1.2.3", "v1.2.2"], 2, {"v1.2.3", "v1.2.2"}),
        # Pre-releases are versions of their own, and do not count beside releases.
        (["v1.30.0-rc.1", *NGINX], 2, {"1.29.0", "1.28.0"}),
        (["2.0.0-rc.9", "2.0.0-rc.10", "2.0.0-beta2", "1.9.0"], 2, {"1.9.0"}),
        (["2.0.0-rc.9", "2.0.0-rc.10", "2.0.0-beta2", "latest"], 2, {"2.0.0-rc.10", "2.0.0-rc.9"}),
        (["2.0.0-rc9", "2.0.0-rc10-alpine", "2.0.0-rc10"], 1, {"2.0.0-rc10"}),
        (["2.0.0-rc.1", "2.0.0", "2.0.0-alpine"], 1, {"2.0.0"}),
        (["2.0.0-bookworm", "2.0.0-rc1-bookworm"], 1, {"2.0.0-bookworm"}),
        (["1.0-alpine3.20", "1.0-alpine3.19", "0.9"], 2, {"1.0-alpine3.20", "0.9"}),
        ([], 2, set()),
    ],
)  # fmt: skip
def test_one_tag_of_each(tags: list[str], count: int, newest: set[str]) -> None:
    assert newest_tags(tags, count) == newest
    assert newest_tags(reversed(tags), count) == newest


def test_pre_releases_if_wanted() -> None:
    tags = ["2.0.0-rc.10", "2.0.0-rc.9", "2.0.0-beta2", "1.9.0"]
    assert newest_tags(tags, 2, pre_releases=True) == {"2.0.0-rc.10", "2.0.0-rc.9"}
    assert newest_tags([*tags, "2.0.0"], 2, pre_releases=True) == {"2.0.0", "2.0.0-rc.10"}


@given(
    st.lists(st.from_regex(r"v?[0-9]{1,2}(\.[0-9]{1,2}){0,3}(-(rc|alpine|m|b)?[0-9.]{0,3})?", fullmatch=True)),
    st.integers(1, 5),
)
def test_as_many_as_were_asked_for(tags: list[str], count: int) -> None:
    newest = newest_tags(tags, count)
    assert newest <= set(tags)
    assert len(newest) <= count
    assert bool(newest) == bool(tags)
