"""Requests of one repository: redirects, warnings, failures of the network."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import (
    AccessDenied,
    ConnectionFailed,
    InvalidContent,
    NotFound,
    PyskopeoError,
    RegistryError,
    UnsafeAddress,
)
from pyskopeo.http.tls import Trust
from pyskopeo.model.reference import Reference
from pyskopeo.registry.sessions import open_session
from tests.support.access import access_for
from tests.support.scripted import BASE, HOST, RAW, Script, answer, served

pytestmark = [
    pytest.mark.anyio,
    # httpx's client leaves its own generators to trio's garbage collector; our transport does not.
    pytest.mark.filterwarnings("ignore:Async generator 'httpx", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

MANIFEST = "/v2/a/b/manifests/v1"
TAGS = "/v2/a/b/tags/list"
ODD = ["http://\x9b31m.example/x", "http://exa\u202emple.org/", "http://a\u200bb.org/", "http://a\ud800b.org/"]


@pytest.mark.parametrize("url", [*ODD, "http://xn--/x", "http://127.0.0.1:1/\ud800", "http://xn--a/x"])
async def test_an_address_in_a_manifest_that_is_none(url: str, tmp_path: Path) -> None:
    """A foreign layer's; it is no crash."""
    async with open_session(Reference.parse("127.0.0.1:1/a/b:c"), access_for(tmp_path)) as session:
        with pytest.raises(PyskopeoError) as caught:
            await session.request_external("GET", url)
    assert str(caught.value).isprintable()


# --- warnings ---


async def test_warnings_are_shown_once_and_clean(script: Script) -> None:
    said = [
        ("Warning", '299 - "use the other registry"'),
        ("Warning", '299 - "\x1b[31mred\x07"'),
        ("Warning", '199 - "not for people"'),
        ("Warning", '299 - "use the other registry"'),
    ]

    def warn(request: httpx.Request) -> httpx.Response:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in said]
        return httpx.Response(200, headers=headers, content=b'{"tags":[]}')

    script.on(TAGS, warn)
    async with script.repository() as repository:
        await repository.tags()
        await repository.tags()
    assert script.warnings == [
        f'{HOST} says: "use the other registry"',
        f'{HOST} says: " [31mred "',
    ]


async def test_a_flood_of_warnings(script: Script) -> None:
    count = 0

    def warn(request: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        return httpx.Response(200, headers={"Warning": f"299 - {count} " + "x" * 5000}, content=b'{"tags":[]}')

    script.on(TAGS, warn)
    async with script.repository() as repository:
        for _ in range(50):
            await repository.tags()
    assert len(script.warnings) == 20
    assert max(map(len, script.warnings)) < 400


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["https://cdn.example.net/m?sig=a%2Fb", "/elsewhere?x", "../../../elsewhere"])
async def test_redirects(status: int, target: str, script: Script) -> None:
    script.on(MANIFEST, answer(status, location=target))
    script.on("https://cdn.example.net/m", served())
    script.on("/elsewhere", served())
    script.on("/v2/elsewhere", served())
    async with script.repository() as repository:
        assert (await repository.manifest("v1"))[0] == RAW
    second = script.requests[1]
    assert second.method == "GET"
    assert second.headers["accept-encoding"] == "identity"
    if "cdn" in target:
        assert str(second.url) == target
        assert second.headers["host"] == "cdn.example.net"


@pytest.mark.parametrize(
    "target",
    [
        "http://cdn.example.net/m",
        f"http://x.{HOST}{MANIFEST}",
        "ftp://cdn.example.net/m",
        "file:///etc/passwd",
        "https://user:hunter2@cdn.example.net/m",
        "https://cdn.example.net:99999/m",
        "https://cdn example.net/m",
    ],
)
async def test_redirects_that_are_refused(target: str, script: Script) -> None:
    script.on(MANIFEST, answer(307, location=target))
    async with script.repository() as repository:
        with pytest.raises(UnsafeAddress) as caught:
            await repository.manifest("v1")
    assert "hunter2" not in str(caught.value)
    assert len(script.requests) == 1
    assert script.retries == []


