"""The big registries, each with its own challenges, tokens, storage and quirks, by their real names."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied
from pyskopeo.registry.credential_check import check_credentials
from tests.support.cli import pyskopeo_here
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
from tests.support.pulling import Pull
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
    helped,
    owner,
    parametrized,
    saying,
)

pytestmark = pytest.mark.anyio

TOKENS = tuple(cloud for cloud in CLOUDS if issubclass(cloud, TokenCloud))
PUSH_SCOPE = f"repository:{REPOSITORY}:pull,push"


@pytest.fixture
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with request.param(tmp_path) as running:
        yield running


# The simulated clouds are what they say


CHALLENGES = {
    DockerHub: f'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="{SCOPE}"',
    GitHub: f'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="{SCOPE}"',
    Amazon: 'Basic realm="https://123456789012.dkr.ecr.us-east-1.amazonaws.com/",service="ecr.amazonaws.com"',
    Azure: f'Bearer realm="https://example.azurecr.io/oauth2/token",service="example.azurecr.io",scope="{SCOPE}"',
    Google: f'Bearer realm="https://europe-docker.pkg.dev/v2/token",service="europe-docker.pkg.dev",scope="{SCOPE}"',
    GitLab: f'Bearer realm="https://gitlab.com/jwt/auth",service="container_registry",scope="{SCOPE}"',
    Quay: f'Bearer realm="https://quay.io/v2/auth",service="quay.io",scope="{SCOPE}"',
}


@parametrized(*CLOUDS)
def test_challenges_and_storage(cloud: Cloud) -> None:
    cloud.serve(IMAGE, REPOSITORY)

    def ask(host: str, path: str, **headers: str) -> tuple[int, str, bytes]:
        context = ssl.create_default_context(cafile=str(cloud.certificates / "ca.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", cloud.port, context=context)
        context.check_hostname = False
        connection.request("GET", path, headers={"Host": host, **headers})
        with connection.getresponse() as answer:
            found = answer.status, answer.getheader("WWW-Authenticate") or "", answer.read()
        connection.close()
        return found

    expected = CHALLENGES[type(cloud)]
    assert ask(cloud.api, f"/v2/{REPOSITORY}/manifests/latest")[:2] == (401, expected)
    ping = expected.replace(f',scope="{SCOPE}"', "")
    ping += ',scope="repository:user/image:pull"' if isinstance(cloud, GitHub) else ""
    assert ask(cloud.api, "/v2/")[:2] == (401, ping)
    digest = IMAGE.layer_digests()[0]
    blob = f"/blobs/{digest}?{cloud.signed}"
    assert ask(cloud.storage, blob) == (200, "", IMAGE.blobs[digest])
    assert ask(cloud.storage, blob, Authorization="Bearer x")[0] == 400
    assert ask(cloud.storage, f"/blobs/{digest}")[0] == 403
    assert ask(cloud.storage, "/v2/")[0] == 404


# Pulling


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
    GitHub: r"from https://ghcr.io: denied: denied \(403, tried as user user\)",
    Amazon: r"Not Authorized \(401, tried as user AWS\)",
    Azure: r"visit https://aka.ms/acr/authorization .* \(401, tried as user user\)",
    Google: r"from https://europe-docker.pkg.dev: no explanation \(401, tried as user _dcgcloud_token\)",
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


# Pushing


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


# Expiry


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


# Logging in


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
    expected = "denied: denied (403" if isinstance(cloud, GitHub) else "invalid username/password"
    assert expected in done.stderr
    assert "hunter2" not in done.stderr
    assert not file.exists()
    done = pyskopeo_here(*words, "-p", cloud.password)
    assert (done.code, done.stdout, done.stderr) == (0, b"Login Succeeded!\n", "")
    assert list(json.loads(file.read_text())["auths"]) == [cloud.site]


# Helpers


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
