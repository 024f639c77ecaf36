"""Error answers, as people get to read them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import AccessDenied, NotFound, PyskopeoError, RegistryError
from pyskopeo.registry.error_response import error_from_response

WHAT = "reading manifest v1 in example.com/a"


def body(*errors: object) -> bytes:
    return json.dumps({"errors": list(errors)}).encode()


@pytest.mark.parametrize(
    ("status", "content", "kind", "text"),
    [
        (
            404,
            body({"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}),
            NotFound,
            "v1 in example.com/a: manifest unknown",
        ),
        (
            404,
            body({"code": "MANIFEST_UNKNOWN", "message": "Manifest unknown", "detail": {"Tag": "v1"}}),
            NotFound,
            "v1 in example.com/a: manifest unknown",
        ),
        (404, body({"code": "MANIFEST_UNKNOWN"}), NotFound, "manifest unknown"),
        (
            404,
            body({"code": "MANIFEST_UNKNOWN", "message": "Manifest unknown to this registry"}),
            NotFound,
            "v1 in example.com/a: manifest unknown to this registry",
        ),
        (404, body({"code": "BLOB_UNKNOWN", "message": "x"}), RegistryError, "blob unknown: x (status 404)"),
        (404, body({"code": "NAME_UNKNOWN", "message": "x"}), RegistryError, "name unknown: x (status 404)"),
        (404, b"", RegistryError, f'{WHAT}: StatusCode: 404, ""'),
        (404, b"404 page not found\n", RegistryError, f'{WHAT}: StatusCode: 404, "404 page not found"'),
        (404, b"x" * 60, RegistryError, f'{WHAT}: StatusCode: 404, "{"x" * 50}..."'),
        (400, b'{"errors":[]}', RegistryError, f'{WHAT}: StatusCode: 400, "{{\\"errors\\":[]}}"'),
        (401, body({"code": "UNAUTHORIZED", "message": "log in"}), AccessDenied, "unauthorized: log in (401, tried X)"),
        (403, body({"code": "DENIED", "message": "no"}), AccessDenied, "denied: no (403, tried X)"),
        (403, body({"code": "DENIED"}), AccessDenied, "denied: requested access to the resource is denied (403, tried X)"),
        (401, body({"code": "UNAUTHORIZED"}), AccessDenied, "unauthorized: authentication required (401, tried X)"),
        (401, b"", AccessDenied, f"{WHAT}: authentication required (401, tried X)"),
        (401, b"go away", AccessDenied, f"{WHAT}: authentication required: go away (401, tried X)"),
        (403, b"<h1>blocked</h1>", AccessDenied, 'StatusCode: 403, "<h1>blocked</h1>" (403, tried X)'),
        (
            429,
            body({"code": "TOOMANYREQUESTS", "message": "slow down"}),
            RegistryError,
            "too many requests: toomanyrequests: slow down (status 429)",
        ),
        (500, b"\xff\xfe\x00broken", RegistryError, "(status 500)"),
        (500, b'{"errors":"x"}', RegistryError, '{"errors":"x"} (status 500)'),
        (500, b'{"errors":[5,"x",null]}', RegistryError, "(status 500)"),
        (500, b"[" * 100_000, RegistryError, "(status 500)"),
        (500, b'{"errors":[' + b"1" * 5000 + b"]}", RegistryError, "(status 500)"),
        (400, body({"code": 5, "message": {"a": ["b"]}}), RegistryError, "5: {'a': ['b']} (status 400)"),
        (400, body({"code": "A", "message": "x"}, {"code": "B", "message": "y"}), RegistryError, "a: x; b: y"),
    ],
)
def test_explain(status: int, content: bytes, kind: type[PyskopeoError], text: str) -> None:
    error = error_from_response(status, content, WHAT, note=", tried X")
    assert type(error) is kind
    assert str(error).startswith(f"{WHAT}: ")
    assert text in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 800
    if isinstance(error, RegistryError):
        assert error.status == status


@pytest.mark.parametrize(
    ("challenge", "told"),
    [
        ('Bearer realm="x",error="insufficient_scope"', "requested access to the resource is denied: unauthorized: log in"),
        ('Bearer realm="x",error="invalid_token"', "authentication required: unauthorized: log in"),
        ('Basic realm="x", Bearer error=invalid_token,error_description="it is old"', "it is old: unauthorized: log in"),
        ('Bearer error="invalid_token",error_description="log in"', "unauthorized: log in"),
        ('Bearer error="other"', "unauthorized: log in"),
        ('Basic error="insufficient_scope"', "unauthorized: log in"),
        ('Bearer error="invalid_token",error_description="a \x1b[31mred hunter2"', "a  [31mred ***: unauthorized: log in"),
    ],
)
def test_what_a_challenge_says_of_the_token(challenge: str, told: str) -> None:
    content = body({"code": "UNAUTHORIZED", "message": "log in"})
    error = error_from_response(
        401, content, WHAT, challenges=["Negotiate", challenge], redact=lambda text: text.replace("hunter2", "***")
    )
    assert str(error) == f"{WHAT}: {told} (401)"


def test_facts_are_fields() -> None:
    error = error_from_response(503, body({"code": "UNAVAILABLE"}, {"code": "X"}), WHAT, retry_after="7")
    assert isinstance(error, RegistryError)
    assert (error.status, error.codes, error.retry_after, error.temporary) == (503, ("UNAVAILABLE", "X"), 7.0, True)


def test_exit_codes() -> None:
    assert error_from_response(404, body({"code": "MANIFEST_UNKNOWN"}), WHAT).exit_code == 2
    assert error_from_response(404, b"", WHAT).exit_code == 1
    assert error_from_response(401, b"", WHAT).exit_code == 1


def test_many_errors_are_not_all_told() -> None:
    content = body(*({"code": f"C{number}", "message": "m" * 1000} for number in range(1000)))
    error = error_from_response(400, content, WHAT)
    assert len(str(error)) < 2500
    assert isinstance(error, RegistryError)
    assert error.codes == ("C0", "C1", "C2", "C3", "C4")


@given(st.sampled_from([400, 401, 403, 404, 429, 500]), st.binary(max_size=300))
def test_explain_never_fails(status: int, content: bytes) -> None:
    error = error_from_response(status, content, WHAT)
    assert len(str(error).splitlines()) == 1
    str(error).encode()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"details": "incorrect username or password"}, "incorrect username or password"),
        ({"error": "invalid_grant", "error_description": "the token is\nused up"}, "the token is used up"),
        ({"error": "invalid_scope"}, "invalid_scope"),
        ({"message": " ", "error": 5}, 'authentication required: {"message": " ", "error": 5}'),
        ({"errors": [{"code": "DENIED"}], "message": "no"}, "denied: requested access to the resource is denied"),
    ],
)
def test_what_token_servers_say(body: dict[str, object], told: str) -> None:
    error = error_from_response(401, json.dumps(body).encode(), "requesting a token")
    assert str(error) == f"requesting a token: {told} (401)"
