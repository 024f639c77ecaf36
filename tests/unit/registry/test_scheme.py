"""https or plain http, where either will do: what is tried, and what is told when neither is had."""

from __future__ import annotations

import anyio
import httpx
import pytest

from pyskopeo.errors import CertificateNotTrusted, ConnectionFailed, HandshakeFailed, NetworkError, UnsafeAddress
from pyskopeo.http.tls import Trust
from pyskopeo.registry.scheme import Schemes, probe_scheme


class Asked:
    """Answers to both questions; an error is raised."""

    def __init__(self, secure: NetworkError | int, plain: NetworkError | int) -> None:
        self._answers = {"https": secure, "http": plain}
        self.asked: list[str] = []

    async def __call__(self, url: str) -> httpx.Response:
        self.asked.append(url)
        answer = self._answers[url.partition(":")[0]]
        if isinstance(answer, NetworkError):
            raise answer
        return httpx.Response(answer)


REFUSED, GONE = HandshakeFailed("TLS: no"), ConnectionFailed("connection refused")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("host", "secure", "plain", "found", "questions"),
    [
        ("a.example", 200, 200, "https", 1),
        ("a.example", 401, GONE, "https", 1),
        ("a.example", 400, 200, "https", 1),
        ("a.example", GONE, GONE, "http", 1),
        ("a.example", CertificateNotTrusted("no", host=""), 200, "http", 1),
        # Whoever refuses us at 443 may have a registry at 80.
        ("a.example", REFUSED, 200, "http", 2),
        ("a.example", REFUSED, GONE, REFUSED, 2),
        ("a.example", REFUSED, UnsafeAddress("no"), REFUSED, 2),
        ("a.example:5000", REFUSED, 400, REFUSED, 1),
        ("a.example:5000", GONE, 200, "http", 1),
    ],
)
async def test_which_it_is(
    host: str, secure: NetworkError | int, plain: NetworkError | int, found: NetworkError | str, questions: int
) -> None:
    asked = Asked(secure, plain)
    if isinstance(found, str):
        assert await probe_scheme(host, asked) == found
    else:
        with pytest.raises(type(found)) as caught:
            await probe_scheme(host, asked)
        assert caught.value is found
    assert asked.asked == [f"https://{host}/v2/", f"http://{host}/v2/"][:questions]


@pytest.mark.anyio
async def test_a_registry_is_probed_once_for_all_who_ask() -> None:
    schemes, asked = Schemes(), Asked(GONE, 200)
    found: list[str] = []

    async def get(host: str, trust: Trust) -> None:
        found.append(await schemes.get(host, trust, asked))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(get, "a.example", Trust(insecure=True))
    assert found == ["http"] * 10
    assert asked.asked == ["https://a.example/v2/"]
    await get("b.example", Trust(insecure=True))
    await get("a.example", Trust(insecure=True, realms=frozenset({"other"})))
    assert len(asked.asked) == 3


@pytest.mark.anyio
@pytest.mark.parametrize("insecure", [None, False])
async def test_nothing_is_probed_where_plain_http_is_not_allowed(insecure: bool | None) -> None:
    asked = Asked(GONE, 200)
    assert await Schemes().get("a.example", Trust(insecure=insecure), asked) == "https"
    assert asked.asked == []


@pytest.mark.anyio
async def test_a_probe_that_fails_is_repeated() -> None:
    schemes = Schemes()
    with pytest.raises(HandshakeFailed):
        await schemes.get("a.example", Trust(insecure=True), Asked(REFUSED, GONE))
    assert await schemes.get("a.example", Trust(insecure=True), Asked(200, GONE)) == "https"
