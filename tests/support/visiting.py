"""Going to the `clouds` as somebody, and what must hold of every visit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pyskopeo.access import Access
from pyskopeo.config.proxies import Proxies
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.credentials.keychain import Keychain
from pyskopeo.http.tls import Trust

from .access import access_for, networked
from .clouds import Amazon, Cloud, DockerHub, TokenCloud
from .helper_programs import HelperPrograms
from .images import ImageSpec, LayerSpec, build

IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=200_000, compression="none"), LayerSpec("small"))))
# Its layer is streamed by PATCH; smaller ones are one PUT.
STREAMED = build(ImageSpec(layers=(LayerSpec("huge", size=4_300_000, compression="none"),)))
OTHER = build(ImageSpec(layers=(LayerSpec("another", size=30_000),)))
REPOSITORY = "team/app"
SCOPE = f"repository:{REPOSITORY}:pull"


def called(cloud: type[Cloud]) -> str:
    """Its name in the names of tests."""
    return cloud.__name__


def parametrized(*clouds: type[Cloud]) -> pytest.MarkDecorator:
    """The fixture ``cloud`` is each of these in turn."""
    return pytest.mark.parametrize("cloud", clouds, indirect=True, ids=called)


def access(cloud: Cloud, home: Path, credentials: Credentials | None = None, *, token: str = "") -> Access:
    """What leads to ``cloud`` and to nowhere else, as somebody with ``credentials`` or ``token``."""
    return networked(
        access_for(home, credentials=credentials, registry_token=token, trust=Trust(cert_dir=cloud.certificates)),
        proxies=Proxies.from_environ({"HTTPS_PROXY": cloud.proxy}),
    )


def owner(cloud: Cloud) -> Credentials:
    """Of whom may do everything there."""
    return Credentials(cloud.user, cloud.password)


def check_storage(cloud: Cloud) -> None:
    """Every blob came from there, and nobody said there who they are."""
    stored = [one for one in cloud.asked(cloud.storage) if one.method == "GET"]
    assert {one.path.rpartition("/")[2] for one in stored} == set(IMAGE.blobs)
    assert [one for one in cloud.asked(cloud.storage) if one.header("Authorization")] == []


def check_hosts(cloud: Cloud) -> None:
    """A password goes to the token server, a token to the API."""
    for one in cloud.requests:
        kind = (one.header("Authorization") or "").partition(" ")[0]
        realm = isinstance(cloud, TokenCloud) and one in cloud.token_requests
        expected = {"Basic", ""} if realm or isinstance(cloud, Amazon) else {"Bearer", ""}
        assert kind in expected, f"{kind} to {one.header('Host')}{one.path}"


def helped(cloud: Cloud, tmp_path: Path, script: str, *, name: str) -> Access:
    """Credentials from ``docker-credential-NAME`` alone, as Docker's own file names it."""
    helpers = HelperPrograms(tmp_path / "bin")
    helpers.docker(name, f"echo asked >> $OUT/asked\n{script}")
    path = tmp_path / "config.json"
    key = "https://index.docker.io/v1/" if isinstance(cloud, DockerHub) else cloud.site
    path.write_text(json.dumps({"credHelpers": {key: name}}))
    keychain = Keychain(environ=helpers.environ, home=tmp_path, warn=pytest.fail, authfile=path, strict=True)
    return replace(access(cloud, tmp_path), keychain=keychain)


def saying(user: str, secret: str) -> Callable[[str], str]:
    """A helper that knows one host, and whoever asks for another is told that there is nothing."""

    def script(host: str) -> str:
        answer = json.dumps({"ServerURL": host, "Username": user, "Secret": secret})
        return f"""[ "$1" = get ] || exit 1
case $(cat) in {host}) echo '{answer}';; *) echo 'credentials not found in native keychain'; exit 1;; esac"""

    return script
