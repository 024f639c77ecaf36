"""Who we say we are, to whom, and how often a token is asked for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs

import anyio
import httpx
import pytest

from pyskopeo.access import Access
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.credentials.keychain import Keychain
from pyskopeo.errors import AccessDenied, InvalidContent, PyskopeoError, TooLarge, UnsafeAddress
from pyskopeo.http.tls import Trust
from tests.support.access import access_for
from tests.support.scripted import BASE, HOST, Answer, Script, answer

pytestmark = pytest.mark.anyio

TAGS = "/v2/a/b/tags/list"
REALM = "https://auth.example.com/token"
PASSWORD = Credentials("user", "hunter2-password")
IDENTITY = Credentials(identity_token="hunter2-identity")
SCOPE = "repository:a/b:pull"
BASIC = "Basic " + base64.b64encode(b"user:hunter2-password").decode()


def access(
    home: Path, credentials: Credentials | None = None, *, token: str = "", realms: tuple[str, ...] = ()
) -> Access:
    return access_for(
        home, credentials=credentials, registry_token=token, trust=Trust(realms=frozenset(realms))
    )


def bearer(realm: str = REALM, scope: str | None = SCOPE, more: str = "") -> str:
    asked = f',scope="{scope}"' if scope else ""
    return f'Bearer realm="{realm}",service="the service"{asked}{more}'


def guarded(accepts: Callable[[str], bool], challenge: str | None = None) -> Answer:
    """Tags for those whose Authorization is accepted, a challenge for others."""

    def decide(request: httpx.Request) -> httpx.Response:
        if accepts(request.headers.get("authorization", "")):
            return httpx.Response(200, content=b'{"tags":["v1"]}')
        return httpx.Response(401, headers={"WWW-Authenticate": bearer() if challenge is None else challenge}, content=b"{}")

    return decide


def tokens(*values: str, **more: object) -> list[Answer]:
    return [answer(200, json.dumps({"token": value, **more}).encode()) for value in values]


@pytest.mark.parametrize("credentials", [None, PASSWORD])
async def test_nobody_is_told_who_we_are_without_need(
    credentials: Credentials | None, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are credentials, ``/v2/`` is asked whether they are wanted; they are looked up once."""
    asked: list[str] = []

    async def resolve(self: Keychain, registry: str, repository: str = "") -> Credentials | None:
        asked.append(f"{registry}/{repository}")
        return credentials

    monkeypatch.setattr(Keychain, "resolve", resolve)
    script.on("/v2/", answer(200))
    script.on(TAGS, guarded(lambda value: True))
    async with script.repository(access(tmp_path)) as repository:
        for _ in range(3):
            assert await repository.tags() == ["v1"]
    assert asked == [f"{HOST}/a/b"]
    assert script.secrets_at(HOST) == []
    assert len(script.requests) == (3 if credentials is None else 4)


@pytest.mark.parametrize("challenge", ["basic", "bearer"])
async def test_credentials_are_used_from_the_start(challenge: str, script: Script, tmp_path: Path) -> None:
    """Tasks that begin at the same time share the question; nothing is asked for without credentials."""
    script.on("/v2/", answer(401, www_authenticate='Basic realm="x"' if challenge == "basic" else bearer(scope=None)))
    script.on(TAGS, guarded(lambda value: True))
    script.on(REALM, *tokens("t"))
    async with script.repository(access(tmp_path, PASSWORD)) as repository, anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(repository.tags().once)
    assert len(script.asked("/v2/")) == 1
    assert script.secrets_at(HOST) == [BASIC if challenge == "basic" else "Bearer t"] * 30
    assert len(script.asked(REALM)) == (0 if challenge == "basic" else 1)


async def test_an_anonymous_token(script: Script) -> None:
    script.on(TAGS, guarded(lambda value: value == "Bearer t"))
    script.on(REALM, *tokens("t"))
    async with script.repository() as repository:
        assert await repository.tags() == ["v1"]
        assert await repository.tags() == ["v1"]
    (asked,) = script.asked(REALM)
    assert dict(asked.url.params) == {"service": "the service", "scope": SCOPE}
    assert "authorization" not in asked.headers
    # The second call needs no second challenge.
    assert [r.headers.get("authorization") for r in script.asked(TAGS)] == [None, "Bearer t", "Bearer t"]


