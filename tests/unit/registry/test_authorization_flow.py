"""What authorization does next, by what is known and what a registry answers: tables, without a network or a clock."""

from __future__ import annotations

import ast
import base64
import inspect
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.credentials.bazel_helper import HelperHeaders
from pyskopeo.errors import InvalidContent, UnsafeAddress
from pyskopeo.http.headers import Headers
from pyskopeo.http.messages import Response
from pyskopeo.http.redactor import Redactor
from pyskopeo.registry import authorization, challenge
from pyskopeo.registry.authorization import (
    Authorizer,
    BearerToken,
    NeedChallenges,
    NeedCredentials,
    NeedHeaders,
    NeedToken,
    Send,
    describe_credentials,
)
from pyskopeo.registry.challenge import Challenge, token_request

HOST = "registry.example.com"
URL = f"https://{HOST}/v2/a/b/tags/list"
REALM = "https://auth.example.com/token"
SCOPE = "repository:a/b:pull"
PASSWORD = Credentials("user", "hunter2-password")
IDENTITY = Credentials(identity_token="hunter2-identity")
BASIC = "Basic " + base64.b64encode(b"user:hunter2-password").decode()
NOW = 1000.0

# What a registry answers: 200, or a 401 with these values of WWW-Authenticate.
OK: tuple[str, ...] | None = None
WANTS_BASIC = ('Basic realm="x"',)


def bearer(realm: str = REALM, scope: str = SCOPE) -> tuple[str, ...]:
    return (f'Bearer realm="{realm}",service="s"' + (f',scope="{scope}"' if scope else ""),)


WANTS_TOKEN = bearer()


def token(value: str, refresh_at: float = NOW + 45) -> BearerToken:
    return BearerToken(value, 60.0, refresh_at, Challenge("bearer", {"realm": REALM, "service": "s"}))


def helper(value: str = "", **more: str) -> HelperHeaders:
    return HelperHeaders({**({"Authorization": value} if value else {}), **more})


class Flows:
    """Flows of one `Authorizer`, whose steps are answered from lists, the last of each for ever.

    ``pinged`` are the challenges for ``/v2/``. ``steps`` are those of all flows so far: ``headers``, ``headers, stale
    VALUE``, ``credentials``, ``ping``, ``token SCOPE``, ``send VALUE`` with the ``Authorization`` of the request.
    """

    def __init__(
        self,
        *,
        helpers: Iterable[HelperHeaders | None] = (None,),
        credentials: Credentials | HelperHeaders | None = None,
        pinged: tuple[str, ...] = (),
        issued: Iterable[str] = ("t1", "t2", "t3", "t4"),
        tokens: dict[str, BearerToken] | None = None,
        registry: str = HOST,
        **options: Any,
    ) -> None:
        self.tokens = tokens or {}
        self.now = NOW
        self.redactor = Redactor()
        self.authorizer = Authorizer(registry, self.tokens, self.redactor, lambda: self.now, **options)
        self.steps: list[str] = []
        self.sent: list[dict[str, str]] = []
        self.requested: list[NeedToken] = []
        self._helpers, self._issued = _last_for_ever(helpers), _last_for_ever(issued)
        self._credentials, self._pinged = credentials, pinged

    def run(self, *answers: tuple[str, ...] | None, url: str = URL, scope: str = SCOPE) -> bool:
        """Send one request, which gets ``answers``; whether it was accepted in the end."""
        responses = iter(answers)
        flow = self.authorizer.flow(url, scope)
        step = next(flow)
        while True:
            challenges: tuple[str, ...] | None = ()
            answer: object
            match step:
                case NeedHeaders():
                    self.steps.append("headers" + (f", stale {step.stale.authorization}" if step.stale else ""))
                    assert step.url == url
                    answer = next(self._helpers)
                case NeedCredentials():
                    self.steps.append("credentials")
                    answer = self._credentials
                case NeedChallenges():
                    self.steps.append("ping")
                    answer = self._pinged
                case NeedToken():
                    self.steps.append(f"token {_scopes(step)}")
                    self.requested.append(step)
                    body = f'{{"token":"{next(self._issued)}"}}'.encode()
                    answer = self.tokens[step.scope] = step.parse(body, self.now)
                case Send():
                    self.steps.append(f"send {step.headers.get('Authorization', '-')}")
                    self.sent.append(dict(step.headers))
                    challenges = next(responses)
                    answer = _response(challenges)
            try:
                step = flow.send(answer)
            except StopIteration:
                assert list(responses) == [], "not all that should have been sent was sent"
                return challenges is None


