"""Tokens that processes share: how long they are good, for whom, and that one request is made for all."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from pyskopeo.errors import AccessDenied
from pyskopeo.storage import token_cache
from pyskopeo.storage.token_cache import SavedToken, TokenCache

pytestmark = pytest.mark.anyio

NAME, SECRET = "registry.example.com/a/b", '["user", "hunter2"]'


@pytest.fixture
def cache(tmp_path: Path) -> TokenCache:
    return TokenCache(tmp_path / "new" / "tokens")


class Requests:
    """Counts requests, and answers with tokens of 300 s, or ``answers``."""

    def __init__(self, *answers: SavedToken | None) -> None:
        self.count = 0
        self._answers = list(answers)

    async def __call__(self) -> SavedToken | None:
        self.count += 1
        await anyio.sleep(0)
        return self._answers.pop(0) if self._answers else SavedToken(f"Bearer {self.count}", time.time(), 300)


def path_of(cache: TokenCache) -> Path:
    (path,) = cache._directory.iterdir()
    return path


async def test_the_second_process_makes_no_request(cache: TokenCache) -> None:
    requests = Requests()
    first = await cache.get(NAME, SECRET, requests)
    assert await TokenCache(cache._directory).get(NAME, SECRET, requests) == first == cache.find(NAME, SECRET)
    assert requests.count == 1


async def test_those_who_come_at_the_same_time_make_one(cache: TokenCache) -> None:
    """flock(2) is by open file: tasks exclude each other as processes do."""
    requests, found = Requests(), list[SavedToken | None]()

    async def slow() -> SavedToken | None:
        await anyio.sleep(0.1)
        return await requests()

    async def one() -> None:
        found.append(await TokenCache(cache._directory).get(NAME, SECRET, slow))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(one)
    assert requests.count == 1
    assert {token.value for token in found if token} == {"Bearer 1"}
    assert len(found) == 20


@pytest.mark.parametrize(
    ("since", "life", "usable"),
    [(0, 300, True), (-200, 300, True), (-226, 300, False), (-299, 300, False), (-44, 60, True), (-46, 60, False), (5, 300, False)],
)
async def test_expiry_is_honoured(cache: TokenCache, since: float, life: float, usable: bool) -> None:
    """As long as a quarter of its life is left, and not if it comes from the future."""
    token = SavedToken("Bearer t", time.time() + since, life)
    requests = Requests(token)
    assert await cache.get(NAME, SECRET, requests) == token
    assert (cache.find(NAME, SECRET) == token) == usable
    await cache.get(NAME, SECRET, requests)
    assert requests.count == (1 if usable else 2)
    assert token.expires == token.since + life


@pytest.mark.parametrize(("name", "secret"), [("registry.example.com/a/c", SECRET), (NAME, '["user", "other"]')])
async def test_it_is_for_one_repository_and_one_user(cache: TokenCache, name: str, secret: str) -> None:
    requests = Requests()
    await cache.get(NAME, SECRET, requests)
    assert cache.find(name, secret) is None
    await cache.get(name, secret, requests)
    assert requests.count == 2


async def test_only_its_owner_can_read_it_and_it_holds_no_password(cache: TokenCache) -> None:
    before = os.umask(0)
    try:
        await cache.get(NAME, SECRET, Requests())
    finally:
        os.umask(before)
    path = path_of(cache)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert b"hunter2" not in path.read_bytes()


def _readable(path: Path) -> None:
    path.chmod(0o644)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _hard_link(path: Path) -> None:
    os.link(path, path.with_name("elsewhere"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [_readable, _link, _hard_link, _pipe, _directory])
async def test_a_file_that_is_not_ours_alone_is_not_used(cache: TokenCache, spoil: Callable[[Path], None]) -> None:
    requests = Requests()
    await cache.get(NAME, SECRET, requests)
    spoil(path_of(cache))
    assert cache.find(NAME, SECRET) is None
    found = await cache.get(NAME, SECRET, requests)
    assert (found and found.value, requests.count) == ("Bearer 2", 2)


@pytest.mark.parametrize("content", ["", "{", "0 {}", "[]\n", "\0" * 100])
async def test_a_damaged_file_is_replaced(cache: TokenCache, content: str) -> None:
    requests = Requests()
    await cache.get(NAME, SECRET, requests)
    path_of(cache).write_text(content)
    await cache.get(NAME, SECRET, requests)
    await cache.get(NAME, SECRET, requests)
    assert requests.count == 2


async def test_a_file_that_is_being_written_is_not_believed(cache: TokenCache) -> None:
    """Half of it may be that of another token, and JSON all the same."""
    await cache.get(NAME, SECRET, Requests())
    path = path_of(cache)
    path.write_text(path.read_text().replace("Bearer 1", "Bearer 7"))
    assert cache.find(NAME, SECRET) is None


async def test_a_long_token_before_a_short_one(cache: TokenCache) -> None:
    old, new = SavedToken("Bearer " + "x" * 5000, time.time() - 290, 300), SavedToken("Bearer y", time.time(), 300)
    requests = Requests(old, new)
    await cache.get(NAME, SECRET, requests)
    await cache.get(NAME, SECRET, requests)
    assert cache.find(NAME, SECRET) == new


async def test_a_token_that_is_too_large_is_not_kept(cache: TokenCache) -> None:
    token = SavedToken("Bearer " + "x" * 300_000, time.time(), 300)
    assert await cache.get(NAME, SECRET, Requests(token)) == token
    assert cache.find(NAME, SECRET) is None


async def test_nothing_to_keep_and_errors_are_no_token(cache: TokenCache) -> None:
    async def refused() -> SavedToken | None:
        raise AccessDenied("no", status=401)

    assert await cache.get(NAME, SECRET, Requests(None)) is None
    with pytest.raises(AccessDenied):
        await cache.get(NAME, SECRET, refused)
    requests = Requests()
    assert await cache.get(NAME, SECRET, requests) is not None
    assert requests.count == 1


async def test_a_process_that_takes_too_long_is_not_waited_for(cache: TokenCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_cache, "_PATIENCE", 0.1)
    requests = Requests()

    async def hangs() -> SavedToken | None:
        found = await TokenCache(cache._directory).get(NAME, SECRET, requests)
        assert found is not None
        return found

    await cache.get(NAME, SECRET, hangs)
    assert requests.count == 1


@pytest.mark.parametrize("trouble", ["file", "read-only"])
async def test_without_a_directory_each_process_requests(tmp_path: Path, trouble: str) -> None:
    if trouble == "file":
        (tmp_path / "new").write_text("")
    else:
        (tmp_path / "new").symlink_to("/proc/self")
    cache, requests = TokenCache(tmp_path / "new" / "tokens"), Requests()
    for _ in range(2):
        assert await cache.get(NAME, SECRET, requests) is not None
    assert requests.count == 2


async def test_old_ones_are_removed(cache: TokenCache) -> None:
    await cache.get(NAME, SECRET, Requests())
    old = path_of(cache)
    os.utime(old, (0, 0))
    await cache.get("registry.example.com/other", SECRET, Requests())
    assert not old.exists()


async def test_all_are_removed(cache: TokenCache) -> None:
    cache.clear()
    await cache.get(NAME, SECRET, Requests())
    cache.clear()
    assert list(cache._directory.iterdir()) == []
    assert cache.find(NAME, SECRET) is None


@pytest.mark.parametrize(
    ("runtime", "with_cache", "wanted"),
    [
        ("run", True, "run/pyskopeo/tokens"),
        ("missing", True, "cache/tokens"),
        ("", True, "cache/tokens"),
        ("missing", False, None),
        ("run", False, "run/pyskopeo/tokens"),
    ],
)
def test_where_they_are(tmp_path: Path, runtime: str, with_cache: bool, wanted: str | None) -> None:
    (tmp_path / "run").mkdir()
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / runtime)} if runtime else {}
    found = TokenCache.of(environ, tmp_path / "cache" if with_cache else None)
    assert (found and found._directory) == (tmp_path / wanted if wanted else None)
    assert TokenCache.of({"XDG_RUNTIME_DIR": "run"}, None) is None


async def test_what_is_in_it_is_what_is_needed(cache: TokenCache) -> None:
    await cache.get(NAME, SECRET, Requests())
    fields = json.loads(path_of(cache).read_text().partition(" ")[2])
    assert fields.keys() == {"name", "salt", "secret", "authorization", "since", "life"}


