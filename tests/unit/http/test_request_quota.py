"""What servers say of their limits."""

from __future__ import annotations

import pytest

from pyskopeo.http.request_quota import RequestQuota, RequestQuotas

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        ({}, RequestQuota()),
        # Docker Hub
        ({"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"}, RequestQuota(100, 76, 21600.0)),
        # GitLab, whose reset is a time
        ({"ratelimit-limit": "60", "ratelimit-remaining": "0", "ratelimit-reset": "1800000030"},
         RequestQuota(60, 0, None, 30.0)),
        # drafts
        ({"ratelimit-limit": "10, 10;w=60", "ratelimit-remaining": "9", "ratelimit-reset": "50"},
         RequestQuota(10, 9, 60.0, 50.0)),
        ({"ratelimit": '"default";r=0;t=12', "ratelimit-policy": '"default";q=100;w=60'},
         RequestQuota(None, 0, None, 12.0)),
        ({"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4999", "x-ratelimit-reset": "1799999999"},
         RequestQuota(5000, 4999, None, 0.0)),
        # nonsense
        ({"ratelimit-limit": "many", "ratelimit-remaining": "-3", "ratelimit-reset": "soon"}, RequestQuota()),
        ({"ratelimit-remaining": "0;w=99999999999999", "ratelimit-reset": "9" * 40},
         RequestQuota(None, 0, 86400.0, 86400.0)),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "99999999"}, RequestQuota(None, 0, None, 86400.0)),
        ({"ratelimit-remaining": "\u0663"}, RequestQuota()),
    ],
)  # fmt: skip
def test_headers(headers: dict[str, str], quota: RequestQuota) -> None:
    assert RequestQuota.parse(headers, NOW) == quota


@pytest.mark.parametrize(
    ("quota", "retry_after", "wait"),
    [
        (RequestQuota(), None, None),
        (RequestQuota(100, 1), None, None),
        (RequestQuota(100, 0, 21600.0), None, 900.0),
        (RequestQuota(100, 0, 60.0), None, 60.0),
        (RequestQuota(100, 0, 60.0, 5.0), None, 5.0),
        (RequestQuota(100, 0, 60.0, 5.0), 120.0, 120.0),
        (RequestQuota(), 10.0**9, 86400.0),
    ],
)
def test_how_long_to_wait(quota: RequestQuota, retry_after: float | None, wait: float | None) -> None:
    assert quota.wait(retry_after) == wait


def test_a_registry_is_paused_until_then_and_others_are_not() -> None:
    clock = [1000.0]
    quotas = RequestQuotas(lambda: clock[0])
    quotas.note("hub", 200, {"ratelimit-remaining": "1;w=21600", "ratelimit-limit": "100;w=21600"})
    assert quotas.pause("hub") == 0
    quotas.note("hub", 200, {"ratelimit-remaining": "0;w=21600"})
    assert quotas.pause("hub") == 0, "what does not count is allowed still"
    quotas.note("hub", 429, {"ratelimit-remaining": "0;w=21600"})
    assert quotas.pause("hub") == 900
    assert quotas.pause("other") == 0
    clock[0] += 899
    assert quotas.pause("hub") == 1
    quotas.note("hub", 200, {})
    quotas.note("hub", 200, {"ratelimit-remaining": "0;w=21600"})
    assert quotas.pause("hub") == 1, "not every request counts"
    quotas.note("hub", 200, {"ratelimit-remaining": "5;w=21600"})
    assert quotas.pause("hub") == 0, "it has changed its mind"
    quotas.note("hub", 429, {"retry-after": "60"})
    assert quotas.pause("hub") == 60
    assert quotas.known["hub"].remaining == 5


@pytest.mark.parametrize("headers", [{}, {"retry-after": "5"}, {"ratelimit-remaining": "7"}])
def test_what_the_ordinary_retries_are_for(headers: dict[str, str]) -> None:
    quotas = RequestQuotas(lambda: 0.0)
    quotas.note("h", 429, headers)
    assert quotas.pause("h") == 0
