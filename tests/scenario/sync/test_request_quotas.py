"""``sync`` from registries that allow only so many requests."""

from __future__ import annotations

import re

import pytest

from pyskopeo.http import request_quota
from tests.scenario.sync.running import SOURCE, to_docker
from tests.support.cli import pyskopeo_here, succeed
from tests.support.faults import Refuse, SetHeaders
from tests.support.simulator import Simulator

SPENT = (("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "0;w=21600"), ("RateLimit-Reset", "1"))
REFUSED = Refuse(429, headers=SPENT, body=b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your limit"}]}')


@pytest.fixture(autouse=True)
def _short_pauses_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_quota, "_SHORT", 0.5)


def test_it_waits_and_says_until_when(registry: Simulator) -> None:
    registry.on_manifest("v*", REFUSED, times=1, skip=2)
    with Simulator() as mirror:
        done = succeed(to_docker(registry, mirror, "--jobs", "2"))
        assert "6 copied" in done.stderr
    (line,) = [line for line in done.lines if "allows no more requests" in line]
    assert "level=warning" in line
    assert re.search(rf"{registry.host} allows no more requests \(limit: 100 requests in 6 h\) until \d\d:\d\d:\d\d", line)


def test_it_fails_if_that_is_wanted(registry: Simulator) -> None:
    registry.on_manifest("v*", REFUSED)
    with Simulator() as mirror:
        done = to_docker(registry, mirror, "--on-rate-limit=fail", "--jobs", "1")
        assert done.code == 1
        assert "too many requests" in done.lines[-1]
        assert "allows no more requests (limit: 100 requests in 6 h) until" in done.stderr
        assert len([r for r in registry.requests if r.method == "GET" and "/manifests/" in r.path]) == 1, "no retries"


def test_tags_are_waited_for(registry: Simulator) -> None:
    registry.on("/v2/team/app/tags/list", REFUSED, times=1)
    with Simulator() as mirror:
        done = succeed(to_docker(registry, mirror))
        assert "6 copied" in done.stderr


def test_what_is_left_is_not_waited_for(registry: Simulator) -> None:
    registry.on_manifest("v*", SetHeaders({"RateLimit-Remaining": "0;w=21600"}), methods=("GET", "HEAD"))
    with Simulator() as mirror:
        done = succeed(to_docker(registry, mirror))
        assert "allows no more" not in done.stderr, "only a refusal says that this request counts"


@pytest.mark.parametrize("flag", ["--on-rate-limit=sleep", "--on-rate-limit="])
def test_other_values(flag: str) -> None:
    done = pyskopeo_here("sync", "--src", "dir", "--dest", "oci", flag, SOURCE, "a", "b")
    assert done.code == 1
    assert "want one of wait, fail" in done.stderr
