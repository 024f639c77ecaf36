"""The keychain: which file answers, and helpers that misbehave in every way they know."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from pyskopeo.credentials.authfile import Credentials
from pyskopeo.credentials.keychain import Keychain
from pyskopeo.errors import CredentialsFailed

pytestmark = pytest.mark.anyio

HUB = "https://index.docker.io/v1/"
ANSWER = """echo '{"ServerURL":"x","Username":"u","Secret":"hunter2"}'"""
FOUND = Credentials("u", "hunter2")


class Place:
    """A home, a directory of helpers and a keychain over both."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.bin = root / "bin"
        self.bin.mkdir()
        self.warnings: list[str] = []
        self.environ = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "XDG_RUNTIME_DIR": str(root / "run"),
            "OUT": str(root),
        }

    def keychain(self, **options: Any) -> Keychain:
        values = {"environ": self.environ, "home": self.home, "warn": self.warnings.append, "helper_timeout": 5.0}
        return Keychain(**{**values, **options})

    def write(self, where: str, document: object) -> Path:
        path = {
            "session": self.root / "run/containers/auth.json",
            "user": self.home / ".config/containers/auth.json",
            "docker": self.home / ".docker/config.json",
            "legacy": self.home / ".dockercfg",
        }.get(where, self.root / where)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    def helper(self, script: str, name: str = "docker-credential-x", mode: int = 0o755) -> Path:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)
        return path

    def said(self, name: str) -> str:
        return (self.root / name).read_text()

    async def alive(self, name: str, seconds: float = 2) -> bool:
        """Whether the process whose number is in file ``name`` goes on living."""
        pid = int(self.said(name))
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
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def entry(user: str, *hosts: str) -> dict[str, Any]:
    auth = base64.b64encode(f"{user}:p".encode()).decode()
    return {"auths": {host: {"auth": auth} for host in hosts or ("quay.io",)}}


USES_X = {"auths": {"quay.io": {}}, "credsStore": "x"}


# Which file answers


async def test_what_the_caller_gave_settles_it(place: Place) -> None:
    place.write("session", "damaged")
    given = Credentials("me", "p")
    assert await place.keychain(credentials=given).resolve("quay.io", "a") == given
    assert await place.keychain(credentials=given, anonymous=True).resolve("quay.io", "a") == given
    assert await place.keychain(anonymous=True).resolve("quay.io", "a") is None


async def test_the_first_file_with_an_answer_wins(place: Place) -> None:
    assert await place.keychain().resolve("quay.io", "a") is None
    place.write("legacy", entry("legacy", "https://quay.io/v1/")["auths"])
    for where in ("legacy", "docker", "user", "session"):
        if where != "legacy":
            place.write(where, entry(where))
        assert await place.keychain().resolve("quay.io", "a") == Credentials(where, "p")
    place.write("session", {"auths": {"quay.io": {}, "ghcr.io": {}}})
    assert await place.keychain().resolve("quay.io", "a") == Credentials("user", "p")
    assert place.warnings == []


async def test_files_after_the_answer_are_not_read(place: Place) -> None:
    place.write("session", entry("u"))
    place.write("user", "{damaged")
    keychain = place.keychain()
    assert await keychain.resolve("quay.io", "a") == Credentials("u", "p")
    for _ in range(2):
        with pytest.raises(CredentialsFailed, match=r"^.*/home/.config/containers/auth.json: not valid JSON"):
            await keychain.resolve("ghcr.io", "a")


async def test_a_named_file_is_the_only_one(place: Place) -> None:
    place.write("session", entry("u"))
    named = place.write("named.json", entry("named", "ghcr.io"))
    keychain = place.keychain(authfile=named)
    assert await keychain.resolve("ghcr.io", "a") == Credentials("named", "p")
    assert await keychain.resolve("quay.io", "a") is None
    assert place.warnings == []


