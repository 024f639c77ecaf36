"""Logging in to real registries, beside the real skopeo, and answering as a credential helper."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import select
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.cli import Done, pyskopeo_here
from tests.support.commands import PYSKOPEO, environment
from tests.support.exchange import Request
from tests.support.helper_programs import HelperPrograms, command_lines_seen
from tests.support.images import build
from tests.support.peers import Registry
from tests.support.require import require_peer
from tests.support.simulator import BearerGate, Simulator
from tests.support.tls import Authority
from tests.support.token_server import TokenRules, TokenServer

pytestmark = pytest.mark.peer("docker-registry")

PLAIN = "--tls-verify=false"
USER = ("-u", "user", "-p", "pass")
IMAGE = build("oci")
MANIFEST = IMAGE.manifests[IMAGE.digest].raw
BASIC = "Basic " + base64.b64encode(b"user:pass").decode()


def run(*words: object, stdin: str = "", env: Mapping[str, object] = {}) -> Done:
    return pyskopeo_here(*words, stdin=stdin, env={name: str(value) for name, value in env.items()})


def skopeo(*words: object, stdin: str = "", env: Mapping[str, object] = {}) -> Done:
    return _run([require_peer("skopeo"), *map(str, words)], stdin, env)


def _run(command: list[str], stdin: str, more: Mapping[str, object]) -> Done:
    env = environment({name: str(value) for name, value in more.items()})
    done = subprocess.run(command, input=stdin.encode(), env=env, capture_output=True, timeout=30, check=False)
    return Done(done.returncode, done.stdout, done.stderr.decode())


def messages(done: Done) -> list[str]:
    return [json.loads(found[1]) for line in done.lines if (found := re.search(r'msg=(".*")$', line))]


def ok(done: Done) -> str:
    assert done.code == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.decode()


def refused(done: Done, message: str) -> None:
    assert (done.code, messages(done)) == (1, [message]), done.stderr


@pytest.fixture
def host(htpasswd_registry: Registry) -> str:
    return htpasswd_registry.host


@pytest.fixture
def authfile(clean_environment: Path) -> Path:
    """Where credentials are kept when nobody says where."""
    return clean_environment / "run/containers/auth.json"


@pytest.fixture
def helpers(tmp_path: Path) -> HelperPrograms:
    return HelperPrograms(tmp_path / "helpers")


# The same as skopeo


@pytest.mark.peer("skopeo")
def test_the_same_story_with_both_programs(host: str, registry: Registry, tmp_path: Path) -> None:
    """Each step says the same, ends the same, and leaves the same bytes."""
    steps: list[tuple[tuple[str, ...], str]] = [
        (("login", "--get-login", host), ""),
        (("login", PLAIN, "-u", "user", "-p", "wrong", host), ""),
        (("logout", host), ""),
        (("login", PLAIN, *USER, host), ""),
        (("login", "--get-login", host), ""),
        (("login", PLAIN, host), ""),
        (("login", PLAIN, f"http://{host}/v2/some/where"), ""),
        (("login", PLAIN, "-u", "user", "--password-stdin", f"{host}/team/app"), "pass\n"),
        (("login", PLAIN, "-u", "user", "--password-stdin", f"{host}/lines"), "pa\r\nss\n"),
        (("login", "--get-login", f"{host}/team/app/below"), ""),
        (("login", PLAIN, "-p", "pass", host), "\n"),
        (("login", PLAIN, "-p", "pass", host), "  user \n"),
        (("login", PLAIN, "-p", "pass", host), "user"),
        (("login", PLAIN, *USER, "-v", host), ""),
        (("login", PLAIN, *USER, f"{host}/team:tag"), ""),
        (("login", PLAIN, "-u", "ü<&>", "-p", "p:q", registry.host), ""),
        (("logout", "--all", host), ""),
        (("logout", "nowhere.example.com"), ""),
        (("logout", host), ""),
        (("logout", f"{host}/team/app"), ""),
        (("logout", f"{host}/lines"), ""),
        (("logout", host), ""),
        (("logout", "--all"), ""),
    ]
    for words, stdin in steps:
        seen = []
        for name, program in (("theirs", skopeo), ("ours", run)):
            runtime = tmp_path / name
            runtime.mkdir(exist_ok=True)
            done = program(*words, stdin=stdin, env={"XDG_RUNTIME_DIR": runtime})
            file = runtime / "containers/auth.json"
            assert not file.exists() or stat.S_IMODE(file.stat().st_mode) == 0o600
            assert not file.exists() or stat.S_IMODE(file.parent.stat().st_mode) == 0o700
            content = file.read_bytes() if file.exists() else None
            if content == b'{\n\t"auths": {}\n}' and words[0] == "logout" and done.code:
                content = None  # skopeo makes a file to take nothing out of it
            seen.append((done.code, done.stdout.replace(str(runtime).encode(), b""), messages(done), content))
        theirs, ours = seen
        assert ours == theirs, words


@pytest.mark.peer("skopeo")
def test_each_uses_what_the_other_has_written(
    htpasswd_registry: Registry, token_registry: Registry, tmp_path: Path
) -> None:
    for number, (writer, reader) in enumerate(((run, skopeo), (skopeo, run), (run, run))):
        for registry in (htpasswd_registry, token_registry):
            registry.push(IMAGE, "private/login")
            file = tmp_path / f"auth{number}.json"
            ok(writer("login", PLAIN, *USER, "--authfile", file, f"{registry.host}/private"))
            name = registry.name("private/login")
            assert ok(reader("inspect", PLAIN, "--raw", "--authfile", file, name)).encode() == MANIFEST
            assert ok(reader("login", "--get-login", "--authfile", file, f"{registry.host}/private/login")) == "user\n"
            assert reader("inspect", PLAIN, "--authfile", tmp_path / "none.json", name).code == 1


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("before", [
    {"auths": {"z.io": {"identitytoken": "t", "auth": "YTpi"}, "a.io/x": {"auth": "YTpi"}}, "credHelpers": {"q": "r", "b": "<"}},
    {"credHelpers": {"q": "r"}},
    {"auths": None},
])  # fmt: skip
def test_a_file_that_is_there_is_changed_to_the_same_bytes(before: object, host: str, tmp_path: Path) -> None:
    for words in (("login", PLAIN, *USER, host), ("login", PLAIN, *USER, f"{host}/ns"), ("logout", host)):
        files = tmp_path / "theirs.json", tmp_path / "ours.json"
        for file, program in zip(files, (skopeo, run), strict=True):
            if not file.exists():
                file.write_text(json.dumps(before))
                file.chmod(0o600)
            ok(program(*words, "--authfile", file))
        assert files[1].read_bytes() == files[0].read_bytes()


# Where it is kept


def test_the_files_that_can_be_named(host: str, tmp_path: Path, authfile: Path) -> None:
    (tmp_path / "docker").mkdir()
    config = tmp_path / "docker/config.json"
    config.write_text('{"psFormat": "table", "auths": {"quay.io": {"auth": "YTpi"}}}')
    config.chmod(0o600)
    named = tmp_path / "named.json"
    named_files: tuple[tuple[tuple[object, ...], dict[str, object], Path], ...] = (
        (("--authfile", tmp_path / "flag.json"), {"REGISTRY_AUTH_FILE": named}, tmp_path / "flag.json"),
        (("--compat-auth-file", tmp_path / "compat.json"), {"REGISTRY_AUTH_FILE": named}, tmp_path / "compat.json"),
        ((), {"REGISTRY_AUTH_FILE": named, "DOCKER_CONFIG": config.parent}, named),
        ((), {"DOCKER_CONFIG": config.parent}, config),
        ((), {}, authfile),
    )
    for words, env, file in named_files:
        assert ok(run("login", PLAIN, *USER, "-v", *words, host, env=env)) == f"Used:  {file}\nLogin Succeeded!\n"
        assert json.loads(file.read_text())["auths"][host] == {"auth": "dXNlcjpwYXNz"}
        assert ok(run("login", "--get-login", *words, host, env=env)) == "user\n"
        assert ok(run("logout", *words, host, env=env)) == f"Removed login credentials for {host}\n"
        assert host not in file.read_text()
    assert json.loads(config.read_text()) == {"psFormat": "table", "auths": {"quay.io": {"auth": "YTpi"}}}
    refused(
        run("login", *USER, "--compat-auth-file", config, f"{host}/team", PLAIN),
        f'Credentials cannot be recorded in Docker-compatible format with namespaced key "{host}/team"',
    )
    refused(
        run("login", "--authfile", "a", "--compat-auth-file", "b", host),
        "options for paths to the credential file and to the Docker-compatible credential file can not be set simultaneously",
    )


def test_files_that_cannot_be(host: str, tmp_path: Path) -> None:
    missing = tmp_path / "none"
    refused(
        run("login", PLAIN, *USER, host, env={"XDG_RUNTIME_DIR": missing}),
        f'"{missing}" directory set by $XDG_RUNTIME_DIR does not exist. Either create the directory or unset $XDG_RUNTIME_DIR.',
    )
    for flag in ("--authfile", "--compat-auth-file"):
        refused(
            run("logout", flag, missing, host),
            f"credential file is not accessible: faccessat {missing}: no such file or directory",
        )
    (tmp_path / "damaged").write_text("{")
    done = run("login", PLAIN, *USER, "--authfile", tmp_path / "damaged", host)
    assert done.code == 1
    assert messages(done)[0].startswith(f"get credentials: {tmp_path}/damaged: not valid JSON")
    assert (tmp_path / "damaged").read_text() == "{"


def test_nothing_is_kept_that_is_refused(host: str, token_registry: Registry, authfile: Path) -> None:
    for registry in (host, token_registry.host):
        refused(
            run("login", PLAIN, "-u", "user", "-p", "hunter2", registry),
            f'logging into "{registry}": invalid username/password',
        )
    assert not authfile.exists()
    ok(run("login", PLAIN, *USER, host))
    before = authfile.read_bytes()
    assert run("login", PLAIN, "-u", "user", "-p", "hunter2", host).code == 1
    assert authfile.read_bytes() == before


def test_many_logins_at_once(htpasswd_registry: Registry, authfile: Path) -> None:
    names = [f"{htpasswd_registry.host}/team{number}" for number in range(8)]
    command = [*PYSKOPEO, "login", PLAIN, *USER]
    running = [subprocess.Popen([*command, name], env=environment(), stdout=subprocess.DEVNULL) for name in names]
    assert [process.wait(60) for process in running] == [0] * len(names)
    assert sorted(json.loads(authfile.read_text())["auths"]) == sorted(names)


def test_credentials_of_docker_are_left_to_docker(host: str, clean_environment: Path) -> None:
    config = clean_environment / ".docker/config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"auths": {host: {"auth": "dXNlcjpwYXNz"}, "127.0.0.1:1": {"auth": "YTpi"}}}))
    config.chmod(0o600)
    assert ok(run("logout", PLAIN, host)) == (
        f"Not logged into {host} with current tool. Existing credentials were established via docker login. "
        "Please use docker logout instead.\n"
    )
    refused(run("logout", PLAIN, "127.0.0.1:1"), "not logged into 127.0.0.1:1")
    assert host in config.read_text()


# What the registry is asked


def test_no_repository_is_asked_for(token_registry: Registry, token_server: TokenServer) -> None:
    before = len(token_server.requests)
    ok(run("login", PLAIN, *USER, f"{token_registry.host}/private/x"))
    (asked,) = token_server.requests[before:]
    assert asked.query == {"account": ["user"], "service": ["test-registry"]}
    assert asked.header("Authorization") == BASIC


def test_an_example_in_the_challenge_is_not_asked_for(tmp_path: Path) -> None:
    class Example(BearerGate):
        def challenges(self, request: Request, scope: str) -> tuple[str, ...]:
            example = "" if scope else ',scope="repository:user/image:pull"'
            return tuple(one + example for one in super().challenges(request, scope))

    with TokenServer(tmp_path / "t") as tokens, Simulator(gate=Example(tokens.realm, tokens.accepts)) as registry:
        ok(run("login", PLAIN, *USER, registry.host))
        assert [request.query.get("scope") for request in tokens.requests] == [None]
        assert [request.path for request in registry.requests] == ["/v2/"] * len(registry.requests)


def test_own_authority(tls_registry: Registry, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs/ca.crt").write_bytes(authority.path.read_bytes())
    assert ok(run("login", *USER, "--cert-dir", tmp_path / "certs", tls_registry.host)) == "Login Succeeded!\n"
    done = run("login", *USER, tls_registry.host)
    assert done.code == 1
    assert messages(done)[0].startswith(f'authenticating creds for "{tls_registry.host}": ')
    assert "certificate" in messages(done)[0]


def test_a_registry_that_fails(tmp_path: Path, authfile: Path) -> None:
    done = run("login", PLAIN, *USER, "127.0.0.1:1")
    assert (done.code, len(messages(done))) == (1, 1)
    assert messages(done)[0].startswith('authenticating creds for "127.0.0.1:1": ')
    with TokenServer(tmp_path / "t", TokenRules(users={})) as nobody, Registry(token=nobody) as registry:
        refused(run("login", PLAIN, *USER, registry.host), f'logging into "{registry.host}": invalid username/password')
    assert not authfile.exists()


def test_what_registries_conf_says(host: str, tmp_path: Path, helpers: HelperPrograms) -> None:
    """Whether https is asked for, and that a registry is blocked."""
    conf, env = tmp_path / "registries.conf", helpers.environ
    conf.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
    assert ok(run("login", *USER, host, env={"CONTAINERS_REGISTRIES_CONF": conf})) == "Login Succeeded!\n"
    done = run("--registries-conf", conf, "login", "--tls-verify", *USER, host, env=env)
    assert done.code == 1
    assert messages(done)[0].startswith(f'authenticating creds for "{host}": ')
    conf.write_text(f'[[registry]]\nlocation = "{host}"\nblocked = true\n')
    done = run("--registries-conf", conf, "login", *USER, host)
    assert (done.code, len(messages(done))) == (1, 1)
    assert f"registry {host} is blocked in one of {conf}" in messages(done)[0]


# Questions


class Terminal:
    """A run of ``pyskopeo login`` at a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [*PYSKOPEO, "login", *words], environment())
        self.text = ""

    def read_until(self, end: str) -> None:
        deadline = time.monotonic() + 20
        while end not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self.fd], [], [], 0.1)[0]:
                self.text += os.read(self.fd, 1024).decode()

    def type(self, text: str) -> None:
        time.sleep(0.2)  # what is typed before echoing is turned off is thrown away
        os.write(self.fd, text.encode())

    def end(self) -> int:
        try:
            while part := os.read(self.fd, 1024):
                self.text += part.decode()
        except OSError:
            pass  # how a terminal says that nobody is left
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_questions_at_a_terminal(host: str, authfile: Path) -> None:
    ok(run("login", PLAIN, *USER, host))
    authfile.write_text(authfile.read_text().replace("dXNlcjpwYXNz", base64.b64encode(b"user:old").decode()))
    terminal = Terminal(PLAIN, host)
    terminal.read_until("Username (user): ")
    terminal.type("\n")
    terminal.read_until("Password: ")
    terminal.type("pass\n")
    assert terminal.end() == 0
    assert terminal.text.replace("\r", "").split("\n") == [
        f"Authenticating with existing credentials for {host}",
        "Existing credentials are invalid, please enter valid username and password",
        "Username (user): ",
        "Password: ",
        "Login Succeeded!",
        "",
    ]
    assert ok(run("login", PLAIN, host)).endswith(f"Already logged in to {host}\n")


