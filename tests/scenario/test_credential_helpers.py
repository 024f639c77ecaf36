"""Docker's credential helpers: those that behave, and those that misbehave in every way they know."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import CredentialsFailed
from tests.support.helper_programs import HelperPrograms
from tests.support.keychains import Home, entry

pytestmark = pytest.mark.anyio

HUB = "https://index.docker.io/v1/"
ANSWER = """echo '{"ServerURL":"x","Username":"u","Secret":"hunter2"}'"""
FOUND = Credentials("u", "hunter2")


class HomeWithHelpers(Home):
    """A home whose files may name credential helpers."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.helpers = HelperPrograms(root / "bin")
        self.environ |= self.helpers.environ

    async def alive(self, name: str, seconds: float = 2) -> bool:
        """Whether the process whose number is in file ``name`` goes on living."""
        pid = int(self.helpers.said(name))
        for _ in range(int(seconds / 0.05)):
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return False
            if state in "ZX":
                return False
            await anyio.sleep(0.05)
        return True


@pytest.fixture
def home(tmp_path: Path) -> HomeWithHelpers:
    return HomeWithHelpers(tmp_path)


USES_X = {"auths": {"quay.io": {}}, "credsStore": "x"}


# --- helpers that behave ---


async def test_a_helper_is_asked_on_standard_input_alone(home: HomeWithHelpers) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", f'printf "%s|" "$0" "$@" > $OUT/argv; cat > $OUT/asked; {ANSWER}')
    assert await home.keychain().resolve("quay.io", "a/b") == FOUND
    assert home.helpers.said("argv") == f"{home.helpers.folder}/docker-credential-x|get|"
    assert home.helpers.said("asked") == "quay.io"


