"""Fixtures for every test: both event loops, a clean environment, real registries."""

from __future__ import annotations

import gc
import itertools
import os
import shlex
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.measurement import processes_unmeasured, unmeasured
from tests.support.peers import Dockerd, PeerFailed, Registry
from tests.support.release import built, sid_python, single
from tests.support.require import SKOPEO, find_program, require_peer, skopeo_version, unavailable
from tests.support.tls import Authority, ServerCertificate
from tests.support.token_server import TokenRules, TokenServer

# PYTHONUNBUFFERED hides faults in how output is flushed at exit.
_PREFIXES = (
    "XDG_", "DOCKER_", "REGISTRY_", "CONTAINERS_", "SSL_CERT_", "STORAGE_", "PYSKOPEO_", "PYTHONUNBUFFERED",
    "NIX_BUILD_TOP", "IN_NIX_SHELL", "SOURCE_DATE_EPOCH", "GNUPGHOME", "SEQUOIA_",
)  # fmt: skip
_KEPT = ("PYSKOPEO_REQUIRE_PEERS",)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_COUNT = itertools.count()
# A home that the tests so far have not touched, for the next one: most tests leave it as it is, and there are thousands.
_UNTOUCHED: list[Path] = []
_FOLDERS = {
    "XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache", "XDG_DATA_HOME": ".local/share", "XDG_RUNTIME_DIR": "run",
}  # fmt: skip

# Property tests have no business with the clock: beside busy processes an example may take seconds.
settings.register_profile("without-clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without-clock")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked ``peer("skopeo")`` run where that program is."""
    for mark in item.iter_markers("peer"):
        for name in mark.args:
            require_peer(name)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among the million objects that tests are when they are collected, which takes seconds, nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_report_header() -> str:
    """Which skopeo is compared with."""
    found = find_program("skopeo")
    version = ".".join(map(str, skopeo_version(found))) if found else "not installed"
    return f"skopeo: {version}; expectations hold for {'.'.join(map(str, SKOPEO))}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Debian sid moves on: beside a skopeo that expectations do not hold for, a comparison that fails is an expected failure.

    What a test runs on asyncio is measured for coverage, and not once more what it runs on trio.
    """
    try:
        with unmeasured() if _is_on_trio(item) else nullcontext():
            return (yield)
    except AssertionError as error:
        found = find_program("skopeo") if any("skopeo" in mark.args for mark in item.iter_markers("peer")) else None
        if found is None or skopeo_version(found)[: len(SKOPEO)] == SKOPEO:
            raise
        version, expected = (".".join(map(str, numbers)) for numbers in (skopeo_version(found), SKOPEO))
        pytest.xfail(f"this is skopeo {version}, expectations hold for {expected}: {str(error)[:200]}")


def _is_on_trio(item: pytest.Item) -> bool:
    parameters = getattr(item, "callspec", None)
    return parameters is not None and parameters.params.get("anyio_backend") == "trio"


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both event loops."""
    backend: str = request.param
    return backend


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the homes of `clean_environment` are, outside every test's ``tmp_path``."""
    return tmp_path_factory.mktemp("homes")


def _make_home(home: Path) -> Path:
    """Make a home whose directories were last changed at the beginning of time, so that every change is seen."""
    for folder in _FOLDERS.values():
        (home / folder).mkdir(parents=True)
    for folder in ("", ".local", *_FOLDERS.values()):
        os.chmod(home / folder, 0o755)
        os.utime(home / folder, (0, 0))
    return home


def _is_untouched(home: Path) -> bool:
    try:
        found = [os.stat(home / folder) for folder in ("", ".local", *_FOLDERS.values())]
    except OSError:  # a test has removed it, or some of it
        return False
    return all((one.st_mtime_ns, one.st_mode & 0o7777) == (0, 0o755) for one in found)


@pytest.fixture(autouse=True)
def clean_environment(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No test sees the credentials, proxies or configuration of whoever runs it; returns the new home."""
    for name in list(os.environ):
        if (name.startswith(_PREFIXES) and name not in _KEPT) or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    home = _UNTOUCHED.pop() if _UNTOUCHED else _make_home(homes / str(next(_COUNT)))
    monkeypatch.setenv("HOME", str(home))
    for name, folder in _FOLDERS.items():
        monkeypatch.setenv(name, f"{home}/{folder}")
    yield home
    if _is_untouched(home):
        _UNTOUCHED.append(home)


@pytest.fixture
def unmeasured_processes() -> Iterator[None]:
    """For tests that start the program often, to do what other tests have it do in this process, where it is measured."""
    with processes_unmeasured():
        yield


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA that signed the certificates of `tls_registry`."""
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def single_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``pyskopeo-X.Y.Z.pyz``, with bytecode for the Pythons of this machine."""
    newest = shlex.join(sid_python("3.14"))
    return single(built(tmp_path_factory, "pyz", *(["--python", newest] if newest else [])), "*.pyz")


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """A real registry over plain HTTP, open to everybody; tests choose repositories of their own."""
    with _real_registry() as running:
        yield running


@pytest.fixture(scope="session")
def tls_registry(authority: Authority) -> Iterator[Registry]:
    """A real registry over TLS; its CA is ``tls_registry.tls.authority``."""
    with _real_registry(tls=authority.server("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def htpasswd_registry() -> Iterator[Registry]:
    """A real registry that asks for Basic: ``user`` with ``pass``."""
    require_peer("htpasswd")
    with _real_registry(htpasswd={"user": "pass"}) as running:
        yield running


@pytest.fixture(scope="session")
def token_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    """Issues the tokens for `token_registry`: ``user`` with ``pass``, identity token ``identity``.

    Everybody may pull from ``public/``.
    """
    rules = TokenRules(refresh_tokens={"identity": "user"})
    with TokenServer(tmp_path_factory.mktemp("tokens"), rules) as running:
        yield running


@pytest.fixture(scope="session")
def token_registry(token_server: TokenServer) -> Iterator[Registry]:
    """A real registry that wants the tokens of `token_server`."""
    with _real_registry(token=token_server) as running:
        yield running


@pytest.fixture(scope="session")
def dockerd() -> Iterator[Dockerd]:
    """A real Docker daemon; where none can run the test is skipped, or fails as `require_peer` does."""
    require_peer("dockerd")
    require_peer("docker")
    daemon = Dockerd()
    try:
        daemon.__enter__()
    except PeerFailed as error:
        unavailable(str(error))
    try:
        yield daemon
    finally:
        daemon.stop()


def _real_registry(
    *, tls: ServerCertificate | None = None, htpasswd: dict[str, str] | None = None, token: TokenServer | None = None
) -> Registry:
    require_peer("docker-registry")
    return Registry(tls=tls, htpasswd=htpasswd, token=token)
