"""What a client is made with becomes an access."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.client.settings import ClientSettings
from pyskopeo.model.events import ignore
from tests.support.access import access_for

pytestmark = pytest.mark.anyio
SECRET = "hunter2-password"


async def test_credentials_by_name(tmp_path: Path) -> None:
    named: dict[str, tuple[str, str] | pyskopeo.Credentials] = {
        "example.com": ("all", SECRET), "example.com/team": ("team", SECRET), "docker.io": ("hub", SECRET),
        "localhost:5000/a/b": pyskopeo.Credentials(identity_token=SECRET),
    }  # fmt: skip
    base = access_for(tmp_path)
    base = replace(base, keychain=replace(base.keychain, anonymous=False))
    keychain = ClientSettings(credentials=named, access=base).new_access(ignore).keychain
    for registry, repository, user in [
        ("example.com", "other", "all"), ("example.com", "team/app", "team"), ("example.com", "teams/app", "all"),
        ("registry-1.docker.io", "library/alpine", "hub"), ("localhost:5000", "a/b", ""), ("localhost:5000", "a", None),
        ("example.org", "team/app", None),
    ]:  # fmt: skip
        found = await keychain.resolve(registry, repository)
        assert (found.username if isinstance(found, pyskopeo.Credentials) else None) == user


@pytest.mark.parametrize("name", ["", "https://example.com", "example.com/", "example.com/A", "a b"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(pyskopeo.InvalidInput, match="want HOST") as caught:
        pyskopeo.Client(credentials={name: ("user", SECRET)})
    assert SECRET not in str(caught.value)


def test_what_is_given_counts_and_the_rest_stays(tmp_path: Path) -> None:
    base = access_for(tmp_path, stall_timeout=7.0)
    settings = ClientSettings(
        credentials=("user", SECRET), insecure=False, store=tmp_path / "store", offline=True, authfile="auth.json",
        access=base,
    )  # fmt: skip
    access = settings.new_access(ignore)
    assert access.keychain.credentials == pyskopeo.Credentials("user", SECRET)
    assert (access.keychain.authfile, access.trust.insecure) == (Path("auth.json"), False)
    assert (access.storage.store, access.network.offline) == (tmp_path / "store", True)
    assert access.network.stall_timeout == 7.0
    assert access.keychain is not settings.new_access(ignore).keychain
    assert SECRET not in repr(access)
    plain = ClientSettings(access=base).new_access(ignore)
    assert (plain.trust.insecure, plain.storage.store, plain.network.offline) == (True, None, False)


def test_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYSKOPEO_STORE", str(tmp_path))
    assert ClientSettings().new_access(ignore).storage.store == tmp_path