async def test_plain_http_at_our_own_host_is_https(script: Script) -> None:
    """A proxy that ends TLS before the registry."""
    script.on(MANIFEST, answer(307, location=f"http://{HOST}/elsewhere"))
    script.on("/elsewhere", served())
    async with script.repository() as repository:
        assert (await repository.manifest("v1"))[0] == RAW
    assert [request.url.scheme for request in script.requests] == ["https"] * 2


async def test_what_to_do_next_is_said(script: Script, tmp_path: Path) -> None:
    script.on(MANIFEST, answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'))
    script.on(TAGS, answer(401, www_authenticate='Basic realm="x"'))
    async with script.repository() as repository:
        with pytest.raises(NotFound, match=f": manifest unknown; for its tags: pyskopeo list-tags docker://{HOST}/a/b$"):
            await repository.manifest("v1")
        with pytest.raises(AccessDenied, match=f"without credentials.; log in with: pyskopeo login {HOST}$"):
            await repository.tags()
    with_credentials = access_for(tmp_path, credentials=Credentials("user", "pass"), trust=Trust())
    async with script.repository(with_credentials) as repository:
        with pytest.raises(AccessDenied, match="tried as user user.; if it is public, leave the credentials out: --no-creds"):
            await repository.tags()


async def test_the_tags_of_an_insecure_registry_are_listed_insecurely(script: Script, tmp_path: Path) -> None:
    script.on(MANIFEST, answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'))
    async with script.repository(access_for(tmp_path, trust=Trust(insecure=True))) as repository:
        with pytest.raises(NotFound, match=f"pyskopeo list-tags --tls-verify=false docker://{HOST}/a/b$"):
            await repository.manifest("v1")


async def test_a_repository_that_is_unknown_has_no_tags_to_list(script: Script) -> None:
    script.on(MANIFEST, answer(404, b'{"errors":[{"code":"NAME_UNKNOWN"},{"code":"MANIFEST_UNKNOWN"}]}'))
    async with script.repository() as repository:
        with pytest.raises(NotFound, match="name unknown; manifest unknown$"):
            await repository.manifest("v1")


async def test_a_redirect_to_nowhere(script: Script) -> None:
    script.on(MANIFEST, answer(307))
    async with script.repository() as repository:
        with pytest.raises(RegistryError, match="307"):
            await repository.manifest("v1")


@pytest.mark.parametrize(
    "target",
    [MANIFEST, "/v2/a/b/manifests/../manifests/v1", f"{BASE}{MANIFEST}#x", f"http://{HOST}{MANIFEST}"],
)
async def test_redirects_in_a_circle(target: str, script: Script) -> None:
    script.on(MANIFEST, answer(307, location=target))
    async with script.repository() as repository:
        with pytest.raises(InvalidContent, match="circle"):
            await repository.manifest("v1")
    assert len(script.requests) == 1


@pytest.mark.parametrize(("hops", "good"), [(10, True), (11, False), (30, False)])
async def test_hops(hops: int, good: bool, script: Script) -> None:
    script.on(MANIFEST, answer(307, location="/hop/1"))
    for number in range(1, hops + 1):
        script.on(f"/hop/{number}", served() if number == hops else answer(307, location=f"/hop/{number + 1}"))
    async with script.repository() as repository:
        if good:
            assert (await repository.manifest("v1"))[0] == RAW
        else:
            with pytest.raises(InvalidContent, match="redirects more than 10 times"):
                await repository.manifest("v1")
    assert len(script.requests) <= 1 + 10


async def test_no_cookie_is_given_back(script: Script) -> None:
    script.on(MANIFEST, served(set_cookie="session=1; Path=/"))
    async with script.repository() as repository:
        await repository.manifest("v1")
        await repository.manifest("v1")
    assert all("cookie" not in request.headers for request in script.requests)


# --- failures of the network ---


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("no route"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("peer closed"),
        httpx.PoolTimeout(""),
    ],
)
async def test_errors_of_httpx_are_ours(error: httpx.TransportError, script: Script) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    script.on(MANIFEST, fail, fail, served())
    async with script.repository() as repository:
        assert (await repository.manifest("v1"))[0] == RAW
        assert len(script.retries) == 2
        script.on(MANIFEST, fail)
        with pytest.raises(ConnectionFailed, match=f"{HOST}: {str(error) or type(error).__name__}") as caught:
            await repository.manifest("v1")
    assert caught.value.host == HOST
