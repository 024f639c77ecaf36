"""A body that is read as a document: no more of it than is wanted, no longer than it may take."""

from __future__ import annotations

import pytest

from pyskopeo.http.limited_body import LimitedBody
from pyskopeo.http.rate_limit import HostLimits, RateLimit
from pyskopeo.http.response_body import ResponseBody
from pyskopeo.http.response_head import Framing
from pyskopeo.http.time_limits import DocumentDeadline
from tests.support.lines import Line, connection_to

FRAMINGS = {"length": Framing(False, 300_000, True), "chunks": Framing(True, None, True), "end": Framing(False, None, False)}
WHOLE = {
    "length": b"x" * 300_000,
    "chunks": (b"186a0\r\n" + b"x" * 100_000 + b"\r\n") * 3 + b"0\r\n\r\n",
    "end": b"x" * 300_000,
}


@pytest.mark.parametrize("kind", FRAMINGS)
def test_a_body_up_to_its_limit(kind: str) -> None:
    body = ResponseBody(connection_to(WHOLE[kind]), FRAMINGS[kind], 30)
    assert body.read_document(300_000, DocumentDeadline(30, 30)) == (b"x" * 300_000, True)
    assert body.ended
    assert body.ends_with_connection == (kind == "end")
    assert body.reusable == (kind != "end")


@pytest.mark.parametrize("kind", FRAMINGS)
def test_a_body_over_its_limit_is_not_read_to_its_end(kind: str) -> None:
    body = ResponseBody(connection_to(WHOLE[kind]), FRAMINGS[kind], 30)
    content, complete = body.read_document(1000, DocumentDeadline(30, 30))
    assert 1000 < len(content) < 100_000
    assert complete
    assert not body.reusable


@pytest.mark.parametrize("kind", ["length", "chunks"])
def test_a_body_that_is_cut_short(kind: str) -> None:
    body = ResponseBody(connection_to(WHOLE[kind][:5000]), FRAMINGS[kind], 30)
    with pytest.raises(ConnectionError, match="closed"):
        body.read_document(300_000, DocumentDeadline(30, 30))


@pytest.mark.parametrize("kind", FRAMINGS)
def test_what_came_before_the_deadline(kind: str, line: Line) -> None:
    line.far.sendall(b"10\r\nabc")
    body = ResponseBody(line.connection, FRAMINGS[kind], 30)
    content, complete = body.read_document(1000, DocumentDeadline(30, 0.05))
    assert content == (b"abc" if kind == "chunks" else b"10\r\nabc")
    assert not complete


@pytest.mark.parametrize("kind", FRAMINGS)
def test_a_stall_before_the_deadline(kind: str, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.far.sendall(b"10\r\nabc")
    deadline = DocumentDeadline(30, 30)
    monkeypatch.setattr(DocumentDeadline, "wait", lambda self, received: 0.02)
    with pytest.raises(TimeoutError):
        ResponseBody(line.connection, FRAMINGS[kind], 30).read_document(1000, deadline)


@pytest.mark.parametrize("kind", FRAMINGS)
def test_a_document_counts_for_the_rate_limit(kind: str) -> None:
    limits = HostLimits((RateLimit(1e9),))
    body = LimitedBody(connection_to(WHOLE[kind]), FRAMINGS[kind], 30, limits)
    assert body.read_document(300_000, DocumentDeadline(30, 30)) == (b"x" * 300_000, True)
    assert limits.limits[0]._free > 0