def test_giving_up_at_a_terminal(host: str, authfile: Path) -> None:
    terminal = Terminal(PLAIN, "-u", "user", host)
    terminal.read_until("Password: ")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert not authfile.exists()


def test_questions_where_nobody_can_answer(host: str, authfile: Path) -> None:
    done = run("login", PLAIN, "-u", "user", host, stdin="pass\n")
    assert done.stdout == b"Password: "
    assert done.code == 1
    assert "inappropriate ioctl for device" in messages(done)[0]
    assert "--password-stdin" in messages(done)[0]
    refused(run("login", "--password-stdin", host, stdin="pass"), "must provide --username with --password-stdin")
    refused(run("login", "--password-stdin", *USER, host), "can't specify both --password-stdin and --password")
    refused(run("login"), "please provide a registry to log in to")
    refused(run("login", "a", "b"), "login accepts only one registry to log in to")
    refused(run("logout"), "please provide a registry to log out from")
    refused(run("logout", "a", "b"), "logout accepts only one registry to log out from")
    assert not authfile.exists()


# Helpers that keep secrets


def test_a_helper_keeps_the_secret(htpasswd_registry: Registry, helpers: HelperPrograms, tmp_path: Path) -> None:
    host, file, env = htpasswd_registry.host, tmp_path / "auth.json", helpers.environ
    htpasswd_registry.push(IMAGE, "login/helped")
    helpers.keeper(pause=0.3)  # long enough to be seen
    for fields in ({"credHelpers": {host: "keeper"}}, {"credsStore": "keeper"}):
        file.write_text(json.dumps(fields))
        seen: list[str] = []
        with command_lines_seen(seen):
            said = ok(run("login", PLAIN, "-v", "-u", "user", "--password-stdin", "--authfile", file, host, stdin="pass", env=env))
        assert said == "Used:  credential helper: keeper\nLogin Succeeded!\n"
        assert any("docker-credential-keeper store" in line for line in seen)
        assert json.loads(helpers.kept[host])["Secret"] == "pass"
        assert "dXNlcjpwYXNz" not in file.read_text()
        ok(run("inspect", PLAIN, "--raw", "--authfile", file, htpasswd_registry.name("login/helped"), env=env))
        assert ok(run("login", "--get-login", "--authfile", file, host, env=env)) == "user\n"
        assert ok(run("logout", "--authfile", file, host, env=env)) == f"Removed login credentials for {host}\n"
        assert helpers.kept == {}
        refused(run("logout", "--authfile", file, host, env=env), f"not logged into {host}")