async def test_a_named_file_that_is_not_there(place: Place) -> None:
    place.write("session", entry("u"))
    keychain = place.keychain(authfile=place.root / "none.json")
    assert [await keychain.resolve(host, "a") for host in ("quay.io", "ghcr.io")] == [None, None]
    assert place.warnings == [
        f"credentials file {place.root}/none.json does not exist; going on without credentials"
    ]
    with pytest.raises(CredentialsFailed, match=r"none\.json does not exist$"):
        await place.keychain(authfile=place.root / "none.json", strict=True).resolve("quay.io", "a")


async def test_a_home_that_is_no_directory(place: Place) -> None:
    assert await place.keychain(home=Path("/dev/null"), strict=True).resolve("quay.io", "a") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe{\0}\0", "not text in UTF-8"),
        (b" " * (1024 * 1024 + 1), "over 1048576 bytes"),
        (b'{"auths": {"quay.io": {"auth": "hunter2', "not valid JSON in line 1"),
    ],
)
async def test_a_damaged_file_is_named(place: Place, content: bytes, message: str) -> None:
    path = place.write("docker", "")
    path.write_bytes(content)
    with pytest.raises(CredentialsFailed, match=f"^{path}: {message}") as caught:
        await place.keychain().resolve("quay.io", "a")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_directory_in_place_of_a_file(place: Place) -> None:
    with pytest.raises(CredentialsFailed, match=r": Is a directory; correct it"):
        await place.keychain(authfile=place.root).resolve("quay.io", "a")


async def test_a_file_that_may_not_be_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = place.write("session", entry("u"))
    place.write("docker", entry("docker"))
    real = Path.open

    def guarded(self: Path, *args: Any, **options: Any) -> Any:
        if self == locked:
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **options)

    monkeypatch.setattr(Path, "open", guarded)
    assert await place.keychain().resolve("quay.io", "a") == Credentials("docker", "p")
    assert place.warnings == [f"{locked}: Permission denied; credentials in it are not used"]
    with pytest.raises(CredentialsFailed, match="Permission denied"):
        await place.keychain(strict=True).resolve("quay.io", "a")
    with pytest.raises(CredentialsFailed, match="Permission denied; make it readable"):
        await place.keychain(authfile=locked).resolve("quay.io", "a")


async def test_a_file_is_read_once(place: Place) -> None:
    path = place.write("named.json", entry("u"))
    keychain = place.keychain(authfile=path)
    assert await keychain.resolve("quay.io", "a") == Credentials("u", "p")
    path.unlink()
    assert await keychain.resolve("quay.io", "other") == Credentials("u", "p")


async def test_a_pipe_can_be_named(place: Place) -> None:
    reading, writing = os.pipe()
    os.write(writing, json.dumps(entry("u")).encode())
    os.close(writing)
    keychain = place.keychain(authfile=Path(f"/dev/fd/{reading}"))
    assert await keychain.resolve("quay.io", "a") == Credentials("u", "p")
    assert await keychain.resolve("quay.io", "b") == Credentials("u", "p")
    os.close(reading)


def test_no_repr_shows_a_secret(place: Place) -> None:
    keychain = place.keychain(registry_token="hunter2", credentials=FOUND, environ={"PASSWORD": "hunter2"})
    assert "hunter2" not in repr(keychain)


# Helpers that behave


async def test_a_helper_is_asked_on_standard_input_alone(place: Place) -> None:
    place.write("docker", USES_X)
    place.helper(f'printf "%s|" "$0" "$@" > $OUT/argv; cat > $OUT/asked; {ANSWER}')
    assert await place.keychain().resolve("quay.io", "a/b") == FOUND
    assert place.said("argv") == f"{place.bin}/docker-credential-x|get|"
    assert place.said("asked") == "quay.io"


async def test_an_identity_token(place: Place) -> None:
    place.write("docker", USES_X)
    place.helper("""echo '{"Username":"<token>","Secret":"t"}'""")
    assert await place.keychain().resolve("quay.io", "a") == Credentials(identity_token="t")


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
async def test_a_helper_that_has_nothing_leaves_it_to_the_next_file(place: Place, script: str) -> None:
    place.write("session", {**entry("same file"), "credHelpers": {"quay.io": "x"}})
    place.write("docker", entry("next"))
    place.helper(script)
    assert await place.keychain(strict=True).resolve("quay.io", "a") == Credentials("next", "p")
    assert place.warnings == []


