"""A registry on the internet cannot send its clients to the machine they run on, or to its network."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

import pyskopeo
from pyskopeo.errors import InvalidContent, UnsafeAddress
from pyskopeo.http.connect import Connector
from pyskopeo.http.origin import Origin, is_public
from pyskopeo.http.transport import HTTPTransport
from pyskopeo.transports.docker import DockerSource
from tests.scenario.hostile_registry.images import IMAGE, LARGE, ONE_LOOP, SMALL, pull, served
from tests.support import faults as f
from tests.support.access import access_for
from tests.support.simulator import BearerGate, Simulator

pytestmark = pytest.mark.anyio

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
# What is an address to some and a bad name to others is refused either way.
REFUSED = (UnsafeAddress, InvalidContent)
NAMES = {
    "localhost": ["127.0.0.2"],
    "loopback.example.com": ["127.0.0.2"],
    "metadata.example.com": ["169.254.169.254"],
    "six.example.com": ["::1"],
    "both.example.com": ["169.254.169.254", "127.0.0.1"],
}


@pytest.fixture
def on_the_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 counts as public, so that a simulator is a registry on the internet; everything else is as it is."""

    def pretend(address: str) -> bool:
        return address == "127.0.0.1" or is_public(address)

    real = socket.getaddrinfo

    def resolve(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        found = [entry for name in NAMES.get(host, [host]) for entry in real(name, port, *more, **named)]
        return list(found)

    monkeypatch.setattr("pyskopeo.registry.session.is_public", pretend)
    monkeypatch.setattr("pyskopeo.http.connect.is_public", pretend)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)


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

    def resolve(host: str, port: int, *more: Any) -> list[Any]:
        asked.append(host)
        return [entry for address in answers.pop(0) for entry in real(address, port, *more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr("pyskopeo.http.connect.is_public", lambda address: address == "127.0.0.1")
    url = f"http://rebinding.example.com:{elsewhere.port}/storage/{LARGE}"
    async with wire() as transport:
        response = await transport.handle_async_request(
            httpx.Request("GET", url, extensions={"public_only": True})
        )
        assert response.status_code == 200
        assert response.extensions["peer"] == "127.0.0.1"
        await response.aclose()
        assert asked == ["rebinding.example.com"]
        with pytest.raises(UnsafeAddress, match="rebinding.example.com is at 127.0.0.2"):
            await transport.handle_async_request(httpx.Request("GET", url, extensions={"public_only": True}))


async def test_a_connection_is_not_shared_with_those_who_may_go_anywhere(elsewhere: Simulator) -> None:
    """A private address that the registry itself is reached by is no way in for what it sends us to."""
    url = f"{elsewhere.url}/storage/{SMALL}"
    async with wire() as transport:
        response = await transport.handle_async_request(httpx.Request("GET", url))
        await response.aread()
        await response.aclose()
        with pytest.raises(UnsafeAddress):
            await transport.handle_async_request(httpx.Request("GET", url, extensions={"public_only": True}))
    assert len(elsewhere.requests) == 1