def test_an_identity_token_of_a_helper(token_registry: Registry, helpers: HelperPrograms, tmp_path: Path) -> None:
    """As Azure's: it is exchanged for tokens by the refresh grant."""
    token_registry.push(IMAGE, "private/azure")
    helpers.docker("acr-env", """cat > /dev/null; echo '{"Username":"<token>","Secret":"identity"}'""")
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"credHelpers": {token_registry.host: "acr-env"}}))
    ok(run("inspect", PLAIN, "--raw", "--authfile", file, token_registry.name("private/azure"), env=helpers.environ))
    refused(
        run("login", PLAIN, "--authfile", file, token_registry.host, env=helpers.environ),
        "currently logged in, auth file contains an Identity token",
    )


# We are the helper


def get(uri: str, *words: object) -> dict[str, object]:
    answer: dict[str, object] = json.loads(ok(run("credential-helper", "get", *words, stdin=json.dumps({"uri": uri, "more": 1}))))
    return answer


def test_we_answer_with_a_password(htpasswd_registry: Registry, host: str) -> None:
    ok(run("login", PLAIN, *USER, host))
    for path in ("/v2/a/b/manifests/v1", "/v2/a/b/blobs/sha256:0", "/v2/", "/any/file"):
        assert get(f"http://{host}{path}", PLAIN) == {"headers": {"Authorization": [BASIC]}}
    # Without a scheme https is meant, which is not asked for where there is no repository.
    assert get(host) == {"headers": {"Authorization": [BASIC]}}


