"""Challenges as servers really write them, token requests, token answers."""

from __future__ import annotations

import base64
import math
import time
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import InvalidContent, PyskopeoError, TooLarge
from pyskopeo.registry.challenge import (
    TOKEN_LIMIT,
    Challenge,
    basic_authorization,
    parse_challenges,
    parse_token,
    select_challenge,
    token_request,
    widen_scope,
)

REALM = "https://auth.example.com/token"
PASSWORD = Credentials("user", "pass word")
IDENTITY = Credentials(identity_token="identity")


def parsed(*headers: str) -> list[tuple[str, dict[str, str]]]:
    return [(c.scheme, dict(c.parameters)) for c in parse_challenges(headers)]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], []),
        ([""], []),
        (['Basic realm="x"'], [("basic", {"realm": "x"})]),
        (["BASIC REALM=x"], [("basic", {"realm": "x"})]),
        (["Negotiate"], [("negotiate", {})]),
        (
            [f'Bearer realm="{REALM}",service="registry.example.com",scope="repository:a/b:pull,push"'],
            [
                (
                    "bearer",
                    {"realm": REALM, "service": "registry.example.com", "scope": "repository:a/b:pull,push"},
                )
            ],
        ),
        (
            ['Bearer  scope = "a" , realm = "b"  ,error="insufficient_scope"'],
            [("bearer", {"scope": "a", "realm": "b", "error": "insufficient_scope"})],
        ),
        # A realm without quotes, against the grammar; unquoted commas end it.
        (["Bearer realm=https://a/b?c=d,service=s"], [("bearer", {"realm": "https://a/b?c=d", "service": "s"})]),
        # Several schemes in one header, and in several.
        (
            ['Basic realm="a, b", Bearer realm="c",service="d"', "Digest qop=auth"],
            [("basic", {"realm": "a, b"}), ("bearer", {"realm": "c", "service": "d"}), ("digest", {"qop": "auth"})],
        ),
        (["Negotiate, Basic realm=x"], [("negotiate", {}), ("basic", {"realm": "x"})]),
        ([r'Basic realm="say \"hi\" \\ now"'], [("basic", {"realm": r'say "hi" \ now'})]),
        # The first of two equal parameters counts.
        (['Bearer realm="first",realm="second"'], [("bearer", {"realm": "first"})]),
        # What cannot be read ends its header, and no other.
        (['Bearer service="s",realm="unterminated', "Basic realm=x"], [("bearer", {"service": "s"}), ("basic", {"realm": "x"})]),
        (["=?=", "Basic realm=x"], [("basic", {"realm": "x"})]),
    ],
)
def test_parse(headers: list[str], expected: list[tuple[str, dict[str, str]]]) -> None:
    assert parsed(*headers) == expected


@pytest.mark.parametrize(
    "hostile", ["a" * 100_000, "a " * 50_000, 'Basic realm="' + "\\" * 100_000, "a" * 8000 + " " * 8000, "a=," * 30_000]
)
def test_hostile_headers_take_no_time(hostile: str) -> None:
    started = time.monotonic()
    parse_challenges([hostile])
    assert time.monotonic() - started < 0.5


@given(st.text())
def test_parse_never_fails(header: str) -> None:
    for challenge in parse_challenges([header]):
        assert challenge.scheme == challenge.scheme.lower()


BASIC = Challenge("basic", {"realm": "x"})
BEARER = Challenge("bearer", {"realm": REALM})


@pytest.mark.parametrize(
    ("offered", "credentials", "expected"),
    [
        ((BASIC, BEARER), PASSWORD, BASIC),
        ((BEARER, BASIC), PASSWORD, BEARER),
        ((BASIC, BEARER), None, BEARER),
        ((BASIC, BEARER), IDENTITY, BEARER),
        ((BASIC,), None, None),
        ((Challenge("negotiate", {}), BEARER), None, BEARER),
        ((Challenge("bearer", {}), BASIC), PASSWORD, BASIC),
        ((Challenge("bearer", {}),), PASSWORD, None),
        ((), PASSWORD, None),
    ],
)
def test_select(
    offered: tuple[Challenge, ...], credentials: Credentials | None, expected: Challenge | None
) -> None:
    assert select_challenge(offered, credentials) is expected


@pytest.mark.parametrize(
    ("realm", "service", "scope", "credentials", "query"),
    [
        (REALM, "s", "repository:a/b:pull", None, [("service", "s"), ("scope", "repository:a/b:pull")]),
        (REALM, "", "", None, []),
        (
            REALM,
            "s",
            "repository:a:pull repository:b:pull",
            PASSWORD,
            [("account", "user"), ("service", "s"), ("scope", "repository:a:pull"), ("scope", "repository:b:pull")],
        ),
        (f"{REALM}?x=1&y=%20", "s & t", "", None, [("x", "1"), ("y", " "), ("service", "s & t")]),
        (f"{REALM}#fragment", "s", "", None, [("service", "s")]),
    ],
)
def test_token_request_by_get(
    realm: str, service: str, scope: str, credentials: Credentials | None, query: list[tuple[str, str]]
) -> None:
    wanted = token_request(Challenge("bearer", {"realm": realm, "service": service}), scope, credentials)
    assert wanted.method == "GET"
    assert wanted.content == b""
    assert wanted.url.split("?")[0].split("#")[0] == REALM
    assert parse_qsl(urlsplit(wanted.url).query, keep_blank_values=True) == query
    assert "#" not in wanted.url
    expected = base64.b64encode(b"user:pass word").decode()
    assert dict(wanted.headers) == ({"Authorization": f"Basic {expected}"} if credentials else {})


