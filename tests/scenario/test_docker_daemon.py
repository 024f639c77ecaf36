"""A Docker daemon's API: addresses, answers, and a daemon that does everything wrong."""

from __future__ import annotations

import errno
import io
import stat
import tarfile
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

import pyskopeo
from pyskopeo.access import Access, Network, Writing
from pyskopeo.errors import (
    CertificateNotTrusted,
    ConnectionFailed,
    ContentMismatch,
    DaemonError,
    InvalidContent,
    InvalidInput,
    InvalidName,
    PathNotFound,
    PyskopeoError,
    Stalled,
    TooLarge,
    Unsupported,
)
from pyskopeo.http.tls import Trust
from pyskopeo.storage.tar import TarWriter
from pyskopeo.streams.pump import uncounted
from pyskopeo.transports.docker_daemon.address import (
    DEFAULT,
    Address,
    certificate_directory,
    daemon_address,
    tls_context,
)
from pyskopeo.transports.docker_daemon.engine_api import ORIGIN, DaemonClient
from pyskopeo.transports.docker_daemon.image_load import ImageLoad
from pyskopeo.transports.docker_daemon.messages import (
    LIMIT,
    DaemonErrorMapping,
    check_archive_tail,
    check_messages,
    error_from_response,
)
from tests.support.access import networked
from tests.support.fake_daemon import LOADED, Call, FakeDaemon, Script, pieces
from tests.support.faults import Drip, Flip
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path, write_layout
from tests.support.processes import wait_until
from tests.support.simulator import Simulator
from tests.support.tls import Authority, KeyPair

pytestmark = pytest.mark.anyio
NAME, FULL = "docker-daemon:a/b:v1", "docker.io/a/b:v1"


def access(daemon: FakeDaemon | str, scratch: Path, trust: Trust | None = None, **network: object) -> Access:
    host = daemon if isinstance(daemon, str) else daemon.host
    found = Access.from_environ({"DOCKER_HOST": host, "TMPDIR": str(scratch)})
    return networked(replace(found, trust=trust or Trust(insecure=True)), **network)


async def archive_of(image: BuiltImage, folder: Path, tag: str = FULL) -> bytes:
    """What `docker-archive:` makes of an image."""
    path = folder / "expected.tar"
    await pyskopeo.copy(f"oci:{write_layout(image, folder / 'expected')}", f"docker-archive:{path}:{tag}")
    return path.read_bytes()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


