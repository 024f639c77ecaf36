"""``--tls-details``: what a file says of TLS holds for every connection."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import fatal, pyskopeo_here
from tests.support.images import build
from tests.support.simulator import Simulator
from tests.support.tls import Authority, ServerCertificate

pytestmark = pytest.mark.usefixtures("no_machine_policy")

IMAGE = build("docker")


class _Old(ServerCertificate):
    """A server that knows nothing newer than TLS 1.2."""

    def server_context(self) -> ssl.SSLContext:
        context = super().server_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


class TestTlsDetails:
    """``--tls-details`` holds for every connection, verified or not."""

    @pytest.fixture
    def old(self, authority: Authority) -> Iterator[Simulator]:
        certificate = authority.server("old")
        with Simulator(IMAGE, tls=_Old(certificate.pair, certificate.authority)) as running:
            yield running

    @pytest.mark.parametrize("verify", ["--cert-dir={}", "--tls-verify=false"])
    @pytest.mark.parametrize(("least", "code"), [("1.2", 0), ("1.3", 1)])
    def test_the_least_version(
        self, least: str, code: int, verify: str, old: Simulator, authority: Authority, tmp_path: Path
    ) -> None:
        details = tmp_path / "tls.yaml"
        details.write_text(f'minVersion: "{least}"\n')
        (tmp_path / "certs").mkdir()
        (tmp_path / "certs/ca.crt").write_bytes(authority.path.read_bytes())
        flags = (verify.format(tmp_path / "certs"), "--retry-times=0")
        done = pyskopeo_here(f"--tls-details={details}", "inspect", *flags, old.name())
        assert done.code == code, done.stderr
        if code:
            said = fatal(done)
            assert said.startswith(f'Error parsing image name "{old.name()}": {old.host}: ')
            assert said.endswith(": TLS: protocol version not supported (tlsv1 alert protocol version)")
            assert old.log == []

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("minVersion: '1.3'\nmaxVersion: '1.3'\n", 'unknown key "maxVersion"; want minVersion'),
            ("minVersion: '1.4'\n", 'unrecognized TLS minimum version "1.4"'),
            ("cipherSuites: [TLS_FOO]\n", 'unrecognized TLS cipher suite "TLS_FOO"'),
        ],
    )
    @pytest.mark.parametrize("words", [("copy", "{}", "dir:{}/o"), ("inspect", "{}"), ("list-tags", "{}"), ("delete", "{}")])
    def test_mistakes(self, words: tuple[str, ...], text: str, said: str, registry: Simulator, tmp_path: Path) -> None:
        details = tmp_path / "tls.yaml"
        details.write_text(text)
        name = registry.name().removesuffix(":latest") if words[0] == "list-tags" else registry.name()
        names = [word.format(name if word == "{}" else tmp_path) for word in words[1:]]
        assert fatal(pyskopeo_here(f"--tls-details={details}", words[0], *names)).startswith(f"{details}: {said}")
        assert registry.log == []

    def test_a_file_that_is_not_there(self, registry: Simulator, tmp_path: Path) -> None:
        done = pyskopeo_here(f"--tls-details={tmp_path}/none", "inspect", registry.name())
        assert fatal(done) == f"open {tmp_path}/none: no such file or directory"