def test_token_request_with_an_identity_token() -> None:
    wanted = token_request(Challenge("bearer", {"realm": REALM, "service": "s"}), "repository:a:pull", IDENTITY)
    assert (wanted.method, wanted.url) == ("POST", REALM)
    assert dict(wanted.headers) == {"Content-Type": "application/x-www-form-urlencoded"}
    assert dict(parse_qsl(wanted.content.decode())) == {
        "grant_type": "refresh_token",
        "client_id": "pyskopeo",
        "refresh_token": "identity",
        "service": "s",
        "scope": "repository:a:pull",
    }
    assert "identity" not in repr(wanted)


def test_no_secret_is_shown() -> None:
    secret = basic_authorization(PASSWORD).removeprefix("Basic ")
    assert secret not in repr(token_request(BEARER, "", PASSWORD))
    assert "t0ken" not in repr(parse_token(b'{"token":"t0ken"}', "x"))


@pytest.mark.parametrize(
    ("user", "password"), [("user", "pass"), ("u", ""), ("", "p"), ("\u00fc", "p\u20ac:x")]
)
def test_basic_is_utf8(user: str, password: str) -> None:
    encoded = basic_authorization(Credentials(user, password)).removeprefix("Basic ")
    assert base64.b64decode(encoded).decode() == f"{user}:{password}"


@pytest.mark.parametrize(
    ("answer", "value", "life"),
    [
        (b'{"token":"a"}', "a", 60),
        (b'{"access_token":"a"}', "a", 60),
        (b'{"token":"","access_token":"a"}', "a", 60),
        (b'{"token":null,"access_token":"a","expires_in":300}', "a", 300),
        (b'{"token":"a","expires_in":1}', "a", 60),
        (b'{"token":"a","expires_in":-5}', "a", 60),
        (b'{"token":"a","expires_in":90.5}', "a", 90.5),
        (b'{"token":"a","expires_in":"300"}', "a", 60),
        (b'{"token":"a","expires_in":true}', "a", 60),
        (b'{"token":"a","expires_in":null}', "a", 60),
        (b'{"token":"a","expires_in":1' + b"0" * 400 + b"}", "a", 1e9),
        (b'{"token":"a","other":{"x":[1]},"issued_at":"2024"}', "a", 60),
    ],
)
def test_parse_token(answer: bytes, value: str, life: float) -> None:
    token = parse_token(answer, "x")
    assert (token.value, token.life) == (value, life)
    assert math.isfinite(token.life)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no JSON",
        b"[]",
        b"{}",
        b'{"token":""}',
        b'{"token":5}',
        b'{"token":["a"]}',
        b'{"token":"a\\r\\nX-Injected: 1"}',
        b'{"token":"\\u00fc"}',
        b'{"token":"a","token":"b"}',
        b'{"token":"a","expires_in":NaN}',
        b'{"token":"a","expires_in":1e999}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_answers_that_are_no_token(answer: bytes) -> None:
    with pytest.raises(InvalidContent, match=r"auth\.example\.com"):
        parse_token(answer, REALM)


def test_an_answer_that_is_too_large() -> None:
    with pytest.raises(TooLarge):
        parse_token(b'{"token":"' + b"a" * TOKEN_LIMIT + b'"}', REALM)


@given(st.binary(max_size=200))
def test_parse_token_fails_in_one_way(answer: bytes) -> None:
    try:
        parse_token(answer, REALM)
    except PyskopeoError as error:
        said = str(error)
        assert len(said.splitlines()) == 1  # noqa: PT017


OURS = "repository:a/b:pull,push"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", OURS),
        ("repository:a/b:pull", OURS),
        ("repository:a/b:delete", f"{OURS},delete"),
        ("repository:a/b:*", f"{OURS},*"),
        ("repository:other:pull,push,delete", OURS),
        ("repository:a:pull", OURS),
        ("repository:a/b/c:pull", OURS),
        ("repository:a/b:delete repository:other:pull registry:catalog:*", f"{OURS},delete"),
        ("registry:a/b:*", OURS),
        ("aws", OURS),
        ("repository:a/b:", OURS),
        ("repository:a/b:DELETE,a&scope=x,\u00e9,,pull" + "x" * 100, OURS),
        (":::::", OURS),
    ],
)
def test_a_scope_grows_where_we_are_and_nowhere_else(asked: str, expected: str) -> None:
    assert widen_scope(OURS, asked) == expected
    mounting = f"{OURS} repository:from:pull"
    assert widen_scope(mounting, asked) == f"{expected} repository:from:pull"
    assert widen_scope(mounting, f"{asked} repository:from:push,delete") == f"{expected} repository:from:pull"


schemes = st.sampled_from(["Basic", "BEARER", "Digest", "x-Other"])
parameter_names = st.sampled_from(["realm", "service", "scope", "error", "Qop"])
parameter_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@st.composite
def headers(draw: st.DrawFn) -> tuple[str, list[tuple[str, dict[str, str]]]]:
    """A header as RFC 9110 section 11.6.1 writes it, with blanks where they may be, and what it says."""
    challenges = draw(st.lists(st.tuples(schemes, st.dictionaries(parameter_names, parameter_values, min_size=1)), max_size=3))
    blank, comma = st.sampled_from(["", " ", "\t"]), st.sampled_from([",", " ,", ", ", ",  ,"])
    written = []
    for scheme, parameters in challenges:
        quoted = []
        for name, value in parameters.items():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            quoted.append(f'{name}{draw(blank)}={draw(blank)}"{escaped}"')
        written.append(f"{scheme} {draw(comma).join(quoted)}")
    said = [(scheme.lower(), {name.lower(): value for name, value in found.items()}) for scheme, found in challenges]
    return draw(comma).join(written), said


@given(headers())
def test_what_the_grammar_writes_is_read(header: tuple[str, list[tuple[str, dict[str, str]]]]) -> None:
    assert parsed(header[0]) == header[1]