def _last_for_ever(values: Iterable[Any]) -> Iterator[Any]:
    last = None
    for last in values:  # noqa: B007
        yield last
    while True:
        yield last


def _scopes(step: NeedToken) -> str:
    sent = step.request.content.decode() or urlsplit(step.request.url).query
    return " ".join(value for name, value in parse_qsl(sent) if name == "scope")


def _response(challenges: tuple[str, ...] | None) -> Response:
    if challenges is None:
        return Response(200)
    return Response(401, Headers.of([("WWW-Authenticate", value) for value in challenges]))


# Without credentials, and with them where ``/v2/`` asks for none.
SEND_NOTHING = ["headers", "credentials", "send -"]
PING = ["headers", "credentials", "ping"]
PING_AND_SEND = [*PING, "send -"]
GET_TOKEN = ["credentials", f"token {SCOPE}"]

# known credentials, what the registry answers to each request, what is done
ONE_REQUEST: dict[str, tuple[Credentials | HelperHeaders | None, list[tuple[str, ...] | None], list[str]]] = {
    "public": (PASSWORD, [OK], PING_AND_SEND),
    "anonymous token": (None, [WANTS_TOKEN, OK], [*SEND_NOTHING, *GET_TOKEN, "send Bearer t1"]),
    "token": (PASSWORD, [WANTS_TOKEN, OK], [*PING_AND_SEND, *GET_TOKEN, "send Bearer t1"]),
    "identity token": (IDENTITY, [WANTS_TOKEN, OK], [*PING_AND_SEND, *GET_TOKEN, "send Bearer t1"]),
    "basic": (PASSWORD, [WANTS_BASIC, OK], [*PING_AND_SEND, "credentials", f"send {BASIC}"]),
    "basic refused": (PASSWORD, [WANTS_BASIC, WANTS_BASIC], [*PING_AND_SEND, "credentials", f"send {BASIC}", "credentials"]),
    "basic and no password": (None, [WANTS_BASIC], [*SEND_NOTHING, "credentials"]),
    "basic and an identity token": (IDENTITY, [WANTS_BASIC], [*PING_AND_SEND, "credentials"]),
    "either, basic first": (PASSWORD, [WANTS_BASIC + WANTS_TOKEN, OK], [*PING_AND_SEND, "credentials", f"send {BASIC}"]),
    "either and no password": (None, [WANTS_BASIC + WANTS_TOKEN, OK], [*SEND_NOTHING, *GET_TOKEN, "send Bearer t1"]),
    "first basic, then a token": (
        PASSWORD, [WANTS_BASIC, WANTS_TOKEN, OK],
        [*PING_AND_SEND, "credentials", f"send {BASIC}", *GET_TOKEN, "send Bearer t1"],
    ),
    "a token that is not enough": (
        None, [WANTS_TOKEN, bearer(scope="repository:a/b:pull,delete repository:c:pull"), OK],
        [*SEND_NOTHING, *GET_TOKEN, "send Bearer t1", "credentials", f"token {SCOPE},delete", "send Bearer t2"],
    ),
    "ever new tokens": (
        None, [WANTS_TOKEN] * 3,
        [*SEND_NOTHING, *GET_TOKEN, "send Bearer t1", *GET_TOKEN, "send Bearer t2"],
    ),
    "no challenge": (PASSWORD, [()], [*PING_AND_SEND, "credentials"]),
    "an unknown scheme": (PASSWORD, [("Negotiate", 'Digest realm="x"')], [*PING_AND_SEND, "credentials"]),
    "no realm": (PASSWORD, [('Bearer service="s"',)], [*PING_AND_SEND, "credentials"]),
    "no scope": (None, [bearer(scope=""), OK], [*SEND_NOTHING, *GET_TOKEN, "send Bearer t1"]),
    "the scope of another repository": (
        None, [bearer(scope="repository:c:pull registry:catalog:*"), OK], [*SEND_NOTHING, *GET_TOKEN, "send Bearer t1"],
    ),
    # A helper that had nothing before the challenge, and a token by then, which is no answer to one.
    "late headers": (helper("Bearer h"), [WANTS_TOKEN, OK], [*SEND_NOTHING, *GET_TOKEN, "send Bearer t1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_REQUEST)
def test_one_request(name: str) -> None:
    credentials, answers, steps = ONE_REQUEST[name]
    flows = Flows(credentials=credentials)
    assert flows.run(*answers) == (answers[-1] is OK)
    assert flows.steps == steps


# known credentials, what ``/v2/`` and then the registry answer, what is done
PINGED: dict[
    str,
    tuple[Credentials | HelperHeaders | None, tuple[str, ...], list[tuple[str, ...] | None], list[str]],
] = {
    "token": (PASSWORD, WANTS_TOKEN, [OK], [*PING, f"token {SCOPE}", "send Bearer t1"]),
    "identity token": (IDENTITY, WANTS_TOKEN, [OK], [*PING, f"token {SCOPE}", "send Bearer t1"]),
    "no scope": (PASSWORD, bearer(scope=""), [OK], [*PING, f"token {SCOPE}", "send Bearer t1"]),
    "an example's scope": (
        PASSWORD, bearer(scope="repository:user/image:pull,push"), [OK], [*PING, f"token {SCOPE}", "send Bearer t1"],
    ),
    "basic": (PASSWORD, WANTS_BASIC, [OK], [*PING, f"send {BASIC}"]),
    "basic and an identity token": (IDENTITY, WANTS_BASIC, [OK], PING_AND_SEND),
    "no challenge": (PASSWORD, (), [OK], PING_AND_SEND),
    "an unknown scheme": (PASSWORD, ("Negotiate",), [OK], PING_AND_SEND),
    "nobody": (None, WANTS_TOKEN, [OK], SEND_NOTHING),
    "headers alone": (helper("Bearer h"), WANTS_TOKEN, [OK], SEND_NOTHING),
    "token, and then basic": (
        PASSWORD, WANTS_TOKEN, [WANTS_BASIC, OK],
        [*PING, f"token {SCOPE}", "send Bearer t1", "credentials", f"send {BASIC}"],
    ),
    "a token that is not enough": (
        PASSWORD, WANTS_TOKEN, [bearer(scope="repository:a/b:pull,delete"), OK],
        [*PING, f"token {SCOPE}", "send Bearer t1", "credentials", f"token {SCOPE},delete", "send Bearer t2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PINGED)
def test_credentials_are_used_from_the_start(name: str) -> None:
    """A registry may tell strangers that an image does not exist, or fewer tags: that is no 401."""
    credentials, pinged, answers, steps = PINGED[name]
    flows = Flows(credentials=credentials, pinged=pinged)
    assert flows.run(*answers)
    assert flows.steps == steps


def test_one_ping_is_enough() -> None:
    for pinged, credentials in (((), PASSWORD), (WANTS_BASIC, IDENTITY), (WANTS_TOKEN, None)):
        flows = Flows(credentials=credentials, pinged=pinged)
        for _ in range(3):
            assert flows.run(OK)
        assert flows.steps.count("credentials") == 1
        assert flows.steps.count("ping") == (0 if credentials is None else 1)


def test_a_second_scope_has_a_token_from_the_start_too() -> None:
    flows = Flows(credentials=PASSWORD, pinged=WANTS_TOKEN)
    assert flows.run(OK)
    assert flows.run(OK, scope=f"{SCOPE} repository:c:pull")
    assert [need.scope for need in flows.requested] == [SCOPE, f"{SCOPE} repository:c:pull"]


@pytest.mark.parametrize(
    ("pinged", "answers", "steps"),
    [
        (WANTS_BASIC, [OK], [*PING, f"send {BASIC}"]),
        (WANTS_TOKEN, [OK], [*PING, "send Bearer given"]),
        (('Bearer service="s"',), [OK], [*PING, "send Bearer given"]),
        (('Bearer realm="https://evil.example.net/token"',), [OK], [*PING, "send Bearer given"]),
        ((), [OK], PING_AND_SEND),
        ((), [WANTS_BASIC, OK], [*PING_AND_SEND, "credentials", f"send {BASIC}"]),
        ((), [WANTS_TOKEN, OK], [*PING_AND_SEND, "credentials", "send Bearer given"]),
        (WANTS_TOKEN, [WANTS_TOKEN], [*PING, "send Bearer given", "credentials"]),
    ],
)
def test_the_challenge_decides_between_credentials_and_a_registry_token(
    pinged: tuple[str, ...], answers: list[tuple[str, ...] | None], steps: list[str]
) -> None:
    flows = Flows(credentials=PASSWORD, registry_token="given", given_credentials=True, pinged=pinged)
    assert flows.run(*answers) == (answers[-1] is OK)
    assert flows.steps == steps
    assert flows.authorizer.sends_given_token == (BASIC not in "".join(steps))


def test_the_same_token_again_is_final() -> None:
    flows = Flows(issued=["t"])
    assert not flows.run(WANTS_TOKEN, WANTS_TOKEN)
    assert flows.steps == [*SEND_NOTHING, *GET_TOKEN, "send Bearer t", *GET_TOKEN]


@pytest.mark.parametrize("answer", [OK, WANTS_TOKEN, WANTS_BASIC])
def test_a_registry_token_is_all_there_is(answer: tuple[str, ...] | None) -> None:
    flows = Flows(credentials=PASSWORD, registry_token="given")
    assert flows.run(answer) == (answer is OK)
    assert flows.steps == ["send Bearer given"]


# --- a helper's headers ---

# what the helper has, each time it is asked; what the registry answers; what is done
HELPERS: dict[str, tuple[list[HelperHeaders | None], list[tuple[str, ...] | None], list[str]]] = {
    "accepted": ([helper("Bearer h1")], [OK], ["headers", "send Bearer h1"]),
    "refused, and a new one": (
        [helper("Bearer h1"), helper("Bearer h2")], [WANTS_TOKEN, OK],
        ["headers", "send Bearer h1", "headers, stale Bearer h1", "send Bearer h2"],
    ),
    "refused, and no other": (
        [helper("Bearer h1")], [WANTS_TOKEN], ["headers", "send Bearer h1", "headers, stale Bearer h1"],
    ),
    "refused, and nothing more": (
        [helper("Bearer h1"), None], [WANTS_TOKEN], ["headers", "send Bearer h1", "headers, stale Bearer h1"],
    ),
    "ever new ones": (
        [helper(f"Bearer h{number}") for number in range(1, 9)], [WANTS_TOKEN] * 3,
        ["headers", "send Bearer h1", "headers, stale Bearer h1", "send Bearer h2", "headers, stale Bearer h2",
         "send Bearer h3"],
    ),
    "refused, and then only others": (
        [helper("Bearer h1"), helper(X="1")], [WANTS_TOKEN, WANTS_TOKEN, OK],
        ["headers", "send Bearer h1", "headers, stale Bearer h1", "send -", *GET_TOKEN, "send Bearer t1"],
    ),
    "no authorization": (
        [helper(X="1")], [WANTS_BASIC, OK], [*PING_AND_SEND, "credentials", f"send {BASIC}"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HELPERS)
def test_headers_of_a_helper(name: str) -> None:
    helpers, answers, steps = HELPERS[name]
    flows = Flows(helpers=helpers, credentials=PASSWORD)
    assert flows.run(*answers) == (answers[-1] is OK)
    assert flows.steps == steps


def test_other_headers_of_a_helper_go_along_with_what_a_challenge_led_to() -> None:
    flows = Flows(helpers=[helper(X="1", Y="2")])
    assert flows.run(WANTS_TOKEN, OK)
    assert flows.run(OK)
    others = {"X": "1", "Y": "2"}
    assert flows.sent == [others, {**others, "Authorization": "Bearer t1"}, {**others, "Authorization": "Bearer t1"}]


def test_a_helper_is_asked_for_each_request() -> None:
    """By then its headers may have expired, or another request's may be newer."""
    flows = Flows(helpers=[helper("Bearer h1"), helper("Bearer h2"), None])
    assert flows.run(OK)
    assert flows.run(OK)
    assert flows.run(OK)
    assert flows.steps == ["headers", "send Bearer h1", "headers", "send Bearer h2", *SEND_NOTHING]


# --- what one request's flow knows of others ---


def test_what_the_registry_wants_is_sent_unasked_from_then_on() -> None:
    for challenges, expected in ((WANTS_BASIC, BASIC), (WANTS_TOKEN, "Bearer t1")):
        flows = Flows(credentials=PASSWORD)
        assert flows.run(challenges, OK)
        flows.steps.clear()
        assert flows.run(OK)
        assert flows.steps == ["headers", f"send {expected}"]
        assert flows.authorizer.basic_header == (BASIC if expected == BASIC else "")


@pytest.mark.parametrize(
    ("passed", "steps"),
    [
        (0.0, ["send Bearer old"]),
        (44.9, ["send Bearer old"]),
        (45.0, [*GET_TOKEN, "send Bearer t1"]),
        (1e9, [*GET_TOKEN, "send Bearer t1"]),
    ],
)
def test_a_token_is_replaced_before_it_expires(passed: float, steps: list[str]) -> None:
    flows = Flows(credentials=PASSWORD, tokens={SCOPE: token("old")})
    flows.now += passed
    assert flows.run(OK)
    assert flows.steps == ["headers", *steps]


def test_a_token_that_was_replaced_and_is_refused() -> None:
    flows = Flows(tokens={SCOPE: token("old", NOW)})
    assert flows.run(WANTS_TOKEN, OK)
    assert flows.steps == ["headers", *GET_TOKEN, "send Bearer t1", *GET_TOKEN, "send Bearer t2"]


@pytest.mark.parametrize(
    ("value", "refresh_at", "steps"),
    [
        # Another request's flow got it while this request was under way.
        ("new", NOW + 1, ["credentials", "send Bearer new"]),
        ("new", NOW, [*GET_TOKEN, "send Bearer t1"]),
        ("old", NOW + 1, [*GET_TOKEN, "send Bearer t1"]),
    ],
)
def test_no_token_is_requested_that_is_there_by_now(value: str, refresh_at: float, steps: list[str]) -> None:
    flows = Flows(tokens={SCOPE: token("old")})
    flow = flows.authorizer.flow(URL, SCOPE)
    assert isinstance(next(flow), NeedHeaders)
    assert flow.send(None) == Send({"Authorization": "Bearer old"})
    flows.tokens[SCOPE] = token(value, refresh_at)
    found = []
    step = flow.send(_response(WANTS_TOKEN))
    while not isinstance(step, Send):
        found.append("credentials" if isinstance(step, NeedCredentials) else f"token {SCOPE}")
        step = flow.send(token("t1") if isinstance(step, NeedToken) else None)
    assert [*found, f"send {step.headers['Authorization']}"] == steps


def test_each_scope_has_a_token_of_its_own() -> None:
    both = f"{SCOPE} repository:c:pull"
    flows = Flows()
    assert flows.run(WANTS_TOKEN, OK)
    assert flows.run(WANTS_TOKEN, OK, scope=both)
    assert flows.run(OK)
    assert flows.run(OK, scope=both)
    assert [need.scope for need in flows.requested] == [SCOPE, both]
    assert [step for step in flows.steps if step.startswith("send")] == [
        "send -", "send Bearer t1", "send -", "send Bearer t2", "send Bearer t1", "send Bearer t2",
    ]  # fmt: skip


@pytest.mark.parametrize("scope", ["", SCOPE])
@pytest.mark.parametrize("asked", ["", "repository:user/image:pull", "repository:a/b:pull,push,delete"])
def test_an_exact_scope(scope: str, asked: str) -> None:
    for credentials in (PASSWORD, IDENTITY, None):
        flows = Flows(credentials=credentials, exact_scope=True)
        assert flows.run(bearer(scope=asked), OK, scope=scope)
        (need,) = flows.requested
        assert _scopes(need) == scope
        assert flows.steps[-1] == "send Bearer t1"


# --- token servers ---


def unsafe(flows: Flows, challenges: tuple[str, ...], url: str = URL) -> str:
    """Why the token server of ``challenges`` is not asked."""
    with pytest.raises(UnsafeAddress) as caught:
        flows.run(challenges, url=url)
    assert flows.requested == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("realm", "trusted", "credentials_may_go"),
    [
        (REALM, "", True),
        (f"https://{HOST}/token", "", True),
        (f"https://{HOST}:8443/token", "", True),
        ("/token", "", True),
        ("https://example.com/token", "", True),
        ("https://example.net/token", "", False),
        ("https://example.com.evil.net/token", "", False),
        ("https://1.2.3.4/token", "", False),
        ("https://com/token", "", False),
        ("https://example.net/token", "example.net", True),
        ("https://example.net:8443/token", "example.net", True),
        ("https://example.net:8443/token", "example.net:8443", True),
        ("https://example.net:8443/token", "example.net:443", False),
        ("https://evil.example.net/token", "example.net", False),
    ],
)
def test_where_credentials_may_go(realm: str, trusted: str, credentials_may_go: bool) -> None:
    realms = frozenset({trusted} - {""})
    for credentials in (PASSWORD, IDENTITY):
        flows = Flows(credentials=credentials, trusted_realms=realms)
        if credentials_may_go:
            assert flows.run(bearer(realm), OK)
        else:
            why = unsafe(flows, bearer(realm))
            host = urlsplit(realm).hostname
            assert why == (
                f"{HOST} wants its credentials sent to {realm.removesuffix('/token')}, which is not plainly its own; "
                f"if it is, say --trust-realm {host}; without credentials, --src-no-creds"
            )
    # Without credentials anybody may be asked.
    assert Flows(trusted_realms=realms).run(bearer(realm), OK)


def test_credentials_go_nowhere_by_plain_http() -> None:
    realm = "http://auth.example.com/token"
    for credentials in (PASSWORD, None):
        assert unsafe(Flows(credentials=credentials), bearer(realm)) == (
            f"{HOST} wants its tokens fetched over plain http from http://auth.example.com: refused; "
            "to have it so, say --trust-realm auth.example.com"
        )
    assert Flows(credentials=PASSWORD, insecure=True).run(bearer(realm), OK)
    assert "not plainly its own" in unsafe(Flows(credentials=PASSWORD, insecure=True), bearer("http://example.net/t"))
    for trusted in ("example.net", "example.net:8080"):
        flows = Flows(credentials=PASSWORD, trusted_realms=frozenset({trusted}))
        assert flows.run(bearer("http://example.net:8080/t"), OK)
        assert flows.requested[0].request.url.startswith("http://example.net:8080/t?")


@pytest.mark.parametrize(
    ("realm", "expected"),
    [
        (f"http://{HOST}/token", f"https://{HOST}/token"),
        (f"http://{HOST}:80/token?a=b", f"https://{HOST}/token?a=b"),
        (f"http://{HOST}:443/token", f"https://{HOST}/token"),
        (f"http://{HOST}:5001/token", f"https://{HOST}:5001/token"),
        (f"HTTP://{HOST.upper()}/token", f"https://{HOST}/token"),
    ],
)
@pytest.mark.parametrize("pinged", [True, False])
def test_a_registry_behind_a_proxy_that_ends_tls_has_its_realm_by_https(
    realm: str, expected: str, pinged: bool
) -> None:
    for credentials in (PASSWORD, IDENTITY, None):
        for trusted in ("", HOST):
            options: dict[str, Any] = {"credentials": credentials, "trusted_realms": frozenset({trusted})}
            if pinged and credentials:
                flows = Flows(**options, pinged=bearer(realm))
                assert flows.run(OK)
            else:
                flows = Flows(**options)
                assert flows.run(bearer(realm), OK)
            # A trusted server at another port is reached as the registry says.
            by_http = trusted and ":5001" in realm
            assert flows.requested[0].request.url.startswith(realm if by_http else expected)
    # Where plain http is allowed, it is what the registry says.
    flows = Flows(credentials=PASSWORD, insecure=True)
    assert flows.run(bearer(realm), OK)
    assert flows.requested[0].request.url.lower().startswith("http://")


@pytest.mark.parametrize("realm", ["ftp://auth.example.com/", "https://u:hunter2@auth.example.com/", "https://[::1", "file:///x"])
def test_realms_that_are_no_addresses(realm: str) -> None:
    assert "hunter2" not in unsafe(Flows(), bearer(realm))


@pytest.mark.parametrize(
    ("url", "realm", "expected"),
    [
        (URL, "/token", f"https://{HOST}/token"),
        (URL, "token", f"https://{HOST}/v2/a/b/tags/token"),
        ("http://localhost:5000/v2/", "/token", "http://localhost:5000/token"),
        (URL, f"{REALM}?x=1", f"{REALM}?x=1"),
    ],
)
def test_a_realm_is_relative_to_the_request(url: str, realm: str, expected: str) -> None:
    flows = Flows(insecure=True)
    assert flows.run(bearer(realm), OK, url=url)
    assert flows.requested[0].request.url.startswith(expected)
    assert flows.requested[0].challenge.realm == expected


def test_a_token_is_replaced_at_the_server_it_came_from() -> None:
    flows = Flows(credentials=PASSWORD)
    assert flows.run(bearer("/token"), OK)
    flows.now += 60
    assert flows.run(OK, url="https://registry.example.com/v2/a/b/manifests/x")
    assert len({need.request.url for need in flows.requested}) == 1
    assert flows.requested[1].request.headers["Authorization"] == BASIC


@pytest.mark.parametrize(("told", "life"), [("", 60), (',"expires_in":300', 300), (',"expires_in":10', 60)])
def test_how_long_a_token_is_used(told: str, life: float) -> None:
    """Three quarters of its life; the life is never less than 60 s, as containers/image has it."""
    realm = Challenge("bearer", {"realm": REALM})
    need = NeedToken(SCOPE, realm, token_request(realm, SCOPE, None), "")
    found = need.parse(f'{{"token":"t"{told}}}'.encode(), NOW)
    assert found == BearerToken("t", life, NOW + life * 0.75, realm)
    assert found.header == "Bearer t"
    assert [found.is_usable(NOW + life * share) for share in (0, 0.74, 0.75, 1)] == [True, True, False, False]
    assert not found.is_usable(NOW, "Bearer t")
    assert found.is_usable(NOW, "Bearer other")
    with pytest.raises(InvalidContent, match=r"the answer of https://auth.example.com holds no token"):
        need.parse(b"{}", NOW)


# --- secrets ---


@pytest.mark.parametrize(
    ("options", "answers", "secrets"),
    [
        ({"registry_token": "given-token"}, [OK], ["given-token"]),
        ({"helpers": [helper("Bearer h-token", X="x-secret")]}, [OK], ["h-token", "Bearer h-token", "x-secret"]),
        ({"credentials": PASSWORD}, [WANTS_BASIC, OK], ["hunter2-password", BASIC.removeprefix("Basic ")]),
        ({"credentials": PASSWORD, "issued": ["a-token"]}, [WANTS_TOKEN, OK], ["hunter2-password", BASIC[6:], "a-token"]),
        ({"credentials": IDENTITY, "issued": ["a-token"]}, [WANTS_TOKEN, OK], ["hunter2-identity", "a-token"]),
        ({"issued": ["a-token"]}, [WANTS_TOKEN, OK], ["a-token"]),
    ],
)
def test_what_is_sent_can_be_blanked_out(
    options: dict[str, Any], answers: list[tuple[str, ...] | None], secrets: list[str]
) -> None:
    flows = Flows(**options)
    assert flows.run(*answers)
    for secret in secrets:
        assert flows.redactor.redact(f"<{secret}>") == "<***>"


def test_all_tokens_of_an_answer_can_be_blanked_out() -> None:
    redactor = Redactor()
    authorizer = Authorizer(HOST, {}, redactor, lambda: NOW)
    flow = authorizer.flow(URL, SCOPE)
    step, answer = next(flow), None
    while not isinstance(step, NeedToken):
        answer = _response(WANTS_TOKEN) if isinstance(step, Send) else None
        step = flow.send(answer)
    body = b'{"token":"first-token","access_token":"second-token","refresh_token":"third-token","id_token":5}'
    assert flow.send(step.parse(body, NOW)) == Send({"Authorization": "Bearer first-token"})
    assert redactor.redact("first-token second-token third-token") == "*** *** ***"


@pytest.mark.parametrize("answers", [[OK], [()], [("Negotiate",)]])
def test_what_is_not_sent_is_not_blanked_out(answers: list[tuple[str, ...] | None]) -> None:
    """A password may be a word of the server's own message."""
    flows = Flows(credentials=PASSWORD)
    flows.run(*answers)
    assert flows.redactor.redact("hunter2-password") == "hunter2-password"


def test_no_repr_shows_a_secret() -> None:
    flows = Flows(credentials=PASSWORD, issued=["hunter2-token"])
    assert flows.run(WANTS_TOKEN, OK)
    shown = repr([*flows.requested, *flows.tokens.values(), Send(flows.sent[-1]), NeedHeaders(URL, helper("hunter2"))])
    assert "hunter2" not in shown
    assert BASIC.removeprefix("Basic ") not in shown


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (None, ", tried without credentials"),
        (PASSWORD, ", tried as user user"),
        (IDENTITY, ", tried an identity token"),
        (helper("Bearer hunter2"), ", tried what the credential helper gave"),
    ],
)
def test_which_credentials_an_error_names(found: Credentials | HelperHeaders | None, expected: str) -> None:
    assert describe_credentials(found) == expected


@pytest.mark.parametrize("module", [authorization, challenge])
def test_there_is_no_input_or_output(module: Any) -> None:
    tree = ast.parse(inspect.getsource(module))
    waits = [node for node in ast.walk(tree) if isinstance(node, ast.Await | ast.AsyncFunctionDef)]
    assert waits == []
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {"time", "anyio", "os", "pathlib", "socket"} & imported
