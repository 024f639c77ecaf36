"""``--offline``: no command sends a request, resolves a name, opens a socket or runs a credential helper."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo.errors import Offline
from tests.scenario.content_store.pulling import IMAGE, NEXT, path_of, pinned, pull, through
from tests.support.cli import Done, fatal, pyskopeo_here, succeed
from tests.support.images import ImageSpec, IndexSpec, LayerSpec, PlatformSpec, build
from tests.support.pulling import check_layout
from tests.support.simulator import Simulator

LAYERS = IMAGE.layer_digests()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def registry(store: Path, tmp_path: Path) -> Iterator[Simulator]:
    """A registry from which one of two images was pulled through the store."""
    with Simulator(IMAGE) as simulator:
        simulator.add(NEXT, "test/next", "latest")
        succeed(pyskopeo_here("--store", store, "copy", "--src-tls-verify=false", simulator.name(), f"oci:{tmp_path}/pulled:v1"))
        yield simulator


@pytest.fixture
def no_network(registry: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, every socket and every name is refused."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the network was used")

    class NoSocket(socket.socket):
        def connect(self, address: object) -> None:
            refuse()

        connect_ex = connect  # type: ignore[assignment]

    monkeypatch.setattr(socket, "socket", NoSocket)
    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)


def offline(store: Path, *words: object) -> Done:
    return pyskopeo_here("--offline", "--store", store, *words)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("place", ["oci:{}/image:v1", "dir:{}/image", "oci-archive:{}/image", "docker-archive:{}/image"])
@pytest.mark.parametrize("by_digest", [True, False], ids=["digest", "tag"])
def test_a_stored_image_is_copied(registry: Simulator, store: Path, tmp_path: Path, place: str, *, by_digest: bool) -> None:
    name = pinned(registry, IMAGE) if by_digest else registry.name()
    succeed(offline(store, "copy", name, place.format(tmp_path)))
    if place.startswith("oci:"):
        check_layout(tmp_path / "image")


@pytest.mark.usefixtures("no_network")
def test_an_image_that_is_not_stored(registry: Simulator, store: Path, tmp_path: Path) -> None:
    for name, what in ((pinned(registry, NEXT, "test/next"), NEXT.digest), (registry.name("test/next"), f"{registry.host}/test/next:latest")):
        message = fatal(offline(store, "copy", name, f"oci:{tmp_path}/new"), code=3)
        assert f"manifest {what} is not in the store {store}, and --offline allows no request" in message
        assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("no_network")
def test_all_missing_blobs_are_listed(registry: Simulator, store: Path, tmp_path: Path) -> None:
    missing = [LAYERS[0], LAYERS[2], IMAGE.config_digest()]
    for digest in missing:
        path_of(store, digest).unlink()
    message = fatal(offline(store, "copy", pinned(registry, IMAGE), f"oci:{tmp_path}/new"), code=3)
    assert "3 of 4 blobs are neither in a content store nor at the destination" in message
    assert all(digest in message for digest in missing)
    assert LAYERS[1] not in message
    assert not (tmp_path / "new").exists()
    # What is at the destination is not missing.
    succeed(offline(store, "copy", pinned(registry, IMAGE), f"oci:{tmp_path}/pulled:v2"))


@pytest.mark.usefixtures("no_network")
def test_missing_blobs_are_listed_where_the_image_is_converted(registry: Simulator, store: Path, tmp_path: Path) -> None:
    for digest in (LAYERS[0], IMAGE.config_digest()):
        path_of(store, digest).unlink()
    message = fatal(offline(store, "copy", pinned(registry, IMAGE), f"docker-archive:{tmp_path}/new"), code=3)
    assert LAYERS[0] in message
    assert IMAGE.config_digest() in message


def test_all_missing_manifests_of_a_list_are_listed(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [ImageSpec(platform=PlatformSpec(architecture=name), layers=(LayerSpec(name),)) for name in ("amd64", "arm64", "s390x")]
    image = build(IndexSpec(tuple(specs)))
    with Simulator(image) as registry:
        words = ("copy", "--src-tls-verify=false")
        succeed(pyskopeo_here("--store", store, *words, "--platform=linux/amd64", registry.name(), f"oci:{tmp_path}/one"))
        message = fatal(offline(store, *words, "--all", registry.name(), f"oci:{tmp_path}/all"), code=3)
    assert image.child(0).digest not in message
    assert image.child(1).digest in message
    assert image.child(2).digest in message


@pytest.mark.usefixtures("no_network")
def test_without_a_store_what_is_at_the_destination_counts(registry: Simulator, tmp_path: Path) -> None:
    succeed(pyskopeo_here("--offline", "copy", pinned(registry, IMAGE), f"oci:{tmp_path}/pulled:v1"))
    path_of(tmp_path / "pulled", LAYERS[0]).unlink()
    message = fatal(pyskopeo_here("--offline", "copy", pinned(registry, IMAGE), f"oci:{tmp_path}/pulled:v1"), code=3)
    assert f"1 of 4 blobs are neither in a content store nor at the destination, and --offline allows no request: {LAYERS[0]}" in message
    assert "--offline" in fatal(pyskopeo_here("--offline", "copy", registry.name(), f"oci:{tmp_path}/new"), code=3)


@pytest.mark.usefixtures("no_network")
def test_local_images_are_copied(tmp_path: Path, store: Path) -> None:
    for use in ((), ("--store", store)):
        succeed(pyskopeo_here("--offline", *use, "copy", f"oci:{tmp_path}/pulled:v1", f"dir:{tmp_path}/copy"))


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    "words",
    [
        ("list-tags", "docker://{host}/test/image"),
        ("tag", "docker://{host}/test/image:latest", "other"),
        ("delete", "docker://{host}/test/image:latest"),
        ("inspect", "docker://{host}/test/next:latest"),
        ("copy", "oci:{tmp}/pulled:v1", "docker://{host}/test/new:v1"),
        ("copy", "oci:{tmp}/pulled:v1", "docker-daemon:new:v1"),
        ("copy", "docker-daemon:new:v1", "dir:{tmp}/new"),
        ("sync", "--src=docker", "--dest=dir", "{host}/test/image", "{tmp}/new"),
        ("sync", "--src=docker", "--dest=dir", "--keep-going", "{host}/test/next:latest", "{tmp}/new"),
        ("sync", "--src=docker", "--dest=dir", "{host}/test/next:latest", "{tmp}/new"),
        ("login", "--username=user", "--password=pass", "{host}"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_commands_that_need_a_request(registry: Simulator, store: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    before = len(registry.requests)
    done = offline(store, *(word.format(host=registry.host, tmp=tmp_path) for word in words))
    assert done.code == 3, done.stderr
    assert "--offline" in done.stderr
    assert len(registry.requests) == before


@pytest.mark.usefixtures("no_network")
def test_inspection_of_a_stored_image(registry: Simulator, store: Path) -> None:
    done = succeed(offline(store, "inspect", registry.name()))
    assert json.loads(done.stdout)["Digest"] == IMAGE.digest
    assert "The tags are not listed, since --offline allows no request" in done.stderr


@pytest.mark.usefixtures("no_network")
def test_syncing_stored_images(registry: Simulator, store: Path, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text(f"{registry.host}:\n  images:\n    test/image: [latest, '{IMAGE.digest}']\n")
    succeed(offline(store, "sync", "--src=yaml", "--dest=oci", tmp_path / "list.yaml", tmp_path / "mirror"))
    succeed(offline(store, "sync", "--src=yaml", "--dest=oci", tmp_path / "list.yaml", tmp_path / "mirror"))
    check_layout(tmp_path / "mirror")


@pytest.mark.parametrize("by_digest", [True, False])
def test_no_credential_helper_is_run(
    registry: Simulator, store: Path, tmp_path: Path, clean_environment: Path, monkeypatch: pytest.MonkeyPatch, *,
    by_digest: bool,
) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "bin" / "docker-credential-test"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    config = clean_environment / ".docker"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"credHelpers": {registry.host: "test"}}))
    name = pinned(registry, IMAGE) if by_digest else registry.name()
    succeed(offline(store, "copy", name, f"oci:{tmp_path}/copy"))
    missing = pinned(registry, NEXT, "test/next") if by_digest else registry.name("test/next")
    assert offline(store, "copy", missing, f"oci:{tmp_path}/new").code == 3
    assert not ran.exists()


def test_the_library_raises_what_is_missing(registry: Simulator, store: Path, tmp_path: Path) -> None:
    path_of(store, LAYERS[0]).unlink()

    async def run() -> None:
        with pytest.raises(Offline) as caught:
            await pull(pinned(registry, IMAGE), f"oci:{tmp_path}/new", through(store, tmp_path, offline=True))
        assert caught.value.missing == (LAYERS[0],)
        assert caught.value.exit_code == 3
        async with pyskopeo.open_source(pinned(registry, IMAGE), through(store, tmp_path, offline=True)) as source:
            root = await source.manifest()
            with pytest.raises(Offline, match=LAYERS[0]):
                await source.blob(root.layers[0]).read(1_000_000)

    anyio.run(run)