def test_we_answer_with_a_token_for_the_repository(token_registry: Registry, token_server: TokenServer) -> None:
    ok(run("login", PLAIN, *USER, token_registry.host))
    token_registry.push(IMAGE, "private/helped")
    uri = f"http://{token_registry.host}/v2/private/helped/manifests/latest"
    before = len(token_server.requests)
    answer = get(uri, PLAIN)
    (asked,) = token_server.requests[before:]
    assert asked.query["scope"] == ["repository:private/helped:pull"]
    assert set(answer) == {"headers", "expires"}
    assert isinstance(answer["expires"], str)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["expires"])
    left = (datetime.fromisoformat(answer["expires"]) - datetime.now(UTC)).total_seconds()
    assert 200 < left <= 300
    headers = answer["headers"]
    assert isinstance(headers, dict)
    (value,) = headers["Authorization"]
    scheme, token = value.split()
    assert scheme == "Bearer"
    assert token_server.accepts(token, "repository:private/helped:pull")
    assert not token_server.accepts(token, "repository:private/helped:push")
    # It opens what Bazel would fetch with it.
    import urllib.request

    request = urllib.request.Request(uri, headers={"Authorization": value, "Accept": "application/vnd.oci.image.manifest.v1+json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
        assert response.read() == MANIFEST


def test_a_token_for_an_identity_token(token_registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {token_registry.host: {"identitytoken": "identity"}}}))
    file.chmod(0o600)
    answer = get(f"http://{token_registry.host}/v2/private/x/tags/list", PLAIN, "--authfile", file)
    assert str(answer["headers"]).startswith("{'Authorization': ['Bearer ")
    # It is no password, and without a repository there is nothing to have a token for.
    assert get(f"http://{token_registry.host}/", PLAIN, "--authfile", file) == {"headers": {}}


