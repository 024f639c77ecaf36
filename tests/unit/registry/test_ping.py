"""``/v2/``: https or plain http where either will do, and which credentials are asked for."""

from __future__ import annotations

import anyio
import pytest

from pyskopeo.errors import CertificateNotTrusted, ConnectionFailed, HandshakeFailed, NetworkError, UnsafeAddress
from pyskopeo.http.headers import Headers
from pyskopeo.http.messages import Response
from pyskopeo.http.tls import Trust
from pyskopeo.registry.ping import Ping, Pings, probe_scheme


class Asked:
    """Answers to both questions; an error is raised."""

    def __init__(self, secure: NetworkError | int, plain: NetworkError | int) -> None:
        self._answers = {"https": secure, "http": plain}
        self.asked: list[str] = []

    async def __call__(self, url: str) -> Response:
        self.asked.append(url)
        answer = self._answers[url.partition(":")[0]]
        if isinstance(answer, NetworkError):
            raise answer
        return Response(answer)


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
    pings, asked = Pings(), Asked(GONE, 200)
    found: list[str] = []

    async def get(host: str, trust: Trust) -> None:
        found.append(await pings.scheme(host, trust, asked))

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
    assert await Pings().scheme("a.example", Trust(insecure=insecure), asked) == "https"
    assert asked.asked == []


@pytest.mark.anyio
async def test_a_probe_that_fails_is_repeated() -> None:
    pings = Pings()
    with pytest.raises(HandshakeFailed):
        await pings.scheme("a.example", Trust(insecure=True), Asked(REFUSED, GONE))
    assert await pings.scheme("a.example", Trust(insecure=True), Asked(200, GONE)) == "https"


# --- challenges ---

TRUST = Trust()
URL = "https://a.example/v2/"


class Answers:
    """Gives each response in turn, the last for ever."""

    def __init__(self, *responses: Response) -> None:
        self._responses = list(responses)
        self.asked: list[str] = []

    async def __call__(self, url: str) -> Response:
        self.asked.append(url)
        await anyio.sleep(0.001)
        return self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]


@pytest.mark.anyio
async def test_challenges_are_requested_once() -> None:
    headers = [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", 'Basic realm="x"')]
    pings, answers = Pings(), Answers(Response(401, Headers.of(headers), peer="10.0.0.1"))
    found: list[Ping] = []

    async def ask() -> None:
        found.append(await pings.response(TRUST, answers, URL))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(ask)
    assert found == [Ping(401, ("Negotiate", 'Basic realm="x"'), "10.0.0.1")] * 10
    assert answers.asked == [URL]


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 204, 302, 400, 403, 404, 405])
async def test_only_a_401_has_challenges(status: int) -> None:
    found = await Pings().response(TRUST, Answers(Response(status, Headers.of({"WWW-Authenticate": "Basic"}))), URL)
    assert (found.challenges, found.temporary) == ((), False)


@pytest.mark.anyio
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
async def test_what_may_pass_is_not_kept(status: int) -> None:
    pings = Pings()
    answers = Answers(Response(status, Headers.of({"Retry-After": "7"})), Response(401))
    first = await pings.response(TRUST, answers, URL)
    assert (first.temporary, first.retry_after) == (True, "7")
    assert [(await pings.response(TRUST, answers, URL)).status for _ in range(2)] == [401, 401]
    assert len(answers.asked) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/v2", [URL, "https://a.example/v2"]),
        ("https://a.example/x", [URL, "https://a.example/x"]),
        ("http://a.example/x", [URL, "https://a.example/x"]),
        ("https://evil.example/v2/", [URL]),
        ("http://evil.example/v2/", [URL]),
        ("https://a.example:444/v2/", [URL]),
        ("ftp://a.example/", [URL]),
    ],
)
async def test_a_redirect_is_followed_within_the_origin_only(location: str, asked: list[str]) -> None:
    """What another server asks for is not what the registry asks for."""
    answers = Answers(
        Response(301, Headers.of({"Location": location})), Response(401, Headers.of({"WWW-Authenticate": "Basic"}))
    )
    found = await Pings().response(TRUST, answers, URL)
    assert answers.asked == asked
    assert found.challenges == (("Basic",) if len(asked) == 2 else ())


@pytest.mark.anyio
async def test_redirects_without_end() -> None:
    answers = Answers(Response(307, Headers.of({"Location": "/v2/"})))
    assert (await Pings().response(TRUST, answers, URL)).challenges == ()
    assert len(answers.asked) <= 5


@pytest.mark.anyio
async def test_the_probe_for_https_is_the_ping() -> None:
    pings, trust = Pings(), Trust(insecure=True)
    answers = Answers(Response(401, Headers.of({"WWW-Authenticate": "Basic"})))
    assert await pings.scheme("a.example", trust, answers) == "https"
    assert (await pings.response(trust, answers, URL)).challenges == ("Basic",)
    assert answers.asked == [URL]
