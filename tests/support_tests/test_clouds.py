"""The simulated big registries have the challenges and the storage of the real ones."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clouds import CLOUDS, Amazon, Azure, Cloud, DockerHub, GitHub, GitLab, Google, Quay
from tests.support.visiting import IMAGE, REPOSITORY, SCOPE, parametrized

CHALLENGES = {
    DockerHub: f'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="{SCOPE}"',
    GitHub: f'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="{SCOPE}"',
    Amazon: 'Basic realm="https://123456789012.dkr.ecr.us-east-1.amazonaws.com/",service="ecr.amazonaws.com"',
    Azure: f'Bearer realm="https://example.azurecr.io/oauth2/token",service="example.azurecr.io",scope="{SCOPE}"',
    Google: f'Bearer realm="https://europe-docker.pkg.dev/v2/token",service="europe-docker.pkg.dev",scope="{SCOPE}"',
    GitLab: f'Bearer realm="https://gitlab.com/jwt/auth",service="container_registry",scope="{SCOPE}"',
    Quay: f'Bearer realm="https://quay.io/v2/auth",service="quay.io",scope="{SCOPE}"',
}


@pytest.fixture
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with request.param(tmp_path) as running:
        yield running


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
