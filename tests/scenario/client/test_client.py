"""What programs do with a `Client`, and with a `SyncClient`, against a simulated registry."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo.client import base
from tests.support.access import access_for
from tests.support.commands import environment
from tests.support.faults import Flip, Stall
from tests.support.gates import BasicGate
from tests.support.images import ImageSpec, IndexSpec, PlatformSpec, build
from tests.support.simulator import Simulator

IMAGE = build("oci")
SECRET = "hunter2-password"


def connected(registry: Simulator) -> int:
    """The number of connections that were made."""
    return len({request.connection for request in registry.requests})


@pytest.mark.anyio
async def test_a_day_with_a_registry(tmp_path: Path) -> None:
    with Simulator(IMAGE, "a/b", "v1") as registry:
        name = f"docker://{registry.host}/a/b"
        async with pyskopeo.Client(access=access_for(tmp_path)) as client:
            assert await client.catalog(registry.host) == ["a/b"]
            assert await client.tags(name, filter="^v") == ["v1"]
            assert [str(one.digest) for one in await client.tag_details(name)] == [IMAGE.digest]
            assert (await client.tree(f"{name}:v1")).problems == ()
            inspection = await client.inspect(f"{name}:v1")
            assert str(inspection.digest) == IMAGE.digest
            manifest = await client.manifest(f"{name}:v1")
            assert manifest.raw == IMAGE.manifests[IMAGE.digest].raw
            plan, present = await client.plan(f"{name}:v1", f"oci:{tmp_path / 'out'}:v1")
            assert (str(plan.root.digest), present) == (IMAGE.digest, frozenset())
            assert str(await client.copy(f"{name}:v1", f"oci:{tmp_path / 'out'}:v1")) == IMAGE.digest
            assert (await client.verify(f"oci:{tmp_path / 'out'}")).faults == ()
            copied = await client.copy(
                f"oci:{tmp_path / 'out'}:v1", f"docker://{registry.host}/c/d:v1", additional_tags=("v1.0",)
            )
            assert str(copied) == IMAGE.digest
            assert await client.tags(f"docker://{registry.host}/c/d") == ["v1", "v1.0"]
            assert str(await client.tag(f"{name}:v1", "v2")) == IMAGE.digest
            await client.delete(f"docker://{registry.host}/c/d:v1")
            descriptor = await client.push_blob(name, b"hello")
            assert registry.blobs("a/b")[str(descriptor.digest)] == b"hello"
            assert await client.push_manifest(f"{name}:v3", manifest.raw) == manifest.digest
            artifact = await client.push_artifact(f"{name}:notes", [], artifact_type="text/x-notes")
            assert artifact.artifact_type == "text/x-notes"
            report = await client.referrers(f"{name}:v1")
            assert [str(image.descriptor.digest) for image in report.images] == [IMAGE.digest]
            path = next(file.path for file in await client.files(f"{name}:v1") if file.kind == "file")
            async with client.open_file(f"{name}:v1", path) as file:
                assert file.read()
            assert (await client.du(f"{name}:v1")).to_json()
            same = await client.diff(f"{name}:v1", f"oci:{tmp_path / 'out'}:v1")
            assert same.is_same
            synced = await client.sync(f"docker://{registry.host}/a/b", f"dir:{tmp_path / 'mirror'}", include=["^v2$"])
            assert [result.status for result in synced.results] == ["copied"]
        with pytest.raises(pyskopeo.InvalidInput, match="closed"):
            await client.tags(name)


@pytest.mark.anyio
async def test_calls_share_connections_and_one_ping(tmp_path: Path) -> None:
    with Simulator(IMAGE, "a/b", "v1") as registry:
        registry.gate = BasicGate({"user": SECRET})
        access = access_for(tmp_path)
        async with pyskopeo.Client(credentials=("user", SECRET), access=access) as client:
            for _ in range(5):
                await client.inspect(f"docker://{registry.host}/a/b:v1")
                await client.tag(f"docker://{registry.host}/a/b:v1", "v2")
        assert len([r for r in registry.requests if r.path == "/v2/"]) <= 2
        assert connected(registry) <= 3


@pytest.mark.anyio
async def test_an_old_client_asks_for_credentials_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a credential helper may be good for some hours only. Calls that are under way go on meanwhile."""
    authfile, digest = tmp_path / "auth.json", max(IMAGE.blobs, key=lambda one: len(IMAGE.blobs[one]))
    with Simulator(IMAGE, "a/b", "v1") as registry:
        registry.gate = BasicGate({"user": SECRET})
        name = f"docker://{registry.host}/a/b"
        async with pyskopeo.Client(access=pyskopeo.Access.from_environ({}), insecure=True, authfile=authfile) as client:
            authfile.write_text(f'{{"auths": {{"{registry.host}": {{"username": "user", "password": "old"}}}}}}')
            with pytest.raises(pyskopeo.AccessDenied):
                await client.tags(name)
            authfile.write_text(f'{{"auths": {{"{registry.host}": {{"username": "user", "password": "{SECRET}"}}}}}}')
            with pytest.raises(pyskopeo.AccessDenied):
                await client.tags(name)
            monkeypatch.setattr(base, "_RENEWED_AFTER", 0.0)
            assert await client.tags(name) == ["v1"]
            async with client.blob(f"{name}@{digest}") as chunks:
                assert await client.tags(name) == ["v1"]
                assert b"".join([chunk async for chunk in chunks]) == IMAGE.blobs[digest]