async def test_docker_hub_is_asked_for_by_both_its_keys(place: Place) -> None:
    place.write("docker", {"credsStore": "x"})
    place.helper(
        'host=$(cat); echo "$host" >> $OUT/asked; '
        f'if [ "$host" = docker.io ]; then {ANSWER}; else echo credentials not found in native keychain; exit 1; fi'
    )
    assert await place.keychain().resolve("docker.io", "library/x") == FOUND
    assert place.said("asked") == f"{HUB}\ndocker.io\n"
    place.helper(f"cat > $OUT/asked; {ANSWER}")
    assert await place.keychain().resolve("docker.io", "library/x") == FOUND
    assert place.said("asked") == HUB


async def test_a_helper_by_its_path(place: Place) -> None:
    path = place.helper(ANSWER, "my helper")
    place.write("docker", {"credHelpers": {"quay.io": str(path)}})
    assert await place.keychain().resolve("quay.io", "a") == FOUND


async def test_all_tasks_share_one_run(place: Place) -> None:
    place.write("session", USES_X)
    place.write("docker", {"credHelpers": {"quay.io": "x"}})
    place.helper(f"echo run >> $OUT/runs; sleep 0.3; {ANSWER}")
    keychain = place.keychain()
    found: list[object] = []

    async def ask(repository: str) -> None:
        found.append(await keychain.resolve("quay.io", repository))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(ask, f"team/r{number % 3}")
    assert found == [FOUND] * 20
    assert place.said("runs") == "run\n"
    assert await keychain.resolve("ghcr.io", "a") == FOUND
    assert place.said("runs") == "run\nrun\n"


async def test_a_failure_is_shared_too(place: Place) -> None:
    place.write("docker", USES_X)
    place.helper("echo run >> $OUT/runs; exit 3")
    keychain = place.keychain()
    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(keychain.resolve, "quay.io", f"r{number}")
    assert len(place.warnings) == 1
    strict = place.keychain(strict=True)
    for _ in range(3):
        with pytest.raises(CredentialsFailed):
            await strict.resolve("quay.io", "a")
    assert place.said("runs") == "run\n" * 2


def test_one_keychain_serves_one_loop_after_another(place: Place) -> None:
    place.write("docker", USES_X)
    place.helper(ANSWER)
    keychain = place.keychain()
    for backend, host in (("asyncio", "quay.io"), ("trio", "ghcr.io"), ("asyncio", "gcr.io")):
        assert anyio.run(keychain.resolve, host, "a", backend=backend) == FOUND


async def test_helpers_of_registries_conf_in_their_order(place: Place) -> None:
    place.helper('host=$(cat); echo "$host" >> $OUT/asked; [ "$host" = quay.io ] || exit 1; ' + ANSWER)
    place.write("session", entry("file", "quay.io", "ghcr.io"))
    files, x = "containers-auth.json", "x"
    for order, expected in (((x, files), FOUND), ((files, x), Credentials("file", "p")), ((x,), FOUND), ((files,), Credentials("file", "p"))):
        assert await place.keychain(helpers=lambda order=order: order).resolve("quay.io", "a") == expected
    assert place.said("asked") == "quay.io\n" * 2
    # One that fails leaves it to the next; a file that was named is the only one asked.
    assert await place.keychain(helpers=lambda: (x, files)).resolve("ghcr.io", "a") == Credentials("file", "p")
    assert "registries.conf: credential helper for ghcr.io: " in place.warnings[0]
    named = place.write("named.json", entry("named"))
    assert await place.keychain(helpers=lambda: (x,), authfile=named).resolve("quay.io", "a") == Credentials("named", "p")


