"""Pushing to real registries, read back by skopeo, by a Docker daemon and by ourselves."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

import pyskopeo
from pyskopeo.access import Access, Writing
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.errors import AccessDenied, ContentMismatch, NotFound, RegistryError
from pyskopeo.http.retry import Retry
from pyskopeo.http.tls import Trust
from pyskopeo.model.events import BlobFinished, Event, Requested, Retrying
from pyskopeo.model.platform import Platform
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import skopeo, started
from tests.support.delay import DelayProxy
from tests.support.images import BuiltImage, ImageSpec, LayerSpec, build, digest_of
from tests.support.outputs import blob_path, write_dir, write_layout, write_layout_archive
from tests.support.peers import Dockerd, Nginx, Registry, proxy_to
from tests.support.processes import wait_until
from tests.support.rootfs import GREETING
from tests.support.simulator import Simulator
from tests.support.tls import Authority
from tests.support.token_server import TokenRules, TokenServer
from tests.support.trees import tree

pytestmark = [pytest.mark.anyio, pytest.mark.peer("docker-registry")]

EVERYTHING = pyskopeo.Selection(Platform("linux", "amd64"), "all")
EXACT = pyskopeo.Form(preserve_digests=True)
IMAGE = build(ImageSpec(layers=(LayerSpec("large", size=300_000, compression="none"), LayerSpec("small"))))
HUGE = build(ImageSpec(layers=(LayerSpec("huge", size=6_000_000, compression="none"),)))
PASSWORD = Credentials("user", "pass")
# Those that Debian's skopeo reads too.
READABLE = ("docker", "oci", "docker-list", "oci-index-attested", "docker-repeated", "artifact", "oci-zstd",
            "oci-uncompressed", "docker-odd-text-go")  # fmt: skip


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def uploads(registry: Registry, repository: str) -> list[Path]:
    """The uploads that the registry keeps open; of those that were cancelled it keeps less."""
    return list(registry._storage.glob(f"docker/registry/v2/repositories/{repository}/_uploads/*/startedat"))


async def push(
    source: str, destination: str, access: Access, *, source_access: Access | None = None, form: pyskopeo.Form = EXACT
) -> list[Event]:
    """Copy all of it; what happened."""
    events: list[Event] = []
    await pyskopeo.copy(
        source, destination, selection=EVERYTHING, form=form, report=events.append,
        source_access=source_access or access, destination_access=access,
    )  # fmt: skip
    return events


def placements(events: list[Event]) -> set[str]:
    return {event.placement.value for event in events if isinstance(event, BlobFinished)}


def digest_by_skopeo(name: str, *words: str) -> str:
    return digest_of(succeed(skopeo("inspect", "--raw", "--tls-verify=false", *words, name)).stdout)


def same_by_skopeo(name: str, image: BuiltImage, folder: Path, *words: str) -> None:
    """What skopeo has of it afterwards is every byte of the image."""
    folder.mkdir(exist_ok=True)
    words = ("-q", "--all", "--preserve-digests", "--src-tls-verify=false", *words)
    succeed(skopeo("copy", *words, name, f"dir:{folder / 'by-skopeo'}"))
    assert tree(folder / "by-skopeo") == tree(write_dir(image, folder / "wanted"))


# --- from everywhere ---


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("kind", READABLE)
async def test_every_kind_is_what_skopeo_reads(kind: str, registry: Registry, tmp_path: Path) -> None:
    image, name = build(kind), registry.name(f"push/{kind}")
    events = await push(f"oci:{write_layout(image, tmp_path / 'a')}:latest", name, access_for(tmp_path))
    assert placements(events) == {"written"}
    assert digest_by_skopeo(name) == image.digest
    same_by_skopeo(name, image, tmp_path)
    assert uploads(registry, f"push/{kind}") == []


@pytest.mark.parametrize("kind", ["nested-index", "index-with-artifact", "docker-zstd", "oci-no-layers"])
async def test_what_skopeo_cannot_read(kind: str, registry: Registry, tmp_path: Path) -> None:
    image, name = build(kind), registry.name(f"push/{kind}")
    await push(f"dir:{write_dir(image, tmp_path / 'a')}", name, access_for(tmp_path))
    back = tmp_path / "back"
    await push(name, f"dir:{back}", access_for(tmp_path))
    assert tree(back) == tree(tmp_path / "a")


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("transport", ["dir", "oci-archive"])
async def test_from_other_transports(transport: str, registry: Registry, tmp_path: Path) -> None:
    image, name = build("oci-index"), registry.name(f"push/from-{transport}")
    write = write_dir if transport == "dir" else write_layout_archive
    await push(f"{transport}:{write(image, tmp_path / 'source')}", name, access_for(tmp_path))
    assert digest_by_skopeo(name) == image.digest
    same_by_skopeo(name, image, tmp_path)


@pytest.mark.peer("skopeo")
async def test_from_a_docker_archive(registry: Registry, tmp_path: Path) -> None:
    """Its layers are not compressed; whatever the registry has is the same image: one configuration, the same tars."""
    image, name = build("docker"), registry.name("push/from-archive")
    archive = f"docker-archive:{tmp_path}/image.tar:a/b:c"
    await pyskopeo.copy(f"dir:{write_dir(image, tmp_path / 'source')}", archive)
    await push(archive, name, access_for(tmp_path), form=pyskopeo.Form())
    assert uploads(registry, "push/from-archive") == []
    raw = succeed(skopeo("inspect", "--raw", "--tls-verify=false", name)).stdout
    assert json.loads(raw)["config"]["digest"] == image.config_digest()
    succeed(skopeo("copy", "-q", "--src-tls-verify=false", name, f"dir:{tmp_path / 'back'}"))
    found = [(tmp_path / "back" / layer["digest"][7:]).read_bytes() for layer in json.loads(raw)["layers"]]
    plain = [gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data for data in found]
    assert list(map(digest_of, plain)) == json.loads(image.config())["rootfs"]["diff_ids"]


async def test_the_second_push_moves_nothing(registry: Registry, tmp_path: Path) -> None:
    source = f"oci:{write_layout(IMAGE, tmp_path / 'a')}:latest"
    await push(source, registry.name("push/again"), access_for(tmp_path))
    assert placements(await push(source, registry.name("push/again"), access_for(tmp_path))) <= {"present"}
    assert placements(await push(source, registry.name("push/again", "other"), access_for(tmp_path))) <= {"present"}


async def test_by_digest_and_by_several_tags(registry: Registry, tmp_path: Path) -> None:
    source = f"oci:{write_layout(IMAGE, tmp_path / 'a')}:latest"
    name = f"docker://{registry.host}/push/names"
    await push(source, f"{name}@@unknown-digest@@", access_for(tmp_path))
    assert digest_by_skopeo(f"{name}@{IMAGE.digest}") == IMAGE.digest
    access = Access(
        keychain=access_for(tmp_path).keychain, trust=Trust(insecure=True), writing=Writing(additional_tags=("v2", "v3")),
    )
    await push(source, f"{name}:v1", access)
    listed = json.loads(succeed(skopeo("list-tags", "--tls-verify=false", name)).stdout)
    assert sorted(listed["Tags"]) == ["v1", "v2", "v3"]


# --- registry to registry, and who may ---


def cert_dir(folder: Path, authority: Authority) -> Path:
    folder.mkdir(parents=True)
    shutil.copy(authority.path, folder / "ca.crt")
    return folder


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("kind", ["docker-list", "oci"])
async def test_across_tls_passwords_and_tokens(
    kind: str,
    registry: Registry,
    tls_registry: Registry,
    htpasswd_registry: Registry,
    token_registry: Registry,
    authority: Authority,
    tmp_path: Path,
) -> None:
    """From one to the next, each side with its own credentials and certificates; the digest stays."""
    image = build(kind)
    registry.push(image, f"push/{kind}-chain")
    trusting = access_for(tmp_path, trust=Trust(cert_dir=cert_dir(tmp_path / "certs", authority)))
    known = access_for(tmp_path, credentials=PASSWORD)
    chain = [(registry, access_for(tmp_path)), (tls_registry, trusting), (htpasswd_registry, known),
             (token_registry, known), (registry, access_for(tmp_path))]  # fmt: skip
    for number, ((one, reading), (other, writing)) in enumerate(zip(chain, chain[1:], strict=False)):
        source = f"push/{kind}-chain" if not number else f"push/{kind}-{number}"
        await push(one.name(source), other.name(f"push/{kind}-{number + 1}"), writing, source_access=reading)
        assert uploads(other, f"push/{kind}-{number + 1}") == []
    assert digest_by_skopeo(registry.name(f"push/{kind}-4")) == image.digest
    same_by_skopeo(registry.name(f"push/{kind}-4"), image, tmp_path)
    same_by_skopeo(htpasswd_registry.name(f"push/{kind}-2"), image, tmp_path / "again", "--src-creds=user:pass")


@pytest.mark.parametrize("name", ["registry", "htpasswd_registry", "token_registry"])
async def test_promoting_within_a_registry_moves_no_byte(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where: Registry = request.getfixturevalue(name)
    where.push(IMAGE, "push/staging")
    access = access_for(tmp_path, credentials=PASSWORD)
    events = await push(where.name("push/staging"), where.name("push/production"), access)
    assert placements(events) == {"mounted"}
    assert not [event for event in events if isinstance(event, Retrying)]
    await push(where.name("push/production"), f"dir:{tmp_path / 'back'}", access)
    assert tree(tmp_path / "back") == tree(write_dir(IMAGE, tmp_path / "wanted"))


async def test_one_token_serves_the_whole_push(
    token_registry: Registry, token_server: TokenServer, tmp_path: Path
) -> None:
    before = len(token_server.requests)
    source = f"oci:{write_layout(IMAGE, tmp_path / 'a')}:latest"
    await push(source, token_registry.name("push/one-token"), access_for(tmp_path, credentials=PASSWORD))
    (asked,) = token_server.requests[before:]
    assert asked.query["scope"] == ["repository:push/one-token:pull,push"]


@pytest.mark.parametrize(
    ("credentials", "tried"),
    [(Credentials("user", "hunter2-wrong"), "tried as user user"), (None, "tried without credentials")],
)
@pytest.mark.parametrize("name", ["htpasswd_registry", "token_registry"])
async def test_who_may_not(
    name: str, credentials: Credentials | None, tried: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where: Registry = request.getfixturevalue(name)
    source = f"oci:{write_layout(IMAGE, tmp_path / 'a')}:latest"
    with pytest.raises(AccessDenied, match=tried) as caught:
        await push(source, where.name("push/denied"), access_for(tmp_path, credentials=credentials))
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_who_may_only_pull(tmp_path: Path) -> None:
    def grant(user: str, name: str, actions: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(action for action in actions if action == "pull")

    with TokenServer(tmp_path / "tokens", TokenRules(grant=grant)) as tokens, Registry(token=tokens) as registry:
        source = f"oci:{write_layout(IMAGE, tmp_path / 'a')}:latest"
        access = access_for(tmp_path, credentials=PASSWORD)
        with pytest.raises(AccessDenied, match="push/read-only.*tried as user user"):
            await push(source, registry.name("push/read-only"), access)
        # One for each that was refused with the newest token, at worst; not one after another.
        assert len(tokens.requests) <= 8


# --- a Docker daemon ---


@pytest.mark.parametrize("kind", ["docker-list", "oci", "oci-index-attested"])
async def test_a_daemon_pulls_and_runs_it(kind: str, registry: Registry, dockerd: Dockerd, tmp_path: Path) -> None:
    image = build(kind)
    await push(
        f"oci:{write_layout(image, tmp_path / 'a')}:latest", registry.name(f"push/run-{kind}"), access_for(tmp_path)
    )
    name = f"{registry.host}/push/run-{kind}:latest"
    assert image.digest in dockerd.docker("pull", name)
    assert dockerd.docker("run", "--rm", "--network", "none", name).encode() == GREETING
    (told,) = json.loads(dockerd.docker("image", "inspect", name))
    # The daemon is shared: it may know the image by the names of other tests too.
    assert f"{registry.host}/push/run-{kind}@{image.digest}" in told["RepoDigests"]


# --- failures ---


class Cutting:
    """A TCP proxy that breaks the first connection on which ``after`` bytes came from the client."""

    def __init__(self, port: int, after: int) -> None:
        self._target, self._after = port, after
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator[Cutting]:
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for ends in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        passed = 0
        with suppress(OSError):
            while piece := source.recv(65536):
                passed += len(piece)
                target.sendall(piece)
                if counted and passed > self._after and not self.cuts:
                    self.cuts += 1
                    client_is_reset = struct.pack("ii", 1, 0)
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, client_is_reset)
                    break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.mark.parametrize("after", [10_000, 1_000_000, 5_900_000])
async def test_a_cut_in_the_middle(after: int, registry: Registry, tmp_path: Path) -> None:
    source = f"oci:{write_layout(HUGE, tmp_path / 'a')}:latest"
    with Cutting(registry.port, after).running() as proxy:
        await push(source, f"docker://{proxy.host}/push/cut-{after}:latest", access_for(tmp_path))
        assert proxy.cuts == 1
    await push(registry.name(f"push/cut-{after}"), f"dir:{tmp_path / 'back'}", access_for(tmp_path))
    assert tree(tmp_path / "back") == tree(write_dir(HUGE, tmp_path / "wanted"))


async def test_a_tampered_blob(registry: Registry, tmp_path: Path) -> None:
    source = f"oci:{write_layout(HUGE, tmp_path / 'a')}:latest"
    path = blob_path(tmp_path / "a", HUGE.layer_digests()[0])
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ContentMismatch):
        await push(source, registry.name("push/tampered"), access_for(tmp_path))
    assert uploads(registry, "push/tampered") == []
    with pytest.raises(NotFound):
        await push(registry.name("push/tampered"), f"dir:{tmp_path / 'back'}", access_for(tmp_path))


async def test_cancelled(registry: Registry, tmp_path: Path) -> None:
    """docker-registry 2.8 lets nobody cancel an upload whose body was broken off: it purges it some day."""
    with Simulator(HUGE) as source:
        source.on_blob(HUGE.layer_digests()[0], f.Drip(100_000, 0.05))
        with anyio.fail_after(10), anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                async def cancel() -> None:
                    while not uploads(registry, "push/cancelled"):
                        await anyio.sleep(0.02)
                    await anyio.sleep(0.2)
                    scope.cancel()

                tasks.start_soon(cancel)
                await push(source.name(), registry.name("push/cancelled"), access_for(tmp_path))
        assert scope.cancelled_caught
    assert len(uploads(registry, "push/cancelled")) <= 1  # none, if it was cancelled before any byte was sent
    with pytest.raises(RegistryError, match="name unknown"):
        await pyskopeo.list_tags(f"docker://{registry.host}/push/cancelled", access=access_for(tmp_path))


@pytest.mark.peer("nginx")
async def test_behind_a_proxy_that_takes_no_large_bodies(registry: Registry, tmp_path: Path) -> None:
    with Nginx(f"client_max_body_size 2m;\n{proxy_to(registry.url)}") as front:
        source = f"oci:{write_layout(HUGE, tmp_path / 'a')}:latest"
        await push(source, f"docker://{front.host}/push/pieces:latest", access_for(tmp_path))
    await push(registry.name("push/pieces"), f"dir:{tmp_path / 'back'}", access_for(tmp_path))
    assert tree(tmp_path / "back") == tree(write_dir(HUGE, tmp_path / "wanted"))
    assert uploads(registry, "push/pieces") == []


@pytest.mark.peer("nginx")
async def test_behind_a_proxy_that_takes_none_at_all(registry: Registry, tmp_path: Path) -> None:
    with Nginx(f"client_max_body_size 100k;\n{proxy_to(registry.url)}") as front:
        source = f"oci:{write_layout(HUGE, tmp_path / 'a')}:latest"
        with pytest.raises(RegistryError, match="413"):
            await push(source, f"docker://{front.host}/push/none:latest", access_for(tmp_path, retry=Retry(times=0)))
    assert uploads(registry, "push/none") == []


async def test_from_far_away(registry: Registry, tmp_path: Path) -> None:
    """Both registries 20 ms away."""
    image = build("oci-index")
    registry.push(image, "push/far-source")
    with DelayProxy("127.0.0.1", registry.port, 0.02) as far:
        source, target = (f"docker://{far.host}/push/{name}:latest" for name in ("far-source", "far"))
        events = await push(source, target, access_for(tmp_path))
    assert placements(events) == {"mounted"}
    assert digest_by_skopeo(registry.name("push/far")) == image.digest


# --- the command line ---


@pytest.mark.peer("skopeo")
def test_the_command_line(
    registry: Registry, tls_registry: Registry, htpasswd_registry: Registry, authority: Authority, tmp_path: Path
) -> None:
    image = build("docker-list")
    source = f"dir:{write_dir(image, tmp_path / 'source')}"
    plain, secure, known = (r.name("push/cli") for r in (registry, tls_registry, htpasswd_registry))
    succeed(pyskopeo_here("copy", "--all", "--dest-tls-verify=false", source, plain))
    certs = cert_dir(tmp_path / "certs", authority)
    succeed(pyskopeo_here("copy", "--all", "--src-tls-verify=false", "--dest-cert-dir", certs, plain, secure))
    words = ("--src-cert-dir", certs, "--dest-tls-verify=false", "--dest-creds", "user:pass")
    succeed(pyskopeo_here("copy", "--all", *words, secure, known))
    assert digest_by_skopeo(known, "--creds=user:pass") == image.digest
    denied = pyskopeo_here("copy", "--all", "--dest-tls-verify=false", "--dest-creds", "user:hunter2", source, known)
    assert denied.code == 1
    assert "tried as user user" in denied.stderr
    assert "hunter2" not in denied.stderr


# --- interrupted ---


def received(registry: Registry, repository: str) -> int:
    """Bytes of the uploads that are open."""
    found = registry._storage.glob(f"docker/registry/v2/repositories/{repository}/_uploads/*/data")
    return sum(path.stat().st_size for path in found)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_after_a_signal_the_next_push_goes_on(
    number: signal.Signals, registry: Registry, clean_environment: Path, tmp_path: Path
) -> None:
    """Not after a kill: docker-registry 2.8 continues an upload only where the last request has ended in order."""
    repository = f"push/after-{number.name.lower()}"
    source = f"oci:{write_layout(HUGE, tmp_path / 'a')}:latest"
    words = ("-q", "--dest-tls-verify=false", source, registry.name(repository))
    with started("copy", "--limit-rate=4M", *words) as process:
        assert wait_until(lambda: received(registry, repository) > 1_500_000, 20)
        process.send_signal(number)
        process.wait(20)
    assert received(registry, repository) > 1_500_000
    events = await push(source, registry.name(repository), keeping(access_for(tmp_path), clean_environment))
    asked = [event.method for event in events if isinstance(event, Requested) and "/uploads/" in event.url]
    killed = number == signal.SIGKILL
    assert asked.count("GET") == 1
    assert asked.count("DELETE") == killed
    assert asked.count("POST") - asked.count("PUT") == (0 if killed else -1)
    await push(registry.name(repository), f"dir:{tmp_path}/back", access_for(tmp_path))
    assert tree(tmp_path / "back") == tree(write_dir(HUGE, tmp_path / "wanted"))
    assert uploads(registry, repository) == [] or killed


def keeping(access: Access, home: Path) -> Access:
    """``access`` with the cache directory of the command line."""
    return replace(access, storage=replace(access.storage, cache=home / ".cache" / "pyskopeo"))
