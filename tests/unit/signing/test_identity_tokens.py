"""Identity tokens: whom they are for, and text that is none."""

from __future__ import annotations

import base64
import json

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.signing.identity_tokens import GivenToken, parse_token

pytestmark = pytest.mark.anyio


def token(payload: object) -> str:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"head.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}.signature"


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        ({"email": "a@example.com", "email_verified": True, "sub": "1"}, "a@example.com"),
        ({"email": "a@example.com", "email_verified": "True"}, "a@example.com"),
        ({"email": "", "sub": "repo:a/b:ref"}, "repo:a/b:ref"),
        ({"sub": "1"}, "1"),
    ],
)
async def test_whom_it_is_for(claims: dict[str, object], subject: str) -> None:
    found = await GivenToken(f" {token(claims)}\n").token()
    assert (found.text, found.subject, found.has_expired()) == (token(claims), subject, False)
    assert found.text not in repr(found)


@pytest.mark.parametrize(("expires", "expired"), [(1, True), (1.5, True), (10**12, False), (True, False), ("soon", False)])
async def test_its_end(expires: object, expired: bool) -> None:
    assert parse_token(token({"sub": "1", "exp": expires})).has_expired() is expired


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "compact JWS format must have three parts of base64url"),
        ("secret", "compact JWS format must have three parts of base64url"),
        ("secret.secret.secret.secret", "compact JWS format must have three parts of base64url"),
        ("secret.se cret.secret", "compact JWS format must have three parts of base64url"),
        ("a." + "secret" * 12000 + ".b", "compact JWS format must have three parts of base64url"),
        ("secret.secre.secret", "its payload is no JSON object in base64url"),
        (token([]), "its payload is no JSON object in base64url"),
        (token(b'{"sub": "1", "sub": "2"}'), "its payload is no JSON object in base64url"),
        (token({"email": "a@example.com"}), "its e-mail address is not verified by identity provider"),
        (token({"email": "a@example.com", "email_verified": 1.0}), "its e-mail address is not verified by identity provider"),
        (token({}), "no subject found in claims"),
        (token({"sub": 5}), "no subject found in claims"),
    ],
)
async def test_what_is_none(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_token(text)
    assert str(refused.value) == f"parsing OIDC token: {reason}"
