"""A registry cannot send its clients to what is more local than itself: their network, their machine, its metadata.

The SSRF fixes of ggcr #2243, #2292, #2293, #2295 and #2332, and of regclient 39de02d and 1a80807, are about the five
ways that are tried here: realm, redirect of the token server, URL of a layer, ``Location`` of an upload, ``Link``.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

import pyskopeo
from pyskopeo.errors import InvalidContent, NetworkError, UnsafeAddress
from pyskopeo.http.connect import Connector
from pyskopeo.http.locality import Locality, locality, locality_of_host
from pyskopeo.http.origin import Origin
from pyskopeo.http.read_bounded import read_bounded
from pyskopeo.http.request_url import request_to
from pyskopeo.http.transport import HTTPTransport
from pyskopeo.transports.docker import DockerSource
from tests.scenario.hostile_registry.images import IMAGE, LARGE, ONE_LOOP, SMALL, pull, served
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.publishing import Push
from tests.support.pulling import Pull
from tests.support.simulator import BearerGate, Simulator
from tests.support.upload_faults import Elsewhere

pytestmark = pytest.mark.anyio

OTHER = build(ImageSpec(layers=(LayerSpec("other"),)))


def locality_of(host: str) -> Locality | None:
    return locality_of_host(host.strip("[]"))


PRIVATE = {
    "loopback": "127.0.0.2",
    "any": "0.0.0.0",
    "link-local": "169.254.169.254",
    "ten": "10.0.0.1",
    "172": "172.16.0.1",
    "192": "192.168.0.1",
    "shared": "100.64.0.1",
    "IPv6 loopback": "[::1]",
    "IPv6 link-local": "[fe80::1]",
    "IPv6 unique local": "[fd00:ec2::254]",
    "mapped": "[::ffff:127.0.0.2]",
    "decimal": "2130706434",
    "hexadecimal": "0x7f000002",
    "octal": "0177.0.0.2",
    "short": "127.2",
    "localhost": "localhost",
    "a name for loopback": "loopback.example.com",
    "a name for metadata": "metadata.example.com",
    "a name for IPv6": "six.example.com",
    "a name for both": "both.example.com",
}
# What a registry on a local network may not name either.
MORE_LOCAL = {name: address for name, address in PRIVATE.items() if name not in ("ten", "172", "192", "shared")} | {
    "translated": "[64:ff9b::a9fe:a9fe]",
    "6to4": "[2002:a9fe:a9fe::1]",
    "mapped link-local": "[::ffff:169.254.169.254]",
    "decimal link-local": "2852039166",
    "octal link-local": "0251.0376.0251.0376",
    "Alibaba Cloud": "100.100.100.200",
    "Google Cloud": "[fd20:ce::254]",
}
# What no registry may name, wherever it is.
NEVER = {
    name: address for name, address in MORE_LOCAL.items()
    if locality_of(address) is Locality.LINK_LOCAL
} | {"a name for metadata": "metadata.example.com"}


# What is an address to some and a bad name to others is refused either way.
REFUSED = (UnsafeAddress, InvalidContent, NetworkError)
NAMES = {
    "localhost": ["127.0.0.2"],
    "loopback.example.com": ["127.0.0.2"],
    "metadata.example.com": ["169.254.169.254"],
    "six.example.com": ["::1"],
    "both.example.com": ["169.254.169.254", "127.0.0.1"],
}


def text(host: str | bytes) -> str:
    return host if isinstance(host, str) else host.decode()


def resolve_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NAMES` are at these addresses; all other names are where they are."""
    real = socket.getaddrinfo

    def resolve(host: str | bytes, port: int, *more: Any, **named: Any) -> list[Any]:
        return [entry for name in NAMES.get(text(host), [text(host)]) for entry in real(name, port, *more, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def place_simulators(monkeypatch: pytest.MonkeyPatch, where: Locality) -> None:
    """127.0.0.1, the address of simulators, counts as ``where``; every other address is as it is."""

    def pretend(address: str) -> Locality:
        return where if address == "127.0.0.1" else locality(address)

    monkeypatch.setattr("pyskopeo.http.locality.locality", pretend)
    monkeypatch.setattr("pyskopeo.http.connect.locality", pretend)
    resolve_names(monkeypatch)


@pytest.fixture
def on_the_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    place_simulators(monkeypatch, Locality.PUBLIC)


@pytest.fixture
def on_a_local_network(monkeypatch: pytest.MonkeyPatch) -> None:
    place_simulators(monkeypatch, Locality.PRIVATE)


@ONE_LOOP
@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("what", ["manifest", "blob", "second hop"])
@pytest.mark.usefixtures("on_the_internet")
async def test_a_registry_on_the_internet_redirects_to_no_private_address(
    what: str, name: str, registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    target = f"http://{PRIVATE[name]}:{elsewhere.port}/storage/{{name}}"
    registry.on("/hop/*", f.Redirect(target))
    path = "*/manifests/latest" if what == "manifest" else f"*/blobs/{LARGE}"
    registry.on(path, f.Redirect("/hop/{name}" if what == "second hop" else target))
    with pytest.raises(REFUSED, match="private address|not a URL"):
        await pull(registry, tmp_path)
    assert elsewhere.connections_seen == 0


@ONE_LOOP
@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.usefixtures("on_the_internet")
async def test_a_registry_on_the_internet_has_no_private_realm(
    name: str, registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    registry.gate = BearerGate(f"http://{PRIVATE[name]}:{elsewhere.port}/token", lambda token, scope: False)
    with pytest.raises(REFUSED, match="private address|not a URL"):
        await pull(registry, tmp_path)
    assert elsewhere.connections_seen == 0


@ONE_LOOP
@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.usefixtures("on_the_internet")
async def test_a_layer_has_no_private_url(name: str, elsewhere: Simulator, tmp_path: Path) -> None:
    document = json.loads(IMAGE.root.raw)
    document["layers"][0]["urls"] = [f"https://{PRIVATE[name]}:{elsewhere.port}/storage/{LARGE}"]
    with Simulator(served(document)) as registry:
        registry.on_blob(LARGE, f.Refuse(404))
        with pytest.raises(REFUSED, match="private address|not a URL"):
            await pull(registry, tmp_path)
    assert elsewhere.connections_seen == 0


@ONE_LOOP
@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.usefixtures("on_the_internet")
async def test_the_next_page_is_at_no_private_address(
    name: str, registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    registry.on(
        "*/tags/list", f.SetHeaders({"Link": f'<http://{PRIVATE[name]}:{elsewhere.port}/tags>; rel="next"'})
    )
    async with pyskopeo.open_source(registry.name(), access_for(tmp_path)) as source:
        assert isinstance(source, DockerSource)
        with pytest.raises(UnsafeAddress):
            await source.tags()
    assert elsewhere.connections_seen == 0


@pytest.mark.usefixtures("on_the_internet")
async def test_a_registry_on_the_internet_redirects_on_the_internet(
    registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    registry.on_blob(LARGE, f.Redirect(f"{elsewhere.url}/storage/{{name}}"))
    await pull(registry, tmp_path)
    assert elsewhere.log == [f"GET /storage/{LARGE}"]


# --- a registry on a local network, or on this machine ---


async def refused_everywhere(address: str, registry: Simulator, elsewhere: Simulator, home: Path) -> None:
    """No redirect, realm, redirect of a realm, layer's URL, or upload's place at ``address`` is followed."""
    base = f"http://{address}:{elsewhere.port}"
    registry.on_blob(LARGE, f.Redirect(f"{base}/storage/{{name}}"))
    with pytest.raises(REFUSED, match="private address|not a URL"):
        await pull(registry, home)
    registry.heal()
    registry.on_manifest("latest", f.Redirect(f"{base}/m"))
    with pytest.raises(REFUSED, match="private address|not a URL"):
        await pull(registry, home)
    registry.heal()
    registry.gate = BearerGate(f"{base}/token", lambda token, scope: False)
    with pytest.raises(REFUSED, match="private address|not a URL"):
        await pull(registry, home)
    with Simulator() as tokens:
        tokens.on("/token", f.Redirect(f"{base}/token"))
        registry.gate = BearerGate(f"{tokens.url}/token", lambda token, scope: False)
        with pytest.raises(REFUSED, match="private address|not a URL"):
            await pull(registry, home)
    registry.gate = None
    document = json.loads(IMAGE.root.raw)
    document["layers"][0]["urls"] = [f"https://{address}:{elsewhere.port}/storage/{LARGE}"]
    registry.add(served(document), "test/foreign", "latest")
    registry.on_blob(LARGE, f.Refuse(404))
    with pytest.raises(REFUSED, match="private address|not a URL"):
        await Pull(registry, IMAGE, home / "layout", access_for(home)).run(registry.name("test/foreign"))
    registry.heal()
    registry.on_upload("POST", Elsewhere(base))
    push = Push(registry, OTHER, home, access_for(home))
    push.closes = False
    with pytest.raises(REFUSED, match="private address|not a URL"):
        await push.run(registry.name("test/pushed"))
    assert elsewhere.connections_seen == 0


@ONE_LOOP
@pytest.mark.parametrize("name", MORE_LOCAL)
@pytest.mark.usefixtures("on_a_local_network")
async def test_a_registry_on_a_local_network_sends_nobody_to_this_machine(
    name: str, registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    await refused_everywhere(MORE_LOCAL[name], registry, elsewhere, tmp_path)


@ONE_LOOP
@pytest.mark.parametrize("name", NEVER)
async def test_a_registry_on_this_machine_sends_nobody_to_metadata_services(
    name: str, registry: Simulator, elsewhere: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_names(monkeypatch)
    await refused_everywhere(NEVER[name], registry, elsewhere, tmp_path)


@pytest.mark.usefixtures("on_a_local_network")
async def test_a_registry_on_a_local_network_redirects_there(
    registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    registry.on_blob(LARGE, f.Redirect(f"{elsewhere.url}/storage/{{name}}"))
    await pull(registry, tmp_path)
    assert elsewhere.log == [f"GET /storage/{LARGE}"]


async def test_a_name_that_moves_to_this_machine_is_refused(
    registry: Simulator, elsewhere: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: each connection has its own look, and is made to the address that was looked at."""
    place_simulators(monkeypatch, Locality.PRIVATE)
    real, answers = socket.getaddrinfo, ["127.0.0.1", "169.254.169.254"]

    def resolve(host: str | bytes, port: int, *more: Any, **named: Any) -> list[Any]:
        name = text(host)
        if name == "moving.example.com":
            name = answers.pop(0) if len(answers) > 1 else answers[0]
        return list(real(name, port, *more, **named))

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = f"http://moving.example.com:{elsewhere.port}/storage/{{name}}"
    # A connection that is closed has to be made again.
    elsewhere.on("/storage/*", f.SetHeaders({"Connection": "close"}))
    registry.on_blob(SMALL, f.Redirect(url))
    registry.on_blob(LARGE, f.Redirect(url))
    with pytest.raises(UnsafeAddress, match="moving.example.com is at 169.254.169.254"):
        await pull(registry, tmp_path)
    assert len(elsewhere.requests) <= 1


async def test_a_local_registry_redirects_locally(
    registry: Simulator, elsewhere: Simulator, tmp_path: Path
) -> None:
    registry.on_blob(LARGE, f.Redirect(f"http://localhost:{elsewhere.port}/storage/{{name}}"))
    await pull(registry, tmp_path)
    assert elsewhere.log == [f"GET /storage/{LARGE}"]


def wire(**options: Any) -> HTTPTransport:
    def no_context(origin: Origin) -> Any:
        raise AssertionError(origin)

    return HTTPTransport(Connector(no_context, lambda origin: None, **options))


async def test_a_name_is_looked_up_once(elsewhere: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the address that was checked is the one that is used."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    real, asked = socket.getaddrinfo, []

    def resolve(host: str | bytes, port: int, *more: Any) -> list[Any]:
        asked.append(text(host))
        return [entry for address in answers.pop(0) for entry in real(address, port, *more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(
        "pyskopeo.http.connect.locality",
        lambda address: Locality.PUBLIC if address == "127.0.0.1" else Locality.LOOPBACK,
    )
    url = f"http://rebinding.example.com:{elsewhere.port}/storage/{LARGE}"
    async with wire() as transport:
        response = await transport.send(request_to("GET", url, "test", {}, reach=Locality.PUBLIC))
        assert response.status_code == 200
        assert response.peer == "127.0.0.1"
        await response.aclose()
        assert asked == ["rebinding.example.com"]
        with pytest.raises(UnsafeAddress, match="rebinding.example.com is at 127.0.0.2"):
            await transport.send(request_to("GET", url, "test", {}, reach=Locality.PUBLIC))


async def test_a_connection_is_not_shared_with_those_who_may_go_anywhere(elsewhere: Simulator) -> None:
    """A private address that the registry itself is reached by is no way in for what it sends us to."""
    url = f"{elsewhere.url}/storage/{SMALL}"
    async with wire() as transport:
        response = await transport.send(request_to("GET", url, "test", {}))
        await read_bounded(response, 1 << 20, "blob", truncate=True)
        await response.aclose()
        with pytest.raises(UnsafeAddress):
            await transport.send(request_to("GET", url, "test", {}, reach=Locality.PUBLIC))
    assert len(elsewhere.requests) == 1
