"""What stands before the application: limits, the health, metrics, and what is written about requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from prometheus_client.core import CounterMetricFamily

from pyskopeo.serve import body_limits, guard, upload_quota
from pyskopeo.serve.access_log import AccessLog
from pyskopeo.serve.guard import GuardSettings, guarded, metrics_application
from pyskopeo.serve.metrics import Exchange, ServerMetrics
from tests.support.asgi import ask

pytestmark = pytest.mark.anyio


class Registry:
    """An application that reads all of a body and answers as it is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.status = 200
        self.location = b""
        self.wait = anyio.Event()
        self.wait.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.requests import ClientDisconnect

        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            size += len(message["body"])
            if not message["more_body"]:
                break
        self.asked.append((scope["method"], scope["path"], size))
        await self.wait.wait()
        headers = [(b"location", self.location)] if self.location else []
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"answer"})


@pytest.fixture
def served() -> Registry:
    return Registry()


async def test_what_may_pass(served: Registry) -> None:
    answered = await ask(guarded(served), "GET", "/v2/a/manifests/v1")
    assert (answered.status, answered.body) == (200, b"answer")
    assert served.asked == [("GET", "/v2/a/manifests/v1", 0)]


@pytest.mark.parametrize(
    ("target", "body", "announced", "limit"),
    [
        ("PUT /v2/a/manifests/v1", [b"x" * 5_000_000], None, 4 << 20),
        ("PUT /v2/a/manifests/v1", None, 5_000_000, 4 << 20),
        ("GET /v2/a/manifests/v1", [b"x" * 70_000], None, 64 << 10),
        ("POST /v2/_catalog", [b"x" * 40_000] * 2, None, 64 << 10),
        ("PATCH /v2/a/blobs/uploads/1", [b"x" * 600] * 2, None, 1000),
        ("PUT /v2/a/blobs/uploads/1", None, 1001, 1000),
        ("PUT /v2/a/blobs/uploads/1", None, 10**30, None),
    ],
)
async def test_bodies_that_are_too_large(
    served: Registry, target: str, body: list[bytes] | None, announced: int | None, limit: int | None
) -> None:
    headers = ("Content-Length", str(announced)) if announced else ("Transfer-Encoding", "chunked")
    app = guarded(served, GuardSettings(max_blob_size=1000))
    method, path = target.split()
    answered = await ask(app, method, path, headers, body=body)
    if limit is None:  # no number that is one
        assert answered.status == 200
        return
    assert (answered.status, answered.code) == (413, "SIZE_INVALID")
    assert str(limit) in answered.body.decode()
    assert not served.asked


async def test_uploads_have_no_limit_unless_it_is_given(served: Registry) -> None:
    pieces = [b"x" * 100_000] * 60 + [b""]
    answered = await ask(guarded(served), "PATCH", "/v2/a/blobs/uploads/1", ("Transfer-Encoding", "chunked"), body=pieces)
    assert answered.status == 200
    assert served.asked[0][2] == 6_000_000


async def test_a_body_that_comes_too_slowly(served: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "SEND_SECONDS", 0.05)
    header = ("Content-Length", "100")
    answered = await ask(guarded(served), "PATCH", "/v2/a/blobs/uploads/1", header, body=[b"x"])
    assert (answered.status, answered.code) == (408, "BLOB_UPLOAD_INVALID")
    assert answered.headers["connection"] == "close"


