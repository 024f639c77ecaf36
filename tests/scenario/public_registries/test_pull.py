"""Pulls from the big registries, each with its own challenges, tokens, storage and limits."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied, RegistryError
from pyskopeo.http.retry import Retry
from pyskopeo.transports.docker import DockerSource
from tests.support import faults as f
from tests.support.access import networked
from tests.support.clouds import (
    CLOUDS,
    Amazon,
    Azure,
    Cloud,
    DockerHub,
    Expire,
    GitHub,
    GitLab,
    Google,
    Quay,
    TokenCloud,
)
from tests.support.pulling import Pull
from tests.support.visiting import (
    IMAGE,
    REPOSITORY,
    SCOPE,
    access,
    check_hosts,
    check_storage,
    owner,
    parametrized,
)

pytestmark = pytest.mark.anyio

TOKENS = tuple(cloud for cloud in CLOUDS if issubclass(cloud, TokenCloud))


# --- pulling ---


@parametrized(*TOKENS)
async def test_an_anonymous_pull(cloud: TokenCloud, tmp_path: Path) -> None:
    cloud.serve(IMAGE, REPOSITORY, public=True)
    pull = Pull(cloud, IMAGE, tmp_path / "out", access(cloud, tmp_path))
    await pull.run(cloud.name(REPOSITORY))
    check_storage(cloud)
    check_hosts(cloud)
    (asked,) = cloud.token_requests
    assert (asked.method, asked.query, asked.header("Authorization")) == (
        "GET", {"service": [cloud.service], "scope": [SCOPE]}, None,
    )  # fmt: skip
    assert cloud.visited == set(cloud.names())
    assert (pull.retries, pull.warnings) == ([], [])


@parametrized(*CLOUDS)
async def test_a_pull_with_a_password(cloud: Cloud, tmp_path: Path) -> None:
    cloud.serve(IMAGE, REPOSITORY)
    pull = Pull(cloud, IMAGE, tmp_path / "out", access(cloud, tmp_path, owner(cloud)))
    await pull.run(cloud.name(REPOSITORY))
    check_storage(cloud)
    check_hosts(cloud)
    if isinstance(cloud, TokenCloud):
        (asked,) = cloud.token_requests
        assert (asked.query["scope"], asked.query["account"]) == ([SCOPE], [cloud.user])
    assert (pull.retries, pull.warnings) == ([], [])


NOT_FOR_STRANGERS = {
    DockerHub: r"authentication required \(401, tried without credentials\)",
    GitHub: r"requesting a token from https://ghcr.io: denied: requested access .* \(403, tried without credentials\)",
    Amazon: r"Not Authorized \(401, tried without credentials\)",
    Azure: r"visit https://aka.ms/acr/authorization .* \(401, tried without credentials\)",
    Google: r"denied on resource .* \(403, tried without credentials\)",
    GitLab: r"denied: access forbidden \(403, tried without credentials\)",
    Quay: r"authentication required \(401, tried without credentials\)",
}
WRONG_PASSWORD = {
    DockerHub: r"from https://auth.docker.io: .*incorrect username or password.* \(401, tried as user user\)",
    GitHub: r"from https://ghcr.io: denied \(403, tried as user user\)",
    Amazon: r"Not Authorized \(401, tried as user AWS\)",
    Azure: r"visit https://aka.ms/acr/authorization .* \(401, tried as user user\)",
    Google: r"from https://europe-docker.pkg.dev: authentication required \(401, tried as user _dcgcloud_token\)",
    GitLab: r"HTTP Basic: Access denied.* \(401, tried as user user\)",
    Quay: r"Could not find robot .* \(401, tried as user team\+robot\)",
}


@parametrized(*CLOUDS)
@pytest.mark.parametrize("password", [None, "hunter2-wrong"])
async def test_who_may_not_is_told_so(cloud: Cloud, password: str | None, tmp_path: Path) -> None:
    cloud.serve(IMAGE, REPOSITORY)
    credentials = Credentials(cloud.user, password) if password else None
    expected = (WRONG_PASSWORD if password else NOT_FOR_STRANGERS)[type(cloud)]
    with pytest.raises(AccessDenied, match=expected) as caught:
        await Pull(cloud, IMAGE, tmp_path / "out", access(cloud, tmp_path, credentials)).run(cloud.name(REPOSITORY))
    assert "hunter2" not in str(caught.value)
    assert caught.value.exit_code == 1
    assert len(cloud.requests) <= 5
    assert cloud.asked(cloud.storage) == []


# --- expiry ---


@parametrized(*TOKENS)
async def test_a_token_that_ends_while_pulling(cloud: TokenCloud, tmp_path: Path) -> None:
    cloud.serve(IMAGE, REPOSITORY)
    cloud.on(f"/v2/{REPOSITORY}/manifests/*", Expire(cloud), times=1)
    cloud.on(f"/v2/{REPOSITORY}/blobs/*", Expire(cloud), times=1, skip=1)
    pull = Pull(cloud, IMAGE, tmp_path / "out", access(cloud, tmp_path, owner(cloud)))
    await pull.run(cloud.name(REPOSITORY), jobs=1)
    assert 2 <= len(cloud.token_requests) <= 4
    assert {one.query["scope"][0] for one in cloud.token_requests} == {SCOPE}
    check_storage(cloud)
    check_hosts(cloud)
    assert pull.retries == []


# --- docker hub ---


@parametrized(DockerHub)
async def test_the_pull_limit_of_docker_hub(cloud: DockerHub, tmp_path: Path) -> None:
    cloud.serve(IMAGE, "library/app", public=True)
    cloud.pulls = 1
    reaching = networked(access(cloud, tmp_path), retry=Retry(times=1, delay=0.01))
    await Pull(cloud, IMAGE, tmp_path / "out", reaching).run("docker://app")
    # To look whether a tag has changed costs nothing.
    async with pyskopeo.open_source("docker://app", reaching) as source:
        assert isinstance(source, DockerSource)
        assert str(await source.endpoints.current.resolve("latest")) == IMAGE.digest
    with pytest.raises(RegistryError, match="too many requests: .*You have reached your pull rate limit") as caught:
        await Pull(cloud, IMAGE, tmp_path / "again", reaching).run("docker://app")
    assert caught.value.status == 429


# --- github ---


@parametrized(GitHub)
@pytest.mark.parametrize("token", ["QQ==", "TlVMTA=="])
async def test_a_token_of_nobody(cloud: GitHub, token: str, tmp_path: Path) -> None:
    """Any base64 opens at GitHub what is public, and no token is asked for."""
    cloud.serve(IMAGE, REPOSITORY, public=True)
    cloud.serve(IMAGE, "team/secret")
    await Pull(cloud, IMAGE, tmp_path / "out", access(cloud, tmp_path, token=token)).run(cloud.name(REPOSITORY))
    check_storage(cloud)
    with pytest.raises(AccessDenied, match=r"\(401, tried the given registry token\)"):
        await Pull(cloud, IMAGE, tmp_path / "no", access(cloud, tmp_path, token=token)).run(cloud.name("team/secret"))
    assert cloud.token_requests == []


# --- azure ---


@parametrized(Azure)
async def test_an_address_that_ends_while_reading(cloud: Azure, tmp_path: Path) -> None:
    """The blob is cut, and its signed address no longer good for the rest: the registry is asked for another."""
    cloud.serve(IMAGE, REPOSITORY)
    cloud.on(f"/blobs/{IMAGE.layer_digests()[0]}", f.Cut(1000), times=1)
    cloud.on(f"/blobs/{IMAGE.layer_digests()[0]}", f.Refuse(403), times=1, skip=1)
    await Pull(cloud, IMAGE, tmp_path / "out", access(cloud, tmp_path, owner(cloud))).run(cloud.name(REPOSITORY), jobs=1)
    check_storage(cloud)
    assert len(cloud.asked(cloud.api, f"/v2/{REPOSITORY}/blobs/")) == len(IMAGE.blobs) + 2
    assert len(cloud.token_requests) == 1
