"""Blobs that only the URLs in their descriptors have, as those of a layout: which URLs are requested, and with what."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import httpx
import pytest

from pyskopeo.access import Access
from pyskopeo.errors import ContentMismatch, InvalidContent, RegistryError, UnsafeAddress
from pyskopeo.http.locality import Locality
from pyskopeo.http.tls import Trust
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.registry.external_blob import open_external_blob
from pyskopeo.streams.pump import Blob
from tests.support.access import access_for, networked
from tests.support.scripted import Script, answer

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Async generator 'httpx", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

CONTENT = b"a layer" * 1000
VENDOR = "https://vendor.example.net/x"


async def read(script: Script, *urls: str, insecure: bool = False) -> bytes:
    descriptor = Descriptor("application/octet-stream", Digest.of(CONTENT), len(CONTENT), urls=urls)
    async with httpx.AsyncClient(verify=False) as client:
        access: Access = networked(access_for(script.home, trust=Trust(insecure=insecure)), client=client)
        access = replace(access, report=script.events.append)
        return await Blob(descriptor, partial(open_external_blob, descriptor, "oci:x:1", access)).read(1 << 20)


async def test_the_first_url_that_has_it(script: Script) -> None:
    script.on("https://gone.example.net/x", answer(404))
    script.on(VENDOR, answer(302, location="https://cdn.example.net/y"))
    script.on("https://cdn.example.net/y", answer(200, CONTENT))
    assert await read(script, "https://gone.example.net/x", VENDOR) == CONTENT
    assert [str(request.url) for request in script.requests][-1] == "https://cdn.example.net/y"
    assert {request.extensions["reach"] for request in script.requests} == {Locality.PUBLIC}


async def test_it_is_tried_again(script: Script) -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    script.on(VENDOR, down, answer(200, CONTENT))
    assert await read(script, VENDOR) == CONTENT
    (retrying,) = script.retries
    assert retrying.what == f"reading blob {Digest.of(CONTENT)} in oci:x:1"


async def test_it_is_verified(script: Script) -> None:
    script.on(VENDOR, answer(200, bytes(len(CONTENT))))
    with pytest.raises(ContentMismatch, match="digest mismatch"):
        await read(script, VENDOR)


async def test_nobody_is_told_who_we_are(script: Script) -> None:
    """CVE-2020-15157."""
    script.on(VENDOR, answer(401, www_authenticate='Bearer realm="https://vendor.example.net/token", Basic realm="x"'))
    with pytest.raises(RegistryError, match="it is neither there nor at any URL of its descriptor"):
        await read(script, VENDOR)
    assert script.secrets_at("vendor.example.net") == []
    assert len(script.requests) == 1


@pytest.mark.parametrize("url", ["http://vendor.example.net/x", "ftp://x/y", "file:///etc/passwd", "https://u:p@x.net/", "x", ""])
async def test_urls_that_are_refused(url: str, script: Script) -> None:
    with pytest.raises(UnsafeAddress):
        await read(script, url)
    assert script.requests == []


async def test_without_verification_http_will_do(script: Script) -> None:
    script.on("http://vendor.example.net/x", answer(200, CONTENT))
    assert await read(script, "http://vendor.example.net/x", insecure=True) == CONTENT
    with pytest.raises(UnsafeAddress):
        await read(script, "ftp://x/y", insecure=True)


async def test_https_does_not_become_http(script: Script) -> None:
    script.on(VENDOR, answer(302, location="http://other.example.net/y"))
    with pytest.raises(UnsafeAddress, match="redirects to plain http"):
        await read(script, VENDOR)


async def test_redirects_have_an_end(script: Script) -> None:
    for number in range(20):
        script.on(f"{VENDOR}{number}", answer(302, location=f"{VENDOR}{number + 1}"))
    with pytest.raises(InvalidContent, match="redirects more than 10 times"):
        await read(script, f"{VENDOR}0")
    assert len(script.requests) == 1 + 10
    script.on(VENDOR, answer(302, location=VENDOR))
    with pytest.raises(InvalidContent, match="redirects in a circle"):
        await read(script, VENDOR)
