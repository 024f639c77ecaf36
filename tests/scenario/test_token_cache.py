"""A build runs our credential helper for each blob: all of its runs share one token."""

from __future__ import annotations

import base64
import json
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.commands import PYSKOPEO, environment
from tests.support.exchange import Request
from tests.support.gates import BasicGate, BearerGate
from tests.support.images import build
from tests.support.simulator import Simulator
from tests.support.token_server import TokenRules, TokenServer

IMAGE = build("oci")
BLOBS = [f"sha256:{number:064}" for number in range(20)]


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with TokenServer(tmp_path / "tokens", TokenRules(users={"user": "pass", "other": "word"})) as running:
        yield running


@pytest.fixture
def registry(tokens: TokenServer) -> Iterator[Simulator]:
    with Simulator(IMAGE, gate=BearerGate(tokens.realm, tokens.accepts)) as running:
        yield running


def log_in(clean_environment: Path, registry: Simulator, user: str = "user:pass") -> None:
    file = clean_environment / ".docker" / "config.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"auths": {registry.host: {"auth": base64.b64encode(user.encode()).decode()}}}))
    file.chmod(0o600)


def started(uri: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """The helper, asked about ``uri``."""
    process = subprocess.Popen(
        [*PYSKOPEO, "credential-helper", "get", "--tls-verify=false"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(env),
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps({"uri": uri}))
    process.stdin.close()
    process.stdin = None
    return process


def answer(process: subprocess.Popen[str]) -> dict[str, object]:
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    found: dict[str, object] = json.loads(stdout)
    return found


def asked(server: Simulator | TokenServer) -> tuple[Request, ...]:
    return tuple(server.requests)


def test_twenty_blobs_at_the_same_time_need_one_token(clean_environment: Path, registry: Simulator, tokens: TokenServer) -> None:
    log_in(clean_environment, registry)
    uris = [f"http://{registry.host}/v2/private/app/blobs/{digest}" for digest in BLOBS]
    answers = [answer(process) for process in [started(uri) for uri in uris]]
    assert len({json.dumps(one, sort_keys=True) for one in answers}) == 1
    assert len(asked(tokens)) == 1
    headers = answers[0]["headers"]
    assert isinstance(headers, dict)
    token = headers["Authorization"][0].removeprefix("Bearer ")
    assert tokens.accepts(token, "repository:private/app:pull")
    # When there is one, nobody is asked anything.
    before = len(asked(registry))
    assert answer(started(uris[0])) == answers[0]
    assert (len(asked(tokens)), len(asked(registry))) == (1, before)


def test_a_registry_without_tokens_is_asked_once(clean_environment: Path) -> None:
    """What is kept then is no password."""
    with Simulator(IMAGE, gate=BasicGate({"user": "pass"})) as registry:
        log_in(clean_environment, registry)
        uri = f"http://{registry.host}/v2/private/app/blobs/{BLOBS[0]}"
        basic = {"headers": {"Authorization": ["Basic " + base64.b64encode(b"user:pass").decode()]}}
        assert answer(started(uri)) == basic
        before = len(asked(registry))
        assert before > 0
        assert answer(started(uri)) == basic
        assert len(asked(registry)) == before
    (file,) = (clean_environment / "run" / "pyskopeo" / "tokens").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(secret in file.read_text() for secret in ("pass", "Basic", basic["headers"]["Authorization"][0][6:]))


def test_another_user_another_repository_and_a_new_login_get_tokens_of_their_own(
    clean_environment: Path, registry: Simulator, tokens: TokenServer
) -> None:
    log_in(clean_environment, registry)
    uri = f"http://{registry.host}/v2/private/app/blobs/{BLOBS[0]}"
    first = answer(started(uri))
    assert answer(started(uri.replace("app", "tool"))) != first
    log_in(clean_environment, registry, "other:word")
    second = answer(started(uri))
    assert second != first
    assert len(asked(tokens)) == 3


def test_a_token_that_expires_is_replaced(clean_environment: Path, registry: Simulator, tokens: TokenServer) -> None:
    log_in(clean_environment, registry)
    uri = f"http://{registry.host}/v2/private/app/blobs/{BLOBS[0]}"
    first = answer(started(uri))
    # An hour later, for the helper: it reads the clock of its process.
    later = "import time; now = time.time; time.time = lambda: now() + 3600; from pyskopeo.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", later, "credential-helper", "get", "--tls-verify=false"], input=json.dumps({"uri": uri}),
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) != first
    assert len(asked(tokens)) == 2


def test_a_logout_removes_them(clean_environment: Path, registry: Simulator, tokens: TokenServer) -> None:
    log_in(clean_environment, registry)
    answer(started(f"http://{registry.host}/v2/private/app/blobs/{BLOBS[0]}"))
    folder = clean_environment / "run" / "pyskopeo" / "tokens"
    assert len(list(folder.iterdir())) == 1
    command = [*PYSKOPEO, "logout", "--compat-auth-file", str(clean_environment / ".docker" / "config.json"), registry.host]
    done = subprocess.run(command, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("place", ["cache", "nowhere"])
def test_without_a_runtime_directory(clean_environment: Path, registry: Simulator, tokens: TokenServer, place: str) -> None:
    log_in(clean_environment, registry)
    env = {"XDG_RUNTIME_DIR": "", "XDG_CACHE_HOME": str(clean_environment / ".cache") if place == "cache" else "/proc/self"}
    for _ in range(2):
        assert "expires" in answer(started(f"http://{registry.host}/v2/private/app/blobs/{BLOBS[0]}", env))
    assert len(asked(tokens)) == (1 if place == "cache" else 2)
    assert (clean_environment / ".cache" / "pyskopeo" / "tokens").exists() == (place == "cache")


def processor_time() -> float:
    """Of the child processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_an_answer_from_the_cache_costs_little(clean_environment: Path, registry: Simulator) -> None:
    """It loads nothing of HTTP. Of processor time it takes some 80 ms; the limit leaves room for slower machines."""
    log_in(clean_environment, registry)
    uri = f"http://{registry.host}/v2/private/app/blobs/{BLOBS[0]}"
    answer(started(uri))
    code = "import sys; from pyskopeo.cli.main import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, "credential-helper", "get", "--tls-verify=false"], input=json.dumps({"uri": uri}),
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert "expires" in json.loads(done.stdout)
    assert not {"anyio", "asyncio", "httpx", "ssl", "rich", "yaml"} & set(done.stderr.split())
    used = []
    for _ in range(3):
        before = processor_time()
        answer(started(uri))
        used.append(processor_time() - before)
    assert min(used) < 0.4
