"""Static tokens with their rights."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.serve.token_file import hash_of, parse_token_file

RIGHTS = 'actions = ["pull"]\nrepositories = ["team/**"]'
SECRET = "0123456789abcdef"


def test_tokens() -> None:
    text = (
        f'[[token]]\nname = "ci"\ntoken = "{SECRET}"\n{RIGHTS}\n'
        f'[[token]]\nname = "old"\nsha256 = "{"0" * 64}"\n{RIGHTS}\nexpires = 2026-01-02\n'
    )
    found = parse_token_file(text.encode(), "F")
    ci = found[hash_of(SECRET)]
    assert (ci.name, ci.expires) == ("ci", None)
    assert ci.grant.allows("team/app", "pull")
    assert not ci.grant.allows("team/app", "push")
    assert found["0" * 64].expires == datetime(2026, 1, 2, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "F has no tokens: want tables [[token]]"),
        ("token = 1", "F: want tables [[token]]"),
        (f"[[token]]\nname = 'ci'\n{RIGHTS}", "F: token 1: want sha256 or token, and not both"),
        (f"[[token]]\nname = 'ci'\nsha256 = ''\ntoken = ''\n{RIGHTS}", "F: token 1: want sha256 or token, and not both"),
        (f"[[token]]\nname = 'ci'\ntoken = 'short'\n{RIGHTS}", "F: token 1: token is to be a text of 16 characters or more"),
        (
            f"[[token]]\nname = 'ci'\nsha256 = '{'A' * 64}'\n{RIGHTS}",
            "F: token 1: sha256 is to be 64 hexadecimal digits in lower case",
        ),
        (
            f"[[token]]\nname = 'a:b'\nsha256 = '{'0' * 64}'\n{RIGHTS}",
            "F: token 1: name is to be a text of letters, digits and .+-_",
        ),
        (
            f"[[token]]\nname = 'ci'\nsha256 = '{'0' * 64}'\n{RIGHTS}\nexpires = 12:00:00",
            "F: token 1: expires is to be a date or a time such as 2027-01-31T00:00:00Z",
        ),
        (
            f"[[token]]\nname = 'ci'\nsha256 = '{'0' * 64}'\n{RIGHTS}\n" * 2,
            "F: token 2: the name or the token is there twice",
        ),
        (f"[[token]]\nname = 'ci'\nsecret = '{SECRET}'\n{RIGHTS}",
         "F: token 1: unknown key 'secret', want actions, expires, name, repositories, sha256, token"),
    ],
)  # fmt: skip
def test_files_that_are_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_token_file(text.encode(), "F")
    assert str(raised.value) == message
    assert SECRET not in str(raised.value)
