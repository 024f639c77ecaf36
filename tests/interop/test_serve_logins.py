"""Docker, podman, skopeo and our own client log in to a registry of ours, and may do there what they may."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.peers import Dockerd, PeerFailed
from tests.support.require import require_peer
from tests.support.served import USERS, Served, served

TOKEN = "0123456789abcdef0123456789abcdef"
TOKENS = f"""
[[token]]
name = "ci"
token = "{TOKEN}"
actions = ["pull", "push"]
repositories = ["team/*"]
"""


class Refused(Exception):
    """A program said no; its complaint."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logins")
    (folder / "users").write_text(USERS)
    (folder / "tokens").write_text(TOKENS)
    write_dir(build("docker"), folder / "image")
    return folder


@pytest.fixture(scope="module")
def private(folder: Path) -> Iterator[Served]:
    """A registry for users only."""
    with served(folder / "private", "--writable", "--htpasswd", folder / "users") as server:
        yield server


@pytest.fixture(scope="module")
def public(folder: Path) -> Iterator[Served]:
    """A registry that anyone may pull from."""
    flags = ("--htpasswd", folder / "users", "--token-file", folder / "tokens", "--anonymous-pull")
    with served(folder / "public", "--writable", *flags) as server:
        yield server


@pytest.fixture(scope="module")
def dockerd() -> Iterator[Dockerd]:
    require_peer("dockerd")
    with Dockerd() as daemon:
        daemon.docker("load", "--input", str(_archive(daemon.folder)))
        yield daemon


def _archive(folder: Path) -> Path:
    write_dir(build("docker"), folder / "image")
    done = pyskopeo_here("--insecure-policy", "copy", f"dir:{folder}/image", f"docker-archive:{folder}/image.tar:mine:v1")
    assert done.code == 0, done.stderr
    return folder / "image.tar"


Client = Callable[..., None]
"""Called with what to do ("push", "pull", "login", "logout"), a registry, a repository and what it needs."""


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "HOME": "/nonexistent"})
    if done.returncode:
        raise Refused(done.stderr)


class Docker:
    def __init__(self, daemon: Dockerd) -> None:
        self.daemon = daemon

    def call(self, *words: str) -> None:
        try:
            self.daemon.docker(*words)
        except PeerFailed as failed:
            raise Refused(str(failed)) from None

    def login(self, host: str, user: str, password: str) -> None:
        self.call("login", "--username", user, "--password", password, host)

    def logout(self, host: str) -> None:
        self.call("logout", host)

    def push(self, host: str, name: str) -> None:
        self.call("tag", "mine:v1", f"{host}/{name}")
        self.call("push", f"{host}/{name}")

    def pull(self, host: str, name: str) -> None:
        self.call("pull", f"{host}/{name}")


class Tool:
    """Skopeo, podman or our own command line, which have the same words for this."""

    def __init__(self, folder: Path, source: Path, *command: str) -> None:
        self.folder, self.source, self.command = folder, source, command
        self.logins = ("--authfile", str(folder / "auth.json"))

    def login(self, host: str, user: str, password: str) -> None:
        run(*self.command, "login", "--tls-verify=false", *self.logins, "--username", user, "--password", password, host)

    def logout(self, host: str) -> None:
        run(*self.command, "logout", *self.logins, host)

    def push(self, host: str, name: str) -> None:
        words = ("copy", "--dest-tls-verify=false", *self.logins, f"dir:{self.source}", f"docker://{host}/{name}")
        run(*self.command, *words)

    def pull(self, host: str, name: str) -> None:
        (self.folder / "pulled").mkdir(exist_ok=True)
        words = ("copy", "--src-tls-verify=false", *self.logins, f"docker://{host}/{name}", f"dir:{self.folder}/pulled")
        run(*self.command, *words)


class Podman(Tool):
    def push(self, host: str, name: str) -> None:
        run(*self.command, "pull", f"dir:{self.source}")
        listed = subprocess.run([*self.command, "images", "-q"], capture_output=True, text=True, check=True, timeout=60)
        words = ("push", "--tls-verify=false", *self.logins, listed.stdout.split()[0], f"{host}/{name}")
        run(*self.command, *words)

    def pull(self, host: str, name: str) -> None:
        run(*self.command, "pull", "--tls-verify=false", *self.logins, f"{host}/{name}")


@pytest.fixture(params=["docker", "podman", "skopeo", "pyskopeo"])
def program(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Docker | Tool:
    if request.param == "docker":
        daemon = request.getfixturevalue("dockerd")
        return Docker(daemon)
    source = folder / "image"
    if request.param == "podman":
        return Podman(tmp_path, source, *request.getfixturevalue("podman_command"))
    if request.param == "skopeo":
        return Tool(tmp_path, source, require_peer("skopeo"), "--insecure-policy")
    import sys

    return Tool(tmp_path, source, sys.executable, "-m", "pyskopeo", "--insecure-policy")


def test_users_only(private: Served, program: Docker | Tool, request: pytest.FixtureRequest) -> None:
    name = f"users/{request.node.callspec.params['program']}:v1"
    with pytest.raises(Refused):
        program.push(private.host, name)
    with pytest.raises(Refused):
        program.login(private.host, "alice", "wrong")
    program.login(private.host, "alice", "secret")
    program.push(private.host, name)
    program.pull(private.host, name)
    program.logout(private.host)
    with pytest.raises(Refused):
        program.pull(private.host, name)


def test_anyone_may_pull(public: Served, program: Docker | Tool, request: pytest.FixtureRequest) -> None:
    name = f"team/{request.node.callspec.params['program']}:v1"
    with pytest.raises(Refused):
        program.push(public.host, name)
    program.login(public.host, "ci", TOKEN)
    program.push(public.host, name)
    with pytest.raises(Refused, match=r"(?i)denied|may not"):
        program.push(public.host, name.replace("team", "others"))
    program.logout(public.host)
    program.pull(public.host, name)
