"""Logging in to the big registries: passwords, identity tokens, credential helpers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied, RegistryError
from pyskopeo.registry.credential_check import check_credentials
from tests.support.cli import pyskopeo_here
from tests.support.clouds import CLOUDS, Amazon, Azure, Cloud, DockerHub, GitHub, Google, TokenCloud, form_of
from tests.support.publishing import Push
from tests.support.pulling import Pull
from tests.support.visiting import (
    IMAGE,
    OTHER,
    REPOSITORY,
    SCOPE,
    access,
    check_hosts,
    check_storage,
    helped,
    owner,
    parametrized,
    saying,
)

pytestmark = pytest.mark.anyio


# --- logging in ---


@parametrized(*CLOUDS)
async def test_logging_in(cloud: Cloud, tmp_path: Path) -> None:
    """For no repository, not even the one of GitHub's example."""
    await check_credentials(cloud.site, access(cloud, tmp_path, owner(cloud)))
    check_hosts(cloud)
    assert {one.path for one in cloud.asked(cloud.api, "/v2/")} <= {"/v2/", "/v2/token", "/v2/auth"}
    if isinstance(cloud, TokenCloud):
        (asked,) = cloud.token_requests
        assert "scope" not in asked.query


@parametrized(*CLOUDS)
def test_the_login_command(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", cloud.proxy)
    file = tmp_path / "auth.json"
    words = ("login", "--authfile", file, "--cert-dir", cloud.certificates, "-u", cloud.user, cloud.site)
    done = pyskopeo_here(*words, "-p", "hunter2-wrong")
    assert done.code == 1
    # GitHub says 403, which is no word about passwords: what it said is shown.
    expected = "denied (403" if isinstance(cloud, GitHub) else "invalid username/password"
    assert expected in done.stderr
    assert "hunter2" not in done.stderr
    assert not file.exists()
    done = pyskopeo_here(*words, "-p", cloud.password)
    assert (done.code, done.stdout, done.stderr) == (0, b"Login Succeeded!\n", "")
    assert list(json.loads(file.read_text())["auths"]) == [cloud.site]


# --- helpers ---


@pytest.mark.parametrize(
    ("kind", "name", "script"),
    [
        (Amazon, "ecr-login", saying(Amazon.user, Amazon.password)),
        (Google, "gcloud", saying(Google.user, Google.password)),
        (Azure, "acr-env", saying("<token>", Azure.identity)),
        (Azure, "acr-env", saying(Azure.nobody, Azure.identity)),
    ],
    ids=["ecr-login", "gcloud", "acr-env", "acr-nobody"],
)
async def test_a_helper(kind: type[Cloud], name: str, script: Callable[[str], str], tmp_path: Path) -> None:
    """Asked once for a pull and a push together."""
    with kind(tmp_path) as cloud:
        cloud.serve(IMAGE, REPOSITORY)
        cloud.serve(OTHER, "team/live")
        reaching = helped(cloud, tmp_path, script(cloud.site), name=name)
        await Pull(cloud, IMAGE, tmp_path / "out", reaching).run(cloud.name(REPOSITORY))
        push = Push(cloud, IMAGE, tmp_path, reaching)
        await push.run(cloud.name("team/live", "other"))
        push.check_there("team/live", "other")
        check_hosts(cloud)
        assert (tmp_path / "bin" / "asked").read_text() == "asked\n"
        if isinstance(cloud, Azure):
            is_post = "<token>" in script(cloud.site)
            assert {one.method for one in cloud.token_requests} == {"POST" if is_post else "GET"}


# --- docker hub ---


@parametrized(DockerHub)
async def test_a_key_of_dockers_own(cloud: DockerHub, tmp_path: Path) -> None:
    cloud.serve(IMAGE, "library/app")
    script = saying(cloud.user, cloud.password)("https://index.docker.io/v1/")
    reaching = helped(cloud, tmp_path, script, name="desktop")
    await Pull(cloud, IMAGE, tmp_path / "out", reaching).run("docker://app")


@parametrized(DockerHub)
async def test_an_identity_token_that_is_none(cloud: DockerHub, tmp_path: Path) -> None:
    cloud.serve(IMAGE, REPOSITORY)
    reaching = access(cloud, tmp_path, Credentials(identity_token="hunter2-pat"))
    with pytest.raises(AccessDenied, match=r"incorrect username or password.* \(401, tried an identity token\)"):
        await Pull(cloud, IMAGE, tmp_path / "out", reaching).run(cloud.name(REPOSITORY))


# --- amazon ---


@parametrized(Amazon)
async def test_a_password_of_twelve_hours(cloud: Amazon, tmp_path: Path) -> None:
    """That it has expired is said once: there is nothing to try again with."""
    cloud.serve(IMAGE, REPOSITORY)
    cloud.expired = True
    pull = Pull(cloud, IMAGE, tmp_path / "out", access(cloud, tmp_path, owner(cloud)))
    with pytest.raises(AccessDenied, match=r"denied: Your authorization token has expired\. .* \(403, tried as user AWS\)"):
        await pull.run(cloud.name(REPOSITORY))
    assert len(cloud.requests) == 2
    with pytest.raises(AccessDenied, match="has expired") as caught:
        await check_credentials(cloud.site, access(cloud, tmp_path, owner(cloud)))
    assert caught.value.status == 403


# --- azure ---


@parametrized(Azure)
async def test_an_identity_token(cloud: Azure, tmp_path: Path) -> None:
    cloud.serve(IMAGE, REPOSITORY)
    reaching = access(cloud, tmp_path, Credentials(identity_token=cloud.identity))
    await Pull(cloud, IMAGE, tmp_path / "out", reaching).run(cloud.name(REPOSITORY))
    check_storage(cloud)
    check_hosts(cloud)
    push = Push(cloud, IMAGE, tmp_path, reaching)
    await push.run(cloud.name("team/live"), source=cloud.name(REPOSITORY))
    push.check_there("team/live")
    assert push.sent == 0
    forms = [form_of(one) for one in cloud.token_requests]
    assert {one.method for one in cloud.token_requests} == {"POST"}
    for form in forms:
        assert (form["grant_type"], form["refresh_token"]) == (["refresh_token"], [cloud.identity])
        assert form["service"] == [cloud.service]
        assert form["client_id"]
    assert {SCOPE, f"repository:team/live:pull,push {SCOPE}"} <= {form["scope"][0] for form in forms}
    # A secret belongs into a body, not into an address that is logged.
    assert all("hunter2" not in one.target and cloud.identity not in one.target for one in cloud.requests)


@parametrized(Azure)
async def test_an_identity_token_that_has_ended(cloud: Azure, tmp_path: Path) -> None:
    cloud.serve(IMAGE, REPOSITORY)
    reaching = access(cloud, tmp_path, Credentials(identity_token="hunter2.old"))
    with pytest.raises(AccessDenied, match=r"visit https://aka.ms/.* \(401, tried an identity token\)") as caught:
        await Pull(cloud, IMAGE, tmp_path / "out", reaching).run(cloud.name(REPOSITORY))
    assert "hunter2" not in str(caught.value)


# --- google ---


@parametrized(Google)
async def test_no_refresh_grant_at_google(cloud: Google, tmp_path: Path) -> None:
    cloud.serve(IMAGE, REPOSITORY)
    reaching = access(cloud, tmp_path, Credentials(identity_token="hunter2"))
    with pytest.raises(RegistryError, match="requesting a token from https://europe-docker.pkg.dev.*405") as caught:
        await Pull(cloud, IMAGE, tmp_path / "out", reaching).run(cloud.name(REPOSITORY))
    assert "hunter2" not in str(caught.value)
