"""Connections to a Docker daemon: certificates, and daemons that are not there."""

from __future__ import annotations

import errno
import ssl
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

import pyskopeo
from pyskopeo.access import Access
from pyskopeo.config.tls_details import TlsDetails
from pyskopeo.errors import (
    CertificateNotTrusted,
    ConnectionFailed,
    DaemonError,
    InvalidInput,
    PathNotFound,
    Stalled,
)
from pyskopeo.http.tls import Trust
from pyskopeo.transports.docker_daemon.address import Address, tls_context
from pyskopeo.transports.docker_daemon.engine_api import ORIGIN
from pyskopeo.transports.docker_daemon.messages import (
    DaemonErrorMapping,
)
from tests.support.daemon_access import NAME, access
from tests.support.fake_daemon import FakeDaemon
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.outputs import write_layout
from tests.support.tls import Authority, KeyPair, ServerCertificate

pytestmark = pytest.mark.anyio


class Old(ServerCertificate):
    """A server that knows nothing newer than TLS 1.2."""

    def server_context(self) -> ssl.SSLContext:
        context = super().server_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


class TestCertificates:
    @pytest.fixture
    def client(self, authority: Authority) -> KeyPair:
        return authority.client("daemon-client")

    def directory(self, tmp_path: Path, authority: Authority, client: KeyPair, *names: str) -> Path:
        for name, path in (("ca.pem", authority.path), ("cert.pem", client.certificate), ("key.pem", client.key)):
            if name in names:
                (tmp_path / name).write_bytes(path.read_bytes())
        return tmp_path

    @pytest.mark.parametrize("names", [("cert.pem",), ("ca.pem", "key.pem")])
    def test_half_a_pair(self, names: tuple[str, ...], authority: Authority, client: KeyPair, tmp_path: Path) -> None:
        directory = self.directory(tmp_path, authority, client, *names)
        with pytest.raises(InvalidInput, match=r"cert.pem and key.pem go together"):
            tls_context(Trust(cert_dir=directory), pytest.fail)

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="no ca.pem, cert.pem or key.pem in this directory"):
            tls_context(Trust(cert_dir=tmp_path), pytest.fail)

    def test_what_is_no_certificate(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_bytes(b"x")
        with pytest.raises(InvalidInput, match="cannot use the certificates in"):
            tls_context(Trust(cert_dir=tmp_path), pytest.fail)

    async def test_both_sides_show_theirs(
        self, authority: Authority, client: KeyPair, tmp_path: Path, scratch: Path
    ) -> None:
        directory = self.directory(tmp_path, authority, client, "ca.pem", "cert.pem", "key.pem")
        with FakeDaemon(tls=authority.server("daemon", client_authority=authority.path)) as daemon:
            mutual = access(daemon, scratch, trust=Trust(cert_dir=directory))
            large = build(ImageSpec("oci", layers=(LayerSpec("large", size=3_000_000),)))
            source = f"oci:{write_layout(large, tmp_path / 'source')}"
            await pyskopeo.copy(source, NAME, destination_access=mutual)
            await pyskopeo.copy(NAME, f"dir:{tmp_path}/out", source_access=mutual)
            assert (tmp_path / "out" / large.config_digest()[7:]).read_bytes() == large.config()
            environment = {"DOCKER_HOST": daemon.host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(directory)}
            async with pyskopeo.open_source(NAME, Access.from_environ(environment)) as again:
                assert (await again.manifest()).config is not None
            (directory / "cert.pem").unlink()
            (directory / "key.pem").unlink()
            with pytest.raises(ConnectionFailed, match=r"wants no TLS with us: [a-z0-9 ]+; see the --cert-dir|broke off"):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/none", source_access=mutual)

    async def test_a_stranger_is_not_trusted(self, authority: Authority, tmp_path: Path, scratch: Path) -> None:
        other = Authority.create(tmp_path / "other", "Other CA")
        (tmp_path / "ca.pem").write_bytes(other.path.read_bytes())
        with FakeDaemon(tls=authority.server("daemon")) as daemon:
            strict = access(daemon, scratch, trust=Trust(cert_dir=tmp_path))
            with pytest.raises(CertificateNotTrusted, match=r"cannot trust the Docker daemon at tcp://.*--cert-dir"):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/none", source_access=strict)
            lax = replace(strict, trust=replace(strict.trust, insecure=True))
            with pytest.raises(PathNotFound, match="reference does not exist"):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/none", source_access=lax)

    @pytest.mark.parametrize(("least", "works"), [("1.2", True), ("1.3", False)])
    @pytest.mark.parametrize("insecure", [True, False])
    async def test_the_least_version_of_tls(
        self, least: str, works: bool, insecure: bool, authority: Authority, tmp_path: Path, scratch: Path
    ) -> None:
        """``--tls-details`` holds for a daemon, too."""
        (tmp_path / "ca.pem").write_bytes(authority.path.read_bytes())
        certificate = authority.server("old-daemon")
        with FakeDaemon(tls=Old(certificate.pair, certificate.authority)) as daemon:
            trust = Trust(cert_dir=tmp_path, details=TlsDetails(min_version=least), insecure=insecure)
            with pytest.raises(PathNotFound if works else ConnectionFailed, match=None if works else "TLS failed"):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/none", source_access=access(daemon, scratch, trust=trust))
            assert bool(daemon.calls) is works

    async def test_a_certificate_without_identifiers(self, authority: Authority, tmp_path: Path, scratch: Path) -> None:
        """Python 3.13 and later would refuse it by default."""
        (tmp_path / "ca.pem").write_bytes(authority.path.read_bytes())
        assert not tls_context(Trust(cert_dir=tmp_path), pytest.fail).verify_flags & ssl.VERIFY_X509_STRICT
        with FakeDaemon(tls=authority.server("plain-daemon", identifiers=False)) as daemon:
            trust = Trust(cert_dir=tmp_path)
            with pytest.raises(PathNotFound, match="reference does not exist"):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/none", source_access=access(daemon, scratch, trust=trust))

    async def test_plain_http_to_a_daemon_that_wants_tls(self, scratch: Path, tmp_path: Path) -> None:
        with FakeDaemon(tcp=True) as daemon:
            said = b"Client sent an HTTP request to an HTTPS server.\n"
            daemon.on["ping"] = lambda call: call.answer(400, said)
            with pytest.raises(DaemonError, match=r"an HTTPS server.; say https://, or name a directory"):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/none", source_access=access(daemon, scratch))

    async def test_tls_to_a_daemon_that_speaks_none(self, scratch: Path, tmp_path: Path) -> None:
        with FakeDaemon(tcp=True) as daemon:
            daemon.on["ping"] = lambda call: None
            daemon.reads_anything = True
            other = access(daemon.host.replace("tcp", "https"), scratch)
            with pytest.raises(ConnectionFailed):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/none", source_access=other)


class TestUnreachable:
    async def fails(self, host: str, scratch: Path) -> str:
        with pytest.raises(ConnectionFailed) as caught:
            async with pyskopeo.open_source(NAME, access(host, scratch)):
                pass
        assert not caught.value.temporary
        assert str(caught.value).startswith(f"Cannot connect to the Docker daemon at {host}: ")
        return str(caught.value)

    async def test_no_socket(self, scratch: Path) -> None:
        found = await self.fails(f"unix://{scratch}/none", scratch)
        assert found.endswith("no such socket; start the daemon, or name another by DOCKER_HOST or a --daemon-host flag")

    async def test_nobody_listens(self, scratch: Path) -> None:
        with FakeDaemon(tcp=True) as daemon:
            pass
        assert "connection refused; start the daemon" in await self.fails(daemon.host, scratch)
        (scratch / "file").write_bytes(b"")
        assert "connection refused" in await self.fails(f"unix://{scratch}/file", scratch)

    async def test_a_path_that_is_too_long(self, scratch: Path) -> None:
        assert "too long" in await self.fails(f"unix:///{'x' * 200}", scratch)

    async def test_a_name_that_is_none(self, scratch: Path) -> None:
        await self.fails("tcp://nothing.invalid:1", scratch)

    def test_no_permission(self, scratch: Path) -> None:
        errors = DaemonErrorMapping(Address.parse(f"unix://{scratch}/s"), "what", 1.0)
        error = errors.connect_error(PermissionError(errno.EACCES, "Permission denied"), ORIGIN)
        assert str(error).endswith("permission denied; join the group of its socket, or be root")

    async def test_one_that_takes_no_more_connections(self, scratch: Path) -> None:
        import socket

        with tempfile.TemporaryDirectory(prefix="d-") as folder, socket.socket(socket.AF_UNIX) as server:
            server.bind(f"{folder}/s")
            server.listen(0)
            waiting = socket.socket(socket.AF_UNIX)
            waiting.connect(f"{folder}/s")
            with pytest.raises(Stalled, match=r"takes no connection for 0.3 s"):
                async with pyskopeo.open_source(NAME, access(f"unix://{folder}/s", scratch, connect_timeout=0.3)):
                    pass
            waiting.close()
