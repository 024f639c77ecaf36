"""Pushes to the big registries, and changes of their tags."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied, NotFound, RegistryError
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
from tests.support.publishing import Push
from tests.support.visiting import (
    IMAGE,
    OTHER,
    REPOSITORY,
    SCOPE,
    STREAMED,
    access,
    called,
    check_hosts,
    check_storage,
    owner,
    parametrized,
)

pytestmark = pytest.mark.anyio

TOKENS = tuple(cloud for cloud in CLOUDS if issubclass(cloud, TokenCloud))
PUSH_SCOPE = f"repository:{REPOSITORY}:pull,push"


# --- pushing ---


@parametrized(*CLOUDS)
async def test_a_push_and_a_mount(cloud: Cloud, tmp_path: Path) -> None:
    """What is in one repository goes to another: the token is for both, and no byte is sent where mounting works."""
    if isinstance(cloud, Amazon):
        cloud.made |= {REPOSITORY, "team/live"}
    push = Push(cloud, IMAGE, tmp_path, access(cloud, tmp_path, owner(cloud)))
    await push.run(cloud.name(REPOSITORY))
    push.check_there(REPOSITORY)
    check_hosts(cloud)
    if isinstance(cloud, TokenCloud):
        assert [one.query["scope"] for one in cloud.token_requests] == [[PUSH_SCOPE]]
    push.forget()
    await push.run(cloud.name("team/live"), source=cloud.name(REPOSITORY))
    push.check_there("team/live")
    check_hosts(cloud)
    posts = [one for one in cloud.asked(cloud.api) if one.method == "POST"]
    assert {(one.query["from"][0], one.query["mount"][0]) for one in posts} == {(REPOSITORY, one) for one in IMAGE.blobs}
    if isinstance(cloud, TokenCloud):
        scopes = [sorted(one.query["scope"]) for one in cloud.token_requests]
        assert sorted(["repository:team/live:pull,push", SCOPE]) in scopes
        assert push.sent == 0
        assert cloud.asked(cloud.storage) == []
    else:
        assert push.sent == sum(map(len, IMAGE.blobs.values()))
        check_storage(cloud)


READ_ONLY = {
    DockerHub: r"denied: requested access to the resource is denied; unauthorized: .* \(401, tried as user reader\)",
    GitHub: r"requesting a token .* \(403, tried as user reader\)",
    Azure: r"visit https://aka.ms/acr/authorization .* \(401, tried as user reader\)",
    Google: r"requesting a token .* \(403, tried as user reader\)",
    GitLab: r"denied: access forbidden \(403, tried as user reader\)",
    Quay: r"authentication required \(401, tried as user reader\)",
}


@pytest.mark.parametrize("kind", TOKENS, ids=called)
async def test_pushing_with_the_right_to_read(kind: type[TokenCloud], tmp_path: Path) -> None:
    """A token for less than was asked for, or none: nothing is sent, and nothing goes round in circles."""
    with kind(tmp_path, readers={"reader": "hunter2"}) as cloud:
        push = Push(cloud, IMAGE, tmp_path, access(cloud, tmp_path, Credentials("reader", "hunter2")))
        with pytest.raises(AccessDenied, match=READ_ONLY[kind]) as caught:
            await push.run(cloud.name(REPOSITORY))
        assert "hunter2" not in str(caught.value)
        assert push.sent == 0
        assert len(cloud.token_requests) <= 2 * len(IMAGE.blobs)
        assert len(cloud.requests) <= 8 * len(IMAGE.blobs)


# --- expiry ---


@parametrized(*TOKENS)
@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH", "PUT"])
async def test_a_token_that_ends_while_pushing(cloud: TokenCloud, method: str, tmp_path: Path) -> None:
    """Before an upload, before its content, between its content and its end, and before the manifest."""
    cloud.on("/v2/*/blobs/*", Expire(cloud), methods=(method,))
    push = Push(cloud, STREAMED, tmp_path, access(cloud, tmp_path, owner(cloud)))
    await push.run(cloud.name(REPOSITORY), jobs=1)
    push.check_there(REPOSITORY)
    check_hosts(cloud)
    assert len(cloud.token_requests) >= (2 if method == "PATCH" else 3)
    assert {one.query["scope"][0] for one in cloud.token_requests} == {PUSH_SCOPE}


# --- amazon ---


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