class TestAddress:
    @pytest.mark.parametrize(
        ("text", "certificates", "expected"),
        [
            ("unix:///run/d.sock", False, ("/run/d.sock", "", 0, "", False)),
            ("unix:///run/d.sock", True, ("/run/d.sock", "", 0, "", False)),
            ("unix://relative/d.sock", False, ("relative/d.sock", "", 0, "", False)),
            ("tcp://host", False, ("", "host", 2375, "", False)),
            ("tcp://host", True, ("", "host", 2376, "", True)),
            ("tcp://10.0.0.1:99/", True, ("", "10.0.0.1", 99, "", True)),
            ("tcp://[::1]:99", False, ("", "::1", 99, "", False)),
            ("http://host:1/some/where/", True, ("", "host", 1, "/some/where", False)),
            ("https://host", False, ("", "host", 443, "", True)),
            ("http://host", False, ("", "host", 80, "", False)),
        ],
    )
    def test_it_is_read(self, text: str, certificates: bool, expected: tuple[object, ...]) -> None:
        assert Address.parse(text, certificates=certificates) == Address(text, *expected)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "text",
        [
            "", "host", "host:2375", "/run/d.sock", "unix://", "tcp://", "tcp://:99", "tcp://h:x", "tcp://h:99999", "ftp://h",
            "tcp://h?a", "tcp://h#a", "tcp://ö", "tcp://[::1", "tcp://h\r\nX: y",
        ],
    )  # fmt: skip
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(InvalidInput, match="unable to parse docker host .*want unix:///PATH") as caught:
            Address.parse(text)
        assert str(caught.value).isprintable()

    def test_a_password_in_it_is_not_repeated(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            Address.parse("tcp://user:secret@host")
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("scheme", ["ssh", "npipe", "fd"])
    def test_what_only_dockers_client_has(self, scheme: str) -> None:
        with pytest.raises(Unsupported, match=f"{scheme}:// is not supported"):
            Address.parse(f"{scheme}://host")

    def test_the_header(self) -> None:
        assert Address.parse("tcp://[::1]:99").header == "[::1]:99"
        assert Address.parse("tcp://h").header == "h:2375"
        assert Address.parse(DEFAULT).header == "docker"

    @pytest.mark.parametrize(
        ("environ", "cert_dir", "directory", "tls"),
        [
            ({}, None, None, False),
            ({"DOCKER_CERT_PATH": "/c"}, None, None, False),
            ({"DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": ""}, None, None, False),
            ({"DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": "1"}, None, "/c", True),
            ({"DOCKER_TLS_VERIFY": "1", "HOME": "/h"}, None, "/h/.docker", True),
            ({"DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": "1"}, "/d", "/d", True),
            ({}, "/d", "/d", True),
        ],
    )
    def test_what_the_environment_says(
        self, environ: dict[str, str], cert_dir: str | None, directory: str | None, tls: bool
    ) -> None:
        found = Access.from_environ({"DOCKER_HOST": "tcp://h", **environ})
        trust = replace(found.trust, cert_dir=Path(cert_dir) if cert_dir else None)
        assert certificate_directory(trust) == (Path(directory) if directory else None)
        assert daemon_address(found.network, trust).tls is tls

    def test_without_a_word_it_is_the_usual_socket(self) -> None:
        for environ in ({}, {"DOCKER_HOST": ""}):
            found = Access.from_environ(environ)
            assert daemon_address(found.network, found.trust).socket == "/var/run/docker.sock"


class TestAnswers:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b'{"message":"no\\nsuch \\u001b[31mthing"}', "no such  [31mthing"),
            (b'{"cause":"podman","response":404}', "podman"),
            (b"plain text\r\n", "plain text"),
            (b"", "status 418"),
            (b"{}", "status 418"),
            (b'{"message":null}', "status 418"),
            (b"[" * 100_000, "["),
            (b"\xff\xfe", "\ufffd\ufffd"),
        ],
    )
    def test_a_refusal_in_one_line(self, body: bytes, said: str) -> None:
        error = error_from_response(418, body, "what")
        assert str(error).startswith(f"what: Error response from daemon: {said}")
        assert len(str(error)) < 400
        assert (error.status, error.exit_code) == (418, 1)

    @pytest.mark.parametrize(
        "body", [b"", b" \n", LOADED, LOADED * 3, b'{"stream":"a"}{"stream":"b"}', b'{"error":""}', b"[]", b'{"errorDetail":null}']
    )
    def test_good_messages(self, body: bytes) -> None:
        check_messages(body, "what")

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (LOADED + b'{"errorDetail":{"message":"disk\\nfull"},"error":"other"}\r\n', "disk full"),
            (b'{"error":"only this"}', "only this"),
            (b'{"errorDetail":{"code":1}}', "no reason given"),
            (b'{"errorDetail":"text"}', "no reason given"),
            (b'{"error":{"a":"b"}}' + LOADED, "{'a': 'b'}"),
        ],
    )
    def test_an_error_among_them(self, body: bytes, said: str) -> None:
        with pytest.raises(DaemonError, match="^what: Error response from daemon: ") as caught:
            check_messages(body, "what")
        assert str(caught.value).endswith(said)

    @pytest.mark.parametrize("body", [b"<html>", LOADED + b"{", b"[" * 100_000, b"\x00"])
    def test_what_is_no_message(self, body: bytes) -> None:
        with pytest.raises(InvalidContent, match="the daemon's answer is no JSON"):
            check_messages(body, "what")

    def test_an_error_at_the_end_of_an_archive(self) -> None:
        with pytest.raises(DaemonError, match="what: Error response from daemon: no space"):
            check_archive_tail(bytes(1000) + b'{"errorDetail":{"message":"no space"},"error":"no space"}\r\n', "what")

    @pytest.mark.parametrize(
        "tail",
        [b"", bytes(1000), b'{"errorDetail":{"message":"x"}}' + bytes(500), b'{"errorDetail"', b'{"errorDetail":{}}'],
    )
    def test_archives_that_end_well(self, tail: bytes) -> None:
        check_archive_tail(tail, "what")


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
            tls_context(Trust(cert_dir=directory))

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="no ca.pem, cert.pem or key.pem in this directory"):
            tls_context(Trust(cert_dir=tmp_path))

    def test_what_is_no_certificate(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_bytes(b"x")
        with pytest.raises(InvalidInput, match="cannot use the certificates in"):
            tls_context(Trust(cert_dir=tmp_path))

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
            with pytest.raises(ConnectionFailed, match=r"wants no TLS with us: [A-Z0-9_]+; see the --cert-dir|broke off"):
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

    async def test_plain_http_to_a_daemon_that_wants_tls(self, scratch: Path, tmp_path: Path) -> None:
        with FakeDaemon(tcp=True) as daemon:
            said = b"Client sent an HTTP request to an HTTPS server.\n"
            daemon.on["ping"] = lambda call: call.answer(400, said)
            with pytest.raises(DaemonError, match=r"an HTTPS server.; say https://, or name a directory"):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/none", source_access=access(daemon, scratch))

    async def test_tls_to_a_daemon_that_speaks_none(self, scratch: Path, tmp_path: Path) -> None:
        with FakeDaemon(tcp=True) as daemon:
            daemon.on["ping"] = lambda call: None
            other = access(daemon.host.replace("tcp", "https"), scratch)
            with pytest.raises(ConnectionFailed):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/none", source_access=other)
            daemon.settle()
            daemon.failures.clear()  # it could not read the request


class TestUnreachable:
    async def fails(self, host: str, scratch: Path) -> str:
        with pytest.raises(ConnectionFailed) as caught:
            async with pyskopeo.open_source(NAME, access(host, scratch)):
                pass
        assert not caught.value.temporary
        assert str(caught.value).startswith(f"cannot reach the Docker daemon at {host}: ")
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


@pytest.fixture(scope="module")
def image() -> BuiltImage:
    return build(ImageSpec("oci", layers=(LayerSpec("first", size=100_000), LayerSpec("second", size=1000))))


def cut(call: Call) -> None:
    call.begin()
    call.chunk(call.daemon.images[call.name][:20_000])


def cut_in_a_chunk(call: Call) -> None:
    call.begin()
    call.send(b"%x\r\n" % 40_000 + call.daemon.images[call.name][:20_000])


def cut_of_known_length(call: Call) -> None:
    archive = call.daemon.images[call.name]
    call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(archive) + archive[:20_000])


