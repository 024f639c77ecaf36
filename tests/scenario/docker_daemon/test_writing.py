"""Writing to a Docker daemon that does everything wrong."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

import pyskopeo
from pyskopeo.access import Writing
from pyskopeo.errors import (
    ConnectionFailed,
    ContentMismatch,
    DaemonError,
    InvalidContent,
    PyskopeoError,
    Stalled,
    TooLarge,
)
from pyskopeo.storage.tar import TarWriter
from pyskopeo.streams.progress import uncounted
from pyskopeo.transports.docker_daemon.engine_api import DaemonClient
from pyskopeo.transports.docker_daemon.image_load import ImageLoad
from pyskopeo.transports.docker_daemon.messages import (
    LIMIT,
)
from tests.support.daemon_access import FULL, NAME, access, archive_of
from tests.support.fake_daemon import LOADED, Call, FakeDaemon, Script, gone, no_answer
from tests.support.faults import Drip, Flip
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build
from tests.support.outputs import blob_path, write_layout
from tests.support.processes import wait_until
from tests.support.simulator import Simulator

pytestmark = pytest.mark.anyio


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


def garbage_early(call: Call) -> None:
    call.read(100_000)
    call.answer(200, b"<html>")


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
            # Not InvalidContent, which would be blamed on the source of the bytes.
            (garbage_early, DaemonError, "the daemon's answer is no JSON"),
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
            engine = await DaemonClient.open(access(daemon, scratch))
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
            assert time.monotonic() - begun < 12
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
            assert time.monotonic() - begun < 10
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
            assert time.monotonic() - begun < 15
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
            simulator.on_blob(image.layer_digests()[1], Drip(100, 0.15))
            there = access(daemon, scratch, stall_timeout=2)
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