def test_a_registry_that_wants_tokens_for_repositories_alone(tmp_path: Path) -> None:
    class Below(BearerGate):
        def challenges(self, request: Request, scope: str) -> tuple[str, ...]:
            return super().challenges(request, scope) if scope else ()

    with TokenServer(tmp_path / "t") as tokens, Simulator(gate=Below(tokens.realm, tokens.accepts)) as registry:
        ok(run("login", PLAIN, *USER, registry.host))
        answer = get(f"http://{registry.host}/v2/test/image/manifests/latest", PLAIN)
        assert str(answer["headers"]).startswith("{'Authorization': ['Bearer ")


def test_nobody_is_asked_about_whom_we_know_nothing(token_registry: Registry, token_server: TokenServer) -> None:
    before = len(token_server.requests)
    for uri in ("https://nowhere.invalid/v2/a/manifests/b", f"http://{token_registry.host}/v2/a/manifests/b"):
        assert get(uri, PLAIN) == {"headers": {}}
    assert len(token_server.requests) == before


def test_no_secret_goes_over_plain_http_unasked(host: str) -> None:
    ok(run("login", PLAIN, *USER, host))
    done = run("credential-helper", "get", stdin=json.dumps({"uri": f"http://{host}/v2/a/manifests/b"}))
    assert (done.code, json.loads(done.stdout)) == (0, {"headers": {}})
    assert "plain http" in done.stderr