def cut_of_unknown_length(call: Call) -> None:
    call.send(b"HTTP/1.0 200 OK\r\n\r\n" + call.daemon.images[call.name][:20_000])


def sorry(call: Call) -> None:
    call.begin()
    call.chunk(call.daemon.images[call.name][:20_000] + b'{"errorDetail":{"message":"no space left"},"error":"x"}\r\n')
    call.chunk(b"")


def stall(call: Call) -> None:
    cut_in_a_chunk(call)
    call.hang()


def no_answer(call: Call) -> None:
    call.hang()


def endless_header(call: Call) -> None:
    call.send(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        call.send(b"X: " + b"x" * 10_000 + b"\r\n")


def gone(call: Call) -> None:
    """Leaves without a word."""


class TestSave:
    async def test_it_is_read(self, image: BuiltImage, tmp_path: Path, scratch: Path) -> None:
        with FakeDaemon() as daemon:
            daemon.images[FULL] = await archive_of(image, tmp_path)
            async with pyskopeo.open_source(NAME, access(daemon, scratch)) as source:
                root = await source.manifest()
                assert root.config is not None
                assert await source.blob(root.config).read(100_000) == image.config()
                plain = [await source.blob(layer).read(1_000_000) for layer in root.layers]
                assert plain == [image.tars[digest] for digest in image.layer_digests()]
                (folder,) = scratch.iterdir()
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
                assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]
            assert not list(scratch.iterdir())
            ping, save = daemon.calls
            assert (ping.method, ping.target, save.method) == ("GET", "/_ping", "GET")
            assert save.target == "/v1.41/images/get?names=docker.io%2Fa%2Fb%3Av1"
            assert save.headers["user-agent"].startswith("pyskopeo/")
            assert save.headers["host"] == "docker"

    @pytest.mark.parametrize(
        ("header", "prefix"),
        [("Api-Version: 1.47", "/v1.47"), ("Api-Version: 1.4\x007", ""), ("Api-Version: ../..", ""), ("X: y", "")],
    )
    async def test_the_daemons_own_version_is_spoken(self, header: str, prefix: str, scratch: Path) -> None:
        with FakeDaemon() as daemon:
            daemon.on["ping"] = lambda call: call.answer(200, b"OK", header)
            with pytest.raises(PathNotFound):
                async with pyskopeo.open_source(NAME, access(daemon, scratch)):
                    pass
            assert daemon.calls[1].target.startswith(f"{prefix}/images/get")

    async def test_a_daemon_behind_a_path(self, scratch: Path, tmp_path: Path) -> None:
        with FakeDaemon(tcp=True) as daemon:
            daemon.on["inspect"] = lambda call: call.answer(200, b"OK", "Api-Version: 1.41")
            host = daemon.host.replace("tcp", "http") + "/some where/"
            with pytest.raises(InvalidContent, match="tar archive"):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/none", source_access=access(host, scratch))
            assert [call.target.partition("?")[0] for call in daemon.calls] == [
                "/some%20where/_ping", "/some%20where/v1.41/images/get",
            ]  # fmt: skip

    async def test_no_proxy_is_used(self, image: BuiltImage, tmp_path: Path) -> None:
        with FakeDaemon(tcp=True) as daemon:
            daemon.images[FULL] = await archive_of(image, tmp_path)
            proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:1")
            async with pyskopeo.open_source(NAME, Access.from_environ({"DOCKER_HOST": daemon.host, **proxies})) as source:
                assert len((await source.manifest()).layers) == 2

    @pytest.mark.parametrize("length", [True, False])
    async def test_answers_of_other_forms(
        self, length: bool, image: BuiltImage, tmp_path: Path, scratch: Path
    ) -> None:
        archive = await archive_of(image, tmp_path)
        header = b"Content-Length: %d\r\n" % len(archive) if length else b""
        with FakeDaemon(tcp=True) as daemon:
            daemon.on["save"] = lambda call: call.send(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n" + archive)
            async with pyskopeo.open_source(NAME, access(daemon, scratch)) as source:
                assert len((await source.manifest()).layers) == 2
            assert daemon.calls[1].headers["host"] == f"127.0.0.1:{daemon.port}"

    @pytest.mark.parametrize(
        ("script", "kind", "said"),
        [
            (cut, ConnectionFailed, "broke off"),
            (cut_in_a_chunk, ConnectionFailed, "broke off"),
            (cut_of_known_length, ConnectionFailed, "broke off"),
            (cut_of_unknown_length, InvalidContent, "tar archive"),
            (sorry, DaemonError, "Error response from daemon: no space left"),
            (stall, Stalled, "no progress for 1 s"),
            (endless_header, ConnectionFailed, "broke off"),
            (gone, ConnectionFailed, "broke off"),
            (lambda call: call.send(b"SSH-2.0-x\r\n"), ConnectionFailed, "broke off"),
            (lambda call: call.refuse(500, "out of luck"), DaemonError, "Error response from daemon: out of luck"),
            (lambda call: call.answer(302, b"", "Location: http://elsewhere"), DaemonError, "status 302"),
            (lambda call: call.answer(200, b"no archive"), InvalidContent, "tar archive"),
            (lambda call: call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), ConnectionFailed, "broke off"),
        ],
    )  # fmt: skip
    async def test_a_bad_answer(
        self, script: Script, kind: type[PyskopeoError], said: str, image: BuiltImage, tmp_path: Path, scratch: Path
    ) -> None:
        with FakeDaemon() as daemon:
            daemon.images[FULL] = await archive_of(image, tmp_path)
            daemon.on["save"] = script
            with anyio.fail_after(8), pytest.raises(kind, match=said) as caught:
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/out", source_access=access(daemon, scratch, stall_timeout=1.0))
            daemon.stopping.set()
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out").exists()
        assert not list(scratch.iterdir())

    async def test_what_is_not_there(self, tmp_path: Path, scratch: Path) -> None:
        with FakeDaemon() as daemon:
            with pytest.raises(PathNotFound, match="docker engine: Error response from daemon: reference does not") as caught:
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/out", source_access=access(daemon, scratch))
            assert caught.value.exit_code == 1

    async def test_an_id_that_is_not_there(self, tmp_path: Path, scratch: Path) -> None:
        """The daemon answers with a 500, as if it were broken."""
        digest = "sha256:" + 64 * "a"
        with FakeDaemon() as daemon:
            daemon.on["save"] = lambda call: call.refuse(500, f"open /var/lib/docker/{call.name}")
            with pytest.raises(PathNotFound, match=f"No such image: {digest}"):
                await pyskopeo.copy(f"docker-daemon:{digest}", f"dir:{tmp_path}/out", source_access=access(daemon, scratch))
            assert daemon.called("/images/sha256")[0].method == "GET"

    async def test_it_may_be_busy_for_long_if_it_is_alive(
        self, image: BuiltImage, tmp_path: Path, scratch: Path
    ) -> None:
        archive = await archive_of(image, tmp_path)

        def late(call: Call) -> None:
            call.daemon.stopping.wait(1.5)
            call.answer(200, archive)

        with FakeDaemon() as daemon:
            daemon.on["save"] = late
            async with pyskopeo.open_source(NAME, access(daemon, scratch, stall_timeout=0.3)) as source:
                assert len((await source.manifest()).layers) == 2
            assert len(daemon.called("/_ping")) >= 3

    async def test_if_it_is_dead_it_is_not_waited_for(self, scratch: Path) -> None:
        def then_dead(call: Call) -> None:
            call.daemon.on["ping"] = no_answer
            call.hang()

        with FakeDaemon() as daemon:
            daemon.on["save"] = then_dead
            with anyio.fail_after(5), pytest.raises(Stalled, match="no progress for 0.3 s"):
                async with pyskopeo.open_source(NAME, access(daemon, scratch, stall_timeout=0.3)):
                    pass
            daemon.stopping.set()

    @pytest.mark.parametrize("script", [stall, no_answer])
    async def test_it_can_be_given_up(
        self, script: Script, image: BuiltImage, tmp_path: Path, scratch: Path
    ) -> None:
        with FakeDaemon() as daemon:
            daemon.images[FULL] = await archive_of(image, tmp_path)
            daemon.on["save"] = script
            begun = time.monotonic()
            with anyio.move_on_after(0.3) as scope:
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/out", source_access=access(daemon, scratch))
            assert scope.cancelled_caught
            assert time.monotonic() - begun < 1.3
            daemon.stopping.set()
        assert not list(scratch.iterdir())

    async def test_several_images_are_refused(self, image: BuiltImage, tmp_path: Path, scratch: Path) -> None:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            content = b'[{"Config":"a","RepoTags":[],"Layers":[]},{"Config":"b","RepoTags":[],"Layers":[]}]'
            member = tarfile.TarInfo("manifest.json")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        with FakeDaemon() as daemon:
            daemon.images[FULL] = out.getvalue()
            with pytest.raises(InvalidContent, match="expected 1 item, got 2"):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/out", source_access=access(daemon, scratch))