@pytest.mark.anyio
async def test_credentials_for_one_registry_are_not_sent_to_two(tmp_path: Path) -> None:
    with Simulator(IMAGE, "a/b", "v1") as one, Simulator() as other:
        source, target = f"docker://{one.host}/a/b:v1", f"docker://{other.host}/a/b:v1"
        one.gate, other.gate = BasicGate({"user": SECRET}), BasicGate({"user": "else"})
        client = pyskopeo.Client(credentials=("user", SECRET), access=access_for(tmp_path))
        for call in (client.copy(source, target), client.plan(source, target), client.sync(source, target),
                     client.diff(source, target), client.sync(f"yaml:{tmp_path}/images.yaml", f"dir:{tmp_path}")):  # fmt: skip
            with pytest.raises(pyskopeo.InvalidInput, match="by name") as caught:
                await call
            assert SECRET not in str(caught.value)
        assert one.requests == other.requests == ()
        assert str((await client.inspect(source)).digest) == IMAGE.digest
        digest = IMAGE.layer_digests()[0]
        for other_call in (client.inspect(target), client.catalog(other.host), client.push_blob(f"{other.host}/a/b", b""),
                     client.tags(f"docker://{other.host}/a/b"), client.files(target)):  # fmt: skip
            with pytest.raises(pyskopeo.InvalidInput, match=f"not for {one.host} and {other.host}"):
                await other_call
        with pytest.raises(pyskopeo.InvalidInput):
            async with client.blob(f"{other.host}/a/b@{digest}"):
                pass
        assert other.requests == ()
        await client.aclose()
        base_access = pyskopeo.Access.from_environ({"HOME": str(tmp_path)})
        async with pyskopeo.Client(
            credentials={one.host: ("user", SECRET), other.host: ("user", "else")}, access=base_access, insecure=True
        ) as client:
            assert str(await client.copy(source, target)) == IMAGE.digest


@pytest.mark.anyio
async def test_events_go_to_the_call_that_they_are_of(tmp_path: Path) -> None:
    everything: list[pyskopeo.Event] = []
    first: list[pyskopeo.Event] = []
    second: list[pyskopeo.Event] = []
    with Simulator(IMAGE, "a/b", "v1") as registry:
        registry.add(IMAGE, "c/d", "v1")
        async with (
            pyskopeo.Client(access=access_for(tmp_path), report=everything.append) as client,
            anyio.create_task_group() as tasks,
        ):
            for repository, events in (("a/b", first), ("c/d", second)):

                async def copy(repository: str = repository, events: list[pyskopeo.Event] = events) -> None:
                    source = f"docker://{registry.host}/{repository}:v1"
                    await client.copy(source, f"oci:{tmp_path / repository}:v1", report=events.append)

                tasks.start_soon(copy)
    assert everything == []
    for repository, events in (("a/b", first), ("c/d", second)):
        paths = [event.url for event in events if isinstance(event, pyskopeo.Requested) and "/manifests/" in event.url]
        assert paths
        assert all(repository in url for url in paths)
        assert isinstance(events[-1], pyskopeo.CopyFinished)


@pytest.mark.anyio
async def test_platforms_are_chosen_by_text(tmp_path: Path) -> None:
    index = build(IndexSpec((ImageSpec(), ImageSpec(platform=PlatformSpec("arm64", variant="v8")))))
    with Simulator(index, "a/b", "v1") as registry:
        name, out = f"docker://{registry.host}/a/b:v1", f"oci:{tmp_path / 'out'}:v1"
        async with pyskopeo.Client(access=access_for(tmp_path)) as client:
            assert (await client.inspect(name, platform="linux/arm64")).architecture == "arm64"
            assert (await client.manifest(name)).is_index
            assert not (await client.manifest(name, platform="linux/arm64")).is_index
            assert str(await client.copy(name, out, all_platforms=True)) == index.digest
            with pytest.raises(pyskopeo.InvalidInput, match="exclude each other"):
                await client.copy(name, out, all_platforms=True, platform="linux/arm64")
            with pytest.raises(pyskopeo.InvalidInput, match="invalid platform"):
                await client.inspect(name, platform="arm64")