@pytest.mark.parametrize("fields", [{"credHelpers": {"quay.io": "pyskopeo"}}, {"credsStore": "pyskopeo"}])
async def test_ourselves_as_a_helper_are_not_asked(place: Place, fields: dict[str, Any]) -> None:
    place.write("session", {**entry("file"), **fields})
    place.helper("touch $OUT/ran; exit 1", "docker-credential-pyskopeo")
    keychain = place.keychain(helpers=lambda: ("pyskopeo", "containers-auth.json"))
    assert await keychain.resolve("quay.io", "a") == Credentials("file", "p")
    assert await keychain.resolve("ghcr.io", "a") is None
    assert (place.warnings, (place.root / "ran").exists()) == ([], False)


async def test_programs_that_files_name_may_be_forbidden(place: Place) -> None:
    place.write("session", {**entry("file"), "credHelpers": {"quay.io": "x"}, "credsStore": "x"})
    place.helper(f"touch $OUT/ran; {ANSWER}")
    keychain = place.keychain(use_helpers=False, helpers=lambda: ("x", "containers-auth.json"))
    assert await keychain.resolve("quay.io", "a") == Credentials("file", "p")
    assert await keychain.resolve("ghcr.io", "a") is None
    assert not (place.root / "ran").exists()


# Helpers that do not


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


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failing_helper_is_a_warning_or_when_strict_an_error(place: Place, name: str) -> None:
    script, message = FAILURES[name]
    path = place.write("session", {"credHelpers": {"quay.io": "x"}})
    place.write("docker", entry("next"))
    place.helper(script)
    assert await place.keychain().resolve("quay.io", "a") == Credentials("next", "p")
    (warning,) = place.warnings
    prefix = f"{path}: credential helper for quay.io: {place.bin}/docker-credential-x "
    with pytest.raises(CredentialsFailed, match=message) as caught:
        await place.keychain(strict=True).resolve("quay.io", "a")
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
async def test_a_helper_that_cannot_be_one(place: Place, name: str, message: str) -> None:
    place.helper(ANSWER)
    place.helper(ANSWER, "docker-credential-plain", mode=0o644)
    place.write("docker", {"credHelpers": {"quay.io": name}})
    assert await place.keychain().resolve("quay.io", "a") is None
    (warning,) = place.warnings
    assert f"credential helper for quay.io: {message}" in warning
    with pytest.raises(CredentialsFailed, match="credential helper for quay.io"):
        await place.keychain(strict=True).resolve("quay.io", "a")


async def test_a_helper_that_the_system_cannot_start(place: Place) -> None:
    path = place.helper("")
    path.write_bytes(b"\0\1\2 not a program")
    place.write("docker", USES_X)
    assert await place.keychain().resolve("quay.io", "a") is None
    assert "docker-credential-x cannot be started: Exec format error" in place.warnings[0]


