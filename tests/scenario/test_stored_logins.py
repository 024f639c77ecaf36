"""Logins that are stored by several processes at once, or by credential helpers."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyskopeo.api.login_store import CredentialFile
from pyskopeo.credentials.authfile import AuthFile, Credentials
from pyskopeo.credentials.authkey import AuthKey
from pyskopeo.credentials.helper_program import Programs
from pyskopeo.errors import CredentialsFailed, InvalidInput
from tests.support.cli import fatal
from tests.support.commands import PYSKOPEO, environment, pyskopeo
from tests.support.helper_programs import HelperPrograms, command_lines_seen
from tests.support.logins import HUB, QUAY, USER, file, found, read
from tests.support.trees import leftovers

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("unmeasured_processes")]


@pytest.fixture
def helpers(tmp_path: Path) -> HelperPrograms:
    return HelperPrograms(tmp_path / "helpers")


_WRITER = """
import sys, anyio
from pathlib import Path
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.credentials.authkey import AuthKey
from pyskopeo.api.login_store import CredentialFile
from pyskopeo.credentials.helper_program import Programs

async def main(path, name):
    for number in range(12):
        await CredentialFile(Path(path), Programs({})).put(AuthKey(f"{name}{number}.io"), Credentials(name, "p"))

print(flush=True)
sys.stdin.read(1)
anyio.run(main, *sys.argv[1:])
"""


# --- files ---


async def test_several_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    """Half of them come by a link, whose own directory is another."""
    path, link = tmp_path / "auth.json", tmp_path / "links/auth.json"
    link.parent.mkdir()
    link.symlink_to(path)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(link if name in "bd" else path), name],
            env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for name in "abcd"
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"x")
        writer.stdin.flush()
    seen = 0
    while any(writer.poll() is None for writer in writers):
        # Readers never see half a file.
        seen = max(seen, len(AuthFile.parse(path.read_text(), "x").entries) if path.exists() else 0)
        time.sleep(0.002)
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    entries = AuthFile.parse(path.read_text(), "x").entries
    assert set(entries) == {f"{name}{number}.io" for name in "abcd" for number in range(12)}
    assert seen > 0
    assert leftovers(tmp_path) == []


def configured(path: Path, **fields: object) -> Path:
    path.write_text(json.dumps(fields))
    return path


# --- helpers ---


async def test_a_helper_of_one_host_keeps_its_secret(tmp_path: Path, helpers: HelperPrograms) -> None:
    helpers.keeper()
    path = configured(tmp_path / "auth.json", credHelpers={"quay.io": "keeper"})
    before = path.read_bytes()
    assert await file(path, helpers.environ).put(QUAY, USER) == "credential helper: keeper"
    assert path.read_bytes() == before
    assert json.loads(helpers.kept["quay.io"]) == {"ServerURL": "quay.io", "Username": "user", "Secret": "hunter2"}
    # Another host is no business of that helper.
    assert await file(path, helpers.environ).put(AuthKey("ghcr.io"), USER) == str(path)
    assert list(helpers.kept) == ["quay.io"]
    assert await file(path, helpers.environ).remove(QUAY)
    assert helpers.kept == {}
    assert not await file(path, helpers.environ).remove(QUAY)
    assert found(path, "ghcr.io") == USER


async def test_a_store_keeps_all_secrets_and_the_file_the_names(tmp_path: Path, helpers: HelperPrograms) -> None:
    helpers.keeper()
    path = configured(tmp_path / "config.json", credsStore="keeper", auths={"a.io": {"auth": "YTpi"}})
    for name in ("docker.io", "quay.io"):
        where = await file(path, helpers.environ, docker=True).put(AuthKey(name), USER)
        assert where == "credential helper: keeper"
    assert read(path) == {"auths": {"a.io": {"auth": "YTpi"}, HUB: {}, "quay.io": {}}, "credsStore": "keeper"}
    assert list(helpers.kept) == sorted([HUB, "quay.io"])
    assert await file(path, helpers.environ, docker=True).remove(AuthKey("docker.io"))
    assert list(helpers.kept) == ["quay.io"]
    await file(path, helpers.environ, docker=True).clear()
    assert helpers.kept == {}
    assert read(path) == {"auths": {}, "credsStore": "keeper"}


async def test_an_identity_token_is_stored_as_one(tmp_path: Path, helpers: HelperPrograms) -> None:
    helpers.keeper()
    path = configured(tmp_path / "auth.json", credHelpers={"quay.io": "keeper"})
    await file(path, helpers.environ).put(QUAY, Credentials(identity_token="t"))
    assert json.loads(helpers.kept["quay.io"]) == {"ServerURL": "quay.io", "Username": "<token>", "Secret": "t"}


async def test_a_helper_by_its_path(tmp_path: Path, helpers: HelperPrograms) -> None:
    program = helpers.keeper()
    path = configured(tmp_path / "auth.json", credHelpers={"quay.io": str(program)})
    assert await CredentialFile(path, Programs({})).put(QUAY, USER) == f"credential helper: {program}"
    assert list(helpers.kept) == ["quay.io"]


async def test_the_secret_goes_by_standard_input_alone(tmp_path: Path, helpers: HelperPrograms) -> None:
    helpers.docker("slow", 'printf "%s|" "$@" > $OUT/argv; env > $OUT/env; cat > $OUT/asked; sleep 0.2')
    path = configured(tmp_path / "auth.json", credHelpers={"quay.io": "slow"})
    seen: list[str] = []
    with command_lines_seen(seen):
        await file(path, helpers.environ).put(QUAY, USER)
    assert helpers.said("argv") == "store|"
    assert "hunter2" in helpers.said("asked")
    assert "hunter2" not in helpers.said("env")
    assert any("docker-credential-slow store" in line for line in seen)
    assert not any("hunter2" in line for line in seen)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "docker-credential-x failed with status 3$"),
        ("echo not implemented; exit 1", "failed with status 1: not implemented$"),
        ("echo here >&2; echo there; exit 1", "failed with status 1: here$"),
        ("cat; exit 1", r'failed with status 1: {"ServerURL": "quay.io", "Username": "user", "Secret": "\*\*\*"}$'),
        ("cat >&2; exit 1", r'"Secret": "\*\*\*"}$'),
        ("exec sleep 60", "gave no answer within 0.5 s and was stopped$"),
        ("exec yes", "said more than 65536 bytes and was stopped$"),
    ],
)
async def test_a_helper_that_does_not_keep_it(
    script: str, message: str, tmp_path: Path, helpers: HelperPrograms
) -> None:
    helpers.docker("x", script)
    path = configured(tmp_path / "auth.json", credHelpers={"quay.io": "x"}, auths={})
    before = path.read_bytes()
    # A flood may take its time; what hangs must not.
    seconds = 0.5 if "sleep" in script else 10
    with pytest.raises(CredentialsFailed, match=message) as caught:
        await file(path, helpers.environ, seconds=seconds).put(QUAY, USER)
    assert str(caught.value).startswith(f"{path}: credential helper x: ")
    assert "hunter2" not in str(caught.value)
    assert path.read_bytes() == before


async def test_secrets_with_quotes_are_hidden_however_they_are_repeated(tmp_path: Path, helpers: HelperPrograms) -> None:
    helpers.docker("x", "cat; exit 1")
    path = configured(tmp_path / "auth.json", credHelpers={"quay.io": "x"})
    with pytest.raises(CredentialsFailed, match=r'"Secret": "\*\*\*"') as caught:
        await file(path, helpers.environ).put(QUAY, Credentials("user", 'hun"ter\\2ä'))
    assert "ter" not in str(caught.value).rpartition("Secret")[2]


async def test_a_helper_that_is_not_there(tmp_path: Path, helpers: HelperPrograms) -> None:
    path = configured(tmp_path / "auth.json", credHelpers={"quay.io": "nowhere"})
    for work in (file(path, helpers.environ).put(QUAY, USER), file(path, helpers.environ).remove(QUAY), file(path, helpers.environ).clear()):
        with pytest.raises(CredentialsFailed, match="docker-credential-nowhere is not in PATH; install it"):
            await work


async def test_helpers_know_no_namespaces(tmp_path: Path, helpers: HelperPrograms) -> None:
    helpers.keeper()
    path = configured(tmp_path / "auth.json", credHelpers={"quay.io": "keeper"})
    with pytest.raises(InvalidInput, match="namespaced key is not supported for credential helper keeper"):
        await file(path, helpers.environ).put(AuthKey("quay.io", "org"), USER)
    assert not await file(path, helpers.environ).remove(AuthKey("quay.io", "org"))
    assert helpers.said("calls") == ""


async def test_a_helper_that_forgets_one_name_of_docker_hub_has_done_its_work(
    tmp_path: Path, helpers: HelperPrograms
) -> None:
    """Some call it a failure, and not by its name, to be asked to forget what they do not know."""
    helpers.docker("x", f'host=$(cat); echo "$host" >> $OUT/asked; [ "$host" = {HUB} ] || {{ echo no such entry; exit 1; }}')
    path = configured(tmp_path / "config.json", credsStore="x", auths={HUB: {}})
    assert await file(path, helpers.environ, docker=True).remove(AuthKey("docker.io"))
    assert helpers.said("asked") == f"{HUB}\ndocker.io\n"
    assert read(path) == {"auths": {}, "credsStore": "x"}
    helpers.docker("x", "echo no keyring; exit 1")
    with pytest.raises(CredentialsFailed, match="no keyring"):
        await file(path, helpers.environ, docker=True).remove(AuthKey("docker.io"))


@pytest.mark.parametrize("name", ["pyskopeo", "/usr/bin/docker-credential-pyskopeo"])
async def test_ourselves_as_a_helper_keep_it_in_the_file(name: str, tmp_path: Path, helpers: HelperPrograms) -> None:
    helpers.docker("pyskopeo", "touch $OUT/ran; exit 1")
    path = configured(tmp_path / "auth.json", credHelpers={"quay.io": name})
    assert await file(path, helpers.environ).put(QUAY, USER) == str(path)
    assert read(path)["auths"] == {"quay.io": {"auth": "dXNlcjpodW50ZXIy"}}
    assert await file(path, helpers.environ).remove(QUAY)
    await file(path, helpers.environ).clear()
    assert not (helpers.folder / "ran").exists()


async def test_helpers_of_registries_conf(tmp_path: Path, helpers: HelperPrograms) -> None:
    """The first keeps what is new, all forget what is old; the file is one of them."""
    helpers.keeper()
    path = tmp_path / "auth.json"
    files, keeper = "containers-auth.json", "keeper"

    def kept(*order: str, **more: bool) -> CredentialFile:
        return CredentialFile(path, Programs(helpers.environ), helpers=order, **more)

    assert await kept(keeper, files).put(QUAY, USER) == "credential helper: keeper"
    assert list(helpers.kept) == ["quay.io"]
    assert not path.exists()
    assert await kept(files, keeper).put(QUAY, USER) == str(path)
    assert await kept("pyskopeo", files).put(AuthKey("ghcr.io"), USER) == str(path)
    with pytest.raises(InvalidInput, match="namespaced key is not supported for credential helper keeper"):
        await kept(keeper).put(AuthKey("quay.io", "org"), USER)
    with pytest.raises(CredentialsFailed, match="^registries.conf: credential helper x: docker-credential-x is not in PATH"):
        await kept("x", files).put(QUAY, USER)
    assert await kept(files, keeper).remove(QUAY)
    assert helpers.kept == {}
    assert found(path) is None
    await kept(keeper).put(QUAY, USER)
    await kept(keeper).put(AuthKey("docker.io"), USER)
    assert await kept(keeper).remove(AuthKey("docker.io"))
    helpers.docker("other", """[ $1 = list ] && echo '{"a.io":"u","b.io":""}' || cat >> $OUT/erased""")
    await kept(files, "other").clear()
    assert helpers.said("erased") == "a.iob.io"
    assert read(path) == {"auths": {}}
    await kept(keeper, files, use_helpers=False).put(QUAY, USER)
    assert found(path) == USER


async def test_helpers_that_are_not_to_be_used(tmp_path: Path, helpers: HelperPrograms) -> None:
    helpers.keeper()
    path = configured(tmp_path / "auth.json", credHelpers={"quay.io": "keeper"})
    plain = CredentialFile(path, Programs(helpers.environ), use_helpers=False)
    await plain.put(QUAY, USER)
    assert await plain.remove(QUAY)
    await plain.clear()
    assert helpers.said("calls") == ""


# --- files that are none ---


@pytest.mark.parametrize(
    "words",
    [
        "login --authfile {} -u user -p pass 127.0.0.1:1",
        "login --compat-auth-file {} -u user -p pass 127.0.0.1:1",
        "login --authfile {} --get-login quay.io",
        "logout --authfile {} quay.io",
        "logout --authfile {} --all",
        "list-tags --authfile {} docker://127.0.0.1:1/x",
        "copy --src-authfile {} docker://127.0.0.1:1/x oci:x",
        "list-tags --registries-conf {} docker://127.0.0.1:1/x",
        "copy --policy {} docker://127.0.0.1:1/x oci:x",
        "list-tags --tls-details {} docker://127.0.0.1:1/x",
        "sync --src yaml --dest docker {} 127.0.0.1:1/x",
    ],
)
def test_a_named_pipe_is_no_file_to_keep_or_read_settings_in(words: str, tmp_path: Path) -> None:
    """Nobody writes to it, so reading it would take for ever."""
    os.mkfifo(tmp_path / "pipe")
    done = pyskopeo(*words.format(tmp_path / "pipe").split(), cwd=tmp_path, timeout=20)
    assert "not a regular file" in fatal(done)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert leftovers(tmp_path) == []


def test_process_substitution_is_a_file_to_read_credentials_from(tmp_path: Path) -> None:
    command = "exec {} login --authfile <(printf '%s' '{}') --get-login quay.io".format(
        " ".join(map(shlex.quote, PYSKOPEO)), json.dumps({"auths": {"quay.io": {"auth": "dXNlcjpw"}}})
    )
    done = subprocess.run(["bash", "-c", command], check=False, env=environment(), capture_output=True, timeout=20)
    assert (done.returncode, done.stdout) == (0, b"user\n"), done.stderr
