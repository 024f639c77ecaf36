"""What each of the big registries does in its own way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied, NotFound, RegistryError
from pyskopeo.http.retry import Retry
from pyskopeo.registry.credential_check import check_credentials
from pyskopeo.transports.docker import DockerSource
from tests.support import faults as f
from tests.support.access import networked
from tests.support.clouds import Amazon, Azure, DockerHub, GitHub, Google, form_of
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


@pytest.fixture
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with request.param(tmp_path) as running:
        yield running


# Docker Hub


@parametrized(DockerHub)
async def test_a_key_of_dockers_own(cloud: DockerHub, tmp_path: Path) -> None:
    cloud.serve(IMAGE, "library/app")
    script = saying(cloud.user, cloud.password)("https://index.docker.io/v1/")
    reaching = helped(cloud, tmp_path, script, name="desktop")
    await Pull(cloud, IMAGE, tmp_path / "out", reaching).run("docker://app")


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


@parametrized(DockerHub)
async def test_an_identity_token_that_is_none(cloud: DockerHub, tmp_path: Path) -> None:
    cloud.serve(IMAGE, REPOSITORY)
    reaching = access(cloud, tmp_path, Credentials(identity_token="hunter2-pat"))
    with pytest.raises(AccessDenied, match=r"incorrect username or password.* \(401, tried an identity token\)"):
        await Pull(cloud, IMAGE, tmp_path / "out", reaching).run(cloud.name(REPOSITORY))


# GitHub


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


# Amazon


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


@parametrized(Amazon)
async def test_a_repository_that_nobody_made(cloud: Amazon, tmp_path: Path) -> None:
    push = Push(cloud, IMAGE, tmp_path, access(cloud, tmp_path, owner(cloud)))
    with pytest.raises((RegistryError, NotFound), match="The repository with name 'team/app' does not exist"):
        await push.run(cloud.name(REPOSITORY))
    assert push.sent == 0


@parametrized(Amazon)
async def test_tags_that_stay(cloud: Amazon, tmp_path: Path) -> None:
    """The same image again is no change; another one is refused in Amazon's words."""
    cloud.serve(IMAGE, REPOSITORY)
    cloud.immutable = True
    reaching = access(cloud, tmp_path, owner(cloud))
    push = Push(cloud, IMAGE, tmp_path, reaching)
    await push.run(cloud.name(REPOSITORY))
    assert push.asked["PUT manifest"] == 0
    push = Push(cloud, OTHER, tmp_path / "other", reaching)
    with pytest.raises(pyskopeo.PyskopeoError, match="'latest' already exists in the 'team/app' repository"):
        await push.run(cloud.name(REPOSITORY))
    await push.run(cloud.name(REPOSITORY, "v2"))
    push.check_there(REPOSITORY, "v2")


@parametrized(Amazon)
async def test_a_long_list_and_no_deletion(cloud: Amazon, tmp_path: Path) -> None:
    tags = [f"t{number:04}" for number in range(1500)]
    for tag in tags:
        cloud.add(OTHER, REPOSITORY, tag)
    reaching = access(cloud, tmp_path, owner(cloud))
    assert sorted(await pyskopeo.list_tags(f"docker://{cloud.site}/{REPOSITORY}", access=reaching)) == tags
    with pytest.raises(RegistryError, match="The operation is unsupported") as caught:
        await pyskopeo.delete(cloud.name(REPOSITORY, "t0001"), access=reaching)
    assert caught.value.status == 405


# Azure


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


# Google


@parametrized(Google)
async def test_no_refresh_grant_at_google(cloud: Google, tmp_path: Path) -> None:
    cloud.serve(IMAGE, REPOSITORY)
    reaching = access(cloud, tmp_path, Credentials(identity_token="hunter2"))
    with pytest.raises(RegistryError, match="requesting a token from https://europe-docker.pkg.dev.*405") as caught:
        await Pull(cloud, IMAGE, tmp_path / "out", reaching).run(cloud.name(REPOSITORY))
    assert "hunter2" not in str(caught.value)