async def test_the_working_directory_is_never_searched(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.helper(f"touch $OUT/ran; {ANSWER}")
    place.write("docker", USES_X)
    monkeypatch.chdir(place.bin)
    for path in ("", ".", ":", ":/nowhere", "../bin"):
        assert await place.keychain(environ={**place.environ, "PATH": path}).resolve("quay.io", "a") is None
    assert not (place.root / "ran").exists()
    assert len(place.warnings) == 5


async def test_a_helper_that_hangs_is_ended_with_all_it_started(place: Place) -> None:
    place.write("docker", USES_X)
    place.helper("echo $$ > $OUT/pid; sleep 60 & echo $! > $OUT/child; wait")
    start = time.monotonic()
    assert await place.keychain(helper_timeout=0.5).resolve("quay.io", "a") is None
    assert time.monotonic() - start < 5
    assert "gave no answer within 0.5 s and was stopped" in place.warnings[0]
    assert not await place.alive("pid")
    assert not await place.alive("child")


@pytest.mark.parametrize("script", ["exec >&- 2>&-; sleep 60", "trap '' TERM INT HUP; while :; do sleep 1; done", "while :; do echo no >&2; done"])
async def test_other_ways_to_hang(place: Place, script: str) -> None:
    place.write("docker", USES_X)
    place.helper(f"echo $$ > $OUT/pid; {script}")
    start = time.monotonic()
    assert await place.keychain(helper_timeout=0.4).resolve("quay.io", "a") is None
    assert time.monotonic() - start < 5
    assert "gave no answer within 0.4 s" in place.warnings[0]
    assert not await place.alive("pid")


@pytest.mark.parametrize("detach", ["", "setsid "])
async def test_what_a_helper_leaves_behind_keeps_nobody_waiting(place: Place, detach: str) -> None:
    place.write("docker", USES_X)
    place.helper(f"{detach}sleep 20 & echo $! > $OUT/pid; {ANSWER}")
    start = time.monotonic()
    assert await place.keychain().resolve("quay.io", "a") == FOUND
    assert time.monotonic() - start < 4
    os.kill(int(place.said("pid")), 9)


async def test_a_detached_child_of_a_hanging_helper_keeps_nobody_waiting(place: Place) -> None:
    place.write("docker", USES_X)
    place.helper("setsid sleep 20 & echo $! > $OUT/pid; wait")
    start = time.monotonic()
    assert await place.keychain(helper_timeout=0.4).resolve("quay.io", "a") is None
    assert time.monotonic() - start < 4
    os.kill(int(place.said("pid")), 9)


@pytest.mark.parametrize("script", [ANSWER, f"exec <&-; sleep 0.1; {ANSWER}"])
async def test_a_helper_that_does_not_read_the_question(place: Place, script: str) -> None:
    place.write("docker", USES_X)
    place.helper(script)
    for _ in range(5):
        assert await place.keychain(strict=True).resolve("quay.io", "a") == FOUND


async def test_the_largest_answer(place: Place) -> None:
    place.write("docker", USES_X)
    place.helper("""printf '{"Username":"u","Secret":"'; head -c 65000 /dev/zero | tr '\\0' z; echo '"}'""")
    found = await place.keychain(strict=True).resolve("quay.io", "a")
    assert isinstance(found, Credentials)
    assert found.password == "z" * 65000


async def _started(place: Place, name: str = "pid") -> None:
    with anyio.fail_after(5):
        while not (place.root / name).exists() or not place.said(name).endswith("\n"):
            await anyio.sleep(0.02)


async def test_cancelling_ends_the_helper_at_once_and_the_next_task_asks_again(place: Place) -> None:
    place.write("docker", USES_X)
    place.helper(f"echo run >> $OUT/runs; [ -e $OUT/pid ] && {{ {ANSWER}; exit; }}; echo $$ > $OUT/pid; sleep 60")
    keychain = place.keychain(helper_timeout=60.0)
    found: list[object] = []
    first = anyio.CancelScope()

    async def impatient() -> None:
        with first:
            await keychain.resolve("quay.io", "a")

    async def patient() -> None:
        await _started(place)
        found.append(await keychain.resolve("quay.io", "b"))

    start = time.monotonic()
    async with anyio.create_task_group() as group:
        group.start_soon(impatient)
        group.start_soon(patient)
        await _started(place)
        await anyio.sleep(0.1)
        first.cancel()
    assert time.monotonic() - start < 8
    assert found == [FOUND]
    assert place.said("runs") == "run\n" * 2
    assert not await place.alive("pid")


def test_asyncios_own_cancellation_ends_the_helper_too(place: Place) -> None:
    place.write("docker", USES_X)
    place.helper("echo $$ > $OUT/pid; sleep 60")

    async def main() -> None:
        task = asyncio.create_task(place.keychain(helper_timeout=60.0).resolve("quay.io", "a"))
        await _started(place)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not await place.alive("pid")

    asyncio.run(main())


def test_importing_is_cheap() -> None:
    import subprocess
    import sys

    heavy = "anyio asyncio subprocess ssl httpx ipaddress urllib.parse base64 shutil selectors"
    code = (
        "import sys; before = set(sys.modules); import pyskopeo.credentials.keychain, pyskopeo.config.proxies, pyskopeo.config.certificates;"
        f"print(*[name for name in {heavy.split()} if name in sys.modules and name not in before])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    # pathlib brings urllib.parse along until Python 3.13.
    assert set(done.stdout.split()) <= {"urllib.parse", "ipaddress"}
