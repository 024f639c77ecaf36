"""Reading from a Docker daemon that does everything wrong."""

from __future__ import annotations

import io
import stat
import tarfile
import time
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

import pyskopeo
from pyskopeo.access import Access
from pyskopeo.errors import (
    ConnectionFailed,
    DaemonError,
    InvalidContent,
    PathNotFound,
    PyskopeoError,
    Stalled,
)
from tests.support.daemon_access import FULL, NAME, access, archive_of
from tests.support.fake_daemon import Call, FakeDaemon, Script, gone, no_answer
from tests.support.images import BuiltImage

pytestmark = pytest.mark.anyio


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


def endless_header(call: Call) -> None:
    call.send(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        call.send(b"X: " + b"x" * 10_000 + b"\r\n")


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
        [("Api-Version: 1.47", "/v1.47"), ("Api-Version: 1.4,7", ""), ("Api-Version: ../..", ""), ("X: y", "")],
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
            (endless_header, ConnectionFailed, "sent no valid HTTP answer: headers of more than 256 KiB"),
            (gone, ConnectionFailed, "broke off"),
            (lambda call: call.send(b"SSH-2.0-x\r\n"), ConnectionFailed, "sent no valid HTTP answer: it begins with 'SSH"),
            (lambda call: call.refuse(500, "out of luck"), DaemonError, "Error response from daemon: out of luck"),
            (lambda call: call.answer(302, b"", "Location: http://elsewhere"), DaemonError, "status 302"),
            (lambda call: call.answer(200, b"no archive"), InvalidContent, "tar archive"),
            (lambda call: call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), ConnectionFailed,
             "sent no valid HTTP answer: the chunk size 'xyz"),
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

    @pytest.mark.parametrize("what", ["ping", "save"])
    @pytest.mark.parametrize(
        ("start", "piece", "pause"),
        [
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500, 0),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
            (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000, 0),
            (b"HTTP/1.1 200 OK\r\nA: ", b"b", 0.05),
            (b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05),
        ],
        ids=["interim answers", "slow interim answers", "headers", "a slow head", "a slow error"],
    )
    async def test_an_answer_without_end(
        self, start: bytes, piece: bytes, pause: float, what: str, tmp_path: Path, scratch: Path
    ) -> None:
        def endless(call: Call) -> None:
            call.send(start)
            while not call.daemon.stopping.wait(pause):
                call.send(piece)

        with FakeDaemon() as daemon:
            daemon.on[what] = endless
            with anyio.fail_after(10), pytest.raises((ConnectionFailed, DaemonError, PathNotFound)):
                await pyskopeo.copy(NAME, f"dir:{tmp_path}/out", source_access=access(daemon, scratch, stall_timeout=0.5))
            daemon.stopping.set()

    async def test_interim_answers_are_read(self, image: BuiltImage, tmp_path: Path, scratch: Path) -> None:
        with FakeDaemon() as daemon:
            archive = await archive_of(image, tmp_path)

            def hinting(call: Call) -> None:
                call.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                call.answer(200, archive)

            daemon.on["save"] = hinting
            async with pyskopeo.open_source(NAME, access(daemon, scratch)) as source:
                assert len((await source.manifest()).layers) == 2

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
            with anyio.fail_after(5), pytest.raises(Stalled, match="no answer for 0.3 s"):
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
            assert time.monotonic() - begun < 10
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