async def test_a_token_for_a_user(script: Script, tmp_path: Path) -> None:
    script.on(TAGS, guarded(lambda value: value == "Bearer t"))
    script.on(REALM, *tokens("t"))
    async with script.repository(access(tmp_path, PASSWORD)) as repository:
        await repository.tags()
    (asked,) = script.asked(REALM)
    assert asked.headers["authorization"] == BASIC
    assert asked.url.params["account"] == "user"
    assert script.secrets_at(HOST) == ["Bearer t"]


async def test_one_token_request_for_many_calls(script: Script) -> None:
    script.on(TAGS, guarded(lambda value: value == "Bearer t"))
    script.on(REALM, *tokens("t"))
    async with script.repository() as repository, anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(repository.tags().once)
    assert len(script.asked(REALM)) == 1
    assert sum(r.headers.get("authorization") == "Bearer t" for r in script.asked(TAGS)) == 30


async def test_one_token_request_when_all_find_it_invalid(script: Script) -> None:
    valid = ["Bearer t1"]
    script.on(TAGS, guarded(lambda value: value in valid))
    script.on(REALM, *tokens("t1", "t2"))
    async with script.repository() as repository:
        await repository.tags()
        valid[:] = ["Bearer t2"]
        async with anyio.create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(repository.tags().once)
    assert len(script.asked(REALM)) == 2