async def test_an_identity_token(home: HomeWithHelpers) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", """echo '{"Username":"<token>","Secret":"t"}'""")
    assert await home.keychain().resolve("quay.io", "a") == Credentials(identity_token="t")


@pytest.mark.parametrize(
    "script",
    [
        """echo '{"Username":"","Secret":""}'""",
        "echo '{}'",
        "echo 'credentials not found in native keychain'; exit 1",
        "echo 'credentials not found in native keychain'",
        "echo 'Error: credentials not found in native keychain' >&2; exit 1",
    ],
)
async def test_a_helper_that_has_nothing_leaves_it_to_the_next_file(home: HomeWithHelpers, script: str) -> None:
    home.write("session", {**entry("same file"), "credHelpers": {"quay.io": "x"}})
    home.write("docker", entry("next"))
    home.helpers.docker("x", script)
    assert await home.keychain(strict=True).resolve("quay.io", "a") == Credentials("next", "p")
    assert home.warnings == []


async def test_docker_hub_is_asked_for_by_both_its_keys(home: HomeWithHelpers) -> None:
    home.write("docker", {"credsStore": "x"})
    home.helpers.docker(
        "x",
        'host=$(cat); echo "$host" >> $OUT/asked; '
        f'if [ "$host" = docker.io ]; then {ANSWER}; else echo credentials not found in native keychain; exit 1; fi'
    )
    assert await home.keychain().resolve("docker.io", "library/x") == FOUND
    assert home.helpers.said("asked") == f"{HUB}\ndocker.io\n"
    home.helpers.docker("x", f"cat > $OUT/asked; {ANSWER}")
    assert await home.keychain().resolve("docker.io", "library/x") == FOUND
    assert home.helpers.said("asked") == HUB


async def test_a_helper_by_its_path(home: HomeWithHelpers) -> None:
    path = home.helpers.shell("my helper", ANSWER)
    home.write("docker", {"credHelpers": {"quay.io": str(path)}})
    assert await home.keychain().resolve("quay.io", "a") == FOUND


async def test_all_tasks_share_one_run(home: HomeWithHelpers) -> None:
    home.write("session", USES_X)
    home.write("docker", {"credHelpers": {"quay.io": "x"}})
    home.helpers.docker("x", f"echo run >> $OUT/runs; sleep 0.3; {ANSWER}")
    keychain = home.keychain()
    found: list[object] = []

    async def ask(repository: str) -> None:
        found.append(await keychain.resolve("quay.io", repository))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(ask, f"team/r{number % 3}")
    assert found == [FOUND] * 20
    assert home.helpers.said("runs") == "run\n"
    assert await keychain.resolve("ghcr.io", "a") == FOUND
    assert home.helpers.said("runs") == "run\nrun\n"


async def test_a_failure_is_shared_too(home: HomeWithHelpers) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", "echo run >> $OUT/runs; exit 3")
    keychain = home.keychain()
    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(keychain.resolve, "quay.io", f"r{number}")
    assert len(home.warnings) == 1
    strict = home.keychain(strict=True)
    for _ in range(3):
        with pytest.raises(CredentialsFailed):
            await strict.resolve("quay.io", "a")
    assert home.helpers.said("runs") == "run\n" * 2


def test_one_keychain_serves_one_loop_after_another(home: HomeWithHelpers) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", ANSWER)
    keychain = home.keychain()
    for backend, host in (("asyncio", "quay.io"), ("trio", "ghcr.io"), ("asyncio", "gcr.io")):
        assert anyio.run(keychain.resolve, host, "a", backend=backend) == FOUND


async def test_helpers_of_registries_conf_in_their_order(home: HomeWithHelpers) -> None:
    home.helpers.docker("x", 'host=$(cat); echo "$host" >> $OUT/asked; [ "$host" = quay.io ] || exit 1; ' + ANSWER)
    home.write("session", entry("file", "quay.io", "ghcr.io"))
    files, x = "containers-auth.json", "x"
    for order, expected in (((x, files), FOUND), ((files, x), Credentials("file", "p")), ((x,), FOUND), ((files,), Credentials("file", "p"))):
        assert await home.keychain(helpers=lambda order=order: order).resolve("quay.io", "a") == expected
    assert home.helpers.said("asked") == "quay.io\n" * 2
    # One that fails leaves it to the next; a file that was named is the only one asked.
    assert await home.keychain(helpers=lambda: (x, files)).resolve("ghcr.io", "a") == Credentials("file", "p")
    assert "registries.conf: credential helper for ghcr.io: " in home.warnings[0]
    named = home.write("named.json", entry("named"))
    assert await home.keychain(helpers=lambda: (x,), authfile=named).resolve("quay.io", "a") == Credentials("named", "p")


@pytest.mark.parametrize("fields", [{"credHelpers": {"quay.io": "pyskopeo"}}, {"credsStore": "pyskopeo"}])
async def test_ourselves_as_a_helper_are_not_asked(home: HomeWithHelpers, fields: dict[str, Any]) -> None:
    home.write("session", {**entry("file"), **fields})
    home.helpers.docker("pyskopeo", "touch $OUT/ran; exit 1")
    keychain = home.keychain(helpers=lambda: ("pyskopeo", "containers-auth.json"))
    assert await keychain.resolve("quay.io", "a") == Credentials("file", "p")
    assert await keychain.resolve("ghcr.io", "a") is None
    assert (home.warnings, (home.helpers.folder / "ran").exists()) == ([], False)


async def test_programs_that_files_name_may_be_forbidden(home: HomeWithHelpers) -> None:
    home.write("session", {**entry("file"), "credHelpers": {"quay.io": "x"}, "credsStore": "x"})
    home.helpers.docker("x", f"touch $OUT/ran; {ANSWER}")
    keychain = home.keychain(use_helpers=False, helpers=lambda: ("x", "containers-auth.json"))
    assert await keychain.resolve("quay.io", "a") == Credentials("file", "p")
    assert await keychain.resolve("ghcr.io", "a") is None
    assert not (home.helpers.folder / "ran").exists()


FAILURES = {
    "crash": ("kill -SEGV $$", "failed with status -11$"),
    "status": ("echo hunter2; exit 3", "failed with status 3$"),
    "complaint": (r"printf '\n \033[31mno keyring\033[0m \r\nsecond line' >&2; exit 1", r"failed with status 1: \[31mno keyring\[0m$"),
    "long complaint": ("head -c 100000 /dev/zero | tr '\\0' z >&2; exit 1", "failed with status 1: z{200}$"),
    "silence": ("exit 0", "did not answer with a JSON object$"),
    "garbage": ("echo hunter2", "did not answer with a JSON object$"),
    "not text": (r"printf '\377\376'", "did not answer with a JSON object$"),
    "list": ("""echo '["hunter2"]'""", "did not answer with a JSON object$"),
    "truncated": ("""echo '{"Username":"u","Secret":"hunter2'""", "did not answer with a JSON object$"),
    "no user": ("""echo '{"Secret":"hunter2"}'""", "did not answer with a Username and a Secret$"),
    "no secret": ("""echo '{"Username":"u","Secret":""}'""", "did not answer with a Username and a Secret$"),
    "number": ("""echo '{"Username":"u","Secret":5}'""", "did not answer with a Username and a Secret$"),
    "flood": ("exec yes hunter2", "said more than 65536 bytes and was stopped$"),
    "too much": ("head -c 65537 /dev/zero", "said more than 65536 bytes and was stopped$"),
}


# --- helpers that do not ---


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failing_helper_is_a_warning_or_when_strict_an_error(home: HomeWithHelpers, name: str) -> None:
    script, message = FAILURES[name]
    path = home.write("session", {"credHelpers": {"quay.io": "x"}})
    home.write("docker", entry("next"))
    home.helpers.docker("x", script)
    assert await home.keychain().resolve("quay.io", "a") == Credentials("next", "p")
    (warning,) = home.warnings
    prefix = f"{path}: credential helper for quay.io: {home.helpers.folder}/docker-credential-x "
    with pytest.raises(CredentialsFailed, match=message) as caught:
        await home.keychain(strict=True).resolve("quay.io", "a")
    assert warning == f"{caught.value}; going on without it"
    assert warning.startswith(prefix)
    assert "hunter2" not in warning
    assert warning.isprintable()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "docker-credential-missing is not in PATH; install it"),
        ("/nowhere/missing", "/nowhere/missing is no program; install it"),
        ("/bin", "/bin is no program; install it"),
        ("plain", "docker-credential-plain is not in PATH; install it"),
        ("../x", "its name is not allowed"),
        ("x y", "its name is not allowed"),
        ("x;touch evil", "its name is not allowed"),
        ("x\n", "its name is not allowed"),
        ("/x\0y", "its name is not allowed"),
        ("ж", "its name is not allowed"),
    ],
)
async def test_a_helper_that_cannot_be_one(home: HomeWithHelpers, name: str, message: str) -> None:
    home.helpers.docker("x", ANSWER)
    home.helpers.docker("plain", ANSWER).chmod(0o644)
    home.write("docker", {"credHelpers": {"quay.io": name}})
    assert await home.keychain().resolve("quay.io", "a") is None
    (warning,) = home.warnings
    assert f"credential helper for quay.io: {message}" in warning
    with pytest.raises(CredentialsFailed, match="credential helper for quay.io"):
        await home.keychain(strict=True).resolve("quay.io", "a")


async def test_a_helper_that_the_system_cannot_start(home: HomeWithHelpers) -> None:
    path = home.helpers.docker("x", "")
    path.write_bytes(b"\0\1\2 not a program")
    home.write("docker", USES_X)
    assert await home.keychain().resolve("quay.io", "a") is None
    assert "docker-credential-x cannot be started: Exec format error" in home.warnings[0]


async def test_the_working_directory_is_never_searched(home: HomeWithHelpers, monkeypatch: pytest.MonkeyPatch) -> None:
    home.helpers.docker("x", f"touch $OUT/ran; {ANSWER}")
    home.write("docker", USES_X)
    monkeypatch.chdir(home.helpers.folder)
    for path in ("", ".", ":", ":/nowhere", "../bin"):
        assert await home.keychain(environ={**home.environ, "PATH": path}).resolve("quay.io", "a") is None
    assert not (home.helpers.folder / "ran").exists()
    assert len(home.warnings) == 5


async def test_a_helper_that_hangs_is_ended_with_all_it_started(home: HomeWithHelpers) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", "echo $$ > $OUT/pid; sleep 60 & echo $! > $OUT/child; wait")
    start = time.monotonic()
    assert await home.keychain(helper_timeout=0.5).resolve("quay.io", "a") is None
    assert time.monotonic() - start < 15
    assert "gave no answer within 0.5 s and was stopped" in home.warnings[0]
    assert not await home.alive("pid")
    assert not await home.alive("child")


@pytest.mark.parametrize("script", ["exec >&- 2>&-; sleep 60", "trap '' TERM INT HUP; while :; do sleep 1; done", "while :; do echo no >&2; done"])
async def test_other_ways_to_hang(home: HomeWithHelpers, script: str) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", f"echo $$ > $OUT/pid; {script}")
    start = time.monotonic()
    assert await home.keychain(helper_timeout=0.4).resolve("quay.io", "a") is None
    assert time.monotonic() - start < 15
    assert "gave no answer within 0.4 s" in home.warnings[0]
    assert not await home.alive("pid")


@pytest.mark.parametrize("detach", ["", "setsid "])
async def test_what_a_helper_leaves_behind_keeps_nobody_waiting(home: HomeWithHelpers, detach: str) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", f"{detach}sleep 20 & echo $! > $OUT/pid; {ANSWER}")
    start = time.monotonic()
    assert await home.keychain().resolve("quay.io", "a") == FOUND
    assert time.monotonic() - start < 15
    os.kill(int(home.helpers.said("pid")), 9)


async def test_a_detached_child_of_a_hanging_helper_keeps_nobody_waiting(home: HomeWithHelpers) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", "setsid sleep 20 & echo $! > $OUT/pid; wait")
    start = time.monotonic()
    assert await home.keychain(helper_timeout=0.4).resolve("quay.io", "a") is None
    assert time.monotonic() - start < 15
    os.kill(int(home.helpers.said("pid")), 9)


@pytest.mark.parametrize("script", [ANSWER, f"exec <&-; sleep 0.1; {ANSWER}"])
async def test_a_helper_that_does_not_read_the_question(home: HomeWithHelpers, script: str) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", script)
    for _ in range(5):
        assert await home.keychain(strict=True).resolve("quay.io", "a") == FOUND


async def test_the_largest_answer(home: HomeWithHelpers) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", """printf '{"Username":"u","Secret":"'; head -c 65000 /dev/zero | tr '\\0' z; echo '"}'""")
    found = await home.keychain(strict=True).resolve("quay.io", "a")
    assert isinstance(found, Credentials)
    assert found.password == "z" * 65000


async def _started(home: HomeWithHelpers, name: str = "pid") -> None:
    with anyio.fail_after(5):
        while not home.helpers.said(name).endswith("\n"):
            await anyio.sleep(0.02)


async def test_cancelling_ends_the_helper_at_once_and_the_next_task_asks_again(home: HomeWithHelpers) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", f"echo run >> $OUT/runs; [ -e $OUT/pid ] && {{ {ANSWER}; exit; }}; echo $$ > $OUT/pid; sleep 60")
    keychain = home.keychain(helper_timeout=60.0)
    found: list[object] = []
    first = anyio.CancelScope()

    async def impatient() -> None:
        with first:
            await keychain.resolve("quay.io", "a")

    async def patient() -> None:
        await _started(home)
        found.append(await keychain.resolve("quay.io", "b"))

    start = time.monotonic()
    async with anyio.create_task_group() as group:
        group.start_soon(impatient)
        group.start_soon(patient)
        await _started(home)
        await anyio.sleep(0.1)
        first.cancel()
    assert time.monotonic() - start < 15
    assert found == [FOUND]
    assert home.helpers.said("runs") == "run\n" * 2
    assert not await home.alive("pid")


def test_asyncios_own_cancellation_ends_the_helper_too(home: HomeWithHelpers) -> None:
    home.write("docker", USES_X)
    home.helpers.docker("x", "echo $$ > $OUT/pid; sleep 60")

    async def main() -> None:
        task = asyncio.create_task(home.keychain(helper_timeout=60.0).resolve("quay.io", "a"))
        await _started(home)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not await home.alive("pid")

    asyncio.run(main())