@pytest.mark.parametrize("question", ["", "[]", "{}", '{"uri": 5}', '{"url": "https://quay.io"}', '{"uri": "ftp://x/"}', '{"uri": "https://u:hunter2@quay.io/"}', "x" * 70000])
def test_questions_that_are_none(question: str) -> None:
    done = run("credential-helper", "get", stdin=question)
    assert (done.code, done.stdout, len(messages(done))) == (1, b"", 1)
    assert "hunter2" not in done.stderr
    assert run("credential-helper", "sing", stdin=question).code == 1


def test_credentials_that_are_refused_are_no_answer(host: str, token_registry: Registry, authfile: Path) -> None:
    auth = base64.b64encode(b"user:hunter2").decode()
    authfile.parent.mkdir(parents=True, exist_ok=True)
    authfile.write_text(json.dumps({"auths": {host: {"auth": auth}, token_registry.host: {"auth": auth}}}))
    authfile.chmod(0o600)
    for registry in (host, token_registry.host):
        uri = f"http://{registry}/v2/private/x/manifests/y"
        done = run("credential-helper", "get", PLAIN, stdin=json.dumps({"uri": uri}))
        assert (done.code, done.stdout) == (1, b"")
        assert "401, tried as user user" in done.stderr
        assert "hunter2" not in done.stderr
        assert auth not in done.stderr


NOT_FOUND = (1, b"credentials not found in native keychain\n", "")


def said(done: Done) -> tuple[int, bytes, str]:
    return done.code, done.stdout, done.stderr


def test_we_are_a_helper_of_dockers(authfile: Path) -> None:
    hub = "https://index.docker.io/v1/"
    for server, user, secret in ((hub, "me", 'hun"ter2'), ("quay.io", "<token>", "identity"), ("https://ghcr.io", "ü", "p")):
        question = json.dumps({"ServerURL": server, "Username": user, "Secret": secret})
        assert said(run("credential-helper", "docker-get", stdin=server)) == NOT_FOUND
        assert said(run("credential-helper", "store", stdin=question)) == (0, b"", "")
        answer = json.loads(ok(run("credential-helper", "docker-get", stdin=f"{server}\n")))
        assert answer == {"ServerURL": server, "Username": user, "Secret": secret}
    assert sorted(json.loads(authfile.read_text())["auths"]) == ["docker.io", "ghcr.io", "quay.io"]
    assert stat.S_IMODE(authfile.stat().st_mode) == 0o600
    assert json.loads(ok(run("credential-helper", "list"))) == {hub: "me", "ghcr.io": "ü", "quay.io": ""}
    for action in ("erase", "docker-erase"):
        assert said(run("credential-helper", action, stdin=hub)) == (0, b"", "")
        assert said(run("credential-helper", "docker-get", stdin=hub)) == NOT_FOUND
    for action, question in (("docker-get", "a b"), ("store", "[]"), ("store", '{"ServerURL": "a", "Username": "hunter2"}'), ("erase", "")):
        done = run("credential-helper", action, stdin=question)
        assert (done.code, done.stdout.count(b"\n"), done.stderr) == (1, 1, "")
        assert b"hunter2" not in done.stdout