@pytest.mark.parametrize(("told", "good_for"), [(300, 225), (100, 75), (10, 45), (None, 45)])
async def test_a_token_is_renewed_before_it_expires(
    told: int | None, good_for: float, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At three quarters of what it is good for; never less than 60 s, as containers/image has it."""
    now = 1000.0
    monkeypatch.setattr("pyskopeo.registry.session.time", SimpleNamespace(monotonic=lambda: now))
    script.on(TAGS, guarded(lambda value: value.startswith("Bearer t")))
    script.on(REALM, *tokens("t1", "t2", **({} if told is None else {"expires_in": told})))
    async with script.repository() as repository:
        await repository.tags()
        now = 1000.0 + good_for - 1
        await repository.tags()
        assert len(script.asked(REALM)) == 1
        now = 1000.0 + good_for + 1
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(repository.tags().once)
        assert len(script.asked(REALM)) == 2
    # Nobody had to be refused first.
    assert script.secrets_at(HOST) == ["Bearer t1"] * 2 + ["Bearer t2"] * 5


async def test_the_same_token_again_is_final(script: Script) -> None:
    script.on(TAGS, guarded(lambda value: False))
    script.on(REALM, *tokens("t"))
    async with script.repository() as repository:
        with pytest.raises(AccessDenied, match=r"401, tried without credentials"):
            await repository.tags()
    assert len(script.asked(REALM)) <= 2
    assert len(script.asked(TAGS)) == 2


async def test_ever_new_tokens_are_final_too(script: Script) -> None:
    script.on(TAGS, guarded(lambda value: False))
    script.on(REALM, *tokens(*(f"t{number}" for number in range(50))))
    async with script.repository() as repository:
        with pytest.raises(AccessDenied):
            await repository.tags()
    assert len(script.asked(TAGS)) <= 3


async def test_insufficient_scope(script: Script) -> None:
    """A token that is good and not good enough: what the answer names of this repository is asked for."""
    wider = "repository:a/b:pull,delete repository:c:pull"
    allowed = "repository:a/b:pull,delete"

    def decide(request: httpx.Request) -> httpx.Response:
        value = request.headers.get("authorization", "")
        if value == "Bearer wide":
            return httpx.Response(200, content=b'{"tags":["v1"]}')
        narrow = bearer(scope=wider, more=',error="insufficient_scope"')
        return httpx.Response(401, headers={"WWW-Authenticate": narrow if value else bearer()})

    script.on(TAGS, decide)
    script.on(REALM, *tokens("narrow", "wide"))
    async with script.repository() as repository:
        assert await repository.tags() == ["v1"]
        await repository.tags()
    assert [request.url.params.get_list("scope") for request in script.asked(REALM)] == [[SCOPE], [allowed]]
    assert script.secrets_at(HOST) == ["Bearer narrow", "Bearer wide", "Bearer wide"]


async def test_a_challenge_without_scope(script: Script) -> None:
    """``/v2/`` and some registries name none: then it is the one of what is being done."""
    script.on(TAGS, guarded(lambda value: value == "Bearer t", bearer(scope=None)))
    script.on(REALM, *tokens("t"))
    async with script.repository() as repository:
        await repository.tags()
    assert script.asked(REALM)[0].url.params["scope"] == SCOPE


@pytest.mark.parametrize("key", ["token", "access_token"])
async def test_both_names_of_a_token(key: str, script: Script) -> None:
    script.on(TAGS, guarded(lambda value: value == "Bearer t"))
    script.on(REALM, answer(200, json.dumps({key: "t"}).encode()))
    async with script.repository() as repository:
        assert await repository.tags() == ["v1"]


async def test_basic(script: Script, tmp_path: Path) -> None:
    script.on(TAGS, guarded(lambda value: value == BASIC, 'Basic realm="x"'))
    async with script.repository(access(tmp_path, PASSWORD)) as repository:
        assert await repository.tags() == ["v1"]
        assert await repository.tags() == ["v1"]
    # Not before it was asked for, and unasked from then on.
    assert [r.headers.get("authorization") for r in script.asked(TAGS)] == [None, BASIC, BASIC]


@pytest.mark.parametrize(
    ("credentials", "tried"),
    [
        (PASSWORD, "401, tried as user user"),
        (None, "401, tried without credentials"),
        (IDENTITY, "401, tried an identity token"),
    ],
)
async def test_refused_by_basic(credentials: Credentials | None, tried: str, script: Script, tmp_path: Path) -> None:
    script.on(TAGS, guarded(lambda value: False, 'Basic realm="x"'))
    async with script.repository(access(tmp_path, credentials)) as repository:
        with pytest.raises(AccessDenied, match=tried) as caught:
            await repository.tags()
    assert "hunter2" not in str(caught.value)
    assert len(script.asked(TAGS)) == (2 if credentials is PASSWORD else 1)


async def test_an_identity_token(script: Script, tmp_path: Path) -> None:
    script.on(TAGS, guarded(lambda value: value == "Bearer t"))
    script.on(REALM, *tokens("t"), method="POST")
    async with script.repository(access(tmp_path, IDENTITY)) as repository:
        assert await repository.tags() == ["v1"]
    assert script.asked(REALM) == []
    (asked,) = script.asked(REALM, "POST")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert int(asked.headers["content-length"]) == len(asked.content)
    assert parse_qs(asked.content.decode()) == {
        "grant_type": ["refresh_token"],
        "client_id": ["pyskopeo"],
        "refresh_token": ["hunter2-identity"],
        "service": ["the service"],
        "scope": [SCOPE],
    }
    assert "hunter2" not in str(asked.url)
    assert script.secrets_at(HOST) == ["Bearer t"]


async def test_a_registry_token_is_sent_as_it_is(script: Script, tmp_path: Path) -> None:
    script.on(TAGS, guarded(lambda value: value == "Bearer hunter2-given"))
    async with script.repository(access(tmp_path, token="hunter2-given")) as repository:
        assert await repository.tags() == ["v1"]
    assert len(script.asked(TAGS)) == 1


async def test_a_registry_token_that_is_refused(script: Script, tmp_path: Path) -> None:
    """It is not traded for another, and nobody is asked for credentials."""
    script.on(TAGS, guarded(lambda value: False))
    script.on(REALM, *tokens("t"))
    async with script.repository(access(tmp_path, token="hunter2-given")) as repository:
        with pytest.raises(AccessDenied, match="tried the given registry token") as caught:
            await repository.tags()
    assert "hunter2" not in str(caught.value)
    assert len(script.requests) == 1


async def test_a_registry_token_beside_credentials_that_is_refused(script: Script, tmp_path: Path) -> None:
    script.on("/v2/", answer(401, www_authenticate=bearer()))
    script.on(TAGS, guarded(lambda value: False))
    script.on(REALM, *tokens("t"))
    async with script.repository(access(tmp_path, PASSWORD, token="hunter2-given")) as repository:
        with pytest.raises(AccessDenied, match="tried the given registry token") as caught:
            await repository.tags()
    assert "hunter2" not in str(caught.value)
    assert script.asked(REALM) == []
    assert script.secrets_at(HOST) == ["Bearer hunter2-given"]


async def test_a_refusal_without_a_challenge_we_can_answer(script: Script, tmp_path: Path) -> None:
    for challenge in ('Negotiate, Digest realm="x"', "", 'Bearer service="x"', 'Bearer realm="'):
        script.on(TAGS, guarded(lambda value: False, challenge))
        async with script.repository(access(tmp_path, PASSWORD)) as repository:
            with pytest.raises(AccessDenied):
                await repository.tags()
    assert script.secrets_at(HOST) == []


# --- realms ---


@pytest.mark.parametrize("credentials", [PASSWORD, IDENTITY])
@pytest.mark.parametrize("realm", ["https://evil.example.net/token", "https://1.2.3.4/token", "https://com/token"])
async def test_credentials_go_to_no_strangers(
    realm: str, credentials: Credentials, script: Script, tmp_path: Path
) -> None:
    script.on(TAGS, guarded(lambda value: False, bearer(realm)))
    async with script.repository(access(tmp_path, credentials)) as repository:
        with pytest.raises(UnsafeAddress, match="--trust-realm"):
            await repository.tags()
    assert script.asked(realm) == []
    assert script.asked(realm, "POST") == []


@pytest.mark.parametrize("trusted", ["tokens.example.net", "tokens.example.net:8443"])
async def test_a_realm_that_is_trusted(trusted: str, script: Script, tmp_path: Path) -> None:
    realm = "https://tokens.example.net:8443/token"
    script.on(TAGS, guarded(lambda value: value == "Bearer t", bearer(realm)))
    script.on(realm, *tokens("t"))
    async with script.repository(access(tmp_path, PASSWORD, realms=(trusted,))) as repository:
        assert await repository.tags() == ["v1"]
    assert script.secrets_at("tokens.example.net") == [BASIC]


async def test_trusting_one_realm_is_not_trusting_all(script: Script, tmp_path: Path) -> None:
    script.on(TAGS, guarded(lambda value: False, bearer("https://evil.example.net/token")))
    async with script.repository(access(tmp_path, PASSWORD, realms=("tokens.example.net",))) as repository:
        with pytest.raises(UnsafeAddress):
            await repository.tags()


async def test_strangers_may_give_anonymous_tokens(script: Script) -> None:
    realm = "https://tokens.example.net/token"
    script.on(TAGS, guarded(lambda value: value == "Bearer t", bearer(realm)))
    script.on(realm, *tokens("t"))
    async with script.repository() as repository:
        assert await repository.tags() == ["v1"]
    assert script.secrets_at("tokens.example.net") == []


@pytest.mark.parametrize("realm", ["/token", f"{BASE}/token", "../../../../token"])
async def test_a_realm_of_the_registry_itself(realm: str, script: Script, tmp_path: Path) -> None:
    script.on(TAGS, guarded(lambda value: value == "Bearer t", bearer(realm)))
    script.on("/token", *tokens("t"))
    async with script.repository(access(tmp_path, PASSWORD)) as repository:
        assert await repository.tags() == ["v1"]


@pytest.mark.parametrize("credentials", [PASSWORD, None])
@pytest.mark.parametrize(
    "realm",
    [
        "http://auth.example.com/token",
        "ftp://auth.example.com/token",
        "https://user:hunter2@auth.example.com/token",
        "https://[::1",
        "https://auth.example.com:99999/token",
        "https://auth example.com/token",
        "file:///etc/passwd",
    ],
)
async def test_realms_that_are_no_good(
    realm: str, credentials: Credentials | None, script: Script, tmp_path: Path
) -> None:
    script.on(TAGS, guarded(lambda value: False, bearer(realm)))
    async with script.repository(access(tmp_path, credentials)) as repository:
        with pytest.raises(UnsafeAddress) as caught:
            await repository.tags()
    assert "hunter2" not in str(caught.value)
    assert {request.url.path for request in script.requests} <= {"/v2/", TAGS}


async def test_a_realm_no_url_parser_likes(script: Script) -> None:
    script.on(TAGS, guarded(lambda value: False, bearer("https://999.1.1.1/token")))
    async with script.repository() as repository:
        with pytest.raises(InvalidContent, match="999.1.1.1: not a URL that can be asked for"):
            await repository.tags()


# --- token servers ---


async def test_a_token_server_is_asked_again(script: Script, tmp_path: Path) -> None:
    script.on(TAGS, guarded(lambda value: value == "Bearer t"))
    script.on(REALM, answer(503, retry_after="0"), answer(429), *tokens("t"))
    async with script.repository(access(tmp_path, PASSWORD)) as repository:
        assert await repository.tags() == ["v1"]
    assert [event.what for event in script.retries] == ["requesting a token from https://auth.example.com"] * 2


async def test_wrong_credentials(script: Script, tmp_path: Path) -> None:
    script.on(TAGS, guarded(lambda value: False))
    script.on(REALM, answer(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}'))
    async with script.repository(access(tmp_path, PASSWORD)) as repository:
        with pytest.raises(AccessDenied, match="incorrect username or password .401, tried as user user") as caught:
            await repository.tags()
    assert "requesting a token from https://auth.example.com" in str(caught.value)
    assert str(caught.value).endswith(
        "; if it is public, leave the credentials out: --no-creds (of a copy: --src-no-creds)"
    )
    assert "pyskopeo login" not in str(caught.value)  # the credentials were given
    assert "hunter2" not in str(caught.value)
    assert len(script.asked(REALM)) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_stored_login_that_is_refused(status: int, script: Script, tmp_path: Path) -> None:
    auth = tmp_path / "auth.json"
    auth.write_text('{"auths":{"%s":{"auth":"dXNlcjpodW50ZXIyLW9sZA=="}}}' % HOST)  # noqa: UP031 - JSON has braces
    keychain = replace(access(tmp_path, None).keychain, authfile=auth, anonymous=False)
    script.on(TAGS, guarded(lambda value: False))
    script.on(REALM, answer(status))
    async with script.repository(replace(access(tmp_path, None), keychain=keychain)) as repository:
        with pytest.raises(
            AccessDenied, match=f"as user user.; log in again with: pyskopeo login {HOST}; if it is pub"
        ):
            await repository.tags()


ELSEWHERE_TOKENS = [
    "https://evil.example.net/token",
    "https://example.com/token",
    "https://auth.example.com:8443/token",
    "http://auth.example.com/token",
    "//evil.example.net/token",
]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("credentials", [PASSWORD, IDENTITY])
@pytest.mark.parametrize("target", ELSEWHERE_TOKENS)
async def test_a_token_server_redirects_nowhere(
    target: str, credentials: Credentials, status: int, script: Script, tmp_path: Path
) -> None:
    """Credentials stay with its origin, not with its site."""
    script.on(TAGS, guarded(lambda value: False))
    for method in ("GET", "POST"):
        script.on(REALM, answer(status, location=target), method=method)
    async with script.repository(access(tmp_path, credentials)) as repository:
        # http at its own host is taken for https, and leads in a circle.
        with pytest.raises((UnsafeAddress, InvalidContent), match="may not have the credentials|in a circle"):
            await repository.tags()
    assert {request.url.host for request in script.requests} == {HOST, "auth.example.com"}
    assert all(request.url.scheme == "https" and request.url.port is None for request in script.requests)


async def test_without_credentials_a_token_server_may_redirect(script: Script) -> None:
    script.on(TAGS, guarded(lambda value: value == "Bearer t"))
    script.on(REALM, answer(307, location="https://other.example.net/token"))
    script.on("https://other.example.net/token", *tokens("t"))
    async with script.repository() as repository:
        assert await repository.tags() == ["v1"]
        script.on(REALM, answer(307, location="http://other.example.net/token"))
        script.on(TAGS, guarded(lambda value: value == "Bearer t2"))
        with pytest.raises(UnsafeAddress, match="plain http"):
            await repository.tags()


@pytest.mark.parametrize(("realm", "target"), [
    ("http://auth.example.com/token", "https://auth.example.com/token"),
    ("http://auth.example.com:5000/token", "https://auth.example.com:5000/token"),
    ("http://auth.example.com:5000/token", "https://auth.example.com/token"),
    ("http://auth.example.com/token", "https://evil.example.com/token"),
])  # fmt: skip
async def test_credentials_go_on_to_the_same_host_with_tls(
    realm: str, target: str, script: Script, tmp_path: Path
) -> None:
    script.on("/v2/", answer(401, www_authenticate=bearer(realm)))
    script.on(TAGS, guarded(lambda value: value == "Bearer t"))
    script.on(realm, answer(301, location=target))
    script.on(target, *tokens("t"))
    async with script.repository(access_for(tmp_path, credentials=PASSWORD)) as repository:
        if realm.replace("http:", "https:") == target:
            assert await repository.tags() == ["v1"]
            assert script.asked(target)[0].headers["authorization"] == BASIC
        else:
            with pytest.raises(UnsafeAddress, match="may not have the credentials"):
                await repository.tags()
            assert script.asked(target) == []


# httpx's client leaves its own generators to trio's garbage collector; our transport does not.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"<html>", InvalidContent),
        (b'{"token":""}', InvalidContent),
        (b'{"token":"' + b"x" * 200_000 + b'"}', TooLarge),
    ],
)
async def test_useless_token_answers(content: bytes, error: type[PyskopeoError], script: Script) -> None:
    script.on(TAGS, guarded(lambda value: False))
    script.on(REALM, answer(200, content))
    async with script.repository() as repository:
        with pytest.raises(error, match="auth.example.com"):
            await repository.tags()


async def test_a_server_that_repeats_what_it_was_sent(script: Script, tmp_path: Path) -> None:
    """Error pages with all of the request in them are common; they end up in logs."""

    def echo(request: httpx.Request) -> httpx.Response:
        said = f"you sent {request.headers.get('authorization')} and hunter2-password"
        content = json.dumps({"errors": [{"code": "DENIED", "message": said}]}).encode()
        return httpx.Response(403, headers={"Warning": f'299 - "{said}"'}, content=content)

    script.on(TAGS, guarded(lambda value: False, 'Basic realm="x"'), echo)
    async with script.repository(access(tmp_path, PASSWORD)) as repository:
        with pytest.raises(AccessDenied, match="you sent Basic ... and") as caught:
            await repository.tags()
    for said in (str(caught.value), *script.warnings):
        assert "hunter2" not in said
        assert BASIC.removeprefix("Basic ") not in said
    assert script.warnings


# --- redirects ---


ELSEWHERE = [
    "https://cdn.example.net/x",
    f"https://{HOST}:8443/x",
    f"https://sub.{HOST}/x",
    f"https://{HOST}./x",
]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
@pytest.mark.parametrize("kind", ["bearer", "basic", "given"])
async def test_no_secret_follows_a_redirect(kind: str, elsewhere: str, script: Script, tmp_path: Path) -> None:
    """Not even when the other origin asks for one (go-containerregistry #2337, CVE-2018-18074)."""
    moved = answer(307, location=elsewhere)

    def own(request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization") in ("Bearer t", BASIC, "Bearer given"):
            return moved(request)
        challenge = 'Basic realm="x"' if kind == "basic" else bearer()
        return httpx.Response(401, headers={"WWW-Authenticate": challenge})

    script.on(TAGS, own)
    script.on(REALM, *tokens("t"))
    script.on(elsewhere, answer(401, www_authenticate=f'{bearer()}, Basic realm="x"'))
    with_access = access(tmp_path, PASSWORD, token="given" if kind == "given" else "")
    async with script.repository(with_access) as repository:
        with pytest.raises(AccessDenied):
            await repository.tags()
    (there,) = script.asked(elsewhere)
    assert not {"authorization", "cookie", "proxy-authorization"} & set(there.headers)
    assert len(script.asked(REALM)) == (1 if kind == "bearer" else 0)


async def test_a_secret_comes_back_with_the_redirect(script: Script, tmp_path: Path) -> None:
    """There and back again: on our own origin the request is ours again."""
    script.on(TAGS, answer(302, location="https://cdn.example.net/x"))
    script.on("https://cdn.example.net/x", answer(302, location=f"{BASE}/other"))
    script.on("/other", guarded(lambda value: value == BASIC, 'Basic realm="x"'))
    async with script.repository(access(tmp_path, PASSWORD)) as repository:
        assert await repository.tags() == ["v1"]
    assert script.secrets_at("cdn.example.net") == []
    assert script.secrets_at(HOST) == [BASIC]


async def test_plain_http_is_for_those_who_asked_for_it(script: Script, tmp_path: Path) -> None:
    """With verification off a realm may be http, as the registry may."""
    realm = "http://auth.example.com/token"
    script.on("/v2/", answer(200))
    script.on(TAGS, guarded(lambda value: value == "Bearer t", bearer(realm)))
    script.on(realm, *tokens("t"))
    async with script.repository(access_for(tmp_path, credentials=PASSWORD)) as repository:
        assert await repository.tags() == ["v1"]
