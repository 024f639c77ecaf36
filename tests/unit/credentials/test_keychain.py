"""The keychain: which file of credentials answers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import CredentialsFailed
from tests.support.keychains import Home, entry

pytestmark = pytest.mark.anyio

FOUND = Credentials("u", "hunter2")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


USES_X = {"auths": {"quay.io": {}}, "credsStore": "x"}


# --- which file answers ---


async def test_what_the_caller_gave_settles_it(home: Home) -> None:
    home.write("session", "damaged")
    given = Credentials("me", "p")
    assert await home.keychain(credentials=given).resolve("quay.io", "a") == given
    assert await home.keychain(credentials=given, anonymous=True).resolve("quay.io", "a") == given
    assert await home.keychain(anonymous=True).resolve("quay.io", "a") is None


async def test_the_first_file_with_an_answer_wins(home: Home) -> None:
    assert await home.keychain().resolve("quay.io", "a") is None
    home.write("legacy", entry("legacy", "https://quay.io/v1/")["auths"])
    for where in ("legacy", "docker", "user", "session"):
        if where != "legacy":
            home.write(where, entry(where))
        assert await home.keychain().resolve("quay.io", "a") == Credentials(where, "p")
    home.write("session", {"auths": {"quay.io": {}, "ghcr.io": {}}})
    assert await home.keychain().resolve("quay.io", "a") == Credentials("user", "p")
    assert home.warnings == []


async def test_files_after_the_answer_are_not_read(home: Home) -> None:
    home.write("session", entry("u"))
    home.write("user", "{damaged")
    keychain = home.keychain()
    assert await keychain.resolve("quay.io", "a") == Credentials("u", "p")
    for _ in range(2):
        with pytest.raises(CredentialsFailed, match=r"^.*/home/.config/containers/auth.json: not valid JSON"):
            await keychain.resolve("ghcr.io", "a")


async def test_a_named_file_is_the_only_one(home: Home) -> None:
    home.write("session", entry("u"))
    named = home.write("named.json", entry("named", "ghcr.io"))
    keychain = home.keychain(authfile=named)
    assert await keychain.resolve("ghcr.io", "a") == Credentials("named", "p")
    assert await keychain.resolve("quay.io", "a") is None
    assert home.warnings == []


async def test_a_named_file_that_is_not_there(home: Home) -> None:
    home.write("session", entry("u"))
    keychain = home.keychain(authfile=home.root / "none.json")
    assert [await keychain.resolve(host, "a") for host in ("quay.io", "ghcr.io")] == [None, None]
    assert home.warnings == [
        f"credentials file {home.root}/none.json does not exist; going on without credentials"
    ]
    with pytest.raises(CredentialsFailed, match=r"none\.json does not exist$"):
        await home.keychain(authfile=home.root / "none.json", strict=True).resolve("quay.io", "a")


async def test_a_home_that_is_no_directory(home: Home) -> None:
    assert await home.keychain(home=Path("/dev/null"), strict=True).resolve("quay.io", "a") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe{\0}\0", "not text in UTF-8"),
        (b" " * (1024 * 1024 + 1), "over 1048576 bytes"),
        (b'{"auths": {"quay.io": {"auth": "hunter2', "not valid JSON in line 1"),
    ],
)
async def test_a_damaged_file_is_named(home: Home, content: bytes, message: str) -> None:
    path = home.write("docker", "")
    path.write_bytes(content)
    with pytest.raises(CredentialsFailed, match=f"^{path}: {message}") as caught:
        await home.keychain().resolve("quay.io", "a")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_directory_in_place_of_a_file(home: Home) -> None:
    with pytest.raises(CredentialsFailed, match=r": Is a directory; correct it"):
        await home.keychain(authfile=home.root).resolve("quay.io", "a")


async def test_a_file_that_may_not_be_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = home.write("session", entry("u"))
    home.write("docker", entry("docker"))
    real = os.open

    def guarded(path: Any, *args: Any, **options: Any) -> int:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", guarded)
    assert await home.keychain().resolve("quay.io", "a") == Credentials("docker", "p")
    assert home.warnings == [f"{locked}: Permission denied; credentials in it are not used"]
    with pytest.raises(CredentialsFailed, match="Permission denied"):
        await home.keychain(strict=True).resolve("quay.io", "a")
    with pytest.raises(CredentialsFailed, match="Permission denied; make it readable"):
        await home.keychain(authfile=locked).resolve("quay.io", "a")


async def test_a_file_is_read_once(home: Home) -> None:
    path = home.write("named.json", entry("u"))
    keychain = home.keychain(authfile=path)
    assert await keychain.resolve("quay.io", "a") == Credentials("u", "p")
    path.unlink()
    assert await keychain.resolve("quay.io", "other") == Credentials("u", "p")


async def test_a_pipe_can_be_named(home: Home) -> None:
    reading, writing = os.pipe()
    os.write(writing, json.dumps(entry("u")).encode())
    os.close(writing)
    keychain = home.keychain(authfile=Path(f"/dev/fd/{reading}"))
    assert await keychain.resolve("quay.io", "a") == Credentials("u", "p")
    assert await keychain.resolve("quay.io", "b") == Credentials("u", "p")
    os.close(reading)


async def test_a_named_pipe_is_not_waited_for(home: Home) -> None:
    os.mkfifo(home.root / "pipe")
    with pytest.raises(CredentialsFailed, match=r"pipe: Is a named pipe, not a regular file; correct it, or name another"):
        await home.keychain(authfile=home.root / "pipe").resolve("quay.io", "a")


@pytest.mark.parametrize(
    ("mode", "document", "others"),
    [
        (0o666, entry("u"), "change"),
        (0o644, entry("u"), "read"),
        (0o604, entry("u"), "read"),
        (0o620, entry("u"), "change"),
        (0o602, {"auths": {}}, "change"),
        (0o622, {"credHelpers": {}}, "change"),
        (0o600, entry("u"), ""),
        (0o400, entry("u"), ""),
        (0o640, entry("u"), ""),
        (0o644, {"auths": {"quay.io": {}}, "credHelpers": {}}, ""),
        (0o644, "", ""),
    ],
)
async def test_a_file_that_others_can_use(home: Home, mode: int, document: object, others: str) -> None:
    """It is used, and warned of once, by whichever side of a copy reads it first."""
    path = home.write("session", document)
    path.chmod(mode)
    for _ in range(2):
        keychain = home.keychain()
        await keychain.resolve("quay.io", "a")
        await keychain.resolve("ghcr.io", "a")
    expected = (
        f"{path}: other users can {others} these credentials (mode {mode:04o}); keep them out with: chmod 600 {path}"
    )
    assert home.warnings == ([expected] if others else [])


def test_no_repr_shows_a_secret(home: Home) -> None:
    keychain = home.keychain(registry_token="hunter2", credentials=FOUND, environ={"PASSWORD": "hunter2"})
    assert "hunter2" not in repr(keychain)


# --- without an event loop ---


async def test_a_file_is_read_without_an_event_loop_with_the_same_result(home: Home) -> None:
    assert home.keychain().find_in_files("quay.io", "a") is None
    for where in ("docker", "user", "session"):
        home.write(where, entry(where))
        keychain = home.keychain()
        assert keychain.find_in_files("quay.io", "a") == await keychain.resolve("quay.io", "a") == Credentials(where, "p")
        assert keychain.find_in_files("ghcr.io", "a") is None
    explained: list[str] = []
    home.keychain(explain=explained.append).find_in_files("quay.io", "a")
    assert explained == [f"credentials for quay.io: user session ({home.root}/run/containers/auth.json)"]


@pytest.mark.parametrize(
    ("document", "options"),
    [
        ({**entry("u"), "credHelpers": {"quay.io": "x"}}, {}),
        (USES_X, {}),
        ("{damaged", {}),
        (entry("u"), {"anonymous": True}),
        (entry("u"), {"credentials": Credentials("me", "p")}),
        (entry("u"), {"helpers": lambda: ("x", "containers-auth.json")}),
        (entry("u"), {"authfile": Path("/missing/auth.json")}),
        ("unreadable", {}),
        ("exposed", {}),
    ],
    ids=["helper", "store", "damaged", "anonymous", "given", "registries.conf", "missing", "unreadable", "exposed"],
)
async def test_what_needs_a_program_or_a_warning_is_left_to_resolve(home: Home, document: object, options: dict[str, Any]) -> None:
    path = home.write("session", entry("u") if document == "exposed" else document)
    if document == "exposed":
        path.chmod(0o644)
    elif document == "unreadable":
        path.unlink()
        path.mkdir()
    assert home.keychain(**options).find_in_files("quay.io", "a") is None
    assert home.warnings == []