def refused_early(call: Call) -> None:
    """An answer before the body was read, after which the daemon leaves."""
    call.read(100_000)
    call.refuse(403, "authorization denied by plugin")


def refused_and_deaf(call: Call) -> None:
    call.read(100_000)
    call.refuse(507, "insufficient storage")
    call.hang()


def failed_early(call: Call) -> None:
    call.read(100_000)
    call.begin()
    call.chunk(b'{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}\r\n')
    call.chunk(b"")


def failed_early_and_reading_on(call: Call) -> None:
    call.read(100_000)
    call.begin()
    call.chunk(b'{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}\r\n')
    call.read()
    call.chunk(b"")


def gone_early(call: Call) -> None:
    call.read(100_000)


def after_the_body(answer: Script) -> Script:
    def script(call: Call) -> None:
        call.read()
        answer(call)

    return script


def answer_cut(call: Call) -> None:
    call.begin()
    call.chunk(LOADED)


def answer_cut_after_an_error(call: Call) -> None:
    call.begin()
    call.chunk(LOADED + b'{"error":"the disk is full"}')
    call.chunk(b"x" * 10)


@pytest.fixture(scope="module")
def large() -> BuiltImage:
    return build(ImageSpec("oci", layers=tuple(LayerSpec(f"large-{n}", size=1_500_000) for n in range(3))))


