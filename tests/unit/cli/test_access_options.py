"""What flags and the environment together make of an `Access`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyskopeo.access import Access, Network, Ranges, Storage
from pyskopeo.cli import copy, copy_options, delete, login, sync
from pyskopeo.cli.access_options import AccessOptions
from pyskopeo.cli.accounts import read_access
from pyskopeo.cli.command import GLOBAL, Command
from pyskopeo.cli.flags import Flag, Parsed, UsageError, parse
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.credentials.bazel_helper import HeaderHelper
from pyskopeo.errors import PolicyRejected
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from pyskopeo.model.events import ignore
from pyskopeo.transports import parse_image_name

ENVIRON = {
    "HOME": "/h",
    "TMPDIR": "/environ/tmp",
    "DOCKER_HOST": "tcp://environ",
    "DOCKER_TLS_VERIFY": "1",
    "DOCKER_CERT_PATH": "/environ/certs",
    "HTTPS_PROXY": "http://proxy.example:1",
}


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)


def parsed(flags: tuple[Flag, ...], *words: str) -> Parsed:
    return parse(words, (*GLOBAL, *flags))[0]


def destination(*words: str) -> Access:
    return AccessOptions.of(parsed(copy.COMMAND.flags, *words), "dest-").access(ignore)


def test_without_flags_the_environment_counts() -> None:
    found = destination()
    assert found.trust.daemon_certificates == Path("/environ/certs")
    assert found.trust.roots == Access.from_environ().trust.roots != ()
    assert (found.trust.insecure, found.trust.cert_dir, found.trust.realms) == (None, None, frozenset())
    assert (found.network.daemon_host, found.storage.scratch) == ("tcp://environ", Path("/environ/tmp"))
    assert found.network.proxies.for_url("https", "registry.example") == "http://proxy.example:1"
    assert (found.network.retry, found.network.stall_timeout) == (Retry(), Network().stall_timeout)
    assert found.network.response_timeout == Network().response_timeout


@pytest.mark.parametrize("command", [copy.COMMAND, sync.COMMAND], ids=["copy", "sync"])
def test_what_is_kept_of_interrupted_downloads(command: Command[Any]) -> None:
    def storage(*words: str) -> Storage:
        return AccessOptions.of(parsed(command.flags, *words), "dest-").access(ignore).storage

    assert (storage().resume, storage().partial_age) == (True, 7 * 24 * 3600.0)
    given = storage("--no-resume", "--partial-age=12h")
    assert (given.resume, given.partial_age) == (False, 12 * 3600.0)
    assert storage("--partial-age=30d").partial_age == 30 * 24 * 3600.0


@pytest.mark.parametrize(
    ("words", "stall", "response"),
    [
        (("--response-timeout=7s",), 60.0, 7.0),
        (("--stall-timeout=2m",), 120.0, 360.0),
        (("--stall-timeout=9s", "--response-timeout=8m"), 9.0, 480.0),
    ],
)
def test_timeouts(words: tuple[str, ...], stall: float, response: float) -> None:
    found = destination(*words).network
    assert (found.stall_timeout, found.response_timeout) == (stall, response)


@pytest.mark.parametrize("words", [(), ("--retry-times=2",), ("--retry-delay=1s",)])
def test_how_long_a_server_is_waited_for(words: tuple[str, ...]) -> None:
    assert destination(*words).network.retry.max_retry_after == 300.0
    assert destination("--max-retry-after=1h", *words).network.retry.max_retry_after == 3600.0


def test_parts_of_large_blobs() -> None:
    assert destination().network.ranges == Ranges(16, 16 * 1024 * 1024, 64 * 1024 * 1024)
    assert destination("--range-parts=4", "--range-size=1.5M").network.ranges == Ranges(4, 3 * 512 * 1024)


def test_flags_take_the_place_of_what_they_are_about_and_of_nothing_else() -> None:
    found = destination(
        "--dest-tls-verify=false", "--dest-cert-dir=/c", "--trust-realm=a.example,b.example:5000", "--retry-times=7",
        "--stall-timeout=9s", "--user-agent-prefix=robot", "--dest-daemon-host=tcp://flag", "--tmpdir=/flag/tmp",
        "--dest-shared-blob-dir=/blobs", "--src-shared-blob-dir=/other",
    )  # fmt: skip
    usual = Access.from_environ()
    assert found.trust == Trust(
        insecure=True, cert_dir=Path("/c"), roots=usual.trust.roots, daemon_certificates=Path("/environ/certs"),
        realms=frozenset({"a.example", "b.example:5000"}),
    )  # fmt: skip
    assert (found.network.retry.times, found.network.stall_timeout) == (7, 9.0)
    assert found.network.response_timeout == 27.0
    assert (found.network.user_agent, found.network.daemon_host) == (f"robot {Network().user_agent}", "tcp://flag")
    assert found.network.proxies == usual.network.proxies
    assert (found.storage.scratch, found.storage.shared_blobs) == (Path("/flag/tmp"), Path("/blobs"))


def test_logging_in_reaches_a_registry_as_all_others_do() -> None:
    found = read_access(parsed(login.COMMAND.flags, "--tls-verify=false", "--trust-realm=a.example"), None)
    assert (found.trust.insecure, found.trust.realms) == (True, frozenset({"a.example"}))
    assert found.trust.roots == Access.from_environ().trust.roots
    assert found.network.proxies == Access.from_environ().network.proxies


def test_signatures_can_be_required_of_any_policy(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    subject = parse_image_name("docker://a/b:c").subject()
    destination(f"--policy={policy}").policy().judge(subject, "name")
    for found in (
        destination(f"--policy={policy}", "--require-signed"),
        Access.from_environ(policy=str(policy), require_signed=True),
    ):
        with pytest.raises(PolicyRejected, match="accepts it unsigned"):
            found.policy().judge(subject, "name")
    policy.write_text("{")
    destination(f"--policy={policy}", "--insecure-policy").policy().judge(subject, "name")
    with pytest.raises(UsageError, match="mutually exclusive"):
        destination("--insecure-policy", "--require-signed")


@pytest.mark.parametrize(
    ("words", "source", "destination"),
    [
        ((), None, None),
        (("--src-tls-verify=false",), True, None),
        (("--tls-verify=false",), True, True),
        (("--tls-verify=false", "--dest-tls-verify"), True, False),
        (("--tls-verify", "--src-tls-verify=false"), True, False),
    ],
)
def test_tls_verify_of_one_side_or_of_both(words: tuple[str, ...], source: bool | None, destination: bool | None) -> None:
    read = parsed(copy.COMMAND.flags, *words)
    found = [AccessOptions.of(read, prefix).access(ignore).trust.insecure for prefix in ("src-", "dest-")]
    assert found == [source, destination]


def test_credentials_of_one_side() -> None:
    words = (
        "--src-creds=a:b:c", "--dest-username=d", "--dest-password=", "--authfile=/both", "--dest-authfile=/dest",
        "--src-registry-token=t", "--auth-strict", "--credential-helper=*.example=/helper",
    )  # fmt: skip
    read = parsed(copy.COMMAND.flags, *words)
    source, target = (AccessOptions.of(read, prefix).access(ignore).keychain for prefix in ("src-", "dest-"))
    assert (source.credentials, target.credentials) == (Credentials("a", "b:c"), Credentials("d", ""))
    assert (source.authfile, target.authfile) == (Path("/both"), Path("/dest"))
    assert (source.registry_token, target.registry_token) == ("t", "")
    for keychain in (source, target):
        assert (keychain.strict, keychain.anonymous) == (True, False)
        assert keychain.header_helpers == (HeaderHelper("*.example", "/helper"),)
    assert AccessOptions.of(parsed(copy.COMMAND.flags, "--screds=e:f"), "src-").credentials.credentials == Credentials("e", "f")


def test_secrets_are_not_in_the_options_as_text() -> None:
    words = ("--src-creds=a:hunter2", "--src-registry-token=hunter2", "dir:a", "dir:b")
    assert "hunter2" not in repr(copy_options.CopyOptions.of(parsed(copy.COMMAND.flags, *words)))
    credentials = ("--username=a", "--password=hunter2", "quay.io")
    assert "hunter2" not in repr(login.LoginOptions.of(parsed(login.COMMAND.flags, *credentials)))


@pytest.mark.parametrize(("terminal", "password"), [(True, "typed"), (False, "")])
def test_a_user_name_alone_asks_for_the_password_at_a_terminal(
    terminal: bool, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: terminal)
    monkeypatch.setattr("getpass.getpass", lambda prompt, stream: "typed" if prompt == "Password for me: " else prompt)
    assert destination("--dest-creds=me").keychain.credentials == Credentials("me", password)
    assert destination("--dest-creds=me:").keychain.credentials == Credentials("me", "")


def test_commands_for_registries_have_no_flags_for_other_transports() -> None:
    options = AccessOptions.of(parsed(delete.COMMAND.flags, "--tmpdir=/flag/tmp"))
    assert (options.daemon_host, options.shared_blobs) == (None, None)
    assert options.access(ignore).network.daemon_host == "tcp://environ"
    assert options.access(ignore).storage.scratch == Path("/flag/tmp")


@pytest.mark.parametrize(
    ("words", "found"), [((), "/environ/store"), (("--store=/flag/store",), "/flag/store"), (("--store=",), None)]
)
def test_where_the_store_is(words: tuple[str, ...], found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSKOPEO_STORE", "/environ/store")
    assert destination(*words).storage.store == (None if found is None else Path(found))


def test_requests_are_allowed_unless_they_are_forbidden() -> None:
    assert not destination().network.offline
    assert destination("--offline").network.offline
    assert destination().storage.store is None


@pytest.mark.parametrize(
    ("words", "total", "per_host"),
    [
        (("--limit-rate=10M",), 10 * 1024**2, 0),
        (("--limit-rate=500k", "--limit-rate-per-host", "1.5G"), 500 * 1024, 3 * 1024**3 // 2),
        (("--limit-rate-per-host=1000",), 0, 1000),
    ],
)
def test_rate_limits_are_one_object_for_both_sides(words: tuple[str, ...], total: int, per_host: int) -> None:
    read = parsed(copy.COMMAND.flags, *words)
    source, target = (AccessOptions.of(read, prefix).access(ignore).network.rate_limits for prefix in ("src-", "dest-"))
    assert source is target
    assert source is not None
    found = source.of_host("a")
    assert found is not None
    assert [limit.rate for limit in found.limits] == [rate for rate in (per_host, total) if rate]


@pytest.mark.parametrize("words", [(), ("--limit-rate=0",), ("--limit-rate=none", "--limit-rate-per-host=0")])
def test_no_rate_limit(words: tuple[str, ...]) -> None:
    assert destination(*words).network.rate_limits is None


@pytest.mark.parametrize("text", ["", "fast", "-1", "10X", "1M/s", "1e6"])
def test_a_rate_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match=r'invalid argument "[^"]*" for "--limit-rate" flag: want bytes per second such as 500K'):
        destination(f"--limit-rate={text}")
