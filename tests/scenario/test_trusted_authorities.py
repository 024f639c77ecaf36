"""Which authorities are trusted: those that other programs on the same machine trust."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyskopeo.http.client_context import ClientContext
from tests.support.cli import Done, fatal, pyskopeo_here
from tests.support.images import build
from tests.support.require import require_peer
from tests.support.simulator import Simulator
from tests.support.tls import Authority

pytestmark = pytest.mark.usefixtures("no_machine_policy")


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[Simulator]:
    """It has a certificate as many companies make them."""
    with Simulator(build("docker"), tls=authority.server("plain", identifiers=False)) as running:
        yield running


def inspect(registry: Simulator, *flags: str) -> Done:
    return pyskopeo_here("inspect", "--retry-times=0", *flags, registry.name())


def test_nobody_is_trusted_without_a_reason(secure: Simulator) -> None:
    assert "certificate not trusted" in fatal(inspect(secure))


def test_no_newer_python_refuses_what_others_accept() -> None:
    """Since 3.13, Python's default settings are stricter; the server here has such a certificate."""
    assert not ClientContext().verify_flags & ssl.VERIFY_X509_STRICT


def test_a_log_of_keys_that_cannot_be_written(
    secure: Simulator, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the variable is for is of no interest here, and it is no reason to fail."""
    (tmp_path / "ca.crt").write_bytes(authority.path.read_bytes())
    monkeypatch.setenv("SSLKEYLOGFILE", "/nonexistent/keys")
    done = inspect(secure, f"--cert-dir={tmp_path}")
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("separator", [":", "::"])
def test_directories_of_the_environment(
    separator: str, secure: Simulator, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, name in (("one", "other.txt"), ("two", "company-root.pem")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(authority.path.read_bytes() if folder == "two" else b"x")
    monkeypatch.setenv("SSL_CERT_DIR", separator.join((str(tmp_path / "one"), str(tmp_path / "two"))))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "one" / "other.txt"))
    done = inspect(secure)
    assert done.code == 0, done.stderr
    assert done.stderr.count("other.txt") == 1


def test_bad_files_beside_a_good_one(secure: Simulator, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(authority.path.read_bytes())
    (tmp_path / "empty.crt").touch()
    (tmp_path / "folder.crt").mkdir()
    (tmp_path / "gone.crt").symlink_to("nowhere")
    done = inspect(secure, f"--cert-dir={tmp_path}")
    assert done.code == 0, done.stderr
    for name in ("empty.crt", "folder.crt", "gone.crt"):
        assert done.stderr.count(name) == 1
    assert str(tmp_path / "ca.crt") not in done.stderr


def test_a_directory_of_one_host(secure: Simulator, authority: Authority, clean_environment: Path) -> None:
    folder = clean_environment / ".config/containers/certs.d" / secure.host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.path.read_bytes())
    (folder / "empty.crt").touch()
    done = inspect(secure)
    assert done.code == 0, done.stderr
    assert "empty.crt is not used: no PEM certificate in it" in done.stderr


def test_a_directory_that_is_not_there(secure: Simulator, tmp_path: Path) -> None:
    """As for skopeo it is no error, but it is said: it may be a mistake in its name."""
    done = inspect(secure, f"--cert-dir={tmp_path}/none")
    assert f"certificate directory {tmp_path}/none does not exist" in done.stderr
    assert "certificate not trusted" in done.stderr
    assert inspect(secure, f"--cert-dir={tmp_path}/none", "--tls-verify=false").code == 0


@pytest.fixture
def second(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority in the file of all, where the directory has another one, by the hash of its name, as Debian's do."""
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "first.pem").write_bytes(authority.path.read_bytes())
    (folder / f"{name_hash(authority.path)}.0").symlink_to("first.pem")
    second = Authority.create(tmp_path / "second", "Second CA")
    (folder / "all.crt").write_bytes(authority.path.read_bytes() + second.path.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "all.crt"))
    return second


def name_hash(certificate: Path) -> str:
    """The name under which OpenSSL looks for an authority."""
    command = [require_peer("openssl"), "x509", "-noout", "-hash", "-in", str(certificate)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def loads_of_all(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is added to for each time that the file of all authorities is loaded."""
    loads, original = list[str](), ssl.SSLContext.load_default_certs

    def load(context: ssl.SSLContext) -> None:
        loads.append("all")
        original(context)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", load)
    return loads


def test_one_authority_is_looked_up(secure: Simulator, second: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading the file of all takes longer than the rest of a short command."""
    loads = loads_of_all(monkeypatch)
    assert inspect(secure).code == 0
    assert loads == []


def test_the_others_are_loaded_where_they_are_needed(second: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = loads_of_all(monkeypatch)
    with Simulator(build("docker"), tls=second.server("second")) as registry:
        assert inspect(registry).code == 0
    assert loads == ["all"]


def test_an_unknown_authority_is_refused_once_all_are_known(
    second: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, unknown = loads_of_all(monkeypatch), Authority.create(tmp_path / "unknown", "Unknown CA")
    with Simulator(build("docker"), tls=unknown.server("unknown")) as registry:
        assert "certificate not trusted: certificate signed by unknown authority" in fatal(inspect(registry))
        assert not registry.requests
    assert loads == ["all"]