def test_by_dockers_name(helpers: HelperPrograms, authfile: Path) -> None:
    script = (
        "import sys; sys.argv[0] = '/somewhere/docker-credential-pyskopeo'; "
        "from pyskopeo.cli.main import run; run()"
    )
    def call(action: str, stdin: str = "") -> Done:
        return _run([sys.executable, "-c", script, action], stdin, {})

    assert said(call("get", "quay.io")) == NOT_FOUND
    assert said(call("store", '{"ServerURL":"quay.io","Username":"u","Secret":"s"}')) == (0, b"", "")
    assert json.loads(ok(call("get", "quay.io"))) == {"ServerURL": "quay.io", "Username": "u", "Secret": "s"}
    assert json.loads(ok(call("list"))) == {"quay.io": "u"}
    assert said(call("erase", "quay.io")) == (0, b"", "")
    assert said(call("get", "quay.io")) == NOT_FOUND


@pytest.mark.peer("skopeo")
def test_skopeo_asks_us(htpasswd_registry: Registry, helpers: HelperPrograms, tmp_path: Path, authfile: Path) -> None:
    """Its file names us; ours has the secret."""
    host = htpasswd_registry.host
    htpasswd_registry.push(IMAGE, "login/asked")
    helpers.pyskopeo("docker-credential-mine", "credential-helper", "docker-")
    theirs = tmp_path / "theirs.json"
    theirs.write_text(json.dumps({"auths": {}, "credHelpers": {host: "mine"}}))
    env = helpers.environ
    ok(skopeo("login", PLAIN, *USER, "--authfile", theirs, host, env=env))
    assert list(json.loads(authfile.read_text())["auths"]) == [host]
    ok(skopeo("inspect", PLAIN, "--raw", "--authfile", theirs, htpasswd_registry.name("login/asked"), env=env))
    ok(skopeo("logout", "--authfile", theirs, host, env=env))
    assert json.loads(authfile.read_text()) == {"auths": {}}


@pytest.mark.parametrize("name", ["pyskopeo", "mine", "{folder}/docker-credential-mine"])
@pytest.mark.parametrize("field", ["credHelpers", "credsStore"])
def test_we_do_not_ask_ourselves_for_ever(field: str, name: str, helpers: HelperPrograms, authfile: Path) -> None:
    """Our own file names us, by our name or behind a script: what it holds itself is what we know."""
    helper = name.format(folder=helpers.folder)
    for script in ("docker-credential-mine", "docker-credential-pyskopeo"):
        helpers.shell(script, "")
        helpers.pyskopeo(script, "credential-helper", "docker-")
    text = helpers.folder / "docker-credential-mine"
    text.write_text(text.read_text().replace("exec", "echo >> $OUT/runs; exec"))
    authfile.parent.mkdir(parents=True, exist_ok=True)
    auth = base64.b64encode(b"user:secret").decode()
    fields: dict[str, object] = {"auths": {"quay.io": {"auth": auth}}}
    authfile.write_text(json.dumps({**fields, field: {"quay.io": helper} if field == "credHelpers" else helper}))
    authfile.chmod(0o600)
    env = helpers.environ
    answer = run("credential-helper", "docker-get", stdin="quay.io", env=env)
    assert json.loads(ok(answer))["Secret"] == "secret"
    question = '{"ServerURL":"quay.io","Username":"u","Secret":"s"}'
    assert said(run("credential-helper", "store", stdin=question, env=env)) == (0, b"", "")
    assert said(run("credential-helper", "erase", stdin="quay.io", env=env)) == (0, b"", "")
    assert said(run("credential-helper", "docker-get", stdin="quay.io", env=env)) == NOT_FOUND
    # Once for each question at most.
    assert helpers.said("runs").count("\n") <= 4
