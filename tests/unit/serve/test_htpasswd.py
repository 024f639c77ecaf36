"""Users and passwords."""

from __future__ import annotations

import statistics
import time

import bcrypt
import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.serve import htpasswd
from pyskopeo.serve.htpasswd import Passwords, parse_htpasswd


def hashed(password: bytes, cost: int = 4) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(cost)).decode()


def test_a_file() -> None:
    apache = hashed(b"x").replace("$2b$", "$2y$")
    users = parse_htpasswd(f"# users\n\nalice:{apache}\nbob:{hashed(b'y')}\r\n".encode(), "F")
    passwords = Passwords(users)
    assert passwords.check("alice", "x")
    assert passwords.check("bob", "y")
    assert not passwords.check("alice", "y")
    assert not passwords.check("eve", "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "F has no users: add one with htpasswd -B"),
        ("alice", "F: line 1 is not USER:HASH"),
        (":x", "F: line 1 is not USER:HASH"),
        ("#\nalice:$apr1$x$y", "F: line 2 has no bcrypt hash: write it with htpasswd -B"),
        ("alice:secret", "F: line 1 has no bcrypt hash: write it with htpasswd -B"),
        ("alice:$2y$31$" + "." * 53, "F: line 1 has a bcrypt hash of cost 31, want up to 17"),
        ("@users:$2y$05$" + "." * 53, "F: line 1 has a name of a user that cannot be used"),
        ("a\x1b:$2y$05$" + "." * 53, "F: line 1 has a name of a user that cannot be used"),
        ("\xff", "F is no htpasswd file: it is not UTF-8"),
    ],
)
def test_files_that_are_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_htpasswd(text.encode("latin-1"), "F")
    assert str(raised.value) == message


def test_a_password_is_compared_with_its_hash_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords({"alice": hashed(b"x").encode()})
    assert not passwords.is_known("alice", "x")
    assert passwords.check("alice", "x")
    monkeypatch.setattr(bcrypt, "checkpw", lambda *_: pytest.fail("it is compared again"))
    assert passwords.is_known("alice", "x")
    assert passwords.check("alice", "x")
    assert not passwords.is_known("alice", "y")
    assert not passwords.is_known("bob", "x")


def test_another_file_counts_at_once() -> None:
    passwords = Passwords({"alice": hashed(b"x").encode()})
    assert passwords.check("alice", "x")
    passwords.replace({"alice": hashed(b"y").encode()})
    assert not passwords.is_known("alice", "x")
    assert not passwords.check("alice", "x")
    passwords.replace({"bob": hashed(b"x").encode()})
    assert not passwords.is_known("alice", "x")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(htpasswd, "_REMEMBERED", 2)
    users = {name: hashed(b"x").encode() for name in "abcd"}
    passwords = Passwords(users)
    assert all(passwords.check(name, "x") for name in users)
    assert [name for name in users if passwords.is_known(name, "x")] == ["c", "d"]
    assert passwords.check("a", "x")


@pytest.mark.parametrize("password", ["\0", "x\0y", "\udcff", "x" * 5000, ""])
def test_strange_passwords(password: str) -> None:
    assert not Passwords({"alice": hashed(b"x").encode()}).check("alice", password)


def test_only_72_bytes_count_as_for_htpasswd() -> None:
    assert Passwords({"alice": hashed(b"x" * 72).encode()}).check("alice", "x" * 100)


def test_without_the_user_it_takes_as_long() -> None:
    passwords = Passwords({"alice": hashed(b"x", 8).encode()})

    def seconds(user: str) -> float:
        begun = time.thread_time()
        assert not passwords.check(user, "y")
        return time.thread_time() - begun

    known, unknown = (statistics.median(seconds(user) for _ in range(5)) for user in ("alice", "nobody"))
    assert 0.2 < known / unknown < 5
