"""What flags and the environment together make of an `Access`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.access import Access, Network
from pyskopeo.cli import copy, login
from pyskopeo.cli.accounts import reaching
from pyskopeo.cli.command import GLOBAL
from pyskopeo.cli.flags import Flag, Parsed, UsageError, parse
from pyskopeo.cli.options import access
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
    return access(parsed(copy.COMMAND.flags, *words), "dest-", ignore)


def test_without_flags_the_environment_counts() -> None:
    found = destination()
    assert found.trust.daemon_certificates == Path("/environ/certs")
    assert found.trust.roots == Access.from_environ().trust.roots != ()
    assert (found.trust.insecure, found.trust.cert_dir, found.trust.realms) == (None, None, frozenset())
    assert (found.network.daemon_host, found.storage.scratch) == ("tcp://environ", Path("/environ/tmp"))
    assert found.network.proxies.for_url("https", "registry.example") == "http://proxy.example:1"
    assert (found.network.retry, found.network.stall_timeout) == (Retry(), Network().stall_timeout)


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
    assert (found.network.user_agent, found.network.daemon_host) == (f"robot {Network().user_agent}", "tcp://flag")
    assert found.network.proxies == usual.network.proxies
    assert (found.storage.scratch, found.storage.shared_blobs) == (Path("/flag/tmp"), Path("/blobs"))


def test_logging_in_reaches_a_registry_as_all_others_do() -> None:
    found = reaching(parsed(login.COMMAND.flags, "--tls-verify=false", "--trust-realm=a.example"), None)
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
