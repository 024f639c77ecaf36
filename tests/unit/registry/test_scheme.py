"""https or plain http, where either will do: what is tried, and what is told when neither is had."""

from __future__ import annotations

import httpx
import pytest

from pyskopeo.errors import CertificateNotTrusted, ConnectionFailed, HandshakeFailed, NetworkError, UnsafeAddress
from pyskopeo.registry.scheme import find_scheme


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
        assert await find_scheme(host, asked) == found
    else:
        with pytest.raises(type(found)) as caught:
            await find_scheme(host, asked)
        assert caught.value is found
    assert asked.asked == [f"https://{host}/v2/", f"http://{host}/v2/"][:questions]