class TestLoad:
    @pytest.mark.parametrize("kind", ["oci", "docker", "docker-repeated", "oci-zstd", "docker-odd-text"])
    async def test_it_gets_what_an_archive_would_be(self, kind: str, tmp_path: Path, scratch: Path) -> None:
        image = build(kind)
        expected = await archive_of(image, tmp_path)
        with FakeDaemon() as daemon:
            source = f"oci:{write_layout(image, tmp_path / 'source')}"
            await pyskopeo.copy(source, NAME, destination_access=access(daemon, scratch))
            (load,) = daemon.loads
            assert (load.method, load.target) == ("POST", "/v1.41/images/load?quiet=1")
            assert load.whole
            assert bytes(load.body) == expected
        assert not list(scratch.iterdir())

    @pytest.mark.parametrize("tcp", [True, False])
    async def test_a_large_one(self, tcp: bool, large: BuiltImage, tmp_path: Path, scratch: Path) -> None:
        expected = await archive_of(large, tmp_path)
        with FakeDaemon(tcp=tcp) as daemon:
            source = f"oci:{write_layout(large, tmp_path / 'source')}"
            await pyskopeo.copy(source, NAME, destination_access=access(daemon, scratch))
            assert daemon.images[FULL] == expected

    async def test_several_tags(self, tmp_path: Path, scratch: Path) -> None:
        with FakeDaemon() as daemon:
            source = f"oci:{write_layout(build('oci'), tmp_path / 'source')}"
            more = replace(access(daemon, scratch), writing=Writing(additional_tags=("c:d", "host.example/e")))
            await pyskopeo.copy(source, NAME, destination_access=more)
            assert set(daemon.images) == {FULL, "docker.io/library/c:d", "host.example/e:latest"}

    async def test_nothing_is_asked_before_there_is_something_to_send(self, tmp_path: Path, scratch: Path) -> None:
        source = f"oci:{write_layout(build('oci'), tmp_path / 'source')}"
        with FakeDaemon() as daemon:
            await pyskopeo.plan_copy(source, NAME, destination_access=access(daemon, scratch))
            assert [call.path for call in daemon.calls] == ["/_ping"]
        assert not list(scratch.iterdir())

    @pytest.mark.parametrize(
        ("script", "kind", "said"),
        [
            (refused_early, DaemonError, "saving image to docker engine: Error response from daemon: authorization denied"),
            (refused_and_deaf, DaemonError, "insufficient storage"),
            (failed_early, DaemonError, "no space left on device"),
            (failed_early_and_reading_on, DaemonError, "no space left on device"),
            (gone_early, ConnectionFailed, "broke off"),
            (gone, ConnectionFailed, "broke off"),
            (after_the_body(lambda call: call.refuse(500, "cannot")), DaemonError, "Error response from daemon: cannot"),
            (after_the_body(lambda call: call.answer(200, b'{"error":"late"}')), DaemonError, "Error response from daemon: late"),
            (after_the_body(answer_cut), ConnectionFailed, "broke off"),
            (after_the_body(answer_cut_after_an_error), DaemonError, "the disk is full"),
            (after_the_body(gone), ConnectionFailed, "broke off"),
            (after_the_body(lambda call: call.answer(200, b"<html>")), InvalidContent, "is no JSON"),
            (after_the_body(lambda call: call.answer(200, b" " * (LIMIT + 10))), TooLarge, "over the limit"),
            (after_the_body(lambda call: call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")), ConnectionFailed, "broke off"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("tcp", [True, False])
    async def test_a_refusal(
        self, script: Script, kind: type[PyskopeoError], said: str, tcp: bool, large: BuiltImage, tmp_path: Path, scratch: Path
    ) -> None:
        source = f"oci:{write_layout(large, tmp_path / 'source')}"
        with FakeDaemon(tcp=tcp) as daemon:
            daemon.on["load"] = script
            with anyio.fail_after(8), pytest.raises(kind, match=said) as caught:
                await pyskopeo.copy(source, NAME, destination_access=access(daemon, scratch))
            daemon.stopping.set()
        assert "\n" not in str(caught.value)
        assert not list(scratch.iterdir())

    async def test_an_answer_that_begins_early_and_ends_well(
        self, large: BuiltImage, tmp_path: Path, scratch: Path
    ) -> None:
        def early(call: Call) -> None:
            call.read(100_000)
            call.begin()
            call.chunk(b'{"status":"reading"}')
            call.read()
            call.chunk(LOADED)
            call.chunk(b"")

        source = f"oci:{write_layout(large, tmp_path / 'source')}"
        with FakeDaemon() as daemon:
            daemon.on["load"] = early
            await pyskopeo.copy(source, NAME, destination_access=access(daemon, scratch))
            assert daemon.loads[0].whole

    async def test_a_source_that_fails_leaves_half_an_archive(
        self, large: BuiltImage, tmp_path: Path, scratch: Path
    ) -> None:
        layout = write_layout(large, tmp_path / "source")
        path = blob_path(layout, large.layer_digests()[2])
        content = bytearray(path.read_bytes())
        content[1000] ^= 1
        path.write_bytes(content)
        with FakeDaemon() as daemon:
            with pytest.raises((ContentMismatch, InvalidContent)):
                await pyskopeo.copy(f"oci:{layout}", NAME, jobs=1, destination_access=access(daemon, scratch))
            assert wait_until(lambda: len(daemon.loads) == 1, 5)
            daemon.settle()
            (load,) = daemon.loads
            assert load.body  # the layers before it were on their way
            assert not load.whole
            assert b"manifest.json" not in load.body
            assert daemon.images == {}
        assert not list(scratch.iterdir())

    async def test_an_error_after_commit_leaves_an_archive_without_its_end(self, tmp_path: Path, scratch: Path) -> None:
        image = build(ImageSpec("oci", layers=(LayerSpec("one", size=200_000),)))

        async def fail(daemon: FakeDaemon) -> None:
            async with (
                pyskopeo.open_source(f"oci:{write_layout(image, tmp_path / 'source')}") as source,
                pyskopeo.open_destination(NAME, access(daemon, scratch)) as destination,
            ):
                root = await source.manifest()
                for blob in root.blobs:
                    await destination.put_blob(source.blob(blob), uncounted)
                await destination.commit(root)
                assert daemon.images == {}
                raise ZeroDivisionError

        with FakeDaemon() as daemon:
            with pytest.raises(ZeroDivisionError):
                await fail(daemon)
            assert wait_until(lambda: len(daemon.loads) == 1, 5)
            daemon.settle()
            (load,) = daemon.loads
            assert not load.whole
            assert daemon.images == {}

    async def test_the_end_of_an_archive_goes_out_with_the_end_of_the_body(self, scratch: Path) -> None:
        def write(archive: TarWriter) -> None:
            archive.add_bytes("a", b"x" * 200_000, 0o644)
            archive.finish()

        with FakeDaemon() as daemon:
            daemon.on["load"] = after_the_body(lambda call: call.answer(200, LOADED))
            engine = await DaemonClient.open(Network(daemon_host=daemon.host), Trust())
            for whole in (False, True):
                async with ImageLoad.open(engine) as load:
                    await anyio.to_thread.run_sync(write, TarWriter(load, Path("x")))
                    assert wait_until(lambda: len(daemon.loads) == 1 + whole and bool(daemon.loads[-1].body), 5)
                    if whole:
                        await load.finish()
                daemon.settle()
                assert daemon.loads[-1].whole is whole
                assert daemon.loads[-1].body.endswith(bytes(1024)) is whole

    async def test_it_can_be_given_up_in_the_middle(self, large: BuiltImage, tmp_path: Path, scratch: Path) -> None:
        source = f"oci:{write_layout(large, tmp_path / 'source')}"
        expected = await archive_of(large, tmp_path)
        read = threading.Event()

        def slow(call: Call) -> None:
            call.read(len(expected) - 100_000)
            read.set()
            call.hang()

        with FakeDaemon() as daemon:
            daemon.on["load"] = slow
            begun = time.monotonic()
            with anyio.move_on_after(2) as scope:
                await pyskopeo.copy(source, NAME, destination_access=access(daemon, scratch))
            assert scope.cancelled_caught
            assert read.is_set()
            assert time.monotonic() - begun < 3
            daemon.stopping.set()
        assert not list(scratch.iterdir())

    async def test_a_daemon_that_does_not_read(self, large: BuiltImage, tmp_path: Path, scratch: Path) -> None:
        source = f"oci:{write_layout(large, tmp_path / 'source')}"
        with FakeDaemon() as daemon:
            daemon.on["load"] = no_answer
            patient = access(daemon, scratch, stall_timeout=0.5)
            with anyio.fail_after(5), pytest.raises(Stalled, match=r"no progress for 0.5 s"):
                await pyskopeo.copy(source, NAME, destination_access=patient)
            begun = time.monotonic()
            with anyio.move_on_after(0.5) as scope:
                await pyskopeo.copy(source, NAME, destination_access=access(daemon, scratch))
            assert scope.cancelled_caught
            assert time.monotonic() - begun < 1.5
            daemon.stopping.set()
        assert not list(scratch.iterdir())

    async def test_a_daemon_that_does_not_read_holds_up_no_failure(
        self, large: BuiltImage, tmp_path: Path, scratch: Path
    ) -> None:
        """The thread that sends one layer is woken when another layer fails."""
        layout = write_layout(large, tmp_path / "source")
        path = blob_path(layout, large.layer_digests()[2])
        path.write_bytes(path.read_bytes()[:-1000])
        with FakeDaemon() as daemon:
            daemon.on["load"] = no_answer
            begun = time.monotonic()
            with anyio.fail_after(8), pytest.raises((ContentMismatch, InvalidContent)):
                await pyskopeo.copy(f"oci:{layout}", NAME, destination_access=access(daemon, scratch))
            assert time.monotonic() - begun < 5
            daemon.stopping.set()
        assert not list(scratch.iterdir())

    async def test_it_may_take_its_time_to_load_if_it_is_alive(self, tmp_path: Path, scratch: Path) -> None:
        def late(call: Call) -> None:
            call.read()
            call.daemon.stopping.wait(1.2)
            call.answer(200, LOADED)

        source = f"oci:{write_layout(build('oci'), tmp_path / 'source')}"
        with FakeDaemon() as daemon:
            daemon.on["load"] = late
            await pyskopeo.copy(source, NAME, destination_access=access(daemon, scratch, stall_timeout=0.3))
            assert len(daemon.called("/_ping")) >= 3

    async def test_a_slow_source_does_not_time_it_out(self, scratch: Path) -> None:
        image = build(ImageSpec("oci", layers=(LayerSpec("a", size=100_000), LayerSpec("b", size=2000))))
        with Simulator(image) as simulator, FakeDaemon() as daemon:
            simulator.on_blob(image.layer_digests()[1], Drip(300, 0.1))
            there = access(daemon, scratch, stall_timeout=0.3)
            await pyskopeo.copy(simulator.name(), NAME, source_access=access(daemon, scratch), destination_access=there)
            assert daemon.images[FULL]

    async def test_a_tampered_download_is_never_whole(self, tmp_path: Path, scratch: Path) -> None:
        image = build(ImageSpec("oci", layers=(LayerSpec("a", size=3000),)))
        with Simulator(image) as simulator, FakeDaemon() as daemon:
            simulator.on_blob(image.layer_digests()[0], Flip(700))
            with pytest.raises(PyskopeoError):
                await pyskopeo.copy(
                    simulator.name(), NAME,
                    source_access=access(daemon, scratch), destination_access=access(daemon, scratch),
                )  # fmt: skip
            assert daemon.loads == []


class TestNames:
    @pytest.mark.parametrize(
        ("details", "name"),
        [
            ("a:b", "docker.io/library/a:b"),
            ("docker.io/library/a:b", "docker.io/library/a:b"),
            ("host:5000/a/b:c", "host:5000/a/b:c"),
            ("md5:abc", "docker.io/library/md5:abc"),
            ("sha512:" + 64 * "a", "docker.io/library/sha512:" + 64 * "a"),
            ("a@sha256:" + 64 * "a", "docker.io/library/a@sha256:" + 64 * "a"),
            ("host/sha256:tag", "docker.io/host/sha256:tag"),
        ],
    )
    def test_by_name(self, details: str, name: str) -> None:
        from pyskopeo.transports.docker_daemon import parse

        found = parse(details)
        assert (str(found.reference), found.image_id) == (name, None)
        assert str(found) == f"docker-daemon:{details}"

    @pytest.mark.parametrize("details", ["sha256:" + 64 * "a", "sha512:" + 128 * "b"])
    def test_by_id(self, details: str) -> None:
        from pyskopeo.transports.docker_daemon import parse

        found = parse(details)
        assert (found.reference, str(found.image_id)) == (None, details)

    @pytest.mark.parametrize(
        ("details", "said"),
        [
            ("a", "docker-daemon: reference a has neither a tag nor a digest"),
            ("sha256:abc", "The sha256 repository name is reserved for"),
            ("sha256", "The sha256 repository name is reserved for"),
            ("A:b", "must be lowercase"),
            ("", "invalid reference format"),
            (64 * "a", "invalid reference format"),
            ("a:b@sha256:" + 64 * "a", "references with both a tag and digest are currently not supported"),
        ],
    )
    def test_what_is_none(self, details: str, said: str) -> None:
        with pytest.raises(InvalidName, match=said):
            pyskopeo.parse_image_name(f"docker-daemon:{details}")

    @pytest.mark.parametrize("details", ["sha256:" + 64 * "a", "a@sha256:" + 64 * "a"])
    def test_what_can_only_be_read(self, details: str, scratch: Path) -> None:
        name = pyskopeo.parse_image_name(f"docker-daemon:{details}")
        with pytest.raises(InvalidName, match=f"Invalid destination docker-daemon:{details}: a destination must be a name:tag"):
            name.open_destination(access("unix:///none", scratch))


def test_the_fake_daemon_tells_a_whole_body_from_a_cut_one() -> None:
    """The tests above rest on it."""
    import socket

    with FakeDaemon(tcp=True) as daemon:
        daemon.on["load"] = lambda call: call.read()
        for end, whole in ((b"0\r\n\r\n", True), (b"", False), (b"5\r\nab", False)):
            with socket.create_connection(("127.0.0.1", daemon.port)) as client:
                client.sendall(b"POST /images/load HTTP/1.1\r\n\r\n" + b"3\r\nxyz\r\n" + end)
                client.shutdown(socket.SHUT_WR)
                client.recv(10)
            daemon.settle()
            assert (bytes(daemon.loads[-1].body)[:3], daemon.loads[-1].whole) == (b"xyz", whole)
    assert list(pieces(b"abc", 2)) == [b"ab", b"c"]