@pytest.mark.anyio
async def test_a_blob_is_streamed_and_verified(tmp_path: Path) -> None:
    digest = max(IMAGE.blobs, key=lambda one: len(IMAGE.blobs[one]))
    with Simulator(IMAGE, "a/b", "v1") as registry:
        name = f"docker://{registry.host}/a/b@{digest}"
        async with pyskopeo.Client(access=access_for(tmp_path)) as client:
            async with client.blob(name) as chunks:
                assert b"".join([chunk async for chunk in chunks]) == IMAGE.blobs[digest]
            async with client.blob(name) as chunks:  # left early
                assert await anext(chunks)
            registry.on_blob(digest, Flip(0))
            async with client.blob(name) as chunks:
                with pytest.raises(pyskopeo.InvalidContent):
                    assert [chunk async for chunk in chunks]
            with pytest.raises(pyskopeo.InvalidName):
                async with client.blob(f"docker://{registry.host}/a/b:v1"):
                    pass


def test_a_blocking_client(tmp_path: Path) -> None:
    digest = max(IMAGE.blobs, key=lambda one: len(IMAGE.blobs[one]))
    with Simulator(IMAGE, "a/b", "v1") as registry:
        name = f"docker://{registry.host}/a/b"
        with pyskopeo.SyncClient(access=access_for(tmp_path)) as client:
            assert client.tags(name) == ["v1"]
            assert str(client.copy(f"{name}:v1", f"oci:{tmp_path / 'out'}:v1")) == IMAGE.digest
            with client.blob(f"{name}@{digest}") as chunks:
                assert b"".join(chunks) == IMAGE.blobs[digest]
            path = next(file.path for file in client.files(f"{name}:v1") if file.kind == "file")
            with client.open_file(f"{name}:v1", path) as file:
                assert file.read()
            with pytest.raises(pyskopeo.NotFound):
                client.inspect(f"{name}:missing")

            async def notebook() -> list[str]:  # a loop is running in this thread
                return client.tags(name)

            assert asyncio.run(notebook()) == ["v1"]
            before = connected(registry)
            client.tags(name)
            assert connected(registry) == before
        with pytest.raises(pyskopeo.InvalidInput, match="closed"):
            client.tags(name)


def test_threads_share_a_blocking_client(tmp_path: Path) -> None:
    found: list[list[str]] = []
    with Simulator(IMAGE, "a/b", "v1") as registry, pyskopeo.SyncClient(access=access_for(tmp_path)) as client:
        threads = [
            threading.Thread(target=lambda: found.append(client.tags(f"docker://{registry.host}/a/b"))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [["v1"]] * 4


def test_ctrl_c_ends_the_call_that_waits(tmp_path: Path) -> None:
    """The copy is cancelled, and has ended, when the interrupt arrives; the client can be used again."""
    layer = max(IMAGE.blobs, key=lambda one: len(IMAGE.blobs[one]))

    def interrupt(event: pyskopeo.Event) -> None:
        if isinstance(event, pyskopeo.BlobStarted) and str(event.digest) == layer:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with Simulator(IMAGE, "a/b", "v1") as registry, pyskopeo.SyncClient(access=access_for(tmp_path)) as client:
        registry.on_blob(layer, Stall(100))
        with pytest.raises(KeyboardInterrupt):
            client.copy(f"docker://{registry.host}/a/b:v1", f"oci:{tmp_path / 'out'}:v1", report=interrupt)
        registry.heal()
        assert client.tags(f"docker://{registry.host}/a/b") == ["v1"]


def test_a_client_that_is_forgotten_leaves_no_thread(tmp_path: Path) -> None:
    with Simulator(IMAGE, "a/b", "v1") as registry:
        client = pyskopeo.SyncClient(access=access_for(tmp_path))
        client.tags(f"docker://{registry.host}/a/b")
        (thread,) = (one for one in threading.enumerate() if one.name == "pyskopeo client")
        del client
        gc.collect()
        thread.join(10)
        assert not thread.is_alive()


def test_a_program_that_closes_nothing_ends() -> None:
    """Also where another of its threads goes on after the main one."""
    program = (
        "import sys, threading, pyskopeo\n"
        "client = pyskopeo.SyncClient(insecure=True)\n"
        "print(client.tags(sys.argv[1]))\n"
        "def later():\n threading.main_thread().join()\n print(client.tags(sys.argv[1]))\n"
        "threading.Thread(target=later).start()\n"
    )
    with Simulator(IMAGE, "a/b", "v1") as registry:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, f"docker://{registry.host}/a/b"],
            capture_output=True, text=True, timeout=60, check=False, env=environment(),
        )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("['v1']\n" * 2, "", 0)