async def test_pieces_that_are_too_small_do_not_prolong_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(float((number + 1) // 2 * 20) for number in range(1000))  # 20 s for each piece
    monkeypatch.setattr(body_limits, "monotonic", lambda: next(clock))

    async def receive() -> Any:
        return {"type": "http.request", "body": b"x", "more_body": True}

    body = body_limits.LimitedBody(receive, None)
    kinds = [(await body())["type"] for _ in range(5)]
    assert kinds == ["http.request"] * 3 + ["http.disconnect"] * 2
    assert body.refusal is not None


async def test_as_many_requests_at_once_as_may_be(served: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SLOT_SECONDS", 0.05)
    served.wait = anyio.Event()
    app = guarded(served, GuardSettings(max_requests=1))
    found: list[int] = []

    async def first() -> None:
        found.append((await ask(app, "GET", "/v2/")).status)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        with anyio.fail_after(10):
            while not served.asked:  # noqa: ASYNC110 - the application is the test's
                await anyio.sleep(0.001)
        refused = await ask(app, "GET", "/v2/")
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "TOOMANYREQUESTS", "5")
        assert (await ask(app, "GET", "/healthz")).status == 200
        served.wait.set()
    assert found == [200]
    assert (await ask(app, "GET", "/v2/")).status == 200


async def test_uploads_that_are_never_finished(served: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_quota, "PER_CLIENT", 3)
    app = guarded(served)

    async def begin(number: int, client: str = "10.0.0.1") -> int:
        served.status, served.location = 202, b"/v2/a/blobs/uploads/%d?state=%d" % (number, number)
        return (await ask(app, "POST", "/v2/a/blobs/uploads/", client=client)).status

    assert [await begin(number) for number in range(4)] == [202, 202, 202, 429]
    assert await begin(10, "10.0.0.2") == 202
    assert await begin(11, "2001:db8::1") == 202
    served.status = 204
    assert (await ask(app, "DELETE", "/v2/a/blobs/uploads/1")).status == 204
    assert await begin(4) == 202
    assert await begin(5) == 429
    served.status = 201
    await ask(app, "PUT", "/v2/a/blobs/uploads/2?digest=sha256:0")
    assert await begin(5) == 202
    monkeypatch.setattr(upload_quota, "FORGOTTEN_AFTER", -1.0)
    assert await begin(6) == 202


async def test_uploads_in_total(served: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_quota, "IN_TOTAL", 2)
    app = guarded(served)
    statuses = []
    for number in range(3):
        served.status, served.location = 202, b"/v2/a/blobs/uploads/%d" % number
        statuses.append((await ask(app, "POST", "/v2/a/blobs/uploads/", client=f"10.0.0.{number}")).status)
    assert statuses == [202, 202, 429]


async def test_the_health(served: Registry) -> None:
    problem = ""
    app = guarded(served, GuardSettings(problem=lambda: problem))
    assert (await ask(app, "GET", "/healthz")).body == b"ok\n"
    problem = "the layout is not there"
    answered = await ask(app, "GET", "/healthz")
    assert (answered.status, answered.body) == (503, b"the layout is not there\n")


async def test_metrics(served: Registry) -> None:
    metrics = ServerMetrics()
    app = guarded(served, None, metrics)
    await ask(app, "GET", "/v2/a/manifests/v1")
    await ask(app, "BREW", "/v2/a/manifests/v1")
    await ask(app, "PATCH", "/v2/a/blobs/uploads/1", ("Content-Length", "3"), body=[b"abc", b""])
    metrics.cache("hit")
    metrics.upstream(0)
    text = (await ask(app, "GET", "/metrics")).body.decode()
    for line in (
        'pyskopeo_http_requests_total{endpoint="manifests",method="GET",status="200"} 1.0',
        'pyskopeo_http_requests_total{endpoint="manifests",method="other",status="405"} 1.0',
        'pyskopeo_http_request_bytes_total{endpoint="upload"} 3.0',
        'pyskopeo_http_request_duration_seconds_bucket{endpoint="manifests",le="+Inf"} 2.0',
        'pyskopeo_cache_requests_total{result="hit"} 1.0',
        'pyskopeo_upstream_requests_total{status="none"} 1.0',
        "pyskopeo_http_requests_in_progress 1.0",
        "pyskopeo_uploads_open 0.0",
    ):
        assert line in text.split("\n")
    assert "process_resident_memory_bytes" in text
    elsewhere = metrics_application(metrics, str)
    assert b"pyskopeo_http_requests_total" in (await ask(elsewhere, "GET", "/metrics")).body
    assert (await ask(elsewhere, "GET", "/healthz")).status == 200
    assert (await ask(elsewhere, "GET", "/v2/")).status == 404
    hidden = guarded(served, GuardSettings(shows_metrics=False), metrics)
    assert (await ask(hidden, "GET", "/metrics")).body == b"answer"


async def test_an_application_that_fails(tmp_path: Path) -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("broken")

    log, metrics = AccessLog(str(tmp_path / "log")), ServerMetrics()
    with pytest.raises(RuntimeError, match="broken"):
        await ask(guarded(broken, GuardSettings(access_log=log), metrics), "GET", "/v2/")
    assert b"pyskopeo_access_log_lost_lines_total 0.0" in metrics.text()
    log._write()
    assert '"GET /v2/" - 0 0 ' in (tmp_path / "log").read_text()


def test_requests_are_counted_while_metrics_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are collected in a worker thread, and requests go on."""
    metrics = ServerMetrics()
    metrics.request("GET", "blobs", Exchange(200, 0.1, 1, 2))
    collected = CounterMetricFamily.add_metric

    def add_metric(family: CounterMetricFamily, labels: list[str], *arguments: Any, **named: Any) -> None:
        metrics.request("GET", f"{labels} of {family.name}", Exchange(200, 0.1, 1, 2))
        collected(family, labels, *arguments, **named)

    monkeypatch.setattr(CounterMetricFamily, "add_metric", add_metric)
    assert b'endpoint="blobs"' in metrics.text()
