"""Who is let in, and how those who are not are asked for a login."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import anyio
import bcrypt
import pytest

from pyskopeo.errors import Unsupported
from pyskopeo.serve import authentication, failed_logins, issued_tokens
from pyskopeo.serve.authentication import Authentication
from pyskopeo.serve.failed_logins import client_of
from pyskopeo.serve.guard import Guard, GuardSettings, guarded
from pyskopeo.serve.login_files import read_logins
from pyskopeo.serve.scope_keys import MAY, USER
from pyskopeo.serve.watched_file import Watched
from tests.support.asgi import Answered, ask, basic

pytestmark = pytest.mark.anyio

ALICE, WRONG, CI, OLD, NOBODY = (
    basic("alice", "secret"), basic("alice", "wrong"), basic("ci", "0123456789abcdef"),
    basic("old", "fedcba9876543210"), basic("", ""),
)  # fmt: skip
TOKENS = """
[[token]]
name = "ci"
token = "0123456789abcdef"
actions = ["pull", "push"]
repositories = ["team/**"]

[[token]]
name = "old"
token = "fedcba9876543210"
actions = ["pull"]
repositories = ["**"]
expires = 2020-01-01
"""
RULES = """
[[allow]]
users = ["alice"]
actions = ["pull"]
repositories = ["team/**"]
"""


async def registry(scope: Any, _receive: Any, send: Any) -> None:
    shown = [name for name in ("team/a", "other") if MAY not in scope or scope[MAY](name, "pull")]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": " ".join([scope.get(USER, "?"), *shown]).encode()})


class Place:
    """A folder with a file of passwords, and what else is asked for."""

    def __init__(self, folder: Path) -> None:
        self.passwords, self.tokens, self.rules = (folder / name for name in ("users", "tokens", "rules"))
        self.write_user("alice", b"secret")
        self.tokens.write_text(TOKENS)
        self.rules.write_text(RULES)
        self.files: list[Watched] = []
        self.authentication = Authentication()

    def write_user(self, name: str, password: bytes) -> None:
        self.passwords.write_text(f"{name}:{bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()}\n")

    def guard(self, *, tokens: bool = False, rules: bool = False, anonymous: bool = False, url: str = "") -> Guard:
        self.authentication, self.files = read_logins(
            passwords=self.passwords, tokens=self.tokens if tokens else None, rules=self.rules if rules else None,
            anonymous_pull=anonymous, public_url=url,
        )  # fmt: skip
        return guarded(registry, GuardSettings(authentication=self.authentication))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def bearer(answered: Answered) -> tuple[str, str]:
    return "Authorization", "Bearer " + json.loads(answered.body)["token"]


def fields(answered: Answered) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', answered.headers["www-authenticate"]))


async def test_a_login(place: Place) -> None:
    guard = place.guard()
    refused = await ask(guard, "GET", "/v2/")
    assert (refused.status, refused.code) == (401, "UNAUTHORIZED")
    assert refused.headers["www-authenticate"] == 'Basic realm="pyskopeo", charset="UTF-8"'
    assert (await ask(guard, "GET", "/v2/", ALICE)).body == b"alice team/a other"
    wrong = await ask(guard, "GET", "/v2/", WRONG)
    assert (wrong.status, wrong.code) == (401, "UNAUTHORIZED")
    assert (await ask(guard, "GET", "/v2/", NOBODY)).status == 401
    for method in ("GET", "PUT", "DELETE"):
        assert (await ask(guard, method, "/v2/x/manifests/v1", ALICE)).status == 200
        assert (await ask(guard, method, "/v2/x/manifests/v1")).status == 401
    assert (await ask(guard, "GET", "/v2/_catalog")).status == 401
    assert (await ask(guard, "GET", "/metrics")).status == 401
    assert b"pyskopeo_failed_logins_total 1.0" in (await ask(guard, "GET", "/metrics", ALICE)).body
    assert (await ask(guard, "GET", "/healthz")).status == 200
    assert (await ask(guard, "GET", "/anything", ALICE)).status == 404
    assert (await ask(guard, "GET", "/anything")).status == 404


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Basic", 400),
        ("Basic !!!", 400),
        ("Basic YWxpY2U=", 400),
        ("Digest x", 400),
        ("Basic " + "A" * 5000, 400),
        ("Bearer", 401),
        ("Bearer x.y.z", 401),
        ("Bearer " + "A" * 2000, 401),
        ("Bearer \xff", 401),
        ("bAsIc YWxpY2U6c2VjcmV0", 200),
    ],
)
async def test_headers(place: Place, header: str, status: int) -> None:
    assert (await ask(place.guard(), "GET", "/v2/", ("Authorization", header))).status == status


async def test_rules(place: Place) -> None:
    guard = place.guard(rules=True)
    assert (await ask(guard, "GET", "/v2/_catalog", ALICE)).body == b"alice team/a"
    assert (await ask(guard, "GET", "/v2/team/a/manifests/v1", ALICE)).status == 200
    for method, path in (("GET", "/v2/other/manifests/v1"), ("PUT", "/v2/team/a/manifests/v1")):
        refused = await ask(guard, method, path, ALICE)
        assert (refused.status, refused.code) == (403, "DENIED")
        assert "www-authenticate" not in refused.headers


async def test_static_tokens(place: Place) -> None:
    guard = place.guard(tokens=True)
    for login in (CI, basic("", "0123456789abcdef"), ("Authorization", "Bearer 0123456789abcdef")):
        assert (await ask(guard, "GET", "/v2/_catalog", login)).body == b"token:ci team/a"
        assert (await ask(guard, "PUT", "/v2/team/a/manifests/v1", login)).status == 200
        assert (await ask(guard, "DELETE", "/v2/team/a/manifests/v1", login)).status == 403
        assert (await ask(guard, "GET", "/v2/other/manifests/v1", login)).status == 403
    assert (await ask(guard, "GET", "/v2/", OLD)).status == 401
    assert (await ask(guard, "GET", "/v2/", basic("alice", "0123456789abcdef"))).status == 401


async def test_anyone_may_pull(place: Place) -> None:
    guard = place.guard(anonymous=True, tokens=True)
    asked = await ask(guard, "GET", "/v2/")  # else docker would never log in
    assert asked.status == 401
    assert fields(asked) == {"realm": "http://registry/v2/token", "service": "registry"}
    assert (await ask(guard, "GET", "/v2/x/manifests/v1")).status == 200
    pushing = await ask(guard, "PUT", "/v2/x/manifests/v1")
    assert pushing.status == 401
    assert fields(pushing)["scope"] == "repository:x:pull,push"

    nobody = bearer(await ask(guard, "GET", "/v2/token?service=registry&scope=repository:x:pull"))
    assert (await ask(guard, "GET", "/v2/", nobody)).status == 200
    assert (await ask(guard, "GET", "/v2/x/manifests/v1", nobody)).status == 200
    refused = await ask(guard, "PUT", "/v2/x/manifests/v1", nobody)
    assert (refused.status, fields(refused)["error"]) == (401, "insufficient_scope")

    alice = bearer(await ask(guard, "GET", "/v2/token?account=alice", ALICE))
    assert (await ask(guard, "PUT", "/v2/x/manifests/v1", alice)).body.startswith(b"alice ")
    token = bearer(await ask(guard, "GET", "/v2/token", CI))
    assert (await ask(guard, "PUT", "/v2/team/x/manifests/v1", token)).body.startswith(b"token:ci ")
    assert (await ask(guard, "PUT", "/v2/x/manifests/v1", token)).status == 403
    assert (await ask(guard, "GET", "/v2/x/manifests/v1", token)).status == 200
    assert (await ask(guard, "PUT", "/v2/x/manifests/v1", ALICE)).status == 200
    assert (await ask(guard, "GET", "/v2/token", WRONG)).status == 401
    assert (await ask(guard, "POST", "/v2/token", ALICE)).status == 405


async def test_tokens_that_do_not_count_any_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = place.guard(anonymous=True, tokens=True)
    alice, token = [bearer(await ask(guard, "GET", "/v2/token", login)) for login in (ALICE, CI)]
    header, value = alice
    changed = (header, value[:-6] + ("A" if value[-6] != "A" else "B") + value[-5:])
    assert (await ask(guard, "GET", "/v2/", changed)).status == 401
    assert (await ask(guard, "GET", "/v2/", token)).status == 200
    place.write_user("alice", b"other")
    for tokens in (TOKENS.replace("ci", "cd"), TOKENS.replace('["pull", "push"]', '["pull", "push"]\nexpires = 2020-01-01')):
        place.tokens.write_text(tokens)
        for file in place.files:
            file.refresh()
        assert (await ask(guard, "GET", "/v2/", alice)).status == 401
        assert (await ask(guard, "GET", "/v2/", token)).status == 401
    monkeypatch.setattr(issued_tokens, "LIFETIME", -1)
    nobody = bearer(await ask(guard, "GET", "/v2/token"))
    assert fields(await ask(guard, "GET", "/v2/", nobody))["error"] == "invalid_token"
    elsewhere = bearer(await ask(Place(place.passwords.parent).guard(anonymous=True), "GET", "/v2/token"))
    assert (await ask(guard, "GET", "/v2/", elsewhere)).status == 401


async def test_the_address_behind_a_proxy(place: Place) -> None:
    guard = place.guard(anonymous=True, url="https://registry.example.com:8443/")
    asked = await ask(guard, "GET", "/v2/")
    assert fields(asked)["realm"] == "https://registry.example.com:8443/v2/token"
    assert fields(asked)["service"] == "registry.example.com:8443"


async def test_guessing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = place.guard(tokens=True)
    assert (await ask(guard, "GET", "/v2/", ALICE)).status == 200
    statuses = [(await ask(guard, "GET", "/v2/", basic("alice", str(number)))).status for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    refused = await ask(guard, "GET", "/v2/", WRONG)
    assert refused.code == "TOOMANYREQUESTS"
    assert 0 < int(refused.headers["retry-after"]) <= 61
    # Others go on, and so do those who are known.
    assert (await ask(guard, "GET", "/v2/", ALICE)).status == 200
    assert (await ask(guard, "GET", "/v2/", CI)).status == 200
    assert (await ask(guard, "GET", "/v2/", WRONG, client="127.0.0.2")).status == 401
    monkeypatch.setattr(failed_logins, "WITHIN", -1.0)
    assert (await ask(guard, "GET", "/v2/", WRONG)).status == 401


async def test_many_logins_at_once_are_compared_a_few_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "_WAITING", 1)
    release, running, most = anyio.Event(), 0, 0
    guard = place.guard()

    async def slow(*_arguments: Any, limiter: anyio.CapacityLimiter) -> bool:
        nonlocal running, most
        async with limiter:
            running += 1
            most = max(most, running)
            await release.wait()
            running -= 1
        return True

    monkeypatch.setattr(anyio.to_thread, "run_sync", slow)
    statuses: list[int] = []

    async def login() -> None:
        statuses.append((await ask(guard, "GET", "/v2/", ALICE)).status)
        if len(statuses) == 2:
            release.set()

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(login)
    assert statuses == [503] * 2 + [200] * 3
    assert most == 2


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_whose_an_address_is(address: str, client: str) -> None:
    assert client_of(address) == client


def test_the_clients_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_logins, "_REMEMBERED", 3)
    failed = failed_logins.FailedLogins()
    for number in range(10):
        failed.failed(str(number))
    assert len(failed._failures) == 3


def test_passwords_need_bcrypt(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    with pytest.raises(Unsupported, match=r"^passwords need bcrypt: pip install 'pyskopeo\[serve\]'$"):
        place.guard()


async def test_metrics_need_prometheus_client(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    answered = await ask(place.guard(), "GET", "/metrics", ALICE)
    assert (answered.status, answered.code) == (501, "UNSUPPORTED")
    assert b"pip install 'pyskopeo[serve]'" in answered.body
