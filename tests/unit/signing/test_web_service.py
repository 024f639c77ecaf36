"""Requests to services by a caller's own client of httpx."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from pyskopeo.access import Network
from pyskopeo.errors import ConnectionFailed, InvalidInput, Offline, RegistryError
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from pyskopeo.model.events import Event, Requested, Retrying
from pyskopeo.signing.web_service import ServiceAccess, WebService

pytestmark = pytest.mark.anyio
URL = "https://service.example/base/"


def response(status: int, content: bytes = b"", headers: dict[str, str] = {}) -> httpx.Response:
    """As a stream: httpx decodes content that it is given whole."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def service(answer: Callable[[httpx.Request], httpx.Response], events: list[Event], **network: object) -> WebService:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    settings = {"client": client, "retry": Retry(times=1, delay=0.0), **network}
    return WebService("Service at", URL, ServiceAccess(Network(**settings), Trust(), events.append))  # type: ignore[arg-type]


async def test_a_request_and_its_answer() -> None:
    seen: list[httpx.Request] = []
    events: list[Event] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return response(418, b"short", {"X-Name": "value"})

    answered = await service(answer, events).request("POST", "/path?key=secret", {"X-Own": "1"}, b"content")
    assert (answered.status, answered.headers["x-name"], answered.body) == (418, "value", b"short")
    (request,) = seen
    assert (str(request.url), request.content, request.headers["X-Own"]) == (f"{URL}path?key=secret", b"content", "1")
    assert request.headers["User-Agent"].startswith("pyskopeo/")
    (event,) = events
    assert isinstance(event, Requested)
    assert (event.method, event.url, event.status) == ("POST", f"{URL}path?key=***", 418)


async def test_failures_that_pass() -> None:
    events: list[Event] = []
    failures = [httpx.ConnectError("refused")]

    def answer(_: httpx.Request) -> httpx.Response:
        if failures:
            raise failures.pop()
        return response(200, b"{}")

    assert (await service(answer, events).get("/x")).status == 200
    assert [type(event) for event in events] == [Requested, Retrying, Requested]


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (503, {}, "Service at https://service.example: status 503: sorry, ***"),
        (429, {"Retry-After": "100000"},
         "Service at https://service.example: status 429: sorry, ***; the server asks to wait 100000 s before a retry"),
    ],
)  # fmt: skip
async def test_failures_that_stay(status: int, headers: dict[str, str], message: str) -> None:
    found = service(lambda _: response(status, b"sorry,\r\npassword", headers), [])
    found.redactor.add("password")
    with pytest.raises(RegistryError) as failed:
        await found.get("/x")
    assert str(failed.value).startswith(message)


async def test_errors_of_the_client() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("")

    with pytest.raises(ConnectionFailed, match="^Service at https://service.example: ReadError$"):
        await service(answer, []).get("/x")
    with pytest.raises(Offline):
        await service(answer, [], offline=True).get("/x")


@pytest.mark.parametrize("url", ["", "service.example", "file:///x", "https://", "https://user:word@service.example", "http://[::"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        WebService("Service at", url, ServiceAccess(Network(), Trust()))
    assert "word" not in str(refused.value)
